//! A trial says what a detector with the changed rules says.

use firedrill_detector::sample::stale_marker;
use firedrill_detector::tuning::{Holds, SettingValue, Settings, Trial, TrialError, Tried};
use firedrill_detector::{
    AlertState, Compat, Detector, Emitted, Labels, RuleFile, RuleSet, Sample, Schedule, Timestamp,
};
use proptest::prelude::*;

/// Filters at the top and deep inside, labels that depend on the value, collisions that depend on the threshold, and
/// expressions that fail on some samples.
const RULES: &str = r#"
groups:
- name: one
  interval: 30s
  rules:
  - { record: 'r', expr: 'sum by (job) (c) > 4' }
  - { alert: Top, expr: g > 5, for: 1m }
  - { alert: First, expr: 5 <= r, keep_firing_for: 1m }
  - { alert: Both, expr: g > 4 and on(i) c > 2, for: 30s, keep_firing_for: 45s }
  - { alert: Deep, expr: (sum by (i) (g) > bool 5) + on(i) group_right c > 3 }
  - { alert: Bool, expr: g == bool 3, for: 30s }
  - alert: Values
    expr: g > 3
    labels: { size: '{{ $value }}', i: '' }
  - { alert: Collides, expr: '{__name__=~"g|c"} > 6', for: 30s }
- name: two
  rules:
  - { alert: Fails, expr: g / ignoring(i) c < 2, for: 40s }
  - { alert: Reads, expr: 'ALERTS{alertname="Fixed"} == 1' }
  - { alert: Fixed, expr: g > 7 }
"#;

/// The alerts with thresholds, how many each has, and their place among all.
const ALERTS: [(&str, usize, usize); 8] = [
    ("Top", 1, 0),
    ("First", 1, 1),
    ("Both", 2, 2),
    ("Deep", 2, 3),
    ("Bool", 1, 4),
    ("Values", 1, 5),
    ("Collides", 1, 6),
    ("Fails", 1, 7),
];

const SCHEDULE: Schedule = Schedule {
    start: Timestamp(0),
    interval_ms: 40_000,
    phase_ms: 7_000,
};

fn settings() -> Settings {
    let file = RuleFile {
        name: "rules.yml".into(),
        text: RULES.into(),
    };
    Settings::load(vec![file], Compat::V3).expect("the rules are fine")
}

fn run(mut detector: Detector, samples: &[Sample]) -> (Vec<Emitted>, Detector) {
    let mut outcomes = Vec::new();
    for sample in samples {
        outcomes.extend(detector.advance(Timestamp(sample.at.0 - 1)));
        detector.ingest(sample);
    }
    outcomes.extend(detector.advance(Timestamp(1_500_000)));
    (outcomes, detector)
}

fn samples() -> impl Strategy<Value = Vec<Sample>> {
    let value = prop_oneof![
        8 => (0..12_i32).prop_map(f64::from),
        1 => Just(stale_marker()),
        1 => Just(f64::NAN),
    ];
    let scrape = prop::collection::vec(prop::option::weighted(0.6, value), 6);
    prop::collection::vec(scrape, 1..70).prop_map(|scrapes| {
        let mut samples = Vec::new();
        for (at, scrape) in (0_i64..).zip(scrapes) {
            for (series, value) in scrape.into_iter().enumerate() {
                let Some(value) = value else { continue };
                let name = if series < 3 { "g" } else { "c" };
                let i = (series % 3).to_string();
                samples.push(Sample {
                    labels: Labels::metric(name, [("job", "x"), ("i", &i)]),
                    at: Timestamp(at * 15_000),
                    value,
                });
            }
        }
        samples
    })
}

/// What an alert did, as text, since a NaN value differs from itself.
fn of_alert(outcomes: &[Emitted], alert: &str) -> (Vec<String>, Vec<String>) {
    let (mut steps, mut errors) = (Vec::new(), Vec::new());
    for outcome in outcomes {
        match outcome {
            Emitted::Transition(t) if t.alert == alert => {
                steps.push(format!(
                    "{} {} {} {} {:?} {} {}",
                    t.at.0, t.labels, t.from, t.to, t.value, t.data_gone, t.data_back
                ));
            }
            Emitted::Error(error) if error.rule == alert => {
                errors.push(format!("{} {}", error.at.0, error.message));
            }
            _ => {}
        }
    }
    (steps, errors)
}

fn of_trial(tried: &Tried, variant: usize, holds: Holds) -> (Vec<String>, Vec<String>) {
    let presence = tried.presence(variant).expect("it was tried");
    let steps = presence.steps(holds);
    let show = |step: &firedrill_detector::tuning::Step| {
        let labels = &tried.instances()[step.instance];
        format!(
            "{} {labels} {} {} {:?} {} {}",
            step.at.0, step.from, step.to, step.value, step.data_gone, step.data_back
        )
    };
    let errors = presence.errors().iter();
    (
        steps.iter().map(show).collect(),
        errors
            .map(|(at, message)| format!("{} {message}", at.0))
            .collect(),
    )
}

