//! What an audit is made from, and the lives of all tasks out of it.

use super::life::{self, Life, Rest};
use super::{Absences, Audited, Auditor, End};
use crate::plan::{PRODUCER, Plan};
use firedrill_asynq::clock::Time;
use firedrill_asynq::note::Note;
use firedrill_asynq::op::{Deed, TaskState};
use smallvec::SmallVec;
use std::collections::{BTreeMap, BTreeSet};

/// The executions of one process incarnation.
#[derive(Debug, Clone)]
pub struct ProcessLedger {
    /// Name of the process.
    pub process: String,
    /// Its ledger.
    pub entries: Vec<Note<String>>,
    /// When the process was killed; executions without an end died then.
    pub killed_at: Option<Time>,
    /// The step whose remedy did that; `None`: none did.
    pub ended_by: Option<String>,
}

/// Everything the audit is made from.
#[derive(Debug)]
pub struct Evidence<'a> {
    /// The plan: objectives and incidents.
    pub plan: &'a Plan,
    /// Time 0 of the plan.
    pub origin: Time,
    /// Virtual time at which the drill ended.
    pub end: Time,
    /// The producer's ledger.
    pub producer: &'a [Note<String>],
    /// One ledger per process incarnation.
    pub ledgers: &'a [ProcessLedger],
    /// What is left in Redis.
    pub left: &'a Leftover<String>,
    /// What operators did to which tasks, in order of time.
    pub by_hand: &'a [ByHand],
    /// When the plan had processes or Redis away.
    pub absences: Absences,
    /// Whether every process' ledger is there and whole. If not, a task that is nowhere to be found may have succeeded.
    pub ledgers_whole: bool,
    /// What Redis has counted, where nobody saw the executions; `None`: they are in the ledgers.
    pub counted: Option<Counted>,
}

/// Executions that ended well, as asynq counts them: how many of each queue. Which they were nobody knows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counted(pub BTreeMap<String, u64>);

/// What an operator did to some tasks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ByHand {
    /// When.
    pub at: Time,
    /// What.
    pub what: Hand,
    /// Task ids.
    pub ids: Vec<String>,
    /// The step.
    pub by: String,
}

/// What is done to a task by hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hand {
    /// What asynq's inspector can do.
    Did(Deed),
    /// It was deleted and enqueued again, into the queue that has this place in the plan.
    Moved(usize),
}

/// What is in Redis when a drill is over.
#[derive(Debug, Clone)]
pub struct Leftover<I> {
    /// Where each task is.
    pub states: BTreeMap<I, TaskState>,
    /// Those that are active and have no lease.
    pub leaseless: BTreeSet<I>,
    /// Queues that nobody takes tasks from: paused, or served by no process that is there.
    pub halted: BTreeSet<String>,
}

impl<I> Default for Leftover<I> {
    fn default() -> Self {
        Self {
            states: BTreeMap::new(),
            leaseless: BTreeSet::new(),
            halted: BTreeSet::new(),
        }
    }
}

impl<I: Ord> Leftover<I> {
    /// Where a task is; `held`: whether a process that is there is executing it.
    pub(crate) fn rest(&self, id: &I, held: bool) -> Option<Rest> {
        let state = *self.states.get(id)?;
        Some(Rest {
            state,
            leaseless: self.leaseless.contains(id),
            held,
        })
    }
}

/// The queues of a plan that nobody takes tasks from: paused, or served by no process that `is_there`.
pub(crate) fn halted(
    plan: &Plan,
    paused: &BTreeSet<String>,
    is_there: impl Fn(&str) -> bool,
) -> BTreeSet<String> {
    let processes = plan.processes().into_iter();
    let served: BTreeSet<&str> = processes
        .filter(|(name, _)| is_there(name))
        .flat_map(|(_, worker)| worker.queues.iter().map(|(queue, _)| queue.as_str()))
        .collect();
    let queues = plan.queues.iter().map(|queue| &queue.name);
    let halted = queues.filter(|name| paused.contains(*name) || !served.contains(name.as_str()));
    halted.cloned().collect()
}

