//! One suite, both brokers: the Lua scripts on a real Redis, and the model in memory that stands for them in virtual time.
//!
//! Each body tells what an operation does and leaves behind; `random` lays long random sequences side by side. What only
//! a Redis can do (refuse, forget its scripts, let keys expire) is in `broker`.

mod batches;
mod keeping;
mod passing;
mod random;
pub(crate) mod state;

use crate::support::{Answer, Bench, NOW, Op, Persistence, key, need, task};
use batches::*;
use firedrill_asynq::broker::memory::MemoryBroker;
use firedrill_asynq::message::TaskMessage;
use firedrill_asynq::op::{Accepted, Reply};
use keeping::*;
use passing::*;
use prost::Message;
use smallvec::smallvec;
use state::{Content, State};
use std::collections::BTreeMap;

/// The UTC day of [`NOW`].
const DAY: &str = "2030-03-17";

/// A broker that can be looked into.
pub(crate) trait Broker {
    fn call(&mut self, op: Op) -> Answer;

    /// Everything it holds.
    fn state(&mut self) -> State;

    fn list(&mut self, part: &str) -> Vec<String> {
        match self.state().remove(&key(part)) {
            Some(Content::List(members)) => members,
            None => Vec::new(),
            other => panic!("{part} is {other:?}"),
        }
    }

    fn set(&mut self, part: &str) -> Vec<(String, i64)> {
        match self.state().remove(&key(part)) {
            Some(Content::Sorted(members)) => members,
            None => Vec::new(),
            other => panic!("{part} is {other:?}"),
        }
    }

    fn number(&mut self, part: &str) -> Option<i64> {
        match self.state().remove(&key(part))? {
            Content::Text(text) => Some(String::from_utf8(text).unwrap().parse().unwrap()),
            other => panic!("{part} is {other:?}"),
        }
    }

    fn hash(&mut self, id: &str) -> Option<BTreeMap<String, Vec<u8>>> {
        match self.state().remove(&key(&format!("t:{id}")))? {
            Content::Hash(fields) => Some(fields),
            other => panic!("{id} is {other:?}"),
        }
    }

    fn field(&mut self, id: &str, field: &str) -> Option<String> {
        let bytes = self.hash(id)?.remove(field)?;
        Some(String::from_utf8(bytes).unwrap())
    }

    fn stored(&mut self, id: &str) -> TaskMessage {
        let bytes = self.hash(id).unwrap().remove("msg").unwrap();
        TaskMessage::decode(&*bytes).unwrap()
    }

    fn enqueue(&mut self, id: &str) -> TaskMessage {
        let message = task(id);
        let op = Op::Enqueue {
            message: message.clone(),
            now: NOW,
        };
        assert_eq!(self.call(op), Ok(Reply::Enqueued(Accepted::New)));
        message
    }

    fn dequeue(&mut self) -> Option<TaskMessage> {
        let op = Op::Dequeue {
            queues: smallvec!["default".into()],
            lease_expires_s: NOW.secs() + 30,
        };
        match self.call(op) {
            Ok(Reply::Dequeued(taken)) => taken,
            other => panic!("{other:?}"),
        }
    }

    /// Enqueues a task and takes it.
    fn active(&mut self, id: &str) -> TaskMessage {
        let message = self.enqueue(id);
        assert_eq!(self.dequeue().as_ref(), Some(&message));
        message
    }
}

struct OnRedis(Bench);

impl OnRedis {
    fn new() -> Self {
        Self(Bench::new(Persistence::None, 1.0))
    }

    /// With what a model holds.
    fn holding(mut model: MemoryBroker<TaskMessage>) -> Self {
        let mut broker = Self::new();
        let held = state::of_memory(&mut model, &["default"]);
        state::into_redis(&held, &mut broker.0.redis);
        assert_eq!(broker.state(), held);
        broker
    }
}

impl Broker for OnRedis {
    fn call(&mut self, op: Op) -> Answer {
        self.0.call(op)
    }

    fn state(&mut self) -> State {
        state::of_redis(&mut self.0.redis)
    }
}

#[derive(Default)]
struct InMemory(MemoryBroker<TaskMessage>);

impl InMemory {
    fn new() -> Self {
        Self::default()
    }

    fn holding(model: MemoryBroker<TaskMessage>) -> Self {
        Self(model)
    }
}

impl Broker for InMemory {
    fn call(&mut self, op: Op) -> Answer {
        self.0.call(op)
    }

    fn state(&mut self) -> State {
        state::of_memory(&mut self.0, &["default", "low"])
    }
}

/// Runs each body on both brokers. Those after the semicolon begin with what a model holds.
macro_rules! conformance {
    ($($body:ident),* ; $($body_of:ident($holding:ident)),* $(,)?) => {
        mod on_redis {
            use super::*;
            $(#[test] fn $body() { need!("redis-server"); super::$body(&mut OnRedis::new()); })*
            $(#[test] fn $body_of() {
                need!("redis-server");
                super::$body_of(&mut OnRedis::holding($holding()));
            })*
        }
        mod in_memory {
            use super::*;
            $(#[test] fn $body() { super::$body(&mut InMemory::new()); })*
            $(#[test] fn $body_of() { super::$body_of(&mut InMemory::holding($holding())); })*
        }

        /// Runs the bodies that begin with nothing one after the other, each on a fresh broker.
        pub(crate) fn every_body<B: Broker>(mut fresh: impl FnMut() -> B) {
            $(
                println!("{}", stringify!($body));
                $body(&mut fresh());
            )*
        }
    };
}

conformance! {
    enqueue_dequeue_done,
    an_id_is_taken_until_its_task_is_gone,
    queues_are_tried_in_the_order_given,
    retry_counts_a_failure_or_does_not,
    requeue_puts_a_task_first_and_counts_nothing,
    what_is_not_in_progress_cannot_be_finished,
    forward_moves_what_is_due_a_hundred_at_a_time,
    leases_are_extended_and_listed,
    kept_tasks_are_completed_and_cleaned,
    the_archive_forgets_after_ninety_days,
    days_are_counted_apart,
    servers_come_and_go,
    stats_and_ids,
    tasks_are_conserved,
    a_batch_passes_through_as_its_tasks_would,
    each_task_of_a_batch_has_its_own_answer,
    a_batch_is_of_the_first_queue_that_has_tasks,
    locks_are_released_by_a_batch,
    large_batches_keep_their_order;
    the_archive_keeps_9999_of_10000(a_full_archive),
    a_task_can_be_the_one_the_archive_drops(a_full_archive_of_later_times),
}
