//! How a task's handler behaves: a pure decision from the plan, the time, and the task's identity.

use crate::actor::Outcome;
use crate::actor::producer::Payload;
use crate::asynq::message::TaskMessage;
use crate::plan::{Fault, Plan};

/// What a handler is going to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Behaviour {
    /// Virtual time it works, microseconds.
    pub service_us: i64,
    /// What it returns then.
    pub outcome: Outcome,
    /// Steps of the timeline that had a part in this.
    pub touched_by: Vec<usize>,
}

/// Decides for an execution that starts at `at_ms` (virtual milliseconds since the drill's start).
///
/// The draw depends on the task's identity and attempt alone, so it is the same whichever worker runs it, on
/// whichever engine. A task firedrill did not make succeeds at once.
#[must_use]
pub fn decide(plan: &Plan, at_ms: i64, message: &TaskMessage) -> Behaviour {
    let mut behaviour = Behaviour {
        service_us: 0,
        outcome: Outcome::Success,
        touched_by: Vec::new(),
    };
    let Some(Payload { workload, seq }) = Payload::decode(&message.payload) else {
        return behaviour;
    };
    let Some(task) = plan.workload.get(workload) else {
        return behaviour;
    };
    let attempt = u32::try_from(message.retried).unwrap_or(0);
    behaviour.service_us = crate::plan::service_us(plan, workload, seq, attempt);
    if crate::plan::fails_by_itself(plan, workload, seq, attempt) {
        behaviour.outcome = Outcome::Failure {
            error: "job failed".into(),
            by_fault: false,
        };
    }
    for (index, step) in plan.timeline.iter().enumerate() {
        if at_ms < step.at_ms
            || step
                .until
                .as_ref()
                .is_some_and(|until| at_ms >= until.at_ms)
        {
            continue;
        }
        match &step.fault {
            Fault::HandlerSlow { task: only, factor }
                if only.as_ref().is_none_or(|only| *only == task.task) =>
            {
                behaviour.service_us = (behaviour.service_us as f64 * factor) as i64;
                behaviour.touched_by.push(index);
            }
            Fault::HandlerFail {
                task: only,
                share,
                error,
            } if *only == task.task
                && crate::plan::falls_to_fault(plan, index, workload, seq, attempt, *share) =>
            {
                behaviour.outcome = Outcome::Failure {
                    error: error.clone(),
                    by_fault: true,
                };
                behaviour.touched_by.push(index);
            }
            _ => {}
        }
    }
    behaviour
}

/// The step that deadlocks handlers of `process` at `at_ms`, if one does.
#[must_use]
pub fn deadlocked_by(plan: &Plan, at_ms: i64, process: &str) -> Option<usize> {
    plan.timeline.iter().position(|step| {
        matches!(step.fault, Fault::HandlerDeadlock)
            && at_ms >= step.at_ms
            && step.until.as_ref().is_none_or(|until| at_ms < until.at_ms)
            && step.targets.iter().any(|target| target == process)
    })
}
