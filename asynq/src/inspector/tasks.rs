//! Single tasks: looking at them, listing them, running, archiving, deleting and cancelling them.

use crate::broker::redis::script::Call;
use crate::clock::Time;
use crate::inspector::oddity::{KeyType, Odd, Oddity};
use crate::inspector::queues::queue_key;
use crate::inspector::reply::{array, bytes, int, score, text, unexpected};
use crate::inspector::{InspectError, Inspector, Page, scripts};
use crate::keys::{self, Queue};
use crate::message::TaskMessage;
use crate::op::TaskState;
use crate::settings::{ARCHIVE_MAX, KEEP_DAYS};
use prost::Message;
use redis::Value;

/// A task and what Redis knows of it beside its message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskInfo {
    /// Its message. The id and queue in it are what asynq shows.
    pub message: TaskMessage,
    /// Its state.
    pub state: TaskState,
    /// When it is processed next, Unix seconds: now if it is pending, nothing if it waits for no time.
    pub next_process_at_s: Option<i64>,
    /// What its handler wrote; empty without a result.
    pub result: Vec<u8>,
    /// In progress with a lease that is over: its worker is gone, recovery comes 30 s after the lease's end.
    pub orphaned: bool,
}

/// A page of tasks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TaskList {
    /// The oldest or first due first. Quirk: archived and completed tasks, too.
    pub tasks: Vec<TaskInfo>,
    /// What is odd about tasks of the page. Those without a message that can be decoded are not among `tasks`.
    pub oddities: Vec<Oddity>,
}

/// Where a task with a certain id was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Queue name.
    pub queue: String,
    /// What its hash says, verbatim; empty without a state.
    pub state: String,
    /// Its group, if it was ever in one.
    pub group: Option<String>,
}

impl Inspector {
    /// One task.
    ///
    /// # Errors
    /// When there is no such queue or task; when its hash is of another type or holds no message; when Redis cannot be
    /// asked.
    pub async fn task_info(
        &self,
        name: &str,
        id: &str,
        now: Time,
    ) -> Result<TaskInfo, InspectError> {
        self.existing(name).await?;
        let queue = Queue(name);
        let mut expected = vec![(queue.task(id), KeyType::Hash)];
        expected.extend(["scheduled", "retry", "lease"].map(|part| queue_key(queue, part)));
        let call = Call::new(&scripts::TASK_INFO)
            .keys(expected.iter().map(|(key, _)| key.clone()))
            .arg(id);
        let answer = self.run(call, &expected).await?;
        if answer == Value::Nil {
            return Err(not_found(name, id));
        }
        let parts = array(&answer, 5, "task_info")?;
        let key = queue.task(id);
        let stored = text(&parts[3]).unwrap_or_default();
        let Some(state) = TaskState::named(&stored) else {
            let reason = format!("unknown state {stored:?}");
            return Err(foreign(key, Odd::Unreadable(reason)));
        };
        let Some(encoded) = bytes(&parts[2]) else {
            return Err(foreign(key, Odd::NoMessage { listed: state }));
        };
        let message =
            TaskMessage::decode(encoded).map_err(|error| foreign(key, undecodable(&error)))?;
        let lease = score(&parts[1]);
        Ok(TaskInfo {
            message,
            state,
            next_process_at_s: next_process_at_s(state, score(&parts[0]), now),
            result: bytes(&parts[4]).unwrap_or_default().to_vec(),
            orphaned: is_orphaned(state, lease, now),
        })
    }

    /// A page of the tasks of a state; `group` names the group of aggregating ones.
    ///
    /// # Errors
    /// When there is no such queue, the list or set is of another type, or Redis cannot be asked. What is wrong with
    /// single tasks is among the oddities.
    pub async fn list_tasks(
        &self,
        name: &str,
        state: TaskState,
        group: &str,
        page: Page,
        now: Time,
    ) -> Result<TaskList, InspectError> {
        self.existing(name).await?;
        let queue = Queue(name);
        let (key, expected) = match state {
            TaskState::Aggregating => (queue.group(group), KeyType::SortedSet),
            _ => queue_key(queue, state.name()),
        };
        let (first, last) = page.ranks();
        let listed = expected == KeyType::List;
        // Lists grow at the left, so the oldest is at the right.
        let (range, first, last) = match listed {
            true => ("LRANGE", -last - 1, -first - 1),
            false => ("ZRANGE", first, last),
        };
        let call = Call::new(&scripts::LIST_TASKS)
            .keys([key.clone(), queue.key("lease")])
            .arg(range)
            .arg(first)
            .arg(last)
            .arg(queue.task_prefix());
        let answer = self.run(call, &[(key, expected)]).await?;
        let mut list = TaskList::default();
        for row in array(&answer, 0, "list_tasks")? {
            list.add(queue, state, array(row, 7, "list_tasks")?, now);
        }
        if listed {
            list.tasks.reverse();
            list.oddities.reverse();
        }
        Ok(list)
    }

