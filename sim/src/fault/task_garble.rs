//! `task.garble`: messages of another version, or another program, in a queue.

use super::{Definition, Harm, Needs};
use crate::form::{count, form, text};
use crate::lever::{Class, Lever, On, QueueLever};
use serde::{Deserialize, Serialize};

form! {
    /// Messages that nobody can decode are put where workers find them next: each is taken, and stays with nobody.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct TaskGarble: "task.garble" {
        /// The queue.
        pub queue: String = text(), required;
        /// How many.
        pub count: u32 = count(1..=10_000), default 1;
    }
}

impl Definition for TaskGarble {
    const ON: On = On::Queue;
    const CLASS: Class = Class::Irreversible;
    const CAUSES: &'static [&'static str] = &["deadlock", "other"];
    const ENDS_BY_ITSELF: bool = true;
    const EXAMPLES: &'static [&'static str] = &["queue: default, count: 3"];
    const STATE: &'static str = "garbled";

    fn begin(&self) -> Lever {
        Lever::Queue {
            queue: self.queue.clone(),
            what: QueueLever::Garble { count: self.count },
        }
    }

    fn harm(&self) -> Harm<'_> {
        Harm::Queue(&self.queue)
    }

    fn needs(&self) -> Needs {
        Needs { own_redis: true, persistence: false }
    }
}
