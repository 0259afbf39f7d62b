//! What remedies threw away of what would have been done without them: work in progress, attempts, tasks.

use super::classes::Fate;
use super::harm::Later;
use super::limits::Limits;
use super::{Absences, Hand, Life};
use crate::fault::Fault;
use crate::lever::{HandlerLever, Lever, TasksLever};
use crate::plan::{Plan, Routes, Step, TaskPlan};
use firedrill_asynq::clock::Time;
use firedrill_asynq::op::{Deed, TaskState};
use firedrill_reports::record::Cost;
use std::collections::BTreeMap;

/// Numbers of remedies: places in a list of the plan's.
pub(crate) type Number = u16;

/// How a process came to its end, with everything it was working on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct End<'a> {
    /// When.
    pub(crate) at: Time,
    /// Its name.
    pub(crate) process: &'a str,
    /// The step whose remedy has ended it; `None`: none has.
    pub(crate) by: Option<&'a str>,
}

/// The costs of all remedies of a plan.
#[derive(Debug)]
pub(super) struct Costs {
    remedies: Vec<Remedied>,
    /// Faults that keep handlers from returning.
    traps: Vec<Trap>,
    /// Whether tasks of each workload entry fail whenever they are run, as things are when the drill is over.
    doomed: Vec<bool>,
    /// Where tasks go that are sent after others of their type were moved.
    routes: Routes,
    found: BTreeMap<Number, Cost>,
}

/// A remedy, of its own or beside a fault's end.
#[derive(Debug)]
struct Remedied {
    /// The step by which reports know it.
    id: String,
    starts: Time,
    /// Whether it takes tasks from those that would have been run.
    takes: Option<Deed>,
    /// Whether it has tasks run before their time.
    hurries: bool,
}

/// A fault that keeps handlers of these processes from returning.
#[derive(Debug)]
struct Trap {
    from: Time,
    until: Option<Time>,
    processes: Vec<String>,
    /// Workload entries; empty: all.
    entries: Vec<usize>,
}

impl Costs {
    pub(super) fn new(plan: &Plan, origin: Time) -> Self {
        let at = |ms: i64| origin.plus_millis(ms);
        let own = plan.remedies.iter().map(|step| {
            let what = match step.remedy.done(None) {
                Lever::Tasks {
                    what: TasksLever::Change { deed, state, .. },
                    ..
                } => Some((deed, state)),
                _ => None,
            };
            // Nobody runs what is archived or completed but by hand.
            let waits = |state| !matches!(state, TaskState::Archived | TaskState::Completed);
            Remedied {
                id: step.id.clone(),
                starts: at(step.at_ms),
                takes: what
                    .filter(|(deed, state)| *deed != Deed::Run && waits(*state))
                    .map(|(deed, _)| deed),
                hurries: what.is_some_and(|(deed, _)| deed == Deed::Run),
            }
        });
        let beside = plan.timeline.iter().filter_map(|step| {
            let until = step.until.as_ref()?;
            until.remedy.as_ref()?;
            Some(Remedied {
                id: step.id.clone(),
                starts: at(until.at_ms),
                takes: None,
                hurries: false,
            })
        });
        let entries = |task: Option<&String>| -> Vec<usize> {
            let entries = plan.workload.iter().enumerate();
            let entries = entries.filter(|(_, entry)| Some(&entry.task) == task);
            entries.map(|(index, _)| index).collect()
        };
        let trap = |step: &Step| {
            let task = match step.fault.handlers()? {
                HandlerLever::Deadlock => None,
                HandlerLever::Hang { task, .. } => task,
                _ => return None,
            };
            Some(Trap {
                from: at(step.at_ms),
                until: step.until.as_ref().map(|until| at(until.at_ms)),
                processes: step.targets.clone(),
                entries: entries(task.as_ref()),
            })
        };
        Self {
            remedies: own.chain(beside).collect(),
            traps: plan.timeline.iter().filter_map(trap).collect(),
            doomed: plan
                .workload
                .iter()
                .map(|task| is_doomed(plan, task))
                .collect(),
            routes: Routes::of(plan, origin),
            found: BTreeMap::new(),
        }
    }

    /// The number of the remedy that reports know by this step.
    pub(super) fn number(&self, id: &str) -> Option<Number> {
        let place = self.remedies.iter().position(|remedy| remedy.id == id)?;
        Number::try_from(place).ok()
    }

    fn of(&mut self, number: Number) -> &mut Cost {
        self.found.entry(number).or_default()
    }

