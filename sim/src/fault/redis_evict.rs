//! `redis.evict`: a limit of memory, and Redis evicts keys to stay below it.

use super::{Definition, Harm, Needs};
use crate::form::{choice, form, size};
use crate::lever::{Class, Eviction, Lever, On, RedisLever};
use serde::{Deserialize, Serialize};

form! {
    /// maxmemory is set, and keys are evicted once it is reached: tasks, queues, locks, whatever the policy has go.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct RedisEvict: "redis.evict" {
        /// The limit. It bites when it is reached.
        pub bytes: u64 = size(1 << 40), required;
        /// Redis' `maxmemory-policy`.
        pub policy: Eviction = choice(Eviction::EVICTING.map(|policy| (policy.name(), policy))), required;
    }
}

impl Definition for RedisEvict {
    const ON: On = On::Redis;
    const CLASS: Class = Class::Stored;
    const CAUSES: &'static [&'static str] = &["resource-exhaustion", "redis-down", "other"];
    const ENDS_BY_ITSELF: bool = true;
    const REMEDIES: &'static [&'static str] = &["redis.raise-maxmemory"];
    const EXAMPLES: &'static [&'static str] = &["bytes: 500KB, policy: volatile-lru"];
    const LIVE_ONLY: &'static str = "which keys Redis evicts is drawn from samples of its memory";
    const STATE: &'static str = "limited";

    fn begin(&self) -> Lever {
        Lever::Redis(RedisLever::Limit {
            bytes: self.bytes,
            policy: self.policy,
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

    fn loses_tasks(&self) -> bool {
        self.policy.takes_all_keys()
    }
}
