use super::*;
use crate::document::of_gates;
use crate::figures::lines::Like;
use crate::figures::{Amount, Metric, Point, Wrong};
use crate::gate::GateFile;
use crate::render::Style;
use crate::render::{markdown, terminal};

const TODAY: &str = "2026-12-01";

fn drill(scenario: &str, seed: u64, points: &[(&str, &str, Amount)]) -> DrillFigures {
    let point = |(metric, alert, amount): &(&str, &str, Amount)| Point {
        metric: Metric::named(metric).unwrap(),
        labels: match *alert {
            "" => BTreeMap::new(),
            alert => [("alert".to_owned(), alert.to_owned())].into(),
        },
        amount: amount.clone(),
    };
    DrillFigures {
        scenario: scenario.into(),
        seed,
        conclusive: true,
        points: points.iter().map(point).collect(),
        failings: Vec::new(),
    }
}

fn detected(seed: u64, seconds: Option<f64>) -> DrillFigures {
    let points = [
        ("jobs_lost", "", Amount::Count(1)),
        ("detect_seconds", "", Amount::Seconds(Some(10.0))),
        ("detect_seconds", "X", Amount::Seconds(seconds)),
        (
            "alert_recall",
            "",
            Amount::Share(u64::from(seconds.is_some()), 1),
        ),
    ];
    drill("outage", seed, &points)
}

fn failing(wrong: Wrong, name: &str) -> Failing {
    Failing {
        wrong,
        name: name.into(),
        scenario: "outage".into(),
        alert: None,
    }
}

/// What a gate file makes of drills.
fn judged(file: &str, drills: &[DrillFigures], base: &[DrillFigures]) -> Gated {
    let file = GateFile::parse("gate.yml", file).unwrap();
    let mut judge = Judge::default();
    for (gate, at) in &file.gates {
        judge.ask(gate.clone(), Some(("gate.yml".into(), *at)), None);
    }
    drills.iter().for_each(|drill| judge.add(drill));
    let known: Vec<(String, Known)> = file
        .known
        .into_iter()
        .map(|known| ("gate.yml".to_owned(), known))
        .collect();
    let results = |drills: &[DrillFigures]| {
        let like = Like {
            engine: "virtual".into(),
            redis: String::new(),
            plan: String::new(),
        };
        let names = drills
            .iter()
            .map(|drill| (drill.scenario.clone(), like.clone()));
        Results {
            scenarios: names.collect(),
            drills: drills.to_vec(),
        }
    };
    let (base, new) = (results(base), results(drills));
    let baseline =
        (!base.drills.is_empty()).then(|| (&base, Comparison::new(&base, &new).unwrap()));
    judge.judge(&known, baseline, TODAY.parse().unwrap())
}

fn statuses(gated: &Gated) -> Vec<Status> {
    gated.checks.iter().map(|check| check.status).collect()
}

fn shown(gated: &Gated) -> String {
    let style = Style {
        colour: false,
        width: usize::MAX,
    };
    terminal(&of_gates(gated), style)
}

#[test]
fn figures_of_single_alerts_are_meant_only_where_they_are_asked_for() {
    let drills = [
        detected(1, Some(60.0)),
        detected(2, Some(80.0)),
        detected(3, None),
    ];
    let gated = judged(
        "gates: {
          detect_seconds: max == 10,
          'detect_seconds{alert=\"X\"}': [p(50) == 80, p(95) < 1000, min == 60],
          'detect_seconds{alert!=\"\"}': min == 60,
          'detect_seconds{alert=\"Y\"}': max < 1000,
          'jobs_lost{scenario=\"outage\"}': count == 3,
          'jobs_lost{scenario=\"other\"}': count == 0,
        }",
        &drills,
        &[],
    );
    use Status::{Failed, NoData, Passed};
    assert_eq!(
        statuses(&gated),
        [
            Passed, Passed, Failed, Passed, Passed, NoData, Passed, NoData
        ]
    );
    assert_eq!(gated.passes(), Some(false));
    insta::assert_snapshot!(shown(&gated));
}

