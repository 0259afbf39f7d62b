//! The edges of incidents and episodes.

use super::*;
use crate::record::{Phase, PlannedStep};

#[test]
fn an_alert_from_the_warm_up_stands_and_masks() {
    let score = Paper::new(600, 3600)
        .incident("db_slow", 1200, Some(1200), 2400, 1500)
        .fires("JobLatencyHigh", 300, 500, 1800)
        .score();
    assert_eq!(
        (classes(&score), outcomes(&score)),
        (vec![Class::Standing], vec![Outcome::Masked])
    );
    assert_eq!(score.alerts[0].on[0].did, Did::Masked);
    assert_eq!(score.verdict, Verdict::Failed);
}

#[test]
fn the_edges_of_an_incident() {
    let at = |start: i64| {
        let score = Paper::new(600, 7200)
            .incident("db_slow", 1200, None, 2400, 1500)
            .fires("JobLatencyHigh", start, start, start + 60)
            .score();
        (classes(&score)[0], outcomes(&score)[0])
    };
    assert_eq!(
        at(1199),
        (Class::False, Outcome::Masked),
        "firing already when it begins"
    );
    assert_eq!(at(1200), (Class::Hit, Outcome::OnTime));
    assert_eq!(
        at(1470),
        (Class::Hit, Outcome::OnTime),
        "told at the deadline"
    );
    assert_eq!(
        at(1471),
        (Class::Hit, Outcome::Late),
        "fired before it, and told after it"
    );
    assert_eq!(at(2399), (Class::Hit, Outcome::Late));
    assert_eq!(at(2400), (Class::Post, Outcome::Missed));
    assert_eq!(at(2999), (Class::Post, Outcome::Missed));
    assert_eq!(
        at(3000),
        (Class::False, Outcome::Missed),
        "the grace is over"
    );
}

#[test]
fn overlapping_incidents_share_no_episode() {
    let score = Paper::new(600, 7200)
        .incident("db_slow", 1200, None, 3600, 1500)
        .incident("db_slow", 1800, None, 3600, 2400)
        .fires("JobLatencyHigh", 1900, 2000, 3000)
        .score();
    assert_eq!(
        outcomes(&score),
        [Outcome::Missed, Outcome::OnTime],
        "it hits the later one only"
    );
    assert_eq!(
        score.exposure_ms,
        (7200 - 600 - 3000) * 1000,
        "time in both counts once"
    );

    let score = Paper::new(600, 9000)
        .incident("db_slow", 1200, None, 2400, 1500)
        .incident("db_slow", 3600, None, 4800, 3900)
        .fires("JobLatencyHigh", 1300, 1400, 4200)
        .score();
    assert_eq!(
        outcomes(&score),
        [Outcome::OnTime, Outcome::Masked],
        "one long episode says nothing of the second"
    );
}

#[test]
fn letting_go_while_the_outage_goes_on() {
    let score = Paper::new(600, 9000)
        .incident("db_slow", 1200, Some(1260), 6000, 1500)
        .fires("JobLatencyHigh", 1300, 1400, 4800)
        .score();
    let Did::Detected {
        fired_ms,
        in_time,
        let_go_ms,
        over_ms,
        flaps,
        ..
    } = score.alerts[0].did
    else {
        panic!()
    };
    assert_eq!(
        (fired_ms, in_time, let_go_ms, over_ms, flaps),
        (1_400_000, true, Some(4_800_000), Some(4_800_000), 0)
    );
    assert_eq!(
        (score.incidents[0].reset_ms, score.incidents[0].gap_ms),
        (Some(-1_200_000), 1_200_000)
    );
    assert_eq!(score.verdict, Verdict::Passed);
}

#[test]
fn an_alert_is_judged_by_the_incident_it_saw() {
    let score = Paper::new(600, 9000)
        .incident("db_slow", 1200, None, 2400, 1500)
        .incident("worker_stall", 4800, None, 6000, 5100)
        .fires("JobLatencyHigh", 1200, 1300, 2400)
        .fires("QueueStalled", 4800, 4900, 6000)
        .score();
    assert_eq!(score.verdict, Verdict::Passed);
    let stalled = &score.alerts[1];
    assert_eq!(stalled.on[0].did, Did::Silent);
    let seen = Did::Detected {
        delivered_ms: 4_930_000,
        pending_ms: 4_800_000,
        fired_ms: 4_900_000,
        in_time: true,
        let_go_ms: None,
        over_ms: Some(6_000_000),
        flaps: 0,
    };
    assert_eq!((&stalled.on[1].did, &stalled.did), (&seen, &seen));
    assert_eq!(stalled.role, Some(Role::Expected));
}

