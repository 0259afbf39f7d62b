//! The Lua scripts, one a file, and how they are called.

use redis::aio::ConnectionLike;
use redis::{Cmd, ErrorKind, RedisError, Script, ServerErrorKind, ToRedisArgs, Value};
use std::sync::LazyLock;

/// A script with its name, for error texts.
pub struct Named {
    name: &'static str,
    text: &'static str,
    script: Script,
}

impl Named {
    /// A script that is called `name` in errors.
    #[must_use]
    pub fn new(name: &'static str, text: &'static str) -> Self {
        Self {
            name,
            text,
            script: Script::new(text),
        }
    }
}

macro_rules! scripts {
    ($($constant:ident = $file:literal;)*) => {
        $(pub(super) static $constant: LazyLock<Named> = LazyLock::new(|| {
            Named::new($file, include_str!(concat!("../../lua/", $file, ".lua")))
        });)*

        static ALL: &[&LazyLock<Named>] = &[$(&$constant),*];
    };
}

scripts! {
    ENQUEUE = "enqueue";
    SCHEDULE = "schedule";
    ENQUEUE_UNIQUE = "enqueue_unique";
    SCHEDULE_UNIQUE = "schedule_unique";
    ADD_TO_GROUP = "add_to_group";
    ENQUEUE_BATCH = "enqueue_batch";
    DEQUEUE = "dequeue";
    DEQUEUE_BATCH = "dequeue_batch";
    DONE = "done";
    DONE_BATCH = "done_batch";
    MARK_AS_COMPLETE = "mark_as_complete";
    REQUEUE = "requeue";
    RETRY = "retry";
    ARCHIVE = "archive";
    FORWARD = "forward";
    LIST_LEASE_EXPIRED = "list_lease_expired";
    DELETE_EXPIRED_COMPLETED = "delete_expired_completed";
    AGGREGATION_CHECK = "aggregation_check";
    READ_AGGREGATION_SET = "read_aggregation_set";
    DELETE_AGGREGATION_SET = "delete_aggregation_set";
    RECLAIM_AGGREGATION_SETS = "reclaim_aggregation_sets";
    WRITE_SCHEDULER_ENTRIES = "write_scheduler_entries";
    RECORD_ENQUEUE_EVENT = "record_enqueue_event";
    WRITE_SERVER_STATE = "write_server_state";
    CLEAR_SERVER_STATE = "clear_server_state";
    QUEUE_STATS = "queue_stats";
}

/// The name of the script that has this hash.
pub(super) fn name_of_hash(hash: &[u8]) -> Option<&'static str> {
    let mut all = ALL.iter();
    let found = all.find(|named| {
        named
            .script
            .get_hash()
            .as_bytes()
            .eq_ignore_ascii_case(hash)
    });
    found.map(|named| named.name)
}

/// The name of the script that has this text.
pub(super) fn name_of_text(text: &[u8]) -> Option<&'static str> {
    let mut all = ALL.iter();
    let found = all.find(|named| named.text.as_bytes() == text);
    found.map(|named| named.name)
}

/// One call of a script: `EVALSHA`, and `EVAL` when Redis does not know it (any more). As go-redis, which never loads a
/// script by itself: in a cluster that would need all nodes.
pub struct Call {
    pub(super) name: &'static str,
    named: &'static Named,
    keys: Vec<String>,
    args: Vec<Vec<u8>>,
}

impl Call {
    /// A call without keys and arguments.
    #[must_use]
    pub fn new(named: &'static Named) -> Self {
        Self {
            name: named.name,
            named,
            keys: Vec::new(),
            args: Vec::new(),
        }
    }

    /// Adds keys.
    #[must_use]
    pub fn keys(mut self, keys: impl IntoIterator<Item = String>) -> Self {
        self.keys.extend(keys);
        self
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, arg: impl ToRedisArgs) -> Self {
        self.args.extend(arg.to_redis_args());
        self
    }

    pub(super) async fn invoke(
        &self,
        connection: &mut impl ConnectionLike,
    ) -> Result<Value, RedisError> {
        let known = self.command("EVALSHA", self.named.script.get_hash());
        match known.query_async(connection).await {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                self.command("EVAL", self.named.text)
                    .query_async(connection)
                    .await
            }
            answer => answer,
        }
    }

    fn command(&self, name: &str, script: &str) -> Cmd {
        let mut command = redis::cmd(name);
        command.arg(script).arg(self.keys.len()).arg(&self.keys);
        for arg in &self.args {
            command.arg(arg.as_slice());
        }
        command
    }
}
