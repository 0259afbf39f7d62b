//! `redis.script-flush`: `SCRIPT FLUSH`, as a restart or a failover does it, too.

use super::{Definition, Harm, Needs};
use crate::form::{form};
use crate::lever::{Class, Lever, On, RedisLever};
use serde::{Deserialize, Serialize};

form! {
    /// Redis forgets all scripts: clients are told so at their next call, and send the text again.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct RedisScriptFlush: "redis.script-flush" {}
}

impl Definition for RedisScriptFlush {
    const ON: On = On::Redis;
    const CLASS: Class = Class::Reversible;
    const CAUSES: &'static [&'static str] = &["other"];
    const ENDS_BY_ITSELF: bool = true;
    const STATE: &'static str = "without scripts";

    fn begin(&self) -> Lever {
        Lever::Redis(RedisLever::FlushScripts)
    }

    fn end(&self) -> Option<Lever> {
        Some(Lever::Redis(RedisLever::LookForScripts))
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
