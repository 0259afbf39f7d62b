//! Judged by what an Alertmanager file has sent.

use super::*;
use crate::alertmanager::Config;
use crate::record::Lag;
use std::sync::Arc;

const STYLE: crate::render::Style = crate::render::Style {
    colour: false,
    width: 400,
};

const RECEIVERS: &str = "
# firedrill: pages = phone
receivers:
- { name: phone, pagerduty_configs: [{}] }
- { name: slack, slack_configs: [{}] }
- { name: nobody }
time_intervals:
- { name: early, time_intervals: [{ times: [{ start_time: '00:00', end_time: '02:00' }] }] }
";

/// As without a file: a group for each alert and severity, and pages by severity.
const BY_SEVERITY: &str = "
route:
  receiver: slack
  group_by: [alertname, severity]
  repeat_interval: 1w
  routes: [{ receiver: phone, matchers: [severity=page] }]
";

fn routed(mut paper: Paper, file: &str) -> DrillScore {
    let config = Config::parse("am.yml", &format!("{RECEIVERS}{file}")).unwrap();
    paper.pack = paper.pack.delivered_by(Arc::new(config));
    paper.score()
}

fn worked_example() -> Paper {
    Paper::new(1800, 23_400)
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
        .fires("QueueStalled", 16_200, 16_200, 16_215)
        .fires("QueueStalled", 20_040, 20_040, 23_000)
        .fires("QueueStalled", 23_390, 23_390, 30_000)
}

fn outage() -> Paper {
    Paper::new(600, 40_000).incident("db_slow", 1200, Some(1200), 2400, 1500)
}

#[test]
fn a_file_that_says_what_severities_say_changes_nothing() {
    let (plain, routed) = (
        worked_example().score(),
        routed(worked_example(), BY_SEVERITY),
    );
    let told = |score: &DrillScore| -> Vec<_> {
        let each = score.episodes.iter();
        each.map(|judged| {
            let episode = &judged.episode;
            let times = (episode.start_ms, episode.delivered_ms, episode.end_ms);
            (
                judged.class,
                judged.page,
                episode.sent,
                episode.cut_off,
                times,
            )
        })
        .collect()
    };
    assert_eq!(told(&routed), told(&plain));
    assert_eq!(outcomes(&routed), outcomes(&plain));
    assert_eq!(routed.verdict, plain.verdict);
    assert!(plain.routed.is_none() && routed.routed.is_some());
}

#[test]
fn what_does_not_reach_a_person_is_missed_and_it_is_said_why() {
    let inhibited = format!(
        "{BY_SEVERITY}inhibit_rules: [{{ source_matchers: [alertname=FailureRatio], target_matchers: [alertname=JobLatencyHigh] }}]\n"
    );
    let muted = BY_SEVERITY.replace(
        "severity=page]",
        "severity=page], mute_time_intervals: [early]",
    );
    let inactive = BY_SEVERITY.replace(
        "severity=page]",
        "severity=page], active_time_intervals: [late]",
    ) + "mute_time_intervals: [{ name: late, time_intervals: [{ times: [{ start_time: '03:00', end_time: '04:00' }] }] }]\n";
    let elsewhere = BY_SEVERITY.replace("severity=page", "severity=none");
    let nowhere = elsewhere.replace("receiver: slack", "receiver: nobody");
    for (file, told) in [
        (
            &inhibited,
            "MISSED, inhibited by FailureRatio{severity=\"page\"}",
        ),
        (&muted, "MISSED, muted by the time interval early"),
        (&inactive, "MISSED, outside the time intervals late"),
        (&elsewhere, "+1:40 only to slack"),
        (&nowhere, "MISSED, routed to nobody, which sends nothing"),
    ] {
        let paper = outage().fires("JobLatencyHigh", 1270, 1270, 2000).fires(
            "FailureRatio",
            1260,
            1260,
            2100,
        );
        let score = routed(paper, file);
        assert_eq!(outcomes(&score), [Outcome::Missed], "{told}");
        let card = Scorecard::new(vec![score]);
        let shown = crate::render::terminal(&crate::document::of_scorecard(&card, &[]), STYLE);
        assert!(shown.contains(told), "{told}\n{shown}");
        let json: serde_json::Value =
            serde_json::from_str(&crate::render::json(&(&card).into())).unwrap();
        assert_eq!(json["drills"][0]["alertmanager"]["file"], "am.yml");
    }
}

