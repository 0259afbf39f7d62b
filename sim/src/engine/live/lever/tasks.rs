//! What operators do to tasks by hand, with asynq's inspector.

use crate::agenda::Turn;
use crate::audit::{ByHand, Hand};
use crate::engine::live::stand::Stand;
use crate::engine::{MOVED, tasks_moved, tasks_saw};
use crate::lever::TasksLever;
use crate::plan::TaskPlan;
use crate::producer::Payload;
use firedrill_asynq::client::Submission;
use firedrill_asynq::clock::Time;
use firedrill_asynq::inspector::{Change, InspectError, Inspector, Page, Source, TaskInfo};
use firedrill_asynq::keys;
use firedrill_asynq::message::TaskMessage;
use firedrill_asynq::op::{Accepted, Deed, Reply, TaskState};
use futures_util::future::join_all;
use std::collections::BTreeSet;

/// All tasks of a state on one page.
const ALL: Page = Page { number: 1, size: 0 };

/// Where tasks of a state are.
fn source(state: TaskState) -> Source<'static> {
    match state {
        TaskState::Scheduled => Source::Scheduled,
        TaskState::Retry => Source::Retry,
        TaskState::Archived => Source::Archived,
        TaskState::Completed => Source::Completed,
        TaskState::Pending | TaskState::Active | TaskState::Aggregating => Source::Pending,
    }
}

impl Stand {
    pub(in crate::engine::live) async fn pull_tasks(
        &self,
        queue: &str,
        what: &TasksLever,
        turn: Turn,
    ) -> (bool, String) {
        let by = turn.remedy(&self.plan).unwrap_or_default();
        if let TasksLever::Move { task, to } = what {
            return match self.move_tasks(task, (queue, to), by).await {
                Ok(moved) => tasks_moved(&self.plan, (what, queue), moved, turn.at_ms),
                Err(error) => (false, error.to_string()),
            };
        }
        self.roster.hands_on(queue);
        let changed = self.change_tasks(queue, what).await;
        let (deed, from) = match what {
            TasksLever::Change { deed, state, .. } => (*deed, *state),
            TasksLever::RepairOrphans | TasksLever::Move { .. } => (Deed::Run, TaskState::Active),
        };
        let ids = match changed {
            Ok(ids) => ids,
            Err(error) => {
                self.roster.hands_off(queue, 0, None);
                return (false, error.to_string());
            }
        };
        let count = i64::try_from(ids.len()).unwrap_or(i64::MAX);
        // What is completed is counted as processed, wherever it goes.
        let more = match (deed, from) {
            (Deed::Delete, TaskState::Completed) => 0,
            (Deed::Delete, _) => -count,
            _ => 0,
        };
        let seen = self.was_changed(queue, deed, ids.first()).await;
        let done = ByHand {
            at: self.clock.now(),
            what: Hand::Did(deed),
            ids,
            by: by.to_owned(),
        };
        let saw = tasks_saw(what, queue, done.ids.len());
        self.roster.hands_off(queue, more, Some(done));
        match seen {
            Ok(seen) => (seen, saw),
            Err(error) => (false, error.to_string()),
        }
    }

