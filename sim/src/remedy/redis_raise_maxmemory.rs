//! `redis.raise-maxmemory`: somebody gives Redis more memory.

use super::Definition;
use crate::fault::Fault;
use crate::form::{form, size};
use crate::lever::{Class, Lever, On, RedisLever};
use serde::{Deserialize, Serialize};

/// What an empty Redis with its clients and scripts takes is about half of this: below, nobody is helped.
const LEAST_BYTES: u64 = 4 << 20;

form! {
    /// maxmemory is raised, where one is set and it is lower; else nothing is done. When that limit is met, too, the fault has not ended.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct RedisRaiseMaxmemory: "redis.raise-maxmemory" {
        /// To what.
        pub bytes: u64 = size(1 << 40), required;
    }
}

impl Definition for RedisRaiseMaxmemory {
    const ON: On = On::Redis;
    const CLASS: Class = Class::Stored;

    fn done(&self, _: Option<&Fault>) -> Lever {
        Lever::Redis(RedisLever::Raise { bytes: self.bytes })
    }

    fn of(_: &Fault) -> Option<Self> {
        None
    }

    fn wrong(&self) -> Option<(String, &'static str)> {
        let is_too_low = self.bytes < LEAST_BYTES;
        is_too_low.then(|| {
            let message = format!("bytes: {} is less than an empty Redis with its clients needs", self.bytes);
            (message, "accepted: from 4MB")
        })
    }
}
