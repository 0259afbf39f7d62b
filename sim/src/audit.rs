//! The audit: what happened to every task, proven from the producer's list, the workers' ledgers and Redis.

mod absences;
mod archive;
mod classes;
mod coming;
mod cost;
mod evidence;
mod harm;
mod life;
mod limits;
mod unseen;

pub use absences::{Absences, REDIS, way_of};
pub(crate) use cost::End;
pub(crate) use evidence::halted;
pub use evidence::{ByHand, Counted, Evidence, Hand, Leftover, ProcessLedger, audit};
pub(crate) use life::{Life, Rest};

use crate::plan::{LeftLocks, Plan, Routes};
use archive::Archive;
use classes::Fate;
use coming::Coming;
use cost::Costs;
use firedrill_asynq::clock::Time;
use firedrill_asynq::note::{Finish, Intake};
use firedrill_asynq::op::TaskState;
use firedrill_asynq::settings::{LEASE_MS, REDIS_TIMEOUT_MS};
use firedrill_reports::record::{Audit, Impact, QueueWaits};
use firedrill_reports::waits::{OverTime, Waits};
use harm::{Harm, NO_OBJECTIVE_MS, Users};
use limits::Limits;
use std::collections::BTreeSet;
use unseen::Unseen;

/// Adds lives up, one after the other, in any order.
#[derive(Debug)]
pub(crate) struct Auditor {
    origin: Time,
    end: Time,
    pub(crate) absences: Absences,
    ledgers_whole: bool,
    /// Of each queue.
    archives: Vec<Archive>,
    /// Whether nobody takes tasks from each queue when the drill is over.
    halted: Vec<bool>,
    /// Steps that lose data, by time.
    lossy: Vec<(Time, String)>,
    /// How long an attempt at a task of each workload entry may take, and after its arrival.
    limits: Vec<Limits>,
    /// Whether a task of each workload entry may be refused because of another.
    shared: Vec<bool>,
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
    harm: Harm,
    costs: Costs,
    audit: Audit,
    /// Of each workload entry.
    entries: Vec<Coming>,
    /// Where tasks go when they are sent; places are those in `waits`.
    routes: Routes,
    left_locks: LeftLocks,
    /// How many arrivals of each workload entry have been sent.
    arrived: Vec<u64>,
    waits: Vec<QueueWaits>,
    /// Of each queue.
    over_time: Vec<OverTime>,
    /// What is known instead of executions, where nobody saw those.
    unseen: Option<Unseen>,
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

impl Auditor {
    /// `end`: when the drill ends, or ended.
    pub(crate) fn new(plan: &Plan, origin: Time, end: Time) -> Self {
        let workloads = 0..plan.workload.len();
        let incidents = &plan.incidents;
        Self {
            origin,
            end,
            absences: Absences::default(),
            ledgers_whole: true,
            archives: plan.queues.iter().map(|_| Archive::default()).collect(),
            halted: vec![false; plan.queues.len()],
            lossy: plan
                .timeline
                .iter()
                .filter(|step| step.fault.loses_data() || step.fault.loses_tasks())
                .map(|step| (origin.plus_millis(step.at_ms), step.id.clone()))
                .collect(),
            limits: plan.workload.iter().map(Limits::of).collect(),
            shared: plan.workload.iter().map(|task| task.shares(plan)).collect(),
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
            harm: Harm::new(plan, origin, end),
            costs: Costs::new(plan, origin),
            audit: Audit::default(),
            entries: workloads.map(|index| Coming::of(plan, index)).collect(),
            routes: Routes::of(plan, origin),
            left_locks: LeftLocks::of(plan, origin),
            arrived: vec![0; plan.workload.len()],
            waits: plan
                .queues
                .iter()
                .map(|queue| QueueWaits {
                    queue: queue.name.clone(),
                    counts: Waits::new(),
                    over_time: Vec::new(),
                })
                .collect(),
            over_time: plan
                .queues
                .iter()
                .map(|_| OverTime::new(end.millis() - origin.millis()))
                .collect(),
            unseen: None,
        }
    }

