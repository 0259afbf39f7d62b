//! Scoring by hand: the worked example, and the edge cases.

mod causes;
mod doubts;
mod edges;
mod heard;
mod routed;
mod tables;
mod untold;

use super::judge::Class;
use super::*;
use crate::pack::Role;
use crate::record::Transition;
use crate::record::{
    AlertState, BenignWindow, FORMAT, Header, Impact, PlannedIncident, RuleText, Wanted,
};
use std::collections::BTreeMap;

/// A drill on paper; all times in seconds.
pub(crate) struct Paper {
    pub(crate) record: Record,
    pub(crate) pack: RulePack,
}

const CAUSES: &str = "\
# firedrill: pages = page
# firedrill: cause worker_stall expects QueueStalled
# firedrill: cause worker_stall accepts BacklogGrowing
# firedrill: cause db_slow expects JobLatencyHigh
# firedrill: cause poison_job expects FailureRatio
";

impl Paper {
    pub(crate) fn new(warmup: i64, end: i64) -> Self {
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
            began_ms: None,
            rehearsal: None,
            duration_ms: end * 1000,
            warmup_ms: warmup * 1000,
            scrape_interval_ms: 15_000,
            evaluation_interval_ms: 60_000,
            evaluation_phase_ms: 0,
            group_wait_ms: crate::record::GROUP_WAIT_MS,
            group_interval_ms: crate::record::GROUP_INTERVAL_MS,
            alertmanager: None,
            steps: Vec::new(),
            rules,
            reading: Default::default(),
            plan: String::new(),
            incidents: Vec::new(),
            benign: Vec::new(),
            gates: Vec::new(),
            environment: BTreeMap::new(),
        };
        let footer = Line::Footer {
            at_ms: end * 1000,
            real_seconds: 1.0,
            aborted: None,
            lines: None,
            checksum: None,
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

    pub(crate) fn incident(
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
            step: None,
            queues: Vec::new(),
        });
        let (first_ms, last_ms) = (impact.map(|at| at * 1000), impact.map(|_| end * 1000));
        self.record.lines.push(Line::Impact(Impact {
            incident: id,
            first_ms,
            last_ms,
            harmed_tasks: 9,
            queues: Vec::new(),
            unmet: false,
        }));
        self
    }

    pub(crate) fn benign(mut self, from: i64, until: i64) -> Self {
        let window = BenignWindow {
            what: "deploy".into(),
            starts_ms: from * 1000,
            ends_ms: until * 1000,
        };
        self.record.header.benign.push(window);
        self
    }

    /// An episode; `pending` is when the alert became pending.
    pub(crate) fn fires(mut self, alert: &str, pending: i64, start: i64, end: i64) -> Self {
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
                    data_gone: false,
                    data_back: false,
                }));
            }
        }
        self
    }

    pub(crate) fn score(mut self) -> DrillScore {
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
