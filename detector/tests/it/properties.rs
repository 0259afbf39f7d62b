//! What must hold whatever the samples are.

use std::collections::BTreeMap;

use firedrill_detector::sample::stale_marker;
use firedrill_detector::{
    AlertState, Compat, Detector, Emitted, Labels, RuleFile, RuleSet, Sample, Schedule, Timestamp,
};
use proptest::prelude::*;

const RULES: &str = r#"
groups:
- name: one
  interval: 30s
  rules:
  - { record: 'r', expr: 'sum by (job) (c)' }
  - { alert: AtOnce, expr: g > 5 }
  - { alert: Waits, expr: g > 5, for: 1m, labels: { severity: page } }
  - { alert: Keeps, expr: 'rate(c[2m]) > 0.1', for: 30s, keep_firing_for: 1m }
  - { alert: Recorded, expr: r > 20, for: 45s }
- name: two
  limit: 1
  rules:
  - { alert: Limited, expr: g > 3, for: 1m }
  - { alert: Ratio, expr: 'g / on(job, i) c < 0.5' }
  - { alert: Missing, expr: 'absent(g{job="x"})', for: 30s }
"#;

fn detector(phase_ms: i64) -> Detector {
    let file = RuleFile {
        name: "rules.yml".into(),
        text: RULES.into(),
    };
    let rules = RuleSet::load(&[file], Compat::V3).expect("the rules are fine");
    let schedule = Schedule {
        start: Timestamp(0),
        interval_ms: 40_000,
        phase_ms,
    };
    Detector::new(rules, schedule)
}

/// Scrapes of a few series, fifteen seconds apart, each series present in most of them.
fn samples() -> impl Strategy<Value = Vec<Sample>> {
    let value = prop_oneof![
        6 => (0..12i32).prop_map(f64::from),
        1 => Just(stale_marker()),
        1 => Just(f64::NAN),
    ];
    let scrape = prop::collection::vec(prop::option::weighted(0.8, value), 6);
    prop::collection::vec(scrape, 1..80).prop_map(|scrapes| {
        let mut samples = Vec::new();
        for (at, scrape) in scrapes.into_iter().enumerate() {
            for (series, value) in scrape.into_iter().enumerate() {
                let Some(value) = value else { continue };
                let name = if series < 3 { "g" } else { "c" };
                let i = (series % 3).to_string();
                samples.push(Sample {
                    labels: Labels::metric(name, [("job", "x"), ("i", &i)]),
                    at: Timestamp(at as i64 * 15_000),
                    value,
                });
            }
        }
        samples
    })
}

/// Transitions and errors as text, since a NaN value differs from itself.
fn shown(outcomes: &[Emitted]) -> Vec<String> {
    outcomes
        .iter()
        .map(|outcome| format!("{outcome:?}"))
        .collect()
}

fn batch(samples: &[Sample], phase_ms: i64) -> Vec<Emitted> {
    let mut detector = detector(phase_ms);
    samples.iter().for_each(|sample| detector.ingest(sample));
    detector.advance(Timestamp(1_500_000))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn step_by_step_equals_all_at_once(samples in samples(), phase_ms in 0..90_000i64) {
        let mut detector = detector(phase_ms);
        let mut outcomes = Vec::new();
        for sample in &samples {
            outcomes.extend(detector.advance(Timestamp(sample.at.0 - 1)));
            detector.ingest(sample);
        }
        outcomes.extend(detector.advance(Timestamp(1_500_000)));
        prop_assert_eq!(shown(&outcomes), shown(&batch(&samples, phase_ms)));
    }

    #[test]
    fn series_order_and_repeats_do_not_matter(samples in samples()) {
        let mut other = samples.clone();
        // Stable: every series stays in order of time.
        other.sort_by(|a, b| b.labels.cmp(&a.labels));
        let repeated: Vec<Sample> = other.iter().flat_map(|s| [s.clone(), s.clone()]).collect();
        let expected = shown(&batch(&samples, 0));
        prop_assert_eq!(&shown(&batch(&other, 0)), &expected);
        prop_assert_eq!(&shown(&batch(&repeated, 0)), &expected);
    }

    #[test]
    fn references_are_as_good_as_labels(samples in samples()) {
        let mut detector = detector(0);
        for sample in &samples {
            let series = detector.series(&sample.labels);
            prop_assert_eq!(detector.series(&sample.labels), series);
            detector.append(series, sample.at, sample.value);
        }
        let outcomes = detector.advance(Timestamp(1_500_000));
        prop_assert_eq!(shown(&outcomes), shown(&batch(&samples, 0)));
    }

    #[test]
    fn only_legal_transitions(samples in samples(), phase_ms in 0..90_000i64) {
        let mut states: BTreeMap<(String, Labels), AlertState> = BTreeMap::new();
        let mut last = Timestamp(i64::MIN);
        for outcome in batch(&samples, phase_ms) {
            let Emitted::Transition(transition) = outcome else { continue };
            prop_assert!(transition.at >= last);
            last = transition.at;
            let at_once = ["AtOnce", "Ratio"].contains(&transition.alert.as_str());
            let legal = match (transition.from, transition.to) {
                (AlertState::Inactive, AlertState::Pending)
                | (AlertState::Pending, AlertState::Firing | AlertState::Inactive) => !at_once,
                (AlertState::Inactive, AlertState::Firing) => at_once,
                (AlertState::Firing, AlertState::Inactive) => true,
                _ => false,
            };
            prop_assert!(legal, "{transition:?}");
            let key = (transition.alert.clone(), transition.labels.clone());
            let before = states.insert(key, transition.to).unwrap_or(AlertState::Inactive);
            prop_assert_eq!(before, transition.from);
        }
    }
}

#[test]
fn a_reference_outlives_its_samples() {
    const HOUR_MS: i64 = 3_600_000;
    let mut detector = detector(0);
    let labels = Labels::metric("g", [("job", "y"), ("i", "1")]);
    let series = detector.series(&labels);
    let mut fired_at = Vec::new();
    for hour in 1..=3 {
        // Between two of these samples the series is forgotten, and its place is taken by another one.
        let other = Labels::metric("g", [("job", "z"), ("hour", &hour.to_string())]);
        let other = detector.series(&other);
        detector.append(series, Timestamp(hour * HOUR_MS), 6.0);
        detector.append(other, Timestamp(hour * HOUR_MS + HOUR_MS / 2), 6.0);
        for outcome in detector.advance(Timestamp(hour * HOUR_MS + HOUR_MS * 9 / 10)) {
            let Emitted::Transition(t) = outcome else {
                continue;
            };
            let of_series = t.labels.get("job") == Some("y") && t.alert == "AtOnce";
            if of_series && t.to == AlertState::Firing {
                fired_at.push(t.at.0 / HOUR_MS);
            }
        }
    }
    assert_eq!(fired_at, [1, 2, 3]);
}
