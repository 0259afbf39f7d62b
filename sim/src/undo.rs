//! What undoes what a drill does, as data: written down before it is done, so that whoever comes later can undo it.
//!
//! Each drill has a [`Home`], a directory of its own with a [`Journal`] in it. The end of a drill, `firedrill clean` and the
//! [`reaper`](crate::reaper) undo what is open there, the newest first, in one way; doing it twice does no harm.

mod home;
mod journal;

pub use home::{Home, clear, end_processes};
pub use journal::{Journal, JournalError, Open, read};

use crate::files::shown;
use crate::lever::{Lever, LinkLever, ProcessLever, QueueLever, RedisLever};
use crate::owner::{Fate, Owner};
use crate::pidfd;
use crate::redis_server::docker::guest::{self, GuestId};
use crate::redis_server::docker::{self, ContainerName};
use crate::toxiproxy::{self, ProxyId};
use firedrill_detector::text::printable;
use rustix::process::Signal;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::SystemTime;

/// Something that undoes what a drill has done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Undo {
    /// A process that the drill has started ends.
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
    /// The drill's Redis.
    pub redis: Where,
    /// Its process, if that is ours and runs.
    pub server: Option<Owner>,
    /// Its `maxmemory`.
    pub maxmemory: String,
}

impl Account {
    /// Of a lever that is about to be pulled.
    #[must_use]
    pub fn of(lever: &Lever, mut facts: Facts) -> Self {
        let of_guests = Self::of_guests(lever, &std::mem::take(&mut facts.guests));
        let Self { owes, pays } = Self::of_ours(lever, facts);
        Self {
            owes: [owes, of_guests.owes].concat(),
            pays: [pays, of_guests.pays].concat(),
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
            | Self::TargetsFile { .. } => None,
        }
    }

    /// Whether both undo the same. What a setting is set back to is known by the first that changed it.
    fn is_as(&self, other: &Self) -> bool {
        match (self, other) {
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
            Self::End { process } => pidfd::end(process.pid(), || is_ours(process, owner)),
            Self::Continue { process } => {
                let sent = pidfd::send(process.pid(), Signal::CONT, || is_ours(process, owner));
                sent.map(drop)
            }
            Self::Container { name } => docker::remove(name),
            Self::Thaw { container } => guest::undo("unpause", container),
            Self::StartContainer { container } => guest::undo("start", container),
            Self::Toxics { proxy } => toxiproxy::undo(proxy),
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
