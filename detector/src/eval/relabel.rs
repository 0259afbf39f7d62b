//! `label_replace` and `label_join`.

use regex::Captures;

use super::{Context, EvalError, LABEL_VALUE_MAX, Vector, unique};
use crate::expr::{Relabel, RelabelHow};
use crate::sample::Labels;

impl Relabel {
    pub(super) fn evaluate(&mut self, context: &mut Context<'_>) -> Result<Vector, EvalError> {
        let mut vector = self.of.evaluate(context)?;
        let (how, target) = (&self.how, &self.target);
        for element in &mut vector {
            element.labels = self
                .memo
                .try_apply(element.labels, context.interner, |labels| {
                    how.apply(labels, target)
                })?;
            context.check_room()?;
        }
        unique(vector, &mut self.seen, context)
    }
}

impl RelabelHow {
    fn apply(&self, labels: &Labels, target: &str) -> Result<Labels, EvalError> {
        let too_long = || EvalError::LongLabel(target.to_owned());
        Ok(match self {
            Self::Replace {
                source,
                regex,
                replacement,
            } => match regex.captures(labels.get(source).unwrap_or("")) {
                Some(captures) => {
                    let value = expand(&captures, replacement).ok_or_else(too_long)?;
                    labels.with(target, &value)
                }
                None => labels.clone(),
            },
            Self::Join { separator, sources } => {
                let values: Vec<&str> = sources
                    .iter()
                    .map(|source| labels.get(source).unwrap_or(""))
                    .collect();
                let length = values.iter().fold(0usize, |sum, value| {
                    sum.saturating_add(value.len() + separator.len())
                });
                if length > LABEL_VALUE_MAX {
                    return Err(too_long());
                }
                labels.with(target, &values.join(separator))
            }
        })
    }
}

/// Puts groups in for `$1`, `${1}` and `${name}`; Rust and Go agree on the notation. `None` if that could become too long.
fn expand(captures: &Captures<'_>, replacement: &str) -> Option<String> {
    // No group is longer than the whole, so this is known before any memory is taken.
    let whole = captures.get(0).map_or(0, |found| found.len());
    let groups = replacement.bytes().filter(|byte| *byte == b'$').count();
    let most = groups
        .saturating_mul(whole)
        .saturating_add(replacement.len());
    if most > LABEL_VALUE_MAX {
        return None;
    }
    let mut expanded = String::new();
    captures.expand(replacement, &mut expanded);
    Some(expanded)
}