    /// The queues that have a task with this id.
    ///
    /// # Errors
    /// When Redis cannot be asked.
    pub async fn find_task(&self, id: &str) -> Result<Vec<Found>, InspectError> {
        let mut found = Vec::new();
        for queue in self.queues().await? {
            let key = Queue(&queue).task(id);
            if self.key_type(&key).await?.as_deref() != Some("hash") {
                continue;
            }
            let mut command = redis::cmd("HMGET");
            command.arg(key).arg("state").arg("group");
            let (state, group): (Option<String>, Option<String>) =
                self.broker.command(&command, "HMGET").await?;
            found.push(Found {
                queue,
                state: state.unwrap_or_default(),
                group,
            });
        }
        Ok(found)
    }

    /// Makes a task pending that is scheduled, waits for its retry or in its group, is archived or completed.
    ///
    /// Quirk: nothing is reset. A task without retries left is archived again by its next failure, and one that is
    /// completed is simply executed again.
    ///
    /// # Errors
    /// When there is no such queue or task, it is pending or in progress already, or Redis refuses.
    pub async fn run_task(&self, name: &str, id: &str) -> Result<(), InspectError> {
        self.existing(name).await?;
        let queue = Queue(name);
        let call = Call::new(&scripts::RUN_TASK)
            .keys([queue.task(id), queue.key("pending"), queue.key("groups")])
            .arg(id)
            .arg(queue.key(""))
            .arg(queue.group(""));
        match self.change(queue, id, call).await? {
            1 => Ok(()),
            0 => Err(not_found(name, id)),
            -1 => Err(InspectError::Running),
            -2 => Err(InspectError::AlreadyPending),
            _ => Err(unexpected("run_task")),
        }
    }

    /// Archives a task that is not in progress.
    ///
    /// # Errors
    /// When there is no such queue or task, it is archived already or in progress, or Redis refuses.
    pub async fn archive_task(&self, name: &str, id: &str, now: Time) -> Result<(), InspectError> {
        self.existing(name).await?;
        let queue = Queue(name);
        let call = Call::new(&scripts::ARCHIVE_TASK)
            .keys([queue.task(id), queue.key("archived"), queue.key("groups")])
            .arg(id)
            .arg(now.secs())
            .arg(archive_cutoff_s(now))
            .arg(i64::from(ARCHIVE_MAX))
            .arg(queue.key(""))
            .arg(queue.group(""));
        match self.change(queue, id, call).await? {
            1 => Ok(()),
            0 => Err(not_found(name, id)),
            -1 => Err(InspectError::AlreadyArchived {
                queue: name.to_owned(),
                id: id.to_owned(),
            }),
            -2 => Err(InspectError::ArchiveActive),
            _ => Err(unexpected("archive_task")),
        }
    }

    /// Deletes a task that is not in progress, and its uniqueness lock.
    ///
    /// # Errors
    /// When there is no such queue or task, it is in progress, or Redis refuses.
    pub async fn delete_task(&self, name: &str, id: &str) -> Result<(), InspectError> {
        self.existing(name).await?;
        let queue = Queue(name);
        let call = Call::new(&scripts::DELETE_TASK)
            .keys([queue.task(id), queue.key("groups")])
            .arg(id)
            .arg(queue.key(""))
            .arg(queue.group(""));
        match self.change(queue, id, call).await? {
            1 => Ok(()),
            0 => Err(not_found(name, id)),
            -1 => Err(InspectError::DeleteActive),
            _ => Err(unexpected("delete_task")),
        }
    }

    /// Runs a script that answers `{code}` or `{-3, key}`.
    async fn change(&self, queue: Queue<'_>, id: &str, call: Call) -> Result<i64, InspectError> {
        let mut expected = vec![(queue.task(id), KeyType::Hash)];
        let parts = [
            "pending",
            "scheduled",
            "retry",
            "archived",
            "completed",
            "groups",
        ];
        expected.extend(parts.map(|part| queue_key(queue, part)));
        let answer = self.run(call, &expected).await?;
        let parts = array(&answer, 1, "task script")?;
        match (int(&parts[0]), parts.get(1)) {
            (-3, Some(key)) => Err(InspectError::NotListed {
                key: text(key).unwrap_or_default(),
                id: id.to_owned(),
            }),
            (code, _) => Ok(code),
        }
    }

