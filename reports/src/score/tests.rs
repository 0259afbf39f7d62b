//! Scoring by hand: the worked example, and the edge cases.

use super::*;
use crate::record::Transition;
use crate::record::{
    AlertState, BenignWindow, FORMAT, Header, Impact, PlannedIncident, RuleText, Wanted,
};
use std::collections::BTreeMap;

/// A drill on paper; all times in seconds.
struct Paper {
    record: Record,
    pack: RulePack,
}

const CAUSES: &str = "\
# firedrill: pages = page
# firedrill: cause worker_stall expects QueueStalled
# firedrill: cause worker_stall accepts BacklogGrowing
# firedrill: cause db_slow expects JobLatencyHigh
# firedrill: cause poison_job expects FailureRatio
";

impl Paper {
    fn new(warmup: i64, end: i64) -> Self {
        let rules = vec![RuleText {
            name: "r.yml".into(),
            text: CAUSES.into(),
        }];
        let alerts = [
            "JobLatencyHigh",
            "QueueStalled",
            "FailureRatio",
            "BacklogGrowing",
        ]
        .map(str::to_owned);
        let pack = RulePack::parse(&rules, &alerts).unwrap();
        let header = Header {
            format: FORMAT.into(),
            tool_version: "0".into(),
            scenario: "paper".into(),
            family: "other".into(),
            summary: "On paper.".into(),
            seed: 1,
            engine: "live".into(),
            speed: 60.0,
            epoch_ms: 0,
            duration_ms: end * 1000,
            warmup_ms: warmup * 1000,
            scrape_interval_ms: 15_000,
            evaluation_interval_ms: 60_000,
            evaluation_phase_ms: 0,
            rules,
            plan: String::new(),
            incidents: Vec::new(),
            benign: Vec::new(),
            environment: BTreeMap::new(),
        };
        let footer = Line::Footer {
            at_ms: end * 1000,
            real_seconds: 1.0,
            aborted: None,
        };
        Self {
            record: Record {
                header,
                lines: vec![footer],
                complete: true,
            },
            pack,
        }
    }

    fn incident(
        mut self,
        cause: &str,
        fault: i64,
        impact: Option<i64>,
        end: i64,
        deadline: i64,
    ) -> Self {
        let id = u32::try_from(self.record.header.incidents.len()).unwrap();
        self.record.header.incidents.push(PlannedIncident {
            id,
            cause: cause.into(),
            wanted: Wanted::Page,
            starts_ms: fault * 1000,
            ends_ms: end * 1000,
            deadline_ms: deadline * 1000,
        });
        let (first_ms, last_ms) = (impact.map(|at| at * 1000), impact.map(|_| end * 1000));
        self.record.lines.push(Line::Impact(Impact {
            incident: id,
            first_ms,
            last_ms,
            harmed_tasks: 9,
        }));
        self
    }

    fn benign(mut self, from: i64, until: i64) -> Self {
        let window = BenignWindow {
            what: "deploy".into(),
            starts_ms: from * 1000,
            ends_ms: until * 1000,
        };
        self.record.header.benign.push(window);
        self
    }

    /// An episode; `pending` is when the alert became pending.
    fn fires(mut self, alert: &str, pending: i64, start: i64, end: i64) -> Self {
        use AlertState::{Firing, Inactive, Pending};
        for (at, from, to) in [
            (pending, Inactive, Pending),
            (start, Pending, Firing),
            (end, Firing, Inactive),
        ] {
            if at * 1000 <= self.record.end_ms() {
                self.record.lines.push(Line::Transition(Transition {
                    at_ms: at * 1000,
                    group: "g".into(),
                    alert: alert.into(),
                    labels: BTreeMap::from([("severity".into(), "page".into())]),
                    from,
                    to,
                    value: None,
                }));
            }
        }
        self
    }

    fn score(mut self) -> DrillScore {
        // As in a record: in order of time, the footer last.
        self.record.lines.sort_by_key(|line| match line {
            Line::Transition(transition) => transition.at_ms,
            Line::Footer { .. } => i64::MAX,
            _ => 0,
        });
        score_recorded(&self.record, &self.pack, &ScoreParams::default())
    }
}

fn classes(score: &DrillScore) -> Vec<Class> {
    score.episodes.iter().map(|judged| judged.class).collect()
}

fn outcomes(score: &DrillScore) -> Vec<Outcome> {
    score
        .incidents
        .iter()
        .map(|incident| incident.outcome)
        .collect()
}

