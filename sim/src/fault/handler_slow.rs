//! `handler.slow`: a slow dependency, a lost index.

use super::{Definition, Harm, Parameters, Row};
use crate::lever::{Class, HandlerLever, Lever, On};
use crate::scenario::{quote, text};
use firedrill_detector::yaml::{Fields, Problems};
use serde::{Deserialize, Serialize};

/// Handlers take longer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HandlerSlow {
    /// Task type; `None`: all.
    pub task: Option<String>,
    /// How many times longer.
    pub factor: f64,
}

impl Definition for HandlerSlow {
    const NAME: &'static str = "handler.slow";
    const SUMMARY: &'static str = "Handlers take longer";
    const ON: On = On::Handlers;
    const CLASS: Class = Class::Reversible;
    const CAUSES: &'static [&'static str] = &["slow-jobs", "resource-exhaustion", "other"];
    const ENDS_BY_ITSELF: bool = true;

    fn begin(&self) -> Lever {
        Lever::Handler(HandlerLever::Slow {
            task: self.task.clone(),
            factor: self.factor,
        })
    }

    fn harm(&self) -> Harm<'_> {
        self.task.as_deref().map_or(Harm::All, Harm::Task)
    }
}

impl Parameters for HandlerSlow {
    const ROWS: &'static [Row] = &[
        Row::optional("task", "task type", "all"),
        Row::required("factor", "how many times longer, above 1 and up to 10000"),
    ];

    fn read(fields: &mut Fields<'_>, problems: &mut Problems) -> Option<Self> {
        let task = fields.take("task").map(|node| text(node, "task", problems));
        let factor = fields.required("factor", problems).and_then(|node| {
            let factor = node.as_f64("factor", problems)?;
            if factor == 1.0 {
                let message = "factor: 1 changes nothing, so there is no fault";
                problems.push_with_hint(node.at, message, "accepted: above 1, up to 10000");
                return None;
            }
            if !(1.0..=10_000.0).contains(&factor) {
                node.expected("factor", "a number above 1, up to 10000", problems);
                return None;
            }
            Some(factor)
        });
        Some(Self { task: task.flatten(), factor: factor? })
    }

    fn written(&self) -> Vec<(&'static str, String)> {
        let task = self.task.iter().map(|task| ("task", quote(task)));
        task.chain([("factor", self.factor.to_string())]).collect()
    }
}
