//! Comparisons of the engines as a document: how far they agree on every scenario, and what they differ by.

use super::{Block, Document, Figure, Finding as Said, Part, Table, Told, Tone, Verdict, words};
use crate::fidelity::{
    Agreement, Change, Count, Curve, Distance, Fidelity, Finding, Instance, MarkPair,
};
use crate::plot;
use crate::record::AlertState;

/// What to think of a difference that nothing explains.
const DIFFERENT: &str = "A difference that the live drill's own measurements do not bring about in the model is a defect of one of the \
     engines, or a condition of the machine that nothing measures: repeat the drill at a lower --speed to tell them apart.";

/// Comparisons for people.
#[must_use]
pub fn of_fidelity(pairs: &[Fidelity]) -> Document {
    let mut blocks: Vec<Block> = tables(pairs).into_iter().filter_map(Table::block).collect();
    let causes = causes(pairs);
    if !causes.is_empty() {
        blocks.push(Block::Findings(causes));
    }
    let (sentence, tone) = verdict(pairs);
    if tone == Tone::Bad {
        blocks.push(Block::Note(DIFFERENT.to_owned()));
    }
    blocks.extend(
        pairs
            .iter()
            .enumerate()
            .map(|(index, pair)| scenario(pair, index)),
    );
    let word = sentence.split(':').next().unwrap_or_default();
    Document {
        title: "firedrill fidelity".to_owned(),
        verdict: Some(Verdict {
            word: word.to_lowercase(),
            counts: String::new(),
            sentence: sentence.to_owned(),
            tone,
        }),
        next: Vec::new(),
        blocks,
    }
}

/// A scenario's curves, both engines over each other, and every transition.
fn scenario(pair: &Fidelity, index: usize) -> Block {
    let mut blocks = vec![Block::Note(pair.summary.clone())];
    blocks.extend(pair.curves.iter().map(|curve| {
        Block::Figure(Figure {
            title: curve.what.clone(),
            description: format!(
                "The live curve over the model's; they are {} of the peak apart in the mean.",
                percent(curve.distance.mean)
            ),
            picture: plot::overlay(pair, curve).map_err(|error| error.to_string()),
        })
    }));
    let rows = pair.instances.iter().flat_map(changes).collect();
    let head = ["alert", "change", "live", "virtual", "live later by"];
    let every = Table::new("Every transition", "", head, rows).block();
    blocks.extend(every.map(|table| {
        Block::Part(Part {
            anchor: format!("transitions-{}", index + 1),
            title: "Every transition".to_owned(),
            badge: None,
            folded: true,
            blocks: vec![table],
        })
    }));
    Block::Part(Part {
        anchor: format!("scenario-{}", index + 1),
        title: pair.scenario.clone(),
        badge: Some(agreement(pair.agreement()).into()),
        folded: false,
        blocks,
    })
}

/// The changes of an instance, a row each.
fn changes(found: &Instance) -> Vec<Vec<Told>> {
    let at = |ms: Option<i64>| quiet(ms.map_or("-".into(), words::length));
    let row = |change: &Change| {
        let apart = change.live_ms.zip(change.model_ms);
        let apart = apart.map_or("-".into(), |(live_ms, model_ms)| {
            words::since(live_ms, model_ms)
        });
        vec![
            quiet(format!("{}{}", found.alert, found.labels)),
            quiet(self::change(change.from, change.to)),
            at(change.live_ms),
            at(change.model_ms),
            quiet(apart),
        ]
    };
    found.changes.iter().map(row).collect()
}

