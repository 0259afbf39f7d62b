//! How far two engines agree on one scenario: a live drill beside a model's of the same plan, seed and rules.
//!
//! [`compare`] lays two records over each other, aspect by aspect: what the rules came to, the transitions of every alert
//! instance, queue depth and throughput over time, the audit, and the marks. Each aspect is [`Agreement::Same`] within a
//! tolerance that has a reason and is written beside it. What is not the same may be [`Agreement::Explained`], and there is
//! one way to that only: drills of the model on the [`Terms`] of the live one (what its harness measured about itself: round
//! trips, for how long slots were held, timer error, faults and remedies that took time) must bring the difference about.
//! There are several, which differ by nothing but the dice by which timers err: where one is the same, that is what the live
//! drill's terms or chance may come to. Of numbers and curves, what lies between the model and those drills is explained,
//! for the live drill paid its costs now and then, and what lies within what chance makes of one more of them.
//! Everything else is [`Agreement::Different`].
//!
//! Times compare since the start of the drill, for the epochs differ.

mod counts;
mod curves;
mod distance;
mod findings;
mod marks;
mod range;
mod terms;
mod transitions;

pub use counts::Count;
pub use curves::Curve;
pub use distance::Distance;
pub use findings::Finding;
pub use marks::MarkPair;
pub use terms::{LateDeed, Terms};
pub use transitions::{Change, Instance};

use crate::jsonl::Record;
use crate::score::DrillScore;

/// How far two drills agree; the later, the worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Agreement {
    /// Within the tolerance.
    Same,
    /// Not the same, but drills of the model on the live drill's terms come to it.
    Explained,
    /// Neither.
    Different,
}

impl Agreement {
    /// `same`: whether the model is; `explained`: whether drills of the model on the live drill's terms come to it.
    fn of(same: bool, explained: bool) -> Self {
        match (same, explained) {
            (true, _) => Self::Same,
            (false, true) => Self::Explained,
            (false, false) => Self::Different,
        }
    }
}

/// A drill with its score.
#[derive(Debug, Clone, Copy)]
pub struct Side<'r> {
    /// Its record.
    pub record: &'r Record,
    /// What its rules came to.
    pub score: &'r DrillScore,
}

/// Drills of the model on the terms of the live one.
#[derive(Debug, Clone)]
pub struct OnTerms<'r> {
    /// What they were run with.
    pub terms: Terms,
    /// At least one. They differ by the dice by which timers err, and by when scrapes come: forwarders move due tasks in bulk
    /// every few seconds, so that a queue's depth has a beat, and where scrapes fall in it is theirs: as timers err, a live
    /// drill's wander through it, and the model's never do. The first is scraped when the model is.
    pub sides: Vec<Side<'r>>,
}

/// Why two records cannot be compared.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("these are records of different drills: they differ in {what}")]
pub struct Unlike {
    /// What differs.
    pub what: &'static str,
}

/// A live drill beside a model's.
#[derive(Debug, Clone, PartialEq)]
pub struct Fidelity {
    /// Scenario name.
    pub scenario: String,
    /// One sentence.
    pub summary: String,
    /// Seed of both.
    pub seed: u64,
    /// Virtual seconds per real second of the live drill.
    pub speed: f64,
    /// Length in virtual milliseconds, for charts.
    pub end_ms: i64,
    /// Virtual milliseconds between evaluations: the tolerance of transitions and marks.
    pub evaluation_interval_ms: i64,
    /// Why either drill proves nothing.
    pub doubts: Vec<String>,
    /// What the live drill's harness cost, if the model was run on these terms, too.
    pub terms: Option<Terms>,
    /// What the rules came to.
    pub findings: Vec<Finding>,
    /// Every alert instance that changed its state in any of the drills.
    pub instances: Vec<Instance>,
    /// Queue depth and throughput over time.
    pub curves: Vec<Curve>,
    /// What happened to the tasks.
    pub counts: Vec<Count>,
    /// Faults and remedies.
    pub marks: Vec<MarkPair>,
}

