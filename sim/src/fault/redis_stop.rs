//! `redis.stop`: Redis hangs: a fork that copies its memory, a script that does not end, a disk that does not answer.

use super::{Definition, Harm, Needs};
use crate::form::form;
use crate::lever::{Class, Lever, On, RedisLever};
use serde::{Deserialize, Serialize};

form! {
    /// SIGSTOP of Redis: connections stay open, and nobody answers.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct RedisStop: "redis.stop" {}
}


impl Definition for RedisStop {
    const ON: On = On::Redis;
    const CLASS: Class = Class::Stored;
    const CAUSES: &'static [&'static str] = &["redis-down", "slow-jobs", "other"];
    const ENDS_BY_ITSELF: bool = true;
    const REMEDIES: &'static [&'static str] = &["redis.start"];
    const STATE: &'static str = "stopped";

    fn begin(&self) -> Lever {
        Lever::Redis(RedisLever::Stop)
    }

    fn end(&self) -> Option<Lever> {
        Some(Lever::Redis(RedisLever::Continue))
    }

    fn harm(&self) -> Harm<'_> {
        Harm::All
    }

    fn needs(&self) -> Needs {
        // Who starts it anew wants to find the data.
        Needs { own_redis: true, persistence: true }
    }
}
