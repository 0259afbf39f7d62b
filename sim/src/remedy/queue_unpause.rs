//! `queue.unpause`: somebody resumes a queue.

use super::Definition;
use crate::fault::{Fault, QueuePause};
use crate::form::{form, text};
use crate::lever::{Class, Lever, On, QueueLever};
use serde::{Deserialize, Serialize};

form! {
    /// Workers take tasks from a paused queue again.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct QueueUnpause: "queue.unpause" {
        /// Its name.
        pub queue: String = text(), required;
    }
}


impl Definition for QueueUnpause {
    const ON: On = On::Queue;
    const CLASS: Class = Class::Stored;

    fn done(&self, _: Option<&Fault>) -> Lever {
        Lever::Queue {
            queue: self.queue.clone(),
            what: QueueLever::Unpause,
        }
    }

    fn of(fault: &Fault) -> Option<Self> {
        match fault {
            Fault::QueuePause(QueuePause { queue }) => Some(Self {
                queue: queue.clone(),
            }),
            _ => None,
        }
    }

    fn queue(&self) -> Option<&str> {
        Some(&self.queue)
    }
}
