//! When each alert was last seen to work: drills that are over, gone through one by one.
//!
//! An alert is proven by a drill in which somebody was told by it, in time, of an incident that it is for. That proves the rule as
//! it was in that drill: one whose meaning has changed since is not proven. What it did wrong in a scenario stands until a later
//! drill of that scenario says otherwise. A drill that proves nothing says nothing here.

mod meaning;

use crate::pack::RulePack;
use crate::record::Transition;
use crate::score::{AlertScore, Did, DrillScore, ScoreParams, Verdict, score_drill};
use crate::{Record, Replay};
use firedrill_detector::RuleSet;
use meaning::{Likeness, Ruled, ruled, short};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// A drill that is over, with what its own rules came to.
#[derive(Debug)]
pub struct Drill<'d> {
    /// When it was, in Unix milliseconds of real time; `None`: nobody can tell.
    pub at_ms: Option<i64>,
    /// Where its record is.
    pub path: String,
    /// The record.
    pub record: &'d Record,
    /// What the rules made of it.
    pub replay: &'d Replay,
    /// What it came to.
    pub score: &'d DrillScore,
    /// With what it was scored.
    pub params: &'d ScoreParams,
    /// The rules it was judged by.
    pub rules: &'d RuleSet,
    /// What their comments say.
    pub pack: &'d RulePack,
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
    /// When the drill was, in Unix milliseconds of real time; `null`: nobody can tell.
    pub at_ms: Option<i64>,
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
    /// It was, and nobody can tell how long ago, which is asked for.
    AgeUnknown,
    /// It was, and in another drill it missed an incident, saw it too late or cried wolf; no later drill of that scenario went well.
    Failed,
    /// It was, with recording rules behind it that are in none of these files.
    Incomplete,
    /// What was seen to work was another rule of this name.
    Changed,
    /// It was never seen to work.
    Never,
}

/// A rule, and when it was last seen to work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Proof {
    /// Alert name; several rules may share it.
    pub alert: String,
    /// The rule file's name.
    pub file: String,
    /// The line the rule starts on.
    pub line: usize,
    /// Whether it is proven.
    pub state: State,
    /// The last drill in which it told of an incident in time.
    pub proof: Option<Seen>,
    /// Of each scenario in which it did wrong, and in no later drill right, the last drill; the latest first.
    pub failures: Vec<Seen>,
    /// The last drill in which another rule of this name told of an incident in time.
    pub before_change: Option<Seen>,
    /// The recording rules that were behind it then and are in none of these files, each as `name (file)`.
    pub lacks: Vec<String>,
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
    /// Whether each alert is proven, by a drill that is not too old; `None` where no age is asked for, and nothing can fail.
    #[must_use]
    pub fn passes(&self) -> Option<bool> {
        self.max_age_ms?;
        Some(self.count(State::Proven) == self.alerts.len())
    }

    /// How many alerts are in a state.
    #[must_use]
    pub fn count(&self, state: State) -> usize {
        let alerts = self.alerts.iter();
        alerts.filter(|alert| alert.state == state).count()
    }
}

/// Goes through drills.
#[derive(Debug)]
pub struct Prover {
    rules: Vec<Asked>,
    /// Names of the files they are in.
    files: BTreeSet<String>,
    drills: usize,
    inconclusive: usize,
}

/// A rule that is asked about.
#[derive(Debug)]
struct Asked {
    rule: Ruled,
    proof: Proof,
    scenarios: BTreeMap<String, Course>,
}

/// How the drills of one scenario went.
#[derive(Debug, Default)]
struct Course {
    /// The last in which something was wrong.
    failure: Option<Seen>,
    /// When the last was in which nothing was.
    fine_ms: Option<i64>,
}

impl Course {
    /// The failure, unless a later drill went well. Where nobody can tell which was later, it stands.
    fn open(self) -> Option<Seen> {
        let fine_ms = self.fine_ms;
        let is_cleared = |seen: &Seen| seen.at_ms.zip(fine_ms).is_some_and(|(at, fine)| fine > at);
        self.failure.filter(|seen| !is_cleared(seen))
    }
}

