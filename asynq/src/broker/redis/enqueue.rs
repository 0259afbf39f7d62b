//! Operations of a producer: each puts a new task somewhere.

use super::script::{self, Call};
use super::{Op, RedisBroker, Reply};
use crate::client::{NewTaskError, Submission};
use crate::clock::Time;
use crate::keys::Queue;
use crate::message::TaskMessage;
use crate::op::{Accepted, BrokerError, ScheduleUnique};
use futures_util::future::{join, join_all};
use prost::Message;
use redis::Value;
use std::collections::BTreeSet;

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

    pub(super) async fn schedule_unique(&self, task: &ScheduleUnique<TaskMessage>) -> Answer {
        let ScheduleUnique {
            message,
            process_at_s,
            lock_ttl_s,
            ..
        } = task;
        let queue = Queue(&message.queue);
        let call = Call::new(&script::SCHEDULE_UNIQUE)
            .keys([
                message.unique_key.clone(),
                queue.task(&message.id),
                queue.key("scheduled"),
            ])
            .arg(&message.id)
            .arg(self.real_ttl_ms(*lock_ttl_s))
            .arg(message.encode_to_vec())
            .arg(*process_at_s);
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

    /// Enqueues or schedules many tasks with one moment for all, in one go; each stands for itself (asynq's batch enqueue). The
    /// queues' names are published first.
    ///
    /// Unlike asynq, which reports a task whose id exists already as a success, each answer is the true one.
    ///
    /// # Errors
    /// When a task is unique or has a group; then none is enqueued. What became of each stands in its own answer.
    pub async fn enqueue_batch(
        &self,
        tasks: Vec<Submission<TaskMessage>>,
        now: Time,
    ) -> Result<Vec<Result<Accepted, BrokerError>>, NewTaskError> {
        tasks.iter().try_for_each(Submission::batchable)?;
        let queues: BTreeSet<String> = tasks
            .iter()
            .map(|task| task.message.queue.clone())
            .collect();
        let publish = |queue: String| self.call(Op::RegisterQueue { queue });
        let published = join_all(queues.into_iter().map(publish));
        // In this order, so that the names are on their way first. Names that did not arrive hide tasks from tools, and
        // no task.
        let (_, answers) = join(published, self.enqueue_each(tasks, now)).await;
        Ok(answers)
    }

    /// What becomes of each task of whatever options, in order: those that are due now and nothing else as batches, the others
    /// by calls of their own, and none waits for the answer of another.
    pub(crate) async fn enqueue_each(
        &self,
        tasks: Vec<Submission<TaskMessage>>,
        now: Time,
    ) -> Vec<Result<Accepted, BrokerError>> {
        let (mut due, mut due_at, mut others) = (Vec::new(), Vec::new(), Vec::new());
        let mut all = Vec::with_capacity(tasks.len());
        for (place, task) in tasks.into_iter().enumerate() {
            all.push(Ok(Accepted::New));
            match task.op(now) {
                Op::Enqueue { message, .. } => {
                    due.push(message);
                    due_at.push(place);
                }
                op => others.push(async move { (place, enqueued(self.call(op).await)) }),
            }
        }
        let (due, others) = join(self.enqueue_all(&due, now), join_all(others)).await;
        for (place, answer) in due_at.into_iter().zip(due).chain(others) {
            all[place] = answer;
        }
        all
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

fn enqueued(answer: Answer) -> Result<Accepted, BrokerError> {
    match answer? {
        Reply::Enqueued(accepted) => Ok(accepted),
        other => Err(BrokerError::Refused(
            format!("enqueue: unexpected reply {other:?}").into(),
        )),
    }
}
