//! A worker process: a server of `firedrill_asynq` as any program would have it, with handlers that take as long as the plan says
//! and measure what each task has been through.

use super::measure::{Meter, tell};
use super::process::{ARRIVAL_HEADER, BACKLOG, ready, told_to_stop};
use super::timer::Timer;
use super::wire::{PartSpec, Word};
use crate::handler::{Behaviour, Handlers};
use crate::plan::{Execution, Plan, WorkerPlan};
use crate::producer::Payload;
use anyhow::Context as _;
use firedrill_asynq::actor::{ErrorKind, Outcome};
use firedrill_asynq::broker::redis::RedisBroker;
use firedrill_asynq::client::NewTask;
use firedrill_asynq::clock::{ClockOrigin, Time};
use firedrill_asynq::server::{Config, GroupConfig, HandlerError, Server, Task};
use firedrill_reports::load::Stage;
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

/// Handlers that work less long than this return at once.
const AT_ONCE_US: i64 = 10;
/// Type of the tasks that take the place of groups.
const AGGREGATED: &str = "load:aggregated";
/// Most tasks of a group that become one.
const GROUP_MAX: u32 = 100;

/// What a task says of when it arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Arrival {
    /// Then; and that is when it was due, too, unless it was scheduled.
    At(Time),
    /// Before the load began.
    Backlog,
    /// It was put in the place of a group.
    Aggregated,
    /// It says nothing: somebody else enqueued it.
    Unknown,
}

/// What all handlers of this process share.
struct Shared {
    name: String,
    clock: ClockOrigin,
    meter: Arc<Meter>,
    decisions: Handlers,
    timer: Timer,
}

pub(super) async fn work(spec: PartSpec, broker: RedisBroker) -> anyhow::Result<()> {
    let worker = spec.worker()?;
    let plan = Arc::new(spec.load.plan.clone());
    let (clock, mut stop) = ready(0).await?;
    let meter = Arc::new(Meter::new(clock, spec.load.warmup_ms));
    let config = config(&spec, &worker, clock, meter.clone());
    let shared = Arc::new(Shared {
        name: spec.name.clone(),
        clock,
        meter: meter.clone(),
        decisions: Handlers::new(plan),
        timer: Timer::start(),
    });
    tokio::time::sleep(clock.until(clock.virtual_start)).await;
    let running = Server::new(broker, config).start(move |task: Task, _| {
        let shared = shared.clone();
        async move { shared.handle(&task).await }
    });
    let beat = meter.clone();
    tokio::spawn(async move { beat.tell_every_second().await });
    told_to_stop(&mut stop).await;
    running.shutdown().await?;
    meter.tell();
    tell(&Word::Ended);
    Ok(())
}

impl PartSpec {
    /// What kind of worker it is.
    fn worker(&self) -> anyhow::Result<WorkerPlan> {
        let mut processes = self.load.plan.processes().into_iter();
        let own = processes.find(|(name, _)| *name == self.name);
        own.map(|(_, worker)| worker.clone())
            .with_context(|| format!("no process `{}` in the plan", self.name))
    }
}

/// Its server, as asynq's would be configured.
fn config(spec: &PartSpec, worker: &WorkerPlan, clock: ClockOrigin, meter: Arc<Meter>) -> Config {
    let real = |ms: i64| Duration::from_millis(ms.unsigned_abs());
    let groups = spec
        .load
        .plan
        .workload
        .iter()
        .any(|task| task.group.is_some());
    Config {
        concurrency: worker.concurrency as usize,
        batch: spec.load.batch,
        queues: worker.queues.iter().cloned().collect::<BTreeMap<_, _>>(),
        strict_priority: worker.strict_priority,
        shutdown_timeout: real(worker.shutdown_timeout_ms),
        task_check_interval: real(worker.task_check_interval_ms),
        retry_delay: worker.retry_delay,
        groups: groups.then(|| GroupConfig {
            grace_period: Duration::from_secs(1),
            max_delay: Duration::from_secs(2),
            max_size: GROUP_MAX,
            ..GroupConfig::new(move |_, tasks| {
                meter.count(|counts| {
                    counts.grouped += tasks.len() as u64;
                    counts.from_groups += 1;
                });
                NewTask {
                    max_retry: Some(0),
                    ..NewTask::new(AGGREGATED, format!("{{\"tasks\":{}}}", tasks.len()))
                }
            })
        }),
        host: spec.name.clone(),
        clock: Some(clock),
        ..Config::default()
    }
}

