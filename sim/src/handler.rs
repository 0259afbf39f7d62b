//! How a task's handler behaves: a pure decision from the plan, the time, and the task's identity.

use crate::lever::HandlerLever;
use crate::plan::{Dice, Execution, Plan};
use firedrill_asynq::actor::{ErrorKind, Outcome};
use smallvec::SmallVec;
use std::sync::Arc;

/// What a handler is going to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Behaviour {
    /// Virtual time it works, microseconds.
    pub service_us: i64,
    /// What it returns then.
    pub outcome: Outcome,
    /// What it gives its result writer before that.
    pub result: Option<Arc<Vec<u8>>>,
    /// Steps of the timeline that had a part in this.
    pub touched_by: SmallVec<[usize; 2]>,
}

/// What a task's own failures say; asynq's errors come wrapped, as Go code wraps them.
fn error_text(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Failure => "job failed",
        ErrorKind::NotAFailure => "job failed: not counted",
        ErrorKind::SkipRetry => "job failed: skip retry for the task",
        ErrorKind::Revoke => "job failed: revoke task",
    }
}

/// A plan and its dice.
#[derive(Debug, Clone)]
pub struct Handlers {
    /// The plan.
    pub plan: Arc<Plan>,
    dice: Dice,
    /// What becomes of handlers while steps are on, by the steps' indices.
    levers: Arc<[(usize, HandlerLever)]>,
}

impl Handlers {
    /// The handlers of `plan`.
    #[must_use]
    pub fn new(plan: Arc<Plan>) -> Self {
        let dice = Dice::new(&plan);
        let steps = plan.timeline.iter().enumerate();
        let levers = steps.filter_map(|(index, step)| Some((index, step.fault.handlers()?)));
        let levers = levers.collect();
        Self { plan, dice, levers }
    }

    /// Decides for an execution that starts at `at_ms` (virtual milliseconds since the drill's start). `None` for a task
    /// that is not of this plan.
    ///
    /// The draw depends on the task's identity and attempt alone, so it is the same whichever worker runs it, on
    /// whichever engine.
    #[must_use]
    pub fn decide(&self, at_ms: i64, of: Execution) -> Option<Behaviour> {
        let plan = &*self.plan;
        let task = plan.workload.get(of.workload)?;
        let mut behaviour = Behaviour {
            service_us: self.dice.service_us(plan, of),
            outcome: Outcome::Success,
            result: task
                .result
                .as_deref()
                .map(|text| Arc::new(text.as_bytes().to_vec())),
            touched_by: SmallVec::new(),
        };
        if self.dice.fails_by_itself(plan, of) {
            behaviour.outcome = Outcome::Failure {
                error: error_text(task.fail_as).into(),
                kind: task.fail_as,
                by_fault: false,
            };
        }
        for (index, lever) in &*self.levers {
            let index = *index;
            if !plan.timeline[index].is_on(at_ms) {
                continue;
            }
            match lever {
                HandlerLever::Slow { task: only, factor }
                    if only.as_ref().is_none_or(|only| *only == task.task) =>
                {
                    behaviour.service_us = (behaviour.service_us as f64 * factor) as i64;
                    behaviour.touched_by.push(index);
                }
                HandlerLever::Fail {
                    task: only,
                    share,
                    error,
                    fail_as,
                    attempts,
                } if *only == task.task
                    && attempts.is_none_or(|first| of.attempt < first)
                    && self.dice.falls_to_fault(index, of, *share) =>
                {
                    behaviour.outcome = Outcome::Failure {
                        error: error.as_str().into(),
                        kind: *fail_as,
                        by_fault: true,
                    };
                    behaviour.touched_by.push(index);
                }
                _ => {}
            }
        }
        Some(behaviour)
    }

    /// The step that deadlocks handlers of `process` that end at `at_ms`, if one does.
    #[must_use]
    pub fn deadlocked_by(&self, at_ms: i64, process: &str) -> Option<usize> {
        let locks = self
            .levers
            .iter()
            .filter(|(_, lever)| *lever == HandlerLever::Deadlock);
        locks.map(|(index, _)| *index).find(|index| {
            let step = &self.plan.timeline[*index];
            step.is_on(at_ms) && step.targets.iter().any(|target| target == process)
        })
    }

    /// Whether any step deadlocks handlers.
    #[must_use]
    pub fn ever_deadlock(&self) -> bool {
        self.levers
            .iter()
            .any(|(_, lever)| *lever == HandlerLever::Deadlock)
    }
}
