//! `queue.unpause`: somebody resumes a queue.

use super::{Definition, Parameters};
use crate::fault::{Fault, QueuePause, Row};
use crate::lever::{Class, Lever, On, QueueLever};
use crate::scenario::{quote, text};
use firedrill_detector::yaml::{Fields, Problems};
use serde::{Deserialize, Serialize};

/// Workers take tasks from a paused queue again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QueueUnpause {
    /// Its name.
    pub queue: String,
}

impl Definition for QueueUnpause {
    const NAME: &'static str = "queue.unpause";
    const SUMMARY: &'static str = "Workers take tasks from a paused queue again";
    const ON: On = On::Queue;
    const CLASS: Class = Class::Stored;

    fn done(&self, _: Option<&Fault>) -> Lever {
        Lever::Queue {
            queue: self.queue.clone(),
            what: QueueLever::Unpause,
        }
    }

    fn of(fault: &Fault) -> Option<Self> {
        match fault {
            Fault::QueuePause(QueuePause { queue }) => Some(Self {
                queue: queue.clone(),
            }),
            _ => None,
        }
    }

    fn queue(&self) -> Option<&str> {
        Some(&self.queue)
    }
}

impl Parameters for QueueUnpause {
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