impl Shared {
    async fn handle(&self, task: &Task) -> Result<(), HandlerError> {
        let started = self.clock.now();
        let arrival = self.arrival(task);
        let plan = &*self.decisions.plan;
        let due = match arrival {
            Arrival::At(at) => Some(due(plan, task, at)),
            _ => None,
        };
        // What has no arrival is measured from when it was taken.
        let arrived = match arrival {
            Arrival::At(at) => at,
            _ => started,
        };
        self.meter.count(|counts| {
            counts.started += 1;
            counts.foreign += u64::from(arrival == Arrival::Unknown);
        });
        if let Some(due) = due.filter(|_| task.message().retried == 0) {
            self.meter
                .took(arrived, &[(Stage::Wait, started.0 - due.0)]);
        }
        let behaviour = self.behaviour(task, arrival, started);
        if let Some(behaviour) = &behaviour
            && behaviour.service_us >= AT_ONCE_US
        {
            let span = u64::try_from(behaviour.service_us).unwrap_or(0);
            self.timer.sleep(Duration::from_micros(span)).await;
        }
        let ended = self.clock.now();
        let mut archived = 0;
        let outcome = match behaviour.map(|behaviour| behaviour.outcome) {
            Some(Outcome::Failure { error, kind, .. }) => {
                archived = u64::from(is_given_up(task, kind));
                Err(HandlerError::new(kind, error))
            }
            _ => Ok(()),
        };
        let service = (Stage::Service, ended.0 - started.0);
        match due.filter(|_| outcome.is_ok()) {
            Some(due) => self
                .meter
                .took(arrived, &[service, (Stage::EndToEnd, ended.0 - due.0)]),
            None => self.meter.took(arrived, &[service]),
        }
        self.meter.count(|counts| match outcome {
            Ok(()) => counts.succeeded += 1,
            Err(_) => {
                counts.failed += 1;
                counts.archived += archived;
            }
        });
        outcome
    }

    fn arrival(&self, task: &Task) -> Arrival {
        match task.headers().get(ARRIVAL_HEADER).map(String::as_str) {
            Some(BACKLOG) => Arrival::Backlog,
            Some(at_us) => at_us.parse().map_or(Arrival::Unknown, |at_us| {
                Arrival::At(self.clock.virtual_start.plus_micros(at_us))
            }),
            None if task.task_type() == AGGREGATED => Arrival::Aggregated,
            None => Arrival::Unknown,
        }
    }

    /// How the plan wants this task to behave: that of somebody else as those of the plan's first entry. `None`: it was put in the
    /// place of a group, and succeeds at once.
    fn behaviour(&self, task: &Task, arrival: Arrival, now: Time) -> Option<Behaviour> {
        let (workload, seq) = match Payload::of(task.message()) {
            _ if arrival == Arrival::Unknown => (0, dice_of(&task.message().id)),
            Some(Payload { workload, seq, .. }) => (workload, seq),
            None => return None,
        };
        let at_ms = now.millis() - self.clock.virtual_start.millis();
        let of = Execution {
            workload,
            seq,
            attempt: u32::try_from(task.message().retried).unwrap_or(0),
        };
        self.decisions.decide(at_ms, &self.name, of)
    }
}

/// What a task of somebody else throws dice by: its id.
fn dice_of(id: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    hasher.finish()
}

/// Whether a task that fails in this way goes to the archive.
fn is_given_up(task: &Task, kind: ErrorKind) -> bool {
    let message = task.message();
    let is_exhausted = message.retried >= message.retry;
    kind == ErrorKind::SkipRetry || (is_exhausted && kind != ErrorKind::Revoke)
}

/// When a task that arrived at `at` was due: later, if it was scheduled.
fn due(plan: &Plan, task: &Task, at: Time) -> Time {
    let entry = Payload::of(task.message()).map(|payload| payload.workload);
    let delay_ms = entry
        .and_then(|entry| plan.workload.get(entry))
        .map_or(0, |entry| entry.delay_ms);
    at.plus_millis(delay_ms)
}