impl Prover {
    /// For the alerts of these rules.
    #[must_use]
    pub fn new(rules: &RuleSet, pack: &RulePack) -> Self {
        let anatomies = rules.anatomies();
        let files = anatomies.iter().map(|rule| short(&rule.file).to_owned());
        let asked = ruled(rules, pack).into_iter().map(|rule| Asked {
            proof: Proof {
                alert: rule.alert.clone(),
                file: rule.file.clone(),
                line: rule.line,
                state: State::Never,
                proof: None,
                failures: Vec::new(),
                before_change: None,
                lacks: Vec::new(),
            },
            rule,
            scenarios: BTreeMap::new(),
        });
        Self {
            rules: asked.collect(),
            files: files.collect(),
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
        let then = ruled(drill.rules, drill.pack);
        let files: BTreeSet<&str> = self.files.iter().map(String::as_str).collect();
        // Rules of then that are still there prove nothing of another of their name.
        let remains = |rule: &Ruled| {
            let mut now = self.rules.iter().map(|asked| &asked.rule);
            now.any(|now| now.alert == rule.alert && now.meaning == rule.meaning)
        };
        let gone: Vec<&Ruled> = then.iter().filter(|rule| !remains(rule)).collect();
        for asked in &mut self.rules {
            let is_called = |rule: &&Ruled| rule.alert == asked.rule.alert;
            let twins: Vec<&Ruled> = then.iter().filter(is_called).collect();
            let own = twins.iter().find(|rule| rule.meaning == asked.rule.meaning);
            if let Some(own) = own {
                asked.note(drill, drill.did(own, &twins));
                continue;
            }
            for old in gone.iter().copied().filter(is_called) {
                if !drill.did(old, &twins).outcomes.contains(&Outcome::InTime) {
                    continue;
                }
                if let Likeness::Lacks(lacks) = asked.rule.meaning.likeness(&old.meaning, &files) {
                    asked.proof.lacks = lacks;
                }
                later(&mut asked.proof.before_change, drill.seen(Outcome::InTime));
            }
        }
    }

    /// What is proven by now.
    #[must_use]
    pub fn finish(self, now_ms: i64, max_age_ms: Option<i64>) -> Proven {
        let alerts = self.rules.into_iter().map(|asked| {
            let open = asked.scenarios.into_values().filter_map(Course::open);
            let mut failures: Vec<Seen> = open.collect();
            failures.sort_by_key(|seen| std::cmp::Reverse(seen.at_ms));
            let proof = Proof {
                failures,
                ..asked.proof
            };
            let state = state(&proof, now_ms, max_age_ms);
            Proof { state, ..proof }
        });
        Proven {
            alerts: alerts.collect(),
            drills: self.drills,
            inconclusive: self.inconclusive,
            now_ms,
            max_age_ms,
        }
    }
}

impl Asked {
    /// Notes what the rule did in a drill.
    fn note(&mut self, drill: &Drill<'_>, did: RuleDid) {
        if did.outcomes.contains(&Outcome::InTime) {
            later(&mut self.proof.proof, drill.seen(Outcome::InTime));
        }
        let course = self.scenarios.entry(drill.score.scenario.clone());
        let course = course.or_default();
        match did.outcomes.last() {
            Some(worst) if *worst != Outcome::InTime => {
                later(&mut course.failure, drill.seen(*worst));
            }
            // Silence without data says nothing.
            None if did.no_data => {}
            _ => course.fine_ms = course.fine_ms.max(drill.at_ms),
        }
    }
}

/// What one rule did in a drill.
struct RuleDid {
    /// The worst last.
    outcomes: Vec<Outcome>,
    no_data: bool,
}

impl Drill<'_> {
    fn seen(&self, outcome: Outcome) -> Seen {
        Seen {
            scenario: self.score.scenario.clone(),
            engine: self.score.engine.clone(),
            at_ms: self.at_ms,
            record: self.path.clone(),
            outcome,
        }
    }

