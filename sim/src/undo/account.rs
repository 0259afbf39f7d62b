//! What pulling a lever means for the journal: what it owes from then on, and what it settles.

use super::{Setting, Undo, Where};
use crate::kubernetes::DeploymentId;
use crate::lever::{Lever, LifeLever, LinkLever, ProcessLever, QueueLever, RedisLever};
use crate::owner::Owner;
use crate::redis_server::docker::guest::{GuestId, MemoryLimit};
use crate::toxiproxy::ProxyId;
use std::collections::{BTreeMap, BTreeSet};

/// What pulling a lever means for the journal.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// What will have to be undone from then on. To be written down before.
    pub owes: Vec<Undo>,
    /// What it undoes, or what needs no undoing once it was pulled.
    pub pays: Vec<Undo>,
}

/// What there is to know when a lever is about to be pulled.
#[derive(Debug)]
pub struct Facts {
    /// The living processes that it is pulled on.
    pub processes: Vec<Owner>,
    /// The containers of the team's that it is pulled on, whether they run or not.
    pub guests: Vec<Ran>,
    /// The proxy of the team's that they go through.
    pub proxy: Option<ProxyId>,
    /// How much memory those of them may take that get less.
    pub limits: Vec<(GuestId, MemoryLimit)>,
    /// The deployment of the team's whose pods they are.
    pub replicated: Option<Replicated>,
    /// The drill's Redis.
    pub redis: Where,
    /// Its process, if that is ours and runs.
    pub server: Option<Owner>,
    /// Its `maxmemory`.
    pub maxmemory: String,
}

/// A container of the team's, and when it was started last.
#[derive(Debug, Clone)]
pub struct Ran {
    /// Which one.
    pub container: GuestId,
    /// When, as Docker says, if it does.
    pub started: Option<String>,
}

/// A deployment of the team's when a lever is about to be pulled on its pods.
#[derive(Debug)]
pub struct Replicated {
    /// Which one.
    pub deployment: DeploymentId,
    /// How many pods it wanted before the drill.
    pub replicas: u32,
    /// The image of each of its containers before the drill, by name.
    pub images: BTreeMap<String, String>,
    /// Whether it wants as many again once the lever was pulled.
    pub is_whole_then: bool,
}

impl Account {
    /// Of a lever that is about to be pulled.
    #[must_use]
    pub fn of(lever: &Lever, mut facts: Facts) -> Self {
        let mut of_guests = Self::of_guests(lever, &std::mem::take(&mut facts.guests));
        let limits = std::mem::take(&mut facts.limits).into_iter();
        let limits = limits.map(|(container, limit)| Undo::Memory {
            container,
            limit,
            left: None,
        });
        of_guests.owes.extend(limits);
        let of_pods = facts.replicated.take().map(|of| Self::of_pods(lever, of));
        let of_pods = of_pods.unwrap_or_default();
        let Self { owes, pays } = Self::of_ours(lever, facts);
        Self {
            owes: [owes, of_guests.owes, of_pods.owes].concat(),
            pays: [pays, of_guests.pays, of_pods.pays].concat(),
        }
    }

    /// Of what it does to a deployment of the team's: it wants as many pods in the end as it did, of the release that it had. Who scales it
    /// writes down from how many to how many.
    fn of_pods(lever: &Lever, of: Replicated) -> Self {
        let Replicated {
            deployment,
            replicas,
            images,
            is_whole_then,
        } = of;
        let scaled = Undo::Replicas {
            deployment: deployment.clone(),
            replicas,
            left: BTreeSet::new(),
        };
        let released = Undo::Images { deployment, images };
        let back = |undo: Undo, is_back: bool| Self {
            pays: is_back.then(|| undo.clone()).into_iter().collect(),
            owes: vec![undo],
        };
        match lever {
            Lever::Process(
                ProcessLever::Kill | ProcessLever::Terminate { .. } | ProcessLever::Restart,
            )
            | Lever::Members { .. } => Self {
                owes: Vec::new(),
                pays: is_whole_then.then_some(scaled).into_iter().collect(),
            },
            Lever::Process(ProcessLever::Deploy { boots }) => back(released, *boots),
            // Nothing else is done to them.
            _ => Self::default(),
        }
    }

