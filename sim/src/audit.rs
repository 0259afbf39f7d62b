//! The audit: what happened to every task, proven from the producer's list, the workers' ledgers and Redis.

mod absences;
mod life;

pub use absences::{Absences, REDIS, way_of};
pub(crate) use life::{Life, Rest};

use crate::plan::{Arrivals, Incident, PRODUCER, Plan, Routes, Step, TaskPlan};
use firedrill_asynq::clock::Time;
use firedrill_asynq::note::{Intake, Note};
use firedrill_asynq::op::{Deed, TaskState};
use firedrill_asynq::settings::{ARCHIVE_MAX, DEFAULT_TIMEOUT_S, REDIS_TIMEOUT_MS};
use firedrill_reports::record::{Audit, Impact, QueueWaits};
use firedrill_reports::waits::Waits;
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
}

/// What an operator did to some tasks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ByHand {
    /// When.
    pub at: Time,
    /// What.
    pub what: Hand,
    /// Task ids.
    pub ids: Vec<String>,
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
    let mut lives = Lives::new();
    let mut order: Vec<(&str, usize)> = Vec::new();
    for entry in evidence.producer {
        match entry {
            Note::Sent {
                at, id, workload, ..
            } => {
                let of_id = lives.entry(id).or_default();
                order.push((id, of_id.len()));
                of_id.push(Life::sent(*at, *workload));
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
            Note::Started { .. } | Note::Finished { .. } | Note::GivenUp { .. } => {}
        }
    }
    for ledger in evidence.ledgers {
        order.extend(are_born(ledger, &auditor, &mut lives));
    }
    for done in evidence.by_hand {
        for id in &done.ids {
            if let Some(life) = meant(&mut lives, id, done.at) {
                life.by_hand.push((done.at, done.what));
            }
        }
    }
    live_through(evidence.ledgers, &auditor, &mut lives);
    let mut held: BTreeSet<&str> = BTreeSet::new();
    for ledger in evidence.ledgers {
        let open = open_executions(ledger);
        match ledger.killed_at {
            Some(killed_at) => open.into_iter().for_each(|id| {
                if let Some(life) = meant(&mut lives, id, killed_at) {
                    life.killed(killed_at);
                }
            }),
            None => held.extend(open),
        }
    }
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
            Note::Started { .. } | Note::Finished { .. } | Note::GivenUp { .. } => {}
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

/// Puts all executions, in order of their time, into the lives of their tasks.
fn live_through(ledgers: &[ProcessLedger], auditor: &Auditor, lives: &mut Lives<'_>) {
    let mut entries: Vec<(Time, &Note<String>)> = ledgers
        .iter()
        .flat_map(|ledger| &ledger.entries)
        .filter_map(|entry| match entry {
            Note::Started { at, .. } | Note::Finished { at, .. } | Note::GivenUp { at, .. } => {
                Some((*at, entry))
            }
            Note::Sent { .. } | Note::Answered { .. } => None,
        })
        .collect();
    entries.sort_by_key(|(at, _)| *at);
    for (_, entry) in entries {
        match entry {
            Note::Started { at, id, .. } => {
                if let Some(life) = meant(lives, id, *at) {
                    auditor.started(life, *at);
                }
            }
            Note::Finished { at, id, how, .. } => {
                if let Some(life) = meant(lives, id, *at) {
                    life.finished(*at, *how);
                }
            }
            Note::GivenUp { at, id, .. } => {
                if let Some(life) = meant(lives, id, *at) {
                    life.given_up(*at);
                }
            }
            Note::Sent { .. } | Note::Answered { .. } => {}
        }
    }
}

/// Tasks whose execution had not ended when the process did, or the drill.
fn open_executions(ledger: &ProcessLedger) -> Vec<&str> {
    let mut open: BTreeMap<(&str, i32), u64> = BTreeMap::new();
    for entry in &ledger.entries {
        match entry {
            Note::Started { id, retried, .. } => *open.entry((id, *retried)).or_default() += 1,
            Note::Finished { id, retried, .. } => {
                if let Some(count) = open.get_mut(&(id.as_str(), *retried)) {
                    *count = count.saturating_sub(1);
                }
            }
            Note::Sent { .. } | Note::Answered { .. } | Note::GivenUp { .. } => {}
        }
    }
    let open = open.into_iter().filter(|(_, count)| *count > 0);
    open.map(|((id, _), _)| id).collect()
}

/// Adds lives up, one after the other, in any order.
#[derive(Debug)]
pub(crate) struct Auditor {
    origin: Time,
    end: Time,
    pub(crate) absences: Absences,
    ledgers_whole: bool,
    /// When tasks went to the archive of each queue, Unix seconds.
    archivings: Vec<Vec<i64>>,
    /// Tasks that went there and are gone: the queue's place, when, and a name. The archive may have dropped them.
    dropped: Vec<(usize, i64, String)>,
    /// Whether nobody takes tasks from each queue when the drill is over.
    halted: Vec<bool>,
    /// Steps that lose data, by time.
    lossy: Vec<(Time, String)>,
    /// How long an attempt at a task of each workload entry may take, and after its arrival.
    limits: Vec<Limits>,
    /// Longest harmless wait in each queue.
    objectives_ms: Vec<i64>,
    /// How long after its arrival a task of each workload entry is due.
    delays_ms: Vec<i64>,
    /// Whether a task came after the warm-up, and when that is over.
    came_scored: bool,
    warmup_ends: Time,
    /// When the first incident begins, or nothing.
    first_incident: Option<Time>,
    /// Of each queue.
    users: Vec<Users>,
    /// Of each incident, by queues in the order of `waits`: from its start to the start of the next that can harm the queue,
    /// or of a step that no incident is about after its own end, or the end of the drill. None of a queue that it cannot
    /// harm.
    windows: Vec<Vec<Option<(Time, Time)>>>,
    audit: Audit,
    impacts: Vec<Impact>,
    /// Of each incident: places of the harmed tasks' queues in `waits`.
    harmed_queues: Vec<BTreeSet<usize>>,
    /// Of each workload entry.
    entries: Vec<Coming>,
    /// Where tasks go when they are sent; places are those in `waits`.
    routes: Routes,
    waits: Vec<QueueWaits>,
}

/// What an audit comes to.
#[derive(Debug, Clone, PartialEq)]
pub struct Audited {
    /// What happened to every task.
    pub audit: Audit,
    /// What users felt, per incident.
    pub impacts: Vec<Impact>,
    /// How long tasks waited for their first start, per queue.
    pub waits: Vec<QueueWaits>,
}

/// What became of a task that was accepted.
#[derive(Debug, Clone, Copy)]
enum Fate {
    Succeeded,
    Archived,
    /// Went to the archive then, and is gone.
    Dropped(Time),
    /// By an operator.
    Deleted(Time),
    Queued(Rest),
    /// A ledger that may tell is missing.
    Untold,
    /// When, if a step has lost it.
    Lost(Option<Time>),
}

/// Spans of virtual time in which one task was harmed; a moment is a span of length 0.
type Harm = (Time, Time);

impl Auditor {
    /// `end`: when the drill ends, or ended.
    pub(crate) fn new(plan: &Plan, origin: Time, end: Time) -> Self {
        let workloads = 0..plan.workload.len();
        let incidents = &plan.incidents;
        let is_of_none = |step: &&Step| {
            !incidents.iter().any(|incident| match &incident.step {
                Some(id) => *id == step.id,
                None => (incident.at_ms..incident.until_ms).contains(&step.at_ms),
            })
        };
        let can_harm = |reach: &[String], queue: &str| {
            reach.is_empty() || reach.iter().any(|reached| reached == queue)
        };
        let reaching: Vec<(&Incident, Vec<String>)> = incidents
            .iter()
            .map(|incident| (incident, plan.queues_within_reach(incident)))
            .collect();
        let strays: Vec<(i64, Vec<String>)> = plan
            .timeline
            .iter()
            .filter(is_of_none)
            .map(|step| (step.at_ms, plan.queues_reached_by(step)))
            .collect();
        let window = |(incident, reach): &(&Incident, Vec<String>), queue: &str| {
            let others = reaching.iter().filter(|(_, reach)| can_harm(reach, queue));
            let next = others.map(|(other, _)| other.at_ms);
            let next = next.filter(|other_ms| *other_ms > incident.at_ms);
            // What such a step harms is not the incident's, which is over.
            let after = strays.iter().filter(|(_, reach)| can_harm(reach, queue));
            let after = after.map(|(step_ms, _)| *step_ms);
            let after = after.filter(|step_ms| *step_ms >= incident.until_ms);
            let stops = next.chain(after).min();
            let stops = stops.map_or(end, |next_ms| origin.plus_millis(next_ms));
            can_harm(reach, queue).then(|| (origin.plus_millis(incident.at_ms), stops))
        };
        let windows = reaching.iter().map(|of| {
            let queues = plan.queues.iter().map(|queue| queue.name.as_str());
            queues.map(|queue| window(of, queue)).collect()
        });
        let untouched = (0..).zip(incidents).map(|(incident, _)| Impact {
            incident,
            first_ms: None,
            last_ms: None,
            harmed_tasks: 0,
            queues: Vec::new(),
        });
        Self {
            origin,
            end,
            absences: Absences::default(),
            ledgers_whole: true,
            archivings: vec![Vec::new(); plan.queues.len()],
            dropped: Vec::new(),
            halted: vec![false; plan.queues.len()],
            lossy: plan
                .timeline
                .iter()
                .filter(|step| step.fault.loses_data() || step.fault.loses_tasks())
                .map(|step| (origin.plus_millis(step.at_ms), step.id.clone()))
                .collect(),
            limits: plan.workload.iter().map(Limits::of).collect(),
            delays_ms: plan.workload.iter().map(|task| task.delay_ms).collect(),
            objectives_ms: plan
                .queues
                .iter()
                .map(|queue| queue.wait_objective_ms)
                .collect(),
            came_scored: false,
            warmup_ends: origin.plus_millis(plan.warmup_ms),
            first_incident: incidents
                .iter()
                .map(|incident| origin.plus_millis(incident.at_ms))
                .min(),
            users: vec![Users::default(); plan.queues.len()],
            windows: windows.collect(),
            audit: Audit::default(),
            impacts: untouched.collect(),
            harmed_queues: vec![BTreeSet::new(); incidents.len()],
            entries: workloads.map(|index| Coming::of(plan, index)).collect(),
            routes: Routes::of(plan, origin),
            waits: plan
                .queues
                .iter()
                .map(|queue| QueueWaits {
                    queue: queue.name.clone(),
                    counts: Waits::new(),
                })
                .collect(),
        }
    }

    /// The leg of the plan's routes that a task was sent on.
    #[inline]
    pub(crate) fn leg(&self, life: &Life) -> usize {
        self.routes.leg(life.workload as usize, life.sent)
    }

    /// The place of the queue that a task was in at `at`.
    fn place(&self, life: &Life, at: Time) -> Option<usize> {
        let sent_to = self.routes.place(life.workload as usize, life.sent);
        life.moved_to(at).or(sent_to)
    }

    /// Redis answered an enqueue.
    pub(crate) fn answered(&self, life: &mut Life, at: Time, answer: Intake, client: &str) {
        // One that was enqueued twice by executions that did not know of each other, and accepted once, is there.
        life.answer = match life.came() {
            true => life.answer,
            false => Some(answer),
        };
        let is_refused = answer != Intake::Accepted;
        let explained = is_refused && self.explains_rejection(life.sent, at, client);
        life.unexplained |= answer == Intake::Rejected && !explained;
        // Its answer may have been that of a repeated call, and the first one was carried out.
        life.in_doubt = explained;
    }

    /// Whether Redis, or the client's way to it, was away by plan at any moment of a call, or just before it: clients need a moment to find back.
    fn explains_rejection(&self, sent: Time, answered: Time, client: &str) -> bool {
        let from = sent.plus_millis(-REDIS_TIMEOUT_MS);
        let was_away = |who| self.absences.was_away(who, from, answered);
        was_away(REDIS) || was_away(&way_of(client))
    }

    /// An execution began. One that repeats another which did not fail has a reason: somebody was away meanwhile, or the
    /// other took too long.
    pub(crate) fn started(&self, life: &mut Life, at: Time) {
        if life.starts > 0 && !life.failed {
            let limits = self.limits.get(life.workload as usize);
            let since = life.last_start;
            let explained = self.absences.was_anybody_away(since, at)
                || life.was_run_by_hand(since, at)
                || limits.is_some_and(|limits| limits.explain_repeat(life.sent, since, at));
            life.unexplained |= !explained;
        }
        life.started(at);
    }

    /// From these queues nobody takes tasks when the drill is over.
    pub(crate) fn halt(&mut self, queues: &BTreeSet<String>) {
        for (waits, halted) in self.waits.iter().zip(&mut self.halted) {
            *halted = queues.contains(&waits.queue);
        }
    }

    /// Tasks that nobody in the drill enqueued.
    fn strangers(&mut self, ids: BTreeSet<&str>) {
        self.audit.unexplained.foreign = ids.len() as u64;
        for id in ids {
            self.example("foreign", || id.to_owned());
        }
    }

    fn example(&mut self, what: &str, name: impl Fn() -> String) {
        let examples = &mut self.audit.unexplained.examples;
        let alike = examples.iter().filter(|example| example.starts_with(what));
        if alike.count() < EXAMPLES_MAX {
            examples.push(format!("{what} {}", name()));
        }
    }

    /// A task's life is over, or the drill is. `left`: where the task is in Redis; `name` is asked for when it becomes
    /// an example.
    pub(crate) fn close(&mut self, life: &Life, left: Option<Rest>, name: impl Fn() -> String) {
        if let Some(entry) = self.entries.get_mut(life.workload as usize) {
            entry.came = true;
        }
        self.came_scored |= life.sent >= self.warmup_ends;
        let audit = &mut self.audit;
        audit.intended += 1;
        // There is such a task, and nobody is worse off.
        if life.answer == Some(Intake::Duplicate) && life.starts == 0 && left.is_none() {
            audit.duplicates += 1;
            return;
        }
        // An enqueue that was refused, or that nobody answered before the drill ended.
        let is_kept = matches!(life.answer, Some(Intake::Accepted | Intake::Duplicate));
        if !is_kept && life.starts == 0 {
            audit.rejected += 1;
            // A handler that has not heard has died, or the drill has ended.
            let unanswered = life.answer.is_none()
                && !life.is_child()
                && !self.explains_rejection(life.sent, self.end, PRODUCER);
            if life.unexplained || unanswered {
                self.audit.unexplained.rejected += 1;
                self.example("rejected", &name);
            }
            let place = self.place(life, life.sent);
            self.harmed(place, [(life.sent, life.sent)].into_iter());
            return;
        }
        let fate = self.fate(life, left);
        let audit = &mut self.audit;
        audit.enqueued += 1;
        audit.failed_executions += u64::from(life.failures);
        // A task that is not due yet keeps nobody waiting.
        let delay_ms = match life.delay_ms {
            delay_ms @ 0.. => delay_ms,
            _ => {
                let of_entry = self.delays_ms.get(life.workload as usize);
                of_entry.copied().unwrap_or(0)
            }
        };
        let due = life.sent.plus_millis(delay_ms);
        // What is archived, deleted or lost is waited for no longer.
        let ended = match fate {
            Fate::Archived | Fate::Dropped(_) => life.archived_at(),
            Fate::Deleted(at) | Fate::Lost(Some(at)) => Some(at),
            Fate::Succeeded | Fate::Queued(_) | Fate::Untold | Fate::Lost(None) => None,
        };
        let first_start = life.first_start();
        let wait_end = first_start.or(ended).unwrap_or(self.end).max(due);
        let over = match fate {
            Fate::Archived | Fate::Dropped(_) if first_start.is_none() => Some(wait_end),
            Fate::Deleted(at) | Fate::Lost(Some(at)) => Some(at),
            Fate::Lost(None) => Some(wait_end),
            _ => None,
        };
        let wait_ms = wait_end.millis() - due.millis();
        let place = self.place(life, wait_end);
        if life.first_start().is_some()
            && let Some(place) = place
        {
            self.waits[place].counts.record(wait_ms);
        }
        let objective_ms = place.and_then(|place| self.objectives_ms.get(place));
        let objective_ms = objective_ms.copied().unwrap_or(NO_OBJECTIVE_MS);
        let late = wait_ms > objective_ms;
        if let Some(users) = place.and_then(|place| self.users.get_mut(place)) {
            users.came += 1;
            users.late += u64::from(late);
            let missed = due.plus_millis(objective_ms);
            if self.first_incident.is_some_and(|first| missed < first) {
                users.came_before += 1;
                users.late_before += u64::from(late);
            }
        }
        let audit = &mut self.audit;
        audit.late += u64::from(late);
        // A repeated execution that no failure asked for.
        let twice = life.starts > life.failures + 1;
        audit.executed_twice += u64::from(twice);
        self.count(life, fate, &name);
        if twice && life.unexplained {
            self.audit.unexplained.run_twice += 1;
            self.example("run twice", &name);
        }
        if !(late || over.is_some() || !life.harmed.is_empty()) {
            return;
        }
        let moments = life.harmed.iter().map(|at| (*at, *at));
        let waited = late.then(|| (due.plus_millis(objective_ms), wait_end));
        let over = over.map(|at| (at, at));
        self.harmed(place, moments.chain(waited).chain(over));
    }

    /// What became of a task that was accepted.
    fn fate(&self, life: &Life, left: Option<Rest>) -> Fate {
        let archived_at = life.archived_at();
        match (left, life.last_by_hand()) {
            _ if life.successes > 0 => Fate::Succeeded,
            (Some(rest), _) if rest.state == TaskState::Archived => Fate::Archived,
            (Some(rest), _) => Fate::Queued(rest),
            (None, _) if life.revoked => Fate::Archived,
            (None, Some((at, Hand::Did(Deed::Delete)))) if at >= life.last_sign() => {
                Fate::Deleted(at)
            }
            (None, _) if !self.ledgers_whole => Fate::Untold,
            (None, _) => match (
                self.absences.lost_since(life.sent, life.last_sign()),
                archived_at,
            ) {
                (Some(at), _) => Fate::Lost(Some(at)),
                (None, Some(at)) => Fate::Dropped(at),
                // Its last execution began before Redis forgot who had it.
                (None, None) => Fate::Lost(self.absences.lost_since(life.sent, life.sent)),
            },
        }
    }

    /// Counts a task that was accepted in its class.
    fn count(&mut self, life: &Life, fate: Fate, name: &impl Fn() -> String) {
        let queue = self.place(life, self.end);
        if let Some(at) = life.archived_at()
            && let Some(times) = queue.and_then(|place| self.archivings.get_mut(place))
        {
            times.push(at.secs());
        }
        let audit = &mut self.audit;
        match fate {
            Fate::Succeeded => {
                audit.succeeded += 1;
                audit.succeeded_twice += u64::from(life.successes > 1);
            }
            Fate::Archived => {
                audit.archived += 1;
                audit.archived_unstarted += u64::from(life.starts == 0);
            }
            Fate::Deleted(_) => audit.deleted += 1,
            Fate::Queued(rest) => {
                let is_halted = queue.is_some_and(|place| self.halted[place]);
                let is_orphaned = rest.leaseless && !rest.held;
                audit.still_queued += 1;
                let state = rest.state.name().to_owned();
                *audit.queued.entry(state).or_default() += 1;
                audit.orphaned += u64::from(is_orphaned);
                audit.stuck += u64::from(is_orphaned || (is_halted && !rest.held));
            }
            Fate::Untold => audit.untold += 1,
            Fate::Dropped(at) => {
                let name = match self.dropped.len() < EXAMPLES_MAX {
                    true => name(),
                    false => String::new(),
                };
                self.dropped.push((queue.unwrap_or(0), at.secs(), name));
            }
            Fate::Lost(at) => self.lost(at, name),
        }
    }

    /// A task is lost; `at`: when Redis lost its data with it in it.
    fn lost(&mut self, at: Option<Time>, name: impl Fn() -> String) {
        self.audit.lost += 1;
        if self.audit.examples.len() < EXAMPLES_MAX {
            self.audit.examples.push(format!("lost {}", name()));
        }
        let Some(at) = at else {
            self.audit.unexplained.lost += 1;
            self.example("lost", name);
            return;
        };
        let mut steps = self.lossy.iter().rev();
        if let Some((_, step)) = steps.find(|(begins, _)| *begins <= at) {
            *self.audit.lost_in.entry(step.clone()).or_default() += 1;
        }
    }

    /// Tells what a full archive had no room for from what is lost: asynq drops the oldest.
    fn drop_the_oldest(&mut self) {
        self.archivings
            .iter_mut()
            .for_each(|times| times.sort_unstable());
        for (queue, at_s, name) in std::mem::take(&mut self.dropped) {
            let times = self.archivings.get(queue).map_or(&[][..], Vec::as_slice);
            let not_older = times.len() - times.partition_point(|other| *other < at_s);
            if not_older >= ARCHIVE_MAX as usize {
                self.audit.trimmed += 1;
            } else {
                self.lost(None, || name.clone());
            }
        }
    }

    /// Counts one task's harm into every incident that can be behind it and that it falls into.
    fn harmed(&mut self, place: Option<usize>, spans: impl Iterator<Item = Harm> + Clone) {
        let Some(queue) = place else {
            return;
        };
        let incidents = self.windows.iter().zip(&mut self.impacts);
        for ((windows, impact), queues) in incidents.zip(&mut self.harmed_queues) {
            let Some(Some((starts, stops))) = windows.get(queue) else {
                continue;
            };
            let hits = spans
                .clone()
                .filter(|(from, to)| to >= starts && from < stops)
                .map(|(from, to)| (from.max(*starts), to.min(*stops)));
            let span = hits.reduce(|(first, last), (from, to)| (first.min(from), last.max(to)));
            let Some((first, last)) = span else {
                continue;
            };
            let since = |at: Time| at.millis() - self.origin.millis();
            let (first, last) = (since(first), since(last));
            impact.harmed_tasks += 1;
            queues.insert(queue);
            impact.first_ms = Some(impact.first_ms.map_or(first, |known| known.min(first)));
            impact.last_ms = Some(impact.last_ms.map_or(last, |known| known.max(last)));
        }
    }

    /// Types of the tasks none of which came, although the drill lasted long enough. That none comes by chance proves
    /// nothing, unless nothing at all came.
    fn never_came(&self) -> Vec<String> {
        // What is enqueued nowhere came to nobody.
        let none_enqueued = self.audit.enqueued == 0;
        let nothing = self.entries.iter().all(|entry| !entry.came);
        let lasted = Time(self.end.0.saturating_sub(self.origin.0));
        let is_missing = |entry: &&Coming| {
            !entry.came
                && match entry.first {
                    Some(first) => first < lasted,
                    None => nothing || !entry.by_chance,
                }
        };
        let missing = self.entries.iter();
        let missing = missing.filter(|entry| none_enqueued || is_missing(entry));
        let mut types: Vec<String> = missing.map(|entry| entry.task.clone()).collect();
        types.sort();
        types.dedup();
        types
    }

    pub(crate) fn finish(mut self) -> Audited {
        self.drop_the_oldest();
        let mut all = Waits::new();
        self.waits.iter().for_each(|queue| all.merge(&queue.counts));
        let quantile = |q| i64::try_from(all.quantile(q).unwrap_or(0)).unwrap_or(i64::MAX);
        for (impact, queues) in self.impacts.iter_mut().zip(&self.harmed_queues) {
            let names = queues.iter().map(|place| self.waits[*place].queue.clone());
            impact.queues = names.collect();
        }
        self.audit.unexplained.never_came = self.never_came();
        self.audit.idle =
            self.audit.intended > 0 && !self.came_scored && self.warmup_ends < self.end;
        let queues = self.waits.iter().zip(&self.users);
        let waiting =
            queues.filter(|(_, users)| users.wait_all_along(self.first_incident.is_some()));
        self.audit.waiting = waiting.map(|(queue, _)| queue.queue.clone()).collect();
        self.audit.wait_ms = [quantile(0.5), quantile(0.99), quantile(1.0)];
        Audited {
            audit: self.audit,
            impacts: self.impacts,
            waits: self.waits,
        }
    }
}

/// How many tasks came to a queue, and how many of them waited beyond its objective: all, and those that should have been
/// started before the first incident.
#[derive(Debug, Clone, Default)]
struct Users {
    came: u64,
    late: u64,
    came_before: u64,
    late_before: u64,
}

impl Users {
    /// Whether they wait although nothing is wrong by plan.
    fn wait_all_along(&self, has_incidents: bool) -> bool {
        match has_incidents {
            true => self.came_before > 0 && self.late_before == self.came_before,
            false => self.late * 2 > self.came,
        }
    }
}

/// Whether tasks of a workload entry came, and when the first was to come.
#[derive(Debug)]
struct Coming {
    task: String,
    came: bool,
    first: Option<Time>,
    by_chance: bool,
}

impl Coming {
    fn of(plan: &Plan, index: usize) -> Self {
        let first = crate::plan::arrivals(plan, index).next();
        Self {
            task: plan.workload[index].task.clone(),
            came: false,
            first: first.map(|micros| Time(0).plus_micros(micros)),
            // None comes by itself.
            by_chance: matches!(
                plan.workload[index].arrivals,
                Arrivals::None
                    | Arrivals::Poisson { .. }
                    | Arrivals::Stages { evenly: false, .. }
                    | Arrivals::Diurnal { .. }
                    | Arrivals::Mmpp { .. }
            ),
        }
    }
}

/// How long an attempt at a task may take before it is given up, and repeated although its handler goes on.
#[derive(Debug, Clone, Copy)]
struct Limits {
    timeout_ms: i64,
    /// From the arrival.
    deadline_ms: Option<i64>,
}

impl Limits {
    fn of(task: &TaskPlan) -> Self {
        let timeout_ms = match (task.timeout_ms, task.deadline_ms) {
            (0, None) => DEFAULT_TIMEOUT_S * 1_000,
            (0, Some(_)) => i64::MAX,
            (timeout_ms, _) => timeout_ms,
        };
        Self {
            timeout_ms,
            deadline_ms: task.deadline_ms,
        }
    }

    /// Whether an attempt that began at `since` at a task sent at `sent` was to be given up by `at`; asynq counts whole
    /// seconds.
    fn explain_repeat(&self, sent: Time, since: Time, at: Time) -> bool {
        let at = at.plus_millis(1_000);
        at >= since.plus_millis(self.timeout_ms)
            || self
                .deadline_ms
                .is_some_and(|deadline_ms| at >= sent.plus_millis(deadline_ms))
    }
}

/// Examples named in an audit.
const EXAMPLES_MAX: usize = 5;
/// A wait nobody reaches: of a task whose queue has no objective.
const NO_OBJECTIVE_MS: i64 = i64::MAX / 4_000_000;

/// Median, 99th percentile and maximum (nearest rank); zeros when there is nothing.
pub(crate) fn quantiles(values: &mut [i64]) -> [i64; 3] {
    values.sort_unstable();
    let rank = |q: f64| {
        let index = ((values.len() as f64 * q).ceil() as usize).clamp(1, values.len().max(1)) - 1;
        values.get(index).copied().unwrap_or(0)
    };
    [rank(0.5), rank(0.99), rank(1.0)]
}

#[cfg(test)]
mod tests;
