//! Operations of the aggregator, and of the recoverer on sets that were left behind.

use super::reply::{count, messages};
use super::script::{self, Call};
use super::{RedisBroker, Reply};
use crate::keys::Queue;
use crate::message::TaskMessage;
use crate::op::{AggregationCheck, BrokerError};
use crate::settings::AGGREGATION_TIMEOUT_S;
use uuid::Uuid;

type Answer = Result<Reply, BrokerError>;

impl RedisBroker {
    pub(super) async fn list_groups(&self, queue: Queue<'_>) -> Answer {
        self.command(redis::cmd("SMEMBERS").arg(queue.key("groups")), "SMEMBERS")
            .await
            .map(Reply::Groups)
    }

    pub(super) async fn aggregation_check(&self, check: &AggregationCheck<TaskMessage>) -> Answer {
        let AggregationCheck {
            queue,
            group,
            set,
            limits,
            now,
        } = check;
        let queue = Queue(queue);
        let call = Call::new(&script::AGGREGATION_CHECK)
            .keys([
                queue.group(group),
                queue.aggregation_set(group, *set),
                queue.key("aggregation_sets"),
                queue.key("groups"),
            ])
            .arg(i64::from(limits.max_size))
            .arg(limits.max_delay_s)
            .arg(limits.grace_s)
            .arg(now.secs() + AGGREGATION_TIMEOUT_S)
            .arg(now.secs())
            .arg(group);
        let value = self.script(call).await?;
        Ok(Reply::Taken(count(&value) == 1))
    }

    pub(super) async fn read_aggregation_set(
        &self,
        queue: Queue<'_>,
        group: &str,
        set: Uuid,
    ) -> Answer {
        let key = queue.aggregation_set(group, set);
        let call = Call::new(&script::READ_AGGREGATION_SET)
            .keys([key.clone()])
            .arg(queue.task_prefix());
        let messages = messages(queue, self.script(call).await?)?;
        let mut score = redis::cmd("ZSCORE");
        score.arg(queue.key("aggregation_sets")).arg(key);
        let deadline_s: Option<f64> = self.command(&score, "ZSCORE").await?;
        Ok(Reply::AggregationSet {
            messages,
            deadline_s: deadline_s.ok_or(BrokerError::NotFound)? as i64,
        })
    }

    pub(super) async fn delete_aggregation_set(
        &self,
        queue: Queue<'_>,
        group: &str,
        set: Uuid,
    ) -> Answer {
        let call = Call::new(&script::DELETE_AGGREGATION_SET)
            .keys([
                queue.aggregation_set(group, set),
                queue.key("aggregation_sets"),
            ])
            .arg(queue.task_prefix());
        self.script_done(call).await
    }

    pub(super) async fn reclaim_aggregation_sets(&self, queue: Queue<'_>, now_s: i64) -> Answer {
        let call = Call::new(&script::RECLAIM_AGGREGATION_SETS)
            .keys([queue.key("aggregation_sets")])
            .arg(now_s);
        self.script_done(call).await
    }
}
