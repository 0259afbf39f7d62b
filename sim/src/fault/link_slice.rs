//! `link.slice`: a line on which packets are tiny, and far between.

use super::{Definition, Harm};
use crate::form::{choice, count, form, positive};
use crate::lever::{Class, Lever, LinkLever, On, Ways};
use serde::{Deserialize, Serialize};

form! {
    /// What is sent arrives in small pieces, one after the other.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct LinkSlice: "link.slice" {
        /// Bytes of a piece.
        pub bytes: u32 = count(1..=16_384), required;
        /// From one to the next.
        pub every_ms as "every": i64 = positive(), required;
        /// Which way.
        pub direction: Ways = choice(Ways::NAMED), default Ways::Both;
    }
}

impl Definition for LinkSlice {
    const ON: On = On::Clients;
    const CLASS: Class = Class::Reversible;
    const CAUSES: &'static [&'static str] = &["slow-jobs", "redis-down", "other"];
    const ENDS_BY_ITSELF: bool = true;
    const EXAMPLES: &'static [&'static str] = &["bytes: 100, every: 20ms"];
    const LIVE_ONLY: &'static str = "the model's calls have no bytes";
    const STATE: &'static str = "sliced";

    fn begin(&self) -> Lever {
        Lever::Link(LinkLever::Slice {
            bytes: self.bytes,
            every_ms: self.every_ms,
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
