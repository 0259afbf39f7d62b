//! Parsing templates.

use super::functions::Function;
use super::{Part, Piece, Template, TemplateError, Term, Verb};

type Result<T> = std::result::Result<T, TemplateError>;

/// Longest template with an action in it, bytes.
const LENGTH_MAX: usize = 64 * 1024;
/// Most function calls and parentheses in one action: each may nest what is before it, and expanding recurses.
const CALLS_MAX: usize = 100;

fn limit<T>(what: impl Into<String>) -> Result<T> {
    Err(TemplateError::Limit(what.into()))
}

fn syntax<T>(why: impl Into<String>) -> Result<T> {
    Err(TemplateError::Syntax(why.into()))
}

fn unsupported<T>(what: impl Into<String>) -> Result<T> {
    Err(TemplateError::Unsupported(what.into()))
}

/// Go's template words and functions (Prometheus' own included) that are known but not carried out.
const KNOWN: [&str; 52] = [
    "if",
    "else",
    "end",
    "range",
    "with",
    "define",
    "template",
    "block",
    "break",
    "continue",
    "and",
    "or",
    "not",
    "eq",
    "ne",
    "lt",
    "le",
    "gt",
    "ge",
    "len",
    "slice",
    "print",
    "println",
    "html",
    "js",
    "urlquery",
    "call",
    "query",
    "first",
    "label",
    "value",
    "sortByLabel",
    "stripPort",
    "stripDomain",
    "match",
    "title",
    "reReplaceAll",
    "safeHtml",
    "humanizeTimestamp",
    "toTime",
    "pathPrefix",
    "parseDuration",
    "tmpl",
    "args",
    "graphLink",
    "tableLink",
    "strvalue",
    "externalURL",
    "true",
    "false",
    "nil",
    "now",
];

pub(super) fn template(text: &str) -> Result<Template> {
    let mut parts = Vec::new();
    let mut rest = text;
    let mut trim_next = false;
    if text.len() > LENGTH_MAX && text.contains("{{") {
        return limit(format!(
            "it has {} bytes; the limit is {LENGTH_MAX}",
            text.len()
        ));
    }
    loop {
        let Some(open) = rest.find("{{") else {
            push_text(&mut parts, rest, trim_next, false);
            return Ok(Template { parts });
        };
        let inside = &rest[open + 2..];
        let trims_before =
            inside.starts_with('-') && inside[1..].starts_with(|c: char| c.is_ascii_whitespace());
        push_text(&mut parts, &rest[..open], trim_next, trims_before);
        let inside = if trims_before { &inside[1..] } else { inside };
        let comment = inside.trim_start();
        let length = if comment.starts_with("/*") {
            let Some(end) = inside.find("*/") else {
                return syntax("a comment is not closed");
            };
            end + 2 + inside[end + 2..].find("}}").unwrap_or(0)
        } else {
            action_length(inside)?
        };
        let (body, after) = inside.split_at(length);
        let Some(after) = after.strip_prefix("}}") else {
            return syntax("{{ is not closed by }}");
        };
        trim_next = body.ends_with('-')
            && body[..body.len() - 1].ends_with(|c: char| c.is_ascii_whitespace());
        let body = if trim_next {
            &body[..body.len() - 1]
        } else {
            body
        };
        if !comment.starts_with("/*") {
            parts.push(Part::Action(action(body)?));
        }
        rest = after;
    }
}

fn push_text(parts: &mut Vec<Part>, text: &str, trim_start: bool, trim_end: bool) {
    let space = [' ', '\t', '\r', '\n'];
    let text = if trim_start {
        text.trim_start_matches(space)
    } else {
        text
    };
    let text = if trim_end {
        text.trim_end_matches(space)
    } else {
        text
    };
    if !text.is_empty() {
        parts.push(Part::Text(text.to_owned()));
    }
}

/// How long the action is, up to its `}}`; strings may hold one.
fn action_length(text: &str) -> Result<usize> {
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        if rest.starts_with("}}") {
            return Ok(at);
        }
        match rest.chars().next() {
            Some('"' | '`') => at += token_string(rest)?.0,
            Some(char) => at += char.len_utf8(),
            None => break,
        }
    }
    syntax("{{ is not closed by }}")
}

