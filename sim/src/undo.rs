//! What undoes what a drill does, as data: written down before it is done, so that whoever comes later can undo it.
//!
//! Each drill has a [`Home`], a directory of its own with a [`Journal`] in it. The end of a drill, `firedrill clean` and the
//! [`reaper`](crate::reaper) undo what is open there, the newest first, in one way; doing it twice does no harm.

mod home;
mod journal;

pub use home::{Home, clear, end_processes};
pub use journal::{Journal, JournalError, Open, read};

use crate::files::shown;
use crate::kubernetes::{self, DeploymentId};
use crate::lever::{Lever, LifeLever, LinkLever, ProcessLever, QueueLever, RedisLever};
use crate::owner::{Fate, Owner};
use crate::pidfd;
use crate::redis_server::docker::guest::{self, GuestId, MemoryLimit};
use crate::redis_server::docker::{self, ContainerName};
use crate::toxiproxy::{self, ProxyId};
use firedrill_detector::text::printable;
use rustix::process::Signal;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::SystemTime;

/// How often it is looked whether a process has left something in its group.
const GROUP_LOOKS: usize = 100;

/// Something that undoes what a drill has done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Undo {
    /// A process that the drill has started ends, and what it has started in its process group.
    End {
        /// Which one.
        process: Owner,
    },
    /// A process that the drill has stopped goes on.
    Continue {
        /// Which one.
        process: Owner,
    },
    /// A queue is no longer paused.
    Unpause {
        /// In which Redis.
        redis: Where,
        /// Its name.
        queue: String,
    },
    /// A setting has the value that it had.
    Setting {
        /// Of which Redis.
        redis: Where,
        /// Which one.
        setting: Setting,
        /// The value, as Redis told it.
        value: String,
    },
    /// A container with the drill's Redis goes.
    Container {
        /// Its name.
        name: ContainerName,
    },
    /// A container of the team's that the drill has frozen goes on.
    Thaw {
        /// Which one.
        container: GuestId,
    },
    /// A container of the team's that the drill has ended is started.
    StartContainer {
        /// Which one.
        container: GuestId,
    },
    /// What the drill has had a Toxiproxy do ends.
    Toxics {
        /// Which of its proxies.
        proxy: ProxyId,
    },
    /// A container of the team's may take as much memory as it might.
    Memory {
        /// Which one.
        container: GuestId,
        /// How much.
        limit: MemoryLimit,
    },
    /// A deployment of the team's wants as many pods as it did.
    Replicas {
        /// Which one.
        deployment: DeploymentId,
        /// How many.
        replicas: u32,
    },
    /// A deployment of the team's has the release that it had.
    Images {
        /// Which one.
        deployment: DeploymentId,
        /// The image of each of its containers, by name.
        images: BTreeMap<String, String>,
    },
    /// The file that told a Prometheus beside the drill where its targets are goes.
    TargetsFile {
        /// The file.
        path: PathBuf,
    },
}

/// A Redis that something was done to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Where {
    /// The drill's own: what was done to it goes with it.
    Own,
    /// One that was given, by the token of the drill's claim on it.
    Given(String),
}

/// Settings of Redis that drills change. There is no word for any other, so that a journal cannot ask for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Setting {
    /// `maxmemory`, bytes.
    Maxmemory,
}

