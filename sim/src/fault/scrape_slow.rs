//! `scrape.slow`: targets that are too busy to be scraped.

use super::{Definition, Harm};
use crate::form::{form, positive};
use crate::lever::{Class, Lever, On};
use serde::{Deserialize, Serialize};

form! {
    /// Targets answer scrapes late; beyond the scrape timeout, a scrape has failed.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct ScrapeSlow: "scrape.slow" {
        /// How late.
        pub by_ms as "by": i64 = positive(), required;
    }
}

impl Definition for ScrapeSlow {
    const ON: On = On::Targets;
    const CLASS: Class = Class::Reversible;
    const CAUSES: &'static [&'static str] = &["other"];
    const ENDS_BY_ITSELF: bool = true;
    const EXAMPLES: &'static [&'static str] = &["by: 12s"];
    const STATE: &'static str = "out of reach";

    fn begin(&self) -> Lever {
        Lever::SlowScrapes { ms: self.by_ms }
    }

    fn end(&self) -> Option<Lever> {
        Some(Lever::SlowScrapes { ms: 0 })
    }

    fn harm(&self) -> Harm<'_> {
        Harm::Nothing
    }
}
