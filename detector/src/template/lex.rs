//! A template's text as tokens (Go, text/template/parse/lex.go).

use super::TemplateError;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    /// `{{`, with the mark that trims the text before it.
    Open,
    /// `}}`
    Close,
    Space,
    Assign,
    Declare,
    Pipe,
    LeftParen,
    RightParen,
    /// A visible ASCII character without a meaning of its own, such as a comma.
    Other,
    Character,
    Quoted,
    Raw,
    Number,
    /// `1+2i`
    Complex,
    Bool,
    /// `.name`
    Field,
    /// `$name`
    Variable,
    Identifier,
    Dot,
    Nil,
    Block,
    Break,
    Continue,
    Define,
    Else,
    End,
    If,
    Range,
    Template,
    With,
    /// After the last token, for good.
    Eof,
}

/// A token and where it stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Token<'t> {
    pub(super) kind: Kind,
    /// The byte it begins at.
    pub(super) at: usize,
    pub(super) text: &'t str,
}

/// The tokens of a text, up to where it stops being a template, and why it does.
#[derive(Debug)]
pub(super) struct Tokens<'t> {
    pub(super) all: Vec<Token<'t>>,
    /// What is wrong after the last token; none if the text ends well.
    pub(super) error: Option<TemplateError>,
}

const OPEN: &str = "{{";
const CLOSE: &str = "}}";
const SPACES: [char; 4] = [' ', '\t', '\r', '\n'];

type Result<T> = std::result::Result<T, TemplateError>;

/// Takes a text apart.
pub(super) fn tokens(text: &str) -> Tokens<'_> {
    let mut lexer = Lexer {
        text,
        at: 0,
        start: 0,
        parens: 0,
        all: Vec::new(),
    };
    let error = lexer.run().err();
    Tokens {
        all: lexer.all,
        error,
    }
}

struct Lexer<'t> {
    text: &'t str,
    at: usize,
    /// Where the present token begins.
    start: usize,
    /// How many parentheses are open.
    parens: usize,
    all: Vec<Token<'t>>,
}

impl<'t> Lexer<'t> {
    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn bump(&mut self) -> Option<char> {
        let char = self.peek()?;
        self.at += char.len_utf8();
        Some(char)
    }

    fn accept(&mut self, set: &str) -> bool {
        let found = self.peek().is_some_and(|char| set.contains(char));
        if found {
            self.at += 1;
        }
        found
    }

    fn emit(&mut self, kind: Kind) {
        self.all.push(Token {
            kind,
            at: self.start,
            text: &self.text[self.start..self.at],
        });
        self.start = self.at;
    }

    fn fail<T>(&self, message: impl Into<String>) -> Result<T> {
        Err(TemplateError::new(self.start, message))
    }

    /// Texts and actions by turns.
    fn run(&mut self) -> Result<()> {
        while let Some(length) = self.rest().find(OPEN) {
            let opens = self.at + length;
            let text = &self.text[self.start..opens];
            self.at = match trims_before(&self.text[opens + OPEN.len()..]) {
                true => self.start + text.trim_end_matches(SPACES).len(),
                false => opens,
            };
            if self.at > self.start {
                self.emit(Kind::Text);
            }
            self.start = opens;
            self.at = opens + OPEN.len();
            let mark = if trims_before(self.rest()) { 2 } else { 0 };
            if self.rest()[mark..].starts_with("/*") {
                self.at += mark;
                self.start = self.at;
                self.comment()?;
            } else {
                self.emit(Kind::Open);
                self.at += mark;
                self.start = self.at;
                self.parens = 0;
                self.action()?;
            }
        }
        self.at = self.text.len();
        if self.at > self.start {
            self.emit(Kind::Text);
        }
        Ok(())
    }

    /// Whether the action ends here, and whether it trims the text after it.
    fn at_close(&self) -> Option<bool> {
        let rest = self.rest();
        if trims_after(rest) && rest[2..].starts_with(CLOSE) {
            return Some(true);
        }
        rest.starts_with(CLOSE).then_some(false)
    }

    /// Leaves out what is trimmed after an action.
    fn trim(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start_matches(SPACES).len();
        self.start = self.at;
    }

    fn comment(&mut self) -> Result<()> {
        let Some(length) = self.rest()[2..].find("*/") else {
            return self.fail("unclosed comment");
        };
        self.at += 2 + length + 2;
        let Some(trims) = self.at_close() else {
            return self.fail("comment ends before closing delimiter");
        };
        self.at += CLOSE.len() + if trims { 2 } else { 0 };
        self.start = self.at;
        if trims {
            self.trim();
        }
        Ok(())
    }

