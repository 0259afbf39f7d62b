//! Queue depth and throughput of the drills on the model's grid of scrapes.

use crate::curves::{Line, depths, rates, throughput};
use crate::fidelity::Agreement;
use crate::fidelity::distance::{Distance, Kind, distance};
use crate::jsonl::Record;

/// A curve in the drills.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    /// What it shows, e.g. `pending tasks`, `jobs per second, success`.
    pub what: String,
    /// Points of the live drill (minutes, value); where there was no series, not a number.
    pub live: Vec<(f64, f64)>,
    /// Points of the model's.
    pub model: Vec<(f64, f64)>,
    /// How far the model is from the live drill.
    pub distance: Distance,
    /// How far all is that the live drill's terms and chance explain.
    pub on_terms: Option<Distance>,
    /// Same: see [`Distance::is_same`].
    pub agreement: Agreement,
}

/// The curves: tasks by state, and what asynq and the workers count per second. A curve that is 0 everywhere is left out.
pub(super) fn curves(
    live: &Record,
    model: &Record,
    on_terms: &[&Record],
    marks: usize,
) -> Vec<Curve> {
    let interval_ms = model.header.scrape_interval_ms.max(1);
    let all: Vec<&Record> = [live, model].iter().chain(on_terms).copied().collect();
    let of = |lines: fn(&Record) -> Vec<Line>| -> Vec<Vec<Line>> {
        all.iter().map(|record| lines(record)).collect()
    };
    let groups = [
        (of(depths), "tasks, ", Kind::Level),
        (of(processed), "asynq: processed per second", Kind::Rate),
        (of(failed), "asynq: failed per second", Kind::Rate),
        (of(throughput), "workers: jobs per second, ", Kind::Rate),
    ];
    let grid = Grid::of(model, interval_ms);
    let tolerance = Tolerance {
        // Series come and go with faults and remedies, and these within an evaluation interval.
        missing_max: marks
            * usize::try_from(model.header.evaluation_interval_ms / interval_ms + 1).unwrap_or(1),
        shift_ms_max: model.header.evaluation_interval_ms,
    };
    let mut curves = Vec::new();
    for (lines, what, kind) in groups {
        let mut names: Vec<&String> = lines.iter().flatten().map(|(name, _)| name).collect();
        names.sort_unstable();
        names.dedup();
        for name in names {
            let values: Vec<Vec<f64>> =
                lines.iter().map(|lines| grid.values(lines, name)).collect();
            if !values.iter().flatten().any(|value| *value > 0.0) {
                continue;
            }
            // A counter without a label to tell it by is named for itself.
            let label = if what.ends_with(' ') {
                name.as_str()
            } else {
                ""
            };
            curves.push(grid.curve(format!("{what}{label}"), &values, kind, &tolerance));
        }
    }
    curves
}

fn processed(record: &Record) -> Vec<Line> {
    rates(record, "asynq_tasks_processed_total", None)
}

fn failed(record: &Record) -> Vec<Line> {
    rates(record, "asynq_tasks_failed_total", None)
}

/// How much two curves may be apart to be the same, beyond what [`Distance::is_same`] says.
struct Tolerance {
    missing_max: usize,
    shift_ms_max: i64,
}

/// Slots of a scrape interval each, of which every one holds one scrape of the model's: a live drill's comes a little later.
struct Grid {
    first_ms: f64,
    interval_ms: f64,
    count: usize,
}

impl Grid {
    fn of(model: &Record, interval_ms: i64) -> Self {
        let first = model.scrapes().find_map(|(at_ms, _, samples)| {
            let mut names = samples.iter().map(|(labels, _)| labels.name());
            names
                .any(|name| name == "asynq_tasks_enqueued_total")
                .then_some(at_ms)
        });
        let first_ms = first.unwrap_or(0).rem_euclid(interval_ms);
        let count = usize::try_from((model.end_ms() - first_ms) / interval_ms).unwrap_or(0);
        Self {
            first_ms: first_ms as f64,
            interval_ms: interval_ms as f64,
            count,
        }
    }

    /// The values of a line, slot by slot. What a drill never counted stood at 0 whenever it counted anything.
    fn values(&self, lines: &[Line], name: &str) -> Vec<f64> {
        let mut values = vec![f64::NAN; self.count];
        let own = lines.iter().find(|(known, _)| known == name);
        let line = own.or(lines.first());
        for (minute, value) in line.iter().flat_map(|(_, points)| points) {
            let slot = ((minute * 6e4 - self.first_ms) / self.interval_ms + 1e-6).floor();
            if slot >= 0.0
                && let Some(place) = values.get_mut(slot as usize)
            {
                *place = match own {
                    None if !value.is_nan() => 0.0,
                    _ => *value,
                };
            }
        }
        values
    }

    fn points(&self, values: &[f64]) -> Vec<(f64, f64)> {
        let slots = values.iter().enumerate();
        slots
            .map(|(slot, value)| {
                (
                    (self.first_ms + slot as f64 * self.interval_ms) / 6e4,
                    *value,
                )
            })
            .collect()
    }

    fn curve(&self, what: String, values: &[Vec<f64>], kind: Kind, tolerance: &Tolerance) -> Curve {
        // The live drill's, the model's, and those of the model on the live drill's terms.
        let (live, models) = values.split_first().expect("a live drill has curves");
        let (model, on_terms) = models.split_first().expect("a model's has curves");
        let measure = |on_terms: &[Vec<f64>]| {
            let mut distance = distance(live, model, on_terms, (self.interval_ms, kind));
            distance.gap_at_ms += self.first_ms as i64;
            distance
        };
        let is_same = |distance: &Distance| {
            distance.missing <= tolerance.missing_max && distance.is_same(tolerance.shift_ms_max)
        };
        let distance = measure(&[]);
        let on_terms = (!on_terms.is_empty()).then(|| measure(on_terms));
        Curve {
            agreement: Agreement::of(is_same(&distance), on_terms.as_ref().is_some_and(is_same)),
            what,
            live: self.points(live),
            model: self.points(model),
            distance,
            on_terms,
        }
    }
}
