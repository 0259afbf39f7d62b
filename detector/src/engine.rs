//! The store, the rules and their state: evaluates one group at one time, whenever it is told to.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::alert::{Absence, AlertSettings, Alerts, Holds};
use crate::compat::Compat;
use crate::eval::{Buffers, Context, Element, EvalError, MAX_STEPS, Vector};
use crate::expr::Expr;
use crate::expr::compile::Reach;
use crate::expr::shadow;
use crate::expr::share::Shared;
use crate::intern::{Interner, LabelsId, Memo, Places};
use crate::rules::{RuleKind, RuleSet};
use crate::sample::{Labels, METRIC_NAME, Timestamp, stale_marker};
use crate::store::Store;
use crate::template::External;
use crate::transition::{Emitted, RuleError};
use crate::trial::{Trial, Tried, Watched};

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct Engine {
    pub(crate) interner: Interner,
    pub(crate) store: Store,
    pub(crate) groups: Vec<GroupState>,
    pub(crate) shared: Vec<Shared>,
    /// Names of recorded metrics whose series come and go with conditions.
    conditional: Arc<BTreeSet<String>>,
    pub(crate) external: External,
    compat: Compat,
    default_interval_ms: i64,
    reach: Reach,
    /// Up to where the store has been trimmed.
    trimmed_ms: i64,
    /// How many samples have been taken in, those of the rules left out.
    ingested: u64,
    buffers: Buffers,
    /// Samples of the group evaluated last that the store did not take, of each rule the last one.
    pub(crate) unwritten: Vec<Unwritten>,
}

/// What a rule could not write, as when two rules make the same series. A server notes that as the rule's error and goes
/// on; promtool ends the test.
#[derive(Debug, Clone)]
pub(crate) struct Unwritten {
    /// How many outcomes there were before it.
    pub(crate) place: usize,
    pub(crate) error: RuleError,
}

/// A group being evaluated.
#[derive(Debug, Clone)]
pub(crate) struct GroupState {
    pub(crate) name: String,
    pub(crate) interval_ms: Option<i64>,
    query_offset_ms: i64,
    limit: usize,
    pub(crate) rules: Vec<RuleState>,
}

/// A rule being evaluated.
#[derive(Debug, Clone)]
pub(crate) struct RuleState {
    pub(crate) name: String,
    pub(crate) expr: Expr,
    pub(crate) work: Work,
    written: Written,
    absence: Absence,
    /// The expression without its conditions, made when it is asked for first; none inside if there is none.
    shadow: Option<Option<Box<Expr>>>,
}

/// The series a rule wrote at its previous successful evaluation, for their markers.
#[derive(Debug, Clone, Default)]
struct Written {
    series: Vec<LabelsId>,
    /// Those before them, kept for its memory.
    before: Vec<LabelsId>,
    seen: Places,
}

/// What is made of a rule's result.
#[derive(Debug, Clone)]
pub(crate) enum Work {
    Record {
        name: String,
        labels: Vec<(String, String)>,
        memo: Memo,
        seen: Places,
    },
    Alert(Box<Alerts>),
    /// An alert that is tried with several settings: nothing comes of it until the end.
    Trial(Box<Watched>),
}

