//! The worker processes of a drill: started, killed, restarted, ended.

use crate::engine::live::child::{Told, WorkerChild};
use crate::engine::live::evidence::Ended;
use crate::engine::live::link::Links;
use crate::engine::live::scraper::Addresses;
use crate::engine::live::watch::{Death, Roster};
use crate::engine::live::{LiveError, LiveOptions};
use crate::http;
use crate::plan::{Backoff, Plan};
use crate::signals;
use crate::worker::WorkerSpec;
use firedrill_asynq::broker::redis::address::Address;
use firedrill_asynq::clock::{ClockOrigin, Time};
use rustix::process::Signal;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
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
    told: UnboundedSender<Told>,
    running: BTreeMap<String, WorkerChild>,
    /// Ledgers of every incarnation so far, with the time its process was ended.
    ledgers: Vec<Ended>,
    addresses: Addresses,
    /// Number of the first process among the scrape targets.
    first: usize,
    /// Known since the drill began.
    roster: Option<Roster>,
    /// What an orchestrator knows of the processes that it starts again.
    backoffs: BTreeMap<String, Backoff>,
    /// Those that have died by themselves: when each is started again, and its number of lives so far.
    awaited: BTreeMap<String, (Time, u32)>,
}

/// What killing processes came to.
#[derive(Debug, Default)]
pub(crate) struct Killed {
    /// How many are gone because they were killed.
    pub(crate) gone: usize,
    /// Those that had ended before.
    pub(crate) before: Vec<String>,
}

impl Fleet {
    /// Starts every process of the plan; none works before [`Fleet::begin`].
    pub(crate) async fn start(
        plan: &Plan,
        options: &LiveOptions,
        (redis, links, shared): (&Address, &Links, Option<&Path>),
        told: UnboundedSender<Told>,
        addresses: (Addresses, usize),
    ) -> Result<Self, LiveError> {
        let specs = plan
            .processes()
            .into_iter()
            .map(|(process, _)| WorkerSpec {
                plan: plan.clone(),
                incarnation: 0,
                port: 0,
                // Whoever goes over a link finds the harness there.
                server_of: match links.address(&process, redis) {
                    Some(_) => None,
                    None => options.redis.server_of(),
                },
                redis: links.address(&process, redis).unwrap_or(redis.clone()),
                process,
                shared: shared.map(Path::to_owned),
                ledger: PathBuf::new(),
                token: String::new(),
                speed: options.speed,
            })
            .collect();
        let mut fleet = Self {
            exe: options.exe.clone(),
            specs,
            dir: options.dir.clone(),
            told,
            running: BTreeMap::new(),
            ledgers: Vec::new(),
            addresses: addresses.0,
            first: addresses.1,
            roster: None,
            backoffs: plan
                .processes()
                .into_iter()
                .filter_map(|(name, worker)| Some((name, Backoff::new(worker.restart?))))
                .collect(),
            awaited: BTreeMap::new(),
        };
        let names: Vec<String> = fleet
            .specs
            .iter()
            .map(|spec| spec.process.clone())
            .collect();
        for name in names {
            if plan.is_there_at_start(&name) {
                fleet.spawn(&name).await?;
            } else {
                fleet.find(&name, false);
            }
        }
        Ok(fleet)
    }

    /// From now on Prometheus finds a process, or no longer.
    fn find(&self, process: &str, found: bool) {
        let mut specs = self.specs.iter();
        if let Some(index) = specs.position(|spec| spec.process == process) {
            self.addresses.find(self.first + index, found);
        }
    }

    /// Those of these processes that are members go, gracefully if they are there, and the others come; answers how many came,
    /// and how many went.
    pub(crate) async fn come_or_go(
        &mut self,
        names: &[String],
        clock: ClockOrigin,
    ) -> Result<(usize, usize), LiveError> {
        let is_member = |name: &&String| {
            let number = self.specs.iter().position(|spec| spec.process == **name);
            number.is_some_and(|number| self.addresses.is_found(self.first + number))
        };
        let (go, come): (Vec<&String>, Vec<&String>) = names.iter().partition(is_member);
        let go: Vec<String> = go.into_iter().cloned().collect();
        let come: Vec<String> = come.into_iter().cloned().collect();
        for name in &go {
            self.find(name, false);
        }
        self.stop(&go, clock, None).await?;
        self.let_go(&come);
        self.begin_anew(&come, clock).await?;
        for name in &come {
            self.find(name, true);
        }
        Ok((come.len(), go.len()))
    }

