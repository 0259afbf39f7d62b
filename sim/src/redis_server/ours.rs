//! What a drill writes to its Redis, told apart from what others write there.
//!
//! Only what is on this list is ever removed. It is short enough to be kept, so that another process can remove what a
//! drill left that was killed: ids are drawn from the seed, and a task's payload says which it should have.

mod survey;

pub use survey::{Foreign, Survey};

use crate::owner::{self, Owner};
use crate::plan::{Arrivals, IdPattern, Plan, arrivals};
use crate::producer::{Payload, id_of, is_child, task_id};
use crate::redis_server::given::claim;
use firedrill_asynq::keys;
use firedrill_asynq::message::TaskMessage;
use firedrill_asynq::rng;
use rand::RngExt;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use uuid::Uuid;

/// The queue in which everything a drill needs of Redis is tried before it begins. No plan has it.
pub(crate) const PROBE_QUEUE: &str = "firedrill-probe";
/// Host of the servers and schedulers that are not of a worker.
pub(crate) const HOST: &str = "firedrill";
/// Most tasks that one life of a process makes out of groups, as far as we remember them.
const AGGREGATED_MAX: usize = 100_000;
/// Most lives of a process that are looked for.
const LIVES_MAX: u32 = 1_000;
/// Most tasks that are looked for by their number when their payload does not say which they are.
const TASKS_MAX: u64 = 50_000_000;

/// What one drill writes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ours {
    seed: u64,
    queues: Vec<String>,
    /// Worker processes.
    processes: Vec<String>,
    /// How often each may have been started.
    lives: u32,
    /// How many tasks each workload entry has.
    tasks: Vec<u64>,
    /// How the plan gives them their ids, where it does.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    ids: Vec<Option<IdPattern>>,
    /// How many of them are periodic.
    periodic: usize,
    /// Whether workers make tasks out of groups.
    aggregates: bool,
    /// Ids of tasks that steps put there with a message that nobody can decode.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    garbled: BTreeSet<String>,
    /// Whether handlers enqueue tasks: those say whose children they are, and their ids follow from that.
    #[serde(default)]
    enqueue: bool,
    /// Whether its queues and the servers of its processes are its own altogether, whatever is in them: those of a load, whose names
    /// nobody else had when it began.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    whole: bool,
    /// Whose servers there are beside those of the drill.
    #[serde(default, skip_serializing_if = "Guests::are_none")]
    guests: Guests,
}

/// Servers of workers of the team's own, which have names and ids that nobody knows before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Guests {
    /// None takes part: one that comes is a stranger's.
    #[default]
    None,
    /// They came with the drill, on this machine, and what they say of themselves goes when they have ended.
    Come,
    /// They were there before and stay: what they say of themselves is let be.
    Stay,
}

impl Guests {
    fn are_none(&self) -> bool {
        *self == Self::None
    }
}

impl Ours {
    /// What a drill of `plan` writes.
    #[must_use]
    pub fn of(plan: &Plan) -> Self {
        let tasks = (0..plan.workload.len()).map(|index| arrivals(plan, index).count());
        let periodic = plan
            .workload
            .iter()
            .filter(|task| matches!(task.arrivals, Arrivals::Cron { .. }));
        // Each step starts a process once at most, be it a fault that ends or a remedy of its own.
        let steps = plan.timeline.len() + plan.remedies.len();
        let steps = u32::try_from(steps).unwrap_or(u32::MAX);
        // Whoever is started again after each death may be so every second.
        let restarts = plan.workers.iter().filter_map(|worker| worker.restart);
        let most = restarts.map(|restart| plan.duration_ms / restart.backoff_ms.max(1_000));
        let again = most.max().unwrap_or(0);
        let again = u32::try_from(again).unwrap_or(u32::MAX);
        Self {
            seed: plan.seed,
            queues: plan.queues.iter().map(|queue| queue.name.clone()).collect(),
            processes: plan.processes().into_iter().map(|(name, _)| name).collect(),
            lives: steps.saturating_add(1).saturating_add(again),
            tasks: tasks.map(|count| count as u64).collect(),
            ids: match plan.workload.iter().any(|task| task.task_id.is_some()) {
                true => plan
                    .workload
                    .iter()
                    .map(|task| task.task_id.clone())
                    .collect(),
                false => Vec::new(),
            },
            periodic: periodic.count(),
            enqueue: plan.has_children(),
            aggregates: plan.workers.iter().any(|worker| worker.groups.is_some()),
            garbled: plan.all_garbled_ids(),
            whole: false,
            guests: Guests::None,
        }
    }

