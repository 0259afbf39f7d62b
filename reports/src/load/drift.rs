//! Whether something grew while a load went on: what a soak is for.

use super::LoadHeader;
use super::latency::Stage;
use super::series::{Row, Series};

/// A number at the beginning and at the end of a load: medians of its first and last third after the warm-up.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Drift {
    /// Of what.
    pub what: &'static str,
    /// Its unit: `bytes` or `s`.
    pub unit: &'static str,
    /// In the first third.
    pub first: f64,
    /// In the last.
    pub last: f64,
}

impl Drift {
    /// How much more it is in the end, as a share.
    #[must_use]
    pub fn change(&self) -> f64 {
        match self.first > 0.0 {
            true => self.last / self.first - 1.0,
            false => 0.0,
        }
    }
}

/// A number of a row, if it has it.
type Of = fn(&Row) -> Option<f64>;

/// What is looked at.
const LOOKED_AT: [(&str, &str, Of); 6] = [
    ("memory of the workers", "bytes", |row| {
        bytes(row.worker_rss)
    }),
    ("memory of the producers", "bytes", |row| {
        bytes(row.producer_rss)
    }),
    ("memory of Redis", "bytes", |row| {
        bytes(row.redis?.memory_bytes)
    }),
    ("median wait", "s", |row| {
        Some(row.stages.get(&Stage::Wait)?.p50_s)
    }),
    ("99th percentile of the wait", "s", |row| {
        Some(row.stages.get(&Stage::Wait)?.p99_s)
    }),
    ("99th percentile of enqueueing", "s", |row| {
        Some(row.stages.get(&Stage::Enqueue)?.p99_s)
    }),
];

fn bytes(bytes: u64) -> Option<f64> {
    (bytes > 0).then_some(bytes as f64)
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

impl Series {
    /// What is other at the end than at the beginning; what a load does not measure is left out. Nothing where there are fewer than nine rows.
    #[must_use]
    pub fn drift(&self, header: &LoadHeader) -> Vec<Drift> {
        let rows: Vec<&Row> = self
            .rows
            .iter()
            .filter(|row| header.measures(row.at_s, row.width_s))
            .collect();
        let third = rows.len() / 3;
        if third < 3 {
            return Vec::new();
        }
        let of = |(what, unit, of): (&'static str, &'static str, Of)| {
            let median_of = |rows: &[&Row]| median(rows.iter().filter_map(|row| of(row)).collect());
            Some(Drift {
                what,
                unit,
                first: median_of(&rows[..third])?,
                last: median_of(&rows[rows.len() - third..])?,
            })
        };
        LOOKED_AT.into_iter().filter_map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_grows_is_seen_and_a_spike_is_not() {
        let mut series = Series::default();
        for second in 0..30_u64 {
            series.push(Row {
                at_s: second as f64,
                width_s: 1.0,
                worker_rss: 1_000 + 100 * second,
                producer_rss: if second == 29 { 90_000 } else { 500 },
                ..Row::default()
            });
        }
        let header = |warmup_s: f64| LoadHeader {
            warmup_s,
            lasts_s: 30.0 - warmup_s,
            ..LoadHeader::default()
        };
        let drift = series.drift(&header(0.0));
        let of = |what: &str| drift.iter().find(|drift| drift.what == what).unwrap();
        assert!((of("memory of the workers").change() - 2_000.0 / 1_500.0).abs() < 1e-9);
        assert_eq!(of("memory of the producers").change(), 0.0);
        assert_eq!(drift.len(), 2, "what nobody measured is not told");
        assert!(series.drift(&header(25.0)).is_empty(), "too short to tell");
    }
}
