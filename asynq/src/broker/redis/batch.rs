//! Operations on many tasks in one round trip: a script per queue, none of more tasks than asynq itself moves with one call.

use super::reply::{batch, flags};
use super::script::{self, Call};
use super::worker::{COUNTER_MAX, counter_expiry_s};
use super::{Answer, RedisBroker, Reply};
use crate::clock::Time;
use crate::keys::Queue;
use crate::message::TaskMessage;
use crate::op::{Accepted, BrokerError, DequeueBatch, Finished};
use crate::settings::BATCH;
use futures_util::future::join_all;
use prost::Message;

impl RedisBroker {
    /// What became of each task, in order.
    pub(super) async fn enqueue_all(
        &self,
        messages: &[TaskMessage],
        now: Time,
    ) -> Vec<Result<Accepted, BrokerError>> {
        let call = |queue: Queue<'_>, places: &[usize]| {
            let mut call = Call::new(&script::ENQUEUE_BATCH)
                .keys([queue.key("pending")])
                .arg(queue.task_prefix())
                .arg(now.0);
            for message in places.iter().map(|place| &messages[*place]) {
                call = call.arg(&message.id).arg(message.encode_to_vec());
            }
            call
        };
        let accepted = |new| {
            if new {
                Accepted::New
            } else {
                Accepted::IdConflict
            }
        };
        let answers = self.by_queue(messages.iter().map(|message| &*message.queue), call);
        answers
            .await
            .into_iter()
            .map(|one| one.map(accepted))
            .collect()
    }

    /// Whether each task is finished, in order.
    pub(super) async fn done_batch(
        &self,
        tasks: &[Finished<TaskMessage>],
        now: Time,
    ) -> Vec<Result<(), BrokerError>> {
        let call = |queue: Queue<'_>, places: &[usize]| {
            let mut call = Call::new(&script::DONE_BATCH)
                .keys(["active", "lease"].map(|part| queue.key(part)))
                .keys([queue.daily("processed", now), queue.key("processed")])
                .arg(queue.task_prefix())
                .arg(counter_expiry_s(now))
                .arg(COUNTER_MAX);
            for task in places.iter().map(|place| &tasks[*place]) {
                let message = &task.message;
                call = call
                    .arg(&message.id)
                    .arg(task.younger)
                    .arg(&message.unique_key);
            }
            call
        };
        let finished = |done| {
            if done {
                Ok(())
            } else {
                Err(BrokerError::NotFound)
            }
        };
        let answers = self.by_queue(tasks.iter().map(|task| &*task.message.queue), call);
        answers
            .await
            .into_iter()
            .map(|one| one.and_then(finished))
            .collect()
    }

    /// Makes one call for all tasks of a queue, or several where there are many; `call` is told the places of the tasks in the
    /// whole. The calls do not wait for each other; where one fails, each of its tasks has failed with that.
    async fn by_queue<'q>(
        &self,
        queues: impl Iterator<Item = &'q str>,
        call: impl Fn(Queue<'_>, &[usize]) -> Call,
    ) -> Vec<Result<bool, BrokerError>> {
        let mut places: Vec<(&str, Vec<usize>)> = Vec::new();
        let mut count = 0;
        for (place, queue) in queues.enumerate() {
            count += 1;
            // A handful of queues at most.
            let open = places.iter_mut().rev().find(|(of, _)| *of == queue);
            match open {
                Some((_, places)) if places.len() < BATCH as usize => places.push(place),
                _ => places.push((queue, vec![place])),
            }
        }
        let asked = places.into_iter().map(async |(queue, places)| {
            let answer = self.script(call(Queue(queue), &places)).await;
            let answer = answer.and_then(|value| flags(value, places.len()));
            (places, answer)
        });
        let mut all = vec![Ok(false); count];
        for (places, answer) in join_all(asked).await {
            for (nth, place) in places.into_iter().enumerate() {
                all[place] = match &answer {
                    Ok(flags) => Ok(flags[nth]),
                    Err(error) => Err(error.clone()),
                };
            }
        }
        all
    }

    pub(super) async fn dequeue_batch(&self, wanted: &DequeueBatch<TaskMessage>) -> Answer {
        for name in &wanted.queues {
            let queue = Queue(name);
            let call = Call::new(&script::DEQUEUE_BATCH)
                .keys(["pending", "paused", "active", "lease"].map(|part| queue.key(part)))
                .arg(wanted.lease_expires_s)
                .arg(queue.task_prefix())
                .arg(wanted.max.clamp(1, BATCH));
            let taken = batch(queue, self.script(call).await?)?;
            if !taken.is_empty() {
                return Ok(Reply::DequeuedBatch(taken));
            }
        }
        Ok(Reply::DequeuedBatch(Vec::new()))
    }
}
