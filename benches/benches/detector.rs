//! The runbook's four rules over 24 h of 15 s scrapes: rule evaluations per second with 2, 20 and 200 series.

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use firedrill_benches::RUNBOOK;
use firedrill_detector::{
    Compat, Detector, Labels, RuleFile, RuleSet, Sample, Schedule, Timestamp,
};

const STEP_MS: i64 = 15_000;
const STEPS: i64 = 24 * 60 * 4;

fn series(count: usize) -> Vec<Labels> {
    (0..count)
        .map(|number| {
            let (queue, status) = (
                format!("q{}", number / 2),
                if number % 2 == 0 { "success" } else { "failed" },
            );
            let labels = [
                ("task_type", "email:send"),
                ("queue", queue.as_str()),
                ("status", status),
            ];
            Labels::metric("job_processed_total", labels)
        })
        .collect()
}

/// One day with an incident (failures) and a stall in it. Ratios stay off the thresholds.
fn day(series: &[Labels]) -> Vec<Sample> {
    let mut totals = vec![0.0; series.len()];
    let mut samples = Vec::new();
    for step in 0..STEPS {
        let (failing, stalled) = (
            (1_440..2_000).contains(&step),
            (3_000..3_300).contains(&step),
        );
        for (number, labels) in series.iter().enumerate() {
            let failed = number % 2 == 1;
            let rate = if stalled {
                0.0
            } else if failed && failing {
                70.0
            } else if failed {
                1.0
            } else {
                97.0
            };
            totals[number] += rate;
            samples.push(Sample {
                labels: labels.clone(),
                at: Timestamp(step * STEP_MS),
                value: totals[number],
            });
        }
    }
    samples
}

fn detector(criterion: &mut Criterion) {
    let file = RuleFile {
        name: "runbook.yml".into(),
        text: RUNBOOK.into(),
    };
    let rules = RuleSet::load(&[file], Compat::V3).expect("the runbook's rules load");
    let mut group = criterion.benchmark_group("runbook_24h");
    group.sample_size(10);
    for count in [2, 20, 200] {
        let samples = day(&series(count));
        group.throughput(Throughput::Elements(4 * STEPS.unsigned_abs()));
        group.bench_with_input(
            BenchmarkId::from_parameter(count),
            &samples,
            |bencher, samples| {
                let fresh = || {
                    let schedule = Schedule {
                        start: Timestamp(0),
                        interval_ms: STEP_MS,
                        phase_ms: 0,
                    };
                    Detector::new(rules.clone(), schedule)
                };
                bencher.iter_batched(
                    fresh,
                    |mut detector| {
                        let mut transitions = 0;
                        for scrape in samples.chunk_by(|a, b| a.at == b.at) {
                            scrape.iter().for_each(|sample| detector.ingest(sample));
                            transitions += detector.advance(scrape[0].at).len();
                        }
                        assert!(transitions > 0);
                    },
                    BatchSize::LargeInput,
                );
            },
        );
    }
    group.finish();
}

criterion_group!(benches, detector);
criterion_main!(benches);
