//! Names of asynq's Redis keys. There is no prefix to configure: asynq has none.

use crate::clock::Time;
use crate::message::ServerInfo;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use md5::{Digest, Md5};
use uuid::Uuid;

/// Names of all published queues (SET).
pub const QUEUES: &str = "asynq:queues";
/// Server keys by expiry (ZSET).
pub const SERVERS: &str = "asynq:servers";
/// Worker keys by expiry (ZSET).
pub const WORKERS: &str = "asynq:workers";
/// Scheduler keys by expiry (ZSET).
pub const SCHEDULERS: &str = "asynq:schedulers";
/// Pub/sub channel of cancellations; a message is a task id.
pub const CANCEL: &str = "asynq:cancel";

/// The keys of one queue. The braces make all of them one Redis Cluster slot.
#[derive(Debug, Clone, Copy)]
pub struct Queue<'q>(
    /// Queue name, verbatim.
    pub &'q str,
);

impl Queue<'_> {
    /// A key of this queue by its last part, e.g. `pending`, `active`, `lease`, `scheduled`, `retry`, `archived`,
    /// `completed`, `paused`, `processed`, `failed`.
    #[must_use]
    pub fn key(self, part: &str) -> String {
        format!("asynq:{{{}}}:{part}", self.0)
    }

    /// What the keys of tasks begin with.
    #[must_use]
    pub fn task_prefix(self) -> String {
        self.key("t:")
    }

    /// The hash of a task.
    #[must_use]
    pub fn task(self, id: &str) -> String {
        self.key(&format!("t:{id}"))
    }

    /// The tasks that wait in a group (ZSET).
    #[must_use]
    pub fn group(self, group: &str) -> String {
        self.key(&format!("g:{group}"))
    }

    /// Tasks taken out of a group for one aggregation (ZSET).
    #[must_use]
    pub fn aggregation_set(self, group: &str, set: Uuid) -> String {
        self.key(&format!("g:{group}:{set}"))
    }

    /// The uniqueness lock of a task. asynq distinguishes a payload that is absent (Go's nil) from an empty one.
    #[must_use]
    pub fn unique(self, task_type: &str, payload: Option<&[u8]>) -> String {
        let hex = |payload| {
            Md5::digest(payload)
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect()
        };
        let digest: String = payload.map(hex).unwrap_or_default();
        self.key(&format!("unique:{task_type}:{digest}"))
    }

    /// A counter (`processed` or `failed`) of the UTC day of `now`.
    #[must_use]
    pub fn daily(self, counter: &str, now: Time) -> String {
        let at = Timestamp::from_second(now.secs()).unwrap_or(Timestamp::UNIX_EPOCH);
        let date = TimeZone::UTC.to_datetime(at).date();
        let (year, month, day) = (date.year(), date.month(), date.day());
        self.key(&format!("{counter}:{year:04}-{month:02}-{day:02}"))
    }
}

/// The enqueues of one scheduler entry by time (ZSET).
#[must_use]
pub fn scheduler_history(entry_id: &str) -> String {
    format!("asynq:scheduler_history:{entry_id}")
}

/// The key of a server's own state (STRING).
#[must_use]
pub fn server(info: &ServerInfo) -> String {
    format!(
        "asynq:servers:{{{}:{}:{}}}",
        info.host, info.pid, info.server_id
    )
}

/// The key of a server's tasks in progress (HASH).
#[must_use]
pub fn workers(info: &ServerInfo) -> String {
    format!(
        "asynq:workers:{{{}:{}:{}}}",
        info.host, info.pid, info.server_id
    )
}

/// The key of a scheduler's entries (LIST), by `<host>:<pid>:<uuid>`.
#[must_use]
pub fn scheduler(scheduler: &str) -> String {
    format!("asynq:schedulers:{{{scheduler}}}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_asynqs() {
        let queue = Queue("default");
        assert_eq!(queue.key("pending"), "asynq:{default}:pending");
        assert_eq!(queue.task("id-1"), "asynq:{default}:t:id-1");
        let at = Time::from_millis(1_700_000_000_000);
        assert_eq!(
            queue.daily("processed", at),
            "asynq:{default}:processed:2023-11-14"
        );
        let unique = |payload| queue.unique("email:send", payload);
        let digest = "b0830eb55b322318d82bb90de3c8e3df";
        assert_eq!(
            unique(Some(br#"{"to":7}"#.as_slice())),
            format!("asynq:{{default}}:unique:email:send:{digest}")
        );
        assert_eq!(unique(None), "asynq:{default}:unique:email:send:");
        let empty = unique(Some(b"".as_slice()));
        assert!(
            empty.ends_with(":d41d8cd98f00b204e9800998ecf8427e"),
            "{empty}"
        );
        let info = ServerInfo {
            host: "h1".into(),
            pid: 42,
            server_id: "sid".into(),
            ..ServerInfo::default()
        };
        assert_eq!(server(&info), "asynq:servers:{h1:42:sid}");
        assert_eq!(workers(&info), "asynq:workers:{h1:42:sid}");
    }
}
