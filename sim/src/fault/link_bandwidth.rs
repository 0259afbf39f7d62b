//! `link.bandwidth`: a thin line, or a neighbour that takes what there is.

use super::{Definition, Harm};
use crate::form::{choice, form, size};
use crate::lever::{Class, Lever, LinkLever, On, Ways};
use serde::{Deserialize, Serialize};

form! {
    /// So much gets through between a client and Redis, of all its connections together.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct LinkBandwidth: "link.bandwidth" {
        /// How much in a second.
        pub bytes_per_s as "rate": u64 = size(1 << 30), required;
        /// Which way.
        pub direction: Ways = choice(Ways::NAMED), default Ways::Both;
    }
}

impl Definition for LinkBandwidth {
    const ON: On = On::Clients;
    const CLASS: Class = Class::Reversible;
    const CAUSES: &'static [&'static str] = &["slow-jobs", "redis-down", "other"];
    const ENDS_BY_ITSELF: bool = true;
    const EXAMPLES: &'static [&'static str] = &["rate: 5KB"];
    const LIVE_ONLY: &'static str = "the model's calls have no bytes";
    const STATE: &'static str = "thin";

    fn begin(&self) -> Lever {
        Lever::Link(LinkLever::Throttle {
            bytes_per_s: self.bytes_per_s,
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
