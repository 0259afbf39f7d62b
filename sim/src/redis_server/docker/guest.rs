//! Containers of somebody else's that take part in a drill: found by name, label or Compose service, and touched only if a label on
//! them says that they may be.

mod memory;

pub use memory::MemoryLimit;
pub(crate) use memory::set_memory_back;

use super::{DONE_WITHIN, PROGRAM, docker_says, is_gone};
use crate::program::{self, Undone};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The label with which the owner of a container agrees, with the value `true`.
pub const CONSENT: &str = "firedrill.consent";
/// The label by which Compose knows a service.
const SERVICE: &str = "com.docker.compose.service";
/// The exit code of what was ended by SIGKILL.
const KILLED: i64 = 137;

/// The id of a container, as Docker gives it: 64 hexadecimal digits. Unlike a name it is never somebody else's later.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct GuestId(String);

impl TryFrom<String> for GuestId {
    type Error = &'static str;

    fn try_from(id: String) -> Result<Self, Self::Error> {
        match id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            true => Ok(Self(id)),
            false => Err("no id of a container"),
        }
    }
}

impl From<GuestId> for String {
    fn from(id: GuestId) -> Self {
        id.0
    }
}

/// As short as people know it.
impl fmt::Display for GuestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0[..12])
    }
}

/// A container that takes part.
#[derive(Debug, Clone)]
pub struct Guest {
    docker: PathBuf,
    /// Its id.
    pub id: GuestId,
    /// Its name.
    pub name: String,
}

/// Why a container cannot take part.
#[derive(Debug, thiserror::Error)]
pub enum GuestError {
    /// Nothing is called so.
    #[error(
        "no container is called {0}, and none has such an id; for others write label=KEY=VALUE or service=NAME"
    )]
    Unknown(String),
    /// None has such a label.
    #[error("no container has the label {0}")]
    Unlabelled(String),
    /// It was named before.
    #[error("{0} is named twice")]
    Twice(String),
    /// Nobody has agreed.
    #[error(
        "container {0}: its owner has not agreed to drills on it; start it with the label {CONSENT}=true (docker run --label \
         {CONSENT}=true, or `labels:` in a Compose file)"
    )]
    NoConsent(String),
    /// It took part, and is not there any more.
    #[error("container {0} was removed from outside")]
    Gone(String),
    /// It does not run.
    #[error("container {name} does not run: {status}")]
    NotRunning {
        /// Which one.
        id: GuestId,
        /// What people call it.
        name: String,
        /// How it is, in Docker's word.
        status: String,
    },
    /// Docker cannot be asked, or refuses.
    #[error("{0}")]
    Docker(String),
}

/// What Docker says of a container.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Inspected {
    id: String,
    name: String,
    state: State,
    config: Config,
    host_config: HostConfig,
}

/// How a container is.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct State {
    status: String,
    running: bool,
    paused: bool,
    #[serde(default)]
    exit_code: i64,
    #[serde(default)]
    started_at: String,
}

/// What it may take.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HostConfig {
    #[serde(default)]
    memory: u64,
    #[serde(default)]
    memory_swap: i64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Config {
    #[serde(default)]
    hostname: String,
    labels: Option<BTreeMap<String, String>>,
}

impl Inspected {
    fn agrees(&self) -> bool {
        let labels = self.config.labels.as_ref();
        labels.is_some_and(|labels| labels.get(CONSENT).is_some_and(|value| value == "true"))
    }

    /// For those who have no runtime; `None`: there is no such container.
    fn of(docker: &Path, id: &GuestId) -> io::Result<Option<Self>> {
        let inspect = ["container", "inspect", "--", &id.0];
        match program::ran(docker, &inspect, DONE_WITHIN) {
            Ok(text) => Self::parsed(&text).map(Some).map_err(io::Error::other),
            Err(error) if is_gone(&error.to_string()) => Ok(None),
            Err(error) => Err(io::Error::other(format!("docker inspect: {error}"))),
        }
    }

    fn parsed(text: &str) -> Result<Self, GuestError> {
        let wrong = |why: String| {
            GuestError::Docker(format!("docker inspect said what cannot be read: {why}"))
        };
        let all: Vec<Self> =
            serde_json::from_str(text).map_err(|error| wrong(error.to_string()))?;
        all.into_iter()
            .next()
            .ok_or_else(|| wrong("nothing".to_owned()))
    }
}

