//! The processor: fetches one task at a time while a slot is free, runs its handler, and writes the outcome (asynq
//! `processor.go`). With a batch above 1, which asynq does not have, it fetches as many tasks with one call as slots are free,
//! and writes with one call what has succeeded in the meantime; what failed is still written task by task.

mod batches;
mod order;

use crate::actor::server::{ServerConfig, Shared};
use crate::actor::slots::Running;
use crate::actor::{Action, ErrorKind, Out, Outcome, RunId, Ticket, Timer};
use crate::clock::Time;
use crate::note::{Finish, Note, Unhandled};
use crate::op::{Answer, Finished, Op, Reply};
use crate::retry_delay::{RetryDelay, RetryDice};
use crate::settings::{CANCELED, DEADLINE_EXCEEDED, LEASE_MS};
use crate::task::Task;
use order::QueueOrder;
use rand::{Rng, RngExt};
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Processing time of a task that has neither timeout nor deadline (asynq falls back to 30 minutes).
const FALLBACK_TIMEOUT_MS: i64 = 30 * 60 * 1_000;

/// Fetch loop and workers of one server.
#[derive(Debug)]
pub(crate) struct Processor<T: Task> {
    order: QueueOrder<T>,
    shutdown_timeout_ms: i64,
    task_check_interval_ms: i64,
    retry_delay: RetryDelay,
    retry_dice: RetryDice<T>,
    rng: ChaCha8Rng,
    /// The fetch loop holds a slot: a dequeue is under way, or the idle pause after an empty one.
    fetching: bool,
    stopping: bool,
    /// Most tasks of one call.
    batch: usize,
    /// Fetched tasks whose start waits for the end of a beat; the fetch loop waits with them.
    to_start: Vec<Fetched<T>>,
    /// Tasks that succeeded and wait for the next turn to be written.
    to_finish: Vec<(RunId, Finished<T>)>,
    /// How many batches of them are being written.
    batches: usize,
    /// How many batches are being fetched, and for how many slots.
    fetches: usize,
    reserved: usize,
    /// The idle pause after an empty batch.
    resting: bool,
    /// Handlers that still run although their task was given up (deadline, lost lease, shutdown).
    zombies: BTreeMap<RunId, T>,
    /// Handlers that have returned this but for their result, which is being written.
    writing: BTreeMap<RunId, Outcome>,
}

#[derive(Debug)]
struct Fetched<T> {
    task: T,
    lease_expires: Time,
    fetched_at: Time,
}

impl<T: Task> Processor<T> {
    pub(crate) fn new(config: &ServerConfig<T>, rng: ChaCha8Rng) -> Self {
        Self {
            order: QueueOrder::new(&config.queues, config.strict_priority),
            shutdown_timeout_ms: config.shutdown_timeout_ms,
            task_check_interval_ms: config.task_check_interval_ms,
            retry_delay: config.retry_delay,
            retry_dice: config.retry_dice.clone(),
            rng,
            fetching: false,
            stopping: false,
            batch: config.batch.max(1),
            to_start: Vec::new(),
            to_finish: Vec::new(),
            batches: 0,
            fetches: 0,
            reserved: 0,
            resting: false,
            zombies: BTreeMap::new(),
            writing: BTreeMap::new(),
        }
    }

    /// Asks for the next task if a slot is free and no other request is under way.
    pub(crate) fn fetch(&mut self, now: Time, shared: &Shared<T>, out: &mut impl Out<T>) {
        // What is fetched in batches is fetched once all slots that become free are.
        if !self.takes_turns() && self.may_fetch(shared) {
            self.fetch_one(now, out);
        }
    }

    fn may_fetch(&self, shared: &Shared<T>) -> bool {
        let idle =
            !self.stopping && !self.fetching && self.fetches == 0 && self.to_start.is_empty();
        idle && shared.slots.has_free()
    }

    fn fetch_one(&mut self, now: Time, out: &mut impl Out<T>) {
        self.fetching = true;
        let queues = self.order.next(&mut self.rng);
        let lease_expires_s = now.plus_millis(LEASE_MS).secs();
        out.push(Action::Call(
            Ticket::Dequeue,
            Op::Dequeue {
                queues,
                lease_expires_s,
            },
        ));
    }

