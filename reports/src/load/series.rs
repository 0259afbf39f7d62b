//! How a load went, second by second, in memory that is bounded however long it lasts.

use super::account::Counts;
use super::latency::{Latencies, Latency, Stage};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Most rows that are kept: with more, each two become one.
pub const SERIES_ROWS_MAX: usize = 3_600;

/// Rows of the same width, in order of time, without gaps.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Series {
    /// The rows.
    pub rows: Vec<Row>,
}

/// A second, or several.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Row {
    /// When it begins, seconds since the first possible arrival.
    pub at_s: f64,
    /// How long it is, seconds.
    pub width_s: f64,
    /// What happened in it.
    pub counts: Counts,
    /// Pending and active tasks at its end; `None`: nobody could look.
    pub backlog: Option<u64>,
    /// What was measured in it after the warm-up.
    pub stages: BTreeMap<Stage, Brief>,
    /// What Redis did; `None`: it could not be asked.
    pub redis: Option<RedisRow>,
    /// Processor time of producers per second, cores.
    pub producer_cpu: f64,
    /// Processor time of workers per second, cores.
    pub worker_cpu: f64,
    /// Resident memory of producers, bytes.
    pub producer_rss: u64,
    /// Resident memory of workers, bytes.
    pub worker_rss: u64,
}

/// A histogram in four numbers, seconds. Of several seconds the percentiles are those of the worst one.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Brief {
    /// How many.
    pub count: u64,
    /// Median.
    pub p50_s: f64,
    /// 99th percentile.
    pub p99_s: f64,
    /// The longest.
    pub max_s: f64,
}

/// What Redis did in a second.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct RedisRow {
    /// Share of a core.
    pub cpu: f64,
    /// Commands per second.
    pub commands_per_s: f64,
    /// Time inside scripts per second, seconds.
    pub script: f64,
    /// Memory, bytes.
    pub memory_bytes: u64,
    /// Bytes in per second.
    pub in_per_s: f64,
    /// Bytes out per second.
    pub out_per_s: f64,
}

impl Brief {
    /// Of a histogram that has values.
    fn of(latency: &Latency) -> Option<Self> {
        Some(Self {
            count: latency.count(),
            p50_s: latency.quantile(0.5)?,
            p99_s: latency.quantile(0.99)?,
            max_s: latency.max()?,
        })
    }

    fn and(self, other: Self) -> Self {
        Self {
            count: self.count + other.count,
            p50_s: self.p50_s.max(other.p50_s),
            p99_s: self.p99_s.max(other.p99_s),
            max_s: self.max_s.max(other.max_s),
        }
    }
}

impl Row {
    /// Takes in what was measured.
    pub fn measured(&mut self, latencies: &Latencies) {
        let briefs = Stage::ALL.into_iter();
        let briefs = briefs.filter_map(|stage| Some((stage, Brief::of(&latencies[stage])?)));
        self.stages = briefs.collect();
    }

    /// Takes in what another shard did in the same stretch of time. They share a Redis: what it did and has is told once. How long
    /// things took is not told by percentiles of parts, so whoever calls this has it measured again.
    pub(super) fn beside(&mut self, other: &Self) {
        self.counts.add(&other.counts);
        self.backlog = self.backlog.or(other.backlog);
        self.redis = self.redis.or(other.redis);
        self.producer_cpu += other.producer_cpu;
        self.worker_cpu += other.worker_cpu;
        self.producer_rss = self.producer_rss.saturating_add(other.producer_rss);
        self.worker_rss = self.worker_rss.saturating_add(other.worker_rss);
    }

    /// Takes in what was measured in a part of it.
    pub(super) fn measured_also(&mut self, latencies: &Latencies) {
        let mut part = Self::default();
        part.measured(latencies);
        for (stage, brief) in part.stages {
            let known = self.stages.remove(&stage);
            let both = known.map_or(brief, |known| known.and(brief));
            self.stages.insert(stage, both);
        }
    }

    /// The row of both, which follow each other.
    fn and(mut self, next: Self) -> Self {
        let width = self.width_s + next.width_s;
        let mean = |a: f64, b: f64| (a * self.width_s + b * next.width_s) / width;
        let redis = match (self.redis, next.redis) {
            (Some(a), Some(b)) => Some(RedisRow {
                cpu: mean(a.cpu, b.cpu),
                commands_per_s: mean(a.commands_per_s, b.commands_per_s),
                script: mean(a.script, b.script),
                memory_bytes: a.memory_bytes.max(b.memory_bytes),
                in_per_s: mean(a.in_per_s, b.in_per_s),
                out_per_s: mean(a.out_per_s, b.out_per_s),
            }),
            (a, b) => a.or(b),
        };
        let (producer_cpu, worker_cpu) = (
            mean(self.producer_cpu, next.producer_cpu),
            mean(self.worker_cpu, next.worker_cpu),
        );
        for (stage, brief) in next.stages {
            let known = self.stages.remove(&stage);
            self.stages
                .insert(stage, known.map_or(brief, |known| known.and(brief)));
        }
        self.counts.add(&next.counts);
        Self {
            at_s: self.at_s,
            width_s: width,
            backlog: next.backlog.or(self.backlog),
            redis,
            producer_cpu,
            worker_cpu,
            producer_rss: self.producer_rss.max(next.producer_rss),
            worker_rss: self.worker_rss.max(next.worker_rss),
            ..self
        }
    }
}

impl Series {
    /// Adds a row. Where there are more than [`SERIES_ROWS_MAX`], each two become one.
    pub fn push(&mut self, row: Row) {
        self.rows.push(row);
        if self.rows.len() > SERIES_ROWS_MAX {
            self.halve();
        }
    }

    /// How long a row is, seconds.
    pub(super) fn width_s(&self) -> f64 {
        self.rows.first().map_or(0.0, |row| row.width_s)
    }

    /// Makes each two rows one.
    pub(super) fn halve(&mut self) {
        let mut rows = std::mem::take(&mut self.rows).into_iter();
        while let Some(row) = rows.next() {
            self.rows.push(match rows.next() {
                Some(next) => row.and(next),
                None => row,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_load_keeps_every_count_in_few_rows() {
        let mut series = Series::default();
        let seconds = 3 * SERIES_ROWS_MAX + 1;
        for second in 0..seconds {
            let mut latencies = Latencies::default();
            latencies[Stage::Wait].record(second as i64 * 1_000_000);
            let mut row = Row {
                at_s: second as f64,
                width_s: 1.0,
                backlog: Some(second as u64),
                counts: Counts {
                    sent: 2,
                    ..Counts::default()
                },
                ..Row::default()
            };
            row.measured(&latencies);
            series.push(row);
        }
        assert!(series.rows.len() <= SERIES_ROWS_MAX);
        let rows = &series.rows;
        assert_eq!(
            rows.iter().map(|row| row.counts.sent).sum::<u64>(),
            2 * seconds as u64
        );
        let count = |row: &Row| row.stages[&Stage::Wait].count;
        assert_eq!(rows.iter().map(count).sum::<u64>(), seconds as u64);
        let follows = |pair: &[Row]| (pair[0].at_s + pair[0].width_s - pair[1].at_s).abs() < 1e-9;
        assert!(rows.windows(2).all(follows));
        assert_eq!(rows.last().unwrap().backlog, Some(seconds as u64 - 1));
        assert_eq!(
            rows[0].stages[&Stage::Wait].p99_s,
            rows[0].stages[&Stage::Wait].max_s
        );
    }
}