    /// Changes the payload of a scheduled task.
    ///
    /// Quirk: the task is read and written in two steps, and its uniqueness key stays that of the old payload.
    ///
    /// # Errors
    /// When there is no such queue or task, it is not scheduled or cannot be decoded, or Redis refuses.
    pub async fn update_task_payload(
        &self,
        name: &str,
        id: &str,
        payload: &[u8],
        now: Time,
    ) -> Result<(), InspectError> {
        let mut message = self.task_info(name, id, now).await?.message;
        message.payload = payload.to_vec();
        let key = Queue(name).task(id);
        let call = Call::new(&scripts::UPDATE_PAYLOAD)
            .keys([key.clone()])
            .arg(message.encode_to_vec());
        match int(&self.run(call, &[(key, KeyType::Hash)]).await?) {
            1 => Ok(()),
            0 => Err(not_found(name, id)),
            -1 => Err(InspectError::NotScheduled),
            _ => Err(unexpected("update_payload")),
        }
    }

    /// Asks whoever works on a task to give it up. Returns how many servers listened, which says nothing of whether one
    /// of them has the task.
    ///
    /// # Errors
    /// When Redis cannot be asked.
    pub async fn cancel_processing(&self, id: &str) -> Result<u64, InspectError> {
        let mut command = redis::cmd("PUBLISH");
        command.arg(keys::CANCEL).arg(id);
        Ok(self.broker.command(&command, "PUBLISH").await?)
    }
}

impl TaskList {
    /// Adds a row of `list_tasks`.
    fn add(&mut self, queue: Queue<'_>, state: TaskState, row: &[Value], now: Time) {
        let id = text(&row[0]).unwrap_or_default();
        let mut odd = |what| {
            self.oddities.push(Oddity {
                key: queue.task(&id),
                what,
            });
        };
        let lease = score(&row[2]);
        if state == TaskState::Active && lease.is_none() {
            odd(Odd::NoLease);
        }
        if let Some(reason) = text(&row[3]) {
            odd(match text(&row[4]).filter(|found| found != "hash") {
                Some(found) => Odd::WrongType {
                    expected: KeyType::Hash,
                    found,
                },
                None => Odd::Unreadable(reason),
            });
            return;
        }
        let stored = text(&row[5]);
        let Some(encoded) = bytes(&row[4]) else {
            odd(match (&stored, bytes(&row[6])) {
                (None, None) => Odd::NoHash { listed: state },
                _ => Odd::NoMessage { listed: state },
            });
            return;
        };
        let message = match TaskMessage::decode(encoded) {
            Ok(message) => message,
            Err(error) => {
                odd(undecodable(&error));
                return;
            }
        };
        let stored = stored.unwrap_or_default();
        if stored != state.name() {
            odd(Odd::OtherState {
                listed: state,
                found: stored,
            });
        }
        if message.id != id {
            odd(Odd::OtherId(message.id.clone()));
        }
        self.tasks.push(TaskInfo {
            message,
            state,
            next_process_at_s: next_process_at_s(state, score(&row[1]), now),
            result: bytes(&row[6]).unwrap_or_default().to_vec(),
            orphaned: is_orphaned(state, lease, now),
        });
    }
}

fn next_process_at_s(state: TaskState, score_s: Option<i64>, now: Time) -> Option<i64> {
    match state {
        TaskState::Pending => Some(now.secs()),
        TaskState::Scheduled | TaskState::Retry => score_s,
        _ => None,
    }
}

fn is_orphaned(state: TaskState, lease_s: Option<i64>, now: Time) -> bool {
    state == TaskState::Active && lease_s.is_some_and(|lease_s| lease_s <= now.secs())
}

/// The last Unix second at which a task was archived that is now too old to be kept.
pub(super) fn archive_cutoff_s(now: Time) -> i64 {
    now.secs() - KEEP_DAYS * 86_400
}

fn not_found(queue: &str, id: &str) -> InspectError {
    InspectError::TaskNotFound {
        queue: queue.to_owned(),
        id: id.to_owned(),
    }
}

/// What is odd about bytes that are no message. Go, too, refuses strings that are no UTF-8.
fn undecodable(error: &prost::DecodeError) -> Odd {
    let reason = error.to_string();
    let reason = reason.strip_prefix("failed to decode Protobuf message: ");
    Odd::Undecodable(reason.map_or_else(|| error.to_string(), str::to_owned))
}

fn foreign(key: String, what: Odd) -> InspectError {
    InspectError::Foreign(Oddity { key, what })
}