/// Works the audit out.
#[must_use]
pub fn audit(evidence: &Evidence<'_>) -> Audited {
    let mut auditor = Auditor::new(evidence.plan, evidence.origin, evidence.end);
    auditor.absences = evidence.absences.clone();
    auditor.ledgers_whole = evidence.ledgers_whole;
    if let Some(counted) = &evidence.counted {
        auditor.goes_by(counted);
    }
    let mut lives = Lives::new();
    let mut order: Vec<(&str, usize)> = Vec::new();
    for entry in evidence.producer {
        match entry {
            Note::Sent {
                at, id, workload, ..
            } => {
                let of_id = lives.entry(id).or_default();
                order.push((id, of_id.len()));
                of_id.push(auditor.sent(*at, *workload));
            }
            // Of those that have the same id, the one that was sent first is answered first.
            Note::Answered { at, id, answer } => {
                let of_id = lives.get_mut(id.as_str());
                let waiting = of_id.and_then(|of_id| {
                    let mut lives = of_id.iter_mut();
                    lives.find(|life| life.answer.is_none())
                });
                if let Some(life) = waiting {
                    auditor.answered(life, *at, *answer, PRODUCER);
                }
            }
            Note::Started { .. }
            | Note::Finished { .. }
            | Note::GivenUp { .. }
            | Note::Unhandled { .. } => {}
        }
    }
    for ledger in evidence.ledgers {
        order.extend(are_born(ledger, &auditor, &mut lives));
    }
    for done in evidence.by_hand {
        for id in &done.ids {
            if let Some(life) = meant(&mut lives, id, done.at) {
                auditor.by_hand(life, (done.at, done.what), &done.by);
            }
        }
    }
    let held = live_through(evidence.ledgers, &mut auditor, &mut lives);
    auditor.halt(&evidence.left.halted);
    auditor.strangers(foreign(evidence, &lives));
    for (id, number) in order {
        if let Some(of_id) = lives.get(id)
            && let Some(life) = of_id.get(number)
        {
            // What is in Redis is the last one that came into it.
            let is_there = number == life::at(of_id, evidence.end);
            let rest = evidence.left.rest(&id.to_owned(), held.contains(id));
            auditor.close(life, rest.filter(|_| is_there), || id.to_owned());
        }
    }
    auditor.finish()
}

/// The lives of all tasks by id, in order of their sending: tasks that are given their id may have the same one, one after the
/// other.
type Lives<'e> = BTreeMap<&'e str, SmallVec<[Life; 1]>>;

/// Of the tasks with an id, the one that is meant by what happened at a moment.
fn meant<'l>(lives: &'l mut Lives<'_>, id: &str, at: Time) -> Option<&'l mut Life> {
    let of_id = lives.get_mut(id)?;
    let number = life::at(of_id, at);
    of_id.get_mut(number)
}

/// Tasks that the handlers of a process have enqueued; answers the ids of those that are new, each the first of its id.
fn are_born<'a>(
    ledger: &'a ProcessLedger,
    auditor: &Auditor,
    lives: &mut Lives<'a>,
) -> Vec<(&'a str, usize)> {
    let mut born = Vec::new();
    for entry in &ledger.entries {
        match entry {
            Note::Sent {
                at,
                id,
                workload,
                intended,
            } => {
                let delay_ms = intended.millis() - at.millis();
                lives.entry(id).or_insert_with(|| {
                    born.push((id.as_str(), 0));
                    SmallVec::from_iter([Life::child(*at, *workload, delay_ms)])
                });
            }
            Note::Answered { at, id, answer } => {
                if let Some(life) = meant(lives, id, *at) {
                    auditor.answered(life, *at, *answer, &ledger.process);
                }
            }
            Note::Started { .. }
            | Note::Finished { .. }
            | Note::GivenUp { .. }
            | Note::Unhandled { .. } => {}
        }
    }
    born
}