    /// Starts processes, and has them work.
    async fn begin_anew(&mut self, names: &[String], clock: ClockOrigin) -> Result<(), LiveError> {
        for name in names {
            self.spawn(name).await?;
            if let Some(child) = self.running.get_mut(name) {
                child.begin(clock).await?;
                if let Some(backoff) = self.backoffs.get_mut(name) {
                    backoff.started(clock.now());
                }
                if let Some(roster) = &self.roster {
                    roster.is_there(name, child.id(), Some(child.ledger()));
                }
            }
        }
        Ok(())
    }

    /// A process has died by itself: an orchestrator, if it has one, starts it again after a while.
    pub(crate) fn has_died(&mut self, death: &Death) {
        self.expect_start(&death.process, death.at);
    }

    fn expect_start(&mut self, process: &str, died: Time) {
        let spec = self.specs.iter().find(|spec| spec.process == process);
        if let (Some(backoff), Some(spec)) = (self.backoffs.get_mut(process), spec) {
            let due = (backoff.died(died), spec.incarnation);
            self.awaited.insert(process.to_owned(), due);
        }
    }

    /// When the next process is to be started again.
    pub(crate) fn next_start(&self) -> Option<Time> {
        self.awaited.values().map(|(at, _)| *at).min()
    }

    /// Starts those again that are due; answers how many. One that somebody has started or taken away meanwhile is left alone.
    pub(crate) async fn start_again(&mut self, clock: ClockOrigin) -> Result<usize, LiveError> {
        let now = clock.now();
        let due = self.awaited.iter().filter(|(_, (at, _))| *at <= now);
        let due: Vec<(String, u32)> = due
            .map(|(name, (_, lives))| (name.clone(), *lives))
            .collect();
        let mut started = 0;
        for (name, lives) in due {
            self.awaited.remove(&name);
            let spec = self.specs.iter().find(|spec| spec.process == name);
            let comes_up = |plan: &Plan| {
                let at_ms = now.millis() - clock.virtual_start.millis();
                plan.comes_up(&name, at_ms)
            };
            let Some(comes_up) = spec
                .filter(|spec| spec.incarnation == lives)
                .map(|spec| comes_up(&spec.plan))
            else {
                continue;
            };
            if !self
                .running
                .get_mut(&name)
                .is_some_and(WorkerChild::has_ended)
            {
                continue;
            }
            if !comes_up {
                self.expect_start(&name, now);
                continue;
            }
            let ended = self.ended(&name, clock);
            if let Some(child) = self.running.remove(&name) {
                self.ledgers.push((child.into_ledger(), Some(ended)));
            }
            self.begin_anew(&[name], clock).await?;
            started += 1;
        }
        Ok(started)
    }

    async fn spawn(&mut self, process: &str) -> Result<(), LiveError> {
        let mut specs = self.specs.iter_mut().enumerate();
        let Some((index, spec)) = specs.find(|(_, spec)| spec.process == process) else {
            return Ok(());
        };
        spec.token = http::new_token();
        spec.ledger = self
            .dir
            .join(format!("{process}.{}.ledger", spec.incarnation));
        let child = WorkerChild::start(&self.exe, spec, self.told.clone()).await?;
        spec.incarnation += 1;
        spec.port = child.place.address.port();
        self.addresses.set(self.first + index, child.place.clone());
        self.running.insert(process.to_owned(), child);
        Ok(())
    }

    /// Process ids of those of these processes that run.
    pub(crate) fn pids(&self, names: &[String]) -> Vec<u32> {
        let running = names.iter().filter_map(|name| self.running.get(name));
        running.filter_map(WorkerChild::id).collect()
    }

    /// Process ids of all that run.
    pub(crate) fn all_pids(&self) -> Vec<u32> {
        self.running.values().filter_map(WorkerChild::id).collect()
    }

    /// Tells every process the time. From now on they are watched.
    pub(crate) async fn begin(
        &mut self,
        clock: ClockOrigin,
        roster: Roster,
    ) -> Result<(), LiveError> {
        for (name, child) in &mut self.running {
            child.begin(clock).await?;
            roster.is_there(name, child.id(), Some(child.ledger()));
        }
        self.roster = Some(roster);
        Ok(())
    }

