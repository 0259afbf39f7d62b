//! Workers in containers that run already: started again after they were ended, and looked after by Docker's own journal.

use super::{IsCutOff, LOOK_AGAIN, REGISTERS_WITHIN, UNSEEN_AFTER};
use crate::redis_server::docker::guest::{Guest, GuestError};
use crate::undo::{Journal, Open, Undo};
use firedrill_asynq::broker::redis::RedisBroker;
use firedrill_asynq::clock::ClockOrigin;
use firedrill_asynq::inspector::Inspector;
use firedrill_asynq::message::ServerInfo;
use std::collections::BTreeSet;
use tokio::time::Instant;

/// Starts a container unless it runs, and waits until the asynq server in it has registered, which tells its host's name: a new
/// one, if the container was started. `None`: the plan has cut it off from Redis.
///
/// # Errors
/// When Docker refuses, or no server registers within 20 s.
pub(super) async fn started(
    guest: &Guest,
    asks: &RedisBroker,
    is_cut_off: IsCutOff<'_>,
) -> Result<Option<ServerInfo>, String> {
    let said = |error: GuestError| error.to_string();
    let host = guest.hostname().await.map_err(said)?;
    let before = match servers_of(&host, asks).await {
        Err(_) if is_cut_off() => Vec::new(),
        before => before?,
    };
    let before: BTreeSet<String> = before.into_iter().map(|info| info.server_id).collect();
    let is_new = guest.start().await.map_err(said)?;
    let before = if is_new { before } else { BTreeSet::new() };
    let what = format!("container {}", guest.name);
    registered(&host, &before, (asks, is_cut_off), &what).await
}

/// What is still to be undone about a container is so since its last start, which is ours.
///
/// # Errors
/// When the journal cannot be written.
pub(super) async fn renew(guest: &Guest, journal: &Journal) -> Result<(), String> {
    let mut open = journal.open().into_iter();
    let is_open = |open: Open| matches!(open.undo, Undo::StartContainer { container, .. } if container == guest.id);
    if !open.any(is_open) {
        return Ok(());
    }
    let undo = Undo::StartContainer {
        container: guest.id.clone(),
        started: guest.started().await.ok(),
    };
    let noted = journal.note(None, &[undo]);
    noted.map_err(|error| error.to_string())
}

/// The servers that say that they are on a host.
async fn servers_of(host: &str, asks: &RedisBroker) -> Result<Vec<ServerInfo>, String> {
    let inspector = Inspector::new(asks.clone());
    let asked = inspector.servers(ClockOrigin::real_time().now());
    let list = tokio::time::timeout(UNSEEN_AFTER, asked).await;
    let list = list.map_err(|_| "Redis does not answer".to_owned())?;
    let list = list.map_err(|error| format!("Redis: {error}"))?;
    let infos = list.servers.into_iter().map(|server| server.info);
    Ok(infos.filter(|info| info.host == host).collect())
}

/// Waits until a server that is none of `before` has registered from a host, which is `what`; `None`: the plan has cut it off from Redis.
///
/// # Errors
/// When none does within 20 s.
pub(super) async fn registered(
    host: &str,
    before: &BTreeSet<String>,
    (asks, is_cut_off): (&RedisBroker, IsCutOff<'_>),
    what: &str,
) -> Result<Option<ServerInfo>, String> {
    let began = Instant::now();
    loop {
        let found = match servers_of(host, asks).await {
            Err(_) if is_cut_off() => Vec::new(),
            found => found?,
        };
        let mut found = found.into_iter();
        if let Some(info) = found.find(|info| !before.contains(&info.server_id)) {
            return Ok(Some(info));
        }
        if began.elapsed() >= UNSEEN_AFTER && is_cut_off() {
            return Ok(None);
        }
        if began.elapsed() >= REGISTERS_WITHIN {
            return Err(format!(
                "no asynq server of {what} (host {host}) has registered within {} s: does it work on the Redis that --redis names, \
                 in the same database?",
                REGISTERS_WITHIN.as_secs()
            ));
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// What Docker calls it when a container is removed.
const REMOVED: &str = "destroy";

/// What others have done to a container.
#[derive(Debug)]
pub(crate) struct Beyond {
    /// In words.
    pub(crate) saw: String,
    /// When they began, Unix seconds, as far as that can be told.
    pub(crate) at: Option<f64>,
    /// All that has happened to it.
    pub(crate) all: Done,
}

/// What we have done to a container, to be told from what others do.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Done {
    pub(crate) pauses: u32,
    pub(crate) unpauses: u32,
    pub(crate) ends: u32,
    pub(crate) starts: u32,
}

impl Done {
    /// What has happened to a container beyond that since `from`, Unix seconds.
    ///
    /// # Errors
    /// When Docker does not tell.
    pub(crate) async fn beyond(
        self,
        guest: &Guest,
        from: f64,
    ) -> Result<Option<Beyond>, GuestError> {
        let ours = [
            ("pause", self.pauses),
            ("unpause", self.unpauses),
            ("die", self.ends),
            ("start", self.starts),
        ];
        let asked = [&ours.map(|(action, _)| action)[..], &[REMOVED]].concat();
        let times = guest.events(from, &asked).await?;
        let times = |action: &str| times.get(action).map_or(&[][..], Vec::as_slice);
        let count = |action: &str| u32::try_from(times(action).len()).unwrap_or(u32::MAX);
        let name = &guest.name;
        let more = ours.iter().filter_map(|(action, ours)| {
            let more = count(action).checked_sub(*ours).filter(|more| *more > 0)?;
            // Which of them are ours is not known, if any is.
            let first = times(action).first().filter(|_| *ours == 0);
            Some((format!("{more} `{action}`"), first.copied()))
        });
        let (more, began): (Vec<String>, Vec<Option<f64>>) = more.unzip();
        let (saw, at) = match times(REMOVED) {
            [at, ..] => (GuestError::Gone(name.clone()).to_string(), Some(*at)),
            [] if more.is_empty() => return Ok(None),
            [] => (
                format!("container {name}: {}", more.join(", ")),
                began.into_iter().flatten().min_by(f64::total_cmp),
            ),
        };
        let all = Self {
            pauses: self.pauses.max(count("pause")),
            unpauses: self.unpauses.max(count("unpause")),
            ends: self.ends.max(count("die")),
            starts: self.starts.max(count("start")),
        };
        Ok(Some(Beyond { saw, at, all }))
    }
}
