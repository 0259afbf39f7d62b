//! The runbook's four rules at every 15 s scrape: rule evaluations per second.
//!
//! `day` feeds a day of 2, 20, 200 and 2,000 series by reference, `day_by_labels` the same by label set; `drill` is what
//! a simulated drill of 100 minutes has: 80 series, eight of which the rules look at.

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use firedrill_benches::day::{Day, STEPS_PER_DAY, detector, drive, runbook};
use firedrill_detector::{Compat, Labels, Sample};

const RULES: u64 = 4;
const DRILL_STEPS: i64 = 100 * 4;

fn day(criterion: &mut Criterion) {
    let rules = runbook(Compat::V3);
    let mut group = criterion.benchmark_group("day");
    group.sample_size(10);
    group.throughput(Throughput::Elements(RULES * STEPS_PER_DAY.unsigned_abs()));
    for count in [2, 20, 200, 2_000] {
        let labels = Day::labels(count);
        group.bench_function(BenchmarkId::from_parameter(count), |bencher| {
            bencher.iter_batched(
                || detector(&rules, &labels),
                |(mut detector, series)| {
                    assert!(!drive(&mut detector, &series, STEPS_PER_DAY).is_empty());
                },
                BatchSize::LargeInput,
            );
        });
    }
    group.finish();
}

fn day_by_labels(criterion: &mut Criterion) {
    let rules = runbook(Compat::V3);
    let mut group = criterion.benchmark_group("day_by_labels");
    group.sample_size(10);
    group.throughput(Throughput::Elements(RULES * STEPS_PER_DAY.unsigned_abs()));
    for count in [20, 200] {
        let labels = Day::labels(count);
        group.bench_function(BenchmarkId::from_parameter(count), |bencher| {
            bencher.iter_batched(
                || (detector(&rules, &labels).0, samples(&labels)),
                |(mut detector, samples)| {
                    let mut transitions = 0;
                    for scrape in samples.chunk_by(|a, b| a.at == b.at) {
                        scrape.iter().for_each(|sample| detector.ingest(sample));
                        transitions += detector.advance(scrape[0].at).len();
                    }
                    assert!(transitions > 0);
                },
                BatchSize::LargeInput,
            );
        });
    }
    group.finish();
}

fn samples(labels: &[Labels]) -> Vec<Sample> {
    let mut day = Day::new(labels.len());
    let mut samples = Vec::new();
    for _ in 0..STEPS_PER_DAY {
        let (at, values) = day.next_scrape();
        samples.extend(labels.iter().zip(values).map(|(labels, value)| Sample {
            labels: labels.clone(),
            at,
            value: *value,
        }));
    }
    samples
}

fn drill(criterion: &mut Criterion) {
    let rules = runbook(Compat::V3);
    let mut labels = Day::labels(8);
    labels.extend((8..80).map(|number| {
        Labels::metric(
            "asynq_tasks_enqueued_total",
            [("queue", format!("q{number}").as_str())],
        )
    }));
    let mut group = criterion.benchmark_group("drill");
    group.throughput(Throughput::Elements(RULES * DRILL_STEPS.unsigned_abs()));
    group.bench_function("100min", |bencher| {
        bencher.iter_batched(
            || detector(&rules, &labels),
            |(mut detector, series)| drive(&mut detector, &series, DRILL_STEPS),
            BatchSize::LargeInput,
        );
    });
    group.finish();
}

criterion_group!(benches, day, day_by_labels, drill);
criterion_main!(benches);
