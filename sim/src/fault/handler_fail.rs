//! `handler.fail`: a dependency that refuses, a release with a bug.

use super::{Definition, Harm, Parameters, Row};
use crate::lever::{Class, HandlerLever, Lever, On};
use crate::scenario::{as_share, quote, text};
use firedrill_detector::yaml::{Fields, Problems};
use serde::{Deserialize, Serialize};

/// Handlers of a task type return an error.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HandlerFail {
    /// Task type.
    pub task: String,
    /// Share of executions that fail, above 0 and up to 1.
    pub share: f64,
    /// The error's text.
    pub error: String,
}

impl Definition for HandlerFail {
    const NAME: &'static str = "handler.fail";
    const SUMMARY: &'static str = "Handlers of a task type return an error";
    const ON: On = On::Handlers;
    const CLASS: Class = Class::Reversible;
    // A pool without connections makes handlers fail, or wait.
    const CAUSES: &'static [&'static str] = &["retry-storm", "resource-exhaustion", "other"];
    const ENDS_BY_ITSELF: bool = true;

    fn begin(&self) -> Lever {
        Lever::Handler(HandlerLever::Fail {
            task: self.task.clone(),
            share: self.share,
            error: self.error.clone(),
        })
    }

    fn harm(&self) -> Harm<'_> {
        Harm::Task(&self.task)
    }
}

impl Parameters for HandlerFail {
    const ROWS: &'static [Row] = &[
        Row::required("task", "task type"),
        Row::optional("share", "share of executions that fail, above 0 and up to 100%", "100%"),
        Row::optional("error", "the error's text", "job failed"),
    ];

    fn read(fields: &mut Fields<'_>, problems: &mut Problems) -> Option<Self> {
        let task = fields
            .required("task", problems)
            .and_then(|node| text(node, "task", problems));
        let share = fields.take("share").map_or(Some(1.0), |node| {
            let share = as_share(node, "share", problems)?;
            if share == 0.0 {
                let message = "share: 0 changes nothing, so there is no fault";
                problems.push_with_hint(node.at, message, "accepted: above 0, up to 100%");
                return None;
            }
            Some(share)
        });
        let error = fields
            .take("error")
            .map_or(Some("job failed".into()), |node| text(node, "error", problems));
        Some(Self { task: task?, share: share?, error: error? })
    }

    fn written(&self) -> Vec<(&'static str, String)> {
        vec![
            ("task", quote(&self.task)),
            ("share", format!("{}%", self.share * 100.0)),
            ("error", quote(&self.error)),
        ]
    }
}
