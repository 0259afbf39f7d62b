//! The replica of a drill whose Redis fails over: a server beside the drill's own, and the link over which it is told of
//! writes. When that is cut, it falls behind, as one does that cannot keep up.

use super::link::Link;
use crate::plan::Plan;
use crate::redis_server::private::PrivateRedis;
use crate::redis_server::{RedisServer, RedisServerError};
use firedrill_asynq::clock::Time;
use firedrill_asynq::rng;
use std::io;

/// See the module. Dropping it ends it.
pub(super) struct Replica {
    pub(super) server: RedisServer,
    link: Link,
    /// Since when it is told of nothing.
    pub(super) behind_since: Option<Time>,
}

impl Replica {
    /// Starts one, if the plan needs one, and waits until it has all that the primary has.
    pub(super) async fn start(
        plan: &Plan,
        redis: &PrivateRedis,
    ) -> Result<Option<Self>, RedisServerError> {
        if !plan.has_replica() {
            return Ok(None);
        }
        Self::of(redis, plan.seed).await.map(Some)
    }

    /// Starts one, and waits until it has all that the primary has.
    pub(super) async fn of(redis: &PrivateRedis, seed: u64) -> Result<Self, RedisServerError> {
        let failed = |error| RedisServerError::Start("redis".into(), error);
        let no_way = || failed(io::Error::other("no link leads to it"));
        let way = redis.address().way().ok_or_else(no_way)?;
        let dice = rng::stream(seed, "link/replica");
        let link = Link::plain(way, dice).await.map_err(failed)?;
        let server = redis.replica(link.port()).await?;
        Ok(Self {
            server,
            link,
            behind_since: None,
        })
    }

    /// From now on it is told of nothing.
    pub(super) fn falls_behind(&mut self, now: Time) {
        self.link.cut();
        self.behind_since = Some(now);
    }
}
