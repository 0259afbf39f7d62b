//! How a task's handler behaves: a pure decision from the plan, the time, and the task's identity.

use crate::lever::{HandlerLever, Hangs, Lever, ResourceLever};
use crate::plan::{Births, Child, Dice, Execution, Plan};
use firedrill_asynq::actor::{ErrorKind, Outcome};
use firedrill_asynq::op::BrokerError;
use firedrill_asynq::retry_delay::RetryDice;
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
    /// What it does when it has worked so long.
    pub ending: Ending,
    /// What it needs before it works, one after the other: the number of a resource of the plan, and how long it holds it,
    /// virtual microseconds.
    pub uses: Vec<(usize, i64)>,
    /// What it enqueues before it returns nil.
    pub children: Vec<Child>,
    /// The step of the timeline by which it enqueues that.
    pub requeued_by: Option<usize>,
}

/// What a handler does when it has worked as long as it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It returns.
    Returns,
    /// It never does, by this step of the timeline.
    Hangs(usize),
    /// It brings its process down, by this step of the timeline.
    Crashes(usize),
}

/// Why a handler did not get what it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Without {
    /// It got an error at once.
    Refused,
    /// It has waited too long.
    TimedOut,
}

/// What asynq makes of a panic.
const PANIC: &str =
    "panic [handlers.go:57]: runtime error: invalid memory address or nil pointer dereference";

/// What a task's own failures say; asynq's errors come wrapped, as Go code wraps them.
fn error_text(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Failure => "job failed",
        ErrorKind::NotAFailure => "job failed: not counted",
        ErrorKind::SkipRetry => "job failed: skip retry for the task",
        ErrorKind::Revoke => "job failed: revoke task",
    }
}

/// What a handler returns that could not enqueue what it had to. Redis, or the way to it, is not what it was.
#[must_use]
pub fn cannot_enqueue(error: &BrokerError) -> Outcome {
    Outcome::Failure {
        error: format!("enqueue: {error}").into(),
        kind: ErrorKind::Failure,
        by_fault: true,
    }
}

/// What the tasks of a workload entry say by themselves.
#[derive(Debug)]
struct Own {
    error: Arc<str>,
    result: Option<Arc<Vec<u8>>>,
}

/// A plan and its dice.
#[derive(Debug, Clone)]
pub struct Handlers {
    /// The plan.
    pub plan: Arc<Plan>,
    dice: Dice,
    births: Births,
    /// What becomes of handlers while steps are on, by the steps' indices, and what they say then.
    levers: Arc<[(usize, HandlerLever, Arc<str>)]>,
    /// Of each workload entry: what its tasks' own failures say, and what they give their result writer. Made once, because
    /// storms are made of failures.
    own: Arc<[Own]>,
    /// The same of resources, by their numbers.
    resources: Arc<[(usize, usize, ResourceLever)]>,
}

impl Handlers {
    /// The handlers of `plan`.
    #[must_use]
    pub fn new(plan: Arc<Plan>) -> Self {
        let dice = Dice::new(&plan);
        let steps = plan.timeline.iter().enumerate();
        let levers = steps.filter_map(|(index, step)| {
            let lever = step.fault.handlers()?;
            let says = match &lever {
                HandlerLever::Fail { error, .. } => error.as_str().into(),
                HandlerLever::Panic { .. } => PANIC.into(),
                _ => Arc::default(),
            };
            Some((index, lever, says))
        });
        let levers = levers.collect();
        let own = plan.workload.iter().map(|task| Own {
            error: error_text(task.fail_as).into(),
            result: task
                .result
                .as_deref()
                .map(|text| Arc::new(text.as_bytes().to_vec())),
        });
        let own = own.collect();
        let births = Births::new(plan.seed, plan.workload.len());
        let steps = plan.timeline.iter().enumerate();
        let resources = steps.filter_map(|(index, step)| match step.fault.begin() {
            Lever::Resource { resource, what } => Some((index, plan.resource(&resource)?.0, what)),
            _ => None,
        });
        let resources = resources.collect();
        Self {
            plan,
            dice,
            births,
            levers,
            own,
            resources,
        }
    }

