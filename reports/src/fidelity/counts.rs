//! The audits side by side.

use crate::fidelity::Agreement;
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
    /// In the model's on the live drill's terms.
    pub on_terms: Option<i64>,
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
    /// Edges and moments.
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
pub(super) fn counts(live: &Record, model: &Record, third: Option<&Record>) -> Vec<Count> {
    let (Some(a), Some(b)) = (live.audit(), model.audit()) else {
        return Vec::new();
    };
    let third = third.and_then(Record::audit);
    let edges = edges(live, model);
    // What a step loses with the data is what was there at a moment.
    let by_plan = |audit: &Audit| audit.lost == audit.lost_in.values().sum::<u64>();
    let lost = match by_plan(a) && by_plan(b) && a.lost > 0 && b.lost > 0 {
        true => Tolerance::Both,
        false => Tolerance::Never,
    };
    let numbers: [Number; 14] = [
        ("intended", |audit| audit.intended, Tolerance::Seed),
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
        ("late", |audit| audit.late, Tolerance::Edges),
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
        let values = [Some(a), Some(b), third].map(|audit| audit.map(|audit| whole(of(audit))));
        // Few drills have any of these.
        let is_rare = matches!(what, "duplicates" | "trimmed" | "deleted" | "orphaned");
        if is_rare && values.iter().flatten().all(|value| *value == 0) {
            continue;
        }
        counts.push(count(
            what,
            values,
            kind,
            [Some(b), third].map(|other| other.map_or(0, tolerance)),
        ));
    }
    // The longest wait is one task's, and its chance.
    let waits = ["wait p50, ms", "wait p99, ms"];
    for (index, what) in waits.into_iter().enumerate() {
        let values = [Some(a), Some(b), third].map(|audit| audit.map(|audit| audit.wait_ms[index]));
        let tolerance = |other: Option<i64>| {
            let larger = a.wait_ms[index].max(other.unwrap_or(0));
            (larger / 20).max(1_000)
        };
        counts.push(count(
            what,
            values,
            Tolerance::Wait,
            [values[1], values[2]].map(tolerance),
        ));
    }
    counts
}

/// `tolerances`: beside the model, and beside the model on the live drill's terms.
fn count(
    what: &'static str,
    [live, model, on_terms]: [Option<i64>; 3],
    kind: Tolerance,
    tolerances: [i64; 2],
) -> Count {
    let (live, model) = (live.unwrap_or(0), model.unwrap_or(0));
    let agrees = on_terms.map(|other| (live - other).abs() <= tolerances[1]);
    Count {
        what,
        live,
        model,
        on_terms,
        tolerance: tolerances[0],
        why: kind.why(),
        agreement: Agreement::of((live - model).abs() <= tolerances[0], agrees),
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
