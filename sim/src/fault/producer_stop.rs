//! `producer.stop`: whoever enqueues no longer does. Users see that nothing happens; queues look well.

use super::{Definition, Harm};
use crate::form::{form, text};
use crate::lever::{Arriving, Class, Lever, LoadLever, On};
use serde::{Deserialize, Serialize};

form! {
    /// Nothing is enqueued.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct ProducerStop: "producer.stop" {
        /// Task type; left out: all.
        pub task: Option<String> = text(), optional;
    }
}

impl Definition for ProducerStop {
    const ON: On = On::Producer;
    const CLASS: Class = Class::Reversible;
    const CAUSES: &'static [&'static str] = &["other"];
    const ENDS_BY_ITSELF: bool = true;

    fn begin(&self) -> Lever {
        Lever::Load(LoadLever {
            task: self.task.clone(),
            what: Arriving::All,
            factor: 0.0,
        })
    }

    fn harm(&self) -> Harm<'_> {
        self.task.as_deref().map_or(Harm::All, Harm::Task)
    }
}
