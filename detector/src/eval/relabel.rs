//! `label_replace` and `label_join`.

use super::{Context, EvalError, LABEL_VALUE_MAX, Vector, unique};
use crate::expr::{Relabel, RelabelHow};
use crate::regex::Expanded;
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
            } => {
                let value = labels.get(source).unwrap_or("");
                match regex.expand(replacement, value, LABEL_VALUE_MAX) {
                    Expanded::Text(value) => labels.with(target, &value),
                    Expanded::TooLong => return Err(too_long()),
                    Expanded::NoMatch => labels.clone(),
                }
            }
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
