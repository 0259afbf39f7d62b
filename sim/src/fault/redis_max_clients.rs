//! `redis.max-clients`: `maxclients` is reached, as by a leak of connections elsewhere.

use super::{Definition, Harm, Needs};
use crate::form::{count, form};
use crate::lever::{Class, Lever, On, RedisLever};
use serde::{Deserialize, Serialize};

form! {
    /// So many clients may be connected: whoever is stays, and every new connection is refused.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct RedisMaxClients: "redis.max-clients" {
        /// `maxclients`: no more than are connected, or it has no effect.
        pub to: u32 = count(1..=10_000), default 1;
    }
}

impl Definition for RedisMaxClients {
    const ON: On = On::Redis;
    const CLASS: Class = Class::Reversible;
    const CAUSES: &'static [&'static str] = &["resource-exhaustion", "redis-down", "other"];
    const ENDS_BY_ITSELF: bool = true;
    const STATE: &'static str = "crowded";

    fn begin(&self) -> Lever {
        Lever::Redis(RedisLever::LimitClients { to: self.to })
    }

    fn end(&self) -> Option<Lever> {
        Some(Lever::Redis(RedisLever::AdmitClients))
    }

    fn harm(&self) -> Harm<'_> {
        Harm::All
    }

    fn needs(&self) -> Needs {
        Needs {
            own_redis: true,
            persistence: false,
        }
    }
}
