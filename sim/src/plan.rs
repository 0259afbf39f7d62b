//! A scenario as meant: every default filled, every check done, the seed applied.
//!
//! All times are virtual milliseconds since the start of the drill.

mod arrival_plan;
mod calls;
mod chain;
mod content;
mod demand;
mod draw;
mod exponential;
mod handled;
mod left_locks;
mod life;
mod load;
mod rates;
mod reach;
mod resource;
mod restart;
mod roster;
mod route;
mod served;
mod skew;
mod start;
mod targets;
mod trace;
mod written;

pub use arrival_plan::{Arrivals, Stage, State, TraceFile};
pub(crate) use chain::Births;
pub use chain::{Child, Then};
pub(crate) use content::MB;
pub use content::{IdPattern, PayloadSize, Unique};
pub use demand::{Demand, expected_tasks};
pub use draw::{Arrival, ArrivalTimes, Dice, Execution, arrivals};
pub use firedrill_asynq::retry_delay::RetryDelay;
pub(crate) use handled::TOXIC_BYTES;
pub use handled::{Ours, Part, TeamsOwn};
pub(crate) use left_locks::LeftLocks;
pub use life::Ailment;
pub(crate) use life::RESTING_BYTES;
pub use resource::{Per, ResourcePlan, Use};
pub(crate) use restart::Backoff;
pub use restart::RestartPlan;
pub use roster::{Roster, Select};
pub(crate) use roster::{Scale, name_of};
pub use route::Routes;
pub use skew::Skew;
pub use start::{Start, TimeOfDay};
pub use targets::TARGETS_FILE;
pub(crate) use targets::{EXPORTERS, Source, TargetPlan, exporters, targets};
pub use trace::{Recording, Run};

use crate::fault::Fault;
use crate::form::{
    Named, choice, count, duration, form, list, name, parsed, positive, share, span, text, truth,
    via, within,
};
use crate::lever::{Lever, LinkLever, ProcessLever, RedisLever};
use crate::remedy::Remedy;
use crate::world::World;
use content::{PayloadForm, UniqueForm};
use firedrill_asynq::actor::ErrorKind;
use firedrill_asynq::settings::{
    DEFAULT_MAX_RETRY, HEARTBEAT_INTERVAL_MS, SHUTDOWN_TIMEOUT_MS, TASK_CHECK_INTERVAL_MS,
};
use firedrill_reports::gate::Gate;
use firedrill_reports::record::Wanted;
use serde::{Deserialize, Serialize};
use served::Served;
use std::collections::BTreeMap;
use written::{ArrivalsForm, RetryForm, ServiceForm};

/// What a process gets beyond its graceful shutdown before it is killed.
const STOP_SLACK_MS: i64 = 500;

/// The producer, among the clients of Redis.
pub const PRODUCER: &str = "producer";

/// 95th percentile of the standard normal distribution.
const Z95: f64 = 1.644_853_626_951_472_2;

/// What one drill is going to do. Plain data: handed to worker processes and printed for people.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Scenario name.
    pub name: String,
    /// A cause of the runbook's table, `other`, or `benign`.
    pub family: String,
    /// One sentence for people.
    pub summary: String,
    /// Seed of every random stream.
    pub seed: u64,
    /// When in the week it starts.
    #[serde(default)]
    pub starts: Start,
    /// Length.
    pub duration_ms: i64,
    /// Episodes that start before this are not scored.
    pub warmup_ms: i64,
    /// Queues, by name.
    pub queues: Vec<QueuePlan>,
    /// What handlers share, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<ResourcePlan>,
    /// What is enqueued.
    pub workload: Vec<TaskPlan>,
    /// Who works.
    pub workers: Vec<WorkerPlan>,
    /// Scrape interval.
    pub scrape_interval_ms: i64,
    /// Scrape timeout.
    pub scrape_timeout_ms: i64,
    /// Whether the producer is scraped, too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub producer_metrics: bool,
    /// What Prometheus sees of all this.
    #[serde(default, skip_serializing_if = "World::is_default")]
    pub world: World,
    /// Default evaluation interval of rule groups.
    pub evaluation_interval_ms: i64,
    /// Where in the interval the evaluations fall; drawn from the seed, as Prometheus' is from a hash.
    pub evaluation_phase_ms: i64,
    /// Faults, by time.
    pub timeline: Vec<Step>,
    /// Remedies of their own, by time.
    #[serde(default)]
    pub remedies: Vec<RemedyStep>,
    /// Ground truth.
    pub incidents: Vec<Incident>,
    /// Windows in which every page is a false alarm.
    pub benign: Vec<Window>,
    /// What its drills must come to, beyond what every drill must.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gates: Vec<Gate>,
}

