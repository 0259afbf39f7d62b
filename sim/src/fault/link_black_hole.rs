//! `link.black-hole`: a network that swallows everything: a dropped route, a full connection table.

use super::{Definition, Harm};
use crate::form::form;
use crate::lever::{Class, Lever, LinkLever, On, Ways};
use serde::{Deserialize, Serialize};

form! {
    /// Nothing gets through between clients and Redis, and nobody is told.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct LinkBlackHole: "link.black-hole" {}
}


impl Definition for LinkBlackHole {
    const ON: On = On::Clients;
    const CLASS: Class = Class::Reversible;
    const CAUSES: &'static [&'static str] = &["redis-down", "worker-crashed", "other"];
    const ENDS_BY_ITSELF: bool = true;
    const STATE: &'static str = "cut off";

    fn begin(&self) -> Lever {
        Lever::Link(LinkLever::Drop { ways: Ways::Both })
    }

    fn end(&self) -> Option<Lever> {
        Some(Lever::Link(LinkLever::Heal))
    }

    fn harm(&self) -> Harm<'_> {
        Harm::Processes
    }

}
