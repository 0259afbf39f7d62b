//! `redis.slow-script`: a script that does not end, sent by somebody else.

use super::{Definition, Harm, Needs};
use crate::form::{form};
use crate::lever::{Class, Lever, On, RedisLever};
use serde::{Deserialize, Serialize};

form! {
    /// A script runs and runs: nobody is answered, and after 5 s (busy-reply-threshold) everybody is told BUSY, until it is killed.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct RedisSlowScript: "redis.slow-script" {}
}

impl Definition for RedisSlowScript {
    const ON: On = On::Redis;
    const CLASS: Class = Class::Reversible;
    const CAUSES: &'static [&'static str] = &["redis-down", "slow-jobs", "other"];
    const ENDS_BY_ITSELF: bool = true;
    const REMEDIES: &'static [&'static str] = &["redis.start"];
    const STATE: &'static str = "busy";

    fn begin(&self) -> Lever {
        Lever::Redis(RedisLever::RunScript)
    }

    fn end(&self) -> Option<Lever> {
        Some(Lever::Redis(RedisLever::KillScript))
    }

    fn harm(&self) -> Harm<'_> {
        Harm::All
    }

    fn needs(&self) -> Needs {
        Needs {
            own_redis: true,
            persistence: true,
        }
    }
}
