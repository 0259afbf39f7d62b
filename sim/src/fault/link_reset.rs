//! `link.reset`: a firewall that sends RST, a proxy that is restarted again and again.

use super::{Definition, Harm};
use crate::form::form;
use crate::lever::{Class, Lever, LinkLever, On};
use serde::{Deserialize, Serialize};

form! {
    /// Connections between clients and Redis are reset, those there are and every new one.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct LinkReset: "link.reset" {}
}

impl Definition for LinkReset {
    const ON: On = On::Clients;
    const CLASS: Class = Class::Reversible;
    const CAUSES: &'static [&'static str] = &["redis-down", "worker-crashed", "other"];
    const ENDS_BY_ITSELF: bool = true;
    const STATE: &'static str = "reset";

    fn begin(&self) -> Lever {
        Lever::Link(LinkLever::Reset)
    }

    fn end(&self) -> Option<Lever> {
        Some(Lever::Link(LinkLever::Heal))
    }

    fn harm(&self) -> Harm<'_> {
        Harm::Processes
    }

}