    /// The pause after an empty answer.
    fn rest(&mut self, now: Time, out: &mut impl Out<T>) {
        let pause_ms = self.task_check_interval_ms as f64 * self.rng.random_range(0.5..1.5);
        out.push(Action::Timer(
            now.plus_micros((pause_ms * 1e3) as i64),
            Timer::Poll,
        ));
    }

    pub(crate) fn dequeued(
        &mut self,
        now: Time,
        answer: Answer<T>,
        shared: &mut Shared<T>,
        out: &mut impl Out<T>,
    ) {
        match answer {
            Ok(Reply::Dequeued(Some(task))) => {
                self.fetching = false;
                self.taken(now, task, shared, out);
                self.fetch(now, shared, out);
            }
            Ok(_) => self.rest(now, out),
            // Quirk: no back-off. A failed dequeue is repeated at once, so an unreachable Redis makes the server spin.
            Err(_) => {
                self.fetching = false;
                self.fetch(now, shared, out);
            }
        }
    }

    /// A task was fetched. Its lease counts from the request, which is at most a round trip old.
    fn taken(&mut self, now: Time, task: T, shared: &mut Shared<T>, out: &mut impl Out<T>) {
        let fetched = Fetched {
            task,
            lease_expires: now.plus_millis(LEASE_MS),
            fetched_at: now,
        };
        if shared.beating {
            self.to_start.push(fetched);
        } else {
            self.start(now, fetched, shared, out);
        }
    }

    fn start(
        &mut self,
        now: Time,
        fetched: Fetched<T>,
        shared: &mut Shared<T>,
        out: &mut impl Out<T>,
    ) {
        let Fetched {
            task,
            lease_expires,
            fetched_at,
        } = fetched;
        let deadline = processing_deadline(&task, fetched_at);
        let running = Running {
            task: task.clone(),
            started: now,
            deadline,
            lease_expires,
            number: 0,
        };
        let Some(run) = shared.slots.start(running) else {
            return;
        };
        if deadline <= now {
            // The handler is not called; the attempt fails at once and consumes a retry.
            if lease_expires >= now {
                out.push(unhandled(now, &task, Unhandled::TooLate));
            }
            self.fail(now, run, DEADLINE_EXCEEDED, ErrorKind::Failure, shared, out);
            return;
        }
        out.push(Action::Note(Note::Started {
            at: now,
            id: task.id(),
            retried: task.retried(),
        }));
        out.push(Action::Timer(deadline, Timer::Deadline(run)));
        out.push(Action::Run { run, task });
    }

    /// A handler returned: decides the outcome of its task, unless that was decided before. Returns the task and how
    /// it ended, for the middleware that counts handler returns.
    pub(crate) fn handler_done(
        &mut self,
        now: Time,
        run: RunId,
        outcome: &Outcome,
        result: Option<Arc<Vec<u8>>>,
        shared: &mut Shared<T>,
        out: &mut impl Out<T>,
    ) -> Option<(T, Finish)> {
        let how = match outcome {
            Outcome::Success => Finish::Ok,
            Outcome::Failure {
                kind: ErrorKind::Revoke,
                ..
            } => Finish::Revoked,
            Outcome::Failure {
                by_fault: false, ..
            } => Finish::Failed,
            Outcome::Failure { by_fault: true, .. } | Outcome::Panic { .. } => {
                Finish::FailedByFault
            }
        };
        let Some(running) = shared.slots.get(run) else {
            return Some((self.zombies.remove(&run)?, how));
        };
        let task = running.task.clone();
        match result {
            None => self.conclude(now, run, outcome, shared, out),
            // The handler waits for its result writer, and returns then.
            Some(result) => {
                self.writing.insert(run, outcome.clone());
                let message = task.clone();
                let op = Op::WriteResult { message, result };
                out.push(Action::Call(Ticket::WriteResult(run), op));
            }
        }
        Some((task, how))
    }

    /// The result is written, or not: a handler whose result writer fails returns its error.
    pub(crate) fn result_written(
        &mut self,
        now: Time,
        run: RunId,
        answer: &Answer<T>,
        shared: &mut Shared<T>,
        out: &mut impl Out<T>,
    ) {
        let Some(outcome) = self.writing.remove(&run) else {
            return;
        };
        match (answer, &outcome) {
            (Err(error), Outcome::Success) => {
                let error = format!("failed to write task result: {error}");
                self.fail(now, run, &error, ErrorKind::Failure, shared, out);
            }
            _ => self.conclude(now, run, &outcome, shared, out),
        }
    }