#[test]
fn a_repeat_is_a_flap_and_no_second_hit() {
    let score = Paper::new(600, 9000)
        .incident("db_slow", 1200, None, 3600, 1500)
        .fires("JobLatencyHigh", 1200, 1300, 1400)
        .fires("JobLatencyHigh", 1700, 1700, 3600)
        .fires("JobLatencyHigh", 3900, 3900, 3950)
        .score();
    assert_eq!(
        classes(&score),
        [Class::Hit, Class::Repeat, Class::Post],
        "before the grace is over nothing is false"
    );
    assert!(matches!(
        score.alerts[0].did,
        Did::Detected {
            flaps: 1,
            let_go_ms: None,
            ..
        }
    ));
    assert_eq!(
        score.incidents[0].detection.as_ref().unwrap().fired_ms,
        1_300_000
    );
    assert_eq!(score.incidents[0].gap_ms, 300_000);
}

#[test]
fn impact_does_not_move_the_deadline() {
    let felt_late = Paper::new(600, 9000)
        .incident("db_slow", 1200, Some(2000), 3600, 1500)
        .fires("JobLatencyHigh", 1600, 1700, 3600)
        .score();
    assert_eq!(outcomes(&felt_late), [Outcome::Early]);
    assert!(felt_late.incidents[0].past_deadline, "and told so");
    let over_early = Paper::new(600, 9000)
        .incident("db_slow", 1200, Some(1200), 1300, 1500)
        .fires("JobLatencyHigh", 1350, 1400, 1450)
        .score();
    assert_eq!(outcomes(&over_early), [Outcome::Missed]);
}

#[test]
fn an_incident_starts_when_its_fault_was_seen() {
    let mut paper = Paper::new(600, 9000)
        .incident("db_slow", 1200, Some(1190), 2400, 1500)
        .fires("JobLatencyHigh", 1250, 1500, 2400);
    paper.record.header.format = "firedrill-record/1.1".into();
    for (planned, at) in [(1200, 1230), (2400, 2460)] {
        paper.record.lines.push(Line::Mark(crate::record::Mark {
            step: None,
            phase: None,
            planned_ms: planned * 1000,
            at_ms: at * 1000,
            what: "handler.slow".into(),
            targets: vec!["handlers".into()],
            verified: true,
            saw: String::new(),
        }));
    }
    let score = paper.score();
    let truth = &score.incidents[0].truth;
    assert_eq!(
        (truth.fault_ms, truth.deadline_ms, truth.end_ms),
        (1_230_000, 1_530_000, 2_460_000)
    );
    assert_eq!(
        truth.impact_ms,
        Some(1_230_000),
        "a task in flight is harmed with the fault, not before it"
    );
    assert_eq!(outcomes(&score), [Outcome::OnTime]);
}

/// A step of the timeline, seconds, and when it really began and ended.
pub(super) fn step(paper: &mut Paper, id: &str, planned: (i64, i64), seen: (i64, i64)) {
    let fault = "handler.slow".to_owned();
    paper.record.header.steps.push(PlannedStep {
        id: id.into(),
        fault: fault.clone(),
        remedy: None,
        starts_ms: planned.0 * 1000,
        ends_ms: Some(planned.1 * 1000),
        targets: Vec::new(),
        is_remedy: false,
    });
    let ends = [
        (Phase::Begin, planned.0, seen.0),
        (Phase::End, planned.1, seen.1),
    ];
    for (phase, planned, at) in ends {
        paper.record.lines.push(Line::Mark(crate::record::Mark {
            step: Some(id.into()),
            phase: Some(phase),
            planned_ms: planned * 1000,
            at_ms: at * 1000,
            what: fault.clone(),
            targets: vec!["handlers".into()],
            verified: true,
            saw: String::new(),
        }));
    }
}

#[test]
fn an_incident_moves_with_its_own_step_and_with_no_other() {
    let mut paper = Paper::new(600, 9000)
        .incident("db_slow", 1200, None, 2400, 1500)
        .incident("poison_job", 1200, None, 2400, 1500)
        // Of the first step again: while it lasts, and beyond its end.
        .incident("worker_stall", 1800, None, 2700, 2000)
        // Of no step.
        .incident("worker_stall", 1200, None, 2400, 1500);
    step(&mut paper, "db", (1200, 2400), (1230, 2460));
    step(&mut paper, "poison", (1200, 2400), (1207, 2403));
    for (incident, step) in ["db", "poison", "db"].into_iter().enumerate() {
        paper.record.header.incidents[incident].step = Some(step.into());
    }
    paper
        .record
        .lines
        .retain(|line| !matches!(line, Line::Impact(_)));
    let truths = paper.score().incidents;
    let truths: Vec<_> = truths
        .iter()
        .map(|incident| &incident.truth)
        .map(|truth| (truth.fault_ms, truth.deadline_ms, truth.end_ms))
        .map(|(fault, deadline, end)| (fault / 1000, deadline / 1000, end / 1000))
        .collect();
    assert_eq!(
        truths,
        [
            (1230, 1530, 2460),
            (1207, 1507, 2403),
            (1830, 2030, 2760),
            (1200, 1500, 2400)
        ]
    );
}

