//! What undoes what a drill does, as data: written down before it is done, so that whoever comes later can undo it.
//!
//! Each drill has a [`Home`], a directory of its own with a [`Journal`] in it. The end of a drill, `firedrill clean` and the
//! [`reaper`](crate::reaper) undo what is open there, the newest first, in one way; doing it twice does no harm.

mod account;
mod home;
mod journal;

pub use crate::program::Undone;
pub use account::{Account, Facts, Ran, Replicated};
pub use home::{Cleared, Home, clear, end_processes};
pub use journal::{Journal, JournalError, Open, read};

use crate::files::shown;
use crate::kubernetes::{self, DeploymentId, Named};
use crate::owner::{Fate, Owner};
use crate::pidfd;
use crate::redis_server::docker::guest::{self, GuestId, MemoryLimit};
use crate::redis_server::docker::{self, ContainerName};
use crate::toxiproxy::{self, ProxyId};
use firedrill_detector::text::printable;
use rustix::process::Signal;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
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
        /// When it had been started last, as Docker says: one that was started again has been in somebody else's hands since. `None`: it did
        /// not say.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        started: Option<String>,
    },
    /// A container of the team's that the drill has ended is started.
    StartContainer {
        /// Which one.
        container: GuestId,
        /// The same.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        started: Option<String>,
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
        /// How much the drill has left it; `None`: it has not changed that yet.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        left: Option<MemoryLimit>,
    },
    /// A deployment of the team's wants as many pods as it did.
    Replicas {
        /// Which one.
        deployment: DeploymentId,
        /// How many.
        replicas: u32,
        /// How many the drill may have left it wanting.
        left: BTreeSet<u32>,
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
            (Self::Memory { container, .. }, Self::Memory { container: of, .. })
            | (Self::Thaw { container, .. }, Self::Thaw { container: of, .. })
            | (
                Self::StartContainer { container, .. },
                Self::StartContainer { container: of, .. },
            ) => container == of,
            (Self::Replicas { deployment, .. }, Self::Replicas { deployment: of, .. }) => {
                deployment == of
            }
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

    /// What is to be undone once this is done where `earlier`, which undoes the same, is open; `None`: the same as before. How it was
    /// before the drill is known by the earlier one, and how the drill has left it by the later.
    fn on_top_of(&self, earlier: &Self) -> Option<Self> {
        match (self, earlier) {
            (
                Self::Memory {
                    container,
                    left: left @ Some(_),
                    ..
                },
                Self::Memory { limit, .. },
            ) => Some(Self::Memory {
                container: container.clone(),
                limit: *limit,
                left: *left,
            }),
            (Self::Replicas { .. } | Self::Thaw { .. } | Self::StartContainer { .. }, earlier)
                if self != earlier =>
            {
                Some(self.clone())
            }
            _ => None,
        }
    }

    /// Whether it is done to what is the team's, and outlives the drill.
    #[must_use]
    pub fn is_for_others(&self) -> bool {
        matches!(
            self,
            Self::Thaw { .. }
                | Self::StartContainer { .. }
                | Self::Toxics { .. }
                | Self::Memory { .. }
                | Self::Replicas { .. }
                | Self::Images { .. }
        )
    }

    /// Whether it is done to this container of the team's.
    #[must_use]
    pub fn is_about_container(&self, id: &GuestId) -> bool {
        match self {
            Self::Thaw { container, .. }
            | Self::StartContainer { container, .. }
            | Self::Memory { container, .. } => container == id,
            _ => false,
        }
    }

    /// Whether it is done to the team's deployment of this name.
    #[must_use]
    pub fn is_about_deployment(&self, named: &Named) -> bool {
        match self {
            Self::Replicas { deployment, .. } | Self::Images { deployment, .. } => {
                deployment.is_named(named)
            }
            _ => false,
        }
    }

    /// Does it, where it is to be done on this machine. `owner` is the firedrill whose journal it is from: no process that
    /// it cannot have started is touched.
    fn here(&self, owner: &Owner) -> io::Result<Undone> {
        let done = |()| Undone::Done;
        match self {
            Self::End { process } => {
                pidfd::end(process.pid(), || is_ours(process, owner))?;
                end_group(process, owner).map(done)
            }
            Self::Continue { process } => {
                let sent = pidfd::send(process.pid(), Signal::CONT, || is_ours(process, owner));
                sent.map(|_| Undone::Done)
            }
            Self::Container { name } => docker::remove(name).map(done),
            Self::Thaw { container, started } => {
                guest::undo("unpause", container, started.as_deref())
            }
            Self::StartContainer { container, started } => {
                guest::undo("start", container, started.as_deref())
            }
            Self::Toxics { proxy } => toxiproxy::undo(proxy).map(|had_any| match had_any {
                true => Undone::Done,
                false => Undone::Needless,
            }),
            Self::Memory {
                container,
                limit,
                left,
            } => guest::set_memory_back(container, *limit, *left),
            Self::Replicas {
                deployment,
                replicas,
                left,
            } => kubernetes::set_replicas_back(deployment, *replicas, left),
            Self::Images { deployment, images } => kubernetes::set_images_back(deployment, images),
            Self::TargetsFile { path } => remove_targets(path).map(done),
            // With the server that it was done to, or by whoever cleans the one that was given.
            Self::Unpause { .. } | Self::Setting { .. } => Ok(Undone::Needless),
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
            Self::Thaw { container, .. } => write!(f, "let container {container} go on"),
            Self::StartContainer { container, .. } => write!(f, "start container {container}"),
            Self::Toxics { proxy } => write!(f, "remove toxics of proxy {proxy}"),
            Self::Memory { container, .. } => {
                write!(f, "give container {container} its memory back")
            }
            Self::Replicas {
                deployment,
                replicas,
                ..
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
