//! `label_replace` and `label_join`.

use regex::Captures;

use super::{Context, EvalError, Vector, unique};
use crate::expr::{Relabel, RelabelHow};
use crate::sample::Labels;

impl Relabel {
    pub(super) fn evaluate(&mut self, context: &mut Context<'_>) -> Result<Vector, EvalError> {
        let mut vector = self.of.evaluate(context)?;
        let (how, target) = (&self.how, &self.target);
        for element in &mut vector {
            element.labels = self.memo.apply(element.labels, context.interner, |labels| {
                how.apply(labels, target)
            });
        }
        unique(vector, &mut self.seen, context)
    }
}

impl RelabelHow {
    fn apply(&self, labels: &Labels, target: &str) -> Labels {
        match self {
            Self::Replace {
                source,
                regex,
                replacement,
            } => match regex.captures(labels.get(source).unwrap_or("")) {
                Some(captures) => labels.with(target, &expand(&captures, replacement)),
                None => labels.clone(),
            },
            Self::Join { separator, sources } => {
                let values: Vec<&str> = sources
                    .iter()
                    .map(|source| labels.get(source).unwrap_or(""))
                    .collect();
                labels.with(target, &values.join(separator))
            }
        }
    }
}

/// Puts groups in for `$1`, `${1}` and `${name}`; Rust and Go agree on the notation.
fn expand(captures: &Captures<'_>, replacement: &str) -> String {
    let mut expanded = String::new();
    captures.expand(replacement, &mut expanded);
    expanded
}