impl Setting {
    /// As Redis calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Maxmemory => "maxmemory",
        }
    }
}

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
    pub guests: Vec<GuestId>,
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
        let limits = limits.map(|(container, limit)| Undo::Memory { container, limit });
        of_guests.owes.extend(limits);
        let of_pods = facts.replicated.take().map(|of| Self::of_pods(lever, of));
        let of_pods = of_pods.unwrap_or_default();
        let Self { owes, pays } = Self::of_ours(lever, facts);
        Self {
            owes: [owes, of_guests.owes, of_pods.owes].concat(),
            pays: [pays, of_guests.pays, of_pods.pays].concat(),
        }
    }

    /// Of what it does to a deployment of the team's: it wants as many pods in the end as it did, of the release that it had.
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
            | Lever::Members { .. } => back(scaled, is_whole_then),
            Lever::Process(ProcessLever::Deploy { boots }) => back(released, *boots),
            // Nothing else is done to them.
            _ => Self::default(),
        }
    }

    /// Of what it does to containers of the team's: they are left as they were found, running.
    fn of_guests(lever: &Lever, guests: &[GuestId]) -> Self {
        let thaw = |container: &GuestId| Undo::Thaw {
            container: container.clone(),
        };
        let start = |container: &GuestId| Undo::StartContainer {
            container: container.clone(),
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

impl Undo {
    /// The token of the claim on the Redis that was given, if it is to be done there.
    #[must_use]
    pub fn given(&self) -> Option<&str> {
        match self {
            Self::Unpause { redis, .. } | Self::Setting { redis, .. } => match redis {
                Where::Own => None,
                Where::Given(token) => Some(token),
            },
            Self::End { .. }
            | Self::Continue { .. }
            | Self::Container { .. }
            | Self::Thaw { .. }
            | Self::StartContainer { .. }
            | Self::Toxics { .. }
            | Self::Memory { .. }
            | Self::Replicas { .. }
            | Self::Images { .. }
            | Self::TargetsFile { .. } => None,
        }
    }

    /// Whether both undo the same. What a setting or a limit is set back to is known by the first that changed it.
    fn is_as(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Memory { container, .. }, Self::Memory { container: of, .. }) => container == of,
            (
                Self::Setting { redis, setting, .. },
                Self::Setting {
                    redis: of,
                    setting: other,
                    ..
                },
            ) => (redis, setting) == (of, other),
            _ => self == other,
        }
    }

    /// Does it, where it is to be done on this machine. `owner` is the firedrill whose journal it is from: no process that
    /// it cannot have started is touched.
    fn here(&self, owner: &Owner) -> io::Result<()> {
        match self {
            Self::End { process } => {
                pidfd::end(process.pid(), || is_ours(process, owner))?;
                end_group(process, owner)
            }
            Self::Continue { process } => {
                let sent = pidfd::send(process.pid(), Signal::CONT, || is_ours(process, owner));
                sent.map(drop)
            }
            Self::Container { name } => docker::remove(name),
            Self::Thaw { container } => guest::undo("unpause", container),
            Self::StartContainer { container } => guest::undo("start", container),
            Self::Toxics { proxy } => toxiproxy::undo(proxy),
            Self::Memory { container, limit } => guest::set_memory_back(container, *limit),
            Self::Replicas {
                deployment,
                replicas,
            } => kubernetes::set_replicas_back(deployment, *replicas),
            Self::Images { deployment, images } => kubernetes::set_images_back(deployment, images),
            Self::TargetsFile { path } => remove_targets(path),
            // With the server that it was done to, or by whoever cleans the one that was given.
            Self::Unpause { .. } | Self::Setting { .. } => Ok(()),
        }
    }
}

/// As an order, for people.
impl fmt::Display for Undo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::End { process } => write!(f, "end process {}", process.pid()),
            Self::Continue { process } => write!(f, "let process {} go on", process.pid()),
            Self::Unpause { queue, .. } => write!(f, "unpause queue {}", printable(queue)),
            Self::Setting { setting, value, .. } => {
                let (name, value) = (setting.name(), printable(value));
                write!(f, "set {name} of Redis back to {value}")
            }
            Self::Container { name } => write!(f, "remove container {name}"),
            Self::Thaw { container } => write!(f, "let container {container} go on"),
            Self::StartContainer { container } => write!(f, "start container {container}"),
            Self::Toxics { proxy } => write!(f, "remove toxics of proxy {proxy}"),
            Self::Memory { container, .. } => {
                write!(f, "give container {container} its memory back")
            }
            Self::Replicas {
                deployment,
                replicas,
            } => write!(f, "scale {deployment} back to {replicas}"),
            Self::Images { deployment, .. } => write!(f, "give {deployment} its image back"),
            Self::TargetsFile { path } => write!(f, "remove {}", shown(path)),
        }
    }
}

/// Whether a process is the one that is meant, of our user, and no older than the firedrill that is said to have started it.
fn is_ours(process: &Owner, owner: &Owner) -> bool {
    let user = fs::metadata(format!("/proc/{}", process.pid())).map(|meta| meta.uid());
    process.can_be_child_of(owner)
        && process.fate(SystemTime::now()) == Fate::Runs
        && user.is_ok_and(|user| user == rustix::process::geteuid().as_raw())
}

/// Ends what a process that is gone has left in its group, as long as there is any: some may be starting others. `owner` is the firedrill
/// that has started it.
///
/// # Errors
/// When the system refuses, or one does not end.
pub(crate) fn end_group(leader: &Owner, owner: &Owner) -> io::Result<()> {
    for _ in 0..GROUP_LOOKS {
        let mut left = leader.group();
        left.retain(|process| is_ours(process, owner));
        if left.is_empty() {
            return Ok(());
        }
        for process in &left {
            pidfd::end(process.pid(), || is_ours(process, owner))?;
        }
    }
    let number = leader.pid();
    Err(io::Error::other(format!(
        "what process {number} has started does not end"
    )))
}

/// Removes a file of targets, and no other file.
fn remove_targets(path: &std::path::Path) -> io::Result<()> {
    let is_named_so = path
        .file_name()
        .is_some_and(|name| name == crate::plan::TARGETS_FILE);
    match fs::symlink_metadata(path) {
        Ok(meta) if is_named_so && path.is_absolute() && meta.is_file() => {
            match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            }
        }
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        // Gone, or nothing of ours.
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
