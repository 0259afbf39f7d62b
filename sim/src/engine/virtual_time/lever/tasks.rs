//! What operators do to tasks by hand, on the model.

use super::Pulled;
use crate::agenda::Turn;
use crate::audit::Hand;
use crate::engine::virtual_time::token::{Token, queue_number};
use crate::engine::virtual_time::world::World;
use crate::engine::{MOVED, tasks_moved, tasks_saw};
use crate::lever::TasksLever;
use firedrill_asynq::op::{Accepted, Deed, Reply};

impl World<'_> {
    pub(super) fn pull_tasks(&mut self, queue: &str, what: &TasksLever, turn: Turn) -> Pulled {
        let by = turn.remedy(self.stage.plan).unwrap_or_default();
        if let TasksLever::Move { task, to } = what {
            return self.move_tasks(task, (queue, to), what, (by, turn.at_ms));
        }
        let number = queue_number(self.stage.plan, queue);
        let (plan, now) = (self.stage.plan, self.stage.now);
        let data = match self.stage.redis.by_hand(what) {
            Ok(data) => data,
            Err(error) => return Pulled::Seen(false, error.to_string()),
        };
        let (deed, ids) = match what {
            TasksLever::Change {
                deed,
                state,
                task,
                older_than_ms,
            } => {
                let is_of = |token: &Token| {
                    let entry = plan.workload.get(token.execution().workload);
                    entry.is_some_and(|entry| Some(&entry.task) == task.as_ref())
                };
                let chosen = task.as_ref().map(|_| &is_of as &dyn Fn(&Token) -> bool);
                let since = older_than_ms.map(|ms| now.plus_millis(-ms));
                (
                    *deed,
                    data.change(&number, (*deed, *state), chosen, since, now),
                )
            }
            TasksLever::RepairOrphans | TasksLever::Move { .. } => {
                (Deed::Run, data.repair_orphans(&number, now))
            }
        };
        self.stage.lives.by_hand(&ids, (now, Hand::Did(deed)), by);
        Pulled::Seen(true, tasks_saw(what, queue, ids.len()))
    }

    /// Deletes tasks of a type that wait in a queue, and enqueues them into another.
    fn move_tasks(
        &mut self,
        task: &str,
        (from, to): (&str, &str),
        what: &TasksLever,
        (by, at_ms): (&str, i64),
    ) -> Pulled {
        let (plan, now) = (self.stage.plan, self.stage.now);
        let place = queue_number(plan, to);
        let from_number = queue_number(plan, from);
        let is_of = |token: &Token| {
            let entry = plan.workload.get(token.execution().workload);
            entry.is_some_and(|entry| entry.task == task)
        };
        let mut again = Vec::new();
        for state in MOVED {
            let data = match self.stage.redis.by_hand(what) {
                Ok(data) => data,
                Err(error) => return Pulled::Seen(false, error.to_string()),
            };
            let found = data.waiting(&from_number, state, is_of);
            data.change(&from_number, (Deed::Delete, state), Some(&is_of), None, now);
            again.extend(found);
        }
        let mut moved = 0;
        for (token, at_s) in again {
            let submission = self.producer.mint().again(token, at_s, place, now);
            let answer = self.stage.redis.call(submission.op(now));
            let is_there = matches!(answer, Ok(Reply::Enqueued(Accepted::New)));
            let hand = match is_there {
                true => Hand::Moved(usize::from(place)),
                // Its lock is held there: there is such a task.
                false => Hand::Did(Deed::Delete),
            };
            moved += usize::from(is_there);
            self.stage.lives.by_hand(&[token.number], (now, hand), by);
        }
        let (seen, saw) = tasks_moved(plan, (what, from), moved, at_ms);
        Pulled::Seen(seen, saw)
    }
}
