//! Whole states at once: running, archiving and deleting every task of one. Each is a single script without bound, as in
//! asynq, and Redis answers nobody else while it runs.

use crate::broker::redis::script::Call;
use crate::clock::Time;
use crate::inspector::oddity::KeyType;
use crate::inspector::queues::queue_key;
use crate::inspector::reply::{array, count, text};
use crate::inspector::tasks::archive_cutoff_s;
use crate::inspector::{InspectError, Inspector, scripts};
use crate::keys::Queue;
use crate::op::Deed;
use crate::settings::ARCHIVE_MAX;
use redis::Value;

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

/// What is to be done to tasks of a source.
#[derive(Debug, Clone, Copy)]
pub struct Change<'c> {
    /// What.
    pub what: Deed,
    /// Where they are.
    pub from: Source<'c>,
    /// Only those with these ids; `None`: all.
    pub only: Option<&'c [String]>,
    /// Only those that are there since then: of pending and archived ones, Redis knows.
    pub since: Option<Time>,
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

    /// Does something to tasks of a source, all or some; returns their ids. What happens to each is what happens to it by
    /// [`Self::run_all`], [`Self::archive_all`] or [`Self::delete_all`]; chosen pending ones lose their uniqueness locks, too,
    /// as by [`Self::delete_task`]. Nothing is done to what is there already.
    ///
    /// # Errors
    /// When there is no such queue, a key is of another type, or Redis refuses.
    pub async fn change_tasks(
        &self,
        name: &str,
        change: Change<'_>,
        now: Time,
    ) -> Result<Vec<String>, InspectError> {
        self.existing(name).await?;
        let queue = Queue(name);
        let Change {
            what,
            from,
            only,
            since,
        } = change;
        if matches!(
            (what, from),
            (Deed::Run, Source::Pending) | (Deed::Archive, Source::Archived)
        ) {
            return Ok(Vec::new());
        }
        let key = from.key(queue);
        let is_choice = only.is_some() || since.is_some();
        let releases = from != Source::Pending || is_choice;
        let mut call = Call::new(&scripts::CHANGE_TASKS)
            .keys([key.0.clone(), queue.key("pending"), queue.key("archived")])
            .arg(what.name())
            .arg(range(key.1))
            .arg(queue.task_prefix())
            .arg(now.secs())
            .arg(archive_cutoff_s(now))
            .arg(i64::from(ARCHIVE_MAX))
            .arg(i64::from(releases))
            .arg(since.map_or_else(String::new, |since| since.secs().to_string()))
            .arg(i64::from(only.is_some()));
        for id in only.into_iter().flatten() {
            call = call.arg(id);
        }
        let others = ["pending", "archived"].map(|part| queue_key(queue, part));
        let expected: Vec<_> = std::iter::once(key).chain(others).collect();
        ids(&self.run(call, &expected).await?, "change_tasks")
    }

    /// Gives tasks that are active and have no lease back to the head of pending, and takes their uniqueness locks from them;
    /// returns their ids. asynq has no such command: its recoverer looks at leases alone.
    ///
    /// # Errors
    /// When there is no such queue, a key is of another type, or Redis refuses.
    pub async fn repair_orphans(&self, name: &str, now: Time) -> Result<Vec<String>, InspectError> {
        self.existing(name).await?;
        let queue = Queue(name);
        let expected = ["active", "lease", "pending"].map(|part| queue_key(queue, part));
        let call = Call::new(&scripts::REPAIR_ORPHANS)
            .keys(expected.iter().map(|(key, _)| key.clone()))
            .arg(queue.task_prefix())
            .arg(now.0);
        ids(&self.run(call, &expected).await?, "repair_orphans")
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

fn ids(answer: &Value, what: &'static str) -> Result<Vec<String>, InspectError> {
    let ids = array(answer, 0, what)?.iter();
    Ok(ids.filter_map(text).collect())
}

fn with_group(call: Call, source: Source<'_>) -> Call {
    match source.group() {
        Some(group) => call.arg(group),
        None => call,
    }
}
