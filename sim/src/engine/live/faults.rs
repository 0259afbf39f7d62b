//! Faults and remedies done for real: signals to processes, Redis killed and started; each with a look at its effect.

use crate::clock::{ClockOrigin, Time};
use crate::engine::live::child::{Effect, WorkerChild};
use crate::engine::live::scraper::Addresses;
use crate::engine::live::{LiveError, LiveOptions, mark};
use crate::plan::{Fault, Plan, Remedy};
use crate::redis_server::private::PrivateRedis;
use crate::worker::WorkerSpec;
use firedrill_reports::record::Mark;
use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinSet;

/// Real time a worker gets beyond its graceful shutdown before it is killed.
const STOP_SLACK: Duration = Duration::from_millis(500);

/// What is done to the system, in order of time.
pub(crate) struct Agenda(VecDeque<(i64, Item)>);

#[derive(Debug, Clone, Copy)]
enum Item {
    Apply(usize),
    Undo(usize),
}

/// All that faults act upon.
pub(crate) struct World<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) clock: ClockOrigin,
    pub(crate) redis: PrivateRedis,
    pub(crate) fleet: Fleet,
    pub(crate) addresses: Addresses,
    /// Number of the first worker among the scrape targets.
    pub(crate) first_worker: usize,
}

impl Agenda {
    pub(crate) fn new(plan: &Plan) -> Self {
        let mut items: Vec<(i64, Item)> = Vec::new();
        for (index, step) in plan.timeline.iter().enumerate() {
            items.push((step.at_ms, Item::Apply(index)));
            items.extend(
                step.until
                    .as_ref()
                    .map(|until| (until.at_ms, Item::Undo(index))),
            );
        }
        items.sort_by_key(|(at_ms, _)| *at_ms);
        Self(items.into())
    }

    /// When the next item is due, virtual milliseconds since the start.
    pub(crate) fn next_ms(&self) -> Option<i64> {
        self.0.front().map(|(at_ms, _)| *at_ms)
    }

    /// Does everything that is due; tells what was done, and how late the latest of it began in virtual milliseconds.
    pub(crate) async fn run_due(
        &mut self,
        world: &mut World<'_>,
    ) -> Result<(Vec<Mark>, i64), LiveError> {
        let mut marks = Vec::new();
        let mut late_ms = 0;
        while let Some((at_ms, item)) = self.0.front().copied() {
            let now_ms = super::since_start(world.clock);
            if at_ms > now_ms {
                break;
            }
            self.0.pop_front();
            late_ms = late_ms.max(now_ms - at_ms);
            marks.extend(match item {
                Item::Apply(step) => world.apply(at_ms, step).await?,
                Item::Undo(step) => world.undo(at_ms, step).await?,
            });
        }
        Ok((marks, late_ms))
    }
}

impl World<'_> {
    /// Applies a fault. Handler faults need nothing here: the workers know the plan and the time, and report the
    /// first effect.
    async fn apply(&mut self, planned_ms: i64, index: usize) -> Result<Option<Mark>, LiveError> {
        let step = &self.plan.timeline[index];
        let (clock, what) = (self.clock, step.fault.name());
        Ok(match &step.fault {
            Fault::WorkerKill => {
                let gone = self.fleet.kill(&step.targets, clock).await;
                let note = format!("SIGKILL; {} of {} processes gone", gone, step.targets.len());
                Some(mark(
                    clock,
                    planned_ms,
                    what,
                    step.targets.join(", "),
                    gone == step.targets.len(),
                    note,
                ))
            }
            Fault::RedisKill { keep_data } => {
                self.redis.kill().await?;
                let refused = !self.redis.is_listening();
                let note = format!("SIGKILL; data {}", if *keep_data { "kept" } else { "lost" });
                Some(mark(clock, planned_ms, what, "redis".into(), refused, note))
            }
            Fault::HandlerFail { .. } | Fault::HandlerSlow { .. } | Fault::HandlerDeadlock => None,
        })
    }

    /// Applies what ends a fault.
    async fn undo(&mut self, planned_ms: i64, index: usize) -> Result<Option<Mark>, LiveError> {
        let step = &self.plan.timeline[index];
        let clock = self.clock;
        let Some(until) = &step.until else {
            return Ok(None);
        };
        Ok(Some(match &until.remedy {
            Some(Remedy::WorkerRestart) => {
                let note = self.fleet.restart(&step.targets, clock).await?;
                self.fleet.publish(&self.addresses, self.first_worker);
                mark(
                    clock,
                    planned_ms,
                    "worker.restart",
                    step.targets.join(", "),
                    true,
                    note,
                )
            }
            Some(Remedy::RedisStart) => {
                let keep_data = !matches!(step.fault, Fault::RedisKill { keep_data: false });
                self.redis.restart(keep_data).await?;
                let answers = self.redis.is_listening();
                mark(
                    clock,
                    planned_ms,
                    "redis.start",
                    "redis".into(),
                    answers,
                    "answers PING".into(),
                )
            }
            None => {
                let what = format!("{} ends", step.fault.name());
                mark(
                    clock,
                    planned_ms,
                    &what,
                    step.targets.join(", "),
                    true,
                    "by itself".into(),
                )
            }
        }))
    }
}

/// The mark of a handler fault whose first effect a worker reported.
pub(crate) fn effect_mark(plan: &Plan, epoch: Time, effect: &Effect) -> Mark {
    let step = &plan.timeline[effect.step];
    Mark {
        planned_ms: step.at_ms,
        at_ms: effect.at.millis() - epoch.millis(),
        what: step.fault.name().to_owned(),
        target: if step.targets.is_empty() {
            "handlers".into()
        } else {
            step.targets.join(", ")
        },
        verified: true,
        note: format!("first effect in {}", effect.process),
    }
}