/// The rules with the alert's values changed in their text.
fn changed(alert: &str, count: usize, set: &[(usize, f64)], holds: Holds) -> RuleSet {
    let mut settings = settings();
    let mut change = |key: &str, value| {
        let setting = settings.find(&format!("{alert}.{key}")).unwrap().clone();
        settings = settings.change(&setting, value).unwrap();
    };
    for (place, number) in set {
        let key = match count {
            1 => "threshold".to_owned(),
            _ => format!("threshold{}", place + 1),
        };
        change(&key, SettingValue::Number(*number));
    }
    change("for", SettingValue::Milliseconds(holds.for_ms));
    change(
        "keep_firing_for",
        SettingValue::Milliseconds(holds.keep_firing_for_ms),
    );
    settings.rules().clone()
}

prop_compose! {
    fn sets()(values in prop::collection::vec((-2..24_i32, -2..24_i32), 1..5)) -> Vec<[f64; 2]> {
        values.iter().map(|(a, b)| [f64::from(*a) / 2.0, f64::from(*b) / 2.0]).collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_trial_equals_the_changed_rules(
        samples in samples(),
        sets in sets(),
        at in 0..ALERTS.len(),
        hold_steps in prop::collection::vec((0..12_i64, 0..12_i64), 1..4),
    ) {
        let rules = settings().rules().clone();
        let thresholds = |count: usize| -> Vec<Vec<(usize, f64)>> {
            sets.iter().map(|set| set.iter().copied().enumerate().take(count).collect()).collect()
        };
        let (alert, count, place) = ALERTS[at];
        let trials = [Trial::new(&rules, place, &thresholds(count)).unwrap()];
        let (outcomes, detector) = run(Detector::trying(rules, SCHEDULE, &trials), &samples);
        let without_data: Vec<String> = detector.never_had_data().into_iter().map(|rule| rule.rule).collect();
        let tried = &detector.into_tried()[0];
        prop_assert_eq!(alert, tried.alert());
        for (variant, set) in thresholds(count).iter().enumerate() {
            for (for_steps, keep_steps) in &hold_steps {
                let holds = Holds {
                    for_ms: for_steps * 10_000,
                    keep_firing_for_ms: keep_steps * 10_000,
                };
                let rules = changed(alert, count, set, holds);
                let (expected, _) = run(Detector::new(rules, SCHEDULE), &samples);
                prop_assert_eq!(
                    of_trial(tried, variant, holds),
                    of_alert(&expected, alert),
                    "{} with {:?} and {:?}", alert, set, holds
                );
            }
        }
        // The others are not disturbed.
        let (alone, detector) = run(Detector::new(settings().rules().clone(), SCHEDULE), &samples);
        let expected: Vec<String> = detector.never_had_data().into_iter().map(|rule| rule.rule).collect();
        prop_assert_eq!(without_data, expected);
        for alert in ["r", "Reads", "Fixed"] {
            prop_assert_eq!(of_alert(&outcomes, alert), of_alert(&alone, alert));
        }
    }
}

#[test]
fn the_alert_as_it_stands_is_a_trial_too() {
    let rules = settings().rules().clone();
    let trial = Trial::new(&rules, 0, &[Vec::new()]).unwrap();
    let labels = Labels::metric("g", [("i", "0")]);
    let samples: Vec<Sample> = (0..20)
        .map(|step| Sample {
            labels: labels.clone(),
            at: Timestamp(step * 15_000),
            value: 9.0,
        })
        .collect();
    let detector = Detector::trying(rules, SCHEDULE, std::slice::from_ref(&trial));
    let tried = run(detector, &samples).1.into_tried();
    let steps = tried[0].presence(0).unwrap().steps(trial.holds());
    let states: Vec<AlertState> = steps.iter().map(|step| step.to).collect();
    assert_eq!(
        states,
        [
            AlertState::Pending,
            AlertState::Firing,
            AlertState::Inactive
        ]
    );
}

#[test]
fn alerts_that_others_depend_on_are_refused() {
    let try_alert = |rules: &str| {
        let file = RuleFile {
            name: "rules.yml".into(),
            text: rules.into(),
        };
        let rules = RuleSet::load(&[file], Compat::V3).unwrap();
        Trial::new(&rules, 0, &[vec![(0, 1.0)]]).map(|_| ())
    };
    let with = |other: &str| {
        try_alert(&format!(
            "groups: [{{ name: g, rules: [{{ alert: A, expr: a > 5 }}, {{ alert: B, expr: '{other}' }}] }}]"
        ))
    };
    assert_eq!(with("ALERTS{alertname!=\"A\"}"), Ok(()));
    assert_eq!(with("{__name__=~\"a|b\"}"), Ok(()));
    for reading in [
        "ALERTS",
        "ALERTS_FOR_STATE{alertname=~\"A.*\"}",
        "{severity=\"page\"}",
    ] {
        assert!(
            matches!(with(reading), Err(TrialError::Read { reader, .. }) if reader == "B"),
            "{reading}"
        );
    }
    assert!(matches!(
        try_alert("groups: [{ name: g, limit: 2, rules: [{ alert: A, expr: a > 5 }] }]"),
        Err(TrialError::Limit { .. })
    ));
    assert!(matches!(
        try_alert("groups: [{ name: g, rules: [{ alert: A, expr: a }] }]"),
        Err(TrialError::Thresholds { .. })
    ));
}