/// A quoted string at the start: its length and its content.
fn token_string(text: &str) -> Result<(usize, String)> {
    let mut chars = text.char_indices();
    let Some((_, quote)) = chars.next() else {
        return syntax("a string is missing");
    };
    let mut content = String::new();
    while let Some((at, char)) = chars.next() {
        if char == quote {
            return Ok((at + quote.len_utf8(), content));
        }
        if char == '\\' && quote == '"' {
            match chars.next() {
                Some((_, 'n')) => content.push('\n'),
                Some((_, 't')) => content.push('\t'),
                Some((_, same @ ('"' | '\\'))) => content.push(same),
                Some((_, other)) => return unsupported(format!("the escape \\{other}")),
                None => break,
            }
        } else {
            content.push(char);
        }
    }
    syntax("a string is not closed")
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Word(String),
    Text(String),
    Pipe,
    Open,
    Close,
}

fn tokens(body: &str) -> Result<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut rest = body;
    while let Some(char) = rest.chars().next() {
        let length = match char {
            c if c.is_whitespace() => c.len_utf8(),
            '|' | '(' | ')' => {
                tokens.push(match char {
                    '|' => Token::Pipe,
                    '(' => Token::Open,
                    _ => Token::Close,
                });
                1
            }
            '"' | '`' => {
                let (length, text) = token_string(rest)?;
                tokens.push(Token::Text(text));
                length
            }
            _ => {
                let ends = |c: char| c.is_whitespace() || "|()\"`".contains(c);
                let length = rest.find(ends).unwrap_or(rest.len());
                tokens.push(Token::Word(rest[..length].to_owned()));
                length
            }
        };
        rest = &rest[length..];
    }
    Ok(tokens)
}

fn action(body: &str) -> Result<Term> {
    let tokens = tokens(body)?;
    if tokens.is_empty() {
        return syntax("{{ }} is empty");
    }
    let mut parser = Parser {
        tokens,
        at: 0,
        calls: 0,
    };
    let term = parser.pipeline()?;
    match parser.next() {
        None => Ok(term),
        Some(token) => syntax(format!("unexpected {token:?}")),
    }
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    /// Function calls and parentheses so far.
    calls: usize,
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn next(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        token
    }

    fn pipeline(&mut self) -> Result<Term> {
        let mut term = self.command(None)?;
        while self.peek() == Some(&Token::Pipe) {
            self.at += 1;
            term = self.command(Some(term))?;
        }
        Ok(term)
    }

    /// Counts a function call or a parenthesis.
    fn call(&mut self) -> Result<()> {
        self.calls += 1;
        if self.calls > CALLS_MAX {
            return limit(format!(
                "an action has more than {CALLS_MAX} function calls and parentheses"
            ));
        }
        Ok(())
    }

    /// A value, or a function with its arguments; `piped` is the last argument.
    fn command(&mut self, piped: Option<Term>) -> Result<Term> {
        let function = match self.peek() {
            Some(Token::Word(word)) if !word.starts_with(['$', '.']) => word.clone(),
            _ => {
                let term = self.operand()?;
                return match piped {
                    None => Ok(term),
                    Some(_) => syntax("only a function can stand after |"),
                };
            }
        };
        self.at += 1;
        self.call()?;
        if KNOWN.contains(&function.as_str()) {
            return unsupported(format!("{function:?}"));
        }
        let mut args = Vec::new();
        let index = function == "index";
        while !matches!(self.peek(), None | Some(Token::Pipe | Token::Close)) {
            if index && args.is_empty() {
                return self.index();
            }
            args.push(self.operand()?);
        }
        args.extend(piped);
        if function == "printf" {
            return printf(args);
        }
        let Some(known) = Function::named(&function) else {
            return syntax(format!("function {function:?} is not defined"));
        };
        match <[Term; 1]>::try_from(args) {
            Ok([arg]) if arg.is_number() == known.takes_number() => {
                Ok(Term::Call(known, Box::new(arg)))
            }
            Ok(_) => unsupported(format!("{function} of a value of that kind")),
            Err(_) => syntax(format!("{function} takes one argument")),
        }
    }

    /// `index $labels "name"`, after the word.
    fn index(&mut self) -> Result<Term> {
        match (self.next(), self.next()) {
            (Some(Token::Word(map)), Some(Token::Text(name))) => match map.as_str() {
                "$labels" | ".Labels" => Ok(Term::Label(name)),
                "$externalLabels" | ".ExternalLabels" => Ok(Term::ExternalLabel(name)),
                _ => unsupported(format!("index of {map}")),
            },
            _ => unsupported("index of anything but $labels and a string"),
        }
    }

    fn operand(&mut self) -> Result<Term> {
        match self.next() {
            None => syntax("a value is missing"),
            Some(Token::Text(text)) => Ok(Term::Literal(text)),
            Some(Token::Open) => {
                self.call()?;
                let term = self.pipeline()?;
                match self.next() {
                    Some(Token::Close) => Ok(term),
                    _ => syntax("( is not closed"),
                }
            }
            Some(Token::Word(word)) => variable(&word),
            Some(token) => syntax(format!("unexpected {token:?}")),
        }
    }
}