    /// The same where people take part, who may end a process, each so long after the last, as often as the drill lasts.
    #[must_use]
    pub fn with_people(mut self, plan: &Plan, each_ms: i64) -> Self {
        let more = u32::try_from(plan.duration_ms / each_ms.max(1)).unwrap_or(u32::MAX);
        self.lives = self.lives.saturating_add(more);
        self
    }

    /// What a load of `plan` writes: whatever there is in its queues. They may be beside those of others. `taken`: they are those of
    /// others, and none of what is in them is its own.
    #[must_use]
    pub fn of_load(plan: &Plan, taken: bool) -> Self {
        let own = plan.queues.iter().filter(|_| !taken);
        Self {
            seed: plan.seed,
            queues: own.map(|queue| queue.name.clone()).collect(),
            processes: plan.processes().into_iter().map(|(name, _)| name).collect(),
            lives: 1,
            tasks: Vec::new(),
            ids: Vec::new(),
            periodic: 0,
            aggregates: false,
            garbled: BTreeSet::new(),
            enqueue: false,
            whole: true,
            guests: Guests::None,
        }
    }

    /// The same, where workers are the team's own: what servers there are are theirs. `stay`: they are there before the drill and
    /// after it.
    #[must_use]
    pub fn with_guests(self, stay: bool) -> Self {
        Self {
            guests: if stay { Guests::Stay } else { Guests::Come },
            ..self
        }
    }

    /// Whether a database with nothing but these keys is empty for it: what workers say of themselves that were there before.
    pub(crate) fn are_of_guests(&self, keys: &BTreeSet<Vec<u8>>) -> bool {
        self.guests == Guests::Stay
            && keys
                .iter()
                .all(|key| is_presence(key) || key == claim::KEY.as_bytes())
    }

    /// Whether it may be beside what others have.
    #[must_use]
    pub(crate) fn is_beside_others(&self) -> bool {
        self.whole
    }

    /// Its queues.
    #[must_use]
    pub fn queues(&self) -> &[String] {
        &self.queues
    }

    /// How the tasks of a workload entry are given their ids, if they are.
    fn given_id(&self, workload: usize) -> Option<&IdPattern> {
        self.ids.get(workload)?.as_ref()
    }

    /// Whether a task with this id and message (`None`: its hash is gone) is the drill's. `known` remembers what had to be
    /// counted through.
    fn is_task(
        &self,
        id: &str,
        message: Option<&TaskMessage>,
        known: &mut Option<BTreeSet<Uuid>>,
    ) -> bool {
        if self.garbled.contains(id) {
            return true;
        }
        let payload = message.and_then(Payload::of);
        if let Some(payload) = &payload
            && self.enqueue
            && is_child(self.seed, self.tasks.len(), payload, id)
        {
            return true;
        }
        if let Some(Payload { workload, seq, .. }) = payload
            && self.tasks.get(workload).is_some_and(|count| seq < *count)
            && id_of(self.seed, self.given_id(workload), workload, seq) == id
        {
            return true;
        }
        let given = self.tasks.iter().enumerate();
        let mut given =
            given.filter_map(|(workload, count)| Some((self.given_id(workload)?, count)));
        if given.any(|(pattern, count)| {
            let distinct = pattern.distinct().unwrap_or(*count).min(*count);
            (0..distinct.min(TASKS_MAX)).any(|seq| pattern.of(seq) == id)
        }) {
            return true;
        }
        let Ok(id) = Uuid::parse_str(id) else {
            return false;
        };
        known.get_or_insert_with(|| self.every_id()).contains(&id)
    }

