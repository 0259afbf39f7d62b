//! Replays a hanging worker against one alert: `cargo run -p firedrill-detector --example evaluate`.

use firedrill_detector::{
    Compat, Detector, Emitted, Labels, Problem, RuleFile, RuleSet, Sample, Schedule, Timestamp,
};

const RULES: &str = r#"
groups:
- name: job-queue
  interval: 15s
  rules:
  - alert: JobProcessingStalled
    expr: sum(rate(job_processed_total[5m])) == 0 and sum(increase(job_processed_total[1h])) > 0
    for: 10m
    labels: { severity: warning }
    annotations: { summary: 'No jobs processed ({{ $value }} per second)' }
"#;

const SCRAPE_MS: i64 = 15_000;
const HANGS_AT_MS: i64 = 30 * 60_000;

fn main() -> Result<(), Vec<Problem>> {
    let file = RuleFile {
        name: "rules.yml".into(),
        text: RULES.into(),
    };
    let rules = RuleSet::load(&[file], Compat::V3)?;
    let schedule = Schedule {
        start: Timestamp(0),
        interval_ms: 60_000,
        phase_ms: 5_000,
    };
    let mut detector = Detector::new(rules, schedule);
    let series = Labels::metric(
        "job_processed_total",
        [("queue", "default"), ("status", "success")],
    );
    for at_ms in (0..100 * 60_000).step_by(SCRAPE_MS as usize) {
        // Ten jobs per second until the worker hangs; it stays up, so its counter stays where it was.
        detector.ingest(&Sample {
            labels: series.clone(),
            at: Timestamp(at_ms),
            value: (at_ms.min(HANGS_AT_MS) / 100) as f64,
        });
        for outcome in detector.advance(Timestamp(at_ms)) {
            match outcome {
                Emitted::Transition(transition) => println!(
                    "{:>6.2} min  {} -> {}  {}",
                    transition.at.as_secs_f64() / 60.0,
                    transition.from,
                    transition.to,
                    transition.labels,
                ),
                Emitted::Error(error) => println!("{error}"),
            }
        }
    }
    Ok(())
}