#[test]
fn drills_that_prove_nothing_neither_pass_nor_fail_a_gate() {
    let mut unproven = detected(1, None);
    unproven.points.clear();
    unproven.conclusive = false;
    let gated = judged("gates: { jobs_lost: count == 0 }", &[unproven], &[]);
    assert_eq!(statuses(&gated), [Status::Unproven]);
    assert_eq!(gated.passes(), None);
    // Beside drills that prove something, and have no such figure, it is about nothing.
    let mut fog = drill("fog", 1, &[]);
    fog.conclusive = false;
    let gated = judged(
        "gates: { 'jobs_lost{scenario=\"fog\"}': count == 0, jobs_late: count == 0 }",
        &[detected(1, None), fog],
        &[],
    );
    assert_eq!(statuses(&gated), [Status::Unproven, Status::NoData]);
}

#[test]
fn a_baseline_is_what_the_same_figure_is_there() {
    let base = [detected(1, Some(60.0)), detected(2, Some(60.0))];
    let now = |seconds| [detected(1, Some(seconds)), detected(2, Some(seconds))];
    let file = "gates: { 'detect_seconds{alert=\"X\"}': max <= baseline * 1.1 }";
    assert_eq!(statuses(&judged(file, &now(66.0), &base)), [Status::Passed]);
    assert_eq!(statuses(&judged(file, &now(67.0), &base)), [Status::Failed]);
    let file = "gates: { 'detect_seconds{alert=\"X\"}': max <= baseline + 5s }";
    assert_eq!(statuses(&judged(file, &now(65.0), &base)), [Status::Passed]);
    // Nothing to compare with.
    assert_eq!(statuses(&judged(file, &now(65.0), &[])), [Status::NoData]);
}

#[test]
fn known_failures_fail_nothing_until_their_day_is_over() {
    let mut drill = detected(1, None);
    drill.failings = vec![
        failing(Wrong::Missed, "deadlock"),
        failing(Wrong::FalsePage, "X"),
    ];
    let known = |until: &str| {
        format!(
            "gates: {{ jobs_lost: [count == 0, count < 2] }}
known:
- {{ gate: 'jobs_lost: count == 0', reason: see 17, until: {until} }}
- {{ incident: deadlock, scenario: outage, reason: no rule yet, until: {until} }}
- {{ alert: X, reason: too eager, until: {until} }}
- {{ gate: 'jobs_lost: count < 2', reason: fixed long ago, until: {until} }}
- {{ incident: redis-down, reason: not judged here, until: {until} }}
"
        )
    };
    let gated = judged(&known("2026-12-01"), std::slice::from_ref(&drill), &[]);
    assert_eq!(gated.passes(), Some(true));
    let unused: Vec<bool> = gated.known.iter().map(|excuse| excuse.used).collect();
    assert_eq!(unused, [true, true, true, false, false]);
    assert_eq!(gated.gone().count(), 1);
    insta::assert_snapshot!("known", shown(&gated));
    insta::assert_snapshot!("known_markdown", markdown(&of_gates(&gated)));

    let gated = judged(&known("2026-11-30"), std::slice::from_ref(&drill), &[]);
    assert_eq!(gated.passes(), Some(false));
    insta::assert_snapshot!("expired", shown(&gated));

    let elsewhere = "known: [{ incident: deadlock, scenario: other, reason: a, until: 2027-01-31 }, { alert: X, reason: a, until: 2027-01-31 }]";
    assert_eq!(judged(elsewhere, &[drill], &[]).passes(), Some(false));
}

#[test]
fn what_is_asked_by_a_scenario_is_about_its_drills() {
    let mut judge = Judge::default();
    let gate: Gate = "jobs_lost: count == 1".parse().unwrap();
    judge.ask(gate.clone(), None, Some("outage"));
    judge.ask(gate, None, Some("outage"));
    judge.add(&detected(1, None));
    judge.add(&drill("other", 1, &[("jobs_lost", "", Amount::Count(7))]));
    let gated = judge.judge(&[], None, TODAY.parse().unwrap());
    assert_eq!(statuses(&gated), [Status::Passed]);
}
