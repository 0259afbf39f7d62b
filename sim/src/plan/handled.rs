//! What of a plan only workers of ours can do: their handlers, clocks and lives know the plan, and those of others do not; and what only
//! some of the others can.

use super::{PRODUCER, Plan};
use crate::lever::{Lever, LifeLever, LinkLever, PointLever, ProcessLever};

/// Something of a plan that needs workers of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ours {
    /// Which part of the scenario.
    pub of: Part,
    /// The same with what is in it, for people, e.g. `faults: crash (handler.crash)`.
    pub what: String,
    /// Why others cannot do it.
    pub why: &'static str,
    /// What would do instead, for whoever has other workers.
    pub instead: &'static str,
}

/// A part of a scenario.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// An entry of its workload, by its task.
    Task(String),
    /// A group of workers, by its name.
    Worker(String),
    /// A step of its timeline, by its id.
    Step(String),
}

/// Toxiproxy's unit of bandwidth, bytes in a second.
pub(crate) const TOXIC_BYTES: u64 = 1000;

/// Workers that are the team's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TeamsOwn {
    /// Processes that we start by their command.
    Processes,
    /// Containers that run already.
    Containers,
    /// The pods of a deployment that is there already.
    Pods,
}

const HANDLERS: &str = "handlers of other workers do not know the plan";
const PROTOCOL: &str = "it hits one call of asynq's protocol, as our workers make it";

impl Plan {
    /// What of it needs workers of ours where the team has these, in the plan's order; empty: those will do.
    #[must_use]
    pub fn needs_our_workers(&self, own: TeamsOwn) -> Vec<Ours> {
        let mut found = Vec::new();
        for entry in &self.workload {
            if !entry.then.is_empty() {
                found.push(Ours {
                    of: Part::Task(entry.task.clone()),
                    what: format!("workload: {} (then)", entry.task),
                    why: "what handlers enqueue is the plan's, and nobody else counts it",
                    instead: "give the second task arrivals of its own",
                });
            }
        }
        for worker in self.workers.iter().filter(|worker| worker.groups.is_some()) {
            found.push(Ours {
                of: Part::Worker(worker.name.clone()),
                what: format!("workers: {} (groups)", worker.name),
                why: "what becomes of a group is known to whoever aggregates it",
                instead: "leave `groups` away",
            });
        }
        for step in &self.timeline {
            let hits_workers = step.targets.iter().any(|target| target != PRODUCER);
            if let Some((why, instead)) = only_ours(&step.fault.begin(), hits_workers, own) {
                found.push(Ours {
                    of: Part::Step(step.id.clone()),
                    what: format!("faults: {} ({})", step.id, step.fault.name()),
                    why,
                    instead,
                });
            }
        }
        found
    }
}

impl Plan {
    /// What of it needs workers that we have started where the team has these, in the plan's order; empty: those will do.
    /// `by_proxy`: they all go to Redis through one proxy of a Toxiproxy.
    #[must_use]
    pub fn needs_started_workers(&self, own: TeamsOwn, by_proxy: bool) -> Vec<Ours> {
        // Of all processes that are there at the time.
        let are_all = |targets: &[String], at_ms| {
            let roster = self.roster(at_ms);
            let mut processes = self.processes().into_iter();
            processes.all(|(name, _)| !roster.has(&name) || targets.contains(&name))
        };
        let faults = self.timeline.iter().map(|step| {
            let what = format!("faults: {} ({})", step.id, step.fault.name());
            let all = are_all(&step.targets, step.at_ms);
            // The producer's link is ours.
            let is_ours = matches!(step.fault.begin(), Lever::Link(_))
                && step.targets.iter().all(|target| target == PRODUCER);
            (
                (&step.id, what),
                (!is_ours).then(|| step.fault.begin()),
                all,
            )
        });
        let remedies = self.remedies.iter().map(|step| {
            let what = format!("remedies: {} ({})", step.id, step.remedy.name());
            (
                (&step.id, what),
                Some(step.remedy.done(None)),
                are_all(&step.targets, step.at_ms),
            )
        });
        let needs = faults
            .chain(remedies)
            .filter_map(|((id, what), lever, all)| {
                let (why, instead) = match (own, lever?) {
                    (TeamsOwn::Processes, _) => None,
                    (_, Lever::Link(lever)) => only_our_links(lever, by_proxy, all),
                    (TeamsOwn::Containers, lever) => only_started(&lever),
                    (TeamsOwn::Pods, lever) => only_no_pods(&lever, all),
                }?;
                Some(Ours {
                    of: Part::Step(id.clone()),
                    what,
                    why,
                    instead,
                })
            });
        needs.collect()
    }

