//! Gates for people and machines: a line for each, as k6 has it.

use crate::figures::Kind;
use crate::gate::{Check, Gated, Status};
use crate::render::cell::Tone;
use crate::render::compare;
use crate::render::json::lower;
use crate::render::markdown::escape;
use crate::render::terminal::{Style, paint, plain};
use firedrill_detector::text::counted;
use serde_json::{Value, json};

/// A number in its unit, as short as it can be told apart.
pub(crate) fn value(number: f64, kind: Kind) -> String {
    if number.is_infinite() {
        return "never".into();
    }
    let digits = match kind {
        Kind::Share => 3,
        _ if number.abs() < 100.0 => 2,
        _ => 1,
    };
    let text = format!("{number:.digits$}");
    let text = match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.'),
        false => &text,
    };
    match kind {
        Kind::Seconds => format!("{text} s"),
        Kind::PerWeek => format!("{text} a week"),
        Kind::Count | Kind::Share => text.to_owned(),
    }
}

/// One line: its mark, what it says, and how it looks.
struct Line {
    mark: char,
    said: String,
    tone: Tone,
}

/// What a gate came to: `jobs_lost: count == 0   0`.
pub(crate) fn check(gated: &Gated, check: &Check) -> String {
    let kind = check.gate.aggregation.kind(check.gate.metric.kind);
    let found = match (check.status, check.value) {
        (Status::Unproven, _) => "all drills that it is about are inconclusive".to_owned(),
        (_, None) => "no data".to_owned(),
        (_, Some(found)) if check.target.is_none() => {
            format!(
                "{}, and the baseline has no such figure",
                value(found, kind)
            )
        }
        (_, Some(found)) if check.gate.needs_baseline() => {
            let target = check.target.unwrap_or_default();
            format!(
                "{} (baseline gives {})",
                value(found, kind),
                value(target, kind)
            )
        }
        (_, Some(found)) => value(found, kind),
    };
    let of = check
        .scenario
        .as_ref()
        .map_or(String::new(), |scenario| format!("{scenario}: "));
    format!("{of}{}: {found}{}", check.gate, known(gated, check.known))
}

/// What is to be said of a failure that is known.
fn known(gated: &Gated, known: Option<usize>) -> String {
    match known.and_then(|index| gated.known.get(index)) {
        Some(excuse) if excuse.expired => format!(
            "; known only until {}: {}",
            excuse.known.until, excuse.known.reason
        ),
        Some(excuse) => format!(
            "; known until {}: {}",
            excuse.known.until, excuse.known.reason
        ),
        None => String::new(),
    }
}

fn lines(gated: &Gated) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut put = |mark, said, tone| lines.push(Line { mark, said, tone });
    for one in &gated.checks {
        let (mark, tone) = match one.status {
            Status::Passed => ('✓', Tone::Good),
            Status::Unproven => ('?', Tone::Middling),
            Status::Failed | Status::NoData if gated.is_excused(one.known) => ('~', Tone::Middling),
            Status::Failed | Status::NoData => ('✗', Tone::Bad),
        };
        put(mark, check(gated, one), tone);
    }
    for (failing, drills, excuse) in &gated.failings {
        let times = match drills {
            1 => String::new(),
            _ => format!(" ({} drills)", drills),
        };
        let said = format!("{failing}{times}{}", known(gated, *excuse));
        match (gated.is_excused(*excuse), excuse) {
            (true, _) => put('~', said, Tone::Middling),
            // Those that nobody knew of stand in the scorecard.
            (false, Some(_)) => put('✗', said, Tone::Bad),
            (false, None) => {}
        }
    }
    for excuse in gated.gone() {
        let said = format!(
            "{}:{}: {} does not fail any more: take it off the known failures",
            excuse.file, excuse.known.at.line, excuse.known
        );
        put('!', said, Tone::Middling);
    }
    lines
}

