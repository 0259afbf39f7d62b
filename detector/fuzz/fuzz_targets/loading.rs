//! Any text as a rule file and as a test file: it is loaded or refused, and what is loaded can be evaluated.

#![no_main]

use firedrill_detector::unit_test::TestFile;
use firedrill_detector::{Compat, Detector, Labels, RuleFile, Sample, Schedule, Timestamp};
use firedrill_detector::tuning::Settings;
use libfuzzer_sys::fuzz_target;

const SCHEDULE: Schedule = Schedule {
    start: Timestamp(0),
    interval_ms: 60_000,
    phase_ms: 0,
};

fuzz_target!(|text: &str| {
    let file = RuleFile {
        name: "rules.yml".into(),
        text: text.into(),
    };
    let _ = TestFile::parse("test.yml", text);
    for compat in [Compat::V2, Compat::V3] {
        let Ok(settings) = Settings::load(vec![file.clone()], compat) else {
            continue;
        };
        let mut detector = Detector::new(settings.rules().clone(), SCHEDULE);
        for minute in 0..3 {
            let at = Timestamp(minute * 60_000);
            detector.ingest(&Sample {
                labels: Labels::metric("up", [("job", "mail")]),
                at,
                value: minute as f64,
            });
            detector.advance(at);
        }
    }
});
