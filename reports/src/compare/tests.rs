use super::*;
use crate::document::of_comparison;
use crate::figures::{Like, Point};
use crate::render::Style;
use crate::render::{markdown, terminal};

fn like(plan: &str) -> Like {
    Like {
        engine: "virtual".into(),
        redis: String::new(),
        plan: plan.into(),
    }
}

/// Drills under these seeds whose alert took so long, or was silent.
fn run(seeds: impl IntoIterator<Item = (u64, Option<f64>)>) -> Results {
    let drills = seeds.into_iter().map(|(seed, seconds)| {
        let point = |metric, amount| Point {
            metric: Metric::named(metric).unwrap(),
            labels: [("alert".to_owned(), "X".to_owned())].into(),
            amount,
        };
        DrillFigures {
            scenario: "outage".into(),
            seed,
            conclusive: true,
            points: vec![
                point("detect_seconds", Amount::Seconds(seconds)),
                point(
                    "alert_recall",
                    Amount::Share(u64::from(seconds.is_some()), 1),
                ),
            ],
            failings: Vec::new(),
        }
    });
    Results {
        scenarios: [("outage".to_owned(), like("duration: 1h\n"))].into(),
        drills: drills.collect(),
    }
}

/// Ten seeds of one latency each, which `noise` spreads.
fn ten(seconds: f64, noise: f64) -> Results {
    run((0..10_u32).map(|seed| {
        let spread = f64::from(seed * 7 % 10) - 4.5;
        (u64::from(seed), Some(seconds + noise * spread))
    }))
}

fn changes(base: &Results, new: &Results) -> Vec<(&'static str, Change)> {
    let compared = Comparison::new(base, new).unwrap();
    let rows = compared.rows.iter();
    rows.map(|row| (row.metric.name, row.change)).collect()
}

fn latency(base: &Results, new: &Results) -> Change {
    let changes = changes(base, new);
    let found = changes.iter().find(|(name, _)| *name == "detect_seconds");
    found.unwrap().1
}

#[test]
fn a_run_is_no_worse_than_itself() {
    let run = ten(100.0, 20.0);
    let compared = Comparison::new(&run, &run).unwrap();
    assert_eq!(compared.passes(), Some(true));
    assert!(compared.rows.iter().all(|row| row.change == Change::Same));
    // Of a few seeds nobody can tell, nor of drills that prove nothing.
    let few = run_of(4);
    assert_eq!(Comparison::new(&few, &few).unwrap().passes(), None);
    let mut nothing = run.clone();
    for drill in &mut nothing.drills {
        drill.conclusive = false;
        drill.points.clear();
    }
    let compared = Comparison::new(&run, &nothing).unwrap();
    assert_eq!(compared.passes(), None);
    assert_eq!(compared.few, [("outage".to_owned(), 0)]);
}

fn run_of(seeds: u64) -> Results {
    run((0..seeds).map(|seed| (seed, Some(100.0))))
}

#[test]
fn worse_takes_both_statistics_and_more_than_noise() {
    // Under each seed a minute more.
    assert_eq!(latency(&ten(100.0, 20.0), &ten(160.0, 20.0)), Change::Worse);
    assert_eq!(
        latency(&ten(160.0, 20.0), &ten(100.0, 20.0)),
        Change::Better
    );
    // Sure, and less than an evaluation.
    assert_eq!(latency(&ten(100.0, 0.0), &ten(110.0, 0.0)), Change::Same);
    // More than an evaluation, and all over the place.
    let wild = run((0..10).map(|seed| (seed, Some(if seed < 7 { 60.0 } else { 400.0 }))));
    assert_eq!(latency(&ten(100.0, 0.0), &wild), Change::Unclear);
    // Few seeds prove nothing.
    let few = run((0..4).map(|seed| (seed, Some(160.0))));
    assert_eq!(latency(&ten(100.0, 0.0), &few), Change::TooFew);
    assert_eq!(
        Comparison::new(&ten(100.0, 0.0), &few).unwrap().passes(),
        None
    );
    // Nor does what looks better under them.
    let few = run((0..4).map(|seed| (seed, Some(20.0))));
    assert_eq!(
        Comparison::new(&ten(100.0, 0.0), &few).unwrap().passes(),
        None
    );
}

#[test]
fn an_alert_that_sees_less_is_worse_and_no_faster() {
    let half = run((0..10).map(|seed| (seed, (seed % 2 == 0).then_some(100.0))));
    let all = run_of(10);
    assert_eq!(
        changes(&all, &half),
        [
            ("alert_recall", Change::Worse),
            ("detect_seconds", Change::Same)
        ]
    );
}

#[test]
fn unlike_runs_are_refused_and_it_is_said_what_differs() {
    let base = run_of(3);
    let mut other = base.clone();
    other
        .scenarios
        .insert("outage".into(), like("duration: 2h\n"));
    let refused = |new: &Results| Comparison::new(&base, new).unwrap_err().to_string();
    assert_eq!(
        refused(&other),
        "outage: `duration` differs: duration: 1h in the baseline, duration: 2h now; such drills cannot be compared"
    );
    other.scenarios = [("calm".to_owned(), like(""))].into();
    assert_eq!(
        refused(&other),
        "they have no scenario in common: outage in the baseline, calm now"
    );
    let later = run((7..9).map(|seed| (seed, None)));
    assert!(refused(&later).contains("no seed is common"));
}

#[test]
fn what_changed_is_told_with_how_sure_it_is() {
    let (mut base, mut new) = (ten(100.0, 5.0), ten(160.0, 10.0));
    for (results, only) in [(&mut base, "calm"), (&mut new, "storm")] {
        results.scenarios.insert(only.into(), like(""));
    }
    new.drills[0].points[0]
        .labels
        .insert("alert".into(), "<b>\u{1b}[1m".into());
    let compared = Comparison::new(&base, &new).unwrap();
    let style = Style {
        colour: false,
        width: usize::MAX,
    };
    insta::assert_snapshot!(terminal(&of_comparison(&compared), style));
    insta::assert_snapshot!(markdown(&of_comparison(&compared)));
}