#[test]
fn the_worked_example() {
    let score = Paper::new(1800, 23_400)
        .incident("worker_stall", 3600, Some(3720), 5400, 4020)
        .incident("db_slow", 9000, Some(9000), 9900, 9300)
        .incident("poison_job", 15_000, Some(15_300), 16_200, 15_600)
        .benign(12_000, 12_600)
        .fires("BacklogGrowing", 3780, 3780, 6000)
        .fires("QueueStalled", 3660, 3960, 4500)
        .fires("QueueStalled", 4620, 4620, 5700)
        .fires("FailureRatio", 9300, 9300, 10_200)
        .fires("JobLatencyHigh", 9960, 9960, 10_500)
        .fires("BacklogGrowing", 12_240, 12_240, 12_480)
        .fires("FailureRatio", 15_060, 15_180, 16_140)
        .fires("QueueStalled", 20_040, 20_040, 20_220)
        .score();
    use Class::{BenignFalse, False, Hit, Misattributed, Post, Related, Repeat};
    assert_eq!(
        classes(&score),
        [
            Related,
            Hit,
            Repeat,
            Misattributed,
            Post,
            BenignFalse,
            Hit,
            False
        ]
    );
    assert_eq!(
        outcomes(&score),
        [Outcome::OnTime, Outcome::Missed, Outcome::Early]
    );
    assert!(score.incidents[1].seen_after);
    let first = score.incidents[0].detection.as_ref().unwrap();
    assert_eq!(
        (first.pending_ms, first.fired_ms, first.delivered_ms),
        (3_660_000, 3_960_000, 3_990_000)
    );
    let per_incident =
        |value: fn(&IncidentScore) -> i64| score.incidents.iter().map(value).collect::<Vec<_>>();
    assert_eq!(per_incident(|i| i.undetected_ms), [270_000, 900_000, 0]);
    assert_eq!(per_incident(|i| i.impact_ms), [1_680_000, 900_000, 900_000]);
    assert_eq!(per_incident(|i| i.gap_ms), [120_000, 0, 60_000]);
    assert_eq!(
        score
            .incidents
            .iter()
            .map(|i| i.reset_ms)
            .collect::<Vec<_>>(),
        [Some(300_000), None, Some(-60_000)]
    );
    assert_eq!(
        score.incidents[0].first_page.as_deref(),
        Some("BacklogGrowing")
    );
    assert_eq!(
        score.incidents[1].first_page.as_deref(),
        Some("FailureRatio")
    );
    assert_eq!(score.exposure_ms, 15_900_000);
    assert_eq!(score.verdict, Verdict::Failed);

    let summary = Scorecard::new(vec![score]).summary;
    assert_eq!(summary.recall, stats::Share::new(2, 3));
    assert_eq!(summary.recall_at_deadline, stats::Share::new(2, 3));
    assert_eq!(summary.precision, stats::Share::new(2, 5));
    assert_eq!(summary.useful_pages, stats::Share::new(2, 8));
    assert_eq!(summary.benign_trips, stats::Share::new(1, 1));
    assert_eq!(summary.latency_ms, Some([Some(390_000), None]));
    assert_eq!(summary.undetected_ms, (1_170_000, 3_480_000));
    assert_eq!(summary.recall_lenient, stats::Share::new(2, 3));
    assert_eq!(summary.precision_lenient, stats::Share::new(2, 4));
    assert_eq!(summary.latency_fire_ms, Some([Some(360_000), None]));
    assert_eq!(summary.mean_undetected_ms, Some(500_000.0));
    assert!((summary.mean_undetected_share.unwrap() - 0.387).abs() < 5e-4);
    let time = FiringTime {
        firing_ms: 4_800_000,
        in_incidents_ms: 4_380_000,
        right_ms: (1320 + 960) * 1000,
        incidents_ms: 3_900_000,
    };
    assert_eq!(summary.time, time);
    assert_eq!(
        (summary.top1, summary.top1_lenient),
        (stats::Share::new(1, 3), stats::Share::new(2, 3))
    );
    assert_eq!(summary.false_pages, 2);
    let (rate, low, high) = summary.false_pages_per_week().unwrap();
    assert!(
        (rate - 76.0).abs() < 0.5 && (low - 9.2).abs() < 0.1 && (high - 275.0).abs() < 1.0,
        "{rate} {low} {high}"
    );
}

#[test]
fn nothing_to_detect_and_nothing_sent() {
    let quiet = Paper::new(600, 3600).benign(0, 3600).score();
    assert_eq!(quiet.verdict, Verdict::Passed);
    let summary = Scorecard::new(vec![quiet]).summary;
    assert_eq!(
        (summary.recall, summary.precision, summary.latency_ms),
        (None, None, None)
    );
    assert_eq!(summary.benign_trips, stats::Share::new(0, 1));

    let blind = Paper::new(600, 3600)
        .incident("db_slow", 1200, Some(1200), 2400, 1500)
        .score();
    assert_eq!(outcomes(&blind), [Outcome::Missed]);
    assert_eq!(
        blind
            .alerts
            .iter()
            .map(|a| a.did.clone())
            .collect::<Vec<_>>(),
        [Did::Missed, Did::Silent, Did::Silent, Did::Silent]
    );
    assert_eq!(
        Scorecard::new(vec![blind]).summary.recall,
        stats::Share::new(0, 1)
    );
}