    /// Its steps that release what does not start, in the plan's order: where pods are replaced one after the other, Kubernetes keeps
    /// those that work.
    #[must_use]
    pub fn needs_pods_to_go_first(&self) -> Vec<Ours> {
        let steps = self.timeline.iter();
        let breaks = steps.filter(|step| {
            step.fault.begin() == Lever::Process(ProcessLever::Deploy { boots: false })
        });
        let needs = breaks.map(|step| Ours {
            of: Part::Step(step.id.clone()),
            what: format!("faults: {} ({})", step.id, step.fault.name()),
            why: "the deployment's strategy is RollingUpdate, and Kubernetes keeps the pods that work until new ones are ready",
            instead: "strategy: Recreate, or worker.terminate with worker.restart",
        });
        needs.collect()
    }
}

/// Why a lever is not for pods, and what would do instead; `all`: it is pulled on all of them.
fn only_no_pods(lever: &Lever, all: bool) -> Option<(&'static str, &'static str)> {
    match lever {
        Lever::Process(
            ProcessLever::Stop
            | ProcessLever::Continue
            | ProcessLever::Throttle { .. }
            | ProcessLever::Quiet,
        ) => Some((
            "Kubernetes has no signals for pods",
            "worker.kill or worker.terminate, with worker.restart",
        )),
        Lever::Process(ProcessLever::Deploy { .. }) if !all => Some((
            "a deployment has one release for all of its pods",
            "select: all",
        )),
        _ => None,
    }
}

/// Why a lever is not for containers, and what would do instead.
fn only_started(lever: &Lever) -> Option<(&'static str, &'static str)> {
    match lever {
        Lever::Process(ProcessLever::Throttle { .. } | ProcessLever::Quiet) => Some((
            "it is done by signals to a process of ours",
            "worker.stop freezes a container",
        )),
        Lever::Process(ProcessLever::Deploy { .. }) | Lever::Members { .. } => Some((
            "containers neither come nor are replaced by ours",
            "worker.terminate, with worker.restart",
        )),
        _ => None,
    }
}

/// Why a lever is for links of ours, and what would do instead; `hits_all`: it is pulled on all processes.
fn only_our_links(
    lever: LinkLever,
    by_proxy: bool,
    hits_all: bool,
) -> Option<(&'static str, &'static str)> {
    match (by_proxy, lever) {
        (false, _) => Some((
            "who runs already does not go over a link of ours",
            "name the proxy that they go through with --toxiproxy, or start the worker by --worker-cmd",
        )),
        (_, LinkLever::Demote) => Some((
            "Toxiproxy leads to one Redis",
            "link.reset or link.black-hole",
        )),
        (_, LinkLever::Throttle { bytes_per_s, .. }) if bytes_per_s % TOXIC_BYTES != 0 => Some((
            "Toxiproxy knows whole kilobytes a second, of 1000 bytes",
            "a `rate` that is so many, such as 5000B",
        )),
        (true, _) if !hits_all => Some((
            "all workers go through one proxy, and it hits some of them",
            "`select: all`",
        )),
        _ => None,
    }
}

/// Why a lever is for workers of ours alone, and what would do instead.
fn only_ours(
    lever: &Lever,
    hits_workers: bool,
    own: TeamsOwn,
) -> Option<(&'static str, &'static str)> {
    match lever {
        Lever::Handler(_) => Some((
            HANDLERS,
            "worker.stop, worker.cpu-throttle or a link fault slow what they do; worker.kill ends it",
        )),
        Lever::Resource { .. } => Some((
            "what handlers share is a server of the drill that only ours call",
            "a link fault or worker.cpu-throttle slows all they do",
        )),
        Lever::Clock(_) => Some((
            "the clock of another program cannot be set",
            "worker.stop makes leases expire, too",
        )),
        // A limit is Docker's to set.
        Lever::Life(LifeLever::Leak { .. }) if own == TeamsOwn::Containers => None,
        Lever::Life(_) => Some((
            "our workers fall ill by themselves",
            "worker.kill, or worker.terminate, with worker.restart",
        )),
        Lever::Point(PointLever::Set(_)) if hits_workers => Some((
            PROTOCOL,
            "link.reset or worker.kill hit whatever is under way",
        )),
        Lever::Process(ProcessLever::Deploy { boots: false }) if own != TeamsOwn::Pods => Some((
            "a release that does not boot is a worker of ours with a mistake in its configuration",
            "worker.terminate, with worker.restart",
        )),
        Lever::Process(_)
        | Lever::Redis(_)
        | Lever::Queue { .. }
        | Lever::Tasks { .. }
        | Lever::Locks { .. }
        | Lever::Link(_)
        | Lever::Load(_)
        | Lever::Again { .. }
        | Lever::Point(_)
        | Lever::Scrape { .. }
        | Lever::Exporters { .. }
        | Lever::SlowScrapes { .. }
        | Lever::Members { .. } => None,
    }
}
