//! What an orchestrator makes of what is done to a fleet: the pods of its worker processes, whichever engine has them.
//!
//! A group of workers is a Deployment, a process a container, and whoever starts a process anew has a new pod under the old
//! name. Only what an orchestrator starts again by itself (`workers[].restart`) stays the pod that it was.

use crate::lever::LifeLever;
use crate::metrics::counts_as_started;
use crate::plan::{Backoff, Plan, RESTING_BYTES, RestartPlan};
use crate::world::filled;
use firedrill_asynq::clock::Time;

/// Why a container ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Ended {
    /// It reached the limit of its memory.
    OutOfMemory,
    /// Anything else that was no shutdown.
    Error,
}

impl Ended {
    /// What a life ends of.
    pub(crate) fn of(lever: LifeLever) -> Self {
        match lever {
            LifeLever::Leak { .. } => Self::OutOfMemory,
            LifeLever::Crash { .. } => Self::Error,
        }
    }

    /// As Kubernetes calls it.
    pub(super) fn reason(self) -> &'static str {
        match self {
            Self::OutOfMemory => "OOMKilled",
            Self::Error => "Error",
        }
    }
}

/// Which release a pod is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Release {
    /// One that boots.
    Working,
    /// One that does not.
    Broken,
}

/// What a pod is doing.
#[derive(Debug, Clone)]
pub(super) enum State {
    /// Its place is empty: while it is wanted, no node has taken it.
    Away,
    /// Its container runs.
    Runs,
    /// It has been told to go.
    Leaves,
    /// Its container has died, and is started again after a while.
    Waits,
    /// Its container ends at boot, again and again; when it is started next.
    Fails(Time, Backoff),
}

/// A pod, or the place for one.
#[derive(Debug, Clone)]
pub(super) struct Pod {
    /// Its process.
    pub(super) process: String,
    /// Its number in its group.
    place: u32,
    pub(super) deployment: usize,
    pub(super) name: String,
    pub(super) container: String,
    /// Which pod it is of those that have had this name.
    pub(super) number: u32,
    pub(super) release: Release,
    pub(super) state: State,
    /// How often its container was started again.
    pub(super) restarts: u32,
    /// Why its container ended last.
    pub(super) last: Option<Ended>,
    /// When its container was started last.
    pub(super) started: Time,
    /// Its share of a processor while that is limited.
    pub(super) quota: Option<Quota>,
}

/// A limit of the processor, as a kernel keeps it: of each period a container runs for a part, if it could use more.
#[derive(Debug, Clone, Copy)]
pub(super) struct Quota {
    /// Since when.
    pub(super) since: Time,
    /// Virtual milliseconds.
    pub(super) run_ms: i64,
    /// Virtual milliseconds.
    pub(super) period_ms: i64,
}

/// A group of workers.
#[derive(Debug, Clone)]
pub(super) struct Deployment {
    pub(super) name: String,
    pub(super) release: Release,
    /// How long a container that has ended waits.
    restart: RestartPlan,
    /// The limit of a container's memory, bytes, where a step is about it.
    pub(super) memory_limit: Option<u64>,
    /// How many pods are wanted from when on, virtual milliseconds since the start, in order of time.
    sizes: Vec<(i64, u32)>,
}

/// The pods of a fleet.
#[derive(Debug, Clone)]
pub(crate) struct Pods {
    pub(super) seed: u64,
    start: Time,
    pub(super) namespace: String,
    pub(super) deployments: Vec<Deployment>,
    pub(super) pods: Vec<Pod>,
}

impl Deployment {
    /// How many pods are wanted.
    pub(super) fn size(&self, at_ms: i64) -> u32 {
        let mut sizes = self.sizes.iter().rev();
        let now = sizes.find(|(from_ms, _)| *from_ms <= at_ms);
        now.map_or(0, |(_, size)| *size)
    }
}

impl Pod {
    /// Whether there is a pod: one that runs, or one that is wanted.
    pub(super) fn is_there(&self, of: &Deployment, at_ms: i64) -> bool {
        !matches!(self.state, State::Away) || self.place < of.size(at_ms)
    }

    /// Another pod takes its name.
    fn replaced(&mut self, release: Release, state: State) {
        self.number += 1;
        self.restarts = 0;
        self.last = None;
        self.release = release;
        self.state = state;
    }
}

impl Pods {
    /// Of a fleet that starts at `start`: those that are there then run.
    pub(crate) fn new(plan: &Plan, start: Time) -> Self {
        let forms = &plan.world.targets.worker.labels;
        let of_target = |label: &str| {
            let of = |labels: &[(String, String)]| {
                let mut labels = labels.iter();
                let found = labels.find(|(name, _)| name == label)?;
                Some(found.1.clone())
            };
            of(forms).or_else(|| of(&plan.world.labels))
        };
        let sizes = |name: &str, first: u32| {
            let scaled = plan.remedies.iter().filter_map(|step| {
                let (group, to) = step.remedy.scale()?;
                (group == name).then_some((step.at_ms, to))
            });
            std::iter::once((0, first)).chain(scaled).collect()
        };
        let deployments = plan.workers.iter().map(|worker| Deployment {
            name: worker.name.clone(),
            release: Release::Working,
            restart: worker.restart.unwrap_or(RestartPlan::KUBELETS),
            memory_limit: memory_limit(plan, &worker.name),
            sizes: sizes(&worker.name, worker.processes),
        });
        let deployments: Vec<Deployment> = deployments.collect();
        let mut places = vec![0; deployments.len()];
        let processes = plan.processes().into_iter().enumerate();
        let pods = processes.map(|(number, (process, worker))| {
            let own = deployments.iter().position(|of| of.name == worker.name);
            let deployment = own.unwrap_or_default();
            let place = places[deployment];
            places[deployment] += 1;
            let fill = |pattern: String| filled(&pattern, &process, number);
            Pod {
                name: of_target("pod").map_or_else(|| process.clone(), fill),
                container: of_target("container").map_or_else(|| worker.name.clone(), fill),
                state: match plan.is_there_at_start(&process) {
                    true => State::Runs,
                    false => State::Away,
                },
                process,
                place,
                deployment,
                number: 0,
                release: Release::Working,
                restarts: 0,
                last: None,
                started: counts_as_started(start, 0),
                quota: None,
            }
        });
        Self {
            seed: plan.seed,
            start,
            namespace: of_target("namespace").unwrap_or_else(|| "default".to_owned()),
            pods: pods.collect(),
            deployments,
        }
    }