#[test]
fn an_incident_that_outlasts_the_drill_ends_with_it() {
    let score = Paper::new(600, 2000)
        .incident("db_slow", 1200, Some(1260), 2400, 1500)
        .score();
    let incident = &score.incidents[0];
    assert_eq!(incident.truth.end_ms, 2_000_000);
    assert_eq!(
        (incident.impact_ms, incident.undetected_ms),
        (740_000, 740_000)
    );
    assert_eq!(
        outcomes(&score),
        [Outcome::Missed],
        "its deadline was reached"
    );
    let open = Paper::new(600, 2000)
        .incident("db_slow", 1200, Some(1260), 2400, 1500)
        .fires("JobLatencyHigh", 1300, 1400, 9000)
        .score();
    assert!(open.incidents[0].reset_open, "when it lets go is not known");
    assert!(matches!(
        open.alerts[0].did,
        Did::Detected {
            let_go_ms: None,
            over_ms: None,
            ..
        }
    ));
}

#[test]
fn an_alert_lets_go_only_while_harm_goes_on() {
    let let_go = |fault_over: i64, last_harm: Option<i64>, over: i64| {
        let mut paper = Paper::new(600, 9000)
            .incident("db_slow", 1200, Some(1260), fault_over, 1500)
            .fires("JobLatencyHigh", 1300, 1400, over);
        for line in &mut paper.record.lines {
            if let Line::Impact(impact) = line {
                impact.first_ms = last_harm.map(|_| 1_260_000);
                impact.last_ms = last_harm.map(|at| at * 1000);
            }
        }
        let score = paper.score();
        let Did::Detected { let_go_ms, .. } = score.alerts[0].did else {
            panic!()
        };
        assert_eq!(score.incidents[0].let_go_ms, let_go_ms);
        let_go_ms.is_some()
    };
    assert!(let_go(6000, Some(6600), 4800));
    assert!(
        !let_go(6000, Some(6600), 6100),
        "the remedy came, and the rest is drained"
    );
    assert!(!let_go(6000, Some(4000), 4800), "nobody is harmed any more");
    assert!(!let_go(6000, None, 4800), "nobody ever was");
}

#[test]
fn who_lets_go_while_the_remedy_takes_effect_is_not_early() {
    let let_go = |over: i64| {
        let mut paper = Paper::new(600, 9000)
            .incident("db_slow", 1200, Some(1260), 6000, 1500)
            .fires("JobLatencyHigh", 1300, 1400, over);
        // The last of the workers is back 20 s after the first was started.
        step(&mut paper, "db", (1200, 6000), (1200, 6020));
        paper.record.header.incidents[0].step = Some("db".into());
        paper.score().incidents[0].let_go_ms.is_some()
    };
    assert!(let_go(5999));
    assert!(!let_go(6010));
}

#[test]
fn pages_are_delivered_as_the_header_says_unless_somebody_says_otherwise() {
    let paper = |wait_ms: i64| {
        let mut paper = Paper::new(600, 9000)
            .incident("db_slow", 1200, None, 3600, 1500)
            .fires("JobLatencyHigh", 1300, 1400, 3600);
        paper.record.header.group_wait_ms = wait_ms;
        paper
    };
    let told = |score: &DrillScore| score.incidents[0].detection.as_ref().unwrap().delivered_ms;
    let slow = paper(120_000).score();
    assert_eq!(
        (outcomes(&slow), told(&slow)),
        (vec![Outcome::Late], 1_520_000)
    );
    assert_eq!(slow.delivery.group_wait_ms, 120_000);
    let Paper { record, pack } = paper(120_000);
    let params = ScoreParams {
        group_wait_ms: Some(0),
        ..ScoreParams::default()
    };
    let quick = score_recorded(&record, &pack, &params);
    assert_eq!(
        (outcomes(&quick), told(&quick)),
        (vec![Outcome::OnTime], 1_400_000)
    );
}

