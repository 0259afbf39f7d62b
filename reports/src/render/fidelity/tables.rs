//! The tables that all renderers of comparisons share.

use crate::fidelity::{Agreement, Count, Curve, Distance, Fidelity, Finding, Instance, MarkPair};
use crate::record::AlertState;
use crate::render::cell::{self, Tone};
use crate::render::terminal::Cell;
use crate::render::trials::tables::Table;

/// What to think of a difference that nothing explains.
pub(super) const DIFFERENT: &str = "A difference that the live drill's own measurements do not bring about in the model is a defect of one of the \
     engines, or a condition of the machine that nothing measures: repeat the drill at a lower --speed to tell them apart.";

/// The tables of comparisons, without those that would be empty: first all at a glance, then what there is to each aspect.
pub(super) fn tables(pairs: &[Fidelity]) -> Vec<Table> {
    fn of<'p, T: 'p>(
        pairs: &'p [Fidelity],
        parts: impl Fn(&'p Fidelity) -> &'p [T] + 'p,
        row: impl Fn(&'p T) -> Option<Vec<Cell>> + 'p,
    ) -> Vec<Vec<Cell>> {
        let rows = pairs.iter().flat_map(|pair| {
            let cells = parts(pair).iter().filter_map(&row);
            let named = cells.map(|cells| {
                let name = [quiet(&pair.scenario)];
                name.into_iter().chain(cells).collect()
            });
            named.collect::<Vec<Vec<Cell>>>()
        });
        rows.collect()
    }
    let mut tables = vec![
        Table {
            title: "Fidelity",
            note: "Same: within the stated tolerance. Explained: not, but by what the live drill's harness measured about itself \
                   (its terms), and by chance: drills of the model on these terms, which differ by how timers err, come to it.",
            head: vec![
                "fidelity",
                "verdicts",
                "transitions",
                "curves",
                "audit",
                "marks",
            ],
            rows: pairs.iter().map(glance).collect(),
        },
        Table {
            title: "Verdicts",
            note: "What the rules came to, where the engines do not say the same.",
            head: vec!["verdicts", "of", "live", "virtual", "on terms", ""],
            rows: of(pairs, |pair| &pair.findings, finding),
        },
        Table {
            title: "Transitions",
            note: "Of every alert instance that changed its state; apart: the live change comes so much later.",
            head: vec![
                "transitions",
                "alert",
                "live",
                "virtual",
                "paired",
                "apart at most",
                "only live",
                "only virtual",
                "on terms apart",
                "",
            ],
            rows: of(pairs, |pair| &pair.instances, instance),
        },
        Table {
            title: "Curves",
            note: "Averaged over five minutes, as shares of the peak. Mean: how far apart they are, and how much of it is chance. \
                   Gap: the widest, beyond chance. Later: the shift of the live curve that explains most of the difference.",
            head: vec![
                "curves",
                "of",
                "peak",
                "mean, by chance",
                "gap",
                "at",
                "later",
                "on terms: mean",
                "gap",
                "",
            ],
            rows: of(pairs, |pair| &pair.curves, |found| Some(curve(found))),
        },
        Table {
            title: "Audit",
            note: "What is not equal to the task. Explained: between the virtual drill and those on the live drill's terms, or by what \
                   chance does to these; the tolerance comes on top.",
            head: vec![
                "audit",
                "tasks",
                "live",
                "virtual",
                "explained",
                "apart",
                "tolerance",
                "for",
                "",
            ],
            rows: of(pairs, |pair| &pair.counts, count),
        },
        Table {
            title: "Marks",
            note: "Faults and remedies, when their effect was seen.",
            head: vec![
                "marks", "what", "planned", "live", "virtual", "on terms", "",
            ],
            rows: of(pairs, |pair| &pair.marks, |found| Some(mark(found))),
        },
    ];
    tables.retain(|table| !table.rows.is_empty());
    tables
}

fn quiet(text: impl Into<String>) -> Cell {
    (text.into(), Tone::Quiet)
}

fn agreement(found: Agreement) -> Cell {
    let (text, tone) = match found {
        Agreement::Same => ("same", Tone::Good),
        Agreement::Explained => ("explained", Tone::Middling),
        Agreement::Different => ("DIFFERENT", Tone::Bad),
    };
    (text.to_owned(), tone)
}

fn glance(pair: &Fidelity) -> Vec<Cell> {
    let doubt = if pair.is_conclusive() { "" } else { " (?)" };
    let mut row = vec![quiet(format!("{}{doubt}", pair.scenario))];
    row.extend(pair.aspects().map(|(_, found)| agreement(found)));
    row
}

fn finding(found: &Finding) -> Option<Vec<Cell>> {
    if found.live == found.model {
        return None;
    }
    Some(vec![
        quiet(&found.what),
        quiet(&found.live),
        quiet(&found.model),
        quiet(found.on_terms.as_deref().unwrap_or("-")),
        agreement(found.agreement),
    ])
}

fn instance(found: &Instance) -> Option<Vec<Cell>> {
    let changes = &found.changes;
    let live = changes
        .iter()
        .filter(|change| change.live_ms.is_some())
        .count();
    let model = changes
        .iter()
        .filter(|change| change.model_ms.is_some())
        .count();
    let paired = live + model - changes.len();
    Some(vec![
        quiet(format!("{}{}", found.alert, found.labels)),
        quiet(live.to_string()),
        quiet(model.to_string()),
        quiet(paired.to_string()),
        quiet(apart(changes)),
        quiet((live - paired).to_string()),
        quiet((model - paired).to_string()),
        quiet(apart(&found.on_terms)),
        agreement(found.agreement),
    ])
}

/// `+0:15`: the largest distance of paired changes.
fn apart(changes: &[crate::fidelity::Change]) -> String {
    let pairs = changes
        .iter()
        .filter_map(|change| Some(change.live_ms? - change.model_ms?));
    let largest = pairs.max_by_key(|apart_ms| apart_ms.abs());
    largest.map_or("-".into(), |apart_ms| cell::since(apart_ms, 0))
}

fn curve(found: &Curve) -> Vec<Cell> {
    let Distance {
        peak,
        mean,
        chance,
        gap,
        ..
    } = found.distance;
    let at = if gap > 0.0 {
        cell::length(found.distance.gap_at_ms)
    } else {
        "-".into()
    };
    let later = match found.distance.shift_ms {
        0 => "-".to_owned(),
        shift_ms => cell::since(shift_ms, 0),
    };
    let on_terms = found.on_terms.map_or_else(
        || ["-".to_owned(), "-".to_owned()],
        |distance| [percent(distance.mean), percent(distance.gap)],
    );
    let mut row = vec![
        quiet(&found.what),
        quiet(number(peak)),
        quiet(format!("{}, {}", percent(mean), percent(chance))),
        quiet(percent(gap)),
        quiet(at),
        quiet(later),
    ];
    row.extend(on_terms.map(quiet));
    row.push(agreement(found.agreement));
    row
}

fn count(found: &Count) -> Option<Vec<Cell>> {
    if found.live == found.model {
        return None;
    }
    Some(vec![
        quiet(found.what),
        quiet(found.live.to_string()),
        quiet(found.model.to_string()),
        quiet(
            found
                .explained
                .map_or("-".into(), |[low, high]| format!("{low} to {high}")),
        ),
        quiet(format!(
            "{:+} = {}",
            found.live - found.model,
            percent(found.relative())
        )),
        quiet(found.tolerance.to_string()),
        quiet(found.why),
        agreement(found.agreement),
    ])
}

fn mark(found: &MarkPair) -> Vec<Cell> {
    let at = |ms: Option<i64>| {
        ms.map_or("no effect".to_owned(), |ms| {
            let apart_s = (ms - found.planned_ms) as f64 / 1e3;
            format!("{apart_s:+.1} s")
        })
    };
    vec![
        quiet(format!("{} {}", found.what, found.target)),
        quiet(cell::length(found.planned_ms)),
        quiet(at(found.live_ms)),
        quiet(at(found.model_ms)),
        quiet(found.on_terms_ms.map_or("-".into(), |ms| at(Some(ms)))),
        agreement(found.agreement),
    ]
}

/// What the terms of each scenario were, and what must be known before any of it is believed.
pub(super) fn causes(pairs: &[Fidelity]) -> Vec<(String, Tone)> {
    let mut lines = Vec::new();
    for pair in pairs {
        let name = &pair.scenario;
        if let Some(terms) = &pair.terms {
            lines.push((
                format!(
                    "{name}: terms of the live drill at {}x: {terms}",
                    pair.speed
                ),
                Tone::Quiet,
            ));
        }
        for doubt in &pair.doubts {
            lines.push((format!("{name}: inconclusive: {doubt}"), Tone::Middling));
        }
    }
    lines
}

/// All scenarios together.
pub(super) fn verdict(pairs: &[Fidelity]) -> (&'static str, Tone) {
    let conclusive = pairs.iter().filter(|pair| pair.is_conclusive());
    let worst = conclusive.map(Fidelity::agreement).max();
    match worst {
        Some(Agreement::Different) => (
            "DIFFERENT: the engines differ by what nothing explains",
            Tone::Bad,
        ),
        _ if !pairs.iter().all(Fidelity::is_conclusive) => (
            "INCONCLUSIVE: a drill proves nothing, see above",
            Tone::Middling,
        ),
        Some(Agreement::Explained) => (
            "EXPLAINED: the engines differ by what the live drills measured about themselves",
            Tone::Good,
        ),
        _ => ("SAME: the engines agree within the tolerances", Tone::Good),
    }
}

/// A change of state in a word.
pub(super) fn change(from: AlertState, to: AlertState) -> &'static str {
    match (from, to) {
        (_, AlertState::Pending) => "pending",
        (_, AlertState::Firing) => "firing",
        (AlertState::Pending, AlertState::Inactive) => "gone before it fired",
        (_, AlertState::Inactive) => "resolved",
    }
}

/// `1.25 %`.
pub(super) fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

/// Three digits that count, or all before the point.
fn number(value: f64) -> String {
    match value {
        ..10.0 => format!("{value:.2}"),
        10.0..100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}
