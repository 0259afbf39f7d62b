//! Queues: their numbers and history, their groups, pausing and removing them.

use crate::broker::redis::script::Call;
use crate::clock::Time;
use crate::inspector::oddity::{KeyType, Odd, Oddity};
use crate::inspector::reply::{array, bytes, count, int, text, unexpected};
use crate::inspector::{InspectError, Inspector, OrphanKind, scripts, valid_name};
use crate::keys::{self, Queue};
use crate::op::TaskState;

/// Task hashes sampled per list or set for the memory estimate.
const TASK_SAMPLE: i64 = 20;
/// Groups sampled for it.
const GROUP_SAMPLE: i64 = 5;
/// One day.
const DAY_MS: i64 = 86_400_000;

/// A queue's numbers at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QueueInfo {
    /// Queue name.
    pub queue: String,
    /// Estimate of the bytes the queue and its tasks take.
    pub memory_bytes: u64,
    /// Age of the oldest pending task in nanoseconds, 0 if it has no `pending_since`; negative if the clock of whoever
    /// enqueued it is ahead.
    pub latency_ns: i64,
    /// Whether the queue is paused.
    pub paused: bool,
    /// Groups with waiting tasks.
    pub groups: u64,
    /// Ready.
    pub pending: u64,
    /// In progress.
    pub active: u64,
    /// Waiting for their time.
    pub scheduled: u64,
    /// Waiting for their next attempt.
    pub retry: u64,
    /// Given up.
    pub archived: u64,
    /// Retained after success.
    pub completed: u64,
    /// Waiting in groups. Quirk: tasks taken out of a group for a running aggregation are in no number.
    pub aggregating: u64,
    /// Attempts finished today (UTC), failed ones included.
    pub processed: i64,
    /// Attempts failed today (UTC).
    pub failed: i64,
    /// Attempts finished in all.
    pub processed_total: i64,
    /// Attempts failed in all.
    pub failed_total: i64,
    /// When the numbers were read.
    pub at: Time,
    /// What could not be read; it counts as 0.
    pub oddities: Vec<Oddity>,
}

impl QueueInfo {
    /// All tasks of the queue.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.pending
            + self.active
            + self.scheduled
            + self.retry
            + self.archived
            + self.completed
            + self.aggregating
    }

    /// How many tasks are in a state.
    #[must_use]
    pub const fn count(&self, state: TaskState) -> u64 {
        match state {
            TaskState::Active => self.active,
            TaskState::Pending => self.pending,
            TaskState::Scheduled => self.scheduled,
            TaskState::Retry => self.retry,
            TaskState::Archived => self.archived,
            TaskState::Completed => self.completed,
            TaskState::Aggregating => self.aggregating,
        }
    }
}

/// What a queue did on one UTC day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Day {
    /// A moment of that day.
    pub at: Time,
    /// Attempts finished, failed ones included.
    pub processed: i64,
    /// Attempts failed.
    pub failed: i64,
}

/// A group of tasks that wait to be aggregated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupInfo {
    /// Its name.
    pub group: String,
    /// Tasks waiting in it.
    pub size: u64,
}

/// The groups of a queue.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GroupList {
    /// By name.
    pub groups: Vec<GroupInfo>,
    /// Groups that cannot be read; they are left out.
    pub oddities: Vec<Oddity>,
}

impl Inspector {
    /// The names of all published queues, in order.
    ///
    /// # Errors
    /// When Redis cannot be asked.
    pub async fn queues(&self) -> Result<Vec<String>, InspectError> {
        let answer: Result<Vec<Vec<u8>>, _> = self
            .broker
            .command(redis::cmd("SMEMBERS").arg(keys::QUEUES), "SMEMBERS")
            .await;
        match answer {
            Ok(names) => {
                let mut names: Vec<String> = names
                    .iter()
                    .map(|name| String::from_utf8_lossy(name).into_owned())
                    .collect();
                names.sort();
                Ok(names)
            }
            Err(error) => {
                let keys = [(keys::QUEUES.to_owned(), KeyType::Set)];
                Err(self.named(error.into(), &keys).await)
            }
        }
    }

