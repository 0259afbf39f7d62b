//! Looking at queues and tasks, and putting them right by hand: what asynq's `Inspector` does.
//!
//! Times are arguments, as everywhere. Looking never changes a key: where asynq's own listings prune what has expired,
//! ours only leave it out. What cannot be read is told as an [`Oddity`], and the rest is still shown.

mod bulk;
mod cluster;
mod commands;
mod error;
mod oddity;
mod orphans;
mod queues;
mod reply;
mod schedulers;
mod scripts;
mod servers;
mod tasks;

pub use bulk::{Change, Source};
pub use cluster::Node;
pub use commands::RedisCommand;
pub use error::{InspectError, Refusal};
pub use oddity::{KeyType, Odd, Oddity};
pub use orphans::{LeftOver, Orphan, OrphanKind, Orphans, SHOWN, Unseen};
pub use queues::{Day, GroupInfo, GroupList, QueueInfo};
pub use schedulers::{EventList, SchedulerList};
pub use servers::{ServerList, ServerView};
pub use tasks::{Found, TaskInfo, TaskList};

use crate::broker::redis::script::Call;
use crate::broker::redis::{RedisBroker, RedisOptions};
use crate::keys;
use redis::Value;

/// Looks at the queues and tasks of one Redis, and changes them. Cheap to clone.
#[derive(Clone)]
pub struct Inspector {
    broker: RedisBroker,
}

/// A part of a listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// Number of the page, from 1.
    pub number: u32,
    /// Entries per page. Quirk: 0 means all of them, on every page.
    pub size: u32,
}

impl Default for Page {
    /// asynq's: the first 30.
    fn default() -> Self {
        Self {
            number: 1,
            size: 30,
        }
    }
}

impl Page {
    /// First and last rank, counted from 0.
    fn ranks(self) -> (i64, i64) {
        let size = i64::from(self.size);
        let first = i64::from(self.number.max(1) - 1) * size;
        (first, first + size - 1)
    }
}

impl Inspector {
    /// An inspector of the Redis that `broker` is connected to.
    #[must_use]
    pub fn new(broker: RedisBroker) -> Self {
        Self { broker }
    }

    /// An inspector of the Redis at `address`.
    ///
    /// # Errors
    /// When the address is malformed or nobody answers there.
    pub async fn connect(address: &str) -> Result<Self, InspectError> {
        let broker = RedisBroker::connect(address, RedisOptions::at_speed(1.0)).await?;
        Ok(Self::new(broker))
    }

    /// What it talks to Redis by.
    #[must_use]
    pub const fn broker(&self) -> &RedisBroker {
        &self.broker
    }

    /// Redis' `INFO`, the default sections.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn redis_info(&self) -> Result<String, InspectError> {
        Ok(self.broker.info().await?)
    }

    /// Runs a script. `keys` says what it expects where, so that a key of another type can be named.
    async fn run(&self, call: Call, keys: &[(String, KeyType)]) -> Result<Value, InspectError> {
        match self.broker.script(call).await {
            Ok(value) => Ok(value),
            Err(error) => Err(self.named(error.into(), keys).await),
        }
    }

    /// Names the key of another type that `error` is about, if it is about one.
    async fn named(&self, error: InspectError, keys: &[(String, KeyType)]) -> InspectError {
        if error.refusal() != Some(Refusal::WrongType) {
            return error;
        }
        for (key, expected) in keys {
            // Redis names no key; a second look that fails must not hide what the first one said.
            if let Ok(Some(oddity)) = self.type_oddity(key, *expected).await {
                return InspectError::Foreign(oddity);
            }
        }
        error
    }

    /// What is odd about the type of `key`, if it exists.
    async fn type_oddity(
        &self,
        key: &str,
        expected: KeyType,
    ) -> Result<Option<Oddity>, InspectError> {
        let found = self.key_type(key).await?;
        let odd = found.filter(|found| found != expected.name());
        Ok(odd.map(|found| Oddity {
            key: key.to_owned(),
            what: Odd::WrongType { expected, found },
        }))
    }

    /// What type a key holds, as `TYPE` calls it; nothing when there is no such key.
    ///
    /// # Errors
    /// When Redis cannot be asked.
    pub async fn key_type(&self, key: &str) -> Result<Option<String>, InspectError> {
        let found: String = self
            .broker
            .command(redis::cmd("TYPE").arg(key), "TYPE")
            .await?;
        Ok(Some(found).filter(|found| found != "none"))
    }

    /// How many elements a key of a type holds; 0 when there is no such key.
    ///
    /// # Errors
    /// When Redis cannot be asked, or the key holds another type.
    pub async fn key_length(&self, key: &str, expected: KeyType) -> Result<u64, InspectError> {
        let command = expected.length_command();
        let answer = self
            .broker
            .command(redis::cmd(command).arg(key), command)
            .await;
        match answer {
            Ok(length) => Ok(length),
            Err(error) => {
                let keys = [(key.to_owned(), expected)];
                Err(self.named(InspectError::from(error), &keys).await)
            }
        }
    }

    /// Fails unless the queue is published.
    async fn existing(&self, queue: &str) -> Result<(), InspectError> {
        valid_name(queue)?;
        let mut command = redis::cmd("SISMEMBER");
        command.arg(keys::QUEUES).arg(queue);
        match self.broker.command::<bool>(&command, "SISMEMBER").await {
            Ok(true) => Ok(()),
            Ok(false) => Err(InspectError::QueueNotFound(queue.to_owned())),
            Err(error) => {
                let keys = [(keys::QUEUES.to_owned(), KeyType::Set)];
                Err(self.named(error.into(), &keys).await)
            }
        }
    }
}

/// asynq's only rule for names of queues.
fn valid_name(queue: &str) -> Result<(), InspectError> {
    if queue.trim().is_empty() {
        return Err(InspectError::BlankQueue);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_ranks() {
        let ranks = |number, size| Page { number, size }.ranks();
        assert_eq!(Page::default().ranks(), (0, 29));
        assert_eq!(ranks(3, 10), (20, 29));
        assert_eq!(ranks(0, 10), (0, 9), "there is no page before the first");
        assert_eq!(ranks(2, 0), (0, -1), "quirk: all of them");
    }
}
