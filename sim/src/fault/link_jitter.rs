//! `link.jitter`: a network that is fast at one moment and slow at the next.

use super::{Definition, Harm};
use crate::form::{choice, form, positive};
use crate::lever::{Class, Lever, LinkLever, On, Ways};
use serde::{Deserialize, Serialize};

form! {
    /// What goes between clients and Redis arrives unevenly, in its order.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct LinkJitter: "link.jitter" {
        /// Up to so much later, drawn for each, each way.
        pub up_to_ms as "up_to": i64 = positive(), required;
        /// Which way.
        #[serde(default, skip_serializing_if = "Ways::is_both")]
        pub direction: Ways = choice(Ways::NAMED), quiet Ways::Both;
    }
}

impl Definition for LinkJitter {
    const ON: On = On::Clients;
    const CLASS: Class = Class::Reversible;
    const CAUSES: &'static [&'static str] = &["slow-jobs", "redis-down", "other"];
    const ENDS_BY_ITSELF: bool = true;
    const EXAMPLES: &'static [&'static str] = &["up_to: 400ms"];
    const STATE: &'static str = "slow";

    fn begin(&self) -> Lever {
        Lever::Link(LinkLever::Delay {
            ms: 0,
            jitter_ms: self.up_to_ms,
            ways: self.direction,
        })
    }

    fn end(&self) -> Option<Lever> {
        Some(Lever::Link(LinkLever::Heal))
    }

    fn harm(&self) -> Harm<'_> {
        Harm::Processes
    }

}
