//! Queries that templates ask while a rule is evaluated.

use super::{Context, MAX_STEPS};
use crate::expr::compile::compile;
use crate::sample::Labels;
use crate::template::Ask;

/// Who answers them: the series at the time of the evaluation, whatever the group's query offset is (rules/alerting.go).
pub(crate) struct Asking<'s>(pub(super) Context<'s>);

impl Ask for Asking<'_> {
    fn ask(&mut self, expr: &str) -> Result<Vec<(Labels, f64)>, String> {
        let Self(context) = self;
        let failed = |why: String| format!("what Prometheus says of the query {expr:?} ({why})");
        let mut compiled =
            compile(expr, context.compat).map_err(|refusal| failed(refusal.message))?;
        let from_ms = context.now_ms.saturating_sub(compiled.reach.back_ms);
        let from_ms = compiled
            .reach
            .earliest_ms
            .map_or(from_ms, |earliest_ms| earliest_ms.min(from_ms));
        if from_ms < context.store.trimmed_ms() {
            return Err(format!(
                "the query {expr:?}: it looks back further than the template shows, and older samples are gone"
            ));
        }
        context.check_room().map_err(|error| error.to_string())?;
        context.steps_left = MAX_STEPS;
        let vector = compiled.expr.evaluate(context);
        let vector = vector.map_err(|error| failed(error.to_string()))?;
        let found = |element: &super::Element| {
            let labels = context.interner.labels(element.labels).clone();
            (labels, element.value)
        };
        let found = vector.iter().map(found).collect();
        context.buffers.give(vector);
        Ok(found)
    }
}