form! {
    /// A queue.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct QueuePlan: "queue" {
        /// Name.
        pub name: String = name(), outside String::new();
        /// asynq's priority: how often workers look here first, as against other queues.
        pub priority: u32 = count(1..=1_000), default 1;
        /// Longest wait from enqueue to first start that users do not mind; a longer one harms them.
        pub wait_objective_ms as "wait_objective": i64 = positive(), default 60_000;
    }
}

impl Named for QueuePlan {
    fn name(&self) -> &str {
        &self.name
    }

    fn named(self, name: String) -> Self {
        Self { name, ..self }
    }
}

/// asynq's default timeout of a task.
const TIMEOUT_MS: i64 = 30 * 60 * 1_000;

form! {
    /// One kind of task and how it comes and behaves.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct TaskPlan: "workload entry" [block] {
        /// Task type.
        pub task: String = name(), required;
        /// Its queue.
        pub queue: String = text(), required;
        /// When it is enqueued: always open loop, whatever the system does. `none`: by handlers alone, see `then`.
        pub arrivals: Arrivals = via::<ArrivalsForm, Arrivals>(), default Arrivals::None;
        /// How long its handler works.
        pub service: Service = via::<ServiceForm, Service>(), required;
        /// asynq's `MaxRetry`.
        pub max_retry: u32 = count(0..=10_000), default u32::try_from(DEFAULT_MAX_RETRY).unwrap_or(0);
        /// asynq's `Timeout`, in whole seconds.
        // asynq takes less than a second for "not given".
        pub timeout_ms as "timeout": i64 = positive().at_least(1_000, "1s"), default TIMEOUT_MS;
        /// Share of executions that fail anyway.
        pub fail_share as "fail": f64 = share(), default 0.0;
        /// What the error of those asks for: a retry (`failure`), the archive (`skip_retry`), to be forgotten (`revoke`), or a retry
        /// that does not count (`not_a_failure`), without end.
        #[serde(default)]
        pub fail_as: ErrorKind = choice(ErrorKind::ALL.map(|kind| (kind.name(), kind))), quiet ErrorKind::Failure;
        /// asynq's `ProcessIn`.
        #[serde(default)]
        pub delay_ms as "delay": i64 = duration(), quiet 0;
        /// asynq's `Deadline`, counted from the arrival.
        #[serde(default)]
        pub deadline_ms as "deadline": Option<i64> = positive(), optional;
        /// asynq's `Retention`.
        #[serde(default)]
        pub retention_ms as "retention": i64 = duration(), quiet 0;
        /// What its handler writes as the task's result.
        #[serde(default)]
        pub result: Option<String> = text(), optional;
        /// asynq's `TaskID`. `{n}` stands for the arrival's number, `{n % 12}` for its remainder, so that ids come again.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub task_id: Option<IdPattern> = parsed::<IdPattern>("task id"), optional;
        /// asynq's `Unique`: how long its lock is held at most, and how many distinct payloads there are.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub unique: Option<Unique> = via::<UniqueForm, Unique>(), optional;
        /// asynq's `Group`. Tasks stay in it: no worker may aggregate the groups of this queue.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub group: Option<String> = name(), optional;
        /// How large its payload is; a few bytes where it is left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub payload: Option<PayloadSize> = via::<PayloadForm, PayloadSize>(), optional;
        /// How much longer its handler works for each MB of the payload.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub service_per_mb_ms as "service_per_mb": Option<f64> = span(), optional;
        /// What its handler needs before it works, one after the other: it waits for each and holds it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub uses: Vec<Use> = list("use", within::<Use>()), if_any;
        /// What its handler enqueues when it has succeeded.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub then: Vec<Then> = list("then", within::<Then>()), if_any;
    }
}

/// How long a handler works.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Service {
    /// `exp(mu + sigma * N(0, 1))` seconds.
    Lognormal {
        /// Mean of the logarithm of seconds.
        mu: f64,
        /// Standard deviation of the logarithm.
        sigma: f64,
    },
    /// Exponential.
    Exponential {
        /// Mean.
        mean_ms: f64,
    },
    /// Always the same.
    Constant {
        /// How long.
        ms: f64,
    },
}

impl Service {
    /// Lognormal, by mean and 95th percentile in seconds; `None`: no such distribution has them.
    pub(crate) fn lognormal(mean: f64, p95: f64) -> Option<Self> {
        let (mu, sigma) = content::lognormal(mean, p95)?;
        Some(Self::Lognormal { mu, sigma })
    }
}

