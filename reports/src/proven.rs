//! When each alert was last seen to work: drills that are over, gone through one by one.
//!
//! An alert is proven by a drill in which somebody was told by it, in time, of an incident that it is for. That proves the rule as
//! it was in that drill: one whose meaning has changed since is not proven. A drill that proves nothing says nothing here.

use crate::score::{AlertScore, Did, DrillScore, Verdict};
use firedrill_detector::anatomy::{Part, PartKind, SeriesSelector};
use firedrill_detector::{Compat, RuleSet, promql};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// A drill that is over, with what its own rules came to.
#[derive(Debug)]
pub struct Drill<'d> {
    /// When it was, in Unix milliseconds of real time.
    pub at_ms: i64,
    /// Where its record is.
    pub record: String,
    /// What it came to.
    pub score: &'d DrillScore,
    /// The rules it was judged by.
    pub rules: &'d RuleSet,
}

/// What an alert did in a drill, as far as it tells whether it works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It saw an incident, and somebody was told in time.
    InTime,
    /// It saw one, and somebody was told too late.
    Late,
    /// It is expected to see one, and did not.
    Missed,
    /// It fired where it must be silent.
    CriedWolf,
}

impl Outcome {
    /// For people.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::InTime => "in time",
            Self::Late => "late",
            Self::Missed => "missed",
            Self::CriedWolf => "cried wolf",
        }
    }
}

/// What an alert did in which drill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Seen {
    /// Scenario name.
    pub scenario: String,
    /// Engine and speed, such as `live at 60x`.
    pub engine: String,
    /// When the drill was, in Unix milliseconds of real time.
    pub at_ms: i64,
    /// Where its record is.
    pub record: String,
    /// What the alert did; of several things in one drill, the worst.
    pub outcome: Outcome,
}

/// Whether an alert is proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It was seen to work.
    Proven,
    /// It was, and longer ago than is asked for.
    TooOld,
    /// It was, and in a later drill it missed an incident, saw it too late or cried wolf.
    FailedSince,
    /// What was seen to work was another rule of this name.
    Changed,
    /// It was never seen to work.
    Never,
}

/// An alert, and when it was last seen to work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Proof {
    /// Alert name; several rules may share it.
    pub alert: String,
    /// The rule file's name.
    pub file: String,
    /// The line the first rule of this name starts on.
    pub line: usize,
    /// Whether it is proven.
    pub state: State,
    /// The last drill in which it told of an incident in time.
    pub proof: Option<Seen>,
    /// The last drill in which it did anything that tells.
    pub last: Option<Seen>,
    /// The last drill in which another rule of this name told of an incident in time.
    pub before_change: Option<Seen>,
}

/// All alerts of a pack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Proven {
    /// In the order of the files.
    pub alerts: Vec<Proof>,
    /// How many drills were gone through.
    pub drills: usize,
    /// How many of them prove nothing.
    pub inconclusive: usize,
    /// Unix milliseconds; ages are told from here.
    pub now_ms: i64,
    /// How old a proof may be, in milliseconds, if that was asked for.
    pub max_age_ms: Option<i64>,
}

impl Proven {
    /// Whether each alert is proven, by a drill that is not too old; nothing fails where no age is asked for.
    #[must_use]
    pub fn passes(&self) -> bool {
        let mut alerts = self.alerts.iter();
        self.max_age_ms.is_none() || alerts.all(|alert| alert.state == State::Proven)
    }
}

/// Goes through drills.
#[derive(Debug)]
pub struct Prover {
    alerts: Vec<Proof>,
    meanings: BTreeMap<String, BTreeSet<String>>,
    drills: usize,
    inconclusive: usize,
}

impl Prover {
    /// For the alerts of these rules.
    #[must_use]
    pub fn new(rules: &RuleSet) -> Self {
        let mut alerts: Vec<Proof> = Vec::new();
        for rule in rules.alerts() {
            if alerts.iter().any(|known| known.alert == rule.name) {
                continue;
            }
            alerts.push(Proof {
                alert: rule.name.to_owned(),
                file: rule.file.to_owned(),
                line: rule.line,
                state: State::Never,
                proof: None,
                last: None,
                before_change: None,
            });
        }
        Self {
            alerts,
            meanings: meanings(rules),
            drills: 0,
            inconclusive: 0,
        }
    }