    /// Executions are not seen: what became of tasks is told from what Redis has and has counted. After `absences` are known.
    pub(crate) fn goes_by(&mut self, counted: &Counted) {
        let names = self.waits.iter().map(|queue| queue.queue.as_str());
        self.unseen = Some(Unseen::new(counted, names, self.absences.has_losses()));
        self.audit.unseen = true;
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

    /// The producer sends the next arrival of a workload entry.
    #[inline]
    pub(crate) fn sent(&mut self, at: Time, workload: u32) -> Life {
        let mut life = Life::sent(at, workload);
        let entry = workload as usize;
        if !self.left_locks.is_empty()
            && let Some(arrived) = self.arrived.get_mut(entry)
        {
            life.meets_left_lock = self.left_locks.refuses(entry, *arrived, at).is_some();
            *arrived += 1;
        }
        life
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
        life.in_doubt = is_refused && self.may_be_repeated(life.sent, at, client);
    }

    /// Whether the reply to a call may have been lost by plan, so that the client called again.
    fn may_be_repeated(&self, sent: Time, answered: Time, client: &str) -> bool {
        let from = sent.plus_millis(-REDIS_TIMEOUT_MS);
        self.absences.may_lose_replies(from, answered)
            || self.absences.was_away(&way_of(client), from, answered)
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
            // Who goes on takes up what Redis had answered before, and by then its lease may be over.
            let leased = since.plus_millis(-LEASE_MS).max(life.sent.min(since));
            let explained = self.absences.was_anybody_away(leased, at)
                || life.was_run_by_hand(since, at)
                || limits.is_some_and(|limits| limits.explain_repeat(life.sent, since, at));
            life.unexplained |= !explained;
        }
        life.started(at);
    }

    /// An execution ended by itself.
    pub(crate) fn finished(&mut self, life: &mut Life, at: Time, how: Finish) {
        let has_failed = matches!(how, Finish::Failed | Finish::FailedByFault);
        if let Some(by) = life.hurried_by.take().filter(|_| has_failed) {
            self.costs.failed(by, life.last_start, at);
        }
        life.finished(at, how);
    }

    /// An execution, the latest of its task, died with its process.
    pub(crate) fn killed(&mut self, life: &mut Life, end: End<'_>) {
        let limits = self.limits.get(life.workload as usize);
        self.costs.cut_off((life, end), limits, &self.absences);
        life.killed(end.at);
    }

    /// An operator did something to a task; `by`: the step.
    pub(crate) fn by_hand(&self, life: &mut Life, (at, what): (Time, Hand), by: &str) {
        // Whoever does something to tasks is a step of the plan.
        let number = self.costs.number(by).unwrap_or(cost::Number::MAX);
        life.by_hand.push((at, what, number));
    }

    /// From these queues nobody takes tasks when the drill is over.
    pub(crate) fn halt(&mut self, queues: &BTreeSet<String>) {
        for (waits, halted) in self.waits.iter().zip(&mut self.halted) {
            *halted = queues.contains(&waits.queue);
        }
    }