/// Ids of tasks that were executed or are in Redis, and that the producer has not sent.
fn foreign<'a>(evidence: &Evidence<'a>, lives: &Lives<'_>) -> BTreeSet<&'a str> {
    let garbled = evidence.plan.all_garbled_ids();
    let executed = evidence.ledgers.iter().flat_map(|ledger| &ledger.entries);
    executed
        .filter_map(|entry| match entry {
            Note::Started { id, .. } => Some(id.as_str()),
            _ => None,
        })
        .chain(evidence.left.states.keys().map(String::as_str))
        .filter(|id| !lives.contains_key(id) && !garbled.contains(*id))
        .collect()
}

/// Something that happened to an execution.
enum Event<'e> {
    Noted(&'e Note<String>),
    /// It died with its process.
    Killed {
        id: &'e str,
        started: Time,
        end: End<'e>,
    },
}

/// Puts all executions, in order of their time, into the lives of their tasks; answers the tasks that processes which are there
/// are executing.
fn live_through<'e>(
    ledgers: &'e [ProcessLedger],
    auditor: &mut Auditor,
    lives: &mut Lives<'_>,
) -> BTreeSet<&'e str> {
    let mut events: Vec<(Time, Event<'e>)> = Vec::new();
    let mut held: BTreeSet<&str> = BTreeSet::new();
    for ledger in ledgers {
        events.extend(ledger.entries.iter().filter_map(|entry| match entry {
            Note::Started { at, .. } | Note::Finished { at, .. } | Note::GivenUp { at, .. } => {
                Some((*at, Event::Noted(entry)))
            }
            Note::Sent { .. } | Note::Answered { .. } | Note::Unhandled { .. } => None,
        }));
        let open = open_executions(ledger).into_iter();
        match ledger.killed_at {
            None => held.extend(open.map(|(id, _)| id)),
            Some(at) => events.extend(open.map(|(id, started)| {
                let (process, by) = (ledger.process.as_str(), ledger.ended_by.as_deref());
                let end = End { at, process, by };
                (at, Event::Killed { id, started, end })
            })),
        }
    }
    events.sort_by_key(|(at, _)| *at);
    for (at, event) in events {
        let id = match &event {
            Event::Noted(
                Note::Started { id, .. }
                | Note::Finished { id, .. }
                | Note::GivenUp { id, .. }
                | Note::Sent { id, .. }
                | Note::Answered { id, .. }
                | Note::Unhandled { id, .. },
            ) => id.as_str(),
            Event::Killed { id, .. } => id,
        };
        let Some(life) = meant(lives, id, at) else {
            continue;
        };
        match event {
            Event::Noted(Note::Started { .. }) => auditor.started(life, at),
            Event::Noted(Note::Finished { how, .. }) => auditor.finished(life, at, *how),
            Event::Noted(Note::GivenUp { .. }) => life.given_up(at),
            Event::Noted(Note::Sent { .. } | Note::Answered { .. } | Note::Unhandled { .. }) => {}
            Event::Killed { started, end, .. } if started == life.last_start => {
                auditor.killed(life, end);
            }
            // It has been begun elsewhere meanwhile.
            Event::Killed { .. } => life.killed(at),
        }
    }
    held
}

/// Tasks whose execution had not ended when the process did, or the drill, and when each began.
fn open_executions(ledger: &ProcessLedger) -> Vec<(&str, Time)> {
    let mut open: BTreeMap<(&str, i32), Vec<Time>> = BTreeMap::new();
    for entry in &ledger.entries {
        match entry {
            Note::Started { at, id, retried } => open.entry((id, *retried)).or_default().push(*at),
            Note::Finished { id, retried, .. } => {
                if let Some(began) = open.get_mut(&(id.as_str(), *retried)) {
                    began.pop();
                }
            }
            Note::Sent { .. }
            | Note::Answered { .. }
            | Note::GivenUp { .. }
            | Note::Unhandled { .. } => {}
        }
    }
    let last = open
        .into_iter()
        .map(|((id, _), began)| Some((id, *began.last()?)));
    last.flatten().collect()
}
