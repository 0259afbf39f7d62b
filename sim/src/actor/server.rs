//! A worker server: asynq's `Server` with its background loops, on one set of tasks in progress.

use crate::actor::forwarder::Forwarder;
use crate::actor::heartbeater::Heartbeater;
use crate::actor::janitor::Janitor;
use crate::actor::processor::Processor;
use crate::actor::recoverer::Recoverer;
use crate::actor::{Action, Actions, Actor, Event, RunId, Ticket, Timer};
use crate::asynq::message::{ServerInfo, TaskMessage};
use crate::clock::Time;
use crate::ledger::Entry;
use crate::metrics::WorkerMetrics;
use crate::rng;
use std::collections::BTreeMap;

/// What a server is started with.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// Host name, published.
    pub host: String,
    /// Process id, published.
    pub pid: i32,
    /// UUID of this incarnation, published.
    pub server_id: String,
    /// Worker slots.
    pub concurrency: usize,
    /// Queue names with their priority, as configured.
    pub queues: Vec<(String, u32)>,
    /// Whether higher priorities always come first.
    pub strict_priority: bool,
    /// How long a graceful shutdown waits for handlers, milliseconds.
    pub shutdown_timeout_ms: i64,
}

/// A task in progress.
#[derive(Debug, Clone)]
pub(crate) struct Running {
    pub(crate) message: TaskMessage,
    pub(crate) started: Time,
    pub(crate) deadline: Time,
    /// Local view of the lease: valid while this is not past.
    pub(crate) lease_expires: Time,
}

/// What the processor and the heartbeater both know.
#[derive(Debug, Default)]
pub(crate) struct InProgress {
    /// Tasks the heartbeat loop knows of: leases are extended for these.
    pub(crate) running: BTreeMap<RunId, Running>,
    /// Whether a beat is under way. As in asynq, start and finish notices wait for its end (`heartbeat.go`: the
    /// channels are unbuffered), so a slow Redis holds up new tasks and finished slots.
    pub(crate) beating: bool,
    /// `active`, `stopped` or `closed`.
    pub(crate) status: &'static str,
}

/// The whole server.
#[derive(Debug)]
pub struct Server {
    shared: InProgress,
    processor: Processor,
    heartbeater: Heartbeater,
    forwarder: Forwarder,
    recoverer: Recoverer,
    janitor: Janitor,
    metrics: WorkerMetrics,
    stopping: bool,
    clearing: bool,
}

impl Server {
    /// A server that has not started yet. The streams `<stream>/processor` and `<stream>/recoverer` of `seed` decide
    /// queue order, idle pauses and retry delays.
    #[must_use]
    pub fn new(config: &ServerConfig, seed: u64, stream: &str, now: Time) -> Self {
        let queues: Vec<String> = config.queues.iter().map(|(name, _)| name.clone()).collect();
        let info = ServerInfo {
            host: config.host.clone(),
            pid: config.pid,
            server_id: config.server_id.clone(),
            concurrency: i32::try_from(config.concurrency).unwrap_or(i32::MAX),
            queues: config
                .queues
                .iter()
                .map(|(name, priority)| {
                    (name.clone(), i32::try_from(*priority).unwrap_or(i32::MAX))
                })
                .collect(),
            strict_priority: config.strict_priority,
            status: "active".into(),
            start_time: Some(proto(now)),
            active_worker_count: 0,
        };
        Self {
            shared: InProgress {
                status: "active",
                ..InProgress::default()
            },
            recoverer: Recoverer::new(
                queues.clone(),
                rng::stream(seed, &format!("{stream}/recoverer")),
            ),
            processor: Processor::new(config, rng::stream(seed, &format!("{stream}/processor"))),
            heartbeater: Heartbeater::new(info),
            forwarder: Forwarder::new(queues.clone()),
            janitor: Janitor::new(queues),
            metrics: WorkerMetrics::default(),
            stopping: false,
            clearing: false,
        }
    }

    /// What the process' `/metrics` shows of its jobs.
    #[must_use]
    pub fn metrics(&self) -> &WorkerMetrics {
        &self.metrics
    }

    /// Executions under way as the server knows them.
    #[must_use]
    pub fn in_progress(&self) -> usize {
        self.shared.running.len()
    }

    fn after_beat(&mut self, now: Time, out: &mut Actions) {
        if !self.shared.beating {
            self.processor.after_beat(now, &mut self.shared, out);
        }
    }

    /// Leaves the listings once the last worker is done.
    fn maybe_leave(&mut self, out: &mut Actions) {
        if self.stopping
            && !self.clearing
            && !self.shared.beating
            && self.processor.is_drained(&self.shared)
        {
            self.clearing = true;
            self.heartbeater.clear(out);
        }
    }
}

impl Actor for Server {
    fn on(&mut self, now: Time, event: Event, out: &mut Actions) {
        match event {
            Event::Start => {
                self.heartbeater.beat(now, &mut self.shared, out);
                self.recoverer.start(now, out);
                self.forwarder.start(now, out);
                self.janitor.start(now, out);
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
            Event::Timer(timer @ (Timer::Poll | Timer::Deadline(_) | Timer::ShutdownTimeout)) => {
                self.processor.timer(now, timer, &mut self.shared, out);
            }
            Event::Timer(_) => {}
            Event::HandlerDone {
                run,
                outcome,
                elapsed_us,
                overrun_us,
            } => {
                let Some((message, how)) =
                    self.processor
                        .handler_done(now, run, &outcome, &mut self.shared, out)
                else {
                    return;
                };
                self.metrics.observe(
                    &message.r#type,
                    &message.queue,
                    &outcome,
                    elapsed_us as f64 / 1e6,
                );
                let TaskMessage { id, retried, .. } = message;
                out.push(Action::Note(Entry::Finished {
                    at: now,
                    id,
                    retried,
                    how,
                    overrun_us,
                }));
            }
            Event::Answer(ticket, answer) => match ticket {
                Ticket::Dequeue => self.processor.dequeued(now, answer, &mut self.shared, out),
                Ticket::Finish(run) => self.processor.finished(now, run, &mut self.shared, out),
                Ticket::WriteState => {
                    self.heartbeater.state_written(now, &mut self.shared, out);
                    self.after_beat(now, out);
                }
                Ticket::ExtendLease { runs, expires } => {
                    self.heartbeater.lease_extended(
                        now,
                        &runs,
                        expires,
                        answer.is_ok(),
                        &mut self.shared,
                        out,
                    );
                    self.after_beat(now, out);
                }
                Ticket::Forward => self.forwarder.answered(now, &answer, out),
                Ticket::ListExpired => self.recoverer.listed(now, answer, out),
                Ticket::Recover => self.recoverer.recovered(now, out),
                Ticket::Clean => self.janitor.answered(now, &answer, out),
                Ticket::ClearState => out.push(Action::Exit),
                Ticket::Register | Ticket::Enqueue(_) => {}
            },
            Event::Shutdown => {
                self.stopping = true;
                self.shared.status = "closed";
                self.processor.shutdown(now, out);
            }
        }
        self.maybe_leave(out);
    }
}

/// A point in time as protobuf's Timestamp.
pub(crate) fn proto(at: Time) -> crate::asynq::message::ProtoTimestamp {
    crate::asynq::message::ProtoTimestamp {
        seconds: at.secs(),
        nanos: i32::try_from(at.0.rem_euclid(1_000_000_000)).unwrap_or(0),
    }
}
