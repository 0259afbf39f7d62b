//! What a pipeline reads of a run: findings at the line they are about (annotations, SARIF), JUnit, benchmark figures, a badge.
//!
//! Everything is made from what gates came to, [`Gated`]. Text of others (names of alerts, reasons) is text
//! in each of the formats.

mod annotations;
mod badge;
mod benchmark;
mod junit;
mod quality;
mod sarif;
mod summary;

pub use annotations::github;
pub use badge::{shields, svg};
pub use benchmark::{bencher, bigger_is_better, smaller_is_better};
pub use junit::junit;
pub use quality::code_quality;
pub use sarif::sarif;
pub use summary::cut;

use crate::document::{gate_check, sentence};
use crate::figures::{Failing, Wrong};
use crate::gate::{Gated, Status};
use crate::pack::RulePack;
use firedrill_detector::RuleSet;
use firedrill_detector::text::counted;

/// Where rules and scenarios stand in files that somebody has; what is built in stands nowhere.
#[derive(Debug, Clone, Default)]
pub struct Places {
    /// Alert, file and line.
    alerts: Vec<(String, String, usize)>,
    /// Cause and the alerts that are expected by name.
    expected: Vec<(String, Vec<String>)>,
    /// Scenario and file.
    scenarios: Vec<(String, String)>,
}

impl Places {
    /// Takes in the rules that were judged, and the causes that they were judged on; `is_file`: whether a name is one of a
    /// file, and not of what is built in.
    pub fn rules<'c>(
        &mut self,
        rules: &RuleSet,
        pack: &RulePack,
        causes: impl IntoIterator<Item = &'c str>,
        is_file: impl Fn(&str) -> bool,
    ) {
        for alert in rules.alerts().filter(|alert| is_file(alert.file)) {
            let place = (alert.name.to_owned(), alert.file.to_owned(), alert.line);
            if !self.alerts.contains(&place) {
                self.alerts.push(place);
            }
        }
        for cause in causes {
            let by_name = pack
                .alerts
                .iter()
                .filter(|alert| pack.expects(cause, alert));
            let expected = (cause.to_owned(), by_name.cloned().collect());
            if !self.expected.contains(&expected) {
                self.expected.push(expected);
            }
        }
    }

    /// Takes in the file of a scenario.
    pub fn scenario(&mut self, name: &str, file: &str) {
        self.scenarios.push((name.to_owned(), file.to_owned()));
    }

    /// The file and the line of what a failure is about: the rule that cried wolf, cannot fire, told too late, or should have seen it;
    /// else the scenario, or where that is built in the beginning of the first rule file, which lacks a rule that sees it.
    fn of(&self, failing: &Failing) -> Option<(String, usize)> {
        let rule = |name: &str| {
            let found = self.alerts.iter().find(|(alert, ..)| alert == name)?;
            Some((found.1.clone(), found.2))
        };
        if !failing.wrong.is_of_incident() {
            return rule(&failing.name);
        }
        if let Some(late) = failing.alert.as_deref().and_then(rule) {
            return Some(late);
        }
        let expected = self
            .expected
            .iter()
            .filter(|(cause, _)| *cause == failing.name);
        let mut rules = expected
            .flat_map(|(_, alerts)| alerts)
            .filter_map(|alert| rule(alert));
        let lacks = || {
            let (_, file, _) = self.alerts.first()?;
            Some((file.clone(), 1))
        };
        rules
            .next()
            .or_else(|| self.drill(&failing.scenario))
            .or_else(lacks)
    }

    /// The beginning of a scenario's file.
    fn drill(&self, scenario: &str) -> Option<(String, usize)> {
        let mut all = self.scenarios.iter();
        let (_, file) = all.find(|(name, _)| name == scenario)?;
        Some((file.clone(), 1))
    }
}

/// Something that a reader of a pipeline has to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What kind, in a word or two.
    pub kind: &'static str,
    /// Whether it fails the run; else it is known, or says what proves nothing.
    pub fails: bool,
    /// What it is.
    pub message: String,
    /// The file and the line that it is about.
    pub place: Option<(String, usize)>,
}

impl Wrong {
    /// In a word or two.
    fn kind(self) -> &'static str {
        match self {
            Self::Missed => "missed incident",
            Self::Late => "late page",
            Self::Masked => "masked incident",
            Self::CutShort => "drill too short",
            Self::FalsePage => "false page",
            Self::Unfit => "rule that cannot fire",
        }
    }
}

/// All that is to be known: what fails first.
#[must_use]
pub fn findings(gated: &Gated, places: &Places) -> Vec<Finding> {
    let mut found: Vec<Finding> = gated
        .failings
        .iter()
        .map(|(failing, drills, known)| Finding {
            kind: failing.wrong.kind(),
            fails: !gated.excused && !gated.is_excused(*known),
            message: match drills {
                1 => failing.to_string(),
                _ => format!("{failing} ({drills} drills)"),
            },
            place: places.of(failing),
        })
        .collect();
    let failed = gated
        .checks
        .iter()
        .filter(|check| check.status != Status::Passed);
    found.extend(failed.map(|check| {
        Finding {
            kind: "gate",
            fails: check.status != Status::Unproven && !gated.is_excused(check.known),
            message: gate_check(gated, check),
            place: check
                .place
                .as_ref()
                .map(|(file, at)| (file.clone(), at.line)),
        }
    }));
    found.extend(gated.worse().map(|row| Finding {
        kind: "worse than the baseline",
        fails: true,
        message: sentence(row),
        place: None,
    }));
    found.extend(gated.gone().map(|excuse| Finding {
        kind: "known failure",
        fails: false,
        message: format!(
            "{} does not fail any more: take it off the known failures",
            excuse.known
        ),
        place: Some((excuse.file.clone(), excuse.known.at.line)),
    }));
    found.extend(gated.unmatched().map(|excuse| Finding {
        kind: "known failure",
        fails: false,
        message: format!("{} matches nothing: no drill has it", excuse.known),
        place: Some((excuse.file.clone(), excuse.known.at.line)),
    }));
    let unproven = gated
        .scenarios
        .iter()
        .filter(|(_, scenario)| scenario.inconclusive > 0);
    found.extend(unproven.map(|(name, scenario)| Finding {
        kind: "inconclusive",
        fails: false,
        message: format!(
            "{name}: {} of {} drills prove nothing",
            scenario.inconclusive, scenario.drills
        ),
        place: places.drill(name),
    }));
    found.sort_by_key(|finding| !finding.fails);
    found
}

/// What is to be said of findings that stand in no file, as formats without a place for them leave them out; `None`: all
/// stand in one.
#[must_use]
pub fn unplaced(findings: &[Finding]) -> Option<String> {
    let count = findings
        .iter()
        .filter(|finding| finding.place.is_none())
        .count();
    (count > 0).then(|| {
        format!(
            "{count} of {} left out, without a place in a file (what is built in has none); the report and JUnit have all",
            counted(findings.len(), "finding")
        )
    })
}

#[cfg(test)]
mod tests;
