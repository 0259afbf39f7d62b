//! `link.demoted`: a failover that clients do not follow: their pools stay with the node that was the primary.

use super::{Definition, Harm, Needs};
use crate::form::{form};
use crate::lever::{Class, Lever, LinkLever, On};
use serde::{Deserialize, Serialize};

form! {
    /// Clients are with a node that is a replica, as after a failover the one that was the primary: it answers reads, and refuses every write.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct LinkDemoted: "link.demoted" {}
}

impl Definition for LinkDemoted {
    const ON: On = On::Clients;
    const CLASS: Class = Class::Reversible;
    const CAUSES: &'static [&'static str] = &["redis-down", "other"];
    const ENDS_BY_ITSELF: bool = true;
    const REMEDIES: &'static [&'static str] = &["worker.restart"];
    const STATE: &'static str = "cut off";

    fn begin(&self) -> Lever {
        Lever::Link(LinkLever::Demote)
    }

    fn end(&self) -> Option<Lever> {
        Some(Lever::Link(LinkLever::Heal))
    }

    fn harm(&self) -> Harm<'_> {
        Harm::Processes
    }

    fn needs(&self) -> Needs {
        Needs { own_redis: true, persistence: false }
    }
}