    /// What a rule did; `twins`: all of its name. Of several, each has what is known to be its own by group and labels; what may be
    /// of either is nobody's.
    fn did(&self, rule: &Ruled, twins: &[&Ruled]) -> RuleDid {
        let mut scores = self.score.alerts.iter();
        let Some(all) = scores.find(|score| score.alert == rule.alert) else {
            return RuleDid {
                outcomes: Vec::new(),
                no_data: true,
            };
        };
        let of_all = outcomes(all);
        let others = twins.iter().filter(|twin| twin.meaning != rule.meaning);
        let others: Vec<&&Ruled> = others.collect();
        if others.is_empty() {
            return RuleDid {
                outcomes: of_all,
                no_data: all.no_data,
            };
        }
        let is_own = |transition: &&Transition| {
            transition.alert != rule.alert
                || may_be(rule, transition) && !others.iter().any(|other| may_be(other, transition))
        };
        let transitions = self.replay.transitions.iter().filter(is_own);
        let replay = Replay {
            transitions: transitions.cloned().collect(),
            ..self.replay.clone()
        };
        let score = score_drill(self.record, &replay, self.pack, self.params);
        let own = score.alerts.iter().find(|score| score.alert == rule.alert);
        let mut own = own.map(outcomes).unwrap_or_default();
        // What one of them saw in time, no other has missed.
        if of_all.contains(&Outcome::InTime) {
            own.retain(|outcome| matches!(outcome, Outcome::InTime | Outcome::CriedWolf));
        }
        RuleDid {
            // Which of them has no data is not known.
            no_data: own.is_empty(),
            outcomes: own,
        }
    }
}

/// Whether a rule may be what a transition is of.
fn may_be(rule: &Ruled, transition: &Transition) -> bool {
    let has = |(name, value): &(String, String)| transition.labels.get(name) == Some(value);
    transition.group == rule.group && rule.labels.iter().all(has)
}

fn state(alert: &Proof, now_ms: i64, max_age_ms: Option<i64>) -> State {
    let Some(proof) = &alert.proof else {
        return match alert.before_change {
            Some(_) if !alert.lacks.is_empty() => State::Incomplete,
            Some(_) => State::Changed,
            None => State::Never,
        };
    };
    if !alert.failures.is_empty() {
        return State::Failed;
    }
    match (max_age_ms, proof.at_ms) {
        (None, _) => State::Proven,
        (Some(_), None) => State::AgeUnknown,
        (Some(most), Some(at_ms)) if now_ms - at_ms > most => State::TooOld,
        (Some(_), Some(_)) => State::Proven,
    }
}

/// Keeps the later of two; of drills at the same time, the one in which more was wrong. One of which nobody can tell when it was
/// is earlier than all others.
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

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(at_ms: Option<i64>, outcome: Outcome) -> Seen {
        Seen {
            scenario: "s".into(),
            engine: "virtual".into(),
            at_ms,
            record: "r".into(),
            outcome,
        }
    }

    #[test]
    fn only_a_later_drill_of_its_scenario_clears_a_failure() {
        let open = |failed_ms, fine_ms| {
            let failure = Some(seen(failed_ms, Outcome::CriedWolf));
            Course { failure, fine_ms }.open().is_some()
        };
        assert!(open(Some(5), None));
        assert!(open(Some(5), Some(4)));
        assert!(open(Some(5), Some(5)));
        assert!(!open(Some(5), Some(6)));
        assert!(open(None, Some(6)));
    }

    #[test]
    fn the_state_goes_by_what_was_seen() {
        let of = |proof: Option<Seen>,
                  failures: &[Seen],
                  before_change: Option<Seen>,
                  lacks: &[&str]| {
            let alert = Proof {
                alert: "A".into(),
                file: "r.yml".into(),
                line: 1,
                state: State::Never,
                proof,
                failures: failures.to_vec(),
                before_change,
                lacks: lacks.iter().map(|name| (*name).to_owned()).collect(),
            };
            state(&alert, 1_000, Some(500))
        };
        let good = |at_ms| Some(seen(Some(at_ms), Outcome::InTime));
        let wolf = [seen(Some(300), Outcome::CriedWolf)];
        assert_eq!(of(good(600), &[], None, &[]), State::Proven);
        assert_eq!(of(good(400), &[], None, &[]), State::TooOld);
        assert_eq!(
            of(Some(seen(None, Outcome::InTime)), &[], None, &[]),
            State::AgeUnknown
        );
        assert_eq!(of(good(600), &wolf, None, &[]), State::Failed);
        assert_eq!(of(None, &wolf, good(900), &[]), State::Changed);
        assert_eq!(
            of(None, &[], good(900), &["a:b (r.yml)"]),
            State::Incomplete
        );
        assert_eq!(of(None, &wolf, None, &[]), State::Never);
    }
}