    /// The numbers of a queue.
    ///
    /// # Errors
    /// When there is no such queue, or Redis cannot be asked. A key of another type is among the oddities.
    pub async fn queue_info(&self, name: &str, now: Time) -> Result<QueueInfo, InspectError> {
        self.existing(name).await?;
        let queue = Queue(name);
        let sets = [
            "pending",
            "active",
            "scheduled",
            "retry",
            "archived",
            "completed",
        ];
        let counters = [
            queue.daily("processed", now),
            queue.daily("failed", now),
            queue.key("processed"),
            queue.key("failed"),
        ];
        let call = Call::new(&scripts::QUEUE_INFO)
            .keys(sets.map(|part| queue.key(part)))
            .keys(counters.clone())
            .keys([queue.key("paused"), queue.key("groups")])
            .arg(queue.task_prefix())
            .arg(queue.group(""));
        let what = "queue_info";
        let answer = self.broker.script(call).await?;
        let parts = array(&answer, 7, what)?;
        let sizes = array(&parts[0], 6, what)?;
        let stored = array(&parts[1], 4, what)?;
        let mut oddities = self.unreadable(queue, array(&parts[6], 0, what)?).await;
        let mut counter = |index: usize| {
            let stored = text(&stored[index]).unwrap_or_default();
            if stored.is_empty() {
                return 0;
            }
            stored.parse().unwrap_or_else(|_| {
                oddities.push(Oddity {
                    key: counters[index].clone(),
                    what: Odd::NoNumber(stored),
                });
                0
            })
        };
        let (processed, failed) = (counter(0), counter(1));
        let (processed_total, failed_total) = (counter(2), counter(3));
        let since = text(&parts[5]).and_then(|since| since.parse::<i64>().ok());
        Ok(QueueInfo {
            queue: name.to_owned(),
            memory_bytes: self.queue_memory_bytes(queue.0).await?,
            latency_ns: since
                .filter(|since| *since != 0)
                .map_or(0, |since| now.0.saturating_sub(since)),
            paused: int(&parts[2]) == 1,
            groups: count(&parts[3]),
            pending: count(&sizes[0]),
            active: count(&sizes[1]),
            scheduled: count(&sizes[2]),
            retry: count(&sizes[3]),
            archived: count(&sizes[4]),
            completed: count(&sizes[5]),
            aggregating: count(&parts[4]),
            processed,
            failed,
            processed_total,
            failed_total,
            at: now,
            oddities,
        })
    }