form! {
    /// Worker processes of one kind.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct WorkerPlan: "worker" [block] {
        /// Name; the processes are `NAME-0`, `NAME-1`, ...
        pub name: String = name(), required;
        /// How many processes.
        pub processes: u32 = count(1..=64), default 1;
        /// Slots of each.
        pub concurrency: u32 = count(1..=100_000), required;
        /// Queues served; all where it is left out.
        pub queues: Vec<(String, u32)> = Served, filled Vec::new();
        /// asynq's `StrictPriority`.
        pub strict_priority: bool = truth(), default false;
        /// asynq's `ShutdownTimeout`.
        pub shutdown_timeout_ms as "shutdown_timeout": i64 = duration(), default SHUTDOWN_TIMEOUT_MS;
        /// asynq's `TaskCheckInterval`.
        pub task_check_interval_ms as "task_check_interval": i64 = positive(), default TASK_CHECK_INTERVAL_MS;
        /// asynq's `RetryDelayFunc`.
        pub retry_delay: RetryDelay = via::<RetryForm, RetryDelay>(), default RetryDelay::Default;
        /// Whether and when groups are aggregated; live only.
        #[serde(default)]
        pub groups: Option<GroupPlan> = within::<GroupPlan>(), optional;
        /// Whether an orchestrator starts processes again that have died by themselves, and when: a crash, not `worker.kill`; left out,
        /// they stay down until somebody starts them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub restart: Option<RestartPlan> = within::<RestartPlan>(), optional;
    }
}

/// asynq's `GroupGracePeriod`.
const GRACE_PERIOD_MS: i64 = 60_000;

form! {
    /// How a server aggregates the tasks of groups.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct GroupPlan: "groups" {
        /// asynq's `GroupGracePeriod`.
        // Less, and asynq panics.
        pub grace_period_ms as "grace_period": i64 = positive().at_least(1_000, "1s"), default GRACE_PERIOD_MS;
        /// asynq's `GroupMaxDelay`, 0 = none.
        pub max_delay_ms as "max_delay": i64 = duration(), default 0;
        /// asynq's `GroupMaxSize`, 0 = none.
        pub max_size: u32 = count(0..=100_000), default 0;
        /// Type of the task that takes their place.
        pub into: String = name(), required;
    }
}

/// A fault, when, on what, and how it ends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Its name, unique in the plan.
    pub id: String,
    /// When it begins.
    pub at_ms: i64,
    /// What is done.
    pub fault: Fault,
    /// Who it is done to, as written; `None`: that was left out, or is not a choice.
    #[serde(default)]
    pub select: Option<Select>,
    /// The processes, clients or targets that are meant by that when it is due; empty where that is not a choice.
    pub targets: Vec<String>,
    /// How it ends; `None`: with the drill.
    pub until: Option<Until>,
}

/// A remedy of its own, when and on what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemedyStep {
    /// Its name, unique in the plan.
    pub id: String,
    /// When it is done.
    pub at_ms: i64,
    /// What is done.
    pub remedy: Remedy,
    /// Who it is done to, as written; `None`: that is not a choice.
    #[serde(default)]
    pub select: Option<Select>,
    /// The processes that are meant by that when it is due; empty where that is not a choice.
    pub targets: Vec<String>,
}

impl Step {
    /// Whether the fault is on at `at_ms`, as planned.
    #[must_use]
    pub fn is_on(&self, at_ms: i64) -> bool {
        at_ms >= self.at_ms && self.until.as_ref().is_none_or(|until| at_ms < until.at_ms)
    }
}

/// The end of a fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Until {
    /// When.
    pub at_ms: i64,
    /// What an operator does; `None`: the fault ends by itself.
    pub remedy: Option<Remedy>,
    /// The remedy of its own that does it; `None`: it is written beside the fault.
    #[serde(default)]
    pub by: Option<String>,
}

/// An incident: ground truth for scoring.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Incident {
    /// Cause.
    pub cause: String,
    /// Which class of alert it deserves.
    pub wanted: Wanted,
    /// The step that is behind it: when that happens earlier or later than planned, so does the incident. `None`: its
    /// times stand as they are.
    #[serde(default)]
    pub step: Option<String>,
    /// Start, at or after the step's.
    pub at_ms: i64,
    /// End.
    pub until_ms: i64,
    /// Latest good detection.
    pub deadline_ms: i64,
}

/// A harmless window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// What happens.
    pub what: String,
    /// Start.
    pub at_ms: i64,
    /// End.
    pub until_ms: i64,
}