    /// Takes a drill into account; they may come in any order.
    pub fn add(&mut self, drill: &Drill<'_>) {
        self.drills += 1;
        if drill.score.verdict == Verdict::Inconclusive {
            self.inconclusive += 1;
            return;
        }
        let then = meanings(drill.rules);
        for proof in &mut self.alerts {
            let name = &proof.alert;
            let mut scores = drill.score.alerts.iter();
            let Some(score) = scores.find(|score| score.alert == *name) else {
                continue;
            };
            let seen = |outcome| Seen {
                scenario: drill.score.scenario.clone(),
                engine: drill.score.engine.clone(),
                at_ms: drill.at_ms,
                record: drill.record.clone(),
                outcome,
            };
            let outcomes = outcomes(score);
            let in_time = outcomes.contains(&Outcome::InTime);
            if then.get(name) != self.meanings.get(name) {
                if in_time {
                    later(&mut proof.before_change, seen(Outcome::InTime));
                }
                continue;
            }
            if in_time {
                later(&mut proof.proof, seen(Outcome::InTime));
            }
            if let Some(worst) = outcomes.last() {
                later(&mut proof.last, seen(*worst));
            }
        }
    }

    /// What is proven by now.
    #[must_use]
    pub fn finish(mut self, now_ms: i64, max_age_ms: Option<i64>) -> Proven {
        for alert in &mut self.alerts {
            alert.state = state(alert, now_ms, max_age_ms);
        }
        Proven {
            alerts: self.alerts,
            drills: self.drills,
            inconclusive: self.inconclusive,
            now_ms,
            max_age_ms,
        }
    }
}

fn state(alert: &Proof, now_ms: i64, max_age_ms: Option<i64>) -> State {
    let Some(proof) = &alert.proof else {
        return match alert.before_change {
            Some(_) => State::Changed,
            None => State::Never,
        };
    };
    let last = alert.last.as_ref();
    if last.is_some_and(|last| last.at_ms > proof.at_ms && last.outcome != Outcome::InTime) {
        return State::FailedSince;
    }
    match max_age_ms {
        Some(most) if now_ms - proof.at_ms > most => State::TooOld,
        _ => State::Proven,
    }
}

/// Keeps the later of two; of drills at the same time, the one in which more was wrong.
fn later(kept: &mut Option<Seen>, seen: Seen) {
    let of = |seen: &Seen| (seen.at_ms, seen.outcome);
    if kept.as_ref().is_none_or(|kept| of(&seen) > of(kept)) {
        *kept = Some(seen);
    }
}

/// What an alert did in a drill, the worst last.
fn outcomes(score: &AlertScore) -> Vec<Outcome> {
    let on = score.on.iter().filter_map(|on| match on.did {
        Did::Detected { in_time: true, .. } => Some(Outcome::InTime),
        Did::Detected { in_time: false, .. } => Some(Outcome::Late),
        Did::Missed => Some(Outcome::Missed),
        _ => None,
    });
    let mut outcomes: Vec<Outcome> = on.collect();
    if !score.false_alarms.is_empty() {
        outcomes.push(Outcome::CriedWolf);
    }
    outcomes.sort();
    outcomes
}

/// What the alerts of a pack mean, by name: each rule's expression as Prometheus prints it, with how long it must hold and its
/// labels, and the recorded metrics behind it. How they are written, and annotations, are left out.
fn meanings(rules: &RuleSet) -> BTreeMap<String, BTreeSet<String>> {
    let anatomies = rules.anatomies();
    let mut recorded: BTreeMap<&str, Vec<(String, BTreeSet<&str>)>> = BTreeMap::new();
    for rule in anatomies.iter().filter(|rule| !rule.is_alert) {
        let own = recorded.entry(rule.name.as_str()).or_default();
        own.push((printed(&rule.expr), asked(&rule.parts)));
    }
    let mut meanings: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let alerts = anatomies.iter().filter(|rule| rule.is_alert);
    for (rule, anatomy) in rules.alerts().zip(alerts) {
        let mut text = format!(
            "{} for {} keep {} every {:?} back {} labels {:?}",
            printed(rule.expr),
            rule.for_ms,
            rule.keep_firing_for_ms,
            rule.interval_ms,
            anatomy.query_offset_ms,
            rule.labels
        );
        let mut behind: BTreeSet<&str> = BTreeSet::new();
        let mut open: Vec<&str> = asked(&anatomy.parts).into_iter().collect();
        while let Some(name) = open.pop() {
            if let Some(rules) = recorded.get(name)
                && behind.insert(name)
            {
                open.extend(rules.iter().flat_map(|(_, asked)| asked));
            }
        }
        for name in behind {
            for (expr, _) in &recorded[name] {
                text.push_str(&format!("; {name} = {expr}"));
            }
        }
        meanings
            .entry(rule.name.to_owned())
            .or_default()
            .insert(text);
    }
    meanings
}

