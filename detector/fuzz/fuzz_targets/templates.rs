//! Any text as the template of a label and an annotation: it is refused or expanded, in bounded time and space.

#![no_main]

use firedrill_detector::{Compat, Detector, Labels, RuleFile, RuleSet, Sample, Schedule, Timestamp};
use libfuzzer_sys::fuzz_target;

const SCHEDULE: Schedule = Schedule {
    start: Timestamp(0),
    interval_ms: 60_000,
    phase_ms: 0,
};

fuzz_target!(|text: &str| {
    // A control character would be refused before it is part of a template.
    let visible = |char: &char| !char.is_control() || *char == '\n';
    let text: String = text.chars().filter(visible).collect();
    let quoted = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let file = RuleFile {
        name: "rules.yml".into(),
        text: format!(
            "groups: [{{ name: g, rules: [{{ alert: A, expr: up > 0, labels: {{ a: \"{quoted}\" }}, annotations: {{ a: \"{quoted}\" }} }}] }}]"
        ),
    };
    for compat in [Compat::V2, Compat::V3] {
        let Ok(rules) = RuleSet::load(std::slice::from_ref(&file), compat) else {
            continue;
        };
        let mut detector = Detector::new(rules, SCHEDULE);
        detector.ingest(&Sample {
            labels: Labels::metric("up", [("job", "mail"), ("queue", "low")]),
            at: Timestamp(0),
            value: 2.5,
        });
        detector.advance(Timestamp(0));
    }
});
