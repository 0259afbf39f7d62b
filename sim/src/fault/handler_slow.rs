//! `handler.slow`: a slow dependency, a lost index.

use super::{Definition, Harm};
use crate::form::{form, number, text};
use crate::lever::{Class, HandlerLever, Lever, On};
use serde::{Deserialize, Serialize};

form! {
    /// Handlers take longer.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct HandlerSlow: "handler.slow" {
        /// Task type; left out: all.
        pub task: Option<String> = text(), optional;
        /// How many times longer.
        pub factor: f64 = number(1.0..=10_000.0)
            .saying("a number above 1, up to 10000")
            .but_not(1.0, "factor: 1 changes nothing, so there is no fault", "accepted: above 1, up to 10000"), required;
    }
}


impl Definition for HandlerSlow {
    const ON: On = On::Handlers;
    const CLASS: Class = Class::Reversible;
    const CAUSES: &'static [&'static str] = &["slow-jobs", "resource-exhaustion", "other"];
    const EXAMPLES: &'static [&'static str] = &["factor: 4"];
    const ENDS_BY_ITSELF: bool = true;

    fn begin(&self) -> Lever {
        Lever::Handler(HandlerLever::Slow {
            task: self.task.clone(),
            factor: self.factor,
        })
    }

    fn harm(&self) -> Harm<'_> {
        self.task.as_deref().map_or(Harm::All, Harm::Task)
    }
}