    /// Virtual milliseconds since the start.
    pub(super) fn since_start_ms(&self, now: Time) -> i64 {
        now.millis() - self.start.millis()
    }

    fn of(&mut self, process: &str) -> Option<&mut Pod> {
        self.pods.iter_mut().find(|pod| pod.process == process)
    }

    /// A process was started, by whomever but the orchestrator by itself.
    pub(crate) fn starts(&mut self, process: &str, now: Time) {
        let Some(pod) = self.of(process) else { return };
        pod.started = now;
        match (&pod.state, pod.release) {
            // The one that waited for a node has found one.
            (State::Away, Release::Working) => pod.state = State::Runs,
            _ => pod.replaced(Release::Working, State::Runs),
        }
    }

    /// An orchestrator has started a container again that had died.
    pub(crate) fn starts_again(&mut self, process: &str, now: Time) {
        if let Some(pod) = self.of(process) {
            pod.started = now;
            pod.restarts += 1;
            pod.state = State::Runs;
        }
    }

    /// It has tried to, and the container has died at once.
    pub(crate) fn dies_again(&mut self, process: &str) {
        if let Some(pod) = self.of(process) {
            pod.restarts += 1;
            pod.last = Some(Ended::Error);
        }
    }

    /// A container has died, and will be started again.
    pub(crate) fn died(&mut self, process: &str, why: Ended) {
        if let Some(pod) = self.of(process) {
            pod.state = State::Waits;
            pod.last = Some(why);
        }
    }

    /// A process has been told to go.
    pub(crate) fn leaves(&mut self, process: &str) {
        let Some(pod) = self.of(process) else { return };
        match pod.state {
            State::Runs => pod.state = State::Leaves,
            // There is nothing to wait for.
            State::Waits | State::Fails(..) => self.gone(process),
            State::Away | State::Leaves => {}
        }
    }

    /// A process has gone, and nobody starts it again by himself.
    pub(crate) fn gone(&mut self, process: &str) {
        let Some(pod) = self.of(process) else { return };
        if matches!(pod.state, State::Away) {
            return;
        }
        let deployment = pod.deployment;
        pod.replaced(Release::Working, State::Away);
        let release = self.deployments[deployment].release;
        if let Some(pod) = self.of(process) {
            pod.release = release;
        }
    }

    /// A release is deployed to the group of a process.
    pub(crate) fn deploys(&mut self, process: &str, boots: bool) {
        if let Some(group) = self.of(process).map(|pod| pod.deployment) {
            self.deployments[group].release = match boots {
                true => Release::Working,
                false => Release::Broken,
            };
        }
    }

    /// From now on a process runs for so long of each period, virtual milliseconds; `None`: as long as it likes.
    pub(crate) fn limits(&mut self, process: &str, quota: Option<(i64, i64)>, now: Time) {
        if let Some(pod) = self.of(process) {
            pod.quota = quota.map(|(run_ms, period_ms)| Quota {
                since: now,
                run_ms,
                period_ms,
            });
        }
    }

    /// A process of a broken release was started, and has ended at boot.
    pub(crate) fn fails(&mut self, process: &str, now: Time) {
        let Some(deployment) = self.of(process).map(|pod| pod.deployment) else {
            return;
        };
        let mut backoff = Backoff::new(self.deployments[deployment].restart);
        let next = backoff.died(now);
        if let Some(pod) = self.of(process) {
            pod.replaced(Release::Broken, State::Fails(next, backoff));
            pod.last = Some(Ended::Error);
        }
    }

    /// What orchestrators have done by themselves until now.
    pub(super) fn go_on(&mut self, now: Time) {
        for pod in &mut self.pods {
            if let State::Fails(next, backoff) = &mut pod.state {
                while *next <= now {
                    pod.restarts += 1;
                    *next = backoff.died(*next);
                }
            }
        }
    }
}

/// What a container of a group may have in memory, bytes, where a step is about that: what processes have at rest, and what they
/// may leak.
fn memory_limit(plan: &Plan, group: &str) -> Option<u64> {
    let processes = plan.processes().into_iter();
    let own = processes.filter(|(_, worker)| worker.name == group);
    let leaks = own.flat_map(|(process, _)| plan.ailments_of(&process));
    let limits = leaks.filter_map(|of| match of.lever {
        LifeLever::Leak { limit_bytes, .. } => Some(RESTING_BYTES + limit_bytes),
        LifeLever::Crash { .. } => None,
    });
    limits.max()
}
