//! What rules came to that were held against records, as a document or as a part of one.

use super::{Block, Document, Entries, Entry, EntryLine, Tone};
use crate::why::{Explanation, Grade, RuleExplanation, RuleState, SelectorSight};
use firedrill_detector::text::counted;

/// Most values of a label that are listed.
const VALUES_MAX: usize = 6;

/// What rules saw in records, for people: a block for each rule.
#[must_use]
pub fn of_explanation(explanation: &Explanation) -> Document {
    Document {
        title: "firedrill check".to_owned(),
        verdict: None,
        next: Vec::new(),
        blocks: vec![Block::Entries(entries("", explanation))],
    }
}

/// A block for each rule.
pub(super) fn entries(title: &str, explanation: &Explanation) -> Entries {
    let rules = &explanation.rules;
    let count = |state| rules.iter().filter(|rule| rule.state == state).count();
    Entries {
        title: title.to_owned(),
        note: format!(
            "against {}; what is said holds for these records",
            explanation.records.join(", ")
        ),
        entries: rules
            .iter()
            .map(|rule| entry(rule, explanation.records.len()))
            .collect(),
        sum: format!(
            "{} rules: {} without data, {} that cannot fire, {} that always hold, {} with a trap, {} without findings",
            rules.len(),
            count(RuleState::NoData),
            count(RuleState::CannotFire),
            count(RuleState::AlwaysHolds),
            count(RuleState::Trap),
            count(RuleState::Fine)
        ),
    }
}

/// A rule, and what is said of it.
pub(super) fn entry(rule: &RuleExplanation, records: usize) -> Entry {
    let tone = match rule.state {
        RuleState::NoData | RuleState::CannotFire | RuleState::AlwaysHolds => Tone::Bad,
        RuleState::Trap => Tone::Warn,
        RuleState::Fine => Tone::Good,
    };
    let mut held = format!(
        "{} at {} of {} evaluations",
        if rule.is_alert { "held" } else { "recorded" },
        rule.held,
        rule.evaluations
    );
    if rule.is_alert {
        held.push_str(&format!(
            ", fired in {} of {}",
            rule.fired_in,
            counted(records, "record")
        ));
    }
    let plain = |text| EntryLine {
        text,
        tone: Tone::Muted,
        hint: None,
    };
    let mut lines = vec![plain(held)];
    let sights = rule.selectors.iter();
    lines.extend(sights.map(|sight| plain(sight_line(sight, records))));
    lines.extend(rule.findings.iter().map(|finding| {
        let (word, tone) = match finding.grade {
            Grade::Dead => ("dead", Tone::Bad),
            Grade::Always => ("always", Tone::Bad),
            Grade::Trap => ("trap", Tone::Warn),
            Grade::Note => ("note", Tone::Muted),
        };
        EntryLine {
            text: format!("{word}: `{}` {}", finding.part, finding.message),
            tone,
            hint: finding.hint.clone(),
        }
    }));
    Entry {
        name: format!(
            "{} ({}, {}:{})",
            rule.name, rule.group, rule.file, rule.line
        ),
        state: (rule.state.name().to_owned(), tone).into(),
        lines,
    }
}

fn sight_line(sight: &SelectorSight, records: usize) -> String {
    let labels = sight.labels.iter().map(|(name, values)| {
        let mut listed: Vec<&str> = values.iter().map(String::as_str).take(VALUES_MAX).collect();
        let more = format!("{} more", values.len().saturating_sub(VALUES_MAX));
        if values.len() > VALUES_MAX {
            listed.push(&more);
        }
        format!("; {name}: {}", listed.join(", "))
    });
    format!(
        "{}: {} series in {} of {}{}",
        sight.text,
        sight.series,
        sight.records,
        counted(records, "record"),
        labels.collect::<String>()
    )
}
