//! The processor: fetches one task at a time while a slot is free, runs its handler, and writes the outcome (asynq
//! `processor.go`).

use crate::actor::server::{InProgress, Running, ServerConfig};
use crate::actor::{Action, Actions, Outcome, RunId, Ticket, Timer};
use crate::asynq::message::TaskMessage;
use crate::asynq::op::{Answer, Op, Reply};
use crate::asynq::settings::{
    DEADLINE_EXCEEDED, LEASE_MS, TASK_CHECK_INTERVAL_MS, default_retry_delay_s,
};
use crate::clock::Time;
use crate::ledger::{Entry, Finish};
use rand::RngExt;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;

/// Processing time of a task that has neither timeout nor deadline (asynq falls back to 30 minutes).
const FALLBACK_TIMEOUT_MS: i64 = 30 * 60 * 1_000;

/// Fetch loop and workers of one server.
#[derive(Debug)]
pub(crate) struct Processor {
    order: QueueOrder,
    concurrency: usize,
    shutdown_timeout_ms: i64,
    rng: ChaCha8Rng,
    next_run: u64,
    /// The fetch loop holds a slot: a dequeue is under way, or the idle pause after an empty one.
    fetching: bool,
    stopping: bool,
    /// A fetched task whose start waits for the end of a beat; the fetch loop waits with it.
    to_start: Option<Fetched>,
    /// Runs whose finishing write is under way: the outcome is decided, the slot still taken.
    finishing: BTreeMap<RunId, TaskMessage>,
    /// Runs that are over but whose slot waits for the end of a beat.
    to_release: Vec<RunId>,
    /// Handlers that still run although their task was given up (deadline, lost lease, shutdown).
    zombies: BTreeMap<RunId, TaskMessage>,
}

#[derive(Debug)]
struct Fetched {
    message: TaskMessage,
    lease_expires: Time,
    fetched_at: Time,
}

impl Processor {
    pub(crate) fn new(config: &ServerConfig, rng: ChaCha8Rng) -> Self {
        Self {
            order: QueueOrder::new(&config.queues, config.strict_priority),
            concurrency: config.concurrency.max(1),
            shutdown_timeout_ms: config.shutdown_timeout_ms,
            rng,
            next_run: 0,
            fetching: false,
            stopping: false,
            to_start: None,
            finishing: BTreeMap::new(),
            to_release: Vec::new(),
            zombies: BTreeMap::new(),
        }
    }

