//! `scrape.gap`: Prometheus cannot reach a target that is well: a network policy, a firewall, a lost route.

use super::{Definition, Harm};
use crate::form::form;
use crate::lever::{Class, Lever, On};
use serde::{Deserialize, Serialize};

form! {
    /// Prometheus cannot reach targets that are well.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct ScrapeGap: "scrape.gap" {}
}


impl Definition for ScrapeGap {
    const ON: On = On::Targets;
    const CLASS: Class = Class::Reversible;
    const CAUSES: &'static [&'static str] = &["other"];
    const ENDS_BY_ITSELF: bool = true;
    const STATE: &'static str = "out of reach";

    fn begin(&self) -> Lever {
        Lever::Scrape { reachable: false }
    }

    fn end(&self) -> Option<Lever> {
        Some(Lever::Scrape { reachable: true })
    }

    fn harm(&self) -> Harm<'_> {
        Harm::Nothing
    }
}