impl Engine {
    pub(crate) fn new(rules: RuleSet, default_interval_ms: i64) -> Self {
        let groups = rules.groups.into_iter().map(|group| GroupState {
            rules: group
                .rules
                .into_iter()
                .map(|rule| RuleState {
                    work: match rule.kind {
                        RuleKind::Record { labels } => Work::Record {
                            name: rule.name.clone(),
                            labels,
                            memo: Memo::default(),
                            seen: Places::default(),
                        },
                        RuleKind::Alert {
                            for_ms,
                            keep_firing_for_ms,
                            labels,
                            annotations,
                            ..
                        } => Work::Alert(Box::new(Alerts::new(AlertSettings {
                            group: group.name.clone(),
                            name: rule.name.clone(),
                            holds: Holds {
                                for_ms,
                                keep_firing_for_ms,
                            },
                            limit: group.limit,
                            labels,
                            annotations,
                        }))),
                    },
                    name: rule.name,
                    expr: rule.expr,
                    written: Written::default(),
                    absence: Absence::default(),
                    shadow: None,
                })
                .collect(),
            name: group.name,
            interval_ms: group.interval_ms,
            query_offset_ms: group.query_offset_ms,
            limit: group.limit,
        });
        Self {
            interner: Interner::new(),
            store: Store::default(),
            groups: groups.collect(),
            shared: rules.shared,
            conditional: rules.conditional,
            external: External::default(),
            compat: rules.compat,
            default_interval_ms,
            reach: rules.reach,
            trimmed_ms: i64::MIN,
            ingested: 0,
            buffers: Buffers::default(),
            unwritten: Vec::new(),
        }
    }

    /// Puts a trial in the place of its alert, which must not have been evaluated yet.
    pub(crate) fn watch(&mut self, trial: &Trial) {
        let groups = self.groups.get_mut(trial.group);
        let Some(rule) = groups.and_then(|group| group.rules.get_mut(trial.rule)) else {
            return;
        };
        if let Work::Alert(alerts) = &rule.work {
            let alerts = Alerts::clone(alerts);
            rule.work = Work::Trial(Box::new(Watched::new(
                trial,
                alerts,
                &mut rule.expr,
                &self.shared,
                &self.conditional,
            )));
        }
    }

    /// What became of the trials, in the order of their alerts.
    pub(crate) fn into_tried(self) -> Vec<Tried> {
        let interner = self.interner;
        let rules = self.groups.into_iter().flat_map(|group| group.rules);
        rules
            .filter_map(|rule| match rule.work {
                Work::Trial(watched) => Some(watched.finish(&interner)),
                Work::Record { .. } | Work::Alert(_) => None,
            })
            .collect()
    }

    pub(crate) fn ingest(&mut self, labels: &Labels, at_ms: i64, value: f64) {
        let id = self.interner.id(labels);
        self.append(id, at_ms, value);
    }

    pub(crate) fn append(&mut self, labels: LabelsId, at_ms: i64, value: f64) {
        self.ingested += 1;
        self.store.append(&self.interner, labels, at_ms, value);
    }

