//! From tokens to the tree that is executed (Go, text/template/parse/parse.go).

use std::collections::BTreeMap;

use super::call::Function;
use super::lex::{Kind, Token, Tokens, tokens};
use super::node::{Branch, BranchKind, Command, Node, Operand, Pipe, Term};
use super::{Program, TemplateError, literal};
use crate::compat::Compat;

type Result<T> = std::result::Result<T, TemplateError>;

/// Deepest nesting of actions and parentheses; both are read and executed by recursion.
const DEPTH_MAX: usize = 100;

/// Reads a template, whose beginning declares Prometheus' variables.
pub(super) fn program(name: &str, text: &str, compat: Compat) -> Result<Program> {
    let mut parser = Parser {
        compat,
        tokens: tokens(text),
        length: text.len(),
        next: 0,
        depth: 0,
        scope: Scope::new(),
        definitions: BTreeMap::new(),
    };
    let mut root = Vec::new();
    loop {
        let before = parser.next;
        match parser.peek()?.kind {
            Kind::Eof => break,
            Kind::Open => {
                parser.take()?;
                if parser.take_visible()?.kind == Kind::Define {
                    parser.definition()?;
                    continue;
                }
                parser.next = before;
            }
            _ => {}
        }
        let at = parser.peek()?.at;
        match parser.text_or_action()? {
            Part::Node(node) => root.push(node),
            Part::End => return fail(at, "unexpected {{end}}"),
            Part::Else => return fail(at, "unexpected {{else}}"),
        }
    }
    parser.define(name.to_owned(), root, 0)?;
    Ok(Program {
        name: name.to_owned(),
        text: text.to_owned(),
        definitions: parser.definitions,
    })
}

fn fail<T>(at: usize, message: impl Into<String>) -> Result<T> {
    Err(TemplateError::new(at, message))
}

/// What is visible in a definition.
struct Scope {
    variables: Vec<String>,
    /// How many `range`s are open.
    ranges: usize,
}

impl Scope {
    fn new() -> Self {
        Self {
            variables: vec!["$".into()],
            ranges: 0,
        }
    }
}

/// A part of a list, or what ends one.
enum Part {
    Node(Node),
    End,
    /// An `if` or `with` after it has not been read.
    Else,
}

struct Parser<'t> {
    compat: Compat,
    tokens: Tokens<'t>,
    length: usize,
    next: usize,
    depth: usize,
    scope: Scope,
    definitions: BTreeMap<String, Vec<Node>>,
}

