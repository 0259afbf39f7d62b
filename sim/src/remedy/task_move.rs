//! `task.move`: somebody gives a task type, such as a poisonous or a slow one, a queue of its own.

use super::Definition;
use crate::fault::Fault;
use crate::form::{form, name, text};
use crate::lever::{Class, Lever, On, TasksLever};
use serde::{Deserialize, Serialize};

form! {
    /// Tasks of a type are enqueued into another queue from then on, and those that wait are moved there: asynq cannot move, so each is deleted
    /// and enqueued again, under its id, for the time it was due, its attempts counted anew. What is in progress stays.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct TaskMove: "task.move" {
        /// Task type.
        pub task: String = name(), required;
        /// The queue it is in.
        pub queue: String = text(), required;
        /// The queue it is moved to.
        pub to: String = text(), required;
    }
}

impl Definition for TaskMove {
    const ON: On = On::Queue;
    const CLASS: Class = Class::Irreversible;

    fn done(&self, _: Option<&Fault>) -> Lever {
        Lever::Tasks {
            queue: self.queue.clone(),
            what: TasksLever::Move {
                task: self.task.clone(),
                to: self.to.clone(),
            },
        }
    }

    fn of(_: &Fault) -> Option<Self> {
        None
    }

    fn queue(&self) -> Option<&str> {
        Some(&self.queue)
    }

    fn task(&self) -> Option<&str> {
        Some(&self.task)
    }

    fn moves(&self) -> Option<(&str, &str, &str)> {
        Some((&self.task, &self.queue, &self.to))
    }

    fn wrong(&self) -> Option<(String, &'static str)> {
        let is_there = self.queue == self.to;
        is_there.then(|| {
            let message = format!("to: `{}` is in queue `{}` already", self.task, self.to);
            (message, "accepted: another queue")
        })
    }
}
