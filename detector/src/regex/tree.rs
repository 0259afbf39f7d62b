//! A regular expression as a tree.

use regex_syntax::hir::{ClassUnicode, Look};

/// A part of a regular expression, with what Go's limits ask of it.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) kind: Kind,
    /// How deep the tree is from here on; groups that capture nothing and join with what is around them do not count.
    pub(super) height: u32,
    /// How many copies of its innermost part counted repetitions make, at most.
    pub(super) copies: u32,
}

#[derive(Debug, Clone)]
pub(super) enum Kind {
    Empty,
    Literal(char),
    Class(ClassUnicode),
    Look(Look),
    Capture { index: u32, of: Box<Node> },
    Repeat { how: Repeat, of: Box<Node> },
    Concat(Vec<Node>),
    Alternate(Vec<Node>),
}

/// How often something is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Repeat {
    pub(super) operator: Operator,
    pub(super) lazy: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    /// `*`
    Star,
    /// `+`
    Plus,
    /// `?`
    Quest,
    /// `{min,max}`
    Counted { min: u32, max: Option<u32> },
}

impl Node {
    pub(super) fn leaf(kind: Kind) -> Self {
        Self {
            kind,
            height: 1,
            copies: 1,
        }
    }

    pub(super) fn capture(index: u32, of: Self) -> Self {
        Self {
            height: of.height + 1,
            copies: of.copies,
            kind: Kind::Capture {
                index,
                of: of.into(),
            },
        }
    }

    pub(super) fn repeat(how: Repeat, of: Self) -> Self {
        let copies = match how.operator {
            // What is there no times is not looked into.
            Operator::Counted { max: Some(0), .. } => 1,
            Operator::Counted { min, max } => of.copies.saturating_mul(max.unwrap_or(min).max(1)),
            Operator::Star | Operator::Plus | Operator::Quest => of.copies,
        };
        Self {
            height: of.height + 1,
            copies,
            kind: Kind::Repeat { how, of: of.into() },
        }
    }

    /// One after the other. Those that are sequences themselves become part of this one.
    pub(super) fn concat(parts: Vec<Self>) -> Self {
        Self::joined(parts, Kind::Concat, |kind| match kind {
            Kind::Concat(inner) => Ok(inner),
            other => Err(other),
        })
    }

    /// One or the other. Those that are alternatives themselves become part of this one.
    pub(super) fn alternate(parts: Vec<Self>) -> Self {
        Self::joined(parts, Kind::Alternate, |kind| match kind {
            Kind::Alternate(inner) => Ok(inner),
            other => Err(other),
        })
    }

    fn joined(
        mut parts: Vec<Self>,
        join: fn(Vec<Self>) -> Kind,
        inner: fn(Kind) -> Result<Vec<Self>, Kind>,
    ) -> Self {
        if parts.len() < 2 {
            return parts.pop().unwrap_or_else(|| Self::leaf(Kind::Empty));
        }
        let mut flat = Vec::with_capacity(parts.len());
        for part in parts {
            match inner(part.kind) {
                Ok(inner) => flat.extend(inner),
                Err(kind) => flat.push(Self { kind, ..part }),
            }
        }
        Self {
            height: 1 + flat.iter().map(|part| part.height).max().unwrap_or(0),
            copies: flat.iter().map(|part| part.copies).max().unwrap_or(1),
            kind: join(flat),
        }
    }
}
