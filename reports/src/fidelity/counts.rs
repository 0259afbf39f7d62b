//! The audits side by side.

use crate::fidelity::{Agreement, range};
use crate::jsonl::Record;
use crate::record::Audit;

/// A number of the audit in the drills.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Count {
    /// Which.
    pub what: &'static str,
    /// In the live drill.
    pub live: i64,
    /// In the model's.
    pub model: i64,
    /// In the model's on the live drill's terms, the first of them.
    pub on_terms: Option<i64>,
    /// The least and the most that the live drill's terms and chance explain.
    pub explained: Option<[i64; 2]>,
    /// How far the live drill and the model may be apart to be the same.
    pub tolerance: i64,
    /// Why so far.
    pub why: &'static str,
    /// Same: within the tolerance.
    pub agreement: Agreement,
}

impl Count {
    /// Difference over the larger of the two, 0 to 1; 0 when both are 0.
    #[must_use]
    pub fn relative(&self) -> f64 {
        let larger = self.live.max(self.model);
        if larger == 0 {
            0.0
        } else {
            (self.live - self.model).abs() as f64 / larger as f64
        }
    }
}

/// How far a number may be apart, and why.
#[derive(Debug, Clone, Copy)]
enum Tolerance {
    /// The seed decides it: not at all.
    Seed,
    /// It must not be, on any engine: not at all.
    Never,
    /// A fault or remedy moves it by what arrives meanwhile, and takes effect within an evaluation interval.
    Edges,
    /// What is under way at one moment is a matter of milliseconds.
    Moment,
    /// Edges and moments: of what is counted by a limit, too, for what is just below it and just beyond it is chance.
    Both,
    /// Waits are looked at by rules of seconds, and no finer than a twentieth.
    Wait,
}

impl Tolerance {
    fn why(self) -> &'static str {
        match self {
            Self::Seed => "exactly: arrivals are the seed's",
            Self::Never => "exactly: no engine may",
            Self::Edges => "arrivals of an evaluation interval per mark",
            Self::Moment => "three standard deviations of what is under way at a moment",
            Self::Both => {
                "arrivals of an evaluation interval per mark, and what is under way at a moment"
            }
            Self::Wait => "a second or a twentieth, whichever is more",
        }
    }
}