impl WorkerPlan {
    /// Names of the queues it serves.
    pub(crate) fn serves(&self) -> impl Iterator<Item = &str> {
        self.queues.iter().map(|(queue, _)| queue.as_str())
    }
}

impl Plan {
    /// Whether a remedy of the plan changes tasks by hand.
    #[must_use]
    pub(crate) fn changes_tasks(&self) -> bool {
        let ends = self.timeline.iter().filter_map(|step| step.until.as_ref());
        let remedies = ends.filter_map(|until| until.remedy.as_ref());
        let own = self.remedies.iter().map(|step| &step.remedy);
        let is_of_tasks = |name: &str| name.starts_with("task") || name.starts_with("orphans");
        own.chain(remedies).any(|remedy| is_of_tasks(remedy.name()))
    }

    /// The same, where people have ended these steps earlier: by index, when. Incidents that last as long as their step end with it.
    #[must_use]
    pub(crate) fn mended(&self, steps: &BTreeMap<usize, i64>) -> Self {
        let mut plan = self.clone();
        for (index, at_ms) in steps {
            let Some(step) = plan.timeline.get_mut(*index) else {
                continue;
            };
            let planned_ms = step.until.as_ref().map(|until| until.at_ms);
            match &mut step.until {
                Some(until) => until.at_ms = until.at_ms.min(*at_ms),
                None => {
                    step.until = Some(Until {
                        at_ms: *at_ms,
                        remedy: None,
                        by: None,
                    });
                }
            }
            let id = step.id.clone();
            let of_step = |incident: &&mut Incident| incident.step.as_ref() == Some(&id);
            for incident in plan.incidents.iter_mut().filter(of_step) {
                let beyond_ms = planned_ms.map_or(0, |ms| (incident.until_ms - ms).max(0));
                let over_ms = at_ms.saturating_add(beyond_ms).max(incident.at_ms);
                incident.until_ms = incident.until_ms.min(over_ms);
            }
        }
        plan
    }

    /// Every worker process there ever is, with a number that stays its own: its name and what it is.
    #[must_use]
    pub fn processes(&self) -> Vec<(String, &WorkerPlan)> {
        let names = |worker: &WorkerPlan| {
            let most = self.most_processes(worker);
            (0..most)
                .map(|n| name_of(&worker.name, n))
                .collect::<Vec<_>>()
        };
        self.workers
            .iter()
            .flat_map(|worker| names(worker).into_iter().map(move |name| (name, worker)))
            .collect()
    }

    /// Whether a process that is started at `at_ms` comes up: without Redis, or a way to it, it does not, as asynq's does not.
    pub(crate) fn comes_up(&self, process: &str, at_ms: i64) -> bool {
        let prevents = |step: &&Step| match step.fault.begin() {
            Lever::Redis(RedisLever::Kill { .. } | RedisLever::Stop) => true,
            Lever::Link(LinkLever::Drop { .. } | LinkLever::Reset) => {
                step.targets.iter().any(|target| target == process)
            }
            _ => false,
        };
        let mut on = self.timeline.iter().filter(|step| step.is_on(at_ms));
        !on.any(|step| prevents(&step))
    }

    /// Whether a process is there when the drill begins; the others come when their group is scaled.
    #[must_use]
    pub fn is_there_at_start(&self, process: &str) -> bool {
        Roster::at(&self.workers, &[], 0).has(process)
    }

    /// Most processes that a group ever has.
    fn most_processes(&self, worker: &WorkerPlan) -> u32 {
        let scaled = self.remedies.iter().filter_map(|step| step.remedy.scale());
        let to = scaled.filter(|(name, _)| *name == worker.name);
        to.map(|(_, to)| to).fold(worker.processes, u32::max)
    }

    /// The step of the timeline with this id.
    #[must_use]
    pub fn step(&self, id: &str) -> Option<&Step> {
        self.timeline.iter().find(|step| step.id == id)
    }

    /// How long processes may take to go when a lever asks them to, virtual milliseconds; 0 where it does not.
    pub(crate) fn longest_grace_ms(&self, lever: &Lever) -> i64 {
        let timeouts = self.workers.iter().map(|worker| worker.shutdown_timeout_ms);
        let longest_ms = timeouts.max().unwrap_or(0);
        match lever {
            Lever::Process(ProcessLever::Terminate { grace_ms }) => {
                grace_ms.unwrap_or(longest_ms) + STOP_SLACK_MS
            }
            // They say so with their next heartbeat.
            Lever::Process(ProcessLever::Quiet) => 2 * HEARTBEAT_INTERVAL_MS,
            Lever::Process(ProcessLever::Deploy { .. }) => longest_ms + STOP_SLACK_MS,
            _ => 0,
        }
    }
}