    /// Decides for an execution that starts in `process` at `at_ms` (virtual milliseconds since the drill's start). `None` for a task
    /// that is not of this plan.
    ///
    /// The draw depends on the task's identity and attempt alone, so it is the same whichever worker runs it, on
    /// whichever engine; but for faults that are done to certain processes, and errors that do not count as an attempt.
    #[must_use]
    pub fn decide(&self, at_ms: i64, process: &str, of: Execution) -> Option<Behaviour> {
        let plan = &*self.plan;
        let (task, own) = (plan.workload.get(of.workload)?, self.own.get(of.workload)?);
        let mut behaviour = Behaviour {
            service_us: self.dice.service_us(plan, of),
            outcome: Outcome::Success,
            result: own.result.clone(),
            touched_by: SmallVec::new(),
            ending: Ending::Returns,
            uses: match task.uses.is_empty() {
                true => Vec::new(),
                false => self.dice.uses(plan, of),
            },
            children: Vec::new(),
            requeued_by: None,
        };
        let thrown = |kind: ErrorKind| match kind {
            // It does not count as an attempt: without the time it would be the same throw for ever.
            ErrorKind::NotAFailure => Execution {
                attempt: at_ms as u32,
                ..of
            },
            _ => of,
        };
        if self.dice.fails_by_itself(plan, thrown(task.fail_as)) {
            behaviour.outcome = Outcome::Failure {
                error: Arc::clone(&own.error),
                kind: task.fail_as,
                by_fault: false,
            };
        }
        let is_of = |only: &Option<String>| only.as_ref().is_none_or(|only| *only == task.task);
        for (index, lever, says) in &*self.levers {
            let index = *index;
            if !plan.timeline[index].is_on(at_ms) {
                continue;
            }
            match lever {
                HandlerLever::Slow { task: only, factor } if is_of(only) => {
                    behaviour.service_us = (behaviour.service_us as f64 * factor) as i64;
                    behaviour.touched_by.push(index);
                }
                HandlerLever::Fail {
                    task: only,
                    share,
                    fail_as,
                    attempts,
                    ..
                } if *only == task.task
                    && attempts.is_none_or(|first| of.attempt < first)
                    && self.dice.falls_to_fault(index, thrown(*fail_as), *share) =>
                {
                    behaviour.outcome = Outcome::Failure {
                        error: Arc::clone(says),
                        kind: *fail_as,
                        by_fault: true,
                    };
                    behaviour.touched_by.push(index);
                }
                HandlerLever::Panic {
                    task: only,
                    share,
                    counted,
                } if is_of(only) && self.dice.falls_to_fault(index, of, *share) => {
                    behaviour.outcome = Outcome::Panic {
                        error: Arc::clone(says),
                        uncounted: !counted,
                    };
                    behaviour.touched_by.push(index);
                }
                // What comes when it has worked is told then.
                HandlerLever::Hang { task: only, which }
                    if is_of(only)
                        && self.hangs(index, of, *which)
                        && plan.timeline[index]
                            .targets
                            .iter()
                            .any(|target| target == process) =>
                {
                    behaviour.ending = Ending::Hangs(index);
                }
                HandlerLever::Crash { task: only, share }
                    if *only == task.task
                        && self.dice.falls_to_fault(
                            index,
                            Execution { attempt: 0, ..of },
                            *share,
                        ) =>
                {
                    behaviour.ending = Ending::Crashes(index);
                }
                HandlerLever::Requeue {
                    task: only,
                    share,
                    delay_ms,
                } if *only == task.task && self.dice.falls_to_fault(index, of, *share) => {
                    behaviour.outcome = Outcome::Success;
                    behaviour.children.clear();
                    let again = (of.workload, *delay_ms);
                    behaviour.children.extend(self.child(of, 0, again));
                    behaviour.requeued_by = Some(index);
                }
                HandlerLever::Requeue { .. }
                | HandlerLever::Slow { .. }
                | HandlerLever::Fail { .. }
                | HandlerLever::Deadlock
                | HandlerLever::Panic { .. }
                | HandlerLever::Hang { .. }
                | HandlerLever::Crash { .. } => {}
            }
        }
        if behaviour.requeued_by.is_none() && !task.then.is_empty() {
            let mut nth = 0;
            for then in &task.then {
                let Some(entry) = plan.entry_of(&then.task) else {
                    continue;
                };
                let delay_ms = then.delay_ms.unwrap_or(plan.workload[entry].delay_ms);
                for _ in 0..then.count {
                    behaviour
                        .children
                        .extend(self.child(of, nth, (entry, delay_ms)));
                    nth += 1;
                }
            }
        }
        // Only who succeeds enqueues anything.
        if behaviour.outcome != Outcome::Success {
            behaviour.children.clear();
        }
        Some(behaviour)
    }

    /// The dice of failed tasks, each with its own, so that one waits as long whichever worker had it; `of`: which execution
    /// of the plan's one is.
    pub(crate) fn retry_dice<T>(
        &self,
        of: impl Fn(&Plan, &T) -> Option<Execution> + Send + Sync + 'static,
    ) -> RetryDice<T> {
        let (plan, dice) = (self.plan.clone(), self.dice.clone());
        RetryDice::of_each_task(move |task| dice.retry_bits(of(&plan, task)?))
    }

