//! What people and machines read of many drills.

use crate::support::{Story, pack, record, rules, scored};
use firedrill_reports::document;
use firedrill_reports::record::{AlertState, Line, QueueWaits, Transition};
use firedrill_reports::render::{self, Style};
use firedrill_reports::score::stats::{Latencies, Latency};
use firedrill_reports::trials::{AlertOn, TrialCard, Trials};
use firedrill_reports::waits::Waits;
use firedrill_reports::{Replay, ScoreParams, Scorecard, score_drill};
use std::sync::LazyLock;

fn terminal(card: &TrialCard, style: Style) -> String {
    render::terminal(&document::of_trials(card), style)
}

fn markdown(card: &TrialCard) -> String {
    render::markdown(&document::of_trials(card))
}

fn html(card: &TrialCard) -> String {
    render::html(&document::of_trials(card))
}

fn json(card: &TrialCard) -> String {
    render::json(&card.into())
}

const SEEDS: u64 = 12;

/// A drill under a seed: its alerts come later by half a minute a seed, under some seeds not at all, and under one the
/// first of them fires again and again. The deadline is 17 minutes after the fault.
fn drill(story: Story, seed: u64) -> firedrill_reports::DrillScore {
    let mut record = record(story);
    record.header.seed = seed;
    for incident in &mut record.header.incidents {
        incident.deadline_ms = incident.starts_ms + 17 * 60_000;
    }
    let later_ms = seed as i64 * 30_000;
    let mut again: Vec<Transition> = Vec::new();
    for line in &mut record.lines {
        if let Line::Transition(transition) = line {
            transition.at_ms += later_ms;
            if seed == 4 && story == Story::Hang && transition.to == AlertState::Inactive {
                for minute in 1..=6 {
                    let (from, to) = match minute % 2 {
                        1 => (AlertState::Inactive, AlertState::Firing),
                        _ => (AlertState::Firing, AlertState::Inactive),
                    };
                    let at_ms = transition.at_ms + minute * 60_000;
                    again.push(Transition {
                        at_ms,
                        from,
                        to,
                        ..transition.clone()
                    });
                }
            }
        }
    }
    if seed % 5 == 3 {
        record
            .lines
            .retain(|line| !matches!(line, Line::Transition(_)));
    }
    record.lines.extend(again.into_iter().map(Line::Transition));
    let mut counts = Waits::new();
    (0..400).for_each(|task| counts.record(task * task * (1 + seed as i64 % 3)));
    record.lines.push(Line::Waits(QueueWaits {
        queue: "default".into(),
        counts,
        over_time: Vec::new(),
    }));
    scored(&record).1
}

/// The lines about alerts that say nothing whatever the drills are, in all three forms.
#[test]
fn standing_alarms_and_rules_without_data_are_named() {
    let mut trials = Trials::new();
    for seed in 0..3 {
        let mut record = record(Story::Quiet);
        record.header.seed = seed;
        let standing = Transition {
            at_ms: 60_000,
            group: "g".into(),
            alert: pack().alerts[0].clone(),
            labels: [("severity".to_owned(), "critical".to_owned())].into(),
            from: AlertState::Inactive,
            to: AlertState::Firing,
            value: None,
            data_gone: false,
            data_back: false,
        };
        record.lines.insert(0, Line::Transition(standing));
        let mut replay = Replay::recorded(&record);
        replay.never_had_data = vec![pack().alerts[1].clone()];
        trials.add(&score_drill(
            &record,
            &replay,
            &pack(),
            &ScoreParams::default(),
        ));
    }
    let card = trials.card();
    let names = &pack().alerts;
    let style = Style {
        colour: false,
        width: 160,
    };
    for text in [terminal(&card, style), markdown(&card), html(&card)] {
        for told in [
            format!(
                "{} was on before anything was wrong in 3 of 3 drills: it fails the gate",
                names[0]
            ),
            format!("{} had no data in any of 3 drills", names[1]),
        ] {
            assert!(text.contains(&told), "{told}: {text}");
        }
    }
    let json: serde_json::Value = serde_json::from_str(&json(&card)).unwrap();
    assert_eq!(
        (
            &json["alerts"][0]["standing"],
            &json["alerts"][1]["no_data"]
        ),
        (&3.into(), &3.into())
    );
}

static CARD: LazyLock<TrialCard> = LazyLock::new(card);

fn card() -> TrialCard {
    let mut trials = Trials::new();
    for seed in 0..SEEDS {
        for story in [Story::Quiet, Story::Crash, Story::Hang, Story::Night] {
            trials.add(&drill(story, seed));
        }
    }
    let mut cut = record(Story::Crash);
    cut.complete = false;
    trials.add(&scored(&cut).1);
    trials.card()
}

const WIDE: Style = Style {
    colour: false,
    width: 160,
};

#[test]
fn a_terminal_shows_trials_at_a_glance() {
    insta::assert_snapshot!(terminal(&card(), WIDE));
}

#[test]
fn trials_fit_narrow_terminals() {
    for width in [60, 80, 100] {
        let text = terminal(
            &CARD,
            Style {
                colour: false,
                width,
            },
        );
        let (tables, _) = text.split_once("SUMMARY").unwrap();
        // What is said of single scenarios is a sentence, not a table.
        let lines = tables
            .lines()
            .filter(|line| !line.contains("inconclusive:"));
        let widest = lines.map(|line| line.chars().count()).max();
        assert!(widest <= Some(width), "{width}: {text}");
    }
}

#[test]
fn markdown_of_trials() {
    insta::assert_snapshot!(markdown(&CARD));
}