    /// What becomes of a task whose handler returned.
    fn conclude(
        &mut self,
        now: Time,
        run: RunId,
        outcome: &Outcome,
        shared: &mut Shared<T>,
        out: &mut impl Out<T>,
    ) {
        match outcome {
            Outcome::Success => {
                let Some(running) = shared.slots.get(run) else {
                    return;
                };
                let message = running.task.clone();
                let op = if message.retention_s() > 0 {
                    Op::MarkAsComplete { message, now }
                } else {
                    Op::Done { message, now }
                };
                self.finish(now, run, op, shared, out);
            }
            Outcome::Failure { error, kind, .. } => {
                self.fail(now, run, error, *kind, shared, out);
            }
            Outcome::Panic { error, .. } => {
                self.fail(now, run, error, ErrorKind::Failure, shared, out);
            }
        }
    }

    /// Retry, or archive when the retries are used up or not wanted; a revoked task is done.
    fn fail(
        &mut self,
        now: Time,
        run: RunId,
        error: &str,
        kind: ErrorKind,
        shared: &mut Shared<T>,
        out: &mut impl Out<T>,
    ) {
        let Some(running) = shared.slots.get(run) else {
            return;
        };
        let mut message = running.task.clone();
        let exhausted = message.retried() >= message.retry();
        let op = if kind == ErrorKind::Revoke {
            Op::Done { message, now }
        } else if exhausted || kind == ErrorKind::SkipRetry {
            message.failed(error, now.secs(), false);
            Op::Archive { message, now }
        } else {
            let is_failure = kind != ErrorKind::NotAFailure;
            let bits = self.retry_dice.bits(&message, || self.rng.next_u64());
            let delay_ms = self.retry_delay.draw_ms(message.retried(), bits);
            message.failed(error, now.secs(), is_failure);
            Op::Retry {
                message,
                retry_at_s: now.plus_millis(delay_ms).secs(),
                is_failure,
                now,
            }
        };
        self.finish(now, run, op, shared, out);
    }

    /// Cancels a task if it is in progress here. Its handler is told and may go on; the attempt has failed.
    pub(crate) fn cancel(
        &mut self,
        now: Time,
        id: &T::Id,
        shared: &mut Shared<T>,
        out: &mut impl Out<T>,
    ) {
        let mut runs = shared.slots.iter();
        let run = runs.find_map(|(run, running)| (running.task.id() == *id).then_some(run));
        drop(runs);
        if let Some(run) = run {
            self.abandon(now, run, CANCELED, shared, out);
        }
    }

    /// An attempt fails although its handler has not returned.
    fn abandon(
        &mut self,
        now: Time,
        run: RunId,
        error: &str,
        shared: &mut Shared<T>,
        out: &mut impl Out<T>,
    ) {
        let Some(running) = shared.slots.get(run) else {
            return;
        };
        // A handler that waits for its result writer has been heard of.
        if self.writing.remove(&run).is_none() {
            self.zombies.insert(run, running.task.clone());
        }
        self.fail(now, run, error, ErrorKind::Failure, shared, out);
    }

    /// The finishing write. Quirk: with an expired local lease nothing is written and nothing is said; the recoverer
    /// is expected to act.
    fn finish(
        &mut self,
        now: Time,
        run: RunId,
        op: Op<T>,
        shared: &mut Shared<T>,
        out: &mut impl Out<T>,
    ) {
        let Some(running) = shared.slots.finish(run) else {
            return;
        };
        if running.lease_expires >= now {
            if let Op::Archive { message, .. } = &op {
                out.push(given_up(now, message));
            }
            match op {
                Op::Done { message, .. } if self.takes_turns() => {
                    let younger = shared.slots.started_since(&running);
                    self.to_finish.push((run, Finished { message, younger }));
                }
                op => out.push(Action::Call(Ticket::Finish(run), op)),
            }
        } else {
            self.finished(now, run, shared, out);
        }
    }

