//! `redis.read-only`: a failover that clients do not follow: they go on talking to what is a replica now.

use super::{Definition, Harm, Needs};
use crate::form::form;
use crate::lever::{Class, Lever, On, RedisLever};
use serde::{Deserialize, Serialize};

form! {
    /// Redis is made a replica of a master that is not there: it answers reads, and refuses every write.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct RedisReadOnly: "redis.read-only" {}
}

impl Definition for RedisReadOnly {
    const ON: On = On::Redis;
    // It is done to the drill's own Redis alone, and goes with it.
    const CLASS: Class = Class::Reversible;
    const CAUSES: &'static [&'static str] = &["redis-down", "other"];
    const ENDS_BY_ITSELF: bool = true;
    const STATE: &'static str = "read-only";

    fn begin(&self) -> Lever {
        Lever::Redis(RedisLever::Demote)
    }

    fn end(&self) -> Option<Lever> {
        Some(Lever::Redis(RedisLever::Promote))
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
