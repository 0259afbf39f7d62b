//! `link.half-open`: a connection that is open at one end: a route that is lost one way.

use super::{Definition, Harm};
use crate::form::{choice, form};
use crate::lever::{Class, Lever, LinkLever, On, Ways};
use serde::{Deserialize, Serialize};

form! {
    /// What is sent one way does not get through, and nobody is told; the other way is as before.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct LinkHalfOpen: "link.half-open" {
        /// The way that is lost: replies (`to-client`), or requests.
        pub direction: Ways = choice([Ways::NAMED[1], Ways::NAMED[2]]), default Ways::ToClient;
    }
}

impl Definition for LinkHalfOpen {
    const ON: On = On::Clients;
    const CLASS: Class = Class::Reversible;
    const CAUSES: &'static [&'static str] = &["redis-down", "worker-crashed", "other"];
    const ENDS_BY_ITSELF: bool = true;
    const EXAMPLES: &'static [&'static str] = &["", "direction: to-redis"];
    const STATE: &'static str = "half open";

    fn begin(&self) -> Lever {
        Lever::Link(LinkLever::Drop { ways: self.direction })
    }

    fn end(&self) -> Option<Lever> {
        Some(Lever::Link(LinkLever::Heal))
    }

    fn harm(&self) -> Harm<'_> {
        Harm::Processes
    }

}
