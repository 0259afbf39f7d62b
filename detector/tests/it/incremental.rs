//! A detector that has been running for some time against one that has just been given the same samples.

use std::collections::BTreeMap;
use std::fmt::Write;

use firedrill_detector::query::Query;
use firedrill_detector::sample::METRIC_NAME;
use firedrill_detector::unit_test::TestFile;
use firedrill_detector::{
    Compat, Detector, Emitted, Labels, RuleFile, RuleSet, Sample, Schedule, Timestamp,
};
use proptest::prelude::*;

use crate::random::{Random, expression, series};

const SAMPLES: usize = 60;
const STEP_MS: i64 = 30_000;
const EXPRESSIONS: usize = 8;
/// Longer than most expressions look back.
const PAUSE_MS: i64 = 80 * STEP_MS;

const SCHEDULE: Schedule = Schedule {
    start: Timestamp(0),
    interval_ms: STEP_MS,
    phase_ms: 0,
};

/// Bits of values by labels, the recorded name in place of the metric's.
type Values = BTreeMap<Labels, u64>;

/// Rules that record every expression twice, so that it is shared, under the names `r0` and `twice0` and so on.
fn recording_rules(expressions: &[String], compat: Compat) -> RuleSet {
    let mut text = String::from("groups:\n- name: g\n  rules:\n");
    for (place, expr) in expressions.iter().enumerate() {
        for name in ["r", "twice"] {
            writeln!(text, "  - {{ record: {name}{place}, expr: '{expr}' }}").unwrap();
        }
    }
    let file = RuleFile {
        name: "rules.yml".into(),
        text,
    };
    RuleSet::load(&[file], compat).unwrap()
}

/// Random series; some begin late or pause for so long that everybody has forgotten them.
fn input(random: &mut Random) -> Vec<(Labels, Vec<(i64, f64)>)> {
    let mut text = String::from("tests:\n- interval: 30s\n  input_series:\n");
    for (series, values) in series(random, SAMPLES) {
        writeln!(text, "  - {{ series: '{series}', values: '{values}' }}").unwrap();
    }
    let test = TestFile::parse("random.yml", &text).unwrap();
    let series = test.input_series(0);
    series
        .map(|(labels, samples)| {
            let mut samples = samples.to_vec();
            if random.chance(60) {
                let first_late = random.below(SAMPLES);
                let late = samples.iter_mut().skip(first_late);
                late.for_each(|(at_ms, _)| *at_ms += PAUSE_MS);
            }
            (labels.clone(), samples)
        })
        .collect()
}

/// What recording a fresh detector's result would write, given all samples up to the time at once. None if it fails,
/// or if recording it does because series differ in the name only.
fn recorded(found: Option<&[(Labels, f64)]>, name: &str) -> Option<Values> {
    let found = found?;
    let recorded: Values = found
        .iter()
        .map(|(labels, value)| (renamed(labels, name), value.to_bits()))
        .collect();
    (recorded.len() == found.len()).then_some(recorded)
}

fn renamed(labels: &Labels, name: &str) -> Labels {
    let others = labels.iter().filter(|(label, _)| *label != METRIC_NAME);
    Labels::from_pairs(others.chain([(METRIC_NAME, name)]))
}

fn check(seed: u64, compat: Compat) -> Result<usize, TestCaseError> {
    let mut random = Random(seed);
    let input = input(&mut random);
    let mut expressions = Vec::new();
    let mut queries = Vec::new();
    // Who looks at a fixed point in time keeps everything since then in memory.
    let forgetful = random.chance(70);
    while queries.len() < EXPRESSIONS {
        let depth = random.below(4);
        let expression = expression(&mut random, depth);
        if forgetful
            && ["@ 0", "@ 301", "@ 600"]
                .iter()
                .any(|at| expression.contains(at))
        {
            continue;
        }
        // Some are none, to promtool as well.
        if let Ok(query) = Query::parse(&expression, compat) {
            expressions.push(expression);
            queries.push(query);
        }
    }
    let mut running = Detector::new(recording_rules(&expressions, compat), SCHEDULE);
    let references: Vec<_> = input.iter().map(|(l, _)| running.series(l)).collect();
    let mut compared = 0;
    let last = SAMPLES as i64 + PAUSE_MS / STEP_MS + 20;
    for at_ms in (0..last).map(|step| step * STEP_MS) {
        let no_rules = RuleSet::load(&[], compat).unwrap();
        let mut fresh = Detector::new(no_rules, SCHEDULE);
        for ((labels, samples), reference) in input.iter().zip(&references) {
            for (sample_ms, value) in samples.iter().filter(|sample| sample.0 <= at_ms) {
                let at = Timestamp(*sample_ms);
                if *sample_ms == at_ms {
                    running.append(*reference, at, *value);
                }
                let (labels, value) = (labels.clone(), *value);
                fresh.ingest(&Sample { labels, at, value });
            }
        }
        let at = Timestamp(at_ms);
        let failed: Vec<String> = running
            .advance(at)
            .into_iter()
            .filter_map(|outcome| match outcome {
                Emitted::Error(error) => Some(error.rule),
                Emitted::Transition(_) => None,
            })
            .collect();
        for (place, query) in queries.iter().enumerate() {
            let fresh = fresh.query(query, at).ok();
            for name in ["r", "twice"] {
                let name = format!("{name}{place}");
                let expected = recorded(fresh.as_deref(), &name);
                let found = if failed.contains(&name) {
                    None
                } else {
                    let written = Query::parse(&name, compat).unwrap();
                    let found = running.query(&written, at).unwrap();
                    let bits = |(labels, value): (Labels, f64)| (labels, value.to_bits());
                    Some(found.into_iter().map(bits).collect::<Values>())
                };
                prop_assert_eq!(
                    &found,
                    &expected,
                    "seed {}: {} at {} ms",
                    seed,
                    expressions[place],
                    at_ms
                );
                compared += expected.map_or(0, |values| values.len());
            }
        }
    }
    Ok(compared)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

    /// Bit by bit, whatever windows slide over, whatever is shared, and however much has been forgotten.
    #[test]
    fn a_running_detector_equals_a_fresh_one(seed in any::<u64>(), generation in 0..2) {
        let compat = if generation == 0 { Compat::V2 } else { Compat::V3 };
        let compared = check(seed, compat)?;
        // Expressions none of which has a value prove nothing: that case is had once more, with others.
        prop_assume!(compared > 0);
    }
}