    /// The finishing write was answered. Quirk: a failed one is not repeated (asynq's syncer reuses a cancelled
    /// context, so its repetition never reaches Redis): the task stays active until its lease runs out.
    pub(crate) fn finished(
        &mut self,
        now: Time,
        run: RunId,
        shared: &mut Shared<T>,
        out: &mut impl Out<T>,
    ) {
        if shared.slots.release(run, shared.beating) && !shared.beating {
            self.fetch(now, shared, out);
        }
    }

    /// A beat has ended: waiting starts and releases go through.
    pub(crate) fn after_beat(&mut self, now: Time, shared: &mut Shared<T>, out: &mut impl Out<T>) {
        shared.slots.release_waiting();
        for fetched in std::mem::take(&mut self.to_start) {
            self.start(now, fetched, shared, out);
        }
        self.fetch(now, shared, out);
    }

    /// The heartbeat loop found these local leases expired: the tasks are given up without a write.
    pub(crate) fn leases_lost(
        &mut self,
        now: Time,
        lost: Vec<RunId>,
        shared: &mut Shared<T>,
        out: &mut impl Out<T>,
    ) {
        for run in lost {
            if let Some(running) = shared.slots.finish(run) {
                if self.writing.remove(&run).is_none() {
                    self.zombies.insert(run, running.task);
                }
                self.finished(now, run, shared, out);
            }
        }
    }

    pub(crate) fn timer(
        &mut self,
        now: Time,
        timer: Timer,
        shared: &mut Shared<T>,
        out: &mut impl Out<T>,
    ) {
        match timer {
            Timer::Poll => {
                self.fetching = false;
                self.resting = false;
                self.fetch(now, shared, out);
            }
            Timer::Deadline(run) => self.abandon(now, run, DEADLINE_EXCEEDED, shared, out),
            Timer::ShutdownTimeout => self.abort(now, shared, out),
            _ => {}
        }
    }

    /// Stops fetching.
    pub(crate) fn stop(&mut self) {
        self.stopping = true;
    }

    /// Stops fetching and begins to wait for the handlers.
    pub(crate) fn shutdown(&mut self, now: Time, out: &mut impl Out<T>) {
        self.stop();
        out.push(Action::Timer(
            now.plus_millis(self.shutdown_timeout_ms),
            Timer::ShutdownTimeout,
        ));
    }

    /// The graceful wait is over: tasks still running go back to the head of their queue, their handlers live on.
    fn abort(&mut self, now: Time, shared: &mut Shared<T>, out: &mut impl Out<T>) {
        let runs: Vec<(RunId, T)> = shared
            .slots
            .iter()
            .map(|(run, running)| (run, running.task.clone()))
            .collect();
        for (run, message) in runs {
            if self.writing.remove(&run).is_none() {
                self.zombies.insert(run, message.clone());
            }
            self.finish(now, run, Op::Requeue { message }, shared, out);
        }
    }

    /// Whether the graceful shutdown has nothing left to wait for.
    pub(crate) fn is_drained(&self, shared: &Shared<T>) -> bool {
        self.stopping
            && !self.fetching
            && self.fetches == 0
            && self.to_start.is_empty()
            && shared.slots.is_drained()
    }
}

/// The note that a task goes to the archive.
pub(crate) fn given_up<T: Task>(now: Time, task: &T) -> Action<T> {
    Action::Note(Note::GivenUp {
        at: now,
        id: task.id(),
        retried: task.retried(),
    })
}

/// The note that an attempt has failed of which no handler knows.
pub(crate) fn unhandled<T: Task>(now: Time, task: &T, why: Unhandled) -> Action<T> {
    Action::Note(Note::Unhandled {
        at: now,
        id: task.id(),
        retried: task.retried(),
        why,
    })
}

/// When an attempt must be over, counted from its start (asynq `processor.go`, `computeDeadline`).
pub(crate) fn processing_deadline<T: Task>(task: &T, now: Time) -> Time {
    match (task.timeout_s(), task.deadline_s()) {
        (0, 0) => now.plus_millis(FALLBACK_TIMEOUT_MS),
        (timeout, 0) => now.plus_millis(timeout * 1_000),
        (0, deadline) => Time::from_millis(deadline * 1_000),
        (timeout, deadline) => Time::from_millis((now.secs() + timeout).min(deadline) * 1_000),
    }
}