impl<'t> Parser<'t> {
    fn peek(&self) -> Result<Token<'t>> {
        if let Some(token) = self.tokens.all.get(self.next) {
            return Ok(*token);
        }
        match &self.tokens.error {
            Some(error) => Err(error.clone()),
            None => Ok(Token {
                kind: Kind::Eof,
                at: self.length,
                text: "EOF",
            }),
        }
    }

    fn take(&mut self) -> Result<Token<'t>> {
        let token = self.peek()?;
        self.next += 1;
        Ok(token)
    }

    /// The next token, blanks left out.
    fn peek_visible(&mut self) -> Result<Token<'t>> {
        while self.peek()?.kind == Kind::Space {
            self.next += 1;
        }
        self.peek()
    }

    fn take_visible(&mut self) -> Result<Token<'t>> {
        let token = self.peek_visible()?;
        self.next += 1;
        Ok(token)
    }

    fn expect(&mut self, kind: Kind, context: &str) -> Result<Token<'t>> {
        let token = self.take_visible()?;
        match token.kind == kind {
            true => Ok(token),
            false => unexpected(token, context),
        }
    }

    fn nested<T>(&mut self, at: usize, read: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.depth == DEPTH_MAX {
            return fail(
                at,
                format!("actions and parentheses are nested more than {DEPTH_MAX} deep"),
            );
        }
        self.depth += 1;
        let read = read(self);
        self.depth -= 1;
        read
    }

    fn text_or_action(&mut self) -> Result<Part> {
        let token = self.take_visible()?;
        match token.kind {
            Kind::Text => Ok(Part::Node(Node::Text(token.text.to_owned()))),
            Kind::Open => self.action(),
            _ => unexpected(token, "input"),
        }
    }

    /// Everything up to an `end` or `else`.
    fn list(&mut self) -> Result<(Vec<Node>, Part)> {
        let mut nodes = Vec::new();
        loop {
            let token = self.peek_visible()?;
            if token.kind == Kind::Eof {
                return fail(token.at, "unexpected EOF");
            }
            match self.text_or_action()? {
                Part::Node(node) => nodes.push(node),
                end => return Ok((nodes, end)),
            }
        }
    }

    /// A list that only `end` may end.
    fn definition_list(&mut self, context: &str) -> Result<Vec<Node>> {
        let outer = std::mem::replace(&mut self.scope, Scope::new());
        let at = self.peek()?.at;
        let (nodes, end) = self.nested(at, Self::list)?;
        self.scope = outer;
        match end {
            Part::Else => fail(at, format!("unexpected {{{{else}}}} in {context}")),
            _ => Ok(nodes),
        }
    }

    /// `define "name"`, after the word.
    fn definition(&mut self) -> Result<()> {
        let context = "define clause";
        let token = self.take_visible()?;
        let name = name_of(token, context)?;
        self.expect(Kind::Close, context)?;
        let nodes = self.definition_list(context)?;
        self.define(name, nodes, token.at)
    }

    /// A definition takes the place of one that is empty; of two that are not, the second is wrong.
    fn define(&mut self, name: String, nodes: Vec<Node>, at: usize) -> Result<()> {
        match self.definitions.get(&name) {
            Some(known) if !is_empty(known) => match is_empty(&nodes) {
                true => Ok(()),
                false => fail(at, format!("multiple definition of template {name:?}")),
            },
            _ => {
                self.definitions.insert(name, nodes);
                Ok(())
            }
        }
    }

    /// An action, after its `{{`.
    fn action(&mut self) -> Result<Part> {
        let token = self.take_visible()?;
        let node = match token.kind {
            Kind::Block => self.block()?,
            Kind::Break => self.leave(token, "{{break}}", Node::Break)?,
            Kind::Continue => self.leave(token, "{{continue}}", Node::Continue)?,
            Kind::Else => {
                let next = self.peek_visible()?.kind;
                // Go knows `else with` since 1.23; Prometheus 2.42 was built with 1.19.
                let goes_on = next == Kind::If || next == Kind::With && self.compat == Compat::V3;
                if !goes_on {
                    self.expect(Kind::Close, "else")?;
                }
                return Ok(Part::Else);
            }
            Kind::End => {
                self.expect(Kind::Close, "end")?;
                return Ok(Part::End);
            }
            Kind::If => self.branch(BranchKind::If, token.at)?,
            Kind::Range => self.branch(BranchKind::Range, token.at)?,
            Kind::With => self.branch(BranchKind::With, token.at)?,
            Kind::Template => self.template()?,
            _ => {
                self.next -= 1;
                Node::Action(self.pipeline("command", Kind::Close)?)
            }
        };
        Ok(Part::Node(node))
    }

    /// `break` or `continue`, after the word.
    fn leave(&mut self, token: Token<'_>, context: &str, node: Node) -> Result<Node> {
        self.expect(Kind::Close, context)?;
        match self.scope.ranges {
            0 => fail(token.at, format!("{context} outside {{{{range}}}}")),
            _ => Ok(node),
        }
    }

    /// `if`, `with` or `range`, after the word.
    fn branch(&mut self, kind: BranchKind, at: usize) -> Result<Node> {
        let visible = self.scope.variables.len();
        let context = match kind {
            BranchKind::If => "if",
            BranchKind::With => "with",
            BranchKind::Range => "range",
        };
        let pipe = self.pipeline(context, Kind::Close)?;
        let is_range = usize::from(kind == BranchKind::Range);
        self.scope.ranges += is_range;
        let (list, end) = self.nested(at, Self::list)?;
        self.scope.ranges -= is_range;
        let otherwise = match end {
            Part::Else => {
                let next = self.peek()?;
                let chained = match kind {
                    BranchKind::If => next.kind == Kind::If,
                    BranchKind::With => next.kind == Kind::With,
                    BranchKind::Range => false,
                };
                Some(if chained {
                    self.next += 1;
                    vec![self.nested(next.at, |parser| parser.branch(kind, next.at))?]
                } else {
                    let (otherwise, end) = self.nested(next.at, Self::list)?;
                    if matches!(end, Part::Else) {
                        return fail(next.at, "expected end; found {{else}}");
                    }
                    otherwise
                })
            }
            _ => None,
        };
        self.scope.variables.truncate(visible);
        Ok(Node::Branch(Box::new(Branch {
            kind,
            pipe,
            list,
            otherwise,
        })))
    }

    /// `block "name" pipeline`, after the word: a definition and its use.
    fn block(&mut self) -> Result<Node> {
        let context = "block clause";
        let token = self.take_visible()?;
        let name = name_of(token, context)?;
        let pipe = self.pipeline(context, Kind::Close)?;
        let nodes = self.definition_list(context)?;
        self.define(name.clone(), nodes, token.at)?;
        Ok(Node::Template {
            at: token.at,
            name,
            pipe: Some(pipe),
        })
    }

    /// `template "name" pipeline`, after the word.
    fn template(&mut self) -> Result<Node> {
        let context = "template clause";
        let token = self.take_visible()?;
        let name = name_of(token, context)?;
        let pipe = match self.take_visible()?.kind {
            Kind::Close => None,
            _ => {
                self.next -= 1;
                Some(self.pipeline(context, Kind::Close)?)
            }
        };
        Ok(Node::Template {
            at: token.at,
            name,
            pipe,
        })
    }

    /// Declarations, then commands, up to `end`.
    fn pipeline(&mut self, context: &str, end: Kind) -> Result<Pipe> {
        let mut pipe = Pipe {
            at: self.peek_visible()?.at,
            assigns: false,
            variables: Vec::new(),
            commands: Vec::new(),
        };
        self.declarations(&mut pipe, context)?;
        loop {
            let token = self.take_visible()?;
            match token.kind {
                kind if kind == end => break,
                Kind::Bool
                | Kind::Character
                | Kind::Complex
                | Kind::Dot
                | Kind::Field
                | Kind::Identifier
                | Kind::Number
                | Kind::Nil
                | Kind::Raw
                | Kind::Quoted
                | Kind::Variable
                | Kind::LeftParen => {
                    self.next -= 1;
                    let command = self.command()?;
                    pipe.commands.push(command);
                }
                _ => return unexpected(token, context),
            }
        }
        if pipe.commands.is_empty() {
            return fail(pipe.at, format!("missing value for {context}"));
        }
        for (place, command) in pipe.commands.iter().enumerate().skip(1) {
            let first = &command.operands[0].term;
            if matches!(
                first,
                Term::Bool(_) | Term::Dot | Term::Nil | Term::Number(_) | Term::Text { .. }
            ) {
                let stage = place + 1;
                return fail(
                    command.at,
                    format!("non executable command in pipeline stage {stage}"),
                );
            }
        }
        Ok(pipe)
    }

    /// `$x :=`, `$x =`, and in a range `$i, $x :=`.
    fn declarations(&mut self, pipe: &mut Pipe, context: &str) -> Result<()> {
        loop {
            let variable = self.peek_visible()?;
            if variable.kind != Kind::Variable {
                return Ok(());
            }
            let before = self.next;
            self.next += 1;
            let next = self.peek_visible()?;
            match next.kind {
                Kind::Assign | Kind::Declare => {
                    pipe.assigns = next.kind == Kind::Assign;
                    self.next += 1;
                    self.declare(pipe, variable.text);
                    return Ok(());
                }
                Kind::Other if next.text == "," => {
                    self.next += 1;
                    self.declare(pipe, variable.text);
                    if context != "range" || pipe.variables.len() >= 2 {
                        return fail(next.at, format!("too many declarations in {context}"));
                    }
                    let after = self.peek_visible()?;
                    if !matches!(after.kind, Kind::Variable | Kind::Close | Kind::RightParen) {
                        return fail(after.at, "range can only initialize variables");
                    }
                }
                _ => {
                    self.next = before;
                    return Ok(());
                }
            }
        }
    }

    fn declare(&mut self, pipe: &mut Pipe, name: &str) {
        pipe.variables.push(name.to_owned());
        self.scope.variables.push(name.to_owned());
    }

    /// Operands with blanks between them.
    fn command(&mut self) -> Result<Command> {
        let mut command = Command {
            at: self.peek_visible()?.at,
            operands: Vec::new(),
        };
        loop {
            self.peek_visible()?;
            command.operands.extend(self.operand()?);
            let token = self.take()?;
            match token.kind {
                Kind::Space => continue,
                Kind::Close | Kind::RightParen => self.next -= 1,
                Kind::Pipe => {}
                _ => return unexpected(token, "operand"),
            }
            break;
        }
        match command.operands.is_empty() {
            true => fail(command.at, "empty command"),
            false => Ok(command),
        }
    }

    /// A term, and the fields after it.
    fn operand(&mut self) -> Result<Option<Operand>> {
        let Some(mut operand) = self.term()? else {
            return Ok(None);
        };
        let at = self.peek()?.at;
        let mut fields = Vec::new();
        while self.peek()?.kind == Kind::Field {
            fields.push(self.take()?.text[1..].to_owned());
        }
        if fields.is_empty() {
            return Ok(Some(operand));
        }
        match &mut operand.term {
            Term::Field(names) | Term::Variable(names) => {
                names.extend(fields);
                operand.at = at;
            }
            Term::Bool(_) | Term::Text { .. } | Term::Number(_) | Term::Nil | Term::Dot => {
                return fail(
                    at,
                    format!("unexpected . after term {:?}", operand.to_string()),
                );
            }
            Term::Function(..) | Term::Pipe(_) | Term::Chain(..) => {
                operand = Operand {
                    at,
                    term: Term::Chain(Box::new(operand), fields),
                };
            }
        }
        Ok(Some(operand))
    }

    fn term(&mut self) -> Result<Option<Operand>> {
        let token = self.take_visible()?;
        let Token { at, text, .. } = token;
        let term = match token.kind {
            Kind::Identifier => match Function::named(text, self.compat) {
                Some(function) => Term::Function(function, text.to_owned()),
                None => return fail(at, format!("function {text:?} not defined")),
            },
            Kind::Dot => Term::Dot,
            Kind::Nil => Term::Nil,
            Kind::Variable => {
                if !self.scope.variables.iter().any(|name| name == text) {
                    return fail(at, format!("undefined variable {text:?}"));
                }
                Term::Variable(vec![text.to_owned()])
            }
            Kind::Field => Term::Field(vec![text[1..].to_owned()]),
            Kind::Bool => Term::Bool(text == "true"),
            Kind::Character | Kind::Complex | Kind::Number => {
                match literal::number(text, token.kind) {
                    Ok(number) => Term::Number(number),
                    Err(why) => return fail(at, why),
                }
            }
            Kind::LeftParen => {
                let read =
                    |parser: &mut Self| parser.pipeline("parenthesized pipeline", Kind::RightParen);
                let pipe = self.nested(at, read)?;
                return Ok(Some(Operand {
                    at: pipe.at,
                    term: Term::Pipe(Box::new(pipe)),
                }));
            }
            Kind::Quoted | Kind::Raw => match literal::unquoted(text) {
                Some(bytes) => Term::Text {
                    quoted: text.to_owned(),
                    bytes,
                },
                None => return fail(at, format!("{text} is no text: invalid syntax")),
            },
            _ => {
                self.next -= 1;
                return Ok(None);
            }
        };
        Ok(Some(Operand { at, term }))
    }
}