/// Lays a live drill and a model's over each other.
///
/// # Errors
/// When they are not drills of the same plan, seed and rules.
pub fn compare(
    live: Side<'_>,
    model: Side<'_>,
    on_terms: Option<&OnTerms<'_>>,
) -> Result<Fidelity, Unlike> {
    alike(live.record, model.record)?;
    let header = &live.record.header;
    let on_terms_sides = on_terms.map_or(&[][..], |on_terms| &on_terms.sides);
    let records: Vec<&Record> = on_terms_sides.iter().map(|side| side.record).collect();
    let scores: Vec<&DrillScore> = on_terms_sides.iter().map(|side| side.score).collect();
    let marks = marks::marks(live.record, model.record, &records);
    Ok(Fidelity {
        scenario: header.scenario.clone(),
        summary: header.summary.clone(),
        seed: header.seed,
        speed: header.speed,
        end_ms: live.record.end_ms().max(model.record.end_ms()),
        evaluation_interval_ms: header.evaluation_interval_ms,
        doubts: doubts(live, model),
        terms: on_terms.map(|on_terms| on_terms.terms.clone()),
        findings: findings::findings(live.score, model.score, &scores),
        instances: transitions::instances(live.record, model.record, &records),
        curves: curves::curves(live.record, model.record, &records, marks.len()),
        counts: counts::counts(live.record, model.record, &records),
        marks,
    })
}

/// The curves of two drills that need not be of one plan, such as one that was learnt from the other: how far the second is from the
/// first, as a model's from a live drill. `changes`: at how many moments series may come or go in one of them alone.
#[must_use]
pub fn shape(first: &Record, second: &Record, changes: usize) -> Vec<Curve> {
    curves::curves(first, second, &[], changes)
}

fn alike(live: &Record, model: &Record) -> Result<(), Unlike> {
    let (a, b) = (&live.header, &model.header);
    let texts = |record: &Record| -> Vec<String> {
        let rules = record.header.rules.iter();
        rules.map(|rule| rule.text.clone()).collect()
    };
    let facts = [
        ("scenario", a.scenario == b.scenario),
        ("seed", a.seed == b.seed),
        ("plan", a.plan == b.plan),
        ("rules", texts(live) == texts(model)),
    ];
    facts
        .into_iter()
        .find(|(_, same)| !same)
        .map_or(Ok(()), |(what, _)| Err(Unlike { what }))
}

fn doubts(live: Side<'_>, model: Side<'_>) -> Vec<String> {
    let mut doubts = Vec::new();
    for side in [live, model] {
        let engine = &side.record.header.engine;
        let found = side.score.inconclusive.iter();
        doubts.extend(found.map(|why| format!("{engine}: {why}")));
    }
    doubts
}

impl Fidelity {
    /// The aspects, each as good as the worst of what it looks at.
    #[must_use]
    pub fn aspects(&self) -> [(&'static str, Agreement); 5] {
        fn worst(of: impl Iterator<Item = Agreement>) -> Agreement {
            of.max().unwrap_or(Agreement::Same)
        }
        [
            (
                "verdicts",
                worst(self.findings.iter().map(|found| found.agreement)),
            ),
            (
                "transitions",
                worst(self.instances.iter().map(|alert| alert.agreement)),
            ),
            (
                "curves",
                worst(self.curves.iter().map(|curve| curve.agreement)),
            ),
            (
                "audit",
                worst(self.counts.iter().map(|count| count.agreement)),
            ),
            ("marks", worst(self.marks.iter().map(|mark| mark.agreement))),
        ]
    }

    /// The worst of the aspects.
    #[must_use]
    pub fn agreement(&self) -> Agreement {
        let aspects = self.aspects().into_iter();
        aspects
            .map(|(_, agreement)| agreement)
            .max()
            .unwrap_or(Agreement::Same)
    }

    /// Whether both drills prove anything.
    #[must_use]
    pub fn is_conclusive(&self) -> bool {
        self.doubts.is_empty()
    }
}
