//! A comparison as people and machines read it.

use crate::compare::{Change, Comparison, Row, SEEDS_MIN};
use crate::render::cell::Tone;
use crate::render::gate::value;
use crate::render::markdown::{escape, titled};
use crate::render::terminal::{Cell, Style, columns, paint, quiet};
use crate::render::trials::tables::Table;
use firedrill_detector::text::{counted, printable};
use serde_json::{Value, json as object};

/// The sentence above everything.
fn verdict(comparison: &Comparison) -> (String, Tone) {
    let count = |change| comparison.changed(change).count();
    let (worse, few) = (count(Change::Worse), count(Change::TooFew));
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
                "INCONCLUSIVE: {} may be worse, and it takes {SEEDS_MIN} common seeds to tell (`--trials`); {beside}",
                counted(few, "figure")
            ),
            Tone::Middling,
        ),
    }
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
                let names: Vec<_> = names.iter().map(|name| printable(name)).collect();
                lines.push(format!("{what} of {whose} alone: {}", names.join(", ")));
            }
        }
    }
    lines
}

/// Rows that are worth reading.
fn told(comparison: &Comparison) -> impl Iterator<Item = &Row> {
    comparison
        .rows
        .iter()
        .filter(|row| row.change != Change::Same)
}

fn word(change: Change) -> (&'static str, Tone) {
    match change {
        Change::Worse => ("WORSE", Tone::Bad),
        Change::TooFew => ("too few seeds", Tone::Middling),
        Change::Unclear => ("not proven", Tone::Quiet),
        Change::Better => ("better", Tone::Good),
        Change::Same => ("the same", Tone::Quiet),
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

/// The figures that are worth reading; nothing where there are none.
fn table(comparison: &Comparison) -> Option<Table> {
    let rows: Vec<Vec<Cell>> = told(comparison).map(cells).collect();
    (!rows.is_empty()).then(|| Table {
        title: "Beside the baseline",
        note: "Differences are seed by seed; brackets are 95 % intervals of resampled seeds.",
        head: vec![
            "scenario",
            "figure",
            "of",
            "baseline",
            "now",
            "difference",
            "seeds",
            "change",
        ],
        rows,
    })
}

/// A figure that changed, in a sentence.
pub(crate) fn sentence(row: &Row) -> String {
    let kind = row.metric.kind;
    let of = of(row);
    let of = if of.is_empty() {
        of
    } else {
        format!(" ({of})")
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

fn cells(row: &Row) -> Vec<Cell> {
    let kind = row.metric.kind;
    let (word, tone) = word(row.change);
    vec![
        quiet(row.scenario.clone()),
        quiet(row.metric.name),
        quiet(of(row)),
        quiet(value(row.base, kind)),
        quiet(value(row.new, kind)),
        quiet(difference(row)),
        quiet(row.seeds.to_string()),
        (word.to_owned(), tone),
    ]
}

/// For a terminal.
#[must_use]
pub fn terminal(comparison: &Comparison, style: Style) -> String {
    let mut text = table(comparison).map_or(String::new(), |table| columns::titled(table, style));
    for line in alone(comparison) {
        text.push_str(&line);
        text.push('\n');
    }
    let (verdict, tone) = verdict(comparison);
    text.push_str(&paint(&verdict, tone, style));
    text.push('\n');
    text
}

/// For a pull request.
#[must_use]
pub fn markdown(comparison: &Comparison) -> String {
    let mut text = format!("**{}**\n", verdict(comparison).0);
    for line in alone(comparison) {
        text.push_str(&format!("- {}\n", escape(&line)));
    }
    if let Some(table) = table(comparison) {
        text.push_str(&titled(&table));
    }
    text
}

/// For machines. Figures are in the unit that their name ends with.
#[must_use]
pub fn json(comparison: &Comparison) -> Value {
    let rows = comparison.rows.iter().map(|row| {
        object!({
            "metric": row.metric.name,
            "scenario": row.scenario,
            "labels": row.labels,
            "seeds": row.seeds,
            "baseline": row.base,
            "now": row.new,
            "difference": row.new - row.base,
            "lo": row.interval.map(|(low, _)| low),
            "hi": row.interval.map(|(_, high)| high),
            "change": match row.change {
                Change::Worse => "worse",
                Change::TooFew => "too_few_seeds",
                Change::Unclear => "not_proven",
                Change::Better => "better",
                Change::Same => "same",
            },
        })
    });
    object!({
        "verdict": match comparison.passes() {
            Some(true) => "passed",
            Some(false) => "failed",
            None => "inconclusive",
        },
        "figures": rows.collect::<Vec<_>>(),
        "scenarios_of_baseline_alone": comparison.alone[0],
        "scenarios_of_new_alone": comparison.alone[1],
        "alerts_of_baseline_alone": comparison.alerts[0],
        "alerts_of_new_alone": comparison.alerts[1],
    })
}