/// The sentence below the gates.
fn verdict(gated: &Gated) -> (String, Tone) {
    let held = gated
        .checks
        .iter()
        .filter(|check| check.status == Status::Passed);
    let gates = match gated.checks.len() {
        0 => "no gates".to_owned(),
        all => format!("{} of {} held", held.count(), counted(all, "gate")),
    };
    let checks = gated.checks.iter().map(|check| check.known);
    let failings = gated.failings.iter().map(|(_, _, known)| *known);
    let known = checks
        .chain(failings)
        .filter(|known| gated.is_excused(*known))
        .count();
    let known = match known {
        0 => String::new(),
        known => format!(", {}", counted(known, "known failure")),
    };
    match gated.passes() {
        Some(true) => (format!("PASSED: {gates}{known}"), Tone::Good),
        Some(false) if gated.failed_checks().next().is_none() => (
            format!("FAILED: {gates}{known}, and something else fails"),
            Tone::Bad,
        ),
        Some(false) => (format!("FAILED: {gates}{known}"), Tone::Bad),
        None => (
            format!("INCONCLUSIVE: {gates}{known}, and some of it proves nothing"),
            Tone::Middling,
        ),
    }
}

/// For a terminal; nothing where nothing was asked for.
#[must_use]
pub fn terminal(gated: &Gated, style: Style) -> String {
    let mut text = String::new();
    if !gated.is_asked_for() {
        return text;
    }
    text.push_str("\nGATES\n");
    for Line { mark, said, tone } in lines(gated) {
        let line = format!("  {mark} {}", plain(&said));
        text.push_str(&paint(&line, tone, style));
        text.push('\n');
    }
    if let Some(comparison) = &gated.comparison {
        text.push('\n');
        text.push_str(&compare::terminal(comparison, style));
    }
    let (said, tone) = verdict(gated);
    text.push_str(&paint(&format!("  {said}"), tone, style));
    text.push('\n');
    text
}

/// For a pull request; nothing where nothing was asked for.
#[must_use]
pub fn markdown(gated: &Gated) -> String {
    let mut text = String::new();
    if !gated.is_asked_for() {
        return text;
    }
    text.push_str(&format!("\n### Gates\n\n**{}**\n\n", verdict(gated).0));
    for Line { mark, said, .. } in lines(gated) {
        text.push_str(&format!("- {mark} {}\n", escape(&said)));
    }
    if let Some(comparison) = &gated.comparison {
        text.push('\n');
        text.push_str(&compare::markdown(comparison));
    }
    text
}

/// For machines: puts what gates came to beside the rest of a result.
pub(super) fn put(gated: &Gated, into: &mut Value) {
    // What never came is `null`, as everywhere.
    let number = |found: Option<f64>| found.filter(|found| found.is_finite());
    let checks = gated.checks.iter().map(|check| {
        json!({
            "gate": check.gate.to_string(),
            "scenario": check.scenario,
            "file": check.place.as_ref().map(|(file, _)| file),
            "line": check.place.as_ref().map(|(_, at)| at.line),
            "value": number(check.value),
            "never": check.value == Some(f64::INFINITY),
            "target": number(check.target),
            "status": lower(check.status),
            "known": gated.is_excused(check.known),
        })
    });
    let failings = gated.failings.iter().map(|(failing, drills, known)| {
        json!({
            "wrong": failing.wrong,
            "name": failing.name,
            "scenario": failing.scenario,
            "drills": drills,
            "known": gated.is_excused(*known),
        })
    });
    let known = gated.known.iter().map(|excuse| {
        json!({
            "of": excuse.known.to_string(),
            "reason": excuse.known.reason,
            "until": excuse.known.until.to_string(),
            "expired": excuse.expired,
            "used": excuse.used,
        })
    });
    into["gates"] = json!({
        "verdict": match gated.passes() {
            Some(true) => "passed",
            Some(false) => "failed",
            None => "inconclusive",
        },
        "checks": checks.collect::<Vec<_>>(),
        "failings": failings.collect::<Vec<_>>(),
        "known": known.collect::<Vec<_>>(),
        "comparison": gated.comparison.as_ref().map(compare::json),
    });
}
