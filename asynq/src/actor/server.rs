//! A worker server: asynq's `Server` with its background loops, on one set of tasks in progress.

use crate::actor::aggregator::Aggregator;
use crate::actor::forwarder::Forwarder;
use crate::actor::health::HealthChecker;
use crate::actor::heartbeater::Heartbeater;
use crate::actor::janitor::Janitor;
use crate::actor::processor::Processor;
use crate::actor::recoverer::Recoverer;
use crate::actor::slots::Slots;
use crate::actor::{Action, Actor, Event, Out, Outcome, RunId, Ticket, Timer};
use crate::clock::Time;
use crate::message::ServerInfo;
use crate::note::Note;
use crate::op::{Answer, GroupLimits};
use crate::retry_delay::{RetryDelay, RetryDice};
use crate::rng;
use crate::task::Task;
use smallvec::SmallVec;

/// What a server is started with.
#[derive(Debug, Clone)]
pub struct ServerConfig<T: Task> {
    /// Host name, published.
    pub host: String,
    /// Process id, published.
    pub pid: i32,
    /// UUID of this incarnation, published.
    pub server_id: String,
    /// Worker slots.
    pub concurrency: usize,
    /// Most tasks that are fetched, or finished, with one call. 1: one at a time, as asynq does.
    pub batch: usize,
    /// Queues as configured.
    pub queues: Vec<Served<T::Queue>>,
    /// Whether higher priorities always come first.
    pub strict_priority: bool,
    /// How long a graceful shutdown waits for handlers, milliseconds.
    pub shutdown_timeout_ms: i64,
    /// Middle of the idle poll, milliseconds.
    pub task_check_interval_ms: i64,
    /// How long a failed task waits for its next attempt.
    pub retry_delay: RetryDelay,
    /// Which dice decide that.
    pub retry_dice: RetryDice<T>,
    /// When groups are aggregated; `None`: never, as in a server without an aggregation function.
    pub groups: Option<GroupLimits>,
    /// Pause between health checks, milliseconds; `None`: none, as in a server without a callback for them.
    pub health_check_interval_ms: Option<i64>,
}

/// A queue that a server serves.
#[derive(Debug, Clone)]
pub struct Served<Q> {
    /// The queue.
    pub queue: Q,
    /// Its name, published.
    pub name: String,
    /// asynq's priority; a queue of priority 0 is not served.
    pub priority: u32,
}

/// What the processor and the heartbeater both know.
#[derive(Debug)]
pub(crate) struct Shared<T> {
    /// Tasks the heartbeat loop knows of: leases are extended for these.
    pub(crate) slots: Slots<T>,
    /// Whether a beat is under way. As in asynq, start and finish notices wait for its end (`heartbeat.go`: the
    /// channels are unbuffered), so a slow Redis holds up new tasks and finished slots.
    pub(crate) beating: bool,
    /// `active`, `stopped` or `closed`.
    pub(crate) status: &'static str,
}

/// Counts what handlers came to, as a middleware around them does.
pub trait Meter<K> {
    /// Whether it wants to hear of handlers that start.
    fn hears_of_starts(&self) -> bool {
        false
    }

    /// A handler of a task of this kind is called.
    fn started(&mut self, _kind: K) {}

    /// A handler of a task of this kind returned after so many seconds of virtual time.
    fn handled(&mut self, kind: K, outcome: &Outcome, seconds: f64);
}

impl<K> Meter<K> for () {
    fn handled(&mut self, _: K, _: &Outcome, _: f64) {}
}

/// The whole server, with what counts its jobs.
#[derive(Debug)]
pub struct Server<T: Task, M = ()> {
    shared: Shared<T>,
    processor: Processor<T>,
    heartbeater: Heartbeater<T>,
    forwarder: Forwarder<T>,
    recoverer: Recoverer<T>,
    janitor: Janitor<T>,
    aggregator: Option<Aggregator<T>>,
    health: HealthChecker,
    meter: M,
    stopping: bool,
    clearing: bool,
}