    /// Evaluates the group's rules in order; each sees what those before it wrote.
    pub(crate) fn evaluate_group(
        &mut self,
        index: usize,
        now_ms: i64,
        outcomes: &mut Vec<Emitted>,
    ) {
        let Some(group) = self.groups.get_mut(index) else {
            return;
        };
        let query_ms = now_ms.saturating_sub(group.query_offset_ms);
        self.unwritten.clear();
        for rule in &mut group.rules {
            let before = outcomes.len();
            let mut context = Context {
                store: &self.store,
                interner: &mut self.interner,
                shared: &mut self.shared,
                buffers: &mut self.buffers,
                compat: self.compat,
                now_ms: query_ms,
                query_ms,
                default_step_ms: self.default_interval_ms,
                steps_left: MAX_STEPS,
                ingested: self.ingested,
                given: &[],
            };
            if let Work::Trial(watched) = &mut rule.work {
                watched.evaluate(&mut rule.expr, now_ms, &self.external, &mut context);
                continue;
            }
            let result = context
                .check_room()
                .and_then(|()| rule.expr.evaluate(&mut context))
                .map_err(|error| error.to_string());
            // The vector becomes the samples to write.
            let samples = result.and_then(|mut vector| match &mut rule.work {
                Work::Record {
                    name,
                    labels,
                    memo,
                    seen,
                } => {
                    record(&mut vector, name, labels, memo, seen, context.interner)?;
                    check_limit(group.limit, vector.len())?;
                    Ok(vector)
                }
                Work::Alert(alerts) => {
                    let transitions = &mut |transition| {
                        outcomes.push(Emitted::Transition(transition));
                    };
                    let external = &self.external;
                    let done =
                        alerts.evaluate(&mut vector, now_ms, &mut context, external, transitions);
                    done.map(|()| vector).map_err(|error| error.to_string())
                }
                // Seen to above.
                Work::Trial(_) => Ok(Vector::new()),
            });
            match samples {
                Ok(samples) => {
                    let refused =
                        rule.written
                            .write(&samples, query_ms, &self.interner, &mut self.store);
                    if let Some(Element { labels, value }) = refused {
                        let message = self.store.refusal(labels, query_ms, value, self.compat);
                        self.unwritten.push(Unwritten {
                            place: outcomes.len(),
                            error: RuleError {
                                at: Timestamp(now_ms),
                                group: group.name.clone(),
                                rule: rule.name.clone(),
                                message,
                            },
                        });
                    }
                    self.buffers.give(samples);
                }
                Err(message) => {
                    // A limit makes the rule forget its alerts; other errors leave all as it is.
                    if outcomes.len() > before {
                        rule.absence.clear();
                    }
                    outcomes.push(Emitted::Error(RuleError {
                        at: Timestamp(now_ms),
                        group: group.name.clone(),
                        rule: rule.name.clone(),
                        message,
                    }));
                    continue;
                }
            }
            let Work::Alert(alerts) = &mut rule.work else {
                continue;
            };
            let asks = !alerts.vanished().is_empty() || rule.absence.is_waiting();
            if !asks && rule.absence.is_empty() {
                continue;
            }
            let there = asks
                .then(|| {
                    let shadow = rule.shadow.get_or_insert_with(|| {
                        let of = shadow::of(&rule.expr, &self.shared, &self.conditional);
                        of.filter(|_| alerts.is_constant()).map(Box::new)
                    });
                    let mut context = Context {
                        store: &self.store,
                        interner: &mut self.interner,
                        shared: &mut self.shared,
                        buffers: &mut self.buffers,
                        compat: self.compat,
                        now_ms: query_ms,
                        query_ms,
                        default_step_ms: self.default_interval_ms,
                        steps_left: MAX_STEPS,
                        ingested: self.ingested,
                        given: &[],
                    };
                    let external = &self.external;
                    instances(
                        shadow.as_deref_mut()?,
                        alerts,
                        now_ms,
                        external,
                        &mut context,
                    )
                })
                .flatten();
            let reported = &mut outcomes[before..];
            rule.absence.take(
                alerts.vanished(),
                there.as_ref(),
                reported,
                &mut self.interner,
            );
        }
    }

    /// The value of an expression at a time; nothing is remembered but label sets.
    pub(crate) fn query(&mut self, expr: &mut Expr, at_ms: i64) -> Result<Vector, EvalError> {
        let mut context = Context {
            store: &self.store,
            interner: &mut self.interner,
            shared: &mut self.shared,
            buffers: &mut self.buffers,
            compat: self.compat,
            now_ms: at_ms,
            query_ms: at_ms,
            default_step_ms: self.default_interval_ms,
            steps_left: MAX_STEPS,
            ingested: self.ingested,
            given: &[],
        };
        expr.evaluate(&mut context)
    }

    /// Forgets what no evaluation at or after `now_ms` can see.
    pub(crate) fn trim(&mut self, now_ms: i64) {
        let mut before_ms = now_ms.saturating_sub(self.reach.back_ms.max(crate::LOOKBACK_MS));
        if let Some(earliest_ms) = self.reach.earliest_ms {
            before_ms = before_ms.min(earliest_ms);
        }
        // Trimming looks at every series, so it waits until it is worth it.
        if before_ms
            >= self
                .trimmed_ms
                .saturating_add(self.reach.back_ms / 4 + 60_000)
        {
            self.store.trim(&self.interner, before_ms);
            self.trimmed_ms = before_ms;
        }
    }
}

