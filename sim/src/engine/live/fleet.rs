//! The worker processes of a drill: started, killed, restarted, ended.

use crate::broker::redis::address::Address;
use crate::clock::{ClockOrigin, Time};
use crate::engine::live::child::{Effect, WorkerChild};
use crate::engine::live::scraper::Addresses;
use crate::engine::live::{LiveError, LiveOptions};
use crate::plan::Plan;
use crate::worker::WorkerSpec;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinSet;

/// Real time a worker gets beyond its graceful shutdown before it is killed.
const STOP_SLACK: Duration = Duration::from_millis(500);

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
        redis: &Address,
        effects: UnboundedSender<Effect>,
    ) -> Result<Self, LiveError> {
        let specs = plan
            .processes()
            .into_iter()
            .map(|(process, _)| WorkerSpec {
                plan: plan.clone(),
                process,
                incarnation: 0,
                port: 0,
                redis: redis.clone(),
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
        spec.port = child.address.port();
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
    pub(crate) async fn kill(&mut self, names: &[String], clock: ClockOrigin) -> usize {
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
    pub(crate) async fn restart(
        &mut self,
        names: &[String],
        clock: ClockOrigin,
    ) -> Result<String, LiveError> {
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
