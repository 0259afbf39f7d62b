//! How far two engines agree on one scenario: a live drill beside a model's of the same plan, seed and rules.
//!
//! [`compare`] lays two records over each other, aspect by aspect: what the rules came to, the transitions of every alert
//! instance, queue depth and throughput over time, the audit, and the marks. Each aspect is [`Agreement::Same`] within a
//! tolerance that has a reason and is written beside it. What is not the same may be [`Agreement::Explained`], and there is
//! one way to that only: a second drill of the model on the [`Terms`] of the live one (what its harness measured about
//! itself: round trips, timer error, faults and remedies that took time) must be the same where the first was not. So a
//! cause counts only if it brings the difference about. Everything else is [`Agreement::Different`].
//!
//! Times compare since the start of the drill, for the epochs differ.

mod counts;
mod curves;
mod distance;
mod findings;
mod marks;
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
    /// Not the same, but the model on the live drill's terms is.
    Explained,
    /// Neither.
    Different,
}

impl Agreement {
    /// `same`: whether the model is; `on_terms`: whether the model on the live drill's terms is, if there is one.
    fn of(same: bool, on_terms: Option<bool>) -> Self {
        match (same, on_terms) {
            (true, _) => Self::Same,
            (false, Some(true)) => Self::Explained,
            (false, _) => Self::Different,
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

/// The model's second drill, on the terms of the live one.
#[derive(Debug, Clone)]
pub struct OnTerms<'r> {
    /// The drill.
    pub side: Side<'r>,
    /// What it was run with.
    pub terms: Terms,
    /// The same drill as scrapes see it that come some seconds later. Forwarders move due tasks in bulk every few seconds,
    /// so that a queue's depth has a beat, and where scrapes fall in it is theirs: as timers err, a live drill's wander
    /// through it, and the model's never do. A live curve between these is explained.
    pub seen_later: Vec<Record>,
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
    let third = on_terms.map(|on_terms| on_terms.side);
    let third_record = third.map(|side| side.record);
    let mut third_records: Vec<&Record> = third_record.into_iter().collect();
    third_records.extend(on_terms.iter().flat_map(|on_terms| &on_terms.seen_later));
    let marks = marks::marks(live.record, model.record, third_record);
    Ok(Fidelity {
        scenario: header.scenario.clone(),
        summary: header.summary.clone(),
        seed: header.seed,
        speed: header.speed,
        end_ms: live.record.end_ms().max(model.record.end_ms()),
        evaluation_interval_ms: header.evaluation_interval_ms,
        doubts: doubts(live, model),
        terms: on_terms.map(|on_terms| on_terms.terms.clone()),
        findings: findings::findings(live.score, model.score, third.map(|side| side.score)),
        instances: transitions::instances(live.record, model.record, third_record),
        curves: curves::curves(live.record, model.record, &third_records, marks.len()),
        counts: counts::counts(live.record, model.record, third_record),
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