#[test]
fn json_of_trials_has_values_intervals_and_methods() {
    let value: serde_json::Value = serde_json::from_str(&json(&CARD)).unwrap();
    assert_eq!(value["version"], "2.0");
    let hang = &value["scenarios"][0];
    let part = serde_json::json!({
        "incident": hang["incidents"][0],
        "chatter": value["alerts"][3]["chatter"],
        "waits": hang["waits"],
    });
    insta::assert_snapshot!(format!("{part:#}"));
    let alarms = &value["alerts"][3]["false_alarms_per_quiet_week"];
    assert_eq!(
        (&alarms["k"], &alarms["method"]),
        (&0.into(), &"garwood".into())
    );
    let most = 3.689 / (alarms["exposure_seconds"].as_f64().unwrap() / 604_800.0);
    assert!(
        (alarms["hi"].as_f64().unwrap() - most).abs() < 0.01,
        "{alarms}"
    );
    assert_eq!(hang["scenario"], "deadlock-all-slots");
    let stalled = &hang["incidents"][0]["alerts"][0];
    assert_eq!(stalled["alert"], "JobProcessingStalled");
    assert_eq!(
        (&stalled["recall"]["k"], &stalled["recall"]["n"]),
        (&10.into(), &12.into())
    );
    assert_eq!(stalled["latency"]["p90_seconds"], serde_json::Value::Null);
}

#[test]
fn the_page_of_trials_is_whole_and_has_a_chart_an_incident() {
    let page = html(&CARD);
    assert_eq!(page, html(&CARD));
    crate::render::assert_balanced(&page);
    assert_eq!(page.matches("<svg class=\"desk\"").count(), 2);
    assert!(!page.contains("http://") && !page.contains("https://"));
    assert!(!page.contains("<script") && !page.contains("src=") && !page.contains("url("));
    assert!(page.contains("wanted by +17:00"));
    assert!(page.contains("JobProcessingStalled 10 of 12"));
}

#[test]
fn names_steer_neither_terminal_nor_page_of_trials() {
    let evil = "<b>x</b> \u{1b}[2J `|` [a](http://b)\nEND";
    let mut drill = drill(Story::Hang, 1);
    drill.scenario = evil.into();
    drill.summary = evil.into();
    drill.waits[0].queue = evil.into();
    for alert in &mut drill.alerts {
        alert.alert = format!("{evil}{}", alert.alert);
    }
    for incident in &mut drill.incidents {
        incident.truth.cause = evil.into();
    }
    let mut trials = Trials::new();
    trials.add(&drill);
    drill.verdict = firedrill_reports::Verdict::Inconclusive;
    drill.inconclusive = vec![evil.into()];
    trials.add(&drill);
    let card = trials.card();
    let text = terminal(&card, WIDE);
    assert!(
        !text.contains('\u{1b}') && !text.contains("\nEND"),
        "{text}"
    );
    let page = html(&card);
    crate::render::assert_balanced(&page);
    assert!(!page.contains("<b>"), "{page}");
    let text = markdown(&card);
    assert!(
        !text.contains("<b>") && !text.contains("](") && !text.contains("\nEND"),
        "{text}"
    );
}

#[test]
fn waits_of_a_single_drill_are_told_too() {
    let mut record = record(Story::Quiet);
    let counts = Waits::decode(&[(4, 90), (1_500, 9), (70_000, 1)]).unwrap();
    record.lines.push(Line::Waits(QueueWaits {
        queue: "<default>".into(),
        counts,
        over_time: Vec::new(),
    }));
    let (replay, score): (Replay, _) = scored(&record);
    let card = Scorecard::new(vec![score]);
    let value: serde_json::Value = serde_json::from_str(&render::json(&(&card).into())).unwrap();
    let waits = &value["drills"][0]["waits"]["<default>"];
    assert_eq!(
        (&waits["tasks"], &waits["p90_seconds"]),
        (&100.into(), &0.004.into())
    );
    let drill = document::Drill {
        record: &record,
        replay: &replay,
        rules: &rules(),
    };
    let page = render::html(&document::of_scorecard(&card, &[drill]));
    for told in ["&lt;default&gt;", "4 ms", "1.50 s", "1:10"] {
        assert!(page.contains(&format!(">{told}<")), "{told}: {page}");
    }
}

#[test]
fn several_right_alerts_are_told_together_and_apart() {
    let mut card = CARD.clone();
    let incident = &mut card.scenarios[0].incidents[0];
    let mut quick = incident.alerts[0].seen.clone();
    let minute = |latency: &Latency| {
        latency
            .ms()
            .map_or(Latency::Missed, |_| Latency::Ms(60_000))
    };
    quick.until_told = Latencies::new(quick.until_told.sorted().iter().map(minute));
    let quick = AlertOn {
        alert: "JobQueueBacklog".into(),
        by_name: true,
        seen: quick,
    };
    incident.alerts.insert(0, quick);
    let text = terminal(&card, WIDE);
    let rows: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("deadlock-all-slots  page"))
        .collect();
    assert_eq!(rows.len(), 3, "{text}");
    assert!(rows[0].contains("any right alert"), "{text}");
    assert!(rows[1].contains("JobQueueBacklog") && rows[1].contains("+1:00 [+1:00, +1:00]"));
    let page = html(&card);
    for name in ["any right alert", "JobQueueBacklog", "JobProcessingStalled"] {
        assert!(page.contains(&format!(">{name} 10 of 12</text>")), "{name}");
    }
}
