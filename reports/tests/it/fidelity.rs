//! Two drills of one scenario side by side: what counts as the same, as explained, as different.

use crate::support::{Story, record, scored};
use firedrill_reports::Record;
use firedrill_reports::document::of_fidelity;
use firedrill_reports::fidelity::{
    Agreement, Fidelity, LateDeed, OnTerms, Side, Terms, Unlike, compare,
};
use firedrill_reports::record::{AlertState, Audit, Lag, Line, Mark, Phase, Transition, Value};
use firedrill_reports::render::{Style, html, json, terminal};
use std::collections::BTreeMap;

const INTERVAL_MS: i64 = 15_000;

/// What a model would leave of the same drill.
fn model(story: Story) -> Record {
    let mut model = record(story);
    model.header.engine = "virtual".into();
    model.header.speed = 0.0;
    model.header.epoch_ms = 1_767_225_600_000;
    model
}

/// A live drill whose harness kept time as well as most do.
fn live(story: Story) -> Record {
    let mut live = record(story);
    change(&mut live, |line| {
        if let Line::Lag(lag) = line {
            *lag = Lag {
                redis_ms: [18, 60, 240],
                handler_ms: [6, 30, 200],
                ..Lag::default()
            };
        }
    });
    live
}

fn change(record: &mut Record, of: impl FnMut(&mut Line)) {
    record.lines.iter_mut().for_each(of);
}

fn transitions(record: &mut Record, mut of: impl FnMut(&mut Transition)) {
    change(record, |line| {
        if let Line::Transition(transition) = line {
            of(transition);
        }
    });
}

fn audit(record: &mut Record, of: impl Fn(&mut Audit)) {
    change(record, |line| {
        if let Line::Audit(audit) = line {
            of(audit);
        }
    });
}

fn marks(record: &mut Record, of: impl Fn(&mut Mark)) {
    change(record, |line| {
        if let Line::Mark(mark) = line {
            of(mark);
        }
    });
}

/// Multiplies every sample of a metric.
fn scale(record: &mut Record, metric: &str, factor: f64) {
    let mut ids: Vec<u32> = Vec::new();
    change(record, |line| match line {
        Line::Series { id, labels } if labels["__name__"] == metric => ids.push(*id),
        Line::Scrape { values, .. } => {
            for (_, value) in values.iter_mut().filter(|(id, _)| ids.contains(id)) {
                *value = Value(value.0 * factor);
            }
        }
        _ => {}
    });
}

fn against(live: &Record, model: &Record, third: Option<&Record>) -> Result<Fidelity, Unlike> {
    beside_all(live, model, third.as_slice())
}

/// As [`against`], with several drills of the model on the live drill's terms.
fn beside_all(live: &Record, model: &Record, on_terms: &[&Record]) -> Result<Fidelity, Unlike> {
    let scores = [live, model].map(|record| scored(record).1);
    let of_terms: Vec<_> = on_terms.iter().map(|record| scored(record).1).collect();
    let side = |record, score| Side { record, score };
    let sides = on_terms.iter().zip(&of_terms);
    let on_terms = (!on_terms.is_empty()).then(|| OnTerms {
        terms: Terms::measured(live, model),
        sides: sides.map(|(record, score)| side(record, score)).collect(),
    });
    compare(
        side(live, &scores[0]),
        side(model, &scores[1]),
        on_terms.as_ref(),
    )
}

/// The aspects that are not the same, with how far they agree.
fn apart(live: &Record, model: &Record, third: Option<&Record>) -> Vec<(&'static str, Agreement)> {
    let found = against(live, model, third).unwrap();
    let aspects = found.aspects().into_iter();
    aspects
        .filter(|(_, agreement)| *agreement != Agreement::Same)
        .collect()
}

const SAME: [(&str, Agreement); 0] = [];

#[test]
fn drills_that_left_the_same_are_the_same() {
    for story in [Story::Quiet, Story::Crash, Story::Hang, Story::Night] {
        assert_eq!(apart(&live(story), &model(story), None), SAME);
    }
    let found = against(&live(Story::Hang), &model(Story::Hang), None).unwrap();
    assert_eq!(found.agreement(), Agreement::Same);
    assert!(found.is_conclusive());
    // There is something to agree on.
    assert!(!found.findings.is_empty() && !found.curves.is_empty() && !found.marks.is_empty());
    assert!(
        found
            .instances
            .iter()
            .all(|alert| !alert.changes.is_empty())
    );
    assert!(!found.instances.is_empty());
}