/// The tables of comparisons, some perhaps empty: first all at a glance, then what there is to each aspect.
fn tables(pairs: &[Fidelity]) -> Vec<Table> {
    fn of<'p, T: 'p>(
        pairs: &'p [Fidelity],
        parts: impl Fn(&'p Fidelity) -> &'p [T] + 'p,
        row: impl Fn(&'p T) -> Option<Vec<Told>> + 'p,
    ) -> Vec<Vec<Told>> {
        let rows = pairs.iter().flat_map(|pair| {
            let cells = parts(pair).iter().filter_map(&row);
            let named = cells.map(|cells| {
                let name = [quiet(&pair.scenario)];
                name.into_iter().chain(cells).collect()
            });
            named.collect::<Vec<Vec<Told>>>()
        });
        rows.collect()
    }
    vec![
        Table::new(
            "Fidelity",
            "Same: within the stated tolerance. Explained: not, but by what the live drill's harness measured about itself \
                    (its terms), and by chance: drills of the model on these terms, which differ by how timers err, come to it.",
            [
                "fidelity",
                "verdicts",
                "transitions",
                "curves",
                "audit",
                "marks",
            ],
            pairs.iter().map(glance).collect(),
        ),
        Table::new(
            "Verdicts",
            "What the rules came to, where the engines do not say the same.",
            ["verdicts", "of", "live", "virtual", "on terms", ""],
            of(pairs, |pair| &pair.findings, finding),
        ),
        Table::new(
            "Transitions",
            "Of every alert instance that changed its state; apart: the live change comes so much later.",
            [
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
            of(pairs, |pair| &pair.instances, instance),
        ),
        Table::new(
            "Curves",
            "Averaged over five minutes, as shares of the peak. Mean: how far apart they are, and how much of it is chance. \
                   Gap: the widest, beyond chance. Later: the shift of the live curve that explains most of the difference.",
            [
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
            of(pairs, |pair| &pair.curves, |found| Some(curve(found))),
        ),
        Table::new(
            "Audit",
            "What is not equal to the task. Explained: between the virtual drill and those on the live drill's terms, or by what \
                    chance does to these; the tolerance comes on top.",
            [
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
            of(pairs, |pair| &pair.counts, count),
        ),
        Table::new(
            "Marks",
            "Faults and remedies, when their effect was seen.",
            [
                "marks", "what", "planned", "live", "virtual", "on terms", "",
            ],
            of(pairs, |pair| &pair.marks, |found| Some(mark(found))),
        ),
    ]
}

fn quiet(text: impl Into<String>) -> Told {
    (text.into(), Tone::Muted)
}

fn agreement(found: Agreement) -> Told {
    let (text, tone) = match found {
        Agreement::Same => ("same", Tone::Good),
        Agreement::Explained => ("explained", Tone::Warn),
        Agreement::Different => ("DIFFERENT", Tone::Bad),
    };
    (text.to_owned(), tone)
}

fn glance(pair: &Fidelity) -> Vec<Told> {
    let doubt = if pair.is_conclusive() { "" } else { " (?)" };
    let mut row = vec![quiet(format!("{}{doubt}", pair.scenario))];
    row.extend(pair.aspects().map(|(_, found)| agreement(found)));
    row
}

fn finding(found: &Finding) -> Option<Vec<Told>> {
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

fn instance(found: &Instance) -> Option<Vec<Told>> {
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
fn apart(changes: &[Change]) -> String {
    let pairs = changes
        .iter()
        .filter_map(|change| Some(change.live_ms? - change.model_ms?));
    let largest = pairs.max_by_key(|apart_ms| apart_ms.abs());
    largest.map_or("-".into(), |apart_ms| words::since(apart_ms, 0))
}

fn curve(found: &Curve) -> Vec<Told> {
    let Distance {
        peak,
        mean,
        chance,
        gap,
        ..
    } = found.distance;
    let at = if gap > 0.0 {
        words::length(found.distance.gap_at_ms)
    } else {
        "-".into()
    };
    let later = match found.distance.shift_ms {
        0 => "-".to_owned(),
        shift_ms => words::since(shift_ms, 0),
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

fn count(found: &Count) -> Option<Vec<Told>> {
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

fn mark(found: &MarkPair) -> Vec<Told> {
    let at = |ms: Option<i64>| {
        ms.map_or("no effect".to_owned(), |ms| {
            let apart_s = (ms - found.planned_ms) as f64 / 1e3;
            format!("{apart_s:+.1} s")
        })
    };
    vec![
        quiet(format!("{} {}", found.what, found.target)),
        quiet(words::length(found.planned_ms)),
        quiet(at(found.live_ms)),
        quiet(at(found.model_ms)),
        quiet(found.on_terms_ms.map_or("-".into(), |ms| at(Some(ms)))),
        agreement(found.agreement),
    ]
}

/// What the terms of each scenario were, and what must be known before any of it is believed.
fn causes(pairs: &[Fidelity]) -> Vec<Said> {
    let mut lines = Vec::new();
    for pair in pairs {
        let name = &pair.scenario;
        if let Some(terms) = &pair.terms {
            let told = format!("terms of the live drill at {}x: {terms}", pair.speed);
            lines.push(Said::new(name, (told, Tone::Muted)));
        }
        for doubt in &pair.doubts {
            let told = format!("inconclusive: {doubt}");
            lines.push(Said::new(name, (told, Tone::Warn)));
        }
    }
    lines
}

/// All scenarios together.
fn verdict(pairs: &[Fidelity]) -> (&'static str, Tone) {
    let conclusive = pairs.iter().filter(|pair| pair.is_conclusive());
    let worst = conclusive.map(Fidelity::agreement).max();
    match worst {
        Some(Agreement::Different) => (
            "DIFFERENT: the engines differ by what nothing explains",
            Tone::Bad,
        ),
        _ if !pairs.iter().all(Fidelity::is_conclusive) => (
            "INCONCLUSIVE: a drill proves nothing, see above",
            Tone::Warn,
        ),
        Some(Agreement::Explained) => (
            "EXPLAINED: the engines differ by what the live drills measured about themselves",
            Tone::Good,
        ),
        _ => ("SAME: the engines agree within the tolerances", Tone::Good),
    }
}

/// A change of state in a word.
fn change(from: AlertState, to: AlertState) -> &'static str {
    match (from, to) {
        (_, AlertState::Pending) => "pending",
        (_, AlertState::Firing) => "firing",
        (AlertState::Pending, AlertState::Inactive) => "gone before it fired",
        (_, AlertState::Inactive) => "resolved",
    }
}

/// `1.25 %`.
fn percent(share: f64) -> String {
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
