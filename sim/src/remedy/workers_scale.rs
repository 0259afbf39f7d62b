//! `workers.scale`: more processes, or fewer.

use super::{Definition, Parameters};
use crate::fault::{Fault, Row};
use crate::lever::{Class, Lever, On};
use crate::scenario::{count, quote, text};
use firedrill_detector::yaml::{Fields, Problems};
use serde::{Deserialize, Serialize};

/// A group of workers has so many processes from now on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkersScale {
    /// Name of the group.
    pub worker: String,
    /// Its processes.
    pub to: u32,
}

impl Definition for WorkersScale {
    const NAME: &'static str = "workers.scale";
    const SUMMARY: &'static str =
        "A group of workers gets more processes, or fewer: the last ones end gracefully";
    const ON: On = On::Workers;
    const CLASS: Class = Class::Irreversible;

    fn done(&self, _: Option<&Fault>) -> Lever {
        Lever::Scale {
            worker: self.worker.clone(),
            to: self.to,
        }
    }

    fn of(_: &Fault) -> Option<Self> {
        None
    }

    fn worker(&self) -> Option<&str> {
        Some(&self.worker)
    }
}

impl Parameters for WorkersScale {
    const ROWS: &'static [Row] = &[
        Row::required("worker", "name of the group"),
        Row::required("to", "its processes, 0 to 64"),
    ];

    fn read(fields: &mut Fields<'_>, problems: &mut Problems) -> Option<Self> {
        let worker = fields
            .required("worker", problems)
            .and_then(|node| text(node, "worker", problems));
        let to = fields
            .required("to", problems)
            .and_then(|node| count(node, "to", 0..=64, problems));
        Some(Self {
            worker: worker?,
            to: to?,
        })
    }

    fn written(&self) -> Vec<(&'static str, String)> {
        vec![("worker", quote(&self.worker)), ("to", self.to.to_string())]
    }
}
