//! `link.delay`: a slow network between clients and Redis.

use super::{Definition, Harm};
use crate::form::{choice, duration, form, positive};
use crate::lever::{Class, Lever, LinkLever, On, Ways};
use serde::{Deserialize, Serialize};

form! {
    /// What goes between clients and Redis arrives later, in its order.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct LinkDelay: "link.delay" {
        /// How much later, each way.
        pub delay_ms as "delay": i64 = positive(), required;
        /// Up to so much more, drawn for each.
        pub jitter_ms as "jitter": i64 = duration(), default 0;
        /// Which way.
        #[serde(default, skip_serializing_if = "Ways::is_both")]
        pub direction: Ways = choice(Ways::NAMED), quiet Ways::Both;
    }
}


impl Definition for LinkDelay {
    const ON: On = On::Clients;
    const CLASS: Class = Class::Reversible;
    const CAUSES: &'static [&'static str] = &["slow-jobs", "redis-down", "other"];
    const EXAMPLES: &'static [&'static str] = &["delay: 300ms", "delay: 300ms, direction: to-client"];
    const ENDS_BY_ITSELF: bool = true;
    const STATE: &'static str = "slow";

    fn begin(&self) -> Lever {
        Lever::Link(LinkLever::Delay { ms: self.delay_ms, jitter_ms: self.jitter_ms, ways: self.direction })
    }

    fn end(&self) -> Option<Lever> {
        Some(Lever::Link(LinkLever::Heal))
    }

    fn harm(&self) -> Harm<'_> {
        Harm::Processes
    }

}
