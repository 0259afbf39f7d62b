//! `queue.pause`: somebody pauses a queue, and may forget it.

use super::{Definition, Harm, Parameters, Row};
use crate::lever::{Class, Lever, On, QueueLever};
use crate::scenario::{quote, text};
use firedrill_detector::yaml::{Fields, Problems};
use serde::{Deserialize, Serialize};

/// A queue is paused by hand.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QueuePause {
    /// Its name.
    pub queue: String,
}

impl Definition for QueuePause {
    const NAME: &'static str = "queue.pause";
    const SUMMARY: &'static str = "A queue is paused by hand, as asynq's inspector does it";
    const ON: On = On::Queue;
    const CLASS: Class = Class::Stored;
    const CAUSES: &'static [&'static str] = &["other"];
    const REMEDIES: &'static [&'static str] = &["queue.unpause"];
    const STATE: &'static str = "paused";

    fn begin(&self) -> Lever {
        Lever::Queue { queue: self.queue.clone(), what: QueueLever::Pause }
    }

    fn harm(&self) -> Harm<'_> {
        Harm::Queue(&self.queue)
    }
}

impl Parameters for QueuePause {
    const ROWS: &'static [Row] = &[Row::required("queue", "its name")];

    fn read(fields: &mut Fields<'_>, problems: &mut Problems) -> Option<Self> {
        let queue = fields
            .required("queue", problems)
            .and_then(|node| text(node, "queue", problems));
        Some(Self { queue: queue? })
    }

    fn written(&self) -> Vec<(&'static str, String)> {
        vec![("queue", quote(&self.queue))]
    }
}