fn unexpected<T>(token: Token<'_>, context: &str) -> Result<T> {
    let shown = match token.kind {
        Kind::Eof => "EOF".into(),
        Kind::Block
        | Kind::Break
        | Kind::Continue
        | Kind::Define
        | Kind::Else
        | Kind::End
        | Kind::If
        | Kind::Nil
        | Kind::Range
        | Kind::Template
        | Kind::With => {
            format!("<{}>", token.text)
        }
        _ if token.text.chars().count() > 10 => {
            let begin: String = token.text.chars().take(10).collect();
            format!("{begin:?}...")
        }
        _ => format!("{:?}", token.text),
    };
    fail(token.at, format!("unexpected {shown} in {context}"))
}

/// The name of a template, which is a text.
fn name_of(token: Token<'_>, context: &str) -> Result<String> {
    if !matches!(token.kind, Kind::Quoted | Kind::Raw) {
        return unexpected(token, context);
    }
    match literal::unquoted(token.text) {
        Some(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        None => fail(token.at, "invalid syntax"),
    }
}

/// Whether nothing but blanks is in it.
fn is_empty(nodes: &[Node]) -> bool {
    let blank = |node: &Node| matches!(node, Node::Text(text) if text.trim().is_empty());
    nodes.iter().all(blank)
}
