//! Gates as a document: a line for each, as k6 has it.

use super::{Block, Cell, Document, Table, Told, Tone, Verdict, comparison};
use crate::figures::Kind;
use crate::gate::{Check, Gated, Status};
use firedrill_detector::text::counted;

/// Gates for people; of what nobody asked for there is nothing.
#[must_use]
pub fn of_gates(gated: &Gated) -> Document {
    let rows = lines(gated).into_iter().map(|line| {
        let said = format!("{} {}", line.mark, line.said);
        vec![(said, line.tone), (line.came_to, line.tone)]
    });
    let mut blocks = Vec::new();
    if gated.is_asked_for() {
        blocks.extend(Table::new("Gates", "", ["gates", "came to"], rows.collect()).block());
        blocks.extend(gated.comparison.iter().flat_map(comparison::blocks));
    }
    Document {
        title: "firedrill gates".to_owned(),
        verdict: Some(Verdict::of(gated.passes(), verdict(gated))),
        next: Vec::new(),
        blocks,
    }
}

/// Puts gates into the document of what was judged: what they came to before `facts`, and their verdict in the place of its
/// own, which stands among the facts then.
pub(super) fn put(gated: Option<&Gated>, document: &mut Document) {
    let Some(gated) = gated.filter(|gated| gated.is_asked_for()) else {
        return;
    };
    let of_gates = of_gates(gated);
    let summary = document.blocks.iter_mut().rposition(|block| match block {
        Block::Facts(facts) => {
            if let Some(own) = &document.verdict {
                let own = Cell::from((own.sentence.clone(), own.tone));
                facts.facts.push(("without gates".to_owned(), own));
            }
            true
        }
        _ => false,
    });
    let at = summary.unwrap_or(document.blocks.len());
    document.blocks.splice(at..at, of_gates.blocks);
    document.verdict = of_gates.verdict.map(|verdict| Verdict {
        counts: document
            .verdict
            .as_ref()
            .map_or(String::new(), |own| own.counts.clone()),
        ..verdict
    });
}

/// A number in its unit, as short as it can be told apart.
pub(super) fn value(number: f64, kind: Kind) -> String {
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
        Kind::PerSecond => format!("{text} a second"),
        Kind::Count | Kind::Share => text.to_owned(),
    }
}

/// One line: its mark, what it is about, what that came to, and how it looks.
struct Line {
    mark: char,
    said: String,
    came_to: String,
    tone: Tone,
}

/// What a gate asks for, and what it came to: `jobs_lost: count == 0: 3`.
pub(crate) fn check(gated: &Gated, check: &Check) -> String {
    format!("{}: {}", asked(check), came_to(gated, check))
}

fn asked(check: &Check) -> String {
    match &check.scenario {
        Some(scenario) => format!("{scenario}: {}", check.gate),
        None => check.gate.to_string(),
    }
}

fn came_to(gated: &Gated, check: &Check) -> String {
    let kind = check.gate.aggregation.kind(check.gate.metric.kind);
    let found = match (check.status, check.value) {
        (Status::Unproven, _) => "all drills that it is about are inconclusive".to_owned(),
        (_, None) => "no data".to_owned(),
        (_, Some(found)) if check.target.is_none() => format!(
            "{}, and the baseline has no such figure",
            value(found, kind)
        ),
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
    match known(gated, check.known) {
        Some(known) => format!("{found}; {known}"),
        None => found,
    }
}

/// What is to be said of a failure that is known.
fn known(gated: &Gated, known: Option<usize>) -> Option<String> {
    let excuse = gated.known.get(known?)?;
    let until = if excuse.expired {
        "known only until"
    } else {
        "known until"
    };
    Some(format!(
        "{until} {}: {}",
        excuse.known.until, excuse.known.reason
    ))
}

fn lines(gated: &Gated) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut put = |mark, said, came_to, tone| {
        lines.push(Line {
            mark,
            said,
            came_to,
            tone,
        });
    };
    for one in &gated.checks {
        let (mark, tone) = match one.status {
            Status::Passed => ('✓', Tone::Good),
            Status::Unproven => ('?', Tone::Warn),
            Status::Failed | Status::NoData if gated.is_excused(one.known) => ('~', Tone::Warn),
            Status::Failed | Status::NoData => ('✗', Tone::Bad),
        };
        put(mark, asked(one), came_to(gated, one), tone);
    }
    for (failing, drills, excuse) in &gated.failings {
        // Those that nobody knew of stand in the scorecard.
        let Some(known) = known(gated, *excuse) else {
            continue;
        };
        let times = match drills {
            1 => String::new(),
            _ => format!(" ({drills} drills)"),
        };
        let (mark, tone) = match gated.is_excused(*excuse) {
            true => ('~', Tone::Warn),
            false => ('✗', Tone::Bad),
        };
        put(mark, format!("{failing}{times}"), known, tone);
    }
    for excuse in gated.gone() {
        put(
            '!',
            excuse.known.to_string(),
            format!(
                "does not fail any more: take it off the known failures ({}:{})",
                excuse.file, excuse.known.at.line
            ),
            Tone::Warn,
        );
    }
    for excuse in gated.unmatched() {
        put(
            '!',
            excuse.known.to_string(),
            format!(
                "matches nothing: no drill has it ({}:{})",
                excuse.file, excuse.known.at.line
            ),
            Tone::Warn,
        );
    }
    lines
}

/// Most failures that the verdict names; the others are counted.
const NAMED_MAX: usize = 3;

/// What they came to together.
fn verdict(gated: &Gated) -> Told {
    let held = gated
        .checks
        .iter()
        .filter(|check| check.status == Status::Passed);
    let held = match gated.checks.len() {
        0 => None,
        all => Some(format!("{} of {} held", held.count(), counted(all, "gate"))),
    };
    let checks = gated.checks.iter().map(|check| check.known);
    let failings = gated.failings.iter().map(|(_, _, known)| *known);
    let known = checks
        .chain(failings)
        .filter(|known| gated.is_excused(*known))
        .count();
    let known = (known > 0).then(|| counted(known, "known failure"));
    let mut reasons: Vec<String> = held.into_iter().chain(known).collect();
    let (word, tone) = match gated.passes() {
        Some(true) => {
            if gated.comparison.is_some() {
                reasons.push("not worse than the baseline".to_owned());
            }
            ("PASSED", Tone::Good)
        }
        Some(false) => {
            reasons.extend(failures(gated));
            ("FAILED", Tone::Bad)
        }
        None => {
            reasons.push("some of it proves nothing".to_owned());
            ("INCONCLUSIVE", Tone::Warn)
        }
    };
    // Where all that was asked for are failures that there are not, there is nothing to tell.
    match reasons.is_empty() {
        true => (word.to_owned(), tone),
        false => (format!("{word}: {}", reasons.join("; ")), tone),
    }
}

/// What fails besides gates.
fn failures(gated: &Gated) -> Vec<String> {
    let unknown = gated.unknown_failings();
    let mut told: Vec<String> = unknown.map(|(failing, ..)| failing.to_string()).collect();
    let more = told.len().saturating_sub(NAMED_MAX);
    told.truncate(NAMED_MAX);
    if more > 0 {
        told.push(format!("{more} more"));
    }
    if gated.worse().next().is_some() {
        told.push("worse than the baseline".to_owned());
    }
    told
}