#[test]
fn an_alert_from_the_warm_up_is_ignored_but_can_mask() {
    let score = Paper::new(600, 3600)
        .incident("db_slow", 1200, Some(1200), 2400, 1500)
        .fires("JobLatencyHigh", 300, 500, 1800)
        .score();
    assert_eq!(
        (classes(&score), outcomes(&score)),
        (vec![Class::Ignored], vec![Outcome::Masked])
    );
    assert_eq!(score.alerts[0].did, Did::Masked);
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
    assert_eq!(at(1500), (Class::Hit, Outcome::OnTime), "at the deadline");
    assert_eq!(at(1501), (Class::Hit, Outcome::Late));
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
        with(1_000, 1499),
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
        planned_ms: 1_200_000,
        at_ms: 1_200_000,
        what: "handler.slow".into(),
        target: "handlers".into(),
        verified: false,
        note: "no handler was affected".into(),
    }));
    let score = paper.score();
    assert_eq!(score.verdict, Verdict::Inconclusive);
    assert!(score.inconclusive[0].contains("had no effect"));
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
        .fires("JobLatencyHigh", 1500, 1500, 3700)
        .fires("JobLatencyHigh", 3800, 3800, 3900)
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
    assert_eq!(score.incidents[0].gap_ms, 100_000);
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
fn tickets_and_pages_have_tables_of_their_own() {
    let mut paper = Paper::new(600, 9000)
        .incident("db_slow", 1200, None, 2400, 1500)
        .fires("JobLatencyHigh", 1200, 1300, 2400)
        .fires("FailureRatio", 6000, 6000, 6100);
    paper.record.header.incidents[0].wanted = Wanted::Ticket;
    for line in &mut paper.record.lines {
        if let Line::Transition(transition) = line
            && transition.alert == "FailureRatio"
        {
            transition.labels = BTreeMap::from([("severity".into(), "ticket".into())]);
        }
    }
    let card = Scorecard::new(vec![paper.score()]);
    assert_eq!(
        card.verdict(),
        Verdict::Passed,
        "a page does for a ticket, and a needless ticket wakes nobody"
    );
    let pages = &card.summary;
    assert_eq!((pages.recall, pages.precision), (None, None));
    assert_eq!((pages.over_escalated, pages.false_pages), (1, 0));
    let tickets = card.tickets.unwrap();
    assert_eq!(tickets.recall_at_deadline, stats::Share::new(1, 1));
    assert_eq!(tickets.precision, stats::Share::new(1, 2));
    assert!(!card.drills[0].alerts[2].false_alarms[0].page);
}

#[test]
fn a_ticket_is_not_enough_for_an_incident_that_deserves_a_page() {
    let mut paper = Paper::new(600, 9000)
        .incident("db_slow", 1200, None, 2400, 1500)
        .fires("JobLatencyHigh", 1200, 1300, 2400);
    paper.pack.pages = BTreeSet::from(["critical".to_owned()]);
    let score = paper.score();
    assert_eq!(
        (outcomes(&score), classes(&score)),
        (vec![Outcome::Missed], vec![Class::Related])
    );
}

#[test]
fn a_rule_that_fails_is_told_once() {
    let mut paper = Paper::new(600, 3600).incident("db_slow", 1200, None, 2400, 1500);
    for step in 0..200 {
        paper.record.lines.push(Line::RuleError {
            at_ms: step * 15_000,
            rule: "QueueStalled".into(),
            message: "many-to-many matching".into(),
        });
    }
    assert_eq!(
        paper.score().rule_errors,
        [
            "QueueStalled: many-to-many matching (200 times, first in minute 0.0; also while an incident was on)"
        ]
    );
}

#[test]
fn alerts_that_say_nothing_are_listed() {
    let mut paper = Paper::new(600, 3600)
        .benign(0, 3600)
        .fires("QueueStalled", 0, 300, 9000);
    let no_data = Line::NoData {
        rule: "BacklogGrowing".into(),
    };
    paper.record.lines.push(no_data);
    let card = Scorecard::new(vec![paper.score()]);
    assert_eq!(card.never_fired, ["JobLatencyHigh", "FailureRatio"]);
    assert_eq!(card.never_had_data, ["BacklogGrowing"]);
    assert_eq!(card.always_firing, ["QueueStalled"]);
}
