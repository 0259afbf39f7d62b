use super::*;
use crate::figures::{Amount, DrillFigures, Metric, Point};
use crate::gate::{GateFile, Judge};
use quick_junit::Report;
use std::collections::BTreeMap;

/// What others may call an alert.
const HOSTILE: &str = "<script>alert(1)</script>\u{1b}[31m%0A::error::\n|`&\"";

fn drill(scenario: &str, conclusive: bool, failings: Vec<Failing>) -> DrillFigures {
    let point = |metric, cause: &str, amount| Point {
        metric: Metric::named(metric).unwrap(),
        labels: match cause {
            "" => BTreeMap::new(),
            cause => [("cause".to_owned(), cause.to_owned())].into(),
        },
        amount,
    };
    DrillFigures {
        scenario: scenario.into(),
        seed: 1,
        conclusive,
        points: match conclusive {
            true => vec![
                point("alert_recall_by_deadline", "deadlock", Amount::Share(0, 1)),
                point("detect_seconds", "deadlock", Amount::Seconds(None)),
                point("jobs_lost", "", Amount::Count(2)),
            ],
            false => Vec::new(),
        },
        failings,
    }
}

fn failing(wrong: Wrong, name: &str, scenario: &str) -> Failing {
    Failing {
        wrong,
        name: name.into(),
        scenario: scenario.into(),
        alert: None,
    }
}

/// A drill with failures, one that is known, and one that proves nothing.
fn gated() -> (Gated, Places) {
    let file = GateFile::parse(
        "ci/gate, 1.yml",
        "gates:\n  jobs_lost: count == 0\n  jobs_late: count == 0\n  alert_recall_by_deadline: value >= 0\nknown:\n- { incident: deadlock, reason: 'a | b <b>', until: 2027-01-31 }\n",
    )
    .unwrap();
    let mut judge = Judge::default();
    for (gate, at) in &file.gates {
        judge.ask(gate.clone(), Some((file.file.clone(), *at)), None);
    }
    judge.add(&drill(
        "storm",
        true,
        vec![
            failing(Wrong::Missed, "deadlock", "storm"),
            failing(Wrong::FalsePage, HOSTILE, "storm"),
        ],
    ));
    judge.add(&drill("fog", false, Vec::new()));
    judge.fail(Failing::unfit("Dead"));
    let known: Vec<_> = file
        .known
        .iter()
        .map(|known| (file.file.clone(), known.clone()))
        .collect();
    let places = Places {
        alerts: vec![
            (HOSTILE.into(), "alerts/a.yml".into(), 7),
            ("Stuck".into(), "alerts/a.yml".into(), 9),
        ],
        expected: vec![("deadlock".into(), vec!["Stuck".into()])],
        scenarios: vec![("storm".into(), "drills/storm.yaml".into())],
    };
    let gated = judge.judge(&known, None, "2026-12-01".parse().unwrap());
    (gated, places)
}

#[test]
fn what_fails_is_told_at_the_rule_that_is_wrong() {
    let (gated, places) = gated();
    let found = findings(&gated, &places);
    let commands = github(&found);
    // A command is a line, and what others wrote is never one.
    assert!(
        commands
            .lines()
            .all(|line| line.starts_with("::error ") || line.starts_with("::warning "))
    );
    assert_eq!(commands.lines().count(), found.len());
    insta::assert_snapshot!(commands);
    insta::assert_snapshot!(code_quality(&found));
    insta::assert_snapshot!(sarif(&found, "1.2.3"));
    let many: Vec<Finding> = (0..25).flat_map(|_| found.first().cloned()).collect();
    let commands = github(&many);
    assert_eq!(commands.lines().count(), 10);
    assert!(
        commands.ends_with("and 16 more: see the summary\n"),
        "{commands}"
    );
}

#[test]
fn junit_is_read_back_as_it_was_meant() {
    let (gated, places) = gated();
    let text = junit(&gated, &places).unwrap();
    let report = Report::deserialize_from_str(&text).unwrap();
    assert_eq!((report.tests, report.failures, report.errors), (7, 4, 0));
    assert!(
        !text.contains("<script>") && !text.contains('\u{1b}'),
        "{text}"
    );
    insta::assert_snapshot!(text);
}

