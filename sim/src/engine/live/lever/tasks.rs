//! What operators do to tasks by hand, with asynq's inspector.

use crate::audit::ByHand;
use crate::engine::live::stand::Stand;
use crate::engine::tasks_saw;
use crate::lever::TasksLever;
use firedrill_asynq::inspector::{Change, InspectError, Inspector, Page, Source};
use firedrill_asynq::op::{Deed, TaskState};

/// All tasks of a state on one page.
const ALL: Page = Page { number: 1, size: 0 };

impl Stand {
    pub(in crate::engine::live) async fn pull_tasks(
        &self,
        queue: &str,
        what: &TasksLever,
    ) -> (bool, String) {
        self.roster.hands_on(queue);
        let changed = self.change_tasks(queue, what).await;
        let (deed, from) = match what {
            TasksLever::Change { deed, state, .. } => (*deed, *state),
            TasksLever::RepairOrphans => (Deed::Run, TaskState::Active),
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
            (Deed::Run, TaskState::Completed) => count,
            _ => 0,
        };
        let seen = self.was_changed(queue, deed, ids.first()).await;
        let done = ByHand {
            at: self.clock.now(),
            what: deed,
            ids,
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
            TasksLever::RepairOrphans => return inspector.repair_orphans(queue, now).await,
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
        let from = match state {
            TaskState::Scheduled => Source::Scheduled,
            TaskState::Retry => Source::Retry,
            TaskState::Archived => Source::Archived,
            TaskState::Completed => Source::Completed,
            TaskState::Pending | TaskState::Active | TaskState::Aggregating => Source::Pending,
        };
        let change = Change {
            what: deed,
            from,
            only: only.as_deref(),
            since: older_than_ms.map(|ms| now.plus_millis(-ms)),
        };
        inspector.change_tasks(queue, change, now).await
    }

    /// Looks at the first of the tasks that were changed: whether it is what it was made. One that was made pending may be
    /// anything by now but what it was.
    async fn was_changed(
        &self,
        queue: &str,
        deed: Deed,
        first: Option<&String>,
    ) -> Result<bool, InspectError> {
        let Some(id) = first else { return Ok(false) };
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
