//! The virtual engine against queueing theory: mean waits of whole drills, with asynq's fetch loop, leases and heartbeats,
//! lie where theory says.
//!
//! Each test runs drills under twenty seeds and asks whether theory lies in the 99.9 % interval of their means, and the
//! interval must be narrow. Waits are kept in whole milliseconds, so means are exact to one.
//!
//! A fetch loop that found nothing looks again after 0.5 to 1.5 of `task_check_interval`. On one slot that is a server
//! with vacations, for which theory is exact. On many slots it is bounded: each task is seen at most 1.5 intervals late,
//! and a queue served in order whose arrivals come late by at most that much starts each task late by at most that much.

use crate::confidence::Interval;
use crate::queueing_theory::{
    Class, Servers, ServiceTime, mean_wait_mg1_looking_s, mean_wait_mmc_s,
    mean_waits_by_priority_looking_s,
};
use crate::support::plan_of;
use firedrill_sim::audit::Audited;
use firedrill_sim::engine::Observation;
use firedrill_sim::engine::virtual_time::{self, VirtualOptions};
use firedrill_sim::plan::Plan;

const SEEDS: u64 = 20;
const CONFIDENCE: f64 = 0.999;
/// Mean service of all tests.
const SERVICE_S: f64 = 0.5;

/// A plan without faults. `workload` are lines of it, `worker` what is special about the one worker process.
fn plan(minutes: u32, workload: &str, worker: &str) -> Plan {
    plan_of(&format!(
        "{{ version: firedrill/v1, name: theory, family: benign, summary: s, duration: {minutes}m,
            queues: {{ high: {{ priority: 3 }}, low: {{ priority: 1 }} }},
            workload: [{workload}], workers: [{{ name: w, {worker} }}] }}"
    ))
}

fn tasks(queue: &str, per_hour: u32, service: &str) -> String {
    format!(
        "{{ task: {queue}, queue: {queue}, arrivals: {{ poisson: {per_hour}/h }}, service: {service}, timeout: 30d }}"
    )
}

fn audited(plan: &Plan) -> Audited {
    let options = VirtualOptions {
        scrape: false,
        ..VirtualOptions::default()
    };
    let mut found = None;
    virtual_time::run(plan, options, &mut |observation| {
        if let Observation::Ledger { audited, .. } = observation {
            found = Some(*audited);
        }
        Ok(())
    })
    .unwrap();
    let audited = found.unwrap();
    assert_eq!(
        (
            audited.audit.executed_twice,
            audited.audit.failed_executions
        ),
        (0, 0)
    );
    audited
}

/// Mean waits of the plan's queues in seconds, each over some seeds.
fn mean_waits_s(mut plan: Plan) -> Vec<Interval> {
    let runs: Vec<Vec<f64>> = (0..SEEDS)
        .map(|seed| {
            plan.seed = seed;
            let waits = audited(&plan).waits;
            let mean_s = |queue: usize| waits[queue].counts.mean().unwrap_or(0.0) / 1e3;
            (0..waits.len()).map(mean_s).collect()
        })
        .collect();
    (0..plan.queues.len())
        .map(|queue| {
            let means: Vec<f64> = runs.iter().map(|run| run[queue]).collect();
            Interval::of_replications(&means, CONFIDENCE)
        })
        .collect()
}

fn narrow(interval: Interval, theory_s: f64, share: f64) {
    let width = interval.half_width / theory_s;
    assert!(width < share, "{interval:?}: {width} of {theory_s} s");
    println!("{interval:?} for {theory_s} s: ± {:.1} %", width * 100.0);
}

#[test]
fn two_slots_wait_as_erlang_says() {
    as_erlang_says(2, 10_080, 16, 50);
}

#[test]
fn four_slots_wait_as_erlang_says() {
    as_erlang_says(4, 20_160, 10, 30);
}

