//! On a steady path, taking samples in and evaluating rules asks for no memory.

use allocation_counter::measure;
use firedrill_detector::detector::SeriesRef;
use firedrill_detector::{Compat, Detector, Labels, RuleFile, RuleSet, Schedule, Timestamp};

const STEP_MS: i64 = 15_000;

/// Pending, firing and silent alerts, recording rules, and every kind of expression but those that make new label
/// sets of values (`count_values`, `$value` in labels).
const RULES: &str = r#"
groups:
- name: g
  rules:
  - { alert: Backlog, expr: 'sum(rate(c{status="ok"}[5m])) / sum(rate(c[5m])) < 0.9', for: 10m, labels: { severity: page } }
  - { alert: Failing, expr: 'sum(rate(c{status="failed"}[5m])) / sum(rate(c[5m])) > 0.1', annotations: { a: '{{ $value }}' } }
  - { alert: Stalled, expr: 'sum(rate(c[5m])) == 0 and sum(increase(c[20m])) > 0', for: 10m }
  - { alert: Waiting, expr: 'g > 1', for: 30d }
  - { alert: Missing, expr: 'absent(nothing{a="b"}) or absent_over_time(nothing[5m])' }
  - { record: 'q:c:rate', expr: 'sum by (q) (rate(c[2m]))' }
  - { record: busiest, expr: 'topk(2, q:c:rate)' }
  - { record: p90, expr: 'histogram_quantile(0.9, sum by (le) (rate(h_bucket[5m])))' }
  - { record: quantiles, expr: 'quantile by (q) (0.5, c) + on (q) group_left () count by (q) (c)' }
  - { record: over_time, expr: 'max_over_time(g[5m]) - avg_over_time(g[5m]) + stddev_over_time(g[5m]) * quantile_over_time(0.5, g[5m])' }
  - { record: subquery, expr: 'max_over_time(sum(rate(c[1m]))[5m:30s])' }
  - { record: trend, expr: 'predict_linear(g[5m], 60) - deriv(g[5m]) + changes(g[5m]) + resets(g[5m])' }
  - { record: relabelled, expr: 'label_replace(g, "q", "$1", "i", "(.*)") unless on (i) g{i="1"}' }
  - { record: plain, expr: 'clamp_max(round(sort_desc(-g)), 3) + scalar(sum(g)) ^ 2 > bool time() - timestamp(g)' }
  - { record: spread, expr: 'stdvar by (q) (c) + avg by (q) (c) + min by (q) (c) + max by (q) (c) + group by (q) (c)' }
"#;

struct Feed {
    detector: Detector,
    series: Vec<SeriesRef>,
    step: i64,
}

impl Feed {
    fn new(compat: Compat) -> Self {
        let file = RuleFile {
            name: "rules.yml".into(),
            text: RULES.into(),
        };
        let rules = RuleSet::load(&[file], compat).expect("the rules are fine");
        let schedule = Schedule {
            start: Timestamp(0),
            interval_ms: STEP_MS,
            phase_ms: 0,
        };
        let mut detector = Detector::new(rules, schedule);
        let mut series = Vec::new();
        for number in 0..12 {
            let (i, q) = (number.to_string(), (number / 4).to_string());
            let status = ["ok", "failed"][number % 2];
            let le = ["0.1", "1", "+Inf"][number % 3];
            for labels in [
                Labels::metric("c", [("i", i.as_str()), ("q", &q), ("status", status)]),
                Labels::metric("g", [("i", i.as_str())]),
                Labels::metric("h_bucket", [("q", q.as_str()), ("le", le)]),
            ] {
                series.push(detector.series(&labels));
            }
        }
        Self {
            detector,
            series,
            step: 0,
        }
    }

    /// Feeds and evaluates so many steps; how many outcomes there were.
    fn steps(&mut self, count: i64) -> usize {
        let mut outcomes = 0;
        for _ in 0..count {
            let at = Timestamp(self.step * STEP_MS);
            for (number, series) in self.series.iter().enumerate() {
                // Counters with a reset now and then, so that nothing is constant.
                let value = (self.step % 97 * (number as i64 + 1)) as f64 + 2.0;
                self.detector.append(*series, at, value);
            }
            outcomes += self.detector.advance(at).len();
            self.step += 1;
        }
        outcomes
    }
}

#[test]
fn the_steady_path_allocates_nothing() {
    const HOURS: i64 = 3600 * 1000 / STEP_MS;
    for compat in [Compat::V2, Compat::V3] {
        let mut feed = Feed::new(compat);
        let before = measure(|| assert!(feed.steps(6 * HOURS) > 10));
        assert!(before.count_total > 1000, "the counter counts");
        let mut outcomes = 0;
        let steady = measure(|| outcomes = feed.steps(HOURS));
        assert_eq!(
            outcomes, 0,
            "a transition may allocate, so there must be none"
        );
        assert_eq!(steady.count_total, 0, "{compat:?}: {steady:?}");
    }
}
