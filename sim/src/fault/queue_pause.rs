//! `queue.pause`: somebody pauses a queue, and may forget it.

use super::{Definition, Harm};
use crate::form::{form, text};
use crate::lever::{Class, Lever, On, QueueLever};
use serde::{Deserialize, Serialize};

form! {
    /// A queue is paused by hand, as asynq's inspector does it.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct QueuePause: "queue.pause" {
        /// Its name.
        pub queue: String = text(), required;
    }
}


impl Definition for QueuePause {
    const ON: On = On::Queue;
    const CLASS: Class = Class::Stored;
    const CAUSES: &'static [&'static str] = &["other"];
    const EXAMPLES: &'static [&'static str] = &["queue: default"];
    const REMEDIES: &'static [&'static str] = &["queue.unpause"];
    const STATE: &'static str = "paused";

    fn begin(&self) -> Lever {
        Lever::Queue { queue: self.queue.clone(), what: QueueLever::Pause }
    }

    fn harm(&self) -> Harm<'_> {
        Harm::Queue(&self.queue)
    }
}
