//! A worker process of the model: its server, and its handlers at work.

use crate::engine::virtual_time::event_queue::Happening;
use crate::engine::virtual_time::pools::Needs;
use crate::engine::virtual_time::token::{Number, Token, queue_number};
use crate::handler::Ending;
use crate::metrics::{App, WorkerMetrics, counts_as_started};
use crate::plan::{Ailment, Backoff, Child, Plan, RESTING_BYTES, Skew, WorkerPlan};
use firedrill_asynq::actor::server::{Served, Server, ServerConfig};
use firedrill_asynq::actor::{Outcome, RunId};
use firedrill_asynq::clock::Time;
use firedrill_asynq::retry_delay::RetryDice;
use std::collections::BTreeMap;

/// A handler at work, or stuck.
#[derive(Debug, Clone)]
pub(crate) struct Work {
    pub(crate) run: RunId,
    pub(crate) task: Number,
    pub(crate) outcome: Outcome,
    pub(crate) service_us: i64,
    /// What comes when it has worked so long.
    pub(crate) ending: Ending,
    /// What it enqueues before it returns, the last first.
    pub(crate) children: Vec<Child>,
    /// What it needs before it works, while it has not had all of it.
    pub(crate) needs: Option<Box<Needs>>,
    /// The step of the timeline by which it enqueues them.
    pub(crate) requeued_by: Option<usize>,
    /// The attempt's deadline, until its timer is set.
    pub(crate) deadline: Option<Time>,
}

/// One life of a worker process.
#[derive(Debug)]
pub(crate) struct Life {
    pub(crate) server: Server<Token, WorkerMetrics<u16>>,
    /// As its metrics tell it.
    pub(crate) started: Time,
    pub(crate) handlers: HandlerTable,
}

/// The handlers of a process.
#[derive(Debug)]
pub(crate) struct HandlerTable {
    /// By worker slot.
    handlers: Vec<Option<Work>>,
    /// Handlers whose slot was given to others while they went on.
    zombies: BTreeMap<RunId, Work>,
    /// The deadline of the run that is about to start: the server sets it first.
    next_deadline: Option<Time>,
}

/// A worker process, alive or not.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) name: String,
    config: ServerConfig<Token>,
    /// What its middleware counts.
    app: App,
    /// How often it was started, this life included.
    incarnation: u32,
    pub(crate) life: Option<Life>,
    /// What waits for it while it is stopped.
    held: Option<Vec<Happening>>,
    /// What is wrong with its clock, and when.
    pub(crate) skews: Vec<Skew>,
    /// What becomes of its lives, and when; and when it was started, virtual milliseconds since the drill's start.
    pub(crate) ailments: Vec<Ailment>,
    pub(crate) started_ms: i64,
    /// How long it runs of how long, virtual milliseconds, while it is throttled.
    pub(crate) quota: Option<(i64, i64)>,
    /// How often that has begun.
    pub(crate) throttles: u32,
    /// When it goes on, if it is stopped for a time.
    pub(crate) goes_on: Option<Time>,
    /// Whether it has been scaled away, or is not there yet, or is being replaced.
    pub(crate) left: bool,
    /// Whether a broken release of it was deployed.
    pub(crate) broken: bool,
    /// What an orchestrator knows of it, if there is one.
    backoff: Option<Backoff>,
    /// Whether that is about to start it again.
    awaited: bool,
}

impl Process {
    pub(crate) fn new(
        plan: &Plan,
        name: String,
        worker: &WorkerPlan,
        retry_dice: RetryDice<Token>,
    ) -> Self {
        let served = |(queue, priority): &(String, u32)| Served {
            queue: queue_number(plan, queue),
            name: queue.clone(),
            priority: *priority,
        };
        let config = ServerConfig {
            host: name.clone(),
            pid: 1,
            server_id: String::new(),
            concurrency: worker.concurrency as usize,
            batch: 1,
            queues: worker.queues.iter().map(served).collect(),
            strict_priority: worker.strict_priority,
            shutdown_timeout_ms: worker.shutdown_timeout_ms,
            task_check_interval_ms: worker.task_check_interval_ms,
            retry_delay: worker.retry_delay,
            retry_dice,
            // No task of a plan is in a group, and nobody listens to health checks.
            groups: None,
            health_check_interval_ms: None,
        };
        Self {
            skews: plan.skews_of(&name),
            ailments: plan.ailments_of(&name),
            started_ms: 0,
            backoff: worker.restart.map(Backoff::new),
            awaited: false,
            name,
            config,
            app: App::of(&plan.world),
            incarnation: 0,
            life: None,
            held: None,
            quota: None,
            throttles: 0,
            goes_on: None,
            left: false,
            broken: false,
        }
    }

    /// Number of the present or last life.
    pub(crate) fn incarnation(&self) -> u32 {
        self.incarnation
    }

