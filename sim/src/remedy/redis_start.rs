//! `redis.start`: somebody starts Redis.

use super::Definition;
use crate::fault::Fault;
use crate::form::form;
use crate::lever::{Class, Lever, On, RedisLever};
use serde::{Deserialize, Serialize};

form! {
    /// Redis is started; one that is still there is killed before.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct RedisStart: "redis.start" {}
}


impl Definition for RedisStart {
    const ON: On = On::Redis;
    const CLASS: Class = Class::Irreversible;

    fn done(&self, ends: Option<&Fault>) -> Lever {
        let keep_data = !ends.is_some_and(Fault::loses_data);
        Lever::Redis(RedisLever::Start { keep_data })
    }

    fn of(_: &Fault) -> Option<Self> {
        Some(Self {})
    }
}
