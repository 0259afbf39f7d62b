//! What a drill's incidents are called at the moment somebody is told, held against what they really were.

use super::{Finding, findings, seen_in};
use crate::jsonl::Record;
use crate::score::{Called, DrillScore};
use std::collections::BTreeMap;

/// An incident, and what was found when somebody was told of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    /// The drill's scenario.
    pub scenario: String,
    /// The incident's cause, as the scenario has it.
    pub cause: String,
    /// The alert of which somebody was told first; none where nobody was, and its deadline counts.
    pub alert: Option<String>,
    /// When that was, milliseconds after the fault.
    pub after_ms: i64,
    /// The causes that fit.
    pub findings: Vec<Finding>,
}

/// What a diagnosis is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Answer {
    /// One cause of the runbook was named, and it was that.
    Right,
    /// Several were named, among them the right one.
    Open,
    /// Others were named.
    Wrong,
    /// None was.
    Nothing,
}

impl Asked {
    /// The runbook's causes that were named, each once.
    #[must_use]
    pub fn families(&self) -> Vec<&'static str> {
        let mut families: Vec<&str> = self
            .findings
            .iter()
            .map(|found| found.cause.family)
            .collect();
        families.sort_unstable();
        families.dedup();
        families
    }

    /// What it is worth.
    #[must_use]
    pub fn answer(&self) -> Answer {
        let families = self.families();
        let is_among = families.contains(&self.cause.as_str());
        match (families.len(), is_among) {
            (0, _) => Answer::Nothing,
            (1, true) => Answer::Right,
            (_, true) => Answer::Open,
            (_, false) => Answer::Wrong,
        }
    }
}

/// Asks for the cause of every incident of a drill: when somebody is told of it first, or else at its deadline.
#[must_use]
pub fn ask(record: &Record, score: &DrillScore) -> Vec<Asked> {
    let mut order: Vec<(i64, usize)> = score
        .incidents
        .iter()
        .enumerate()
        .map(|(place, incident)| {
            let told = incident.detection.as_ref();
            let at_ms = told.map_or(incident.truth.deadline_ms, |told| told.delivered_ms);
            (at_ms.min(record.end_ms()), place)
        })
        .collect();
    order.sort_unstable();
    let times: Vec<i64> = order.iter().map(|(at_ms, _)| *at_ms).collect();
    let mut asked: Vec<(usize, Asked)> = seen_in(record, &times)
        .iter()
        .zip(order)
        .map(|(seen, (at_ms, place))| {
            let incident = &score.incidents[place];
            let asked = Asked {
                scenario: score.scenario.clone(),
                cause: incident.truth.cause.clone(),
                alert: incident.detection.as_ref().map(|told| told.alert.clone()),
                after_ms: at_ms - incident.truth.fault_ms,
                findings: findings(seen),
            };
            (place, asked)
        })
        .collect();
    asked.sort_by_key(|(place, _)| *place);
    asked.into_iter().map(|(_, asked)| asked).collect()
}

/// How often each cause was called what, by the runbook's names, in their order.
#[must_use]
pub fn confusion(asked: &[Asked]) -> Vec<Called> {
    let mut counts: BTreeMap<(&str, Vec<&'static str>), u64> = BTreeMap::new();
    for one in asked {
        *counts
            .entry((one.cause.as_str(), one.families()))
            .or_default() += 1;
    }
    let of = |((cause, named), incidents): ((&str, Vec<&'static str>), u64)| Called {
        cause: cause.to_owned(),
        named,
        incidents,
    };
    counts.into_iter().map(of).collect()
}