    /// What happens to these processes from now on is the plan's doing.
    fn let_go(&self, names: &[String]) {
        if let Some(roster) = &self.roster {
            names.iter().for_each(|name| roster.leaves(name));
        }
    }

    /// When a process that is gone has ended: now, unless it died in the middle of a call.
    fn ended(&self, name: &str, clock: ClockOrigin) -> Time {
        let died = self
            .roster
            .as_ref()
            .and_then(|roster| roster.take_death(name));
        died.unwrap_or_else(|| clock.now())
    }

    /// Kills processes.
    pub(crate) async fn kill(&mut self, names: &[String], clock: ClockOrigin) -> Killed {
        self.let_go(names);
        let mut killed = Killed::default();
        for name in names {
            let Some(mut child) = self.running.remove(name) else {
                killed.before.push(name.clone());
                continue;
            };
            if child.has_ended() {
                killed.before.push(name.clone());
            } else if child.kill().await.is_ok() && child.has_ended() {
                killed.gone += 1;
            }
            let ended = self.ended(name, clock);
            self.ledgers.push((child.into_ledger(), Some(ended)));
        }
        killed
    }

    /// Stops processes or lets them go on; answers how many of them are seen to be so.
    pub(crate) async fn signal(&mut self, names: &[String], signal: Signal) -> usize {
        self.let_go(names);
        let mut seen = 0;
        for name in names {
            let Some(child) = self.running.get_mut(name) else {
                continue;
            };
            let Some(pid) = child.id() else { continue };
            seen += usize::from(signals::send(pid, signal).await);
            if signal == Signal::CONT
                && let Some(roster) = &self.roster
            {
                roster.is_there(name, Some(pid), Some(child.ledger()));
            }
        }
        seen
    }

    /// SIGTERM, a bounded wait, SIGKILL; answers how many were there, and how many ended gracefully. `grace_ms`: how long is waited, virtual;
    /// `None`: as long as the graceful shutdown takes at most.
    pub(crate) async fn stop(
        &mut self,
        names: &[String],
        clock: ClockOrigin,
        grace_ms: Option<i64>,
    ) -> Result<(usize, usize), LiveError> {
        self.let_go(names);
        let mut stopping = JoinSet::new();
        for name in names {
            if let Some(mut child) = self.running.remove(name) {
                let timeout_ms = self.shutdown_timeout_ms(name);
                let patience = match grace_ms {
                    Some(ms) => clock.real_millis(ms),
                    None => clock.real_millis(timeout_ms) + STOP_SLACK,
                };
                let name = name.clone();
                stopping.spawn(async move {
                    let before = child.has_ended();
                    let stopped = child.stop(patience).await;
                    let ended = stopped.map(|graceful| (!before, graceful && !before));
                    (name, ended, child)
                });
            }
        }
        let (mut there, mut graceful) = (0, 0);
        for (name, ended, child) in stopping.join_all().await {
            let (was_there, gracefully) =
                ended.map_err(|error| LiveError::System("worker", error))?;
            there += usize::from(was_there);
            graceful += usize::from(gracefully);
            let ended = self.ended(&name, clock);
            self.ledgers.push((child.into_ledger(), Some(ended)));
        }
        Ok((there, graceful))
    }

    /// Restarts processes as `docker restart` does: SIGTERM, a bounded wait, SIGKILL, a new process under the old name.
    pub(crate) async fn restart(
        &mut self,
        names: &[String],
        clock: ClockOrigin,
    ) -> Result<String, LiveError> {
        let (_, graceful) = self.stop(names, clock, None).await?;
        self.begin_anew(names, clock).await?;
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
    pub(crate) async fn end(&mut self) -> Vec<Ended> {
        while let Some((name, mut child)) = self.running.pop_first() {
            // The drill is over: what is in progress counts as still queued. `kill_on_drop` covers an error here.
            let _ = child.kill().await;
            let died = self
                .roster
                .as_ref()
                .and_then(|roster| roster.take_death(&name));
            self.ledgers.push((child.into_ledger(), died));
        }
        std::mem::take(&mut self.ledgers)
    }
}
