//! Workers in containers that run already: started again after they were ended, and looked after by Docker's own journal.

use super::{LOOK_AGAIN, REGISTERS_WITHIN};
use crate::redis_server::docker::guest::{Guest, GuestError};
use firedrill_asynq::broker::redis::RedisBroker;
use firedrill_asynq::clock::ClockOrigin;
use firedrill_asynq::inspector::Inspector;
use firedrill_asynq::message::ServerInfo;
use std::collections::BTreeSet;
use tokio::time::Instant;

/// Starts a container unless it runs, and waits until the asynq server in it has registered, which tells its host's name: a new
/// one, if the container was started.
///
/// # Errors
/// When Docker refuses, or no server registers within 20 s.
pub(super) async fn started(guest: &Guest, asks: &RedisBroker) -> Result<ServerInfo, String> {
    let said = |error: GuestError| error.to_string();
    let host = guest.hostname().await.map_err(said)?;
    let before = servers_of(&host, asks).await?;
    let before: BTreeSet<String> = before.into_iter().map(|info| info.server_id).collect();
    let is_new = guest.start().await.map_err(said)?;
    let before = if is_new { before } else { BTreeSet::new() };
    registered(&host, &before, asks, &format!("container {}", guest.name)).await
}

/// The servers that say that they are on a host.
async fn servers_of(host: &str, asks: &RedisBroker) -> Result<Vec<ServerInfo>, String> {
    let list = Inspector::new(asks.clone())
        .servers(ClockOrigin::real_time().now())
        .await;
    let list = list.map_err(|error| format!("Redis: {error}"))?;
    let infos = list.servers.into_iter().map(|server| server.info);
    Ok(infos.filter(|info| info.host == host).collect())
}

/// Waits until a server that is none of `before` has registered from a host, which is `what`.
///
/// # Errors
/// When none does within 20 s.
pub(super) async fn registered(
    host: &str,
    before: &BTreeSet<String>,
    asks: &RedisBroker,
    what: &str,
) -> Result<ServerInfo, String> {
    let began = Instant::now();
    loop {
        let mut found = servers_of(host, asks).await?.into_iter();
        if let Some(info) = found.find(|info| !before.contains(&info.server_id)) {
            return Ok(info);
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