impl<T: Task, M: Meter<T::Kind>> Server<T, M> {
    /// A server that has not started yet. The streams `<stream>/processor` and `<stream>/recoverer` of `seed` decide
    /// queue order, idle pauses and retry delays.
    #[must_use]
    pub fn new(config: &ServerConfig<T>, (seed, stream): (u64, &str), now: Time, meter: M) -> Self {
        let queues: Vec<T::Queue> = config
            .queues
            .iter()
            .map(|served| served.queue.clone())
            .collect();
        let info = ServerInfo {
            host: config.host.clone(),
            pid: config.pid,
            server_id: config.server_id.clone(),
            concurrency: i32::try_from(config.concurrency).unwrap_or(i32::MAX),
            queues: config
                .queues
                .iter()
                .map(|served| {
                    let priority = i32::try_from(served.priority).unwrap_or(i32::MAX);
                    (served.name.clone(), priority)
                })
                .collect(),
            strict_priority: config.strict_priority,
            status: "active".into(),
            start_time: Some(now.into()),
            active_worker_count: 0,
        };
        Self {
            shared: Shared {
                slots: Slots::new(config.concurrency),
                beating: false,
                status: "active",
            },
            recoverer: Recoverer::new(
                queues.clone(),
                config.retry_delay,
                config.retry_dice.clone(),
                rng::stream(seed, &format!("{stream}/recoverer")),
            ),
            processor: Processor::new(config, rng::stream(seed, &format!("{stream}/processor"))),
            heartbeater: Heartbeater::new(info),
            forwarder: Forwarder::new(queues.clone()),
            aggregator: config.groups.map(|groups| {
                let dice = rng::stream(seed, &format!("{stream}/aggregator"));
                Aggregator::new(queues.clone(), groups, dice)
            }),
            health: HealthChecker::new(config.health_check_interval_ms),
            janitor: Janitor::new(queues),
            meter,
            stopping: false,
            clearing: false,
        }
    }

    /// What was counted of its jobs.
    #[must_use]
    pub fn meter(&self) -> &M {
        &self.meter
    }

    /// Executions under way as the server knows them.
    #[must_use]
    pub fn in_progress(&self) -> usize {
        self.shared.slots.running()
    }

    /// Whether an execution is under way as the server knows it.
    #[must_use]
    pub fn is_running(&self, run: RunId) -> bool {
        self.shared.slots.get(run).is_some()
    }

    fn after_beat(&mut self, now: Time, out: &mut impl Out<T>) {
        if !self.shared.beating {
            self.processor.after_beat(now, &mut self.shared, out);
        }
    }

    /// Redis has answered.
    #[inline(always)]
    fn answered(&mut self, now: Time, ticket: Ticket<T>, answer: Answer<T>, out: &mut impl Out<T>) {
        match ticket {
            Ticket::Dequeue => self.processor.dequeued(now, answer, &mut self.shared, out),
            Ticket::DequeueBatch(max) => {
                self.processor
                    .batch_dequeued(now, max, answer, &mut self.shared, out);
            }
            Ticket::Finish(run) => self.processor.finished(now, run, &mut self.shared, out),
            Ticket::FinishBatch(batch) => {
                self.processor
                    .batch_finished(now, &batch, &mut self.shared, out);
            }
            Ticket::WriteState => {
                self.heartbeater.state_written(now, &mut self.shared, out);
                self.after_beat(now, out);
            }
            Ticket::ExtendLease(extension) => {
                self.heartbeater.lease_extended(
                    now,
                    &extension,
                    answer.is_ok(),
                    &mut self.shared,
                    out,
                );
                self.after_beat(now, out);
            }
            Ticket::Forward => self.forwarder.answered(now, &answer, out),
            Ticket::ListExpired => self.recoverer.listed(now, answer, out),
            Ticket::Recover => self.recoverer.recovered(now, out),
            Ticket::Reclaim => self.recoverer.reclaimed(now, out),
            Ticket::WriteResult(run) => {
                self.processor
                    .result_written(now, run, &answer, &mut self.shared, out);
            }
            Ticket::Aggregate(check) => {
                if let Some(aggregator) = &mut self.aggregator {
                    aggregator.answered(now, check, answer, out);
                }
            }
            Ticket::Ping => self.health.answered(now, answer, out),
            Ticket::Clean => self.janitor.answered(now, &answer, out),
            Ticket::ClearState => out.push(Action::Exit),
            Ticket::Register | Ticket::Enqueue(_) | Ticket::Publish | Ticket::Record => {}
        }
    }

    /// Leaves the listings once the last worker is done.
    #[inline]
    fn maybe_leave(&mut self, out: &mut impl Out<T>) {
        if self.stopping
            && !self.clearing
            && !self.shared.beating
            && self.processor.is_drained(&self.shared)
            && self.aggregator.as_ref().is_none_or(Aggregator::is_idle)
        {
            self.clearing = true;
            self.heartbeater.clear(out);
        }
    }
}