impl Guest {
    /// The containers that are meant by `words`, in the order of the words and then of names: names or ids,
    /// `label=KEY` or `label=KEY=VALUE`, `service=NAME` of Compose.
    ///
    /// # Errors
    /// [`GuestError`]: one of them is not there, is named twice, does not run, or its owner has not agreed.
    pub async fn find(docker: &Path, words: &[String]) -> Result<Vec<Self>, GuestError> {
        let mut found: Vec<Self> = Vec::new();
        for word in words {
            let label = match word.split_once('=') {
                Some(("label", label)) => Some(label.to_owned()),
                Some(("service", service)) => Some(format!("{SERVICE}={service}")),
                _ => None,
            };
            let names = match &label {
                Some(label) => listed(docker, &format!("label={label}")).await?,
                None => vec![word.clone()],
            };
            if let Some(label) = label.as_ref().filter(|_| names.is_empty()) {
                return Err(GuestError::Unlabelled(label.clone()));
            }
            for name in names {
                let guest = Self::named(docker, &name).await?;
                let is_new = !found.iter().any(|other| other.id == guest.id);
                if is_new {
                    found.push(guest);
                } else if label.is_none() {
                    return Err(GuestError::Twice(guest.name));
                }
            }
        }
        Ok(found)
    }

    async fn named(docker: &Path, name: &str) -> Result<Self, GuestError> {
        let text = inspect(docker, name).await?;
        let Some(text) = text else {
            return Err(GuestError::Unknown(name.to_owned()));
        };
        let found = Inspected::parsed(&text)?;
        let name = found.name.trim_start_matches('/').to_owned();
        if !found.agrees() {
            return Err(GuestError::NoConsent(name));
        }
        let id =
            GuestId::try_from(found.id).map_err(|error| GuestError::Docker(error.to_owned()))?;
        if !found.state.running || found.state.paused {
            let status = found.state.status;
            return Err(GuestError::NotRunning { id, name, status });
        }
        Ok(Self {
            docker: docker.to_owned(),
            id,
            name,
        })
    }

    async fn inspected(&self) -> Result<Inspected, GuestError> {
        let text = inspect(&self.docker, &self.id.0).await?;
        let text = text.ok_or_else(|| GuestError::Gone(self.name.clone()))?;
        Inspected::parsed(&text)
    }

    /// The name of the host that its processes see.
    ///
    /// # Errors
    /// When Docker does not tell.
    pub async fn hostname(&self) -> Result<String, GuestError> {
        Ok(self.inspected().await?.config.hostname)
    }

    /// When it was started last, in Docker's words.
    ///
    /// # Errors
    /// When Docker does not tell.
    pub(crate) async fn started(&self) -> Result<String, GuestError> {
        Ok(self.inspected().await?.state.started_at)
    }

    /// Whether it has ended because it may take no more memory.
    ///
    /// # Errors
    /// When Docker does not tell.
    pub(crate) async fn is_out_of_memory(&self) -> Result<bool, GuestError> {
        let state = self.inspected().await?.state;
        Ok(!state.running && state.exit_code == KILLED)
    }

    /// Whether it runs, and is not frozen.
    ///
    /// # Errors
    /// When Docker does not tell.
    pub(crate) async fn runs(&self) -> Result<bool, GuestError> {
        let state = self.inspected().await?.state;
        Ok(state.running && !state.paused)
    }

    /// Freezes it, or lets it go on; answers whether it is so.
    ///
    /// # Errors
    /// When Docker refuses.
    pub async fn pause(&self, stops: bool) -> Result<bool, GuestError> {
        let verb = if stops { "pause" } else { "unpause" };
        self.does(&[verb, &self.id.0], DONE_WITHIN).await?;
        Ok(self.inspected().await?.state.paused == stops)
    }

    /// SIGKILL, and waits until it is gone; answers whether it is.
    ///
    /// # Errors
    /// When Docker refuses.
    pub async fn kill(&self) -> Result<bool, GuestError> {
        self.does(&["kill", &self.id.0], DONE_WITHIN).await?;
        self.does(&["wait", &self.id.0], DONE_WITHIN).await?;
        Ok(!self.inspected().await?.state.running)
    }

    /// SIGTERM, or what its image says instead, and SIGKILL after `patience`, in whole seconds; answers whether it ended before.
    ///
    /// # Errors
    /// When Docker refuses.
    pub async fn stop(&self, patience: Duration) -> Result<bool, GuestError> {
        let seconds = patience.as_secs().max(1).to_string();
        let stop = ["stop", "-t", &seconds, &self.id.0];
        self.does(&stop, patience + DONE_WITHIN).await?;
        Ok(self.inspected().await?.state.exit_code != KILLED)
    }

