//! `redis.failover`: a primary that dies, and a replica that has not got everything.

use super::{Definition, Harm, Needs};
use crate::form::{form, positive};
use crate::lever::{Class, Lever, On, RedisLever};
use serde::{Deserialize, Serialize};

form! {
    /// The primary dies of SIGKILL; at the end of the step a replica is promoted that has fallen behind, and clients follow.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct RedisFailover: "redis.failover" {
        /// How far the replica is behind when the primary dies.
        pub lag_ms as "lag": i64 = positive(), default 1_000;
    }
}

impl Definition for RedisFailover {
    const ON: On = On::Redis;
    const CLASS: Class = Class::Irreversible;
    const CAUSES: &'static [&'static str] = &["redis-down", "other"];
    const ENDS_BY_ITSELF: bool = true;
    const EXAMPLES: &'static [&'static str] = &["lag: 20s"];
    const STATE: &'static str = "down";

    fn begin(&self) -> Lever {
        Lever::Redis(RedisLever::LosePrimary)
    }

    fn end(&self) -> Option<Lever> {
        Some(Lever::Redis(RedisLever::PromoteReplica))
    }

    fn harm(&self) -> Harm<'_> {
        Harm::All
    }

    fn needs(&self) -> Needs {
        Needs {
            own_redis: true,
            // A drill that ends meanwhile starts the old primary again, to see what is left.
            persistence: true,
        }
    }

    fn prepare(&self) -> Option<(i64, Lever)> {
        Some((self.lag_ms, Lever::Redis(RedisLever::LagReplica)))
    }

    fn loses_tasks(&self) -> bool {
        true
    }
}