fn variable(word: &str) -> Result<Term> {
    let (root, field) = match word.strip_prefix('.') {
        // `.Labels.x` is `$labels.x` without the shorthand.
        Some(word) => word.split_once('.').unwrap_or((word, "")),
        None => word.split_once('.').unwrap_or((word, "")),
    };
    match (root, field) {
        ("$value", "") => Ok(Term::Value),
        ("Value", "") if word.starts_with('.') => Ok(Term::Value),
        ("$externalURL" | "ExternalURL", "") => Ok(Term::ExternalUrl),
        ("$labels" | "Labels" | "$externalLabels" | "ExternalLabels", "") => {
            unsupported(format!("{word} as a whole"))
        }
        ("$labels" | "Labels", name) if !name.contains('.') => Ok(Term::Label(name.to_owned())),
        ("$externalLabels" | "ExternalLabels", name) if !name.contains('.') => {
            Ok(Term::ExternalLabel(name.to_owned()))
        }
        _ if word.starts_with('$') && word.len() > 1 => {
            syntax(format!("undefined variable {word:?}"))
        }
        _ => unsupported(format!("{word:?}")),
    }
}

fn printf(args: Vec<Term>) -> Result<Term> {
    let mut args = args.into_iter();
    let Some(Term::Literal(format)) = args.next() else {
        return unsupported("printf without a literal format");
    };
    let mut pieces = Vec::new();
    let mut text = String::new();
    let mut chars = format.chars().peekable();
    while let Some(char) = chars.next() {
        if char != '%' {
            text.push(char);
            continue;
        }
        let mut precision = None;
        if chars.peek() == Some(&'.') {
            chars.next();
            let mut digits = String::new();
            while let Some(digit) = chars.next_if(char::is_ascii_digit) {
                digits.push(digit);
            }
            // Beyond 300 decimals there is nothing left to print.
            match digits.parse().unwrap_or(0) {
                0..=300 => precision = Some(digits.parse().unwrap_or(0)),
                _ => return unsupported(format!("printf of {digits} decimals")),
            }
        }
        let verb = chars.next();
        if verb == Some('%') && precision.is_none() {
            text.push('%');
            continue;
        }
        let Some(arg) = args.next() else {
            return unsupported("printf with fewer values than its format asks for");
        };
        let verb = match (verb, arg.is_number()) {
            (Some('v'), true) if precision.is_none() => Verb::Plain,
            (Some('s' | 'v'), false) if precision.is_none() => Verb::Plain,
            (Some('f'), true) => Verb::Fixed(precision.unwrap_or(6)),
            (Some('e'), true) => Verb::Exponential(precision.unwrap_or(6)),
            (Some('g' | 'v'), true) => Verb::General(precision),
            (verb, _) => {
                let verb = verb.map(String::from).unwrap_or_default();
                return unsupported(format!("printf verb %{verb} for a value of that kind"));
            }
        };
        pieces.push(Piece::Text(std::mem::take(&mut text)));
        pieces.push(Piece::Verb(verb, arg));
    }
    if args.next().is_some() {
        return unsupported("printf with more values than its format asks for");
    }
    pieces.push(Piece::Text(text));
    Ok(Term::Printf(pieces))
}