#[test]
fn an_alert_is_missed_only_where_it_is_expected_by_name() {
    let drill = || {
        Paper::new(600, 9000)
            .incident("unheard_of", 1200, None, 3600, 1800)
            .fires("FailureRatio", 1300, 1400, 3600)
    };
    let score = drill().score();
    assert_eq!(score.verdict, Verdict::Passed);
    let dids: Vec<&Did> = score.alerts.iter().map(|alert| &alert.did).collect();
    assert!(matches!(dids[2], Did::Detected { in_time: true, .. }));
    assert!(
        [0, 1, 3].iter().all(|other| *dids[*other] == Did::Silent),
        "one of the pack paged: {dids:?}"
    );
    let mut named = drill();
    named.record.header.incidents[0].cause = "db_slow".into();
    let score = named.score();
    assert_eq!(score.alerts[0].did, Did::Missed);
    assert_eq!(outcomes(&score), [Outcome::Missed]);
    let mut nobody = drill();
    nobody
        .record
        .lines
        .retain(|line| !matches!(line, Line::Transition(_)));
    let score = nobody.score();
    assert_eq!(outcomes(&score), [Outcome::Missed]);
    assert!(score.alerts.iter().all(|alert| alert.did == Did::Silent));
}

const STYLE: crate::render::Style = crate::render::Style {
    colour: false,
    width: 160,
};

/// An outage from 20:00 to 40:00, by 25:00, and what fired when.
fn outage_with(fires: &[(&str, i64, i64)]) -> DrillScore {
    let paper = Paper::new(600, 7200).incident("db_slow", 1200, Some(1200), 2400, 1500);
    let fire = |paper: Paper, (alert, from, until): &(&str, i64, i64)| {
        paper.fires(alert, *from, *from, *until)
    };
    fires.iter().fold(paper, fire).score()
}

#[test]
fn an_alarm_that_is_over_before_it_is_sent_detects_nothing() {
    let score = outage_with(&[("JobLatencyHigh", 1300, 1320)]);
    assert_eq!(
        (classes(&score), outcomes(&score)),
        (vec![Class::Unsent], vec![Outcome::Missed])
    );
    let incident = &score.incidents[0];
    assert_eq!(incident.unsent.as_deref(), Some("JobLatencyHigh"));
    assert_eq!(incident.detection, None);
    assert_eq!(
        (incident.first_page.as_deref(), incident.undetected_ms),
        (None, 1_200_000)
    );
    assert_eq!(
        score.alerts[0].on[0].did,
        Did::Unsent {
            at_ms: 1_300_000,
            kept_back: None
        }
    );
    assert_eq!(score.page_time.firing_ms, 0);
    assert_eq!(score.verdict, Verdict::Failed);
    let card = Scorecard::new(vec![score]);
    assert_eq!(card.summary.precision, None, "no page was sent");
    assert_eq!(card.summary.useful_pages, None);
    let shown = crate::render::terminal(&crate::document::of_scorecard(&card, &[]), STYLE);
    assert!(
        shown.contains("MISSED, resolved before it was sent"),
        "{shown}"
    );

    // Sent the second time, which is the first that somebody was told of.
    let score = outage_with(&[
        ("JobLatencyHigh", 1300, 1320),
        ("JobLatencyHigh", 1400, 1600),
    ]);
    assert_eq!(
        (classes(&score), outcomes(&score)),
        (vec![Class::Unsent, Class::Hit], vec![Outcome::OnTime])
    );
    assert_eq!(score.incidents[0].unsent, None);
    // What was over before the incident began does not mask it, either.
    let score = outage_with(&[("JobLatencyHigh", 1190, 1210)]);
    assert_eq!(outcomes(&score), [Outcome::Missed]);
}

#[test]
fn an_alarm_that_is_over_before_it_is_sent_is_no_false_page() {
    for (alert, from, until) in [
        ("JobLatencyHigh", 4000, 4020),
        ("QueueStalled", 1300, 1320),
        ("QueueStalled", 580, 605),
    ] {
        let score = Paper::new(600, 7200)
            .benign(3900, 4500)
            .fires(alert, from, from, until)
            .score();
        assert_eq!(score.verdict, Verdict::Passed, "{alert} at {from}");
        assert_eq!(classes(&score), [Class::Unsent]);
        assert_eq!((score.benign_trips, score.page_time.firing_ms), (0, 0));
        assert!(score.standing.is_empty());
        let card = Scorecard::new(vec![score]);
        assert_eq!(
            (card.summary.false_pages, card.summary.precision),
            (0, None)
        );
        let shown = crate::render::terminal(&crate::document::of_scorecard(&card, &[]), STYLE);
        assert!(shown.contains("resolved before it was sent"), "{shown}");
    }
    // With no wait, it is sent.
    let mut paper = Paper::new(600, 7200).fires("JobLatencyHigh", 4000, 4000, 4020);
    paper.record.header.group_wait_ms = 0;
    let score = paper.score();
    assert_eq!(classes(&score), [Class::False]);
    assert_eq!(score.verdict, Verdict::Failed);
}
