//! What is done to the system, in order of time.

use crate::plan::{Plan, Step};
use firedrill_reports::record::Mark;
pub use firedrill_reports::record::Phase;
use std::collections::VecDeque;

/// One thing to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    /// When, virtual milliseconds since the start of the drill.
    pub at_ms: i64,
    /// Index of the timeline's step.
    pub step: usize,
    /// Which end of it.
    pub phase: Phase,
}

/// Beginnings and ends of all faults of a plan.
#[derive(Debug)]
pub struct Agenda(VecDeque<Turn>);

impl Agenda {
    /// Of `plan`.
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        let mut turns: Vec<Turn> = Vec::new();
        for (step, planned) in plan.timeline.iter().enumerate() {
            turns.push(Turn {
                at_ms: planned.at_ms,
                step,
                phase: Phase::Begin,
            });
            turns.extend(planned.until.as_ref().map(|until| Turn {
                at_ms: until.at_ms,
                step,
                phase: Phase::End,
            }));
        }
        // At one moment, what ends is ended before anything begins, and Redis is back before the workers that need it.
        turns.sort_by_key(|turn| {
            let fault = &plan.timeline[turn.step].fault;
            let rank = match turn.phase {
                Phase::End if fault.is_of_redis() => 0,
                Phase::End => 1,
                Phase::Begin => 2,
            };
            (turn.at_ms, rank)
        });
        Self(turns.into())
    }

    /// When the next turn is due, virtual milliseconds since the start.
    #[must_use]
    pub fn next_ms(&self) -> Option<i64> {
        self.0.front().map(|turn| turn.at_ms)
    }

    /// Takes the next turn if it is due.
    pub fn take(&mut self, now_ms: i64) -> Option<Turn> {
        if self.next_ms()? > now_ms {
            return None;
        }
        self.0.pop_front()
    }
}

impl Turn {
    /// The mark of this turn, done at `at_ms` with an effect that was looked at.
    #[must_use]
    pub fn mark(&self, step: &Step, at_ms: i64, verified: bool, saw: String) -> Mark {
        let what = match (self.phase, step.fault.ended_by()) {
            (Phase::Begin, _) => step.fault.name().to_owned(),
            (Phase::End, Some(remedy)) => remedy.name().to_owned(),
            (Phase::End, None) => format!("{} ends", step.fault.name()),
        };
        Mark {
            step: Some(step.id.clone()),
            phase: Some(self.phase),
            planned_ms: self.at_ms,
            at_ms,
            what,
            targets: step.targets(),
            verified,
            saw,
        }
    }
}

impl Step {
    /// On what it is done, for people.
    fn targets(&self) -> Vec<String> {
        if !self.targets.is_empty() {
            self.targets.clone()
        } else if self.fault.is_in_handlers() {
            vec!["handlers".to_owned()]
        } else {
            vec!["redis".to_owned()]
        }
    }

    /// The mark of a handler fault whose first effect was seen in `process`.
    #[must_use]
    pub fn effect_mark(&self, at_ms: i64, process: &str) -> Mark {
        Mark {
            step: Some(self.id.clone()),
            phase: Some(Phase::Begin),
            planned_ms: self.at_ms,
            at_ms,
            what: self.fault.name().to_owned(),
            targets: self.targets(),
            verified: true,
            saw: format!("first effect in {process}"),
        }
    }

    /// The mark of a handler fault that was due by `reached_ms` and had no effect anywhere.
    #[must_use]
    pub fn missing_effect(&self, reached_ms: i64) -> Option<Mark> {
        (self.fault.is_in_handlers() && self.at_ms < reached_ms).then(|| Mark {
            step: Some(self.id.clone()),
            phase: Some(Phase::Begin),
            planned_ms: self.at_ms,
            at_ms: reached_ms,
            what: self.fault.name().to_owned(),
            targets: self.targets(),
            verified: false,
            saw: "no handler was affected".into(),
        })
    }
}
