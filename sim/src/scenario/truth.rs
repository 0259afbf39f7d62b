//! The ground truth of a scenario, as written: `incidents` and `benign`.

use crate::scenario::{At, FAMILIES, one_of, positive, text, time};
use firedrill_detector::yaml::{Fields, Mark, Node, Problems};
use firedrill_reports::record::Wanted;

/// An incident. It names its step or its times; with neither, there must be one step that can be behind it.
#[derive(Debug, Clone)]
pub(super) struct Incident {
    pub(super) cause: At<String>,
    /// Id of a step.
    pub(super) of: Option<At<String>>,
    /// That the step's fault is not known for this cause, and meant all the same.
    pub(super) unusual_cause: Option<At<bool>>,
    pub(super) wanted: Wanted,
    pub(super) within_ms: i64,
    pub(super) at: Option<At<i64>>,
    pub(super) until: Option<At<i64>>,
    pub(super) here: Mark,
}

impl Incident {
    pub(super) fn cause(&self) -> &str {
        &self.cause.value
    }
}

/// A window in which every page is a false alarm.
#[derive(Debug, Clone)]
pub(super) struct Benign {
    pub(super) what: String,
    pub(super) at: At<i64>,
    pub(super) until: Option<At<i64>>,
}

pub(super) fn incident(node: &Node, problems: &mut Problems) -> Option<Incident> {
    let mut fields = Fields::new(node, "incident", problems)?;
    let cause = fields
        .required("cause", problems)
        .and_then(|node| one_of(node, "cause", &FAMILIES[..7], problems));
    let of = fields
        .take("of")
        .map(|node| text(node, "of", problems).map(|value| At { at: node.at, value }));
    let unusual_cause = fields.take("unusual_cause").map(|node| {
        let value = node.as_bool("unusual_cause", problems)?;
        Some(At { at: node.at, value })
    });
    let wanted = fields.required("wanted", problems).and_then(|node| {
        let wanted = one_of(node, "wanted", &["page", "ticket"], problems)?;
        Some(if wanted.value == "page" {
            Wanted::Page
        } else {
            Wanted::Ticket
        })
    });
    let within_ms = fields
        .required("within", problems)
        .and_then(|node| positive(node, "within", problems));
    let at = fields.take("at").map(|node| time(node, "at", problems));
    let until = fields
        .take("until")
        .map(|node| time(node, "until", problems));
    fields.finish(problems);
    Some(Incident {
        cause: cause?,
        of: of.flatten(),
        unusual_cause: unusual_cause.flatten(),
        wanted: wanted?,
        within_ms: within_ms?,
        at: at.flatten(),
        until: until.flatten(),
        here: node.at,
    })
}

pub(super) fn benign(node: &Node, problems: &mut Problems) -> Option<Benign> {
    let mut fields = Fields::new(node, "benign window", problems)?;
    let what = fields
        .required("what", problems)
        .and_then(|node| text(node, "what", problems));
    let at = fields
        .required("at", problems)
        .and_then(|node| time(node, "at", problems));
    let until = fields
        .take("until")
        .map(|node| time(node, "until", problems));
    fields.finish(problems);
    Some(Benign {
        what: what?,
        at: at?,
        until: until.flatten(),
    })
}
