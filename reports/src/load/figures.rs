//! A load's figures, for gates, comparisons and benchmarks.

use super::latency::{Latency, Stage};
use super::{LoadRecord, Role};
use crate::figures::{Amount, DrillFigures, KeptWaits, Like, Metric, Point};
use crate::waits::Waits;
use std::collections::BTreeMap;

/// What a load is to whom compares: the engine it ran on.
const ENGINE: &str = "load";

/// Microseconds, to the precision of figures.
fn kept(latency: &Latency) -> KeptWaits {
    let mut waits = Waits::new();
    for (ns, count) in latency.recorded() {
        waits.record_many(ns / 1_000, count);
    }
    KeptWaits::from(&waits)
}

impl LoadRecord {
    /// Its figures; of one that proves nothing, only that.
    #[must_use]
    pub fn figures(&self) -> DrillFigures {
        let conclusive = self.doubts().is_empty();
        let mut points = Vec::new();
        let mut put = |name: &str, amount: Amount| {
            let metric = Metric::named(name).expect("figures have names of the table");
            points.push(Point {
                metric,
                labels: BTreeMap::new(),
                amount,
            });
        };
        put("drills_inconclusive", Amount::Count(u64::from(!conclusive)));
        if conclusive {
            let facts = &self.facts;
            if let Some(rate) = self.rate_per_s() {
                put("load_rate", Amount::PerSecond(rate));
            }
            for (stage, name) in [
                (Stage::Enqueue, "load_enqueue_seconds"),
                (Stage::Wait, "load_wait_seconds"),
                (Stage::Service, "load_service_seconds"),
                (Stage::EndToEnd, "load_end_to_end_seconds"),
            ] {
                let latency = &self.latencies[stage];
                if latency.count() > 0 && !self.is_spoilt(stage) {
                    put(name, Amount::Micros(kept(latency)));
                }
            }
            let counts = &facts.counts;
            let errors = counts.rejected + counts.unanswered + counts.failed;
            let attempts = (counts.sent + counts.started).max(errors);
            if attempts > 0 {
                put("load_errors", Amount::Share(errors, attempts));
            }
            if let Some(backlog) = facts.series.rows.iter().filter_map(|row| row.backlog).max() {
                put("load_backlog", Amount::Count(backlog));
            }
            // In thousandths of a core; of more than one, all of one.
            let cpu = |share: f64| Amount::Share(((share * 1e3) as u64).min(1_000), 1_000);
            if let Some(share) = self.redis_cpu() {
                put("load_redis_cpu", cpu(share));
            }
            if let Some((_, share)) = self.busiest(Role::Worker) {
                put("load_worker_cpu", cpu(share));
            }
        }
        DrillFigures {
            scenario: self.facts.header.name.clone(),
            seed: self.facts.header.seed,
            conclusive,
            points,
            failings: Vec::new(),
        }
    }

    /// What two loads must have in common to be compared.
    #[must_use]
    pub fn like(&self) -> Like {
        let header = &self.facts.header;
        Like {
            redis: header.redis.clone(),
            ..Like::of_load(&header.plan)
        }
    }
}

impl Like {
    /// Of a load of this plan (YAML) on a Redis that is not known yet.
    #[must_use]
    pub fn of_load(plan: &str) -> Self {
        Self::of(ENGINE, "", plan)
    }

    /// Whether it is that of a load.
    #[must_use]
    pub fn is_of_load(&self) -> bool {
        self.engine == ENGINE
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::{Aggregation, Results, Sum};
    use crate::load::{Brief, Counts, LoadFacts, LoadHeader, Row};

    fn record() -> LoadRecord {
        let mut record = LoadRecord {
            facts: LoadFacts {
                header: LoadHeader {
                    name: "load".into(),
                    lasts_s: 2.0,
                    ..LoadHeader::default()
                },
                ran_s: 2.0,
                ..LoadFacts::default()
            },
            ..LoadRecord::default()
        };
        record.facts.counts.sent = 100;
        let second = |at_s: f64| Row {
            at_s,
            width_s: 1.0,
            counts: Counts {
                succeeded: 50,
                ..Counts::default()
            },
            stages: [(
                Stage::Service,
                Brief {
                    count: 50,
                    ..Brief::default()
                },
            )]
            .into(),
            ..Row::default()
        };
        // The third second is after the end.
        record.facts.series.rows = vec![second(0.0), second(1.0), second(2.0)];
        for us in 1..=100 {
            record.latencies[Stage::Wait].record(us * 1_000_000);
            record.latencies[Stage::Service].record(1_000);
        }
        record
    }

    #[test]
    fn figures_are_written_and_read_and_say_what_was_measured() {
        let record = record();
        let figures = record.figures();
        let of = |name: &str| {
            let point = figures
                .points
                .iter()
                .find(|point| point.metric.name == name);
            let mut sum = Sum::default();
            sum.add(1, &point.unwrap().amount);
            sum
        };
        let p99 = of("load_wait_seconds").get(Aggregation::P(99.0)).unwrap();
        assert!((p99 - 0.099).abs() < 2e-4, "{p99}");
        assert_eq!(of("load_rate").get(Aggregation::Avg), Some(50.0));
        assert_eq!(of("load_errors").get(Aggregation::Value), Some(0.0));
        let results = Results {
            scenarios: BTreeMap::from([("load".to_owned(), record.like())]),
            drills: vec![figures],
        };
        assert_eq!(Results::read(results.text().as_bytes()).unwrap(), results);
    }

    #[test]
    fn a_load_that_proves_nothing_has_no_figures_but_that() {
        let mut stopped = record();
        stopped.facts.stopped = true;
        let figures = stopped.figures();
        assert_eq!(figures.points.len(), 1);
        assert_eq!(figures.points[0].amount, Amount::Count(1));
    }
}
