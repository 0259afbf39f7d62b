//! Whole states at once: running, archiving and deleting every task of one. Each is a single script without bound, as in
//! asynq, and Redis answers nobody else while it runs.

use crate::broker::redis::script::Call;
use crate::clock::Time;
use crate::inspector::oddity::KeyType;
use crate::inspector::queues::queue_key;
use crate::inspector::reply::count;
use crate::inspector::tasks::archive_cutoff_s;
use crate::inspector::{InspectError, Inspector, scripts};
use crate::keys::Queue;
use crate::settings::ARCHIVE_MAX;

/// What a bulk operation takes its tasks from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source<'s> {
    /// Pending tasks.
    Pending,
    /// Scheduled tasks.
    Scheduled,
    /// Tasks that wait for their retry.
    Retry,
    /// Archived tasks.
    Archived,
    /// Completed tasks.
    Completed,
    /// The tasks that wait in this group.
    Group(&'s str),
}

impl<'s> Source<'s> {
    fn key(self, queue: Queue<'_>) -> (String, KeyType) {
        match self {
            Self::Pending => queue_key(queue, "pending"),
            Self::Scheduled => queue_key(queue, "scheduled"),
            Self::Retry => queue_key(queue, "retry"),
            Self::Archived => queue_key(queue, "archived"),
            Self::Completed => queue_key(queue, "completed"),
            Self::Group(group) => (queue.group(group), KeyType::SortedSet),
        }
    }

    fn group(self) -> Option<&'s str> {
        match self {
            Self::Group(group) => Some(group),
            _ => None,
        }
    }
}

/// The command that lists a key of this type.
fn range(key: KeyType) -> &'static str {
    match key {
        KeyType::List => "LRANGE",
        _ => "ZRANGE",
    }
}

impl Inspector {
    /// Makes all tasks of a source pending; returns how many. asynq does so with scheduled, retry and archived ones and
    /// with groups; completed ones it runs one by one only, and so does its command line.
    ///
    /// # Errors
    /// When there is no such queue, a key is of another type, or Redis refuses.
    pub async fn run_all(&self, name: &str, source: Source<'_>) -> Result<u64, InspectError> {
        self.existing(name).await?;
        let queue = Queue(name);
        if source == Source::Pending {
            return Ok(0);
        }
        let from = source.key(queue);
        let call = Call::new(&scripts::RUN_ALL)
            .keys([from.0.clone(), queue.key("pending")])
            .keys(source.group().map(|_| queue.key("groups")))
            .arg(queue.task_prefix());
        let call = with_group(call, source);
        self.all(queue, from, call).await
    }

    /// Archives all tasks of a source; returns how many. asynq does so with pending, scheduled and retry ones and with
    /// groups.
    ///
    /// # Errors
    /// When there is no such queue, a key is of another type, or Redis refuses.
    pub async fn archive_all(
        &self,
        name: &str,
        source: Source<'_>,
        now: Time,
    ) -> Result<u64, InspectError> {
        self.existing(name).await?;
        let queue = Queue(name);
        if source == Source::Archived {
            return Ok(0);
        }
        let from = source.key(queue);
        let call = Call::new(&scripts::ARCHIVE_ALL)
            .keys([from.0.clone(), queue.key("archived")])
            .keys(source.group().map(|_| queue.key("groups")))
            .arg(range(from.1))
            .arg(now.secs())
            .arg(archive_cutoff_s(now))
            .arg(i64::from(ARCHIVE_MAX))
            .arg(queue.task_prefix());
        let call = with_group(call, source);
        self.all(queue, from, call).await
    }

    /// Deletes all tasks of a source; returns how many.
    ///
    /// Quirk: the uniqueness locks of pending tasks and of groups are kept, those of the others released.
    ///
    /// # Errors
    /// When there is no such queue, a key is of another type, or Redis refuses.
    pub async fn delete_all(&self, name: &str, source: Source<'_>) -> Result<u64, InspectError> {
        self.existing(name).await?;
        let queue = Queue(name);
        let from = source.key(queue);
        let releases = !matches!(source, Source::Pending | Source::Group(_));
        let call = Call::new(&scripts::DELETE_ALL)
            .keys([from.0.clone()])
            .keys(source.group().map(|_| queue.key("groups")))
            .arg(range(from.1))
            .arg(queue.task_prefix())
            .arg(i64::from(releases));
        let call = with_group(call, source);
        self.all(queue, from, call).await
    }

    async fn all(
        &self,
        queue: Queue<'_>,
        from: (String, KeyType),
        call: Call,
    ) -> Result<u64, InspectError> {
        let others = ["pending", "archived", "groups"].map(|part| queue_key(queue, part));
        let expected: Vec<_> = std::iter::once(from).chain(others).collect();
        Ok(count(&self.run(call, &expected).await?))
    }
}

fn with_group(call: Call, source: Source<'_>) -> Call {
    match source.group() {
        Some(group) => call.arg(group),
        None => call,
    }
}
