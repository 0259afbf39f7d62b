//! The verdict in a sentence: what it is, and what it comes from, by name.

use super::Tone;
use super::words::{self, Named};
use crate::score::judge::Outcome;
use crate::{Scorecard, Verdict};
use std::collections::BTreeSet;

/// So many names are told of each kind; the rest is a number.
const NAMES_MAX: usize = 4;

/// `FAILED: missed: worker-crash-all; false pages: QueueBacklog (benign-burst)`.
pub(super) fn verdict(card: &Scorecard) -> super::Verdict {
    let drills = words::named(card);
    let (word, sentence, tone) = match card.verdict() {
        Verdict::Passed => ("passed", passed(&drills), Tone::Good),
        Verdict::Failed => ("failed", failed(card, &drills), Tone::Bad),
        Verdict::Inconclusive => ("inconclusive", unproven(&drills), Tone::Warn),
    };
    super::Verdict {
        word: word.to_owned(),
        counts: counts(card),
        sentence,
        tone,
    }
}

/// `2 missed, 2 late, 1 cries wolf`: incidents, and alerts that page where they must be silent, of drills that prove something.
fn counts(card: &Scorecard) -> String {
    let scored = || {
        let drills = card.drills.iter();
        drills.filter(|drill| drill.verdict != Verdict::Inconclusive)
    };
    let outcome = |outcome: Outcome| {
        let incidents = scored().flat_map(|drill| &drill.incidents);
        incidents.filter(|one| one.outcome == outcome).count()
    };
    let wolves: BTreeSet<&str> = scored()
        .flat_map(|drill| &drill.alerts)
        .filter(|alert| alert.false_alarms.iter().any(|alarm| alarm.page))
        .map(|alert| alert.alert.as_str())
        .collect();
    let in_time = outcome(Outcome::OnTime) + outcome(Outcome::Early);
    let cries = if wolves.len() == 1 {
        "cries wolf"
    } else {
        "cry wolf"
    };
    let parts = [
        (outcome(Outcome::Missed), "missed"),
        (outcome(Outcome::Late), "late"),
        (outcome(Outcome::Masked), "masked"),
        (wolves.len(), cries),
        (in_time, "in time"),
        (card.drills.len() - scored().count(), "inconclusive"),
    ];
    let told = parts.iter().filter(|(count, _)| *count > 0);
    let told: Vec<String> = told
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    told.join(", ")
}

fn passed(drills: &[Named<'_>]) -> String {
    match drills.iter().map(|named| named.drill.incidents.len()).sum() {
        0 => "PASSED: no false page".to_owned(),
        1 => "PASSED: the incident paged in time, no false page".to_owned(),
        many => format!("PASSED: all {many} incidents paged in time, no false page"),
    }
}

fn unproven(drills: &[Named<'_>]) -> String {
    let names = drills
        .iter()
        .filter(|named| named.drill.verdict == Verdict::Inconclusive)
        .map(|named| named.name.clone());
    let (count, all) = (names.clone().count(), drills.len());
    let first = drills
        .iter()
        .flat_map(|named| &named.drill.inconclusive)
        .next();
    match (count, all, first) {
        (_, 1, Some(why)) => format!("INCONCLUSIVE: {why}"),
        (1, ..) => format!(
            "INCONCLUSIVE: 1 of {all} drills proves nothing: {}",
            list(names)
        ),
        _ => format!(
            "INCONCLUSIVE: {count} of {all} drills prove nothing: {}",
            list(names)
        ),
    }
}

fn failed(card: &Scorecard, drills: &[Named<'_>]) -> String {
    let scored = || {
        drills
            .iter()
            .filter(|named| named.drill.verdict == Verdict::Failed)
    };
    let incidents = |outcome: Outcome| {
        list(scored().flat_map(move |named| {
            let all = named.drill.incidents.iter().enumerate();
            all.filter(move |(_, incident)| incident.outcome == outcome)
                .map(|(index, _)| named.incident(index))
        }))
    };
    let false_pages = list(scored().flat_map(|named| {
        named.drill.alerts.iter().filter_map(|alert| {
            let mut pages = alert.false_alarms.iter().filter(|alarm| alarm.page);
            pages
                .any(|alarm| alarm.since_ms.is_none())
                .then(|| format!("{} ({})", alert.alert, named.name))
        })
    }));
    let standing = list(scored().flat_map(|named| {
        let pages = named.drill.standing.iter().filter(|found| found.page);
        pages.map(|found| format!("{} ({})", found.alert, named.name))
    }));
    let kinds = [
        ("missed", incidents(Outcome::Missed)),
        ("paged late", incidents(Outcome::Late)),
        ("already firing when it began", incidents(Outcome::Masked)),
        ("false pages", false_pages),
        ("on before anything was wrong", standing),
        ("rules that fail the gate", list(card.dead.iter().cloned())),
    ];
    let told = kinds.iter().filter(|(_, names)| !names.is_empty());
    let told: Vec<String> = told
        .map(|(what, names)| format!("{what}: {names}"))
        .collect();
    match told.is_empty() {
        true => "FAILED: an alert or a rule fails the gate".to_owned(),
        false => format!("FAILED: {}", told.join("; ")),
    }
}

/// Names, each once.
fn list(names: impl Iterator<Item = String>) -> String {
    let mut seen = BTreeSet::new();
    let names: Vec<String> = names.filter(|name| seen.insert(name.clone())).collect();
    let more = names.len().saturating_sub(NAMES_MAX);
    let mut text = names[..names.len() - more].join(", ");
    if more > 0 {
        text.push_str(&format!(" and {more} more"));
    }
    text
}