#[test]
fn transitions_may_be_an_evaluation_interval_apart_and_no_more() {
    let live = live(Story::Hang);
    let shifted = |by_ms: i64| {
        let mut model = model(Story::Hang);
        transitions(&mut model, |transition| transition.at_ms += by_ms);
        model
    };
    assert_eq!(apart(&live, &shifted(INTERVAL_MS), None), SAME);
    assert_eq!(apart(&live, &shifted(-INTERVAL_MS), None), SAME);
    let different = [("transitions", Agreement::Different)];
    assert_eq!(apart(&live, &shifted(INTERVAL_MS + 1), None), different);
    // What the model does on the live drill's terms decides whether that is explained.
    let explained = [("transitions", Agreement::Explained)];
    let (far, near) = (shifted(-60_000), shifted(-INTERVAL_MS));
    assert_eq!(apart(&live, &far, Some(&near)), explained);
    assert_eq!(apart(&live, &far, Some(&far)), different);
}

#[test]
fn a_state_of_one_drill_alone_may_last_an_evaluation_interval() {
    let live = live(Story::Quiet);
    let pending_for = |start_ms: i64, length_ms: i64| {
        let mut model = model(Story::Quiet);
        let at = |at_ms, from, to| {
            Line::Transition(Transition {
                at_ms,
                group: "job-queue".into(),
                alert: "JobFailureRate".into(),
                labels: BTreeMap::new(),
                from,
                to,
                value: None,
                data_gone: false,
                data_back: false,
            })
        };
        let (inactive, pending) = (AlertState::Inactive, AlertState::Pending);
        model.lines.push(at(start_ms, inactive, pending));
        model
            .lines
            .push(at(start_ms + length_ms, pending, inactive));
        model
    };
    assert_eq!(
        apart(&live, &pending_for(1_200_000, INTERVAL_MS), None),
        SAME
    );
    let different = [("transitions", Agreement::Different)];
    assert_eq!(
        apart(&live, &pending_for(1_200_000, INTERVAL_MS + 1), None),
        different
    );
    // In the last interval the other drill's change would have come after the end.
    let end_ms = live.end_ms();
    assert_eq!(
        apart(&live, &pending_for(end_ms - INTERVAL_MS, 40_000), None),
        SAME
    );
    assert_eq!(
        apart(&live, &pending_for(end_ms - INTERVAL_MS - 1, 40_000), None),
        different
    );
}

#[test]
fn curves_may_be_a_twentieth_of_their_peak_apart_nowhere_more() {
    let live = live(Story::Hang);
    let scaled = |factor| {
        let mut model = model(Story::Hang);
        scale(&mut model, "asynq_tasks_enqueued_total", factor);
        model
    };
    assert_eq!(apart(&live, &scaled(0.98), None), SAME);
    let different = [("curves", Agreement::Different)];
    assert_eq!(apart(&live, &scaled(0.9), None), different);
    assert_eq!(apart(&live, &scaled(1.1), None), different);
    let found = against(&live, &scaled(0.9), Some(&scaled(1.01))).unwrap();
    let pending = found
        .curves
        .iter()
        .find(|curve| curve.what == "tasks, pending")
        .unwrap();
    assert_eq!(pending.agreement, Agreement::Explained);
    assert!(
        (0.08..=0.1).contains(&pending.distance.gap),
        "{:?}",
        pending.distance
    );
    // The widest gap is where the backlog is highest: at the restart, after 100 minutes.
    assert!(
        (5_800_000..6_000_000).contains(&pending.distance.gap_at_ms),
        "{:?}",
        pending.distance
    );
}

#[test]
fn a_curve_that_terms_and_chance_bound_is_explained() {
    let live = live(Story::Hang);
    let scaled = |factor| {
        let mut model = model(Story::Hang);
        scale(&mut model, "asynq_tasks_enqueued_total", factor);
        model
    };
    let curves = |factors: &[f64]| {
        let on_terms: Vec<Record> = factors.iter().map(|factor| scaled(*factor)).collect();
        let on_terms: Vec<&Record> = on_terms.iter().collect();
        let found = beside_all(&live, &scaled(0.8), &on_terms).unwrap();
        found.aspects()[2]
    };
    let (explained, different) = (
        ("curves", Agreement::Explained),
        ("curves", Agreement::Different),
    );
    assert_eq!(curves(&[0.8, 0.7]), different);
    assert_eq!(curves(&[0.8, 1.2]), explained);
    // The live drill paid its costs now and then: it is between the model that pays none and those that pay.
    assert_eq!(curves(&[1.2; 5]), explained);
    assert_eq!(curves(&[0.75; 5]), different);
    // Five that agree leave nothing to chance; five that do not, a sixth.
    assert_eq!(curves(&[0.9; 5]), different);
    assert_eq!(curves(&[0.9, 0.93, 0.87, 0.9, 0.91]), explained);
}