    /// Of what it does to containers of the team's: they are left as they were found, running.
    fn of_guests(lever: &Lever, guests: &[Ran]) -> Self {
        let thaw = |ran: &Ran| Undo::Thaw {
            container: ran.container.clone(),
            started: ran.started.clone(),
        };
        let start = |ran: &Ran| Undo::StartContainer {
            container: ran.container.clone(),
            started: ran.started.clone(),
        };
        let thawed: Vec<Undo> = guests.iter().map(thaw).collect();
        let started: Vec<Undo> = guests.iter().map(start).collect();
        let (owes, pays) = match lever {
            Lever::Process(ProcessLever::Stop) => (thawed, Vec::new()),
            Lever::Process(ProcessLever::Continue) => (Vec::new(), thawed),
            Lever::Process(ProcessLever::Kill | ProcessLever::Terminate { .. }) => {
                (started, thawed)
            }
            // One that dies of it is started again.
            Lever::Life(LifeLever::Leak { .. }) => (started, Vec::new()),
            // It is down for a moment, and nobody else would start it.
            Lever::Process(ProcessLever::Restart) => (started.clone(), [started, thawed].concat()),
            // Nothing else is done to them.
            _ => (Vec::new(), Vec::new()),
        };
        Self { owes, pays }
    }

    /// Of what it does to what is the drill's own.
    fn of_ours(lever: &Lever, facts: Facts) -> Self {
        let Facts {
            processes,
            guests: _,
            proxy,
            limits: _,
            replicated: _,
            redis,
            server,
            maxmemory,
        } = facts;
        let go_on = |processes: Vec<Owner>| -> Vec<Undo> {
            let each = processes.into_iter();
            each.map(|process| Undo::Continue { process }).collect()
        };
        let are_gone = |processes: Vec<Owner>| -> Vec<Undo> {
            let ended = processes.iter().cloned();
            let ended: Vec<Undo> = ended.map(|process| Undo::End { process }).collect();
            [ended, go_on(processes)].concat()
        };
        let owes = |owes| Self {
            owes,
            pays: Vec::new(),
        };
        let pays = |pays| Self {
            owes: Vec::new(),
            pays,
        };
        let memory = Undo::Setting {
            redis: redis.clone(),
            setting: Setting::Maxmemory,
            value: maxmemory,
        };
        let server: Vec<Owner> = server.into_iter().collect();
        match lever {
            // They are in processes of ours, and go with them; who was started is noted when it is there.
            Lever::Handler(_)
            | Lever::Resource { .. }
            | Lever::Clock(_)
            | Lever::Life(_)
            | Lever::Load(_)
            | Lever::Again { .. }
            | Lever::Point(_)
            | Lever::Scrape { .. }
            | Lever::Exporters { .. }
            | Lever::SlowScrapes { .. }
            | Lever::Process(ProcessLever::Quiet) => Self::default(),
            // Links of ours go with us; the team's proxy does not.
            Lever::Link(what) => {
                let toxics = proxy.into_iter().map(|proxy| Undo::Toxics { proxy });
                match what {
                    LinkLever::Heal => pays(toxics.collect()),
                    _ => owes(toxics.collect()),
                }
            }
            Lever::Process(ProcessLever::Stop | ProcessLever::Throttle { .. }) => {
                owes(go_on(processes))
            }
            Lever::Process(ProcessLever::Continue | ProcessLever::Unthrottle) => {
                pays(go_on(processes))
            }
            Lever::Process(
                ProcessLever::Kill
                | ProcessLever::Terminate { .. }
                | ProcessLever::Restart
                | ProcessLever::Deploy { .. },
            )
            | Lever::Members { .. } => pays(are_gone(processes)),
            Lever::Redis(RedisLever::Stop) => owes(go_on(server)),
            Lever::Redis(RedisLever::Continue) => pays(go_on(server)),
            Lever::Redis(
                RedisLever::Kill { .. }
                | RedisLever::Start { .. }
                | RedisLever::Restore
                | RedisLever::LosePrimary,
            ) => pays(are_gone(server)),
            Lever::Redis(RedisLever::Fill | RedisLever::Limit { .. }) => owes(vec![memory]),
            Lever::Redis(RedisLever::Drain) => pays(vec![memory]),
            // What became of tasks is not undone: they are the drill's, and go with its keys.
            Lever::Tasks { .. } | Lever::Locks { .. } => Self::default(),
            // Done to the drill's own alone, and gone with it.
            Lever::Redis(
                RedisLever::Demote
                | RedisLever::Promote
                | RedisLever::Raise { .. }
                | RedisLever::FlushScripts
                | RedisLever::LookForScripts
                | RedisLever::LimitClients { .. }
                | RedisLever::AdmitClients
                | RedisLever::Deny(_)
                | RedisLever::Allow
                | RedisLever::RunScript
                | RedisLever::KillScript
                | RedisLever::Snapshot
                | RedisLever::Look
                | RedisLever::LagReplica
                | RedisLever::PromoteReplica,
            ) => Self::default(),
            Lever::Queue { queue, what } => {
                let queue = queue.clone();
                let unpause = vec![Undo::Unpause { redis, queue }];
                match what {
                    QueueLever::Pause => owes(unpause),
                    QueueLever::Unpause => pays(unpause),
                    // Done to the drill's own alone, and gone with it.
                    QueueLever::LoseLeases | QueueLever::Garble { .. } => Self::default(),
                }
            }
        }
    }
}
