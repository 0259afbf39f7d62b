//! `redis.acl`: a change of access rules that takes away what asynq needs.

use super::{Definition, Harm, Needs};
use crate::form::{choice, form};
use crate::lever::{Class, Denied, Lever, On, RedisLever};
use serde::{Deserialize, Serialize};

form! {
    /// The access rules (ACL) of the clients' user forbid commands: they are answered with NOPERM.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct RedisAcl: "redis.acl" {
        /// The category of commands that is forbidden, as `ACL CAT` has them.
        pub deny: Denied = choice([("scripting", Denied::Scripting), ("write", Denied::Write)]), default Denied::Scripting;
    }
}

impl Definition for RedisAcl {
    const ON: On = On::Redis;
    const CLASS: Class = Class::Reversible;
    const CAUSES: &'static [&'static str] = &["redis-down", "other"];
    const ENDS_BY_ITSELF: bool = true;
    const EXAMPLES: &'static [&'static str] = &["", "deny: write"];
    const STATE: &'static str = "forbidden";

    fn begin(&self) -> Lever {
        Lever::Redis(RedisLever::Deny(self.deny))
    }

    fn end(&self) -> Option<Lever> {
        Some(Lever::Redis(RedisLever::Allow))
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
