//! What a template is parsed to, and how its parts are written in messages (Go, text/template/parse/node.go).

use std::fmt::{self, Write};

use super::call::Function;
use super::literal::Number;
use crate::go_format;

/// A part of a template.
#[derive(Debug)]
pub(super) enum Node {
    Text(String),
    Action(Pipe),
    Break,
    Continue,
    Branch(Box<Branch>),
    /// `{{template "name" pipeline}}`
    Template {
        at: usize,
        name: String,
        pipe: Option<Pipe>,
    },
}

/// `if`, `with` or `range`.
#[derive(Debug)]
pub(super) struct Branch {
    pub(super) kind: BranchKind,
    pub(super) pipe: Pipe,
    pub(super) list: Vec<Node>,
    pub(super) otherwise: Option<Vec<Node>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BranchKind {
    If,
    With,
    Range,
}

/// Commands, each given what the one before came to, and the variables that get the last one's value.
#[derive(Debug)]
pub(super) struct Pipe {
    pub(super) at: usize,
    /// Whether the variables are there already.
    pub(super) assigns: bool,
    pub(super) variables: Vec<String>,
    pub(super) commands: Vec<Command>,
}

/// A value, or a function and its arguments.
#[derive(Debug)]
pub(super) struct Command {
    pub(super) at: usize,
    /// At least one.
    pub(super) operands: Vec<Operand>,
}

#[derive(Debug)]
pub(super) struct Operand {
    /// The byte it begins at, as Go counts: the last field's if there are fields after it.
    pub(super) at: usize,
    pub(super) term: Term,
}

#[derive(Debug)]
pub(super) enum Term {
    Bool(bool),
    Dot,
    Nil,
    /// `.a.b`, without the dots.
    Field(Vec<String>),
    /// `$x.a.b`: the variable, then the fields.
    Variable(Vec<String>),
    Function(Function, String),
    Pipe(Box<Pipe>),
    /// Fields of something else in parentheses.
    Chain(Box<Operand>, Vec<String>),
    Number(Number),
    Text {
        quoted: String,
        bytes: Vec<u8>,
    },
}

/// Where an execution is, for messages.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place<'t> {
    Pipe(&'t Pipe),
    Command(&'t Command),
    Operand(&'t Operand),
    /// An action that prints its pipeline.
    Action(&'t Pipe),
    Template(&'t Node),
    Branch(&'t Branch),
}

impl Place<'_> {
    pub(super) fn at(self) -> usize {
        match self {
            Self::Pipe(pipe) | Self::Action(pipe) => pipe.at,
            Self::Command(command) => command.at,
            Self::Operand(operand) => operand.at,
            Self::Template(Node::Template { at, .. }) => *at,
            Self::Template(_) => 0,
            Self::Branch(branch) => branch.pipe.at,
        }
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pipe(pipe) => pipe.fmt(f),
            Self::Command(command) => command.fmt(f),
            Self::Operand(operand) => operand.fmt(f),
            Self::Action(pipe) => write!(f, "{{{{{pipe}}}}}"),
            Self::Template(node) => node.fmt(f),
            Self::Branch(branch) => branch.fmt(f),
        }
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Action(pipe) => write!(f, "{{{{{pipe}}}}}"),
            Self::Break => f.write_str("{{break}}"),
            Self::Continue => f.write_str("{{continue}}"),
            Self::Branch(branch) => branch.fmt(f),
            Self::Template { name, pipe, .. } => {
                write!(f, "{{{{template {}", go_format::quoted(name))?;
                if let Some(pipe) = pipe {
                    write!(f, " {pipe}")?;
                }
                f.write_str("}}")
            }
        }
    }
}

impl fmt::Display for Branch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            BranchKind::If => "if",
            BranchKind::With => "with",
            BranchKind::Range => "range",
        };
        write!(f, "{{{{{kind} {}}}}}", self.pipe)?;
        self.list.iter().try_for_each(|node| node.fmt(f))?;
        if let Some(otherwise) = &self.otherwise {
            f.write_str("{{else}}")?;
            otherwise.iter().try_for_each(|node| node.fmt(f))?;
        }
        f.write_str("{{end}}")
    }
}

impl fmt::Display for Pipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.variables.is_empty() {
            f.write_str(&self.variables.join(", "))?;
            f.write_str(if self.assigns { " = " } else { " := " })?;
        }
        for (place, command) in self.commands.iter().enumerate() {
            if place > 0 {
                f.write_str(" | ")?;
            }
            command.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, operand) in self.operands.iter().enumerate() {
            if place > 0 {
                f.write_char(' ')?;
            }
            match &operand.term {
                Term::Pipe(pipe) => write!(f, "({pipe})")?,
                _ => operand.fmt(f)?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for Operand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.term {
            Term::Bool(value) => value.fmt(f),
            Term::Dot => f.write_char('.'),
            Term::Nil => f.write_str("nil"),
            Term::Field(names) => names.iter().try_for_each(|name| write!(f, ".{name}")),
            Term::Variable(names) => f.write_str(&names.join(".")),
            Term::Function(_, name) => f.write_str(name),
            Term::Pipe(pipe) => pipe.fmt(f),
            Term::Chain(of, names) => {
                match &of.term {
                    Term::Pipe(pipe) => write!(f, "({pipe})")?,
                    _ => of.fmt(f)?,
                }
                names.iter().try_for_each(|name| write!(f, ".{name}"))
            }
            Term::Number(number) => f.write_str(&number.text),
            Term::Text { quoted, .. } => f.write_str(quoted),
        }
    }
}

impl Pipe {
    /// Calls `each` with every command, those in parentheses included.
    fn each_command<'t>(&'t self, each: &mut dyn FnMut(&'t Command)) {
        for command in &self.commands {
            each(command);
            for operand in &command.operands {
                operand.each_command(each);
            }
        }
    }
}

impl Operand {
    fn each_command<'t>(&'t self, each: &mut dyn FnMut(&'t Command)) {
        match &self.term {
            Term::Pipe(pipe) => pipe.each_command(each),
            Term::Chain(of, _) => of.each_command(each),
            _ => {}
        }
    }
}

/// Calls `each` with every command of the nodes.
pub(super) fn each_command<'t>(nodes: &'t [Node], each: &mut dyn FnMut(&'t Command)) {
    for node in nodes {
        match node {
            Node::Text(_) | Node::Break | Node::Continue => {}
            Node::Action(pipe) => pipe.each_command(each),
            Node::Template { pipe, .. } => {
                if let Some(pipe) = pipe {
                    pipe.each_command(each);
                }
            }
            Node::Branch(branch) => {
                branch.pipe.each_command(each);
                each_command(&branch.list, each);
                each_command(branch.otherwise.as_deref().unwrap_or(&[]), each);
            }
        }
    }
}
