//! `producer.surge`: a campaign, a backfill, a client that tries again and again.

use super::{Definition, Harm};
use crate::form::{form, number, text};
use crate::lever::{Arriving, Class, Lever, LoadLever, On};
use serde::{Deserialize, Serialize};

form! {
    /// More is enqueued, or less, of what arrives at a rate.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct ProducerSurge: "producer.surge" {
        /// Task type; left out: all.
        pub task: Option<String> = text(), optional;
        /// So many times as much.
        pub factor: f64 = number(0.001..=10_000.0)
            .but_not(1.0, "factor: 1 changes nothing, so there is no fault", "accepted: from 0.001 to 10000"), required;
    }
}

impl Definition for ProducerSurge {
    const ON: On = On::Producer;
    const CLASS: Class = Class::Reversible;
    const CAUSES: &'static [&'static str] = &["slow-jobs", "resource-exhaustion", "other"];
    const ENDS_BY_ITSELF: bool = true;
    const EXAMPLES: &'static [&'static str] = &["factor: 3, task: t"];

    fn begin(&self) -> Lever {
        Lever::Load(LoadLever {
            task: self.task.clone(),
            what: Arriving::All,
            factor: self.factor,
        })
    }

    fn harm(&self) -> Harm<'_> {
        self.task.as_deref().map_or(Harm::All, Harm::Task)
    }
}
