//! Terms as the model pays them, and what comes of a defect: the model stands for a live drill, with one.

use super::*;
use firedrill_reports::fidelity::LateDeed;
use firedrill_reports::record::{Lag, Line, RuleText};
use firedrill_sim::scenario::{PlanOptions, Scenario};

const OUTAGE: &str = include_str!("../../../../scenarios/redis-down/redis-outage.yaml");
const RUNBOOK: &str = include_str!("../../../../scenarios/rules/runbook.yml");
const STORM: &str =
    include_str!("../../../../scenarios/retry-storm/retry-storm-dependency-down.yaml");

fn plan(text: &str) -> Plan {
    let scenario = Scenario::parse("s.yaml", text).unwrap();
    Plan::resolve(&scenario, &PlanOptions { seed: None }).unwrap()
}

fn late(step: &str, phase: Phase) -> LateDeed {
    LateDeed {
        step: step.into(),
        phase,
        what: "whatever".into(),
        target: "anybody".into(),
        planned_ms: 0,
        late_ms: 7_000,
    }
}

#[test]
fn the_model_pays_what_the_live_drill_paid() {
    let before = plan(OUTAGE);
    let terms = Terms {
        round_trip_us: 5_000,
        held_us: 13_000,
        spread_us: 2_000,
        deeds: vec![late("redis.kill", Phase::End)],
    };
    let (after, harness, kept) = on_terms(&before, terms.clone());
    assert_eq!(kept, terms);
    assert_eq!((harness.round_trip_us, harness.overrun_us), (5_000, 3_000));
    assert_eq!(harness.spread_us, 2_000);
    let (step, moved) = (&before.timeline[0], &after.timeline[0]);
    assert_eq!(step.at_ms, moved.at_ms);
    let ends_ms = |step: &firedrill_sim::plan::Step| step.until.as_ref().unwrap().at_ms;
    assert_eq!(ends_ms(step) + 7_000, ends_ms(moved));
}

#[test]
fn handlers_know_when_their_faults_are_on() {
    let before = plan(STORM);
    let terms = Terms {
        deeds: vec![late("handler.fail", Phase::Begin)],
        ..Terms::default()
    };
    let (after, _, kept) = on_terms(&before, terms);
    assert_eq!(after, before);
    assert!(kept.deeds.is_empty());
}

/// A backlog after an outage, and a storm of retries.
const TROUBLE: &str = "\
version: firedrill/v1
name: trouble
family: worker-crashed
summary: Workers are away for a while, and later all jobs fail for a while.
seed: 3
duration: 50m
warmup: 5m
queues: { default: { priority: 1, wait_objective: 30s } }
workload:
  - { task: email:send, queue: default, arrivals: { poisson: 12/s }, service: { lognormal: { mean: 500ms, p95: 1.3s } } }
workers:
  - { name: w, processes: 2, concurrency: 5 }
timeline:
  - { at: 10m, fault: worker.kill, select: all, until: { at: 15m, remedy: worker.restart } }
  - { at: 40m, fault: handler.fail, task: email:send, share: 30%, until: { at: 45m } }
incidents:
  - { cause: worker-crashed, wanted: page, within: 2m }
";

/// What a harness costs at 50x that gives back most of what it takes.
fn lag() -> Lag {
    Lag {
        enqueue_ms: [46, 100, 414],
        scrape_ms: [55, 101, 358],
        handler_ms: [53, 100, 300],
        redis_ms: [9, 60, 300],
        busy_turn_ms: 30.0,
        busy_overrun_ms: -22.0,
        taken_off_ms: 75.0,
        ..Lag::default()
    }
}

/// How far the model of [`TROUBLE`] agrees with a drill of `plan` on `harness` that is taken for a live one of it.
fn beside(plan: &Plan, harness: Harness) -> Fidelity {
    let runbook = RuleText {
        name: "runbook.yml".into(),
        text: RUNBOOK.into(),
    };
    let paging = Paging::new(&[], None);
    let (rules, pack) = inputs::pack(vec![runbook], Default::default(), &paging).unwrap();
    let options = VirtualOptions {
        harness,
        ..VirtualOptions::default()
    };
    let planned = self::plan(TROUBLE);
    let mut record = drill::simulate(plan, &rules, options, true);
    record.header.engine = "live".into();
    record.header.plan = drill::simulate(&planned, &rules, VirtualOptions::default(), true)
        .header
        .plan;
    for line in &mut record.lines {
        if let Line::Lag(of) = line {
            *of = lag();
        }
    }
    let live = Drilled::of(record, &pack);
    let dir = tempfile::tempdir().unwrap();
    beside_the_model(live, &planned, (&rules, &pack), dir.path()).unwrap()
}

/// The aspects that nothing explains.
fn different(found: &Fidelity) -> Vec<&'static str> {
    let aspects = found.aspects().into_iter();
    aspects
        .filter(|(_, agreement)| *agreement == Agreement::Different)
        .map(|(aspect, _)| aspect)
        .collect()
}

#[test]
fn a_drill_that_pays_its_terms_now_and_then_is_no_different() {
    let lag = lag();
    let held_us = ((lag.busy_turn_ms + lag.busy_overrun_ms) * 1e3) as i64;
    for share in [0.4, 1.0] {
        let harness = Harness {
            round_trip_us: 9_000,
            overrun_us: (held_us as f64 * share) as i64 - 18_000,
            spread_us: 47_000,
            dice: 77,
            scrape_late_ms: 0,
        };
        let found = beside(&plan(TROUBLE), harness);
        let none: [&str; 0] = [];
        assert_eq!(different(&found), none, "{share}: {found:#?}");
    }
}

#[test]
fn an_engine_with_a_defect_is_told() {
    // Handlers that work a tenth longer: no terms of this drill bring that about.
    let slower = TROUBLE.replace("mean: 500ms, p95: 1.3s", "mean: 550ms, p95: 1.43s");
    assert_ne!(slower, TROUBLE);
    let found = beside(&plan(&slower), Harness::default());
    let pending = found
        .curves
        .iter()
        .find(|curve| curve.what == "tasks, pending")
        .unwrap();
    assert_eq!(
        pending.agreement,
        Agreement::Different,
        "{:?}",
        pending.on_terms
    );
    // Retries that come a minute later.
    let retries = |delay: &str| {
        TROUBLE.replace(
            "concurrency: 5 }",
            &format!("concurrency: 5, retry_delay: {{ constant: {delay} }} }}"),
        )
    };
    let mut late = plan(TROUBLE);
    late.workers[0].retry_delay = plan(&retries("91s")).workers[0].retry_delay;
    let found = beside(&late, Harness::default());
    let retry = found
        .curves
        .iter()
        .find(|curve| curve.what == "tasks, retry");
    assert_eq!(retry.unwrap().agreement, Agreement::Different);
}
