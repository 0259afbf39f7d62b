//! Two runs beside each other as a document: the figures that changed, and how sure that is.

use super::gates::value;
use super::{Block, Document, Finding, Table, Told, Tone, Verdict};
use crate::compare::{Change, Comparison, Row, SEEDS_MIN};
use firedrill_detector::text::{counted, printable};

/// A comparison for people.
#[must_use]
pub fn of_comparison(comparison: &Comparison) -> Document {
    Document {
        title: "firedrill compare".to_owned(),
        verdict: Some(Verdict::of(comparison.passes(), verdict(comparison))),
        next: Vec::new(),
        blocks: told(comparison),
    }
}

/// The same within the document of the new run: with the verdict as a line.
pub(super) fn blocks(comparison: &Comparison) -> Vec<Block> {
    let mut blocks = told(comparison);
    let verdict = Finding::new("", verdict(comparison));
    match blocks.last_mut() {
        Some(Block::Findings(found)) => found.push(verdict),
        _ => blocks.push(Block::Findings(vec![verdict])),
    }
    blocks
}

/// What is worth reading of it.
fn told(comparison: &Comparison) -> Vec<Block> {
    let rows = comparison.rows.iter();
    let rows = rows.filter(|row| row.change != Change::Same).map(cells);
    let table = Table::new(
        "Beside the baseline",
        "Differences are seed by seed; brackets are 95 % intervals of resampled seeds.",
        [
            "scenario",
            "figure",
            "of",
            "baseline",
            "now",
            "difference",
            "seeds",
            "change",
        ],
        rows.collect(),
    );
    let mut blocks: Vec<Block> = table.block().into_iter().collect();
    let alone = alone(comparison).into_iter();
    let alone: Vec<Finding> = alone
        .map(|line| Finding::new("", (line, Tone::Muted)))
        .collect();
    if !alone.is_empty() {
        blocks.push(Block::Findings(alone));
    }
    blocks
}

/// The sentence above everything.
fn verdict(comparison: &Comparison) -> Told {
    let count = |change| comparison.changed(change).count();
    let worse = count(Change::Worse);
    let beside = format!(
        "{} better, {} not proven, {} the same",
        count(Change::Better),
        count(Change::Unclear),
        count(Change::Same)
    );
    match comparison.passes() {
        Some(true) => (format!("NOT WORSE than the baseline: {beside}"), Tone::Good),
        Some(false) => (
            format!(
                "WORSE than the baseline: {}; {beside}",
                counted(worse, "figure")
            ),
            Tone::Bad,
        ),
        None => (
            format!(
                "INCONCLUSIVE: it takes {SEEDS_MIN} common seeds (`{}`) with {} that prove something: {}{beside}",
                if comparison.is_of_loads {
                    "--repeats"
                } else {
                    "--trials"
                },
                if comparison.is_of_loads {
                    "loads"
                } else {
                    "drills"
                },
                few(comparison)
            ),
            Tone::Warn,
        ),
    }
}

/// What there is too little of.
fn few(comparison: &Comparison) -> String {
    let few = comparison.few.iter();
    let mut told: Vec<String> = few
        .map(|(scenario, seeds)| format!("{scenario} has {seeds}"))
        .collect();
    match comparison.changed(Change::TooFew).count() {
        0 => {}
        worse => told.push(format!("{} may be worse", counted(worse, "figure"))),
    }
    told.iter().map(|told| format!("{told}; ")).collect()
}

/// What was in one of the runs alone.
fn alone(comparison: &Comparison) -> Vec<String> {
    let mut lines = Vec::new();
    for (what, [base, new]) in [
        ("scenarios", &comparison.alone),
        ("alerts", &comparison.alerts),
    ] {
        for (whose, names) in [("the baseline", base), ("the new run", new)] {
            if !names.is_empty() {
                lines.push(format!("{what} of {whose} alone: {}", names.join(", ")));
            }
        }
    }
    lines
}

fn word(change: Change) -> (&'static str, Tone) {
    match change {
        Change::Worse => ("WORSE", Tone::Bad),
        Change::TooFew => ("too few seeds", Tone::Warn),
        Change::Unclear => ("not proven", Tone::Muted),
        Change::Better => ("better", Tone::Good),
        Change::Same => ("the same", Tone::Muted),
    }
}

/// What a figure is of besides its scenario.
fn of(row: &Row) -> String {
    let labels = row.labels.iter();
    let labels: Vec<String> = labels
        .filter(|(name, _)| *name != "incident" && *name != "wanted")
        .map(|(name, value)| format!("{name} {}", printable(value)))
        .collect();
    labels.join(", ")
}

/// A figure that changed, in a sentence.
pub(crate) fn sentence(row: &Row) -> String {
    let kind = row.metric.kind;
    let of = match of(row) {
        of if of.is_empty() => of,
        of => format!(" ({of})"),
    };
    format!(
        "{}: {}{of} was {} and is {} now, {}",
        row.scenario,
        row.metric.name,
        value(row.base, kind),
        value(row.new, kind),
        difference(row)
    )
}

/// How much more it is now, with its interval.
fn difference(row: &Row) -> String {
    let kind = row.metric.kind;
    let signed = |number: f64| {
        let sign = if number < 0.0 { "-" } else { "+" };
        format!("{sign}{}", value(number.abs(), kind))
    };
    let interval = row.interval.map_or(String::new(), |(low, high)| {
        format!(" [{}, {}]", signed(low), signed(high))
    });
    format!("{}{interval}", signed(row.new - row.base))
}

fn cells(row: &Row) -> Vec<Told> {
    let kind = row.metric.kind;
    let (word, tone) = word(row.change);
    let muted = |text: String| (text, Tone::Muted);
    vec![
        muted(row.scenario.clone()),
        muted(row.metric.name.to_owned()),
        muted(of(row)),
        muted(value(row.base, kind)),
        muted(value(row.new, kind)),
        muted(difference(row)),
        muted(row.seeds.to_string()),
        (word.to_owned(), tone),
    ]
}
