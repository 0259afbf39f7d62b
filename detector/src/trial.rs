//! Many settings of an alert tried out in one run.
//!
//! A [`Trial`] names an alert and the thresholds to try. A [`Detector`](crate::Detector) that is given it evaluates the
//! alert's expression as often as it must and no more: an expression that is a filter `something < number` at its top is
//! evaluated once, whatever numbers are tried; of any other, the parts without thresholds are, and the rest once per distinct
//! set. What comes out is a [`Tried`]: when each instance was there under each set. `for` and `keep_firing_for` then cost next to nothing, since an
//! instance's life only turns where it comes, goes, or is due ([`Presence::steps`]).
//!
//! The steps are those a detector with the changed rules would have reported, one by one.

mod presence;
mod share;
mod tried;
mod watch;

pub use presence::{Presence, Step};
pub use tried::Tried;
pub(crate) use watch::Watched;

use std::collections::BTreeMap;

use thiserror::Error;

use crate::alert::{Holds, WRITTEN};
use crate::expr::compile::compile;
use crate::expr::threshold::{self, Threshold};
use crate::expr::{BinaryOp, Expr, VectorExpr, Yields};
use crate::rules::{Group, Rule, RuleKind, RuleSet};

/// An alert and the thresholds to try.
#[derive(Debug, Clone)]
pub struct Trial {
    pub(crate) group: usize,
    pub(crate) rule: usize,
    holds: Holds,
    /// What all of the expressions have in common.
    parts: Vec<VectorExpr>,
    /// The expressions that have to be evaluated.
    bases: Vec<Expr>,
    /// What is made of them, by set of thresholds.
    variants: Vec<Variant>,
}

/// One set of thresholds.
#[derive(Debug, Clone, Copy)]
struct Variant {
    base: usize,
    filter: Option<Filter>,
}

/// A comparison with a number at the top of an expression.
#[derive(Debug, Clone, Copy)]
struct Filter {
    op: BinaryOp,
    number: f64,
    number_first: bool,
}

impl Filter {
    fn keeps(self, value: f64) -> bool {
        if self.number_first {
            self.op.holds(self.number, value)
        } else {
            self.op.holds(value, self.number)
        }
    }
}

/// Why an alert cannot be tried with other settings.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TrialError {
    /// There is no alert at this position.
    #[error("there is no alert number {0}")]
    NoAlert(usize),
    /// Its thresholds cannot be located, or it has no such threshold.
    #[error("{alert}: {reason}")]
    Thresholds {
        /// The alert.
        alert: String,
        /// Why.
        reason: String,
    },
    /// A limit makes a group forget its alerts, so that they depend on each other.
    #[error("{alert}: its group {group} has a limit, which makes its alerts depend on each other")]
    Limit {
        /// The alert.
        alert: String,
        /// Its group.
        group: String,
    },
    /// Another rule reads the alert's state, so that it would depend on the settings as well.
    #[error(
        "{alert}: rule {reader} reads the alert's state from {selector}, and would change with it"
    )]
    Read {
        /// The alert.
        alert: String,
        /// The alert or recorded metric of the rule that reads it.
        reader: String,
        /// How.
        selector: String,
    },
}