    /// A task's life is over, or the drill is. `left`: where the task is in Redis; `name` is asked for when it becomes
    /// an example.
    pub(crate) fn close(&mut self, life: &Life, left: Option<Rest>, name: impl Fn() -> String) {
        if let Some(entry) = self.entries.get_mut(life.workload as usize) {
            entry.came = true;
        }
        self.came_scored |= life.sent >= self.warmup_ends;
        if self.harm.is_unmet()
            && let Some(place) = self.place(life, life.sent)
        {
            self.harm.meets(place, self.stay(life, left));
        }
        self.audit.intended += 1;
        self.audit.born += u64::from(life.is_child());
        let fate = match self.intake(life, left.is_some()) {
            Some(Intake::Accepted) => self.fate(life, left),
            None => Fate::Untold,
            // There is such a task, and nobody is worse off; or there was one.
            Some(Intake::Duplicate) => {
                self.audit.duplicates += 1;
                if life.meets_left_lock {
                    self.audit.locked_out += 1;
                    self.harmed(
                        self.place(life, life.sent),
                        [(life.sent, life.sent)].into_iter(),
                    );
                }
                return;
            }
            Some(Intake::Rejected) => {
                self.rejected(life, &name);
                return;
            }
        };
        if self.unseen.is_some() {
            // When it was begun, and how often, only its worker knows.
            self.audit.enqueued += 1;
            self.count_unseen(life, fate);
            return;
        }
        let due = self.due(life);
        let audit = &mut self.audit;
        audit.enqueued += 1;
        audit.failed_executions += u64::from(life.failures);
        // What is archived, deleted or lost is waited for no longer.
        let ended = match fate {
            Fate::Archived | Fate::Revoked | Fate::Dropped(_) => life.archived_at(),
            Fate::Deleted(at) | Fate::Lost(Some(at)) => Some(at),
            Fate::Succeeded { .. } | Fate::Queued(_) | Fate::Untold | Fate::Lost(None) => None,
        };
        let first_start = life.first_start();
        if first_start.is_some_and(|started| started < due)
            && let Some(by) = life.run_by_hand(due)
        {
            self.costs.run_early(by);
        }
        let wait_end = first_start.or(ended).unwrap_or(self.end).max(due);
        let over = match fate {
            Fate::Archived | Fate::Revoked | Fate::Dropped(_) if first_start.is_none() => {
                Some(wait_end)
            }
            Fate::Deleted(at) | Fate::Lost(Some(at)) => Some(at),
            Fate::Lost(None) => Some(wait_end),
            _ => None,
        };
        let wait_ms = wait_end.millis() - due.millis();
        let place = self.place(life, wait_end);
        if let (Some(started), Some(place)) = (first_start, place) {
            self.waits[place].counts.record(wait_ms);
            self.over_time[place].record(started.millis() - self.origin.millis(), wait_ms);
        }
        // Its users know the queue that it was sent to, wherever somebody has moved it since.
        let home = self.place(life, life.sent).or(place);
        let objective_ms = home.and_then(|place| self.objectives_ms.get(place));
        let objective_ms = objective_ms.copied().unwrap_or(NO_OBJECTIVE_MS);
        let late = wait_ms > objective_ms;
        if let Some(users) = home.and_then(|place| self.users.get_mut(place)) {
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
        self.harmed(home, moments.chain(waited).chain(over));
    }

    /// From when until when somebody waited for a task, or worked on it, as far as is known.
    fn stay(&self, life: &Life, left: Option<Rest>) -> harm::Span {
        let is_over = |state| matches!(state, TaskState::Archived | TaskState::Completed);
        let until = match left {
            Some(rest) if !is_over(rest.state) => self.end,
            _ => life.last_seen(),
        };
        (self.due(life), until)
    }

    /// When a task is due: one that is not yet keeps nobody waiting.
    fn due(&self, life: &Life) -> Time {
        let delay_ms = match life.delay_ms {
            delay_ms @ 0.. => delay_ms,
            _ => {
                let of_entry = self.delays_ms.get(life.workload as usize);
                of_entry.copied().unwrap_or(0)
            }
        };
        life.sent.plus_millis(delay_ms)
    }

    /// Counts one task's harm.
    fn harmed(&mut self, place: Option<usize>, spans: impl Iterator<Item = harm::Span> + Clone) {
        if let Some(queue) = place {
            self.harm.add(queue, spans);
        }
    }

    pub(crate) fn finish(mut self) -> Audited {
        self.drop_the_oldest();
        if let Some(unseen) = self.unseen.take() {
            let (succeeded, untold) = unseen.told();
            self.audit.succeeded += succeeded;
            self.audit.untold += untold;
        }
        let mut all = Waits::new();
        self.waits.iter().for_each(|queue| all.merge(&queue.counts));
        let quantile = |q| i64::try_from(all.quantile(q).unwrap_or(0)).unwrap_or(i64::MAX);
        self.audit.unexplained.never_came = self.never_came();
        self.audit.idle =
            self.audit.intended > 0 && !self.came_scored && self.warmup_ends < self.end;
        let queues = self.waits.iter().zip(&self.users);
        let waiting =
            queues.filter(|(_, users)| users.wait_all_along(self.first_incident.is_some()));
        self.audit.waiting = waiting.map(|(queue, _)| queue.queue.clone()).collect();
        self.audit.wait_ms = [quantile(0.5), quantile(0.99), quantile(1.0)];
        for (queue, over_time) in self.waits.iter_mut().zip(&self.over_time) {
            queue.over_time = over_time.told();
        }
        let (impacts, later) = self.harm.finish(&self.waits);
        self.costs.harmed(later);
        self.audit.costs = self.costs.told();
        Audited {
            audit: self.audit,
            impacts,
            waits: self.waits,
        }
    }
}

/// Examples named in an audit.
const EXAMPLES_MAX: usize = 5;

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