fn printed(expr: &str) -> String {
    promql::parse(expr, Compat::default()).map_or_else(|_| expr.to_owned(), |expr| expr.to_string())
}

/// Names of the metrics that parts of an expression ask for.
fn asked(parts: &[Part]) -> BTreeSet<&str> {
    let selectors = parts.iter().flat_map(|part| match &part.kind {
        PartKind::Selector(selector) => std::slice::from_ref(selector),
        PartKind::Absent { of, .. } => of,
        PartKind::Operation { .. } => &[],
    });
    selectors.filter_map(SeriesSelector::name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use firedrill_detector::RuleFile;

    fn meaning(rules: &str) -> BTreeMap<String, BTreeSet<String>> {
        let text = format!("groups:\n- name: g\n  rules:\n{rules}");
        let file = RuleFile {
            name: "r.yml".into(),
            text,
        };
        meanings(&RuleSet::load(&[file], Compat::default()).unwrap())
    }

    #[test]
    fn what_a_rule_means_is_not_how_it_is_written() {
        let rule = "  - { alert: A, expr: 'sum by (job) (rate(x_total[5m])) > 1', for: 2m, labels: { severity: page } }\n";
        let own = meaning(rule);
        for same in [
            "  - { alert: A, expr: 'sum(rate(x_total[300s])) by (job)   > 1.0', for: 120s, labels: { severity: page } }\n",
            "  - alert: A\n    expr: |\n      # why\n      sum by (job) (rate(x_total[5m])) > 1\n    for: 2m\n    labels: { severity: page }\n    annotations: { summary: s }\n",
        ] {
            assert_eq!(meaning(same), own, "{same}");
        }
        for other in [
            rule.replace("> 1", "> 2"),
            rule.replace("2m", "3m"),
            rule.replace("page", "ticket"),
            rule.replace("[5m]", "[6m]"),
        ] {
            assert_ne!(meaning(&other), own, "{other}");
        }
    }

    #[test]
    fn recorded_metrics_belong_to_what_a_rule_means() {
        let rules = |expr: &str| {
            format!(
                "  - {{ record: a:b, expr: '{expr}' }}\n  - {{ record: c:d, expr: 'a:b * 2' }}\n  \
                 - {{ record: other, expr: vector(1) }}\n  - {{ alert: A, expr: 'c:d > 1' }}\n"
            )
        };
        assert_eq!(meaning(&rules("sum(x)")), meaning(&rules("sum (x)")));
        assert_ne!(meaning(&rules("sum(x)")), meaning(&rules("max(x)")));
    }

    fn seen(at_ms: i64, outcome: Outcome) -> Option<Seen> {
        Some(Seen {
            scenario: "s".into(),
            engine: "virtual".into(),
            at_ms,
            record: "r".into(),
            outcome,
        })
    }

    #[test]
    fn the_state_goes_by_what_was_seen_last() {
        let of = |proof, last, before_change| {
            let alert = Proof {
                alert: "A".into(),
                file: "r.yml".into(),
                line: 1,
                state: State::Never,
                proof,
                last,
                before_change,
            };
            state(&alert, 1_000, Some(500))
        };
        let good = |at_ms| seen(at_ms, Outcome::InTime);
        assert_eq!(of(good(600), good(600), None), State::Proven);
        assert_eq!(of(good(400), good(400), None), State::TooOld);
        assert_eq!(
            of(good(600), seen(700, Outcome::Missed), None),
            State::FailedSince
        );
        assert_eq!(
            of(good(600), seen(600, Outcome::CriedWolf), None),
            State::Proven
        );
        assert_eq!(
            of(None, seen(700, Outcome::Late), good(900)),
            State::Changed
        );
        assert_eq!(of(None, seen(700, Outcome::Late), None), State::Never);
    }
}