    /// The id of every task.
    fn every_id(&self) -> BTreeSet<Uuid> {
        let mut ids = BTreeSet::new();
        for (workload, count) in self.tasks.iter().enumerate() {
            let drawn = (0..(*count).min(TASKS_MAX)).map(|seq| task_id(self.seed, workload, seq));
            ids.extend(drawn.filter_map(|id| Uuid::parse_str(&id).ok()));
        }
        if self.aggregates {
            for stream in self.each_life("aggregated") {
                let mut dice = rng::stream(self.seed, &stream);
                let drawn = std::iter::repeat_with(|| drawn(&mut dice));
                ids.extend(drawn.take(AGGREGATED_MAX));
            }
        }
        ids
    }

    /// The servers' own ids.
    pub(crate) fn servers(&self) -> BTreeSet<Uuid> {
        let streams = self.each_life("id").into_iter();
        let mut drawn = streams.map(|stream| drawn(&mut rng::stream(self.seed, &stream)));
        let mut ids: BTreeSet<Uuid> = drawn.by_ref().collect();
        ids.insert(Uuid::nil());
        ids
    }

    /// The scheduler's own id, and the ids of its entries; and the same of one that runs beside it.
    fn schedulers(&self) -> BTreeSet<Uuid> {
        let mut dice = rng::stream(self.seed, "scheduler/ids");
        let drawn = std::iter::repeat_with(|| drawn(&mut dice));
        let mut ids: BTreeSet<Uuid> = drawn.take(2 * (self.periodic + 1)).collect();
        ids.insert(Uuid::nil());
        ids
    }

    /// Names of the streams that something of every life of every process is drawn from.
    fn each_life(&self, what: &str) -> Vec<String> {
        let lives = |process: &String| {
            (0..self.lives.min(LIVES_MAX))
                .map(move |life| format!("worker/{process}/{life}/{what}"))
                .collect::<Vec<_>>()
        };
        self.processes.iter().flat_map(lives).collect()
    }

    /// Whether `host:pid:id` is one of the drill's servers, or of what tries Redis before it.
    fn is_server(&self, name: &str, ids: &BTreeSet<Uuid>) -> bool {
        let Some((host, pid, id)) = parts(name) else {
            return false;
        };
        // Whoever goes on is a stranger's: those of the drill have ended by then.
        if self.guests == Guests::Come && host == owner::host() && Owner::of(pid).is_err() {
            return true;
        }
        let own_process = self.processes.iter().any(|process| process == host);
        (own_process && self.whole) || ((host == HOST || own_process) && ids.contains(&id))
    }

    /// Whether `host:pid:id` is the drill's scheduler.
    fn is_scheduler(name: &str, ids: &BTreeSet<Uuid>) -> bool {
        parts(name).is_some_and(|(host, _, id)| host == HOST && ids.contains(&id))
    }
}

/// Whether a key is what servers say of themselves.
fn is_presence(key: &[u8]) -> bool {
    [keys::SERVERS, keys::WORKERS].iter().any(|index| {
        let rest = key.strip_prefix(index.as_bytes());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b":{"))
    })
}

fn drawn(dice: &mut rand_chacha::ChaCha8Rng) -> Uuid {
    uuid::Builder::from_random_bytes(dice.random()).into_uuid()
}

/// The parts of `host:pid:id`.
fn parts(name: &str) -> Option<(&str, u32, Uuid)> {
    let (rest, id) = name.rsplit_once(':')?;
    let (host, pid) = rest.rsplit_once(':')?;
    Some((host, pid.parse().ok()?, Uuid::parse_str(id).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{PlanOptions, Scenario};
    use std::process::Command;

    #[test]
    fn what_is_left_of_started_workers_is_the_drills_and_what_goes_on_is_not() {
        let of = &crate::builtin::scenarios()[0];
        let scenario = Scenario::parse(of.name, of.text).unwrap();
        let plan = Plan::resolve(&scenario, &PlanOptions::default()).unwrap();
        let ours = Ours::of(&plan).with_guests(false);
        let ids = ours.servers();
        let (here, id) = (owner::host(), Uuid::from_u128(1));
        let is_ours = |host: &str, pid: u32| ours.is_server(&format!("{host}:{pid}:{id}"), &ids);
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        assert!(!is_ours(&here, child.id()));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(is_ours(&here, child.id()));
        // Nobody here knows what runs on another machine.
        assert!(!is_ours("elsewhere", child.id()));
        assert!(!ours.is_server("no name", &ids));
    }
}