#[test]
fn an_incident_is_detected_when_the_page_is_sent() {
    let file = BY_SEVERITY.replace(
        "matchers: [severity=page]",
        "matchers: [severity=page], group_wait: 4m",
    );
    let paper = outage().fires("JobLatencyHigh", 1270, 1270, 2000);
    let score = routed(paper, &file);
    let detection = score.incidents[0].detection.as_ref().unwrap();
    assert_eq!(
        (detection.fired_ms, detection.delivered_ms),
        (1_270_000, 1_510_000)
    );
    assert_eq!(outcomes(&score), [Outcome::Late]);
}

#[test]
fn a_reminder_of_a_false_alarm_is_another_false_page() {
    let file = BY_SEVERITY.replace("1w", "4h");
    let paper = outage().fires("JobLatencyHigh", 1270, 1270, 2000).fires(
        "QueueStalled",
        6000,
        6000,
        36_000,
    );
    let score = routed(paper, &file);
    let own = score.routed.as_ref().unwrap();
    // At 6030 s, and four hours and a group_interval later.
    assert_eq!((own.pages, own.repeats, own.false_pages), (4, 2, 3));
    let times: Vec<i64> = own
        .notifications
        .iter()
        .map(|one| one.at_ms / 1000)
        .collect();
    assert_eq!(times, [1300, 2200, 6030, 20_730, 35_430, 36_030]);
    let card = Scorecard::new(vec![score]);
    assert_eq!(
        (card.summary.false_pages, card.summary.repeats),
        (3, Some(2))
    );
    assert_eq!(card.summary.useful_pages, stats::Share::new(1, 4));
}

/// JobLatencyHigh is inhibited by FailureRatio until `over`, a notification of it is due at 1300 s, the next at 1600 s, and the
/// deadline is at 1500 s.
fn inhibited_until(over: i64, enqueue_p99: i64) -> DrillScore {
    let file = format!(
        "{BY_SEVERITY}inhibit_rules: [{{ source_matchers: [alertname=FailureRatio], target_matchers: [alertname=JobLatencyHigh] }}]\n"
    );
    let mut paper =
        outage()
            .fires("JobLatencyHigh", 1270, 1270, 2000)
            .fires("FailureRatio", 1205, 1205, over);
    let lag = Lag {
        enqueue_ms: [0, enqueue_p99, enqueue_p99],
        ..Lag::default()
    };
    paper.record.lines.push(crate::record::Line::Lag(lag));
    routed(paper, &file)
}

#[test]
fn an_inhibitor_that_ends_about_when_its_target_is_notified_decides_by_chance() {
    for (over, lag, expected) in [
        // Well before the notification, and well after it.
        (1280, 2_000, Verdict::Passed),
        (1290, 11_000, Verdict::Inconclusive),
        (1299, 2_000, Verdict::Inconclusive),
        (1299, 0, Verdict::Passed),
        (1301, 2_000, Verdict::Inconclusive),
        (1301, 500, Verdict::Failed),
        (1400, 2_000, Verdict::Failed),
        // It is late on either side of this one.
        (1599, 2_000, Verdict::Failed),
        (1601, 2_000, Verdict::Failed),
    ] {
        let score = inhibited_until(over, lag);
        assert_eq!(
            score.verdict, expected,
            "over at {over} s, lag {lag} ms: {:?}",
            score.inconclusive
        );
        if expected == Verdict::Inconclusive {
            assert!(score.too_fast);
            assert!(
                score.inconclusive[0]
                    .starts_with("FailureRatio inhibits JobLatencyHigh, and began or ended "),
                "{:?}",
                score.inconclusive
            );
        }
    }
}
