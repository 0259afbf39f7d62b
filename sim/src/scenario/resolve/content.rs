//! Ids, locks, groups and payloads of tasks: whether they can do what they are for.

use super::Resolver;
use crate::form::Spotted;
use crate::lever::{HandlerLever, Lever};
use crate::plan::{Plan, TaskPlan, arrivals};
use crate::units;
use firedrill_asynq::actor::ErrorKind;

impl Resolver<'_> {
    /// What the entries of the workload say of their tasks' ids, locks, groups and payloads.
    pub(super) fn contents(&mut self, plan: &Plan) {
        let scenario = self.scenario;
        for (index, task) in scenario.workload.iter().enumerate() {
            self.ids_apart(&scenario.workload[..index], task);
            self.left_in_groups(plan, task);
            if task.service_per_mb_ms.is_some() && task.payload.is_none() {
                let message = "service_per_mb: nothing is said of how large payloads are";
                let hint = "say it with `payload: 50KB`";
                let at = task.place("service_per_mb");
                self.problems.push_with_hint(at, message, hint);
            }
            self.no_child(plan, task);
            self.more_than_one(plan, index, task);
        }
    }

    /// Tasks of two entries that could have the same id could not be told apart.
    fn ids_apart(&mut self, others: &[Spotted<TaskPlan>], task: &Spotted<TaskPlan>) {
        let Some(own) = &task.task_id else { return };
        let mut others = others.iter().filter(|other| other.queue == task.queue);
        let met = others.find(|other| {
            let theirs = other.task_id.as_ref();
            theirs.is_some_and(|theirs| theirs.may_meet(own))
        });
        if let Some(other) = met {
            let message = format!(
                "task_id: `{own}` may be an id of `{}` in the same queue, too",
                other.task
            );
            let hint = "let one of them begin with another word";
            self.problems
                .push_with_hint(task.place("task_id"), message, hint);
        }
    }

    /// What handlers enqueue has an id of its own, which tells whose child it is.
    fn no_child(&mut self, plan: &Plan, task: &Spotted<TaskPlan>) {
        let mut parents = self.scenario.workload.iter();
        let parent = parents.find(|parent| parent.then.iter().any(|then| then.task == task.task));
        let mut steps = plan.timeline.iter();
        let again = steps.find(|step| {
            matches!(step.fault.begin(), Lever::Handler(HandlerLever::Requeue { task: of, .. }) if of == task.task)
        });
        let who = match (parent, again) {
            (Some(parent), _) => format!("the handlers of `{}` enqueue", parent.task),
            (None, Some(step)) => format!("{} enqueues again", self.names(&[step]).join("")),
            (None, None) => return,
        };
        let keys = [
            ("task_id", task.task_id.is_some()),
            ("unique", task.unique.is_some()),
            ("group", task.group.is_some()),
        ];
        for (key, _) in keys.into_iter().filter(|(_, said)| *said) {
            let message = format!("{key}: tasks that {who} cannot have it");
            let hint = match parent {
                Some(_) => "let them be of another entry than those that arrive",
                None => "leave it out, or let the fault be of another task type",
            };
            self.problems.push_with_hint(task.place(key), message, hint);
        }
    }

    /// A task that becomes part of another is gone, and nobody could tell that from a lost one.
    fn left_in_groups(&mut self, plan: &Plan, task: &Spotted<TaskPlan>) {
        let aggregator = plan.workers.iter().find(|worker| {
            let mut queues = worker.queues.iter();
            worker.groups.is_some() && queues.any(|(queue, _)| *queue == task.queue)
        });
        if let (Some(_), Some(worker)) = (&task.group, aggregator) {
            let message = format!(
                "group: workers `{}` aggregate the groups of `{}`, and what becomes of a drill's tasks then is not followed",
                worker.name, task.queue
            );
            let hint =
                "leave out their `groups`: the tasks wait in their group, as without an aggregator";
            self.problems
                .push_with_hint(task.place("group"), message, hint);
        }
    }

    /// An entry all of whose tasks but the first are refused as duplicates.
    fn more_than_one(&mut self, plan: &Plan, index: usize, task: &Spotted<TaskPlan>) {
        // What is gone with the data of Redis may come again.
        let mut steps = plan.timeline.iter();
        if !task.may_be_duplicate() || steps.any(|step| step.fault.loses_data()) {
            return;
        }
        let mut times = arrivals(plan, index);
        let (Some(first_us), Some(_)) = (times.next(), times.next()) else {
            return;
        };
        let rest_ms = plan.duration_ms - first_us / 1_000;
        let for_good = fate(task, rest_ms);
        let retained = task.retention_ms >= rest_ms;
        let stays = match (for_good, retained) {
            (Some(why), _) => Some(why.to_owned()),
            (None, true) => Some(format!(
                "it is retained for {}",
                units::format(task.retention_ms)
            )),
            (None, false) => None,
        };
        let fixed = task.task_id.as_ref().filter(|id| id.distinct() == Some(1));
        if let (Some(id), Some(why)) = (fixed, &stays) {
            let message = format!(
                "task_id: every task but the first is refused as a duplicate of `{id}` to the end of the drill: {why}"
            );
            let hint = "tell them apart with `{n}` or `{n % 12}`, or let the first one go";
            self.problems
                .push_with_hint(task.place("task_id"), message, hint);
        }
        let unique = task.unique.filter(|unique| unique.keys == Some(1));
        let held = unique.filter(|unique| unique.ttl_ms >= rest_ms);
        if let (Some(_), Some(why)) = (held, for_good) {
            let message = format!(
                "unique: every task but the first is refused as a duplicate to the end of the drill: {why}, and keeps its lock"
            );
            let hint = "let there be more `keys`, or a shorter `ttl`";
            self.problems
                .push_with_hint(task.place("unique"), message, hint);
        }
    }
}

/// Why a task is never done within so much time, if that is certain.
fn fate(task: &TaskPlan, rest_ms: i64) -> Option<&'static str> {
    if task.is_grouped() {
        return Some("it waits in its group");
    }
    if task.delay_ms >= rest_ms {
        return Some("it is not due before");
    }
    let always_fails = task.fail_share >= 1.0 && task.fail_as != ErrorKind::Revoke;
    always_fails.then_some("it always fails")
}