#[test]
fn figures_are_kept_by_the_names_they_have_in_gates() {
    let (gated, _) = gated();
    insta::assert_snapshot!(smaller_is_better(&gated));
    insta::assert_snapshot!(bigger_is_better(&gated));
    insta::assert_snapshot!(bencher(&gated));
}

#[test]
fn a_badge_says_how_many_were_told_of_in_time() {
    let (gated, _) = gated();
    insta::assert_snapshot!(shields(&gated));
    insta::assert_snapshot!(svg(&gated));
    let nothing = Judge::default().judge(&[], None, "2026-12-01".parse().unwrap());
    assert!(shields(&nothing).contains("no incidents"));
}

#[test]
fn what_is_excused_is_a_warning_and_no_reason_for_a_green_badge() {
    let mut judge = Judge::default();
    let missed = failing(Wrong::Missed, "deadlock", "storm");
    judge.add(&drill("storm", true, vec![missed]));
    let mut gated = judge.judge(&[], None, "2026-12-01".parse().unwrap());
    gated.excused = true;
    assert_eq!(gated.passes(), Some(true));
    let badge: serde_json::Value = serde_json::from_str(&shields(&gated)).unwrap();
    assert_eq!(
        (&badge["message"], &badge["color"]),
        (&"0 of 1 in time".into(), &"red".into())
    );

    // In a file, and with no place.
    let placed = Places {
        scenarios: vec![("storm".into(), "drills/storm.yaml".into())],
        ..Places::default()
    };
    let found = findings(&gated, &placed);
    let log: serde_json::Value = serde_json::from_str(&sarif(&found, "1.2.3")).unwrap();
    assert_eq!(log["runs"][0]["results"][0]["level"], "warning");
    assert_eq!(unplaced(&found), None);
    let told = unplaced(&findings(&gated, &Places::default())).unwrap();
    assert!(told.starts_with("1 of 1 finding "), "{told}");
}

#[test]
fn what_no_rule_of_a_file_sees_is_told_there_where_the_scenario_is_built_in() {
    let mut judge = Judge::default();
    let missed = failing(Wrong::Missed, "deadlock", "storm");
    judge.add(&drill("storm", true, vec![missed]));
    judge.add(&drill("fog", false, Vec::new()));
    let gated = judge.judge(&[], None, "2026-12-01".parse().unwrap());
    let mut places = Places {
        alerts: vec![("Backlog".into(), "alerts/a.yml".into(), 7)],
        ..Places::default()
    };
    let at = |places: &Places| -> Vec<Option<(String, usize)>> {
        let found = findings(&gated, places).into_iter();
        found.map(|finding| finding.place).collect()
    };
    let line_1 = |file: &str| Some((file.to_owned(), 1));
    assert_eq!(at(&places), [line_1("alerts/a.yml"), None]);
    // A drill that proves nothing is told in its own file.
    places.scenario("storm", "drills/storm.yaml");
    places.scenario("fog", "drills/fog.yaml");
    let own = [line_1("drills/storm.yaml"), line_1("drills/fog.yaml")];
    assert_eq!(at(&places), own);
}

#[test]
fn a_page_that_came_too_late_is_told_at_the_rule_that_sent_it() {
    let mut judge = Judge::default();
    judge.add(&drill(
        "storm",
        true,
        vec![Failing {
            alert: Some("Slow".into()),
            ..failing(Wrong::Late, "deadlock", "storm")
        }],
    ));
    let gated = judge.judge(&[], None, "2026-12-01".parse().unwrap());
    let places = Places {
        alerts: vec![
            ("Backlog".into(), "alerts/a.yml".into(), 7),
            ("Slow".into(), "alerts/a.yml".into(), 21),
        ],
        // The pack says nothing of the cause, and the scenario is a file.
        scenarios: vec![("storm".into(), "drills/storm.yaml".into())],
        ..Places::default()
    };
    let found = findings(&gated, &places);
    assert_eq!(found[0].place, Some(("alerts/a.yml".to_owned(), 21)));
    let commands = github(&found);
    assert!(
        commands.contains("file=alerts/a.yml,line=21,"),
        "{commands}"
    );
}