fn as_erlang_says(slots: u32, per_hour: u32, poll_ms: u32, minutes: u32) {
    let worker = format!("concurrency: {slots}, task_check_interval: {poll_ms}ms");
    let workload = tasks("high", per_hour, "{ exponential: { mean: 500ms } }");
    let interval = mean_waits_s(plan(minutes, &workload, &worker))[0];
    let arrivals_per_s = f64::from(per_hour) / 3_600.0;
    let theory_s = mean_wait_mmc_s(Servers(slots), arrivals_per_s, SERVICE_S);
    let late_s = 1.5 * f64::from(poll_ms) / 1e3;
    assert!(late_s < 0.09 * theory_s, "{late_s} s of {theory_s} s");
    narrow(interval, theory_s, 0.12);
    let low = interval.mean - interval.half_width;
    let high = interval.mean + interval.half_width;
    assert!(
        low < theory_s + late_s && high > theory_s,
        "{slots} slots: {theory_s} s to {late_s} s more, not {interval:?}"
    );
}

#[test]
fn one_slot_waits_as_pollaczek_and_khinchine_say() {
    // mu is ln 0.5 - 0.8² / 2, so that the mean is half a second.
    let lognormal = "{ lognormal: { mu: -1.0131471805599454, sigma: 0.8 } }";
    let exponential = "{ exponential: { mean: 500ms } }";
    for (service, as_theory, poll_ms) in [
        ("{ constant: 500ms }", ServiceTime::constant(SERVICE_S), 100),
        ("{ constant: 500ms }", ServiceTime::constant(SERVICE_S), 750),
        (exponential, ServiceTime::exponential(SERVICE_S), 100),
        (lognormal, ServiceTime::lognormal(SERVICE_S, 0.8), 100),
    ] {
        let worker = format!("concurrency: 1, task_check_interval: {poll_ms}ms");
        let interval = mean_waits_s(plan(90, &tasks("high", 4_320, service), &worker))[0];
        let theory_s = mean_wait_mg1_looking_s(1.2, as_theory, f64::from(poll_ms) / 1e3);
        narrow(interval, theory_s, 0.08);
        assert!(
            interval.contains(theory_s),
            "{service}: {theory_s} s, not {interval:?}"
        );
    }
}

#[test]
fn strict_priorities_wait_as_cobham_says() {
    let workload = [
        tasks("high", 2_160, "{ exponential: { mean: 500ms } }"),
        tasks("low", 2_880, "{ constant: 500ms }"),
    ]
    .join(", ");
    let worker = "concurrency: 1, task_check_interval: 100ms, strict_priority: true";
    let waits = mean_waits_s(plan(150, &workload, worker));
    let classes = [
        (0.6, ServiceTime::exponential(SERVICE_S)),
        (0.8, ServiceTime::constant(SERVICE_S)),
    ]
    .map(|(arrivals_per_s, service)| Class {
        arrivals_per_s,
        service,
    });
    let theory = mean_waits_by_priority_looking_s(&classes, 0.1);
    assert!(theory[1] > 3.0 * theory[0], "{theory:?}");
    for (interval, theory_s) in waits.into_iter().zip(theory) {
        narrow(interval, theory_s, 0.06);
        assert!(
            interval.contains(theory_s),
            "{theory_s} s, not {interval:?}"
        );
    }
}

/// With both queues full, each fetch tries first the one that a lot of three to one falls to.
#[test]
fn weights_share_a_busy_worker_out() {
    let burst = |queue: &str| {
        format!(
            "{{ task: {queue}, queue: {queue}, arrivals: {{ burst: {{ count: 9000, at: 0s }} }}, \
             service: {{ exponential: {{ mean: 500ms }} }}, timeout: 30d }}"
        )
    };
    let workload = [burst("high"), burst("low")].join(", ");
    let audited = audited(&plan(30, &workload, "concurrency: 3"));
    let started: Vec<f64> = audited
        .waits
        .iter()
        .map(|queue| queue.counts.count() as f64)
        .collect();
    let all = started[0] + started[1];
    assert!(all > 10_000.0 && started[0] < 9_000.0, "{started:?}");
    let share = started[0] / all;
    let deviation = (0.75 * 0.25 / all).sqrt();
    assert!(
        (share - 0.75).abs() < 4.0 * deviation,
        "{share} ± {deviation}"
    );
}