    /// The tokens of an action, its end included.
    fn action(&mut self) -> Result<()> {
        loop {
            if let Some(trims) = self.at_close() {
                if self.parens > 0 {
                    return self.fail("unclosed left paren");
                }
                if trims {
                    self.at += 2;
                    self.start = self.at;
                }
                self.at += CLOSE.len();
                self.emit(Kind::Close);
                if trims {
                    self.trim();
                }
                return Ok(());
            }
            let Some(char) = self.bump() else {
                return self.fail("unclosed action");
            };
            match char {
                _ if SPACES.contains(&char) => self.space(),
                '=' => self.emit(Kind::Assign),
                ':' => {
                    if self.bump() != Some('=') {
                        return self.fail("expected :=");
                    }
                    self.emit(Kind::Declare);
                }
                '|' => self.emit(Kind::Pipe),
                '"' => self.quoted(char, Kind::Quoted, "unterminated quoted string")?,
                '\'' => self.quoted(char, Kind::Character, "unterminated character constant")?,
                '`' => {
                    let Some(length) = self.rest().find('`') else {
                        return self.fail("unterminated raw quoted string");
                    };
                    self.at += length + 1;
                    self.emit(Kind::Raw);
                }
                '$' => self.name(Kind::Variable, Kind::Variable)?,
                '.' if !self.peek().is_some_and(|next| next.is_ascii_digit()) => {
                    self.name(Kind::Field, Kind::Dot)?;
                }
                '.' | '+' | '-' | '0'..='9' => {
                    self.at -= 1;
                    self.number()?;
                }
                _ if is_word(char) => self.identifier()?,
                '(' => {
                    self.parens += 1;
                    self.emit(Kind::LeftParen);
                }
                ')' => {
                    let Some(parens) = self.parens.checked_sub(1) else {
                        return self.fail("unexpected right paren");
                    };
                    self.parens = parens;
                    self.emit(Kind::RightParen);
                }
                _ if char.is_ascii_graphic() => self.emit(Kind::Other),
                _ => {
                    return self.fail(format!(
                        "unrecognized character in action: {}",
                        unicode(char)
                    ));
                }
            }
        }
    }

    /// Blanks; the last one belongs to a `-}}` after it.
    fn space(&mut self) {
        while self.peek().is_some_and(|char| SPACES.contains(&char)) {
            self.at += 1;
        }
        let last = &self.text[self.at - 1..];
        if trims_after(last) && last[2..].starts_with(CLOSE) {
            self.at -= 1;
        }
        match self.at > self.start {
            true => self.emit(Kind::Space),
            false => self.start = self.at,
        }
    }

    fn quoted(&mut self, quote: char, kind: Kind, unterminated: &str) -> Result<()> {
        loop {
            match self.bump() {
                Some('\\') if self.peek().is_some_and(|char| char != '\n') => {
                    self.bump();
                }
                Some(char) if char == quote => break,
                None | Some('\n' | '\\') => return self.fail(unterminated),
                Some(_) => {}
            }
        }
        self.emit(kind);
        Ok(())
    }

    /// Whether a name may end here.
    fn at_terminator(&self) -> bool {
        match self.peek() {
            None => true,
            Some(char) => {
                SPACES.contains(&char) || ".,|:)(".contains(char) || self.rest().starts_with(CLOSE)
            }
        }
    }

    /// The name after a `.` or `$`; `bare` without one.
    fn name(&mut self, kind: Kind, bare: Kind) -> Result<()> {
        if self.at_terminator() {
            self.emit(bare);
            return Ok(());
        }
        self.word()?;
        self.emit(kind);
        Ok(())
    }

    fn word(&mut self) -> Result<()> {
        while self.peek().is_some_and(is_word) {
            self.bump();
        }
        match self.peek() {
            Some(char) if !self.at_terminator() => Err(TemplateError::new(
                self.at,
                format!("bad character {}", unicode(char)),
            )),
            _ => Ok(()),
        }
    }

    fn identifier(&mut self) -> Result<()> {
        self.word()?;
        self.emit(match &self.text[self.start..self.at] {
            "block" => Kind::Block,
            "break" => Kind::Break,
            "continue" => Kind::Continue,
            "define" => Kind::Define,
            "else" => Kind::Else,
            "end" => Kind::End,
            "if" => Kind::If,
            "nil" => Kind::Nil,
            "range" => Kind::Range,
            "template" => Kind::Template,
            "with" => Kind::With,
            "true" | "false" => Kind::Bool,
            _ => Kind::Identifier,
        });
        Ok(())
    }

    /// What looks like a number; whether it is one is seen when it is read.
    fn number(&mut self) -> Result<()> {
        let mut is_number = self.scan_number();
        let mut kind = Kind::Number;
        if is_number && self.peek().is_some_and(|char| "+-".contains(char)) {
            kind = Kind::Complex;
            is_number = self.scan_number() && self.text[..self.at].ends_with('i');
        }
        if !is_number {
            let seen = &self.text[self.start..self.at];
            return self.fail(format!("bad number syntax: {seen:?}"));
        }
        self.emit(kind);
        Ok(())
    }

    fn scan_number(&mut self) -> bool {
        let run = |lexer: &mut Self, digits: &str| while lexer.accept(digits) {};
        self.accept("+-");
        let mut digits = "0123456789_";
        if self.accept("0") {
            if self.accept("xX") {
                digits = "0123456789abcdefABCDEF_";
            } else if self.accept("oO") {
                digits = "01234567_";
            } else if self.accept("bB") {
                digits = "01_";
            }
        }
        run(self, digits);
        if self.accept(".") {
            run(self, digits);
        }
        let exponent = match digits.len() {
            11 => "eE",
            23 => "pP",
            _ => "",
        };
        if self.accept(exponent) {
            self.accept("+-");
            run(self, "0123456789_");
        }
        self.accept("i");
        match self.peek() {
            Some(char) if is_word(char) => {
                self.bump();
                false
            }
            _ => true,
        }
    }
}

fn trims_before(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next() == Some('-') && chars.next().is_some_and(|char| SPACES.contains(&char))
}

fn trims_after(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(|char| SPACES.contains(&char)) && chars.next() == Some('-')
}

fn is_word(char: char) -> bool {
    char == '_' || char.is_alphanumeric()
}

/// `%#U`
fn unicode(char: char) -> String {
    format!("U+{:04X} '{char}'", u32::from(char))
}
