//! The worker processes of a drill: started, killed, restarted, ended.

mod again;
mod guests;
mod limits;
mod outside;
mod pods;
mod release;
mod throttled;

pub(crate) use outside::AGAIN_MS;

use crate::engine::live::child::{ChildError, Told, WorkerChild};
use crate::engine::live::cluster::Cluster;
use crate::engine::live::evidence::Ended;
use crate::engine::live::link::Links;
use crate::engine::live::scraper::{Addresses, Page, Place};
use crate::engine::live::theirs::{Done, IsCutOff, Workers};
use crate::engine::live::throttle::{Quota, Throttle};
use crate::engine::live::watch::Roster;
use crate::engine::live::{LiveError, LiveOptions};
use crate::http;
use crate::metrics::kube::{Ended as WhyEnded, Pods};
use crate::plan::{Backoff, Plan};
use crate::redis_server::ours::Ours;
use crate::signals;
use crate::undo::Journal;
use crate::worker::WorkerSpec;
use firedrill_asynq::broker::redis::RedisBroker;
use firedrill_asynq::broker::redis::address::Address;
use firedrill_asynq::clock::{ClockOrigin, Time};
pub(crate) use guests::Meddled;
use limits::Limited;
use rustix::process::Signal;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinSet;
use uuid::Uuid;

/// Real time a worker gets beyond its graceful shutdown before it is killed.
const STOP_SLACK: Duration = Duration::from_millis(500);

/// The worker processes of a drill.
pub(crate) struct Fleet {
    exe: PathBuf,
    /// Who they are.
    workers: Workers,
    /// Who is asked in Redis whether one of the team's own is there.
    asks: RedisBroker,
    /// Where it is written down that those end.
    journal: Journal,
    specs: Vec<WorkerSpec>,
    dir: PathBuf,
    told: UnboundedSender<Told>,
    running: BTreeMap<String, WorkerChild>,
    /// Ledgers of every incarnation so far, with the time its process was ended.
    ledgers: Vec<Ended>,
    addresses: Addresses,
    /// Number of the first process among the scrape targets.
    first: usize,
    /// Those that have been scaled away, or are not there yet, or are being replaced.
    left: BTreeSet<String>,
    /// What we have done to containers of the team's, by process.
    done: BTreeMap<String, Done>,
    /// What servers of the team's own have registered, and the hosts of those that were there before.
    servers: BTreeSet<String>,
    hosts: BTreeSet<String>,
    /// Those that were started while the plan had cut them off from Redis, and were not told of yet.
    unseen: BTreeSet<String>,
    /// Containers that may take less memory, each with the step that does it.
    limited: Limited,
    /// Those of which a broken release was deployed.
    broken: BTreeSet<String>,
    /// Those that are throttled, and those of them that run.
    quotas: BTreeMap<String, Quota>,
    throttles: BTreeMap<String, Throttle>,
    /// Known since the drill began.
    roster: Option<Roster>,
    /// The same.
    cluster: Option<Cluster>,
    /// What an orchestrator knows of the processes that it starts again.
    backoffs: BTreeMap<String, Backoff>,
    /// Those that have died by themselves: when each is started again, and its number of lives so far.
    awaited: BTreeMap<String, (Time, u32)>,
}

