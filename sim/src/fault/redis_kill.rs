//! `redis.kill`: Redis crashes, or its node does.

use super::{Definition, Harm, Needs};
use crate::form::{form, truth};
use crate::lever::{Class, Lever, On, RedisLever};
use serde::{Deserialize, Serialize};

form! {
    /// SIGKILL of Redis.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct RedisKill: "redis.kill" {
        /// Whether its data is there when it is started again.
        pub keep_data: bool = truth(), default true;
    }
}


impl Definition for RedisKill {
    const ON: On = On::Redis;
    const CLASS: Class = Class::Irreversible;
    const CAUSES: &'static [&'static str] = &["redis-down", "other"];
    const REMEDIES: &'static [&'static str] = &["redis.start"];
    const STATE: &'static str = "down";

    fn begin(&self) -> Lever {
        Lever::Redis(RedisLever::Kill { keep_data: self.keep_data })
    }

    fn harm(&self) -> Harm<'_> {
        Harm::All
    }

    fn needs(&self) -> Needs {
        Needs { own_redis: true, persistence: self.keep_data }
    }

    fn loses_data(&self) -> bool {
        !self.keep_data
    }
}