#[test]
fn a_series_that_one_drill_does_not_have_is_a_difference() {
    let live = live(Story::Crash);
    let mut model = model(Story::Crash);
    let mut ids = Vec::new();
    change(&mut model, |line| match line {
        Line::Series { id, labels } if labels["__name__"] == "asynq_tasks_enqueued_total" => {
            ids.push(*id)
        }
        Line::Scrape { at_ms, values, .. } if *at_ms > 3_000_000 => {
            values.retain(|(id, _)| !ids.contains(id))
        }
        _ => {}
    });
    assert_eq!(
        apart(&live, &model, None),
        [("curves", Agreement::Different)]
    );
}

#[test]
fn arrivals_are_the_seeds_and_what_was_under_way_is_chance() {
    let live = live(Story::Crash);
    let changed = |of: fn(&mut Audit)| {
        let mut model = model(Story::Crash);
        audit(&mut model, of);
        model
    };
    let different = [("audit", Agreement::Different)];
    assert_eq!(
        apart(&live, &changed(|audit| audit.intended += 1), None),
        different
    );
    assert_eq!(
        apart(&live, &changed(|audit| audit.lost += 1), None),
        different
    );
    // What a step lost with the data was there at a moment.
    let by_a_step = |audit: &mut Audit| {
        audit.lost += 1;
        audit.lost_in.insert("failover".into(), audit.lost);
    };
    assert_eq!(apart(&live, &changed(by_a_step), None), SAME);
    // How many tasks handlers enqueue is as many as they get to; arrivals are the seed's all the same.
    let loops = |born: u64| {
        let enqueue = move |record: &Record| {
            let mut record = record.clone();
            audit(&mut record, |audit| {
                audit.born += born;
                audit.intended += born;
            });
            record
        };
        (enqueue(&live), enqueue(&model(Story::Crash)))
    };
    let (many, few) = (loops(40_000).0, loops(39_900).1);
    assert_eq!(apart(&many, &few, None), SAME);
    assert_eq!(apart(&many, &loops(30_000).1, None), different);
    assert_eq!(
        apart(&many, &loops(30_000).1, Some(&few)),
        [("audit", Agreement::Explained)]
    );
    // The live drill has 4; 3 standard deviations of a difference with 12 in all are 10.4.
    assert_eq!(
        apart(&live, &changed(|audit| audit.executed_twice += 4), None),
        SAME
    );
    assert_eq!(
        apart(&live, &changed(|audit| audit.executed_twice += 40), None),
        different
    );
    assert_eq!(
        apart(&live, &changed(|audit| audit.wait_ms[0] += 1_000), None),
        SAME
    );
    assert_eq!(
        apart(&live, &changed(|audit| audit.wait_ms[0] += 1_001), None),
        different
    );
    let explained = [("audit", Agreement::Explained)];
    let far = changed(|audit| audit.late += 900);
    let idle = |record: &Record| {
        let mut record = record.clone();
        audit(&mut record, |audit| audit.intended = 0);
        record
    };
    assert_eq!(
        apart(&idle(&live), &idle(&far), Some(&idle(&far))),
        different,
        "no arrivals, no edge"
    );
    assert_eq!(apart(&live, &far, Some(&changed(|_| {}))), explained);
}

#[test]
fn what_took_effect_late_is_told_and_put_into_the_terms() {
    let mut late = live(Story::Crash);
    marks(&mut late, |mark| mark.at_ms += 20_000);
    let model = model(Story::Crash);
    assert_eq!(
        apart(&late, &model, None),
        [("marks", Agreement::Different)]
    );
    let terms = Terms::measured(&late, &model);
    let deed = LateDeed {
        step: "crash".into(),
        phase: Phase::Begin,
        what: "worker.kill".into(),
        target: "w-0".into(),
        planned_ms: 1_800_000,
        late_ms: 20_000,
    };
    let expected = Terms {
        round_trip_us: 18_000,
        held_us: 2 * 18_000 + 6_000,
        spread_us: 24_000,
        deeds: vec![deed],
    };
    assert_eq!(terms, expected);
    // What slots lost while they were all busy counts for more than medians.
    change(&mut late, |line| {
        if let Line::Lag(lag) = line {
            (lag.busy_turn_ms, lag.busy_overrun_ms) = (50.5, -9.25);
        }
    });
    let busy = Terms::measured(&late, &model);
    assert_eq!((busy.round_trip_us, busy.held_us), (18_000, 41_250));
    // The model on these terms plans the kill for later.
    let mut third = model.clone();
    marks(&mut third, |mark| {
        mark.planned_ms += 20_000;
        mark.at_ms += 20_000;
    });
    assert_eq!(
        apart(&late, &model, Some(&third)),
        [("marks", Agreement::Explained)]
    );
    // Without an effect a drill proves nothing.
    let mut without = live(Story::Crash);
    marks(&mut without, |mark| mark.verified = false);
    let found = against(&without, &model, None).unwrap();
    assert!(!found.is_conclusive(), "{:?}", found.doubts);
    assert_eq!(found.marks[0].live_ms, None);
}