/// What there is around a fleet when it starts: its Redis, the links to that, what its handlers share, who is asked in Redis whether
/// one of the team's own is there, and the drill's journal.
pub(crate) type Around<'a> = (
    &'a Address,
    &'a Links,
    Option<&'a Path>,
    RedisBroker,
    Journal,
);

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
        (redis, links, shared, asks, journal): Around<'_>,
        told: UnboundedSender<Told>,
        addresses: (Addresses, usize),
    ) -> Result<Self, LiveError> {
        let way = |process: &str| match options.workers {
            Workers::Ours => links.address(process, redis),
            Workers::Theirs(_) => links.address_of_guest(process, redis),
        };
        let specs = plan
            .processes()
            .into_iter()
            .map(|(process, _)| WorkerSpec {
                plan: plan.clone(),
                incarnation: 0,
                port: 0,
                // Whoever goes over a link finds the harness there.
                server_of: match way(&process) {
                    Some(_) => None,
                    None => options.redis.server_of(),
                },
                redis: way(&process).unwrap_or(redis.clone()),
                process,
                shared: shared.map(Path::to_owned),
                ledger: PathBuf::new(),
                token: String::new(),
                speed: options.speed,
            })
            .collect();
        let mut fleet = Self {
            exe: options.exe.clone(),
            workers: options.workers.afresh(),
            asks,
            journal,
            specs,
            dir: options.dir.clone(),
            told,
            running: BTreeMap::new(),
            ledgers: Vec::new(),
            addresses: addresses.0,
            first: addresses.1,
            left: BTreeSet::new(),
            done: BTreeMap::new(),
            servers: match options.workers {
                Workers::Ours => Ours::of(plan)
                    .servers()
                    .iter()
                    .map(Uuid::to_string)
                    .collect(),
                Workers::Theirs(_) => BTreeSet::new(),
            },
            hosts: BTreeSet::new(),
            unseen: BTreeSet::new(),
            limited: Limited::default(),
            broken: BTreeSet::new(),
            quotas: BTreeMap::new(),
            throttles: BTreeMap::new(),
            roster: None,
            cluster: None,
            backoffs: plan
                .processes()
                .into_iter()
                .filter_map(|(name, worker)| Some((name, Backoff::new(worker.restart?))))
                .collect(),
            awaited: BTreeMap::new(),
        };
        fleet.meet_pods().await?;
        let names: Vec<String> = fleet
            .specs
            .iter()
            .map(|spec| spec.process.clone())
            .collect();
        for name in names {
            if plan.is_there_at_start(&name) {
                fleet.find(&name, true);
                fleet.spawn(&name).await?;
            } else {
                fleet.find(&name, false);
                fleet.left.insert(name);
            }
        }
        Ok(fleet)
    }

    /// From now on Prometheus finds a process, or no longer.
    fn find(&self, process: &str, found: bool) {
        let mut specs = self.specs.iter();
        if let Some(index) = specs.position(|spec| spec.process == process) {
            let is_target = match &self.workers {
                Workers::Ours => true,
                Workers::Theirs(theirs) => theirs.page(index).is_some(),
            };
            self.addresses.find(self.first + index, found && is_target);
        }
    }

    /// Nobody starts these processes again by himself: where dead targets are removed, they are targets no longer.
    pub(crate) fn are_gone(&self, names: &[String]) {
        let removes = |spec: &WorkerSpec| spec.plan.removes_dead_targets();
        if self.specs.first().is_some_and(removes) {
            names.iter().for_each(|name| self.find(name, false));
        }
    }

    /// Those of these processes that are members go, gracefully if they are there, and the others come; answers how many came,
    /// and how many went. `targets_stay`: Prometheus goes on finding those that go.
    pub(crate) async fn come_or_go(
        &mut self,
        names: &[String],
        clock: ClockOrigin,
        targets_stay: bool,
    ) -> Result<(usize, usize), LiveError> {
        let is_member = |name: &String| !self.left.contains(name);
        let (go, come): (Vec<String>, Vec<String>) = names.iter().cloned().partition(is_member);
        for name in &go {
            self.left.insert(name.clone());
            if !targets_stay {
                self.find(name, false);
            }
        }
        self.stop(&go, clock, None).await?;
        self.let_go(&come);
        self.begin_anew(&come, Pods::starts, clock).await?;
        for name in &come {
            self.left.remove(name);
            self.find(name, true);
        }
        Ok((come.len(), go.len()))
    }

    /// Tells of something that has happened to the pods of processes.
    fn tell<'n>(
        &self,
        names: impl IntoIterator<Item = &'n String>,
        what: impl Fn(&mut Pods, &str),
    ) {
        if let Some(cluster) = &self.cluster {
            cluster.tell(|pods| names.into_iter().for_each(|name| what(pods, name)));
        }
    }

    /// Starts processes, and has them work; `starts`: what that is to their pods.
    async fn begin_anew(
        &mut self,
        names: &[String],
        starts: fn(&mut Pods, &str, Time),
        clock: ClockOrigin,
    ) -> Result<(), LiveError> {
        self.pods_come(names).await?;
        for name in names {
            self.spawn(name).await?;
            let mut specs = self.specs.iter();
            if specs.any(|spec| spec.process == *name && spec.plan.removes_dead_targets()) {
                self.find(name, true);
            }
            // Whoever ends without Redis is started again as one that has died.
            if self
                .running
                .get_mut(name)
                .is_some_and(WorkerChild::has_ended)
            {
                self.awaits(name, clock.now());
                continue;
            }
            if let Some(child) = self.running.get_mut(name) {
                child.begin(clock).await?;
                if let Some(backoff) = self.backoffs.get_mut(name) {
                    backoff.started(clock.now());
                }
                if let Some(cluster) = &self.cluster {
                    cluster.runs_as(name, child.id());
                    cluster.tell(|pods| starts(pods, name, clock.now()));
                }
                if let Some(roster) = &self.roster {
                    roster.is_there(name, child.id(), child.ledger());
                }
            }
            // A new process has the limit of the one before.
            if let Some(quota) = self.quotas.get(name).copied() {
                self.throttle_one(name, quota, clock)?;
            }
        }
        Ok(())
    }

    /// SIGTSTP.
    pub(crate) fn quieten(&self, names: &[String]) -> Vec<u32> {
        let pids = self.pids(names);
        let signalled = |pid: &u32| {
            let pid = crate::owner::raw_pid(*pid);
            pid.is_some_and(|pid| rustix::process::kill_process(pid, Signal::TSTP).is_ok())
        };
        pids.into_iter().filter(signalled).collect()
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
        let child = match &self.workers {
            Workers::Ours => {
                // Whoever has people beside him may start it more often than the plan does.
                self.servers.insert(spec.server_id());
                WorkerChild::start(&self.exe, spec, self.told.clone()).await?
            }
            Workers::Theirs(theirs) => {
                let log = spec.ledger.with_extension("log");
                let roster = self.roster.clone();
                let is_cut_off = || {
                    let mut roster = roster.iter();
                    roster.any(|roster| roster.is_cut_off(process))
                };
                let known = (&self.asks, &self.journal, &is_cut_off as IsCutOff<'_>);
                let started = theirs.start(&self.exe, (spec, index), known, &log);
                let (child, server) = started.await?;
                match server {
                    Some(server) => {
                        if theirs.stay() {
                            self.hosts.insert(server.host);
                        }
                        self.servers.insert(server.server_id);
                    }
                    None => {
                        self.unseen.insert(process.to_owned());
                    }
                }
                child
            }
        };
        self.done.entry(process.to_owned()).or_default().starts += u32::from(spec.incarnation > 0);
        spec.incarnation += 1;
        if let Some(Page::Ours(Place { address, .. })) = &child.place {
            spec.port = address.port();
        }
        if let Some(place) = &child.place {
            self.addresses.set(self.first + index, place.clone());
        }
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

    /// Names of those that run.
    pub(crate) fn living(&mut self) -> BTreeSet<String> {
        let running = self.running.iter_mut();
        let living = running.filter_map(|(name, child)| (!child.has_ended()).then_some(name));
        living.cloned().collect()
    }

    /// Tells every process the time. From now on they are watched.
    pub(crate) async fn begin(
        &mut self,
        clock: ClockOrigin,
        (roster, cluster): (Roster, Cluster),
    ) -> Result<(), LiveError> {
        for (name, child) in &mut self.running {
            child.begin(clock).await?;
            cluster.runs_as(name, child.id());
            roster.is_there(name, child.id(), child.ledger());
        }
        (self.roster, self.cluster) = (Some(roster), Some(cluster));
        Ok(())
    }

    /// What happens to these processes from now on is the plan's doing.
    fn let_go(&self, names: &[String]) {
        if let Some(roster) = &self.roster {
            names.iter().for_each(|name| roster.leaves(name));
        }
    }

    /// A process is gone, and has left its ledger, if it had one; `at`: when the plan ended it.
    fn has_left(&mut self, child: WorkerChild, at: Option<Time>) {
        self.done
            .entry(child.process().to_owned())
            .or_default()
            .ends += 1;
        let ledger = child.into_ledger();
        self.ledgers
            .extend(ledger.map(|ledger| Ended::new(ledger, at)));
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
        self.throttles.retain(|name, _| !names.contains(name));
        if let Some(killed) = self.kill_pods(names, clock).await {
            return killed;
        }
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
            self.has_left(child, Some(ended));
        }
        self.tell(names, Pods::gone);
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
            let done = self.done.entry(name.clone()).or_default();
            match signal {
                Signal::STOP => done.pauses += 1,
                _ => done.unpauses += 1,
            }
            seen += usize::from(child.signal(signal).await);
            if signal == Signal::CONT
                && let Some(roster) = &self.roster
            {
                roster.is_there(name, child.id(), child.ledger());
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
        self.tell(names, Pods::leaves);
        let mut stopping = JoinSet::new();
        for name in names {
            if let Some(mut child) = self.running.remove(name) {
                // It is left stopped, and could not hear of anything.
                if let Some(throttle) = self.throttles.remove(name) {
                    throttle.end();
                    child.id().into_iter().for_each(signals::wake);
                }
                let timeout_ms = self.shutdown_timeout_ms(name);
                let patience = match grace_ms {
                    Some(ms) => clock.real_millis(ms),
                    None => clock.real_millis(timeout_ms) + STOP_SLACK,
                };
                let (name, cluster) = (name.clone(), self.cluster.clone());
                stopping.spawn(async move {
                    let before = child.has_ended();
                    let stopped = child.stop(patience).await;
                    if let Some(cluster) = cluster {
                        cluster.tell(|pods| pods.gone(&name));
                    }
                    let ended = stopped.map(|graceful| (!before, graceful && !before));
                    (name, ended, child)
                });
            }
        }
        let (mut there, mut graceful, mut failed) = (0, 0, None);
        for (process, ended, child) in stopping.join_all().await {
            let at = self.ended(&process, clock);
            self.has_left(child, Some(at));
            match ended {
                Ok((was_there, gracefully)) => {
                    there += usize::from(was_there);
                    graceful += usize::from(gracefully);
                }
                Err(error) => {
                    let reason = error.to_string();
                    failed.get_or_insert(ChildError { process, reason });
                }
            }
        }
        match failed {
            Some(error) => Err(error.into()),
            None => Ok((there, graceful)),
        }
    }

    /// Restarts processes as `docker restart` does: SIGTERM, a bounded wait, SIGKILL, a new process under the old name.
    pub(crate) async fn restart(
        &mut self,
        names: &[String],
        clock: ClockOrigin,
    ) -> Result<String, LiveError> {
        if self.are_all_pods(names) {
            return self.roll_pods(names, clock).await;
        }
        let (_, graceful) = self.stop(names, clock, None).await?;
        let is_broken = |name: &String| self.broken.contains(name);
        let (broken, well): (Vec<String>, Vec<String>) = names.iter().cloned().partition(is_broken);
        self.begin_anew(&well, Pods::starts, clock).await?;
        let mut saw = format!(
            "{} started, {graceful} stopped gracefully before{}",
            well.len(),
            self.told_of_unseen()
        );
        if !broken.is_empty() {
            let (_, ended) = self.fail_to_boot(&broken, clock).await?;
            saw += &format!(", {ended}");
        }
        Ok(saw)
    }

    /// Those that have ended since then were taken away by the remedy of this step.
    pub(crate) fn taken_by(&mut self, step: &str, since: Time) {
        let taken = self.ledgers.iter_mut().rev();
        for ended in taken.filter(|ended| ended.at.is_some_and(|at| at >= since)) {
            ended.by.get_or_insert_with(|| step.to_owned());
        }
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
        self.throttles.clear();
        while let Some((name, mut child)) = self.running.pop_first() {
            // They were there before, and go on.
            if child.is_guest() {
                continue;
            }
            // The drill is over: what is in progress counts as still queued. `kill_on_drop` covers an error here.
            let _ = child.kill().await;
            let died = self
                .roster
                .as_ref()
                .and_then(|roster| roster.take_death(&name));
            self.has_left(child, died);
        }
        std::mem::take(&mut self.ledgers)
    }
}