/// A number of the audit: its name, where it is, how far it may be apart.
type Number = (&'static str, fn(&Audit) -> u64, Tolerance);

/// The numbers of the audits; none when a drill has none.
pub(super) fn counts(live: &Record, model: &Record, on_terms: &[&Record]) -> Vec<Count> {
    let (Some(a), Some(b)) = (live.audit(), model.audit()) else {
        return Vec::new();
    };
    let on_terms: Vec<&Audit> = on_terms
        .iter()
        .filter_map(|record| record.audit())
        .collect();
    let edges = edges(live, model);
    // What a step loses with the data is what was there at a moment.
    let by_plan = |audit: &Audit| audit.lost == audit.lost_in.values().sum::<u64>();
    let none = a.lost == 0 && b.lost == 0;
    let lost = match (by_plan(a) && by_plan(b), a.lost.min(b.lost)) {
        (false, _) => Tolerance::Never,
        _ if none => Tolerance::Never,
        // Hardly anything was there to be lost.
        (true, 0) => Tolerance::Moment,
        (true, _) => Tolerance::Both,
    };
    let numbers: [Number; 15] = [
        (
            "arrivals",
            |audit| audit.intended.saturating_sub(audit.born),
            Tolerance::Seed,
        ),
        ("enqueued by handlers", |audit| audit.born, Tolerance::Both),
        ("enqueued", |audit| audit.enqueued, Tolerance::Edges),
        ("rejected", |audit| audit.rejected, Tolerance::Edges),
        ("duplicates", |audit| audit.duplicates, Tolerance::Both),
        ("succeeded", |audit| audit.succeeded, Tolerance::Both),
        ("archived", |audit| audit.archived, Tolerance::Moment),
        (
            "still queued",
            |audit| audit.still_queued,
            Tolerance::Moment,
        ),
        ("trimmed", |audit| audit.trimmed, Tolerance::Both),
        ("deleted", |audit| audit.deleted, Tolerance::Both),
        ("lost", |audit| audit.lost, lost),
        ("orphaned", |audit| audit.orphaned, Tolerance::Moment),
        ("run twice", |audit| audit.executed_twice, Tolerance::Moment),
        ("late", |audit| audit.late, Tolerance::Both),
        (
            "failed runs",
            |audit| audit.failed_executions,
            Tolerance::Both,
        ),
    ];
    let whole = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    let mut counts = Vec::new();
    for (what, of, kind) in numbers {
        // What is under way at the end has not succeeded; its chance is that of what is left over.
        let chance = |audit: &Audit| match what {
            "succeeded" => audit.still_queued,
            _ => of(audit),
        };
        let tolerance = |other: &Audit| match kind {
            Tolerance::Edges => edges,
            Tolerance::Moment => moment(chance(a) + chance(other)),
            Tolerance::Both => edges + moment(chance(a) + chance(other)),
            Tolerance::Seed | Tolerance::Never | Tolerance::Wait => 0,
        };
        let values = [a, b].map(|audit| whole(of(audit)));
        let of_terms: Vec<(i64, i64)> = on_terms
            .iter()
            .map(|audit| (whole(of(audit)), tolerance(audit)))
            .collect();
        // Few drills have any of these.
        let is_rare = matches!(
            what,
            "enqueued by handlers" | "duplicates" | "trimmed" | "deleted" | "orphaned"
        );
        if is_rare && values == [0, 0] && of_terms.iter().all(|(value, _)| *value == 0) {
            continue;
        }
        counts.push(count((what, kind), values, tolerance(b), &of_terms));
    }
    // The longest wait is one task's, and its chance.
    let waits = ["wait p50, ms", "wait p99, ms"];
    for (index, what) in waits.into_iter().enumerate() {
        let of = |audit: &Audit| audit.wait_ms[index];
        let tolerance = |other: &Audit| (of(a).max(of(other)) / 20).max(1_000);
        let of_terms: Vec<(i64, i64)> = on_terms
            .iter()
            .map(|audit| (of(audit), tolerance(audit)))
            .collect();
        counts.push(count(
            (what, Tolerance::Wait),
            [of(a), of(b)],
            tolerance(b),
            &of_terms,
        ));
    }
    counts
}

/// `tolerance`: beside the model; `of_terms`: the numbers of the model on the live drill's terms, each with the tolerance
/// beside it.
fn count(
    (what, kind): (&'static str, Tolerance),
    [live, model]: [i64; 2],
    tolerance: i64,
    of_terms: &[(i64, i64)],
) -> Count {
    // What must not be, or is the seed's, no terms explain.
    let exactly = matches!(kind, Tolerance::Seed | Tolerance::Never);
    let values: Vec<f64> = of_terms.iter().map(|(value, _)| *value as f64).collect();
    let explained = (!exactly && !values.is_empty()).then(|| {
        let (low, high) = range::explained(model as f64, &values);
        [low.floor() as i64, high.ceil() as i64].map(|value| value.max(0))
    });
    let widest = of_terms
        .iter()
        .map(|(_, tolerance)| *tolerance)
        .fold(tolerance, i64::max);
    Count {
        what,
        live,
        model,
        on_terms: of_terms.first().map(|(value, _)| *value),
        explained,
        tolerance,
        why: kind.why(),
        agreement: Agreement::of(
            (live - model).abs() <= tolerance,
            explained.is_some_and(|[low, high]| (low - widest..=high + widest).contains(&live)),
        ),
    }
}

/// Tasks that arrive in an evaluation interval, for every mark.
fn edges(live: &Record, model: &Record) -> i64 {
    let intended = model.audit().map_or(0, |audit| audit.intended);
    let header = &model.header;
    let share = header.evaluation_interval_ms as f64 / header.duration_ms.max(1) as f64;
    let marks = live.marks().count().max(model.marks().count());
    (intended as f64 * share).ceil() as i64 * i64::try_from(marks).unwrap_or(i64::MAX)
}

/// Three standard deviations of the difference of two counts whose sum is `total`, and one for rounding.
fn moment(total: u64) -> i64 {
    (3.0 * (total as f64).sqrt()).ceil() as i64
}