#[test]
fn rules_that_come_to_something_else_are_a_difference() {
    let live = live(Story::Hang);
    let mut deaf = model(Story::Hang);
    deaf.lines
        .retain(|line| !matches!(line, Line::Transition(_)));
    let found = against(&live, &deaf, None).unwrap();
    let words: Vec<(&str, &str, &str)> = found
        .findings
        .iter()
        .filter(|found| found.agreement == Agreement::Different)
        .map(|found| {
            (
                found.what.as_str(),
                found.live.as_str(),
                found.model.as_str(),
            )
        })
        .collect();
    assert_eq!(
        words,
        [
            ("incident 1 deadlock", "late", "missed"),
            ("JobProcessingStalled", "late, cleared early", "missed")
        ]
    );
    assert!(
        found
            .instances
            .iter()
            .all(|alert| alert.agreement == Agreement::Different)
    );
}

#[test]
fn drills_of_different_things_are_not_compared() {
    let live = live(Story::Hang);
    let refused = |of: fn(&mut Record)| {
        let mut model = model(Story::Hang);
        of(&mut model);
        against(&live, &model, None).unwrap_err().what
    };
    assert_eq!(refused(|model| model.header.seed += 1), "seed");
    assert_eq!(refused(|model| model.header.scenario.push('x')), "scenario");
    assert_eq!(refused(|model| model.header.plan.push('x')), "plan");
    assert_eq!(
        refused(|model| model.header.rules[0].text.push('x')),
        "rules"
    );
}

/// One drill for each thing a comparison can come to.
fn pairs() -> Vec<Fidelity> {
    let same = against(
        &live(Story::Quiet),
        &model(Story::Quiet),
        Some(&model(Story::Quiet)),
    );
    let mut late = live(Story::Hang);
    marks(&mut late, |mark| mark.at_ms += 20_000);
    transitions(&mut late, |transition| transition.at_ms += 30_000);
    let mut third = model(Story::Hang);
    marks(&mut third, |mark| {
        mark.planned_ms += 20_000;
        mark.at_ms += 20_000;
    });
    transitions(&mut third, |transition| transition.at_ms += 30_000);
    let explained = against(&late, &model(Story::Hang), Some(&third));
    let mut other = model(Story::Crash);
    scale(&mut other, "asynq_tasks_enqueued_total", 0.8);
    audit(&mut other, |audit| audit.executed_twice = 60);
    let different = against(&live(Story::Crash), &other, Some(&other));
    [same, explained, different].map(Result::unwrap).into()
}

#[test]
fn a_terminal_shows_what_engines_differ_by() {
    let style = Style {
        colour: false,
        width: usize::MAX,
    };
    insta::assert_snapshot!(terminal(&of_fidelity(&pairs()), style));
}

#[test]
fn json_of_a_comparison_has_every_number() {
    let pairs = pairs();
    crate::schema::keeps_to_the_schema(&pairs[..].into(), "fidelity");
    insta::assert_snapshot!(json(&pairs[1..2].into()));
}

#[test]
fn a_page_lays_the_curves_over_each_other() {
    let pairs = pairs();
    let page = html(&of_fidelity(&pairs));
    assert_eq!(page, html(&of_fidelity(&pairs)));
    let curves: usize = pairs.iter().map(|pair| pair.curves.len()).sum();
    assert_eq!(page.matches("<svg class=\"desk\"").count(), curves);
    assert!(!page.contains("src=") && !page.contains("href=\"http") && !page.contains("<script"));
    assert!(page.contains("badge bad\">different"));
    assert!(page.contains(">virtual</text>") || page.contains("virtual\n</text>"));
}
