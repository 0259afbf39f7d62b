//! An alert that lets go because its series vanished is told from one that is over.

use firedrill_detector::sample::stale_marker;
use firedrill_detector::{
    AlertState, Compat, Detector, Emitted, Labels, RuleFile, RuleSet, Sample, Schedule, Timestamp,
};

/// What an alert with this expression reports, a value a minute; none: nothing was scraped, so the series ends.
fn reported(rule: &str, values: &[Option<f64>]) -> Vec<(i64, AlertState, bool, bool)> {
    let file = RuleFile {
        name: "r.yml".into(),
        text: format!(
            "groups: [{{ name: g, rules: [{{ record: high, expr: m > 5 }}, {{ alert: A, {rule} }}] }}]"
        ),
    };
    let rules = RuleSet::load(&[file], Compat::V3).expect("the rules are fine");
    let schedule = Schedule {
        start: Timestamp(0),
        interval_ms: 60_000,
        phase_ms: 1,
    };
    let mut detector = Detector::new(rules, schedule);
    let mut found = Vec::new();
    let mut before = None;
    for (minute, value) in (0_i64..).zip(values) {
        let sample = match (value, before) {
            (Some(value), _) => Some(*value),
            (None, Some(())) => Some(stale_marker()),
            (None, None) => None,
        };
        before = value.map(|_| ());
        for name in ["m", "other"] {
            let value = if name == "m" { sample } else { Some(1.0) };
            if let Some(value) = value {
                detector.ingest(&Sample {
                    labels: Labels::metric(name, []),
                    at: Timestamp(minute * 60_000),
                    value,
                });
            }
        }
        for outcome in detector.advance(Timestamp(minute * 60_000 + 1)) {
            let Emitted::Transition(t) = outcome else {
                panic!("{outcome:?}")
            };
            found.push((minute, t.to, t.data_gone, t.data_back));
        }
    }
    found
}

use AlertState::{Firing, Inactive, Pending};

/// High, vanished for three minutes, high again for three, and over.
const VANISHES: [Option<f64>; 10] = [
    Some(9.0),
    Some(9.0),
    None,
    None,
    None,
    Some(9.0),
    Some(9.0),
    Some(9.0),
    Some(1.0),
    Some(9.0),
];

#[test]
fn the_same_alarm_goes_on_when_the_data_are_back() {
    for expr in [
        "m > 5",
        "m > 5 and other",
        "m > bool 5 == 1",
        "m > on () other",
        "m > 5 unless other > 1",
    ] {
        assert_eq!(
            reported(&format!("expr: {expr}"), &VANISHES),
            [
                (0, Firing, false, false),
                (2, Inactive, true, false),
                (5, Firing, false, true),
                (8, Inactive, false, false),
                (9, Firing, false, false),
            ],
            "{expr}"
        );
    }
    assert_eq!(
        reported("expr: m > 5, for: 2m", &VANISHES),
        [
            (0, Pending, false, false),
            (2, Inactive, true, false),
            (5, Pending, false, true),
            (7, Firing, false, true),
            (8, Inactive, false, false),
            (9, Pending, false, false),
        ],
        "a condition that was waiting goes on, too"
    );
}

#[test]
fn data_that_are_back_without_the_condition_end_the_alarm() {
    let values = [
        Some(9.0),
        None,
        Some(1.0),
        Some(9.0),
        Some(1.0),
        None,
        Some(9.0),
    ];
    assert_eq!(
        reported("expr: m > 5", &values),
        [
            (0, Firing, false, false),
            (1, Inactive, true, false),
            (3, Firing, false, false),
            (4, Inactive, false, false),
            (6, Firing, false, false),
        ],
        "it was over before the data vanished"
    );
    let kept = reported("expr: m > 5, keep_firing_for: 2m", &values[3..]);
    assert_eq!(
        kept,
        [(0, Firing, false, false)],
        "kept firing until it holds again"
    );
    let kept = [Some(9.0), Some(1.0), None, None, Some(9.0)];
    assert_eq!(
        reported("expr: m > 5, keep_firing_for: 1m", &kept)[1],
        (2, Inactive, false, false),
        "what ended it was its condition"
    );
}

#[test]
fn absence_that_is_asked_for_is_no_loss() {
    for expr in [
        "absent(m)",
        "high",
        "m > 5 or absent(nothing)",
        "ALERTS{alertname=\"B\"} or high",
    ] {
        let found = reported(&format!("expr: '{expr}'"), &VANISHES);
        assert!(!found.is_empty(), "{expr}");
        assert!(
            found.iter().all(|(_, _, gone, back)| !gone && !back),
            "{expr}: {found:?}"
        );
    }
}
