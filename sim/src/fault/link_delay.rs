//! `link.delay`: a slow network between clients and Redis.

use super::{Definition, Harm, Parameters, Row};
use crate::lever::{Class, Lever, LinkLever, On};
use crate::scenario::duration::{as_duration, format};
use crate::scenario::positive;
use firedrill_detector::yaml::{Fields, Problems};
use serde::{Deserialize, Serialize};

/// What goes over the links of clients arrives later.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinkDelay {
    /// Each way, virtual milliseconds, above 0.
    pub delay_ms: i64,
    /// Up to so much more, drawn for each.
    pub jitter_ms: i64,
}

impl Definition for LinkDelay {
    const NAME: &'static str = "link.delay";
    const SUMMARY: &'static str = "What goes between clients and Redis arrives later, each way, in its order";
    const ON: On = On::Clients;
    const CLASS: Class = Class::Reversible;
    const CAUSES: &'static [&'static str] = &["slow-jobs", "redis-down", "other"];
    const ENDS_BY_ITSELF: bool = true;
    const STATE: &'static str = "slow";

    fn begin(&self) -> Lever {
        Lever::Link(LinkLever::Delay { ms: self.delay_ms, jitter_ms: self.jitter_ms })
    }

    fn end(&self) -> Option<Lever> {
        Some(Lever::Link(LinkLever::Heal))
    }

    fn harm(&self) -> Harm<'_> {
        Harm::Processes
    }
}

impl Parameters for LinkDelay {
    const ROWS: &'static [Row] = &[
        Row::required("delay", "each way, above zero"),
        Row::optional("jitter", "up to so much more, drawn for each", "0s"),
    ];

    fn read(fields: &mut Fields<'_>, problems: &mut Problems) -> Option<Self> {
        let delay = fields
            .required("delay", problems)
            .and_then(|node| positive(node, "delay", problems));
        let jitter = fields
            .take("jitter")
            .map_or(Some(0), |node| as_duration(node, "jitter", problems));
        Some(Self { delay_ms: delay?, jitter_ms: jitter? })
    }

    fn written(&self) -> Vec<(&'static str, String)> {
        vec![("delay", format(self.delay_ms)), ("jitter", format(self.jitter_ms))]
    }
}
