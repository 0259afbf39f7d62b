//! `lease.lose`: a lease set that is gone: evicted, expired, or deleted by hand.

use super::{Definition, Harm, Needs};
use crate::form::{form, text};
use crate::lever::{Class, Lever, On, QueueLever};
use serde::{Deserialize, Serialize};

form! {
    /// The set of a queue's leases is deleted: what is being worked on is nobody's if its worker dies, and cannot be finished.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct LeaseLose: "lease.lose" {
        /// The queue.
        pub queue: String = text(), required;
    }
}

impl Definition for LeaseLose {
    const ON: On = On::Queue;
    const CLASS: Class = Class::Irreversible;
    const CAUSES: &'static [&'static str] = &["deadlock", "resource-exhaustion", "other"];
    const ENDS_BY_ITSELF: bool = true;
    const EXAMPLES: &'static [&'static str] = &["queue: default"];
    const STATE: &'static str = "without leases";

    fn begin(&self) -> Lever {
        Lever::Queue {
            queue: self.queue.clone(),
            what: QueueLever::LoseLeases,
        }
    }

    fn harm(&self) -> Harm<'_> {
        Harm::Queue(&self.queue)
    }

    fn needs(&self) -> Needs {
        Needs { own_redis: true, persistence: false }
    }
}
