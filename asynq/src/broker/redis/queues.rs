//! Operations on a queue as a whole: upkeep of what waits in it, its listing and its numbers.

use super::reply::{count, messages, stats};
use super::script::{self, Call};
use super::{Answer, RedisBroker, Reply};
use crate::clock::Time;
use crate::keys::{self, Queue};
use crate::op::{Delayed, TaskState};
use crate::settings::BATCH;

impl RedisBroker {
    pub(super) async fn register_queue(&self, queue: &str) -> Answer {
        self.command::<()>(redis::cmd("SADD").arg(keys::QUEUES).arg(queue), "SADD")
            .await?;
        Ok(Reply::Done)
    }

    pub(super) async fn queues(&self) -> Answer {
        self.command(redis::cmd("SMEMBERS").arg(keys::QUEUES), "SMEMBERS")
            .await
            .map(Reply::Names)
    }

    pub(super) async fn forward(&self, queue: Queue<'_>, from: Delayed, now: Time) -> Answer {
        let source = match from {
            Delayed::Scheduled => "scheduled",
            Delayed::Retry => "retry",
        };
        let call = Call::new(&script::FORWARD)
            .keys([queue.key(source), queue.key("pending")])
            .arg(now.secs())
            .arg(queue.task_prefix())
            .arg(now.0)
            .arg(queue.key("g:"));
        self.script(call)
            .await
            .map(|value| Reply::Count(count(&value)))
    }

    pub(super) async fn list_lease_expired(&self, queue: Queue<'_>, cutoff_s: i64) -> Answer {
        let call = Call::new(&script::LIST_LEASE_EXPIRED)
            .keys([queue.key("lease")])
            .arg(cutoff_s)
            .arg(queue.task_prefix());
        messages(queue, self.script(call).await?).map(Reply::Messages)
    }

    pub(super) async fn delete_expired_completed(&self, queue: Queue<'_>, now_s: i64) -> Answer {
        let call = Call::new(&script::DELETE_EXPIRED_COMPLETED)
            .keys([queue.key("completed")])
            .arg(now_s)
            .arg(queue.task_prefix())
            .arg(i64::from(BATCH));
        self.script(call)
            .await
            .map(|value| Reply::Count(count(&value)))
    }

    pub(super) async fn pause(&self, queue: Queue<'_>, now: Time) -> Answer {
        let mut command = redis::cmd("SET");
        command.arg(queue.key("paused")).arg(now.secs());
        let set: Option<String> = self.command(command.arg("NX"), "SET").await?;
        Ok(Reply::Changed(set.is_some()))
    }

    pub(super) async fn unpause(&self, queue: Queue<'_>) -> Answer {
        let key = queue.key("paused");
        let deleted: u64 = self.command(redis::cmd("DEL").arg(key), "DEL").await?;
        Ok(Reply::Changed(deleted > 0))
    }

    pub(super) async fn queue_stats(&self, queue: Queue<'_>, now: Time) -> Answer {
        let parts = [
            "pending",
            "active",
            "scheduled",
            "retry",
            "archived",
            "completed",
            "processed",
            "failed",
            "paused",
            "groups",
        ];
        let call = Call::new(&script::QUEUE_STATS)
            .keys(parts.map(|part| queue.key(part)))
            .arg(queue.task_prefix())
            .arg(queue.group(""));
        stats(&self.script(call).await?, now)
            .map(Box::new)
            .map(Reply::Stats)
    }

    pub(super) async fn list_ids(&self, queue: Queue<'_>) -> Answer {
        let lists = [
            ("pending", TaskState::Pending),
            ("active", TaskState::Active),
        ];
        let sets = [
            ("scheduled", TaskState::Scheduled),
            ("retry", TaskState::Retry),
            ("archived", TaskState::Archived),
            ("completed", TaskState::Completed),
        ];
        let of = |command, parts: &[(&str, TaskState)]| {
            parts
                .iter()
                .map(|(part, state)| (command, queue.key(part), *state))
                .collect::<Vec<_>>()
        };
        let groups: Vec<String> = self
            .command(redis::cmd("SMEMBERS").arg(queue.key("groups")), "SMEMBERS")
            .await?;
        let sets_left: Vec<String> = self
            .command(
                redis::cmd("ZRANGE")
                    .arg(queue.key("aggregation_sets"))
                    .arg(0)
                    .arg(-1),
                "ZRANGE",
            )
            .await?;
        let grouped = groups
            .iter()
            .map(|group| queue.group(group))
            .chain(sets_left)
            .map(|key| ("ZRANGE", key, TaskState::Aggregating));
        let mut found = Vec::new();
        for (command, key, state) in of("LRANGE", &lists)
            .into_iter()
            .chain(of("ZRANGE", &sets))
            .chain(grouped)
        {
            let ids: Vec<String> = self
                .command(redis::cmd(command).arg(key).arg(0).arg(-1), command)
                .await?;
            found.extend(ids.into_iter().map(|id| (id, state)));
        }
        Ok(Reply::Ids(found))
    }
}