    fn child(&self, of: Execution, nth: u32, (workload, delay_ms): (usize, i64)) -> Option<Child> {
        let (seq, id) = self.births.identity(of, nth)?;
        Some(Child {
            of,
            nth,
            workload,
            seq,
            id,
            delay_ms,
        })
    }

    /// What steps do to a resource at `at_ms`.
    fn done_to(&self, resource: usize, at_ms: i64) -> impl Iterator<Item = (usize, ResourceLever)> {
        let of = self
            .resources
            .iter()
            .filter(move |(step, of, _)| *of == resource && self.plan.timeline[*step].is_on(at_ms));
        of.map(|(step, _, lever)| (*step, *lever))
    }

    /// How many may hold a resource at `at_ms`, and the step that has made them so few.
    #[must_use]
    pub fn capacity(&self, resource: usize, at_ms: i64) -> (u32, Option<usize>) {
        let slots = self.plan.resources[resource].slots();
        self.done_to(resource, at_ms)
            .filter_map(|(step, lever)| match lever {
                ResourceLever::Shrink { to } => Some((to, Some(step))),
                _ => None,
            })
            .fold(
                (slots, None),
                |least, next| if next.0 < least.0 { next } else { least },
            )
    }

    /// How long a resource is held by who has it at `at_ms`, virtual microseconds, and the step that has made it longer.
    #[must_use]
    pub fn held_us(&self, resource: usize, us: i64, at_ms: i64) -> (i64, Option<usize>) {
        self.done_to(resource, at_ms)
            .fold((us, None), |(us, by), (step, lever)| match lever {
                ResourceLever::Slow { factor } => ((us as f64 * factor) as i64, Some(step)),
                _ => (us, by),
            })
    }

    /// The step by which a resource answers with an error at `at_ms`.
    #[must_use]
    pub fn refuses(&self, resource: usize, at_ms: i64) -> Option<usize> {
        self.done_to(resource, at_ms)
            .find(|(_, lever)| matches!(lever, ResourceLever::Fail))
            .map(|(step, _)| step)
    }

    /// When more may hold a resource again, by plan: its number, and virtual milliseconds since the start.
    #[must_use]
    pub fn grow(&self) -> Vec<(usize, i64)> {
        let shrunk = self
            .resources
            .iter()
            .filter(|(_, _, lever)| matches!(lever, ResourceLever::Shrink { .. }));
        let ends = shrunk.filter_map(|(step, resource, _)| {
            let until = self.plan.timeline[*step].until.as_ref()?;
            Some((*resource, until.at_ms))
        });
        ends.collect()
    }

    /// What a handler returns that did not get what it needs.
    #[must_use]
    pub fn without(&self, resource: usize, why: Without) -> Outcome {
        let name = &self.plan.resources[resource].name;
        let error = match why {
            Without::Refused => format!("{name}: service unavailable"),
            Without::TimedOut => format!("{name}: timed out waiting for a free connection"),
        };
        Outcome::Failure {
            error: error.into(),
            kind: ErrorKind::Failure,
            by_fault: true,
        }
    }

    fn hangs(&self, step: usize, of: Execution, which: Hangs) -> bool {
        match which {
            Hangs::Share(share) => self.dice.falls_to_fault(step, of, share),
            Hangs::Every(every) => of.attempt == 0 && (of.seq + 1).is_multiple_of(u64::from(every)),
        }
    }

    /// The step that deadlocks handlers of `process` that end at `at_ms`, if one does.
    #[must_use]
    pub fn deadlocked_by(&self, at_ms: i64, process: &str) -> Option<usize> {
        let locks = self
            .levers
            .iter()
            .filter(|(_, lever, _)| *lever == HandlerLever::Deadlock);
        locks.map(|(index, ..)| *index).find(|index| {
            let step = &self.plan.timeline[*index];
            step.is_on(at_ms) && step.targets.iter().any(|target| target == process)
        })
    }

    /// Whether any step has handlers hang or crash.
    #[must_use]
    pub fn may_not_return(&self) -> bool {
        let mut levers = self.levers.iter();
        levers.any(|(_, lever, _)| {
            matches!(
                lever,
                HandlerLever::Hang { .. } | HandlerLever::Crash { .. }
            )
        })
    }

    /// Whether any step deadlocks handlers.
    #[must_use]
    pub fn ever_deadlock(&self) -> bool {
        self.levers
            .iter()
            .any(|(_, lever, _)| *lever == HandlerLever::Deadlock)
    }
}