    /// Asks for the next task if a slot is free and no other request is under way.
    pub(crate) fn fetch(&mut self, now: Time, shared: &InProgress, out: &mut Actions) {
        let taken = shared.running.len() + self.finishing.len() + self.to_release.len();
        if self.stopping || self.fetching || self.to_start.is_some() || taken >= self.concurrency {
            return;
        }
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

    pub(crate) fn dequeued(
        &mut self,
        now: Time,
        answer: Answer,
        shared: &mut InProgress,
        out: &mut Actions,
    ) {
        match answer {
            Ok(Reply::Dequeued(Some(message))) => {
                self.fetching = false;
                // The lease counts from the request, which is at most a round trip old.
                let fetched = Fetched {
                    message,
                    lease_expires: now.plus_millis(LEASE_MS),
                    fetched_at: now,
                };
                if shared.beating {
                    self.to_start = Some(fetched);
                } else {
                    self.start(now, fetched, shared, out);
                    self.fetch(now, shared, out);
                }
            }
            Ok(_) => {
                let pause_ms = TASK_CHECK_INTERVAL_MS as f64 * self.rng.random_range(0.5..1.5);
                out.push(Action::Timer(
                    now.plus_micros((pause_ms * 1e3) as i64),
                    Timer::Poll,
                ));
            }
            // Quirk: no back-off. A failed dequeue is repeated at once, so an unreachable Redis makes the server spin.
            Err(_) => {
                self.fetching = false;
                self.fetch(now, shared, out);
            }
        }
    }

    fn start(&mut self, now: Time, fetched: Fetched, shared: &mut InProgress, out: &mut Actions) {
        self.next_run += 1;
        let run = RunId(self.next_run);
        let Fetched {
            message,
            lease_expires,
            fetched_at,
        } = fetched;
        let deadline = processing_deadline(&message, fetched_at);
        let running = Running {
            message: message.clone(),
            started: now,
            deadline,
            lease_expires,
        };
        shared.running.insert(run, running);
        if deadline <= now {
            // The handler is not called; the attempt fails at once and consumes a retry.
            self.fail(now, run, DEADLINE_EXCEEDED, shared, out);
            return;
        }
        out.push(Action::Note(Entry::Started {
            at: now,
            id: message.id.clone(),
            retried: message.retried,
        }));
        out.push(Action::Timer(deadline, Timer::Deadline(run)));
        out.push(Action::Run { run, message });
    }

    /// A handler returned: decides the outcome of its task, unless that was decided before. Returns the task and how
    /// it ended, for the middleware that counts handler returns.
    pub(crate) fn handler_done(
        &mut self,
        now: Time,
        run: RunId,
        outcome: &Outcome,
        shared: &mut InProgress,
        out: &mut Actions,
    ) -> Option<(TaskMessage, Finish)> {
        let message = match shared.running.get(&run) {
            Some(running) => running.message.clone(),
            None => self.zombies.get(&run)?.clone(),
        };
        let how = match outcome {
            Outcome::Success => Finish::Ok,
            Outcome::Failure {
                by_fault: false, ..
            } => Finish::Failed,
            Outcome::Failure { by_fault: true, .. } => Finish::FailedByFault,
        };
        if self.zombies.remove(&run).is_none() {
            match outcome {
                Outcome::Success if message.retention > 0 => {
                    let op = Op::MarkAsComplete {
                        message: message.clone(),
                        now,
                    };
                    self.finish(now, run, op, shared, out);
                }
                Outcome::Success => self.finish(
                    now,
                    run,
                    Op::Done {
                        message: message.clone(),
                        now,
                    },
                    shared,
                    out,
                ),
                Outcome::Failure { error, .. } => self.fail(now, run, error, shared, out),
            }
        }
        Some((message, how))
    }

    /// Retry, or archive when the retries are used up.
    fn fail(
        &mut self,
        now: Time,
        run: RunId,
        error: &str,
        shared: &mut InProgress,
        out: &mut Actions,
    ) {
        let Some(running) = shared.running.get(&run) else {
            return;
        };
        let mut message = running.message.clone();
        message.error_msg = error.to_owned();
        message.last_failed_at = now.secs();
        let op = if message.retried >= message.retry {
            Op::Archive { message, now }
        } else {
            let delay_s = default_retry_delay_s(message.retried, self.rng.random_range(0..30));
            message.retried += 1;
            Op::Retry {
                message,
                retry_at_s: now.plus_millis(delay_s * 1_000).secs(),
                is_failure: true,
                now,
            }
        };
        self.finish(now, run, op, shared, out);
    }

    /// The finishing write. Quirk: with an expired local lease nothing is written and nothing is said; the recoverer
    /// is expected to act.
    fn finish(
        &mut self,
        now: Time,
        run: RunId,
        op: Op,
        shared: &mut InProgress,
        out: &mut Actions,
    ) {
        let Some(running) = shared.running.remove(&run) else {
            return;
        };
        if running.lease_expires >= now {
            self.finishing.insert(run, running.message);
            out.push(Action::Call(Ticket::Finish(run), op));
        } else {
            self.release(now, run, shared, out);
        }
    }

    /// The finishing write was answered. Quirk: a failed one is not repeated (asynq's syncer reuses a cancelled
    /// context, so its repetition never reaches Redis): the task stays active until its lease runs out.
    pub(crate) fn finished(
        &mut self,
        now: Time,
        run: RunId,
        shared: &mut InProgress,
        out: &mut Actions,
    ) {
        if self.finishing.remove(&run).is_some() {
            self.release(now, run, shared, out);
        }
    }

    fn release(&mut self, now: Time, run: RunId, shared: &InProgress, out: &mut Actions) {
        if shared.beating {
            self.to_release.push(run);
        } else {
            self.fetch(now, shared, out);
        }
    }

    /// A beat has ended: waiting starts and releases go through.
    pub(crate) fn after_beat(&mut self, now: Time, shared: &mut InProgress, out: &mut Actions) {
        self.to_release.clear();
        if let Some(fetched) = self.to_start.take() {
            self.start(now, fetched, shared, out);
        }
        self.fetch(now, shared, out);
    }

    /// The heartbeat loop found these local leases expired: the tasks are given up without a write.
    pub(crate) fn leases_lost(
        &mut self,
        now: Time,
        lost: Vec<RunId>,
        shared: &mut InProgress,
        out: &mut Actions,
    ) {
        for run in lost {
            if let Some(running) = shared.running.remove(&run) {
                self.zombies.insert(run, running.message);
                self.release(now, run, shared, out);
            }
        }
    }

    pub(crate) fn timer(
        &mut self,
        now: Time,
        timer: Timer,
        shared: &mut InProgress,
        out: &mut Actions,
    ) {
        match timer {
            Timer::Poll => {
                self.fetching = false;
                self.fetch(now, shared, out);
            }
            Timer::Deadline(run) => {
                if let Some(running) = shared.running.get(&run) {
                    self.zombies.insert(run, running.message.clone());
                    self.fail(now, run, DEADLINE_EXCEEDED, shared, out);
                }
            }
            Timer::ShutdownTimeout => self.abort(now, shared, out),
            _ => {}
        }
    }

    /// Stops fetching and begins to wait for the handlers.
    pub(crate) fn shutdown(&mut self, now: Time, out: &mut Actions) {
        self.stopping = true;
        out.push(Action::Timer(
            now.plus_millis(self.shutdown_timeout_ms),
            Timer::ShutdownTimeout,
        ));
    }

    /// The graceful wait is over: tasks still running go back to the head of their queue, their handlers live on.
    fn abort(&mut self, now: Time, shared: &mut InProgress, out: &mut Actions) {
        let runs: Vec<RunId> = shared.running.keys().copied().collect();
        for run in runs {
            let Some(message) = shared
                .running
                .get(&run)
                .map(|running| running.message.clone())
            else {
                continue;
            };
            self.zombies.insert(run, message.clone());
            self.finish(now, run, Op::Requeue { message }, shared, out);
        }
    }

    /// Whether the graceful shutdown has nothing left to wait for.
    pub(crate) fn is_drained(&self, shared: &InProgress) -> bool {
        self.stopping
            && !self.fetching
            && self.to_start.is_none()
            && self.finishing.is_empty()
            && shared.running.is_empty()
    }
}

/// When an attempt must be over, counted from its start (asynq `processor.go`, `computeDeadline`).
fn processing_deadline(message: &TaskMessage, now: Time) -> Time {
    match (message.timeout, message.deadline) {
        (0, 0) => now.plus_millis(FALLBACK_TIMEOUT_MS),
        (timeout, 0) => now.plus_millis(timeout * 1_000),
        (0, deadline) => Time::from_millis(deadline * 1_000),
        (timeout, deadline) => Time::from_millis((now.secs() + timeout).min(deadline) * 1_000),
    }
}

/// The order in which queues are tried.
#[derive(Debug)]
enum QueueOrder {
    /// One queue, or strict priorities: always the same.
    Fixed(Vec<String>),
    /// Each name as often as its priority (divided by the common divisor), to be shuffled.
    Weighted(Vec<String>),
}

impl QueueOrder {
    fn new(queues: &[(String, u32)], strict: bool) -> Self {
        let mut queues: Vec<(String, u32)> = queues
            .iter()
            .filter(|(_, priority)| *priority > 0)
            .cloned()
            .collect();
        if strict || queues.len() < 2 {
            queues.sort_by_key(|(_, priority)| std::cmp::Reverse(*priority));
            return Self::Fixed(queues.into_iter().map(|(name, _)| name).collect());
        }
        let divisor = queues
            .iter()
            .fold(0, |acc, (_, priority)| gcd(acc, *priority))
            .max(1);
        let repeated = queues
            .into_iter()
            .flat_map(|(name, priority)| std::iter::repeat_n(name, (priority / divisor) as usize))
            .collect();
        Self::Weighted(repeated)
    }

    fn next(&self, rng: &mut ChaCha8Rng) -> Vec<String> {
        match self {
            Self::Fixed(names) => names.clone(),
            Self::Weighted(names) => {
                let mut shuffled = names.clone();
                shuffled.shuffle(rng);
                let mut order: Vec<String> = Vec::new();
                for name in shuffled {
                    if !order.contains(&name) {
                        order.push(name);
                    }
                }
                order
            }
        }
    }
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}
