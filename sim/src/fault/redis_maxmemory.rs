//! `redis.maxmemory`: a limit of memory that is too low for what comes, and nothing is evicted.

use super::{Definition, Harm, Needs};
use crate::form::{form, size};
use crate::lever::{Class, Eviction, Lever, On, RedisLever};
use serde::{Deserialize, Serialize};

form! {
    /// maxmemory is set, and nothing is evicted: once it is reached, what needs memory is refused.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct RedisMaxmemory: "redis.maxmemory" {
        /// The limit. It bites when it is reached.
        pub bytes: u64 = size(1 << 40), required;
    }
}

impl Definition for RedisMaxmemory {
    const ON: On = On::Redis;
    const CLASS: Class = Class::Stored;
    const CAUSES: &'static [&'static str] = &["resource-exhaustion", "redis-down", "other"];
    const ENDS_BY_ITSELF: bool = true;
    const REMEDIES: &'static [&'static str] = &["redis.raise-maxmemory"];
    const EXAMPLES: &'static [&'static str] = &["bytes: 500KB"];
    const STATE: &'static str = "limited";

    fn begin(&self) -> Lever {
        Lever::Redis(RedisLever::Limit {
            bytes: self.bytes,
            policy: Eviction::None,
        })
    }

    fn end(&self) -> Option<Lever> {
        Some(Lever::Redis(RedisLever::Drain))
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