/// Hears of the handlers that are called on the way out, if somebody wants to.
struct Hearing<'o, T: Task, O> {
    out: &'o mut O,
    hears: bool,
    called: SmallVec<[T::Kind; 2]>,
}

impl<T: Task, O: Out<T>> Out<T> for Hearing<'_, T, O> {
    #[inline(always)]
    fn push(&mut self, action: Action<T>) {
        if self.hears
            && let Action::Run { task, .. } = &action
        {
            self.called.push(task.kind());
        }
        self.out.push(action);
    }
}

impl<T: Task, M: Meter<T::Kind>> Actor<T> for Server<T, M> {
    fn takes_turns(&self) -> bool {
        self.processor.takes_turns()
    }

    /// Inlined, as is what it calls: who calls it millions of times knows the kind of event, and neither makes one nor looks.
    #[inline(always)]
    fn on(&mut self, now: Time, event: Event<T>, out: &mut impl Out<T>) {
        let mut out = Hearing {
            out,
            hears: self.meter.hears_of_starts(),
            called: SmallVec::new(),
        };
        self.happens(now, event, &mut out);
        if out.hears {
            for kind in out.called {
                self.meter.started(kind);
            }
        }
    }
}

impl<T: Task, M: Meter<T::Kind>> Server<T, M> {
    #[inline(always)]
    fn happens(&mut self, now: Time, event: Event<T>, out: &mut impl Out<T>) {
        match event {
            Event::Start => {
                self.heartbeater.beat(now, &mut self.shared, out);
                self.recoverer.start(now, out);
                self.forwarder.start(now, out);
                self.janitor.start(now, out);
                if let Some(aggregator) = &self.aggregator {
                    aggregator.start(now, out);
                }
                self.health.start(now, out);
                self.processor.fetch(now, &self.shared, out);
            }
            Event::Timer(Timer::Heartbeat) => {
                if !self.clearing {
                    let lost = self.heartbeater.beat(now, &mut self.shared, out);
                    self.processor.leases_lost(now, lost, &mut self.shared, out);
                }
            }
            Event::Timer(Timer::Forward) if !self.stopping => self.forwarder.tick(now, out),
            Event::Timer(Timer::Recover) if !self.stopping => self.recoverer.tick(now, out),
            Event::Timer(Timer::Clean) if !self.stopping => self.janitor.tick(now, out),
            Event::Timer(Timer::Aggregate) if !self.stopping => {
                if let Some(aggregator) = &mut self.aggregator {
                    aggregator.tick(now, out);
                }
            }
            Event::Timer(Timer::Ping) if !self.stopping => self.health.tick(out),
            Event::Timer(timer @ (Timer::Poll | Timer::Deadline(_) | Timer::ShutdownTimeout)) => {
                self.processor.timer(now, timer, &mut self.shared, out);
            }
            Event::Timer(_) => {}
            Event::HandlerDone {
                run,
                outcome,
                result,
                elapsed_us,
                overrun_us,
                taken_off_us,
            } => {
                let shared = &mut self.shared;
                let Some((message, how)) = self
                    .processor
                    .handler_done(now, run, &outcome, result, shared, out)
                else {
                    return;
                };
                let planned_us = elapsed_us + taken_off_us;
                self.meter
                    .handled(message.kind(), &outcome, planned_us as f64 / 1e6);
                out.push(Action::Note(Note::Finished {
                    at: now,
                    id: message.id(),
                    retried: message.retried(),
                    how,
                    overrun_us,
                    taken_off_us,
                }));
            }
            Event::Turn => self.processor.turn(now, &self.shared, out),
            Event::Answer(ticket, answer) => self.answered(now, ticket, answer, out),
            Event::Cancel(id) => self.processor.cancel(now, &id, &mut self.shared, out),
            Event::Aggregated { check, task } => {
                if let Some(aggregator) = &mut self.aggregator {
                    aggregator.aggregated(now, check, task, out);
                }
            }
            Event::Stop => {
                if !self.stopping {
                    self.shared.status = "stopped";
                }
                self.processor.stop();
            }
            // As in asynq, a signal during the shutdown changes nothing.
            Event::Shutdown if self.stopping => {}
            Event::Shutdown => {
                self.stopping = true;
                self.shared.status = "closed";
                self.processor.shutdown(now, out);
            }
        }
        self.maybe_leave(out);
    }
}
