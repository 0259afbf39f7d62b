//! Repetitions.

use super::{Code, Error, Node, Parser, syntax};
use crate::regex::tree::{Operator, Repeat};

/// Most repetitions, those inside included.
const COPIES_MAX: u32 = 1000;

/// The numbers in `{2,5}`; [`TOO_MANY`] stands for all that have too many digits.
type Counts = (u32, Option<u32>);

/// A number beyond any that is allowed.
const TOO_MANY: u32 = u32::MAX;

impl Parser<'_> {
    /// Reads `*`, `+`, `?` or `{n,m}`, or a `{` that stands for itself: then `false` is returned. `before` is where a
    /// repetition begins that ends right here.
    pub(super) fn repetition(&mut self, before: Option<usize>) -> Result<bool, Error> {
        let start = self.at;
        let operator = match self.bump() {
            Some('*') => Operator::Star,
            Some('+') => Operator::Plus,
            Some('?') => Operator::Quest,
            _ => match counts(&self.text[start..]) {
                Some((length, (min, max))) => {
                    self.at = start + length;
                    if min > COPIES_MAX || max.is_some_and(|max| max > COPIES_MAX || min > max) {
                        return Err(syntax(Code::InvalidRepeatSize, self.since(start)));
                    }
                    Operator::Counted { min, max }
                }
                None => {
                    self.literal('{'.into())?;
                    return Ok(false);
                }
            },
        };
        let mut lazy = self.flags.ungreedy;
        if self.peek() == Some('?') {
            self.bump();
            lazy = !lazy;
        }
        if let Some(before) = before {
            return Err(syntax(Code::InvalidRepeatOp, self.since(before)));
        }
        let Some(of) = self.parts.pop() else {
            return Err(syntax(Code::MissingRepeatArgument, self.since(start)));
        };
        let node = Node::repeat(Repeat { operator, lazy }, of);
        self.check_height(&node)?;
        let counts =
            matches!(operator, Operator::Counted { min, max } if min >= 2 || max >= Some(2));
        if counts && node.copies > COPIES_MAX {
            return Err(syntax(Code::InvalidRepeatSize, self.since(start)));
        }
        self.parts.push(node);
        Ok(true)
    }
}

/// Reads `{2}`, `{2,}` or `{2,5}`, and says how long it is.
fn counts(text: &str) -> Option<(usize, Counts)> {
    let rest = text.strip_prefix('{')?;
    let (min, rest) = number(rest)?;
    let (max, rest) = match rest.strip_prefix(',') {
        None => (Some(min), rest),
        Some(rest) if rest.starts_with('}') => (None, rest),
        Some(rest) => {
            let (max, rest) = number(rest)?;
            (Some(max), rest)
        }
    };
    let rest = rest.strip_prefix('}')?;
    Some((text.len() - rest.len(), (min, max)))
}

/// A number without zeros in front.
fn number(text: &str) -> Option<(u32, &str)> {
    let end = text
        .find(|char: char| !char.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    if digits.is_empty() || (digits.len() > 1 && digits.starts_with('0')) {
        return None;
    }
    Some((digits.parse().unwrap_or(TOO_MANY), rest))
}
