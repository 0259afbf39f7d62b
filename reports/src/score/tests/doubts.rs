//! Drills that prove nothing.

use super::*;

#[test]
fn a_drill_cut_short_is_censored_or_inconclusive() {
    let short = Paper::new(600, 1400)
        .incident("db_slow", 1200, None, 2400, 1500)
        .score();
    assert_eq!(outcomes(&short), [Outcome::Censored]);
    assert_eq!(short.verdict, Verdict::Inconclusive, "that is no miss");
    let unborn = Paper::new(600, 1000)
        .incident("db_slow", 1200, None, 2400, 1500)
        .score();
    assert_eq!(
        (unborn.verdict, unborn.exposure_ms),
        (Verdict::Inconclusive, 400_000)
    );
    let open = Paper::new(600, 2000)
        .incident("db_slow", 1200, None, 2400, 1500)
        .fires("JobLatencyHigh", 1300, 1400, 9000)
        .score();
    assert!(open.episodes[0].episode.open && open.episodes[0].class == Class::Hit);

    let mut paper = Paper::new(600, 3600).benign(0, 3600);
    paper.record.complete = false;
    let score = paper.score();
    assert_eq!(score.verdict, Verdict::Inconclusive);
    assert_eq!(Scorecard::new(vec![score]).summary.inconclusive, 1);
}

#[test]
fn lag_that_could_have_decided_makes_a_drill_inconclusive() {
    let with = |enqueue_p99: i64, fires: i64| {
        let mut paper = Paper::new(600, 3600)
            .incident("db_slow", 1200, None, 2400, 1500)
            .fires("JobLatencyHigh", fires - 60, fires, 2400);
        let lag = Lag {
            enqueue_ms: [0, enqueue_p99, enqueue_p99],
            ..Lag::default()
        };
        paper.record.lines.push(Line::Lag(lag));
        paper.score().verdict
    };
    assert_eq!(with(1_000, 1400), Verdict::Passed);
    assert_eq!(
        with(1_000, 1469),
        Verdict::Inconclusive,
        "within the lag of the deadline"
    );
    assert_eq!(
        with(61_000, 1300),
        Verdict::Inconclusive,
        "more than an evaluation interval"
    );
}

#[test]
fn a_harness_that_costs_a_quarter_of_the_capacity_proves_nothing() {
    let with = |slot_overhead: f64| {
        let mut paper = Paper::new(600, 3600).benign(0, 3600);
        let lag = Lag {
            slot_overhead,
            ..Lag::default()
        };
        paper.record.lines.push(Line::Lag(lag));
        paper.score().verdict
    };
    assert_eq!(
        (with(0.2), with(0.3)),
        (Verdict::Passed, Verdict::Inconclusive)
    );
}

#[test]
fn a_fault_without_effect_proves_nothing() {
    let mut paper = Paper::new(600, 3600).incident("db_slow", 1200, None, 2400, 1500);
    paper.record.lines.push(Line::Mark(crate::record::Mark {
        step: None,
        phase: None,
        planned_ms: 1_200_000,
        at_ms: 1_200_000,
        what: "handler.slow".into(),
        targets: vec!["handlers".into()],
        verified: false,
        saw: "no handler was affected".into(),
    }));
    let score = paper.score();
    assert_eq!(score.verdict, Verdict::Inconclusive);
    assert!(score.inconclusive[0].contains("had no effect"));
}

#[test]
fn handlers_may_overrun_by_a_scrape_interval() {
    let with = |handler_p99: i64| {
        let mut paper = Paper::new(600, 3600).benign(0, 3600);
        let lag = Lag {
            handler_ms: [0, handler_p99, handler_p99],
            ..Lag::default()
        };
        paper.record.lines.push(Line::Lag(lag));
        paper.score().verdict
    };
    // Scraped every 15 s, evaluated every 60 s.
    assert_eq!(
        (with(75_000), with(75_001)),
        (Verdict::Passed, Verdict::Inconclusive)
    );
}

#[test]
fn silence_without_data_passes_nothing() {
    let paper = |blind: &[&str]| {
        let mut paper = Paper::new(600, 3600).benign(0, 3600);
        let lines = blind.iter().map(|rule| Line::NoData {
            rule: (*rule).to_owned(),
        });
        paper.record.lines.extend(lines);
        paper
    };
    let all = paper(&[]).score().alerts;
    let names: Vec<&str> = all.iter().map(|alert| alert.alert.as_str()).collect();
    assert_eq!(paper(&names[1..]).score().verdict, Verdict::Passed);
    let blind = paper(&names).score();
    assert_eq!(blind.verdict, Verdict::Inconclusive);
    assert_eq!(
        blind.inconclusive,
        ["none of the alerts had data: their silence says nothing"]
    );
    assert_eq!(Scorecard::new(vec![blind]).never_had_data, names);
    // An incident nobody could see was missed all the same.
    let missed = paper(&names).incident("db_slow", 1200, None, 2400, 1500);
    assert_eq!(missed.score().verdict, Verdict::Failed);
}