/// The mark of a handler fault that was due and had no effect anywhere.
pub(crate) fn missing_effect(plan: &Plan, index: usize, reached_ms: i64) -> Option<Mark> {
    let step = &plan.timeline[index];
    (step.fault.is_in_handlers() && step.at_ms < reached_ms).then(|| Mark {
        planned_ms: step.at_ms,
        at_ms: reached_ms,
        what: step.fault.name().to_owned(),
        target: "handlers".into(),
        verified: false,
        note: "no handler was affected".into(),
    })
}

/// The worker processes of a drill.
pub(crate) struct Fleet {
    exe: PathBuf,
    specs: Vec<WorkerSpec>,
    dir: PathBuf,
    effects: UnboundedSender<Effect>,
    running: BTreeMap<String, WorkerChild>,
    /// Ledgers of every incarnation so far, with the time its process was ended.
    ledgers: Vec<(PathBuf, Option<Time>)>,
}

impl Fleet {
    /// Starts every process of the plan; none works before [`Fleet::begin`].
    pub(crate) async fn start(
        plan: &Plan,
        options: &LiveOptions,
        redis_url: String,
        effects: UnboundedSender<Effect>,
    ) -> Result<Self, LiveError> {
        let specs = plan
            .processes()
            .into_iter()
            .map(|(process, _)| WorkerSpec {
                plan: plan.clone(),
                process,
                incarnation: 0,
                redis_url: redis_url.clone(),
                ledger: PathBuf::new(),
                speed: options.speed,
            })
            .collect();
        let mut fleet = Self {
            exe: options.exe.clone(),
            specs,
            dir: options.dir.clone(),
            effects,
            running: BTreeMap::new(),
            ledgers: Vec::new(),
        };
        let names: Vec<String> = fleet
            .specs
            .iter()
            .map(|spec| spec.process.clone())
            .collect();
        for name in names {
            fleet.spawn(&name).await?;
        }
        Ok(fleet)
    }

    async fn spawn(&mut self, process: &str) -> Result<(), LiveError> {
        let Some(spec) = self.specs.iter_mut().find(|spec| spec.process == process) else {
            return Ok(());
        };
        spec.ledger = self
            .dir
            .join(format!("{process}.{}.ledger", spec.incarnation));
        let child = WorkerChild::start(&self.exe, spec, self.effects.clone()).await?;
        spec.incarnation += 1;
        self.running.insert(process.to_owned(), child);
        Ok(())
    }

    /// Tells every process the time.
    pub(crate) async fn begin(&mut self, clock: ClockOrigin) -> Result<(), LiveError> {
        for child in self.running.values_mut() {
            child.begin(clock).await?;
        }
        Ok(())
    }

    /// Makes the processes' present addresses known to the scraper.
    pub(crate) fn publish(&self, addresses: &Addresses, first_worker: usize) {
        for (index, spec) in self.specs.iter().enumerate() {
            if let Some(child) = self.running.get(&spec.process) {
                addresses.set(first_worker + index, child.address);
            }
        }
    }

    /// Kills processes; answers how many are gone.
    async fn kill(&mut self, names: &[String], clock: ClockOrigin) -> usize {
        let mut gone = 0;
        for name in names {
            match self.running.remove(name) {
                Some(mut child) => {
                    let killed = child.kill().await.is_ok();
                    gone += usize::from(killed && child.has_ended());
                    self.ledgers.push((child.ledger.clone(), Some(clock.now())));
                }
                None => gone += 1,
            }
        }
        gone
    }

    /// Restarts processes as `docker restart` does: SIGTERM, a bounded wait, SIGKILL, a new process under the old name.
    async fn restart(&mut self, names: &[String], clock: ClockOrigin) -> Result<String, LiveError> {
        let mut stopping = JoinSet::new();
        for name in names {
            if let Some(mut child) = self.running.remove(name) {
                let timeout_ms = self.shutdown_timeout_ms(name);
                let patience = clock.real_millis(timeout_ms) + STOP_SLACK;
                stopping.spawn(async move { (child.stop(patience).await, child.ledger.clone()) });
            }
        }
        let mut graceful = 0;
        for (stopped, ledger) in stopping.join_all().await {
            graceful += usize::from(stopped.map_err(|error| LiveError::System("worker", error))?);
            self.ledgers.push((ledger, Some(clock.now())));
        }
        for name in names {
            self.spawn(name).await?;
            if let Some(child) = self.running.get_mut(name) {
                child.begin(clock).await?;
            }
        }
        Ok(format!(
            "{} started, {graceful} stopped gracefully before",
            names.len()
        ))
    }

    fn shutdown_timeout_ms(&self, process: &str) -> i64 {
        let of = |spec: &WorkerSpec| {
            let processes = spec.plan.processes().into_iter();
            processes
                .filter(|(name, _)| name == process)
                .map(|(_, worker)| worker.shutdown_timeout_ms)
                .next()
        };
        self.specs
            .iter()
            .find(|spec| spec.process == process)
            .and_then(of)
            .unwrap_or(0)
    }

    /// Ends every process and gives the ledgers of all incarnations.
    pub(crate) async fn end(&mut self) -> Vec<(PathBuf, Option<Time>)> {
        while let Some((_, mut child)) = self.running.pop_first() {
            // The drill is over: what is in progress counts as still queued. `kill_on_drop` covers an error here.
            let _ = child.kill().await;
            self.ledgers.push((child.ledger.clone(), None));
        }
        std::mem::take(&mut self.ledgers)
    }
}
