//! `redis.raise-maxmemory`: somebody gives Redis more memory.

use super::Definition;
use crate::fault::Fault;
use crate::form::{form, size};
use crate::lever::{Class, Lever, On, RedisLever};
use serde::{Deserialize, Serialize};

form! {
    /// maxmemory is raised.
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
}
