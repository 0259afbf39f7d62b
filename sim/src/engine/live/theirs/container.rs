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

/// What we have done to a container, to be told from what others do.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Done {
    pub(crate) pauses: u32,
    pub(crate) unpauses: u32,
    pub(crate) ends: u32,
    pub(crate) starts: u32,
}

impl Done {
    /// What has happened to a container beyond that since `from`, Unix seconds, in words, and all that has.
    ///
    /// # Errors
    /// When Docker does not tell.
    pub(crate) async fn beyond(
        self,
        guest: &Guest,
        from: f64,
    ) -> Result<Option<(String, Self)>, GuestError> {
        let ours = [
            ("pause", self.pauses),
            ("unpause", self.unpauses),
            ("die", self.ends),
            ("start", self.starts),
        ];
        let counts = guest.events(from, &ours.map(|(action, _)| action)).await?;
        let count = |action: &str| counts.get(action).copied().unwrap_or(0);
        let more = ours.iter().filter_map(|(action, ours)| {
            let more = count(action).checked_sub(*ours).filter(|more| *more > 0)?;
            Some(format!("{more} `{action}`"))
        });
        let more: Vec<String> = more.collect();
        let name = &guest.name;
        let all = Self {
            pauses: self.pauses.max(count("pause")),
            unpauses: self.unpauses.max(count("unpause")),
            ends: self.ends.max(count("die")),
            starts: self.starts.max(count("start")),
        };
        Ok((!more.is_empty()).then(|| (format!("container {name}: {}", more.join(", ")), all)))
    }
}