    /// SIGSTOP.
    pub(crate) fn freeze(&mut self) {
        self.held.get_or_insert_default();
    }

    /// SIGCONT: what has waited for it; `None`: it was not stopped.
    pub(crate) fn thaw(&mut self) -> Option<Vec<Happening>> {
        self.held.take()
    }

    /// Whether it is stopped.
    pub(crate) fn is_frozen(&self) -> bool {
        self.held.is_some()
    }

    /// Keeps what happens to it while it is stopped; gives it back when it is not.
    pub(crate) fn hold(&mut self, what: Happening) -> Option<Happening> {
        match &mut self.held {
            Some(held) => {
                held.push(what);
                None
            }
            None => Some(what),
        }
    }

    /// What it has in memory, bytes.
    pub(crate) fn resident_bytes(&self, at_ms: i64) -> u64 {
        let leaks = self.ailments.iter();
        let leaked = leaks.map(|leak| leak.leaked_bytes(self.started_ms, at_ms));
        RESTING_BYTES + leaked.sum::<u64>()
    }

    pub(crate) fn shutdown_timeout_ms(&self) -> i64 {
        self.config.shutdown_timeout_ms
    }

    /// It has died by itself: when an orchestrator starts it again, if there is one.
    pub(crate) fn died(&mut self, now: Time) -> Option<Time> {
        let at = self.backoff.as_mut()?.died(now);
        self.awaited = true;
        Some(at)
    }

    /// Somebody has taken it away: nobody starts it again by themselves.
    pub(crate) fn taken_away(&mut self) {
        self.awaited = false;
    }

    /// Whether an orchestrator is about to start it again.
    pub(crate) fn is_awaited(&self) -> bool {
        self.awaited
    }

    /// Begins a new life.
    pub(crate) fn start(&mut self, seed: u64, now: Time) {
        debug_assert!(self.life.is_none(), "one life after the other");
        // As a real worker's: the streams of its first life end in 0.
        let stream = format!("worker/{}/{}", self.name, self.incarnation);
        self.config.server_id.clone_from(&stream);
        let started = counts_as_started(now, self.incarnation);
        self.incarnation += 1;
        self.awaited = false;
        if let Some(backoff) = &mut self.backoff {
            backoff.started(now);
        }
        self.life = Some(Life {
            server: Server::new(
                &self.config,
                (seed, &stream),
                now,
                WorkerMetrics::new(&self.app),
            ),
            started,
            handlers: HandlerTable {
                handlers: vec![None; self.config.concurrency],
                zombies: BTreeMap::new(),
                next_deadline: None,
            },
        });
    }
}

impl HandlerTable {
    /// Keeps the deadline of the run that starts next.
    pub(crate) fn expect_deadline(&mut self, at: Time) {
        self.next_deadline = Some(at);
    }

    /// A handler begins; answers its deadline.
    pub(crate) fn begin(&mut self, mut work: Work) -> Option<Time> {
        let deadline = self.next_deadline.take();
        work.deadline = deadline;
        let slot = work.run.slot as usize;
        if let Some(before) = self.handlers[slot].replace(work) {
            self.zombies.insert(before.run, before);
        }
        deadline
    }

    /// The deadline of a run that will not have returned by then, once.
    pub(crate) fn take_deadline(&mut self, run: RunId) -> Option<Time> {
        self.work_mut(run)?.deadline.take()
    }

    pub(crate) fn work_mut(&mut self, run: RunId) -> Option<&mut Work> {
        match &mut self.handlers[run.slot as usize] {
            Some(work) if work.run == run => Some(work),
            _ => self.zombies.get_mut(&run),
        }
    }

    /// What a handler does that has worked as long as it does; `None`: there is none.
    pub(crate) fn ending(&mut self, run: RunId) -> Option<Ending> {
        self.work_mut(run).map(|work| work.ending)
    }

    /// A handler returns.
    pub(crate) fn end(&mut self, run: RunId) -> Option<Work> {
        let slot = &mut self.handlers[run.slot as usize];
        if slot.as_ref().is_some_and(|work| work.run == run) {
            slot.take()
        } else {
            self.zombies.remove(&run)
        }
    }

    /// What all handlers need.
    #[expect(clippy::vec_box, reason = "handed on as the handlers have them")]
    pub(crate) fn needs(&mut self) -> Vec<Box<Needs>> {
        let slots = self.handlers.iter_mut().flatten();
        let all = slots.chain(self.zombies.values_mut());
        all.filter_map(|work| work.needs.take()).collect()
    }

    /// The tasks of all handlers that have not returned, and whether each still has its slot.
    pub(crate) fn at_work(&self) -> impl Iterator<Item = (Number, bool)> {
        let slots = self.handlers.iter().flatten();
        let slots = slots.map(|work| (work.task, true));
        slots.chain(self.zombies.values().map(|work| (work.task, false)))
    }
}
