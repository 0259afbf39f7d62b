//! What rules came to that were held against records, as a document or as a part of one.

use super::{Block, Document, Entries, Entry, EntryLine, Tone};
use crate::check::{Finding, Severity};
use crate::why::{Explanation, Grade, RuleExplanation, RuleState, SelectorSight};
use firedrill_detector::text::counted;

/// Most values of a label that are listed.
const VALUES_MAX: usize = 6;

/// What rules saw in records, for people: a block for each rule.
#[must_use]
pub fn of_explanation(explanation: &Explanation) -> Document {
    of_entries(entries("", explanation))
}

/// What rules saw in records and what is to be said of them whatever the data, for people: one list, a block for each rule.
#[must_use]
pub fn of_check(explanation: &Explanation, remarks: &[Finding]) -> Document {
    of_entries(entries_with("", explanation, remarks))
}

fn of_entries(entries: Entries) -> Document {
    Document {
        title: "firedrill check".to_owned(),
        verdict: None,
        next: Vec::new(),
        blocks: vec![Block::Entries(entries)],
    }
}

/// A block for each rule.
pub(super) fn entries(title: &str, explanation: &Explanation) -> Entries {
    entries_with(title, explanation, &[])
}

/// A block for each rule, with what is to be said of it whatever the data.
fn entries_with(title: &str, explanation: &Explanation, remarks: &[Finding]) -> Entries {
    let rules = &explanation.rules;
    let of_rule = |rule: &RuleExplanation| -> Vec<&Finding> {
        let own = remarks.iter().filter(|found| is_about(found, rule));
        own.collect()
    };
    let count = |state| {
        let such = rules
            .iter()
            .filter(|rule| state_with(rule, &of_rule(rule)) == state);
        such.count()
    };
    Entries {
        title: title.to_owned(),
        note: format!(
            "against {}; what is said holds for these records",
            explanation.records.join(", ")
        ),
        entries: rules
            .iter()
            .map(|rule| entry_with(rule, explanation.records.len(), &of_rule(rule)))
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
    entry_with(rule, records, &[])
}

/// Whether a remark is about this rule, by its file, group and name.
fn is_about(found: &Finding, rule: &RuleExplanation) -> bool {
    let own = (rule.group.as_str(), rule.name.as_str());
    let named = found
        .rule
        .as_ref()
        .map(|(group, name)| (group.as_str(), name.as_str()));
    let in_file = found
        .place
        .as_ref()
        .is_some_and(|place| place.file == rule.file);
    named == Some(own) && in_file
}

/// What a rule comes to: one that did well in the records may have a trap all the same.
fn state_with(rule: &RuleExplanation, remarks: &[&Finding]) -> RuleState {
    let is_trap = remarks
        .iter()
        .any(|found| found.severity <= Severity::Warning);
    match rule.state {
        RuleState::Fine if is_trap => RuleState::Trap,
        state => state,
    }
}

fn entry_with(rule: &RuleExplanation, records: usize, remarks: &[&Finding]) -> Entry {
    let state = state_with(rule, remarks);
    let tone = match state {
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
    lines.extend(remarks.iter().map(|found| {
        let part = found.part.as_ref();
        let part = part.map_or(String::new(), |part| format!("`{part}` "));
        EntryLine {
            text: format!("{}: {part}{}", found.severity.name(), found.message),
            tone: Tone::Warn,
            hint: found.hint.clone(),
        }
    }));
    Entry {
        name: format!(
            "{} ({}, {}:{})",
            rule.name, rule.group, rule.file, rule.line
        ),
        state: (state.name().to_owned(), tone).into(),
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