    /// An execution ended with its process, which a remedy took away.
    ///
    /// What would not have gone on is no loss: a handler that may have been stuck, one whose attempt was over, or whose
    /// process a fault had away.
    pub(super) fn cut_off(
        &mut self,
        (life, end): (&Life, End<'_>),
        limits: Option<&Limits>,
        absences: &Absences,
    ) {
        let Some(number) = end.by.and_then(|id| self.number(id)) else {
            return;
        };
        let since = life.last_start;
        let entry = life.workload as usize;
        let before = self.remedies[usize::from(number)].starts.plus_millis(-1);
        let was_away = absences.was_away(end.process, before, before);
        let was_over = limits.is_some_and(|limits| limits.explain_repeat(life.sent, since, end.at));
        let may_be_stuck = self
            .traps
            .iter()
            .any(|trap| trap.may_hold(end.process, entry, (since, end.at)));
        if was_away || was_over || may_be_stuck {
            return;
        }
        let cost = self.of(number);
        cost.cut_off += 1;
        cost.work_lost_ms += between(since, end.at);
    }

    /// An execution failed that began at `since`; `by`: what had its task run.
    pub(super) fn failed(&mut self, by: Number, since: Time, at: Time) {
        let remedy = self.remedies.get(usize::from(by));
        if remedy.is_some_and(|remedy| remedy.hurries) {
            let cost = self.of(by);
            cost.failed_again += 1;
            cost.work_lost_ms += between(since, at);
        }
    }

    /// A task's life, or the drill, is over. `is_halted`: nobody takes tasks from its queue.
    pub(super) fn ended(&mut self, life: &Life, fate: Fate, is_halted: bool) {
        match fate {
            Fate::Archived | Fate::Revoked | Fate::Dropped(_) | Fate::Deleted(_) => {
                self.taken(life)
            }
            Fate::Queued(_) if is_halted => {
                let redirected = || {
                    let by = self.routes.redirected_by(life.workload as usize, life.sent);
                    by.and_then(|by| Number::try_from(by).ok())
                };
                let by = match life.by_hand.last() {
                    Some((_, Hand::Moved(_), by)) => Some(*by),
                    Some(_) => None,
                    // The plan's remedies come first in the list, in its order.
                    None => redirected(),
                };
                if let Some(by) = by {
                    self.of(by).stranded += 1;
                }
            }
            _ => {}
        }
    }

    /// A task that never succeeded was archived or deleted, maybe by hand, and not run again since.
    fn taken(&mut self, life: &Life) {
        let is_doomed = self.doomed.get(life.workload as usize);
        if is_doomed.copied().unwrap_or(true) {
            return;
        }
        let since_run = life.by_hand.iter().rev();
        let mut since_run = since_run.take_while(|(_, what, _)| *what != Hand::Did(Deed::Run));
        let takes = |number: Number| self.remedies.get(usize::from(number))?.takes;
        match since_run.find_map(|(_, _, by)| Some((*by, takes(*by)?))) {
            Some((by, Deed::Archive)) => self.of(by).archived += 1,
            Some((by, Deed::Delete)) => self.of(by).deleted += 1,
            Some((_, Deed::Run)) | None => {}
        }
    }

    /// A task was run before it was due, because of this remedy.
    pub(super) fn run_early(&mut self, by: Number) {
        self.of(by).run_early += 1;
    }

    /// After these remedies so many tasks were harmed, until then, and no incident is behind it.
    pub(super) fn harmed(&mut self, after: Vec<Later>) {
        for later in after {
            let mut remedies = self.remedies.iter();
            let number = remedies.position(|remedy| remedy.id == later.remedy);
            if let Some(number) = number.and_then(|number| Number::try_from(number).ok()) {
                let cost = self.found.entry(number).or_default();
                cost.harmed += later.tasks;
                cost.harmed_until_ms = cost.harmed_until_ms.max(Some(later.last_ms));
            }
        }
    }

    /// What each remedy that cost something did, by the step that reports know it by.
    pub(super) fn told(&self) -> BTreeMap<String, Cost> {
        let found = self.found.iter().filter_map(|(number, cost)| {
            let remedy = self.remedies.get(usize::from(*number))?;
            Some((remedy.id.clone(), *cost))
        });
        found.collect()
    }
}

impl Trap {
    fn may_hold(&self, process: &str, entry: usize, (since, at): (Time, Time)) -> bool {
        let is_on = self.from <= at && self.until.is_none_or(|until| until >= since);
        let is_meant = self.entries.is_empty() || self.entries.contains(&entry);
        is_on && is_meant && self.processes.iter().any(|name| name == process)
    }
}

fn between(from: Time, to: Time) -> u64 {
    u64::try_from(to.millis() - from.millis()).unwrap_or(0)
}

/// Whether tasks of this entry may fail whenever they are run, by themselves or by a fault that is on when the drill is over.
fn is_doomed(plan: &Plan, task: &TaskPlan) -> bool {
    let fails = |share: f64| share >= 1.0;
    let is_of = |only: &Option<String>| only.as_ref().is_none_or(|only| *only == task.task);
    let by_fault = |fault: &Fault| match fault.handlers() {
        Some(HandlerLever::Fail {
            task: of,
            share,
            attempts,
            ..
        }) => of == task.task && fails(share) && attempts.is_none(),
        Some(HandlerLever::Panic {
            task: of, share, ..
        }) => is_of(&of) && fails(share),
        // The same task does at each attempt.
        Some(HandlerLever::Crash { task: of, .. }) => of == task.task,
        _ => false,
    };
    let mut stays = plan
        .timeline
        .iter()
        .filter(|step| step.is_on(plan.duration_ms - 1));
    fails(task.fail_share) || stays.any(|step| by_fault(&step.fault))
}