    /// Starts it, if it does not run; answers whether it had to be.
    ///
    /// # Errors
    /// When Docker refuses.
    pub async fn start(&self) -> Result<bool, GuestError> {
        if self.inspected().await?.state.running {
            return Ok(false);
        }
        self.does(&["start", &self.id.0], DONE_WITHIN).await?;
        Ok(true)
    }

    /// What has happened to it since `from`, Unix seconds: when each of `actions`, by Docker's words for events, in their order.
    ///
    /// # Errors
    /// When Docker does not tell.
    pub async fn events(
        &self,
        from: f64,
        actions: &[&str],
    ) -> Result<BTreeMap<String, Vec<f64>>, GuestError> {
        let (from, until) = (format!("{from:.3}"), format!("{:.3}", unix_seconds()));
        let of = format!("container={}", self.id.0);
        let mut words = vec![
            "events", "--since", &from, "--until", &until, "--filter", &of,
        ];
        let only: Vec<String> = actions
            .iter()
            .map(|action| format!("event={action}"))
            .collect();
        only.iter()
            .for_each(|only| words.extend(["--filter", only]));
        words.extend(["--format", "{{.TimeNano}} {{.Action}}"]);
        let text = printed(&self.docker, &words).await?;
        let wrong =
            |line| GuestError::Docker(format!("docker events said what cannot be read: {line}"));
        let mut times: BTreeMap<String, Vec<f64>> = BTreeMap::new();
        for line in text.lines().map(str::trim) {
            let (nanos, action) = line.split_once(' ').ok_or_else(|| wrong(line))?;
            let nanos: f64 = nanos.parse().map_err(|_| wrong(line))?;
            times
                .entry(action.to_owned())
                .or_default()
                .push(nanos / 1e9);
        }
        Ok(times)
    }

    async fn does(&self, words: &[&str], within: Duration) -> Result<(), GuestError> {
        let done = docker_says(&self.docker, words, within).await;
        done.map(drop)
            .map_err(|error| GuestError::Docker(format!("container {}: {error}", self.name)))
    }
}

/// The time of day.
fn unix_seconds() -> f64 {
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed();
    now.map_or(0.0, |now| now.as_secs_f64())
}

/// What docker printed.
async fn printed(docker: &Path, words: &[&str]) -> Result<String, GuestError> {
    let text = docker_says(docker, words, DONE_WITHIN).await;
    let [text, _] = text.map_err(|error| GuestError::Docker(error.to_string()))?;
    Ok(text)
}

/// Names of the containers that a filter means, in their order.
async fn listed(docker: &Path, filter: &str) -> Result<Vec<String>, GuestError> {
    let words = ["ps", "--filter", filter, "--format", "{{.Names}}"];
    let text = printed(docker, &words).await?;
    let mut names: Vec<String> = text.lines().map(|name| name.trim().to_owned()).collect();
    names.retain(|name| !name.is_empty());
    names.sort();
    Ok(names)
}

/// What Docker says of a container; `None`: there is none.
async fn inspect(docker: &Path, name: &str) -> Result<Option<String>, GuestError> {
    let words = ["container", "inspect", "--", name];
    match docker_says(docker, &words, DONE_WITHIN).await {
        Ok([text, _]) => Ok(Some(text)),
        Err(error) if is_gone(&error.to_string()) => Ok(None),
        Err(error) => Err(GuestError::Docker(error.to_string())),
    }
}

/// Lets a container go on that a drill has frozen, or starts one that it has ended: `verb` is `unpause` or `start`. One that is
/// gone, is so already, was started again since `started`, or whose owner has not agreed, is left alone.
///
/// # Errors
/// When Docker cannot be asked, or refuses.
pub(crate) fn undo(verb: &str, id: &GuestId, started: Option<&str>) -> io::Result<Undone> {
    let docker = program::on_path(PROGRAM)?;
    let Some(found) = Inspected::of(&docker, id)? else {
        return Ok(Undone::Needless);
    };
    let is_so = match verb {
        "unpause" => !found.state.paused,
        _ => found.state.running,
    };
    if is_so || !found.agrees() {
        return Ok(Undone::Needless);
    }
    if started.is_some_and(|started| started != found.state.started_at) {
        return Ok(Undone::Left(format!(
            "container {id} was started again since the drill had done something to it; it is {} now",
            found.state.status
        )));
    }
    let done = program::ran(&docker, &[verb, &id.0], DONE_WITHIN);
    done.map(|_| Undone::Done)
        .map_err(|error| io::Error::other(format!("docker {verb}: {error}")))
}
