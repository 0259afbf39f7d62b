//! A trial while a detector runs: its expressions are evaluated, and their values noted.

use std::collections::BTreeSet;

use super::tried::{Seen, Slot, Tried};
use super::{Trial, Variant};
use crate::alert::Alerts;
use crate::eval::{Context, Given, MAX_STEPS};
use crate::expr::shadow;
use crate::expr::share::{Shared, reuse};
use crate::expr::{Expr, Selector, VectorExpr};
use crate::intern::{Interner, LabelsId};
use crate::sample::Labels;
use crate::template::External;

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct Watched {
    /// The alert, for its instances' labels; its own state is not used.
    alerts: Alerts,
    /// What all expressions have in common.
    parts: Vec<VectorExpr>,
    /// What the parts came to at the latest evaluation, kept for its memory.
    given: Vec<Given>,
    /// All expressions but the first, which is the rule's.
    others: Vec<Expr>,
    variants: Vec<Variant>,
    /// By expression.
    seen: Vec<Seen>,
    /// The expression without its conditions, which is the same whatever the thresholds; none if there is none.
    shadow: Option<Shadow>,
    /// Instances in the order they came.
    instances: Vec<LabelsId>,
    /// By label set: the number of the instance.
    numbers: Vec<Option<u32>>,
}

/// Where the data of instances are.
#[derive(Debug, Clone)]
enum Shadow {
    /// Where the first expression has them: its conditions are tried apart from it.
    First,
    /// To be evaluated beside the others.
    Own(Box<Expr>, Seen),
}

impl Watched {
    /// Puts a trial in the place of an alert; the rule's expression becomes the trial's first one. What the rules have
    /// in common, `shared`, is evaluated once for all rules and trials.
    pub(crate) fn new(
        trial: &Trial,
        alerts: Alerts,
        expr: &mut Expr,
        shared: &[Shared],
        conditional: &BTreeSet<String>,
    ) -> Self {
        let shadow = shadow::of(expr, shared, conditional).filter(|_| alerts.is_constant());
        let mut bases = trial.bases.iter().cloned();
        if let Some(first) = bases.next() {
            *expr = first;
        }
        let mut watched = Self {
            alerts,
            given: Vec::with_capacity(trial.parts.len()),
            parts: trial.parts.clone(),
            others: bases.collect(),
            variants: trial.variants.clone(),
            seen: vec![Seen::default(); trial.bases.len()],
            shadow: None,
            instances: Vec::new(),
            numbers: Vec::new(),
        };
        // What is left of several expressions has thresholds everywhere, so only the parts are looked through.
        if watched.others.is_empty() {
            expr.each_root(&mut |root| reuse(root, shared));
        }
        let parts = watched.parts.iter_mut();
        parts.for_each(|part| reuse(part, shared));
        let is_first = |shadow: &Expr| {
            watched.others.is_empty() && format!("{shadow:?}") == format!("{expr:?}")
        };
        watched.shadow = shadow.map(|shadow| match is_first(&shadow) {
            true => Shadow::First,
            false => Shadow::Own(Box::new(shadow), Seen::default()),
        });
        watched
    }

    pub(crate) fn name(&self) -> &str {
        self.alerts.name()
    }

    /// Calls `each` with the selectors of the parts, those of the expressions that rules share included.
    pub(crate) fn each_selector(&self, shared: &[Shared], each: &mut dyn FnMut(&Selector)) {
        self.parts
            .iter()
            .for_each(|part| part.each_selector(shared, each));
    }

    /// Evaluates every expression. `context` is that of the rule, which they have to themselves one after the other.
    pub(crate) fn evaluate(
        &mut self,
        first: &mut Expr,
        now_ms: i64,
        external: &External,
        context: &mut Context<'_>,
    ) {
        let query_ms = context.query_ms;
        for given in self.given.drain(..) {
            given
                .result
                .into_iter()
                .for_each(|vector| context.buffers.give(vector));
        }
        for part in &mut self.parts {
            context.steps_left = MAX_STEPS;
            context.now_ms = query_ms;
            let result = part.evaluate(context);
            let steps = MAX_STEPS - context.steps_left;
            self.given.push(Given { result, steps });
        }
        let own = match &mut self.shadow {
            Some(Shadow::Own(expr, seen)) => Some((&mut **expr, seen)),
            Some(Shadow::First) | None => None,
        };
        let exprs = std::iter::once(first).chain(&mut self.others);
        for (expr, seen) in exprs.zip(&mut self.seen).chain(own) {
            let mut context = Context {
                store: context.store,
                interner: &mut *context.interner,
                shared: &mut *context.shared,
                buffers: &mut *context.buffers,
                compat: context.compat,
                now_ms: query_ms,
                query_ms,
                default_step_ms: context.default_step_ms,
                steps_left: MAX_STEPS,
                ingested: context.ingested,
                given: &self.given,
            };
            let result = expr.evaluate(&mut context);
            let mut error = None;
            match result {
                Ok(vector) => {
                    for element in &vector {
                        let id = self
                            .alerts
                            .identity(*element, now_ms, &mut context, external);
                        let number = number(&mut self.numbers, &mut self.instances, id);
                        seen.elements.push((number, element.value));
                    }
                    context.buffers.give(vector);
                }
                Err(message) => error = Some(message.to_string()),
            }
            seen.slots.push(Slot {
                at_ms: now_ms,
                end: seen.elements.len(),
                error,
            });
        }
    }

    /// What has been seen, with instances in label order.
    pub(crate) fn finish(self, interner: &Interner) -> Tried {
        let labels = |number: &usize| interner.labels(self.instances[*number]);
        let mut order: Vec<usize> = (0..self.instances.len()).collect();
        order.sort_by(|a, b| labels(a).cmp(labels(b)));
        let mut rank = vec![0_u32; order.len()];
        for (place, number) in (0_u32..).zip(&order) {
            rank[*number] = place;
        }
        let instances: Vec<Labels> = order.iter().map(|number| labels(number).clone()).collect();
        let mut seen = self.seen;
        let mut shadow = self.shadow;
        let own = match &mut shadow {
            Some(Shadow::Own(_, seen)) => Some(seen),
            Some(Shadow::First) | None => None,
        };
        let all = seen.iter_mut().chain(own);
        for (number, _) in all.flat_map(|seen| &mut seen.elements) {
            *number = rank[*number as usize];
        }
        Tried {
            group: self.alerts.group().to_owned(),
            alert: self.alerts.name().to_owned(),
            instances,
            shadow: shadow.map(|shadow| match shadow {
                Shadow::First => seen.first().cloned().unwrap_or_default(),
                Shadow::Own(_, seen) => seen,
            }),
            seen,
            variants: self.variants,
        }
    }
}

/// The number of an instance, a new one if it has not been there before.
fn number(numbers: &mut Vec<Option<u32>>, instances: &mut Vec<LabelsId>, id: LabelsId) -> u32 {
    if numbers.len() <= id.index() {
        numbers.resize(id.index() + 1, None);
    }
    *numbers[id.index()].get_or_insert_with(|| {
        instances.push(id);
        u32::try_from(instances.len() - 1).expect("fewer than 2^32 label sets fit in memory")
    })
}
