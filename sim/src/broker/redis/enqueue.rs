//! Operations of a producer: each puts a new task somewhere.

use super::script::{self, Call};
use super::{RedisBroker, Reply};
use crate::asynq::keys::Queue;
use crate::asynq::message::TaskMessage;
use crate::asynq::op::{Accepted, BrokerError};
use crate::clock::Time;
use prost::Message;
use redis::Value;

type Answer = Result<Reply, BrokerError>;

impl RedisBroker {
    pub(super) async fn enqueue(&self, message: TaskMessage, now: Time) -> Answer {
        let queue = Queue(&message.queue);
        let call = Call::new(&script::ENQUEUE)
            .keys([queue.task(&message.id), queue.key("pending")])
            .arg(message.encode_to_vec())
            .arg(&message.id)
            .arg(now.0);
        self.accepted(call).await
    }

    pub(super) async fn enqueue_unique(
        &self,
        message: TaskMessage,
        lock_ttl_s: i64,
        now: Time,
    ) -> Answer {
        let queue = Queue(&message.queue);
        let call = Call::new(&script::ENQUEUE_UNIQUE)
            .keys([
                message.unique_key.clone(),
                queue.task(&message.id),
                queue.key("pending"),
            ])
            .arg(&message.id)
            .arg(self.real_ttl_ms(lock_ttl_s))
            .arg(message.encode_to_vec())
            .arg(now.0);
        self.accepted(call).await
    }

    pub(super) async fn schedule(&self, message: TaskMessage, process_at_s: i64) -> Answer {
        let queue = Queue(&message.queue);
        let call = Call::new(&script::SCHEDULE)
            .keys([queue.task(&message.id), queue.key("scheduled")])
            .arg(message.encode_to_vec())
            .arg(process_at_s)
            .arg(&message.id);
        self.accepted(call).await
    }

    pub(super) async fn schedule_unique(
        &self,
        message: TaskMessage,
        process_at_s: i64,
        lock_ttl_s: i64,
    ) -> Answer {
        let queue = Queue(&message.queue);
        let call = Call::new(&script::SCHEDULE_UNIQUE)
            .keys([
                message.unique_key.clone(),
                queue.task(&message.id),
                queue.key("scheduled"),
            ])
            .arg(&message.id)
            .arg(self.real_ttl_ms(lock_ttl_s))
            .arg(message.encode_to_vec())
            .arg(process_at_s);
        self.accepted(call).await
    }

    /// With a uniqueness lock if a time to live is given for it.
    pub(super) async fn add_to_group(
        &self,
        message: TaskMessage,
        lock_ttl_s: Option<i64>,
        now: Time,
    ) -> Answer {
        let queue = Queue(&message.queue);
        let mut call = Call::new(&script::ADD_TO_GROUP)
            .keys([
                queue.task(&message.id),
                queue.group(&message.group_key),
                queue.key("groups"),
            ])
            .keys(lock_ttl_s.map(|_| message.unique_key.clone()))
            .arg(message.encode_to_vec())
            .arg(&message.id)
            .arg(now.secs())
            .arg(&message.group_key);
        if let Some(ttl_s) = lock_ttl_s {
            call = call.arg(self.real_ttl_ms(ttl_s));
        }
        self.accepted(call).await
    }

    async fn accepted(&self, call: Call) -> Answer {
        let accepted = match self.script(call).await? {
            Value::Int(1) => Accepted::New,
            Value::Int(-1) => Accepted::Duplicate,
            _ => Accepted::IdConflict,
        };
        Ok(Reply::Enqueued(accepted))
    }
}