    async fn change_tasks(
        &self,
        queue: &str,
        what: &TasksLever,
    ) -> Result<Vec<String>, InspectError> {
        let inspector = Inspector::new(self.control.clone());
        let now = self.clock.now();
        let (deed, state, task, older_than_ms) = match what {
            TasksLever::RepairOrphans | TasksLever::Move { .. } => {
                return inspector.repair_orphans(queue, now).await;
            }
            TasksLever::Change {
                deed,
                state,
                task,
                older_than_ms,
            } => (*deed, *state, task, *older_than_ms),
        };
        let only = match task {
            None => None,
            Some(task) => {
                let listed = inspector.list_tasks(queue, state, "", ALL, now).await?;
                let of_type = listed.tasks.into_iter().map(|found| found.message);
                let of_type = of_type.filter(|message| message.r#type == *task);
                Some(of_type.map(|message| message.id).collect::<Vec<String>>())
            }
        };
        let from = source(state);
        let change = Change {
            what: deed,
            from,
            only: only.as_deref(),
            since: older_than_ms.map(|ms| now.plus_millis(-ms)),
        };
        inspector.change_tasks(queue, change, now).await
    }

    /// Deletes tasks of a type that wait in a queue, and enqueues them into another; answers how many came there.
    async fn move_tasks(
        &self,
        task: &str,
        (from, to): (&str, &str),
        by: &str,
    ) -> Result<usize, InspectError> {
        let queues = [from, to];
        queues.iter().for_each(|queue| self.roster.hands_on(queue));
        let (mut gone, mut moved, mut refused) = (0, Vec::new(), Vec::new());
        let mut failed = None;
        for state in MOVED {
            let taken = match self.take_out(task, from, state).await {
                Ok(taken) => taken,
                Err(error) => {
                    failed = Some(error);
                    break;
                }
            };
            gone += taken.len();
            let now = self.clock.now();
            let messages = taken.into_iter();
            let calls = messages.map(|(message, at_s)| self.put_in(message, at_s, to, now));
            for (id, is_there) in join_all(calls).await {
                match is_there {
                    true => moved.push(id),
                    false => refused.push(id),
                }
            }
        }
        let count = moved.len();
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        let done = |what, ids: Vec<String>| ByHand {
            at: self.clock.now(),
            what,
            ids,
            by: by.to_owned(),
        };
        let mut places = self.plan.queues.iter();
        let place = places.position(|queue| queue.name == to).unwrap_or(0);
        let deleted = done(Hand::Did(Deed::Delete), refused);
        self.roster.hands_off(from, -number(gone), Some(deleted));
        let moved = done(Hand::Moved(place), moved);
        self.roster.hands_off(to, number(count), Some(moved));
        failed.map_or(Ok(count), Err)
    }

    /// Deletes the tasks of a type and a state from a queue; answers with those that were still there, and when each is due.
    async fn take_out(
        &self,
        task: &str,
        from: &str,
        state: TaskState,
    ) -> Result<Vec<(TaskMessage, Option<i64>)>, InspectError> {
        let inspector = Inspector::new(self.control.clone());
        let now = self.clock.now();
        let listed = inspector.list_tasks(from, state, "", ALL, now).await?;
        let of_type = listed.tasks.into_iter();
        let mut found: Vec<TaskInfo> = of_type
            .filter(|found| found.message.r#type == task)
            .collect();
        let ids: Vec<String> = found.iter().map(|found| found.message.id.clone()).collect();
        let change = Change {
            what: Deed::Delete,
            from: source(state),
            only: Some(&ids),
            since: None,
        };
        let deleted = inspector.change_tasks(from, change, now).await?;
        let deleted: BTreeSet<&String> = deleted.iter().collect();
        // Workers may have begun some meanwhile.
        found.retain(|found| deleted.contains(&found.message.id));
        let due = |found: TaskInfo| {
            let at_s = found
                .next_process_at_s
                .filter(|_| state != TaskState::Pending);
            (found.message, at_s)
        };
        Ok(found.into_iter().map(due).collect())
    }

    /// Enqueues a task as a client does who has its type, payload and options; answers its id, and whether it came.
    async fn put_in(
        &self,
        message: TaskMessage,
        at_s: Option<i64>,
        to: &str,
        now: Time,
    ) -> (String, bool) {
        let id = message.id.clone();
        let entry = Payload::of(&message).map(|payload| payload.workload);
        let entry = entry.and_then(|entry| self.plan.workload.get(entry));
        let unique_for = entry.and_then(TaskPlan::unique_for);
        let message = TaskMessage {
            unique_key: match unique_for {
                Some(_) => keys::Queue(to).unique(&message.r#type, Some(&message.payload)),
                None => String::new(),
            },
            queue: to.to_owned(),
            retried: 0,
            error_msg: String::new(),
            last_failed_at: 0,
            ..message
        };
        let at = at_s.map(|at_s| Time::from_millis(at_s * 1_000));
        let submission = Submission {
            process_at: at.filter(|at| *at > now),
            unique_for,
            message,
        };
        let answer = self.control.call(submission.op(now)).await;
        (id, matches!(answer, Ok(Reply::Enqueued(Accepted::New))))
    }

    /// Looks at the first of the tasks that were changed: whether it is what it was made. One that was made pending may be
    /// anything by now but what it was.
    async fn was_changed(
        &self,
        queue: &str,
        deed: Deed,
        first: Option<&String>,
    ) -> Result<bool, InspectError> {
        // There was nothing to do.
        let Some(id) = first else { return Ok(true) };
        let inspector = Inspector::new(self.control.clone());
        let found = inspector.find_task(id).await?;
        let mut here = found.iter().filter(|found| found.queue == queue);
        Ok(match deed {
            Deed::Archive => here.any(|found| found.state == TaskState::Archived.name()),
            Deed::Delete => here.next().is_none(),
            Deed::Run => true,
        })
    }
}
