//! What operators do to tasks by hand, on the model.

use super::Pulled;
use crate::engine::tasks_saw;
use crate::engine::virtual_time::token::{Token, queue_number};
use crate::engine::virtual_time::world::World;
use crate::lever::TasksLever;
use firedrill_asynq::op::Deed;

impl World<'_> {
    pub(super) fn pull_tasks(&mut self, queue: &str, what: &TasksLever) -> Pulled {
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
            TasksLever::RepairOrphans => (Deed::Run, data.repair_orphans(&number, now)),
        };
        self.stage.lives.by_hand(&ids, now, deed);
        Pulled::Seen(!ids.is_empty(), tasks_saw(what, queue, ids.len()))
    }
}
