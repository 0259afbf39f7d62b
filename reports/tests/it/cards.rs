//! Scorecards of more than one drill a scenario, more than one pack, and names that were chosen badly.

use crate::support::{Story, record, rules, scored};
use firedrill_reports::document::{self, Drill};
use firedrill_reports::record::Line;
use firedrill_reports::render::{self, Style};
use firedrill_reports::score::FalseAlarm;
use firedrill_reports::{DrillScore, Record, Replay, Scorecard};

const WIDE: Style = Style {
    colour: false,
    width: 200,
};

fn terminal(card: &Scorecard, style: Style) -> String {
    render::terminal(&document::of_scorecard(card, &[]), style)
}

fn page(judged: &[(Record, Replay, DrillScore)]) -> String {
    let rules = rules();
    let drills: Vec<Drill<'_>> = judged
        .iter()
        .map(|(record, replay, _)| Drill {
            record,
            replay,
            rules: &rules,
        })
        .collect();
    render::html(&document::of_scorecard(&card(judged), &drills))
}

fn card(judged: &[(Record, Replay, DrillScore)]) -> Scorecard {
    Scorecard::new(judged.iter().map(|(_, _, score)| score.clone()).collect())
}

fn judged(mut record: Record, edit: impl FnOnce(&mut Record)) -> (Record, Replay, DrillScore) {
    edit(&mut record);
    let (replay, score) = scored(&record);
    (record, replay, score)
}

#[test]
fn two_drills_of_one_scenario_are_told_apart() {
    let runs = [
        judged(record(Story::Crash), |_| {}),
        judged(record(Story::Crash), |record| {
            record.header.epoch_ms += 86_400_000;
            record.header.summary = "A day later.".into();
        }),
    ];
    let page = page(&runs);
    for number in 1..=2 {
        let id = format!("id=\"worker-crash-all-7-{number}\"");
        assert_eq!(page.matches(&id).count(), 1, "{id}");
    }
    assert!(page.contains("On paper.") && page.contains("A day later."));
    let text = terminal(&card(&runs), WIDE);
    assert!(text.contains("worker-crash-all, seed 7, run 2 "), "{text}");
}

#[test]
fn a_false_alarm_does_not_hide_a_detection() {
    let (_, _, mut score) = judged(record(Story::Hang), |_| {});
    let stalled = score.alerts.last_mut().unwrap();
    stalled.false_alarms.push(FalseAlarm {
        at_ms: 6_900_000,
        page: true,
        since_ms: None,
    });
    let text = terminal(&Scorecard::new(vec![score]), WIDE);
    assert!(
        text.contains("+15:03 late, CLEARED EARLY +59:33, FALSE +85:00"),
        "{text}"
    );
}

#[test]
fn packs_side_by_side_have_all_their_columns() {
    let (_, _, crash) = judged(record(Story::Crash), |_| {});
    let (_, _, mut hang) = judged(record(Story::Hang), |_| {});
    for alert in &mut hang.alerts {
        alert.alert.insert_str(0, "Other");
    }
    let text = terminal(&Scorecard::new(vec![crash, hang]), WIDE);
    // The verdict comes first.
    let text = &text[text.find("INCIDENT").unwrap()..];
    let header: Vec<&str> = text.lines().next().unwrap().split_whitespace().collect();
    assert_eq!(header.len(), 1 + 4 + 4);
    let missed = text
        .lines()
        .find(|line| line.starts_with("worker-crash-all"));
    let column = text.find(" JobProcessingStalled").unwrap() + 1;
    // The columns of the other pack come first, and stay empty here.
    assert_eq!(&missed.unwrap()[column..], "MISSED", "{text}");
}

#[test]
fn names_steer_neither_terminal_nor_page() {
    let evil = "<b>x</b> \u{1b}[2J `|` [a](http://b)\nEND";
    let runs = [judged(record(Story::Crash), |record| {
        record.header.scenario = evil.into();
        record.header.summary = evil.into();
        for line in &mut record.lines {
            if let Line::Mark(mark) = line {
                mark.what = "<b>&what".into();
            }
        }
    })];
    let mut runs = runs;
    runs[0].2.alerts[0].alert = "<b>&\"Alert".into();
    let text = terminal(&card(&runs), WIDE);
    assert!(
        !text.contains('\u{1b}') && !text.contains("\nEND"),
        "{text}"
    );
    let page = page(&runs);
    assert!(
        !page.contains("<b>") && page.contains("&lt;b&gt;&amp;what"),
        "{page}"
    );
    let text = render::markdown(&document::of_scorecard(&card(&runs), &[]));
    assert!(
        !text.contains("<b>") && !text.contains("](") && !text.contains("\nEND"),
        "{text}"
    );
}
