//! `exporter.down`: monitoring that is gone while the system is well.

use super::{Definition, Harm};
use crate::form::{form};
use crate::lever::{Class, Lever, On};
use serde::{Deserialize, Serialize};

form! {
    /// An exporter is gone: it cannot be scraped, and its series end.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct ExporterDown: "exporter.down" {}
}

impl Definition for ExporterDown {
    const ON: On = On::Targets;
    const CLASS: Class = Class::Reversible;
    const CAUSES: &'static [&'static str] = &["other"];
    const ENDS_BY_ITSELF: bool = true;
    const EXAMPLES: &'static [&'static str] = &["select: [exporter]"];
    const STATE: &'static str = "out of reach";

    fn begin(&self) -> Lever {
        Lever::Exporters { there: false }
    }

    fn end(&self) -> Option<Lever> {
        Some(Lever::Exporters { there: true })
    }

    fn harm(&self) -> Harm<'_> {
        Harm::Nothing
    }
}
