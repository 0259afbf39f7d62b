//! `redis.restore`: a node that is lost, and its data started from a backup.

use super::{Definition, Harm, Needs};
use crate::form::{form, positive};
use crate::lever::{Class, Lever, On, RedisLever};
use serde::{Deserialize, Serialize};

form! {
    /// SIGKILL, and Redis is started at once with the data set of some time ago.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct RedisRestore: "redis.restore" {
        /// How old the data set is.
        pub age_ms as "age": i64 = positive(), required;
    }
}

impl Definition for RedisRestore {
    const ON: On = On::Redis;
    const CLASS: Class = Class::Irreversible;
    const CAUSES: &'static [&'static str] = &["redis-down", "other"];
    const ENDS_BY_ITSELF: bool = true;
    const EXAMPLES: &'static [&'static str] = &["age: 20s"];
    const STATE: &'static str = "restored";

    fn begin(&self) -> Lever {
        Lever::Redis(RedisLever::Restore)
    }

    fn end(&self) -> Option<Lever> {
        Some(Lever::Redis(RedisLever::Look))
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

    fn prepare(&self) -> Option<(i64, Lever)> {
        Some((self.age_ms, Lever::Redis(RedisLever::Snapshot)))
    }

    fn loses_tasks(&self) -> bool {
        true
    }
}
