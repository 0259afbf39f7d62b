//! `redis.full`: Redis has reached its `maxmemory` and evicts nothing.

use super::{Definition, Harm, Needs};
use crate::form::form;
use crate::lever::{Class, Lever, On, RedisLever};
use serde::{Deserialize, Serialize};

form! {
    /// maxmemory is reached and nothing is evicted: what needs memory is refused.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct RedisFull: "redis.full" {}
}


impl Definition for RedisFull {
    const ON: On = On::Redis;
    const CLASS: Class = Class::Stored;
    const CAUSES: &'static [&'static str] = &["resource-exhaustion", "redis-down", "other"];
    const ENDS_BY_ITSELF: bool = true;
    const REMEDIES: &'static [&'static str] = &["redis.raise-maxmemory"];
    const STATE: &'static str = "full";

    fn begin(&self) -> Lever {
        Lever::Redis(RedisLever::Fill)
    }

    fn end(&self) -> Option<Lever> {
        Some(Lever::Redis(RedisLever::Drain))
    }

    fn harm(&self) -> Harm<'_> {
        Harm::All
    }

    fn needs(&self) -> Needs {
        Needs { own_redis: true, persistence: false }
    }
}
