//! The Lua scripts, one a file, and how they are called.

use redis::aio::MultiplexedConnection;
use redis::{RedisError, Script, ToRedisArgs, Value};
use std::sync::LazyLock;

/// A script with its name, for error texts.
pub(super) struct Named {
    name: &'static str,
    script: Script,
}

macro_rules! scripts {
    ($($constant:ident = $file:literal;)*) => {
        $(pub(super) static $constant: LazyLock<Named> = LazyLock::new(|| Named {
            name: $file,
            script: Script::new(include_str!(concat!("../../asynq/lua/", $file, ".lua"))),
        });)*
    };
}

scripts! {
    ENQUEUE = "enqueue";
    SCHEDULE = "schedule";
    DEQUEUE = "dequeue";
    DONE = "done";
    MARK_AS_COMPLETE = "mark_as_complete";
    REQUEUE = "requeue";
    RETRY = "retry";
    ARCHIVE = "archive";
    FORWARD = "forward";
    LIST_LEASE_EXPIRED = "list_lease_expired";
    DELETE_EXPIRED_COMPLETED = "delete_expired_completed";
    WRITE_SERVER_STATE = "write_server_state";
    CLEAR_SERVER_STATE = "clear_server_state";
    QUEUE_STATS = "queue_stats";
    QUEUE_MEMORY = "queue_memory";
}

/// One call of a script: `EVALSHA`, and the script itself when Redis does not know it (any more).
pub(super) struct Call {
    pub(super) name: &'static str,
    script: &'static Script,
    keys: Vec<String>,
    args: Vec<Vec<u8>>,
}

impl Call {
    pub(super) fn new(named: &'static Named) -> Self {
        Self {
            name: named.name,
            script: &named.script,
            keys: Vec::new(),
            args: Vec::new(),
        }
    }

    pub(super) fn keys(mut self, keys: impl IntoIterator<Item = String>) -> Self {
        self.keys.extend(keys);
        self
    }

    pub(super) fn arg(mut self, arg: impl ToRedisArgs) -> Self {
        self.args.extend(arg.to_redis_args());
        self
    }

    pub(super) async fn invoke(
        &self,
        connection: &mut MultiplexedConnection,
    ) -> Result<Value, RedisError> {
        let mut invocation = self.script.prepare_invoke();
        for key in &self.keys {
            invocation.key(key);
        }
        for arg in &self.args {
            invocation.arg(arg.as_slice());
        }
        invocation.invoke_async(connection).await
    }
}
