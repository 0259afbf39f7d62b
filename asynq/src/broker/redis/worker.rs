//! Operations of a worker: a task is taken, and put where it belongs when its handler has returned.

use super::reply::message;
use super::script::{self, Call};
use super::{Answer, RedisBroker, Reply};
use crate::clock::Time;
use crate::keys::Queue;
use crate::message::TaskMessage;
use crate::settings::{ARCHIVE_MAX, KEEP_DAYS};
use prost::Message;

/// The largest counter value asynq knows.
pub(super) const COUNTER_MAX: i64 = i64::MAX;

impl RedisBroker {
    pub(super) async fn dequeue(&self, queues: &[String], lease_expires_s: i64) -> Answer {
        for name in queues {
            let queue = Queue(name);
            let call = Call::new(&script::DEQUEUE)
                .keys(["pending", "paused", "active", "lease"].map(|part| queue.key(part)))
                .arg(lease_expires_s)
                .arg(queue.task_prefix());
            if let Some(message) = message(queue, self.script(call).await?)? {
                return Ok(Reply::Dequeued(Some(message)));
            }
        }
        Ok(Reply::Dequeued(None))
    }

    pub(super) async fn done(&self, message: TaskMessage, now: Time) -> Answer {
        let queue = Queue(&message.queue);
        let call = Call::new(&script::DONE)
            .keys(["active", "lease"].map(|part| queue.key(part)))
            .keys([
                queue.task(&message.id),
                queue.daily("processed", now),
                queue.key("processed"),
            ])
            .keys(lock(&message))
            .arg(&message.id)
            .arg(counter_expiry_s(now))
            .arg(COUNTER_MAX);
        self.script_done(call).await
    }

    pub(super) async fn mark_as_complete(&self, mut message: TaskMessage, now: Time) -> Answer {
        message.completed_at = now.secs();
        let queue = Queue(&message.queue);
        let call = Call::new(&script::MARK_AS_COMPLETE)
            .keys(["active", "lease", "completed"].map(|part| queue.key(part)))
            .keys([
                queue.task(&message.id),
                queue.daily("processed", now),
                queue.key("processed"),
            ])
            .keys(lock(&message))
            .arg(&message.id)
            .arg(counter_expiry_s(now))
            .arg(now.secs() + message.retention)
            .arg(message.encode_to_vec())
            .arg(COUNTER_MAX);
        self.script_done(call).await
    }

    pub(super) async fn requeue(&self, message: TaskMessage) -> Answer {
        let queue = Queue(&message.queue);
        let call = Call::new(&script::REQUEUE)
            .keys(["active", "lease", "pending"].map(|part| queue.key(part)))
            .keys([queue.task(&message.id)])
            .arg(&message.id);
        self.script_done(call).await
    }

    pub(super) async fn retry(
        &self,
        message: TaskMessage,
        retry_at_s: i64,
        is_failure: bool,
        now: Time,
    ) -> Answer {
        let queue = Queue(&message.queue);
        let call = Call::new(&script::RETRY)
            .keys([queue.task(&message.id)])
            .keys(["active", "lease", "retry"].map(|part| queue.key(part)))
            .keys(counters(queue, now))
            .arg(&message.id)
            .arg(message.encode_to_vec())
            .arg(retry_at_s)
            .arg(counter_expiry_s(now))
            .arg(i64::from(is_failure))
            .arg(COUNTER_MAX);
        self.script_done(call).await
    }

    pub(super) async fn archive(&self, message: TaskMessage, now: Time) -> Answer {
        let queue = Queue(&message.queue);
        let call = Call::new(&script::ARCHIVE)
            .keys([queue.task(&message.id)])
            .keys(["active", "lease", "archived"].map(|part| queue.key(part)))
            .keys(counters(queue, now))
            .keys([queue.task_prefix()])
            .arg(&message.id)
            .arg(message.encode_to_vec())
            .arg(now.secs())
            .arg(now.secs() - KEEP_DAYS * 86_400)
            .arg(i64::from(ARCHIVE_MAX))
            .arg(counter_expiry_s(now))
            .arg(COUNTER_MAX);
        self.script_done(call).await
    }

    pub(super) async fn extend_lease(
        &self,
        queue: Queue<'_>,
        ids: &[String],
        expires_s: i64,
    ) -> Answer {
        let mut command = redis::cmd("ZADD");
        command.arg(queue.key("lease")).arg("XX");
        for id in ids {
            command.arg(expires_s).arg(id);
        }
        self.command::<i64>(&command, "ZADD").await?;
        Ok(Reply::Done)
    }

    pub(super) async fn write_result(&self, message: &TaskMessage, result: &[u8]) -> Answer {
        let mut command = redis::cmd("HSET");
        let key = Queue(&message.queue).task(&message.id);
        command.arg(key).arg("result").arg(result);
        self.command::<()>(&command, "HSET").await?;
        Ok(Reply::Done)
    }
}

/// The lock of a unique task.
fn lock(message: &TaskMessage) -> Option<String> {
    let lock = Some(&message.unique_key);
    lock.filter(|key| !key.is_empty()).cloned()
}

/// The four counters of a queue in the order the scripts take them.
fn counters(queue: Queue<'_>, now: Time) -> [String; 4] {
    [
        queue.daily("processed", now),
        queue.daily("failed", now),
        queue.key("processed"),
        queue.key("failed"),
    ]
}

/// When the counters of a day go away, Unix seconds.
pub(super) fn counter_expiry_s(now: Time) -> i64 {
    now.secs() + KEEP_DAYS * 86_400
}