    /// Estimates the bytes that a queue and its tasks take, from a sample of their hashes as asynq does.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn queue_memory_bytes(&self, queue: &str) -> Result<u64, InspectError> {
        let queue = Queue(queue);
        let sets = [
            "active",
            "pending",
            "scheduled",
            "retry",
            "archived",
            "completed",
            "groups",
        ];
        let call = Call::new(&scripts::QUEUE_MEMORY)
            .keys(sets.map(|part| queue.key(part)))
            .arg(queue.task_prefix())
            .arg(TASK_SAMPLE)
            .arg(GROUP_SAMPLE)
            .arg(queue.group(""));
        Ok(count(&self.broker.script(call).await?))
    }

    /// Oddities of `{key, Redis' reason, ...}`; a wrong type is told by its name.
    async fn unreadable(&self, queue: Queue<'_>, pairs: &[redis::Value]) -> Vec<Oddity> {
        let mut oddities = Vec::new();
        let prefix = queue.key("");
        for pair in pairs.chunks_exact(2) {
            let (Some(key), Some(reason)) = (text(&pair[0]), text(&pair[1])) else {
                continue;
            };
            let expected = key.strip_prefix(&prefix).and_then(KeyType::of_part);
            let named = match expected {
                Some(expected) => self.type_oddity(&key, expected).await.ok().flatten(),
                None => None,
            };
            oddities.push(named.unwrap_or(Oddity {
                key,
                what: Odd::Unreadable(reason),
            }));
        }
        oddities
    }

    /// What a queue did on each of the last `days` UTC days, today first.
    ///
    /// # Errors
    /// When `days` is 0, there is no such queue, or Redis cannot be asked.
    pub async fn history(
        &self,
        name: &str,
        days: u32,
        now: Time,
    ) -> Result<Vec<Day>, InspectError> {
        valid_name(name)?;
        if days == 0 {
            return Err(InspectError::NoDays);
        }
        self.existing(name).await?;
        let queue = Queue(name);
        let moments: Vec<Time> = (0..i64::from(days))
            .map(|ago| now.plus_millis(-ago * DAY_MS))
            .collect();
        let mut command = redis::cmd("MGET");
        for at in &moments {
            command
                .arg(queue.daily("processed", *at))
                .arg(queue.daily("failed", *at));
        }
        let stored: Vec<Option<Vec<u8>>> = self.broker.command(&command, "MGET").await?;
        if stored.len() != moments.len() * 2 {
            return Err(unexpected("MGET"));
        }
        let number = |stored: &Option<Vec<u8>>| {
            let text = stored.as_deref().map(String::from_utf8_lossy);
            text.and_then(|text| text.parse().ok()).unwrap_or(0)
        };
        let days = moments.into_iter().zip(stored.chunks_exact(2));
        Ok(days
            .map(|(at, counters)| Day {
                at,
                processed: number(&counters[0]),
                failed: number(&counters[1]),
            })
            .collect())
    }

    /// Removes a queue: its lists and sets, with `force` the tasks in them and those that are in none of them (asynq leaves the
    /// hashes of what was trimmed from the archive), and its name.
    ///
    /// # Errors
    /// When there is no such queue; when it is not empty, or with `force` has tasks in progress; when Redis refuses.
    pub async fn delete_queue(&self, name: &str, force: bool) -> Result<(), InspectError> {
        self.existing(name).await?;
        let queue = Queue(name);
        let keys = [
            "pending",
            "active",
            "scheduled",
            "retry",
            "archived",
            "lease",
        ]
        .map(|part| queue_key(queue, part));
        let call = Call::new(&scripts::REMOVE_QUEUE)
            .keys(keys.iter().map(|(key, _)| key.clone()))
            .arg(queue.task_prefix())
            .arg(i64::from(force));
        match int(&self.run(call, &keys).await?) {
            1 => {}
            -1 => return Err(InspectError::QueueNotEmpty(name.to_owned())),
            -2 => return Err(InspectError::QueueActive(name.to_owned())),
            _ => return Err(unexpected("remove_queue")),
        }
        let mut command = redis::cmd("SREM");
        command.arg(keys::QUEUES).arg(name);
        self.broker.command::<()>(&command, "SREM").await?;
        if force {
            self.clear_orphans(name, OrphanKind::Task, Time::default())
                .await?;
        }
        Ok(())
    }

    /// Stops workers from taking tasks of a queue.
    ///
    /// Quirk: the queue need not exist, so that a typo is paused without a word.
    ///
    /// # Errors
    /// When it is paused already, or Redis refuses.
    pub async fn pause_queue(&self, name: &str, now: Time) -> Result<(), InspectError> {
        valid_name(name)?;
        let mut command = redis::cmd("SETNX");
        command.arg(Queue(name).key("paused")).arg(now.secs());
        if self.broker.command::<bool>(&command, "SETNX").await? {
            return Ok(());
        }
        Err(InspectError::AlreadyPaused(name.to_owned()))
    }

    /// Lets workers take tasks of a queue again.
    ///
    /// # Errors
    /// When it is not paused, or Redis refuses.
    pub async fn unpause_queue(&self, name: &str) -> Result<(), InspectError> {
        valid_name(name)?;
        let mut command = redis::cmd("DEL");
        command.arg(Queue(name).key("paused"));
        if self.broker.command::<bool>(&command, "DEL").await? {
            return Ok(());
        }
        Err(InspectError::NotPaused(name.to_owned()))
    }

    /// The groups of a queue.
    ///
    /// Quirk: the queue need not exist.
    ///
    /// # Errors
    /// When Redis cannot be asked, or the set of groups is none.
    pub async fn groups(&self, name: &str) -> Result<GroupList, InspectError> {
        let queue = Queue(name);
        let keys = [(queue.key("groups"), KeyType::Set)];
        let call = Call::new(&scripts::GROUP_SIZES)
            .keys([queue.key("groups")])
            .arg(queue.group(""));
        let answer = self.run(call, &keys).await?;
        let mut list = GroupList::default();
        for row in array(&answer, 0, "group_sizes")? {
            let row = array(row, 2, "group_sizes")?;
            let group = text(&row[0]).unwrap_or_default();
            match bytes(&row[1]) {
                None => list.groups.push(GroupInfo {
                    group,
                    size: count(&row[1]),
                }),
                Some(_) => {
                    let pair = [
                        redis::Value::BulkString(queue.group(&group).into()),
                        row[1].clone(),
                    ];
                    list.oddities.extend(self.unreadable(queue, &pair).await);
                }
            }
        }
        list.groups.sort_by(|a, b| a.group.cmp(&b.group));
        Ok(list)
    }
}

/// A key of a queue with the type asynq keeps there.
pub(super) fn queue_key(queue: Queue<'_>, part: &str) -> (String, KeyType) {
    let of_part = KeyType::of_part(part);
    (queue.key(part), of_part.unwrap_or(KeyType::String))
}