impl Trial {
    /// A trial of the alert at position `alert` of [`RuleSet::alerts`]. Each set in `thresholds` gives new values to some of
    /// its thresholds, by their place; an empty set is the alert as it stands.
    ///
    /// # Errors
    ///
    /// See [`TrialError`].
    pub fn new(
        rules: &RuleSet,
        alert: usize,
        thresholds: &[Vec<(usize, f64)>],
    ) -> Result<Self, TrialError> {
        let (group, rule, holds) = find(rules, alert).ok_or(TrialError::NoAlert(alert))?;
        let (of_group, of_rule) = (&rules.groups[group], &rules.groups[group].rules[rule]);
        check_apart(rules, of_group, of_rule)?;
        let refused = |reason: String| TrialError::Thresholds {
            alert: of_rule.name.clone(),
            reason,
        };
        let located = match thresholds.iter().all(Vec::is_empty) {
            true => Vec::new(),
            false => threshold::locate(&of_rule.text, rules.compat).map_err(refused)?,
        };
        let mut trial = Self {
            group,
            rule,
            holds,
            parts: Vec::new(),
            bases: Vec::new(),
            variants: Vec::with_capacity(thresholds.len()),
        };
        let mut known: BTreeMap<Vec<u64>, usize> = BTreeMap::new();
        for set in thresholds {
            if let Some((place, _)) = set.iter().find(|(place, _)| *place >= located.len()) {
                return Err(refused(format!("it has no threshold number {}", place + 1)));
            }
            let expr = changed(of_rule, rules, &located, set).map_err(refused)?;
            let mut key: Vec<u64> = expr.thresholds().iter().map(|v| v.to_bits()).collect();
            let (expr, filter) = split(expr);
            // The filter's own number stands at one end, and has no part in what is evaluated.
            match filter {
                Some(filter) if filter.number_first => drop(key.remove(0)),
                Some(_) => drop(key.pop()),
                None => {}
            }
            let base = *known.entry(key).or_insert_with(|| {
                trial.bases.push(expr);
                trial.bases.len() - 1
            });
            trial.variants.push(Variant { base, filter });
        }
        trial.parts = share::parts(&mut trial.bases);
        Ok(trial)
    }

    /// How the alert holds as it stands.
    #[must_use]
    pub fn holds(&self) -> Holds {
        self.holds
    }
}

/// Group, rule and holds of an alert.
fn find(rules: &RuleSet, alert: usize) -> Option<(usize, usize, Holds)> {
    let all = rules.groups.iter().enumerate().flat_map(|(group, of)| {
        let of_group = of.rules.iter().enumerate();
        of_group.filter_map(move |(rule, of_rule)| match of_rule.kind {
            RuleKind::Record { .. } => None,
            RuleKind::Alert {
                for_ms,
                keep_firing_for_ms,
                ..
            } => Some((
                group,
                rule,
                Holds {
                    for_ms,
                    keep_firing_for_ms,
                },
            )),
        })
    });
    all.clone().nth(alert)
}

/// Makes sure that nothing but the alert itself depends on its settings.
fn check_apart(rules: &RuleSet, group: &Group, alert: &Rule) -> Result<(), TrialError> {
    if group.limit > 0 {
        return Err(TrialError::Limit {
            alert: alert.name.clone(),
            group: group.name.clone(),
        });
    }
    for rule in rules.groups.iter().flat_map(|group| &group.rules) {
        let mut reading = None;
        rule.expr.each_selector(&rules.shared, &mut |selector| {
            let accepts = |label: &str, value: &str| {
                let own = selector.matchers.iter().filter(|m| m.label == label);
                own.clone().all(|matcher| matcher.accepts(value))
            };
            let reads_alerts = match selector.name.as_deref() {
                Some(name) => WRITTEN.contains(&name),
                None => WRITTEN
                    .iter()
                    .any(|name| accepts(crate::sample::METRIC_NAME, name)),
            };
            if reads_alerts && accepts("alertname", &alert.name) && reading.is_none() {
                reading = Some(selector.text.clone());
            }
        });
        if let Some(selector) = reading {
            return Err(TrialError::Read {
                alert: alert.name.clone(),
                reader: rule.name.clone(),
                selector,
            });
        }
    }
    Ok(())
}

/// The rule's expression with other thresholds.
fn changed(
    rule: &Rule,
    rules: &RuleSet,
    located: &[Threshold],
    set: &[(usize, f64)],
) -> Result<Expr, String> {
    let text = threshold::replace(&rule.text, located, set);
    let compiled = compile(&text, rules.compat).map_err(|refusal| refusal.message)?;
    Ok(compiled.expr)
}

/// Takes the comparison with a number off the top of an expression, if that is all its top does.
fn split(expr: Expr) -> (Expr, Option<Filter>) {
    match expr {
        Expr::Vector(VectorExpr::VectorScalar(top)) if top.outcome == Yields::Filter => {
            match top.scalar.literal() {
                Some(number) => {
                    let filter = Filter {
                        op: top.op,
                        number,
                        number_first: top.scalar_first,
                    };
                    (Expr::Vector(top.vector), Some(filter))
                }
                None => (Expr::Vector(VectorExpr::VectorScalar(top)), None),
            }
        }
        other => (other, None),
    }
}
