//! Drills that prove nothing.

use super::*;
use crate::record::{Audit, Gap, GapKind, Interference, Lag, Meddling, Unexplained};

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
fn alarms_of_workers_that_the_machine_starved_prove_nothing() {
    // Seconds at which the detection fired; a third of minutes 15 to 19 was lost.
    let fired_at = |fires: i64, lost_ms: i64| {
        let mut paper = Paper::new(600, 3600)
            .incident("db_slow", 1200, None, 2400, 1500)
            .fires("JobLatencyHigh", fires - 60, fires, 2400);
        let lag = Lag {
            lost_ms: (15..20).map(|minute| (minute * 60_000, lost_ms)).collect(),
            ..Lag::default()
        };
        paper.record.lines.push(Line::Lag(lag));
        paper.score()
    };
    let starved = fired_at(1300, 20_000);
    assert_eq!(starved.verdict, Verdict::Inconclusive);
    assert!(starved.too_fast, "a lower speed would help");
    let reason = "the machine took 33 % of the workers' capacity from minute 15 to 20, which may have made JobLatencyHigh \
                  fire; try a lower --speed";
    assert!(
        starved.inconclusive.contains(&reason.to_owned()),
        "{:?}",
        starved.inconclusive
    );
    assert_eq!(fired_at(1300, 6_000).verdict, Verdict::Passed);
    // Nothing is red of a quiet drill.
    let mut quiet = Paper::new(600, 3600).benign(0, 3600);
    let lost_ms = (15..20).map(|minute| (minute * 60_000, 20_000)).collect();
    let lag = Lag {
        lost_ms,
        ..Lag::default()
    };
    quiet.record.lines.push(Line::Lag(lag));
    assert_eq!(quiet.score().verdict, Verdict::Passed);
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

/// A paper drill in which something was `s` seconds late from second `at` on.
fn with_gap(mut paper: Paper, what: GapKind, at: i64, s: i64) -> DrillScore {
    let gap = Gap {
        what,
        subject: "w-0".into(),
        at_ms: at * 1_000,
        ms: s * 1_000,
    };
    let lag = Lag {
        gaps: vec![gap],
        ..Lag::default()
    };
    paper.record.lines.push(Line::Lag(lag));
    paper.score()
}

#[test]
fn what_was_done_from_outside_is_told_with_its_time() {
    let mut paper = Paper::new(600, 3600).benign(0, 3600);
    paper.record.lines.push(Line::Interference(Interference {
        at_ms: 1_230_000,
        until_ms: None,
        what: Meddling::Ended,
        subject: "w-0".into(),
        saw: "was ended by signal 9".into(),
    }));
    let score = paper.score();
    assert_eq!(
        (score.verdict, score.inconclusive),
        (
            Verdict::Inconclusive,
            vec![
                "interference: w-0: was ended by signal 9 in minute 20.5; no step of the plan did that"
                    .to_owned()
            ]
        )
    );
}

#[test]
fn a_stall_changes_nothing_where_nothing_is_decided() {
    // Evaluated every 60 s, scraped every 15 s.
    let quiet = || Paper::new(600, 3600).benign(0, 3600);
    for what in [GapKind::Enqueue, GapKind::Stall, GapKind::Scrape] {
        assert_eq!(with_gap(quiet(), what, 1_000, 12).verdict, Verdict::Passed);
        assert_eq!(with_gap(quiet(), what, 1_000, 90).verdict, Verdict::Passed);
    }
    let blind = with_gap(quiet(), GapKind::Stall, 1_000, 301);
    assert_eq!(blind.verdict, Verdict::Inconclusive);
    assert!(blind.inconclusive[0].contains("longer than Prometheus looks back"));
    // A detection with time to spare, and a stall while it was made.
    let seen = || {
        Paper::new(600, 3600)
            .incident("db_slow", 1200, None, 2400, 1500)
            .fires("JobLatencyHigh", 1260, 1300, 2400)
    };
    assert_eq!(
        with_gap(seen(), GapKind::Stall, 1_250, 90).verdict,
        Verdict::Passed
    );
    // It was told of at 1330, the deadline is 1500.
    assert_eq!(
        with_gap(seen(), GapKind::Stall, 1_250, 171).verdict,
        Verdict::Inconclusive
    );
    assert_eq!(
        with_gap(seen(), GapKind::Stall, 900, 171).verdict,
        Verdict::Passed,
        "it was over before the fault"
    );
}

#[test]
fn an_alarm_that_a_stall_may_have_made_proves_nothing() {
    let wolf = |until: i64| {
        Paper::new(600, 3600)
            .benign(0, 3600)
            .fires("JobLatencyHigh", 1_900, 1_960, until)
    };
    assert_eq!(wolf(2_000).score().verdict, Verdict::Failed);
    let with = |at, s, until| with_gap(wolf(until), GapKind::Stall, at, s).verdict;
    // A minute and a half, and its reach of nine minutes.
    assert_eq!(with(1_850, 90, 2_000), Verdict::Inconclusive);
    assert_eq!(
        with(1_850, 90, 3_000),
        Verdict::Failed,
        "it outlasts the reach"
    );
    assert_eq!(with(1_000, 90, 2_000), Verdict::Failed, "it is over");
    // A short one reaches no further than itself: from the end to the notification at 1990 it does not.
    assert_eq!(with(1_895, 30, 2_021), Verdict::Failed);
    assert_eq!(with(1_895, 50, 2_000), Verdict::Inconclusive);
    let score = with_gap(wolf(2_000), GapKind::Stall, 1_850, 90);
    assert_eq!(
        score.inconclusive[0],
        "w-0 did not run for 90.0 s of virtual time in minute 30.8, which may have made JobLatencyHigh fire; try a \
         lower --speed"
    );
}

#[test]
fn an_incident_that_nobody_saw_may_have_been_seen_without_the_stall() {
    let unseen = || Paper::new(600, 3600).incident("db_slow", 1200, None, 2400, 1500);
    let with = |s| with_gap(unseen(), GapKind::Scrape, 1_300, s).verdict;
    assert_eq!(
        (with(100), with(150)),
        (Verdict::Failed, Verdict::Inconclusive)
    );
    // Its alert was pending, and let go when the stall ended.
    let pending = |let_go: i64, s: i64| {
        let mut paper = unseen();
        let turn = |at: i64, from, to| {
            Line::Transition(Transition {
                at_ms: at * 1_000,
                group: "g".into(),
                alert: "JobLatencyHigh".into(),
                labels: [("severity".to_owned(), "page".to_owned())].into(),
                from,
                to,
                value: None,
                data_gone: false,
                data_back: false,
            })
        };
        use AlertState::{Inactive, Pending};
        paper.record.lines.push(turn(1_250, Inactive, Pending));
        paper.record.lines.push(turn(let_go, Pending, Inactive));
        with_gap(paper, GapKind::Scrape, 1_300, s).verdict
    };
    assert_eq!(pending(1_400, 90), Verdict::Inconclusive);
    assert_eq!(
        pending(1_400, 30),
        Verdict::Failed,
        "shorter than an evaluation"
    );
    assert_eq!(pending(1_600, 90), Verdict::Failed, "long after it");
}

#[test]
fn work_lost_to_the_harness_counts_near_a_deadline() {
    let with = |lost_ms: i64, at_ms: i64, slot_overhead: f64| {
        let mut paper = Paper::new(600, 3600)
            .incident("db_slow", 1200, None, 2400, 1500)
            // Told of at 1490.
            .fires("JobLatencyHigh", 1_400, 1_460, 2_400);
        let lag = Lag {
            lost_ms: vec![(at_ms, lost_ms)],
            slot_overhead,
            ..Lag::default()
        };
        paper.record.lines.push(Line::Lag(lag));
        paper.score().verdict
    };
    assert_eq!(with(9_000, 1_260_000, 0.0), Verdict::Passed);
    assert_eq!(with(10_000, 1_260_000, 0.0), Verdict::Inconclusive);
    assert_eq!(
        with(10_000, 900_000, 0.2),
        Verdict::Passed,
        "before the fault"
    );
    assert_eq!(
        with(1_000, 1_260_000, 0.2),
        Verdict::Inconclusive,
        "slots were busy, and each held a fifth longer"
    );
}

#[test]
fn a_drill_in_which_nothing_comes_or_users_wait_all_along_is_no_harmless_one() {
    let with = |audit: Audit| {
        let mut paper = Paper::new(600, 3600).benign(0, 3600);
        paper.record.lines.push(Line::Audit(audit));
        paper.score().inconclusive
    };
    let came = Audit {
        enqueued: 9,
        ..Audit::default()
    };
    assert_eq!(with(came.clone()), Vec::<String>::new());
    let idle = Audit {
        idle: true,
        ..came.clone()
    };
    assert!(with(idle)[0].starts_with("nothing was enqueued after the warm-up"));
    let waiting = Audit {
        waiting: vec!["mail".into()],
        ..came
    };
    assert!(with(waiting)[0].starts_with("tasks of the queue mail waited beyond"));
}

#[test]
fn tasks_that_nothing_explains_prove_nothing() {
    let with = |unexplained: Unexplained, enqueued: u64| {
        let mut paper = Paper::new(600, 3600).benign(0, 3600);
        paper.record.lines.push(Line::Audit(Audit {
            enqueued,
            unexplained,
            ..Audit::default()
        }));
        let score = paper.score();
        assert_eq!(
            score.verdict == Verdict::Passed,
            score.inconclusive.is_empty()
        );
        score.inconclusive
    };
    assert_eq!(with(Unexplained::default(), 9), Vec::<String>::new());
    assert_eq!(
        with(Unexplained::default(), 0),
        ["nothing was enqueued: alerts had nothing to look at"]
    );
    let found = Unexplained {
        rejected: 3,
        lost: 1,
        run_twice: 2,
        foreign: 4,
        never_came: vec!["mail".into()],
        examples: vec![
            "lost t-7".into(),
            "foreign f-1".into(),
            "foreign f-2".into(),
        ],
    };
    assert_eq!(
        with(found, 9),
        [
            "3 tasks were rejected while no step of the plan had Redis away",
            "1 task was lost, and no step of the plan loses any, e.g. t-7",
            "2 tasks were run again, and no step of the plan repeats any",
            "4 tasks were in the drill's queues that nobody in the drill enqueued, e.g. f-1",
            "nothing of the workload `mail` was ever enqueued",
        ]
    );
}

#[test]
fn an_alarm_that_is_over_about_when_it_is_sent_proves_nothing_under_lag() {
    // Sent half a minute after it fires.
    let with = |paper: Paper, until: i64, lag_ms: i64| {
        let mut paper = paper.fires("JobLatencyHigh", 1300, 1300, until);
        let lag = Lag {
            scrape_ms: [0, lag_ms, lag_ms],
            ..Lag::default()
        };
        paper.record.lines.push(Line::Lag(lag));
        paper.score()
    };
    let quiet = || Paper::new(600, 7200).benign(1000, 4500);
    let outage = || Paper::new(600, 7200).incident("db_slow", 1200, Some(1200), 2400, 1500);
    use Verdict::{Failed, Inconclusive, Passed};
    for (until, lag_ms, silent, seen) in [
        (1320, 5_000, Passed, Failed),
        (1320, 10_000, Inconclusive, Inconclusive),
        (1340, 10_000, Inconclusive, Inconclusive),
        (1340, 5_000, Failed, Passed),
        (1330, 0, Passed, Failed),
    ] {
        let what = format!("over at {until}, lag {lag_ms} ms");
        assert_eq!(with(quiet(), until, lag_ms).verdict, silent, "{what}");
        assert_eq!(with(outage(), until, lag_ms).verdict, seen, "{what}");
    }
    let told = with(quiet(), 1320, 10_000).inconclusive;
    assert!(
        told[0].starts_with("JobLatencyHigh was over 10.0 s before its notification"),
        "{told:?}"
    );
    // A single delay reaches as far; and another alarm that was sent in time makes it matter no more.
    let gap = with_gap(
        outage().fires("JobLatencyHigh", 1300, 1300, 1320),
        GapKind::Scrape,
        1301,
        12,
    );
    assert_eq!(gap.verdict, Inconclusive, "{gap:?}");
    let sure = outage().fires("JobLatencyHigh", 1380, 1380, 2400);
    assert_eq!(with(sure, 1320, 10_000).verdict, Passed);
}

#[test]
fn a_step_that_left_no_mark_proves_nothing() {
    let with = |keep: &dyn Fn(&Line) -> bool, end: i64| {
        let mut paper = Paper::new(600, end).benign(0, end);
        super::edges::step(&mut paper, "slow", (1200, 1800), (1200, 1800));
        paper.record.lines.retain(keep);
        paper.score().inconclusive
    };
    let but = |phase: crate::record::Phase| move |line: &Line| !matches!(line, Line::Mark(mark) if mark.phase == Some(phase));
    use crate::record::Phase::{Begin, End};
    assert_eq!(with(&|_| true, 3600), Vec::<String>::new());
    for (phase, told) in [
        (
            Begin,
            "the beginning of handler.slow (step slow), due in minute 20.0",
        ),
        (
            End,
            "the end of handler.slow (step slow), due in minute 30.0",
        ),
    ] {
        let why = with(&but(phase), 3600);
        assert_eq!(why.len(), 1, "{why:?}");
        assert!(why[0].contains(told), "{why:?}");
    }
    assert_eq!(
        with(&but(End), 1810),
        Vec::<String>::new(),
        "it may be waited for"
    );
    let late = with(&|line| !matches!(line, Line::Mark(_)), 1210);
    let expected =
        "handler.slow (step slow), due in minute 20.0, was not done: the drill ended first";
    assert!(late.iter().any(|why| why.starts_with(expected)), "{late:?}");
    assert_eq!(
        with(&|line| !matches!(line, Line::Mark(_)), 1200),
        Vec::<String>::new()
    );
}

#[test]
fn targets_that_were_not_scraped_are_seen_but_for_what_is_broken_by_plan() {
    // A drill of an hour with a step from 20:00 to 30:00, and a target that is scraped but for a while.
    let with = |from: i64, to: i64| {
        let mut paper = Paper::new(600, 3600).benign(0, 3600);
        super::edges::step(&mut paper, "slow", (1200, 1800), (1200, 1800));
        let times = (0..3600).step_by(15).filter(|at| !(from..to).contains(at));
        paper.record.lines.extend(times.map(|at| Line::Scrape {
            at_ms: at * 1000,
            target: "worker/w-0".into(),
            values: Vec::new(),
        }));
        paper.record.lines.push(Line::Lag(Lag::default()));
        paper.score().inconclusive
    };
    assert_eq!(with(0, 0), Vec::<String>::new());
    assert_eq!(
        with(1200, 1900),
        Vec::<String>::new(),
        "it is broken by plan"
    );
    for (from, to) in [
        (600, 1190),
        (600, 1300),
        (1300, 2400),
        (30, 3600),
        (2000, 3600),
    ] {
        let why = with(from, to);
        assert!(
            why.iter()
                .any(|why| why.contains("worker/w-0 was scraped") && why.contains("longer than")),
            "{from} to {to}: {why:?}"
        );
    }
}
