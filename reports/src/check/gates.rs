//! What is to be said of a gate file before anything is run.

use super::{Finding, Kind, Place};
use crate::gate::{GateFile, Known, Of};
use firedrill_detector::yaml::{Position, closest};
use jiff::civil::Date;
use std::collections::BTreeSet;

/// Gates that can never hold, alerts and scenarios that are not among those that were named with the file, and known
/// failures whose day is over. Where no alert, or no scenario, was named, none is missed.
#[must_use]
pub fn gates(
    file: &GateFile,
    alerts: &BTreeSet<String>,
    scenarios: &BTreeSet<String>,
    today: Date,
) -> Vec<Finding> {
    let told = |at: Position, message: String, hint: Option<String>| Finding {
        place: Some(Place::position(&file.file, at)),
        hint,
        ..Finding::new(Kind::Gate, None, message)
    };
    let mut found = Vec::new();
    let sets = [("alert", alerts), ("scenario", scenarios)];
    for (gate, at) in &file.gates {
        if let Some(why) = gate.never_holds() {
            let message = format!("`{gate}` can never hold: {why}");
            found.push(told(*at, message, None));
        }
        for (label, there) in sets {
            let names = || there.iter().map(String::as_str);
            if there.is_empty() || !gate.asks_for(label) || gate.accepts_any(label, names()) {
                continue;
            }
            let hint = gate
                .wanted(label)
                .find_map(|wanted| did_you_mean(wanted, there));
            let message = format!("`{gate}` is about no {label} named here");
            found.push(told(*at, message, hint));
        }
    }
    for known in &file.known {
        for (label, name) in named(known) {
            let there = if label == "alert" { alerts } else { scenarios };
            if !there.is_empty() && !there.contains(name) {
                let message = format!("known failure: there is no {label} `{name}` here");
                found.push(told(known.at, message, did_you_mean(name, there)));
            }
        }
        if known.until < today {
            let message = format!("{known}: was known until {}, which is over", known.until);
            let hint = "mend it, or give it a later day".to_owned();
            found.push(told(known.at, message, Some(hint)));
        }
    }
    found
}

/// What a known failure names.
fn named(known: &Known) -> impl Iterator<Item = (&'static str, &String)> {
    let alert = match &known.of {
        Of::Alert(alert) => Some(("alert", alert)),
        Of::Gate(_) | Of::Cause(_) => None,
    };
    let scenario = known.scenario.iter().map(|name| ("scenario", name));
    alert.into_iter().chain(scenario)
}

fn did_you_mean(name: &str, there: &BTreeSet<String>) -> Option<String> {
    let close = closest(name, there.iter().map(String::as_str))?;
    Some(format!("did you mean `{close}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_nothing_is_told_of() {
        let file = GateFile::parse(
            "gate.yml",
            r#"
gates:
  jobs_lost: [count == -1, count == 0, count == 0.5, count < 0]
  alert_recall: [value > 1, value >= 1]
  detect_seconds{alert="Nope"}: med < 60
  detect_seconds{alert=~"Slow|Nope"}: med < 60
  jobs_late{scenario="strom"}: count == 0
known:
- { alert: Slo, scenario: storm, reason: a, until: 2027-01-31 }
- { cause: deadlock, reason: a, until: 2026-11-30 }
- { incident: deadlock, reason: a, until: 2026-11-29 }
"#,
        )
        .unwrap();
        let today = "2026-11-30".parse().unwrap();
        let told = |alerts: &[&str], scenarios: &[&str]| {
            let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
            let found = gates(&file, &set(alerts), &set(scenarios), today);
            found
                .iter()
                .map(crate::render::check::line)
                .collect::<Vec<_>>()
                .join("\n")
        };
        insta::assert_snapshot!(told(&["Slow"], &["storm"]));
        // What was not named is not missed.
        let alone = told(&[], &[]);
        assert!(
            !alone.contains("Nope") && !alone.contains("strom"),
            "{alone}"
        );
        assert_eq!(
            alone
                .lines()
                .filter(|line| line.starts_with("warning: "))
                .count(),
            5
        );
    }
}