/// The instances an alert would have for the elements of an expression; none if it cannot be evaluated.
fn instances(
    expr: &mut Expr,
    alerts: &mut Alerts,
    now_ms: i64,
    external: &External,
    context: &mut Context<'_>,
) -> Option<Places> {
    context.check_room().ok()?;
    let vector = expr.evaluate(context).ok()?;
    let mut found = Places::default();
    found.clear();
    for (place, element) in vector.iter().enumerate() {
        let id = alerts.identity(*element, now_ms, context, external);
        found.insert(id, place);
    }
    context.buffers.give(vector);
    Some(found)
}

impl Written {
    /// Appends the samples, and a marker to every series that was written before and is not now. Gives back the last
    /// sample that was not taken, if any.
    fn write(
        &mut self,
        samples: &[Element],
        at_ms: i64,
        interner: &Interner,
        store: &mut Store,
    ) -> Option<Element> {
        let mut refused = None;
        std::mem::swap(&mut self.series, &mut self.before);
        self.series.clear();
        for sample in samples {
            if store.append(interner, sample.labels, at_ms, sample.value) {
                self.series.push(sample.labels);
            } else {
                refused = Some(*sample);
            }
        }
        // Both lists are in the same order mostly, so the common case is one comparison.
        if self.before == self.series {
            return refused;
        }
        self.seen.clear();
        for (place, labels) in self.series.iter().enumerate() {
            self.seen.insert(*labels, place);
        }
        for labels in &self.before {
            if self.seen.get(*labels).is_none() {
                store.append(interner, *labels, at_ms, stale_marker());
            }
        }
        refused
    }
}

/// Makes a vector the samples of a recording rule.
fn record(
    vector: &mut [Element],
    name: &str,
    labels: &[(String, String)],
    memo: &mut Memo,
    seen: &mut Places,
    interner: &mut Interner,
) -> Result<(), String> {
    seen.clear();
    for (place, element) in vector.iter_mut().enumerate() {
        element.labels = memo.apply(element.labels, interner, |from| {
            let mut recorded = from.with(METRIC_NAME, name);
            for (label, value) in labels {
                recorded = recorded.with(label, value);
            }
            recorded
        });
        if seen.insert(element.labels, place).is_some() {
            let labels = interner.labels(element.labels);
            return Err(format!(
                "vector contains metrics with the same labelset after applying rule labels: {labels}"
            ));
        }
    }
    Ok(())
}

/// Whether a recording rule stays within its group's limit, if there is one.
fn check_limit(limit: usize, count: usize) -> Result<(), String> {
    if limit > 0 && count > limit {
        return Err(format!("exceeded limit of {limit} with {count} series"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::RuleFile;

    #[test]
    fn rules_fail_when_label_sets_take_too_much() {
        let file = RuleFile {
            name: "r.yml".into(),
            text:
                "groups: [{ name: g, rules: [{ record: r, expr: m }, { alert: A, expr: m > 0 }] }]"
                    .into(),
        };
        let mut engine = Engine::new(RuleSet::load(&[file], Compat::V3).unwrap(), 60_000);
        engine.ingest(&Labels::metric("m", []), 0, 1.0);
        let evaluate = |engine: &mut Engine, at_ms| {
            let mut outcomes = Vec::new();
            engine.evaluate_group(0, at_ms, &mut outcomes);
            outcomes
        };
        assert!(matches!(
            evaluate(&mut engine, 0).as_slice(),
            [Emitted::Transition(_)]
        ));
        engine.interner.fill();
        let outcomes = evaluate(&mut engine, 60_000);
        let [Emitted::Error(recording), Emitted::Error(alerting)] = outcomes.as_slice() else {
            panic!("{outcomes:?}");
        };
        for error in [recording, alerting] {
            assert!(
                error.message.starts_with("label sets take more than"),
                "{error}"
            );
        }
    }
}
