//! A drill, what a Prometheus would have of it, what is learnt from that, and the drill of what was learnt: it looks like the first.

use crate::support::plan_of;
use firedrill_detector::{Compat, Labels, RuleSet};
use firedrill_reports::Record;
use firedrill_reports::fidelity::{self, Agreement};
use firedrill_reports::record::RuleReading;
use firedrill_reports::score::Delivery;
use firedrill_sim::drill::{self, Rules};
use firedrill_sim::engine::virtual_time::VirtualOptions;
use firedrill_sim::learn::{Learnt, Samples, learn};
use firedrill_sim::plan::Plan;
use firedrill_sim::scenario::{PlanOptions, Scenario};
use std::collections::BTreeSet;

/// A team's world, none of whose names are ours.
const WORLD: &str = "{ version: firedrill/v1, world: theirs, summary: s, discovery: kubernetes, labels: { cluster: eu },
  exporters: [redis-exporter, kube-state-metrics, cadvisor],
  targets: {
    worker: { job: mailer, instance: \"{name}:9090\", labels: { pod: \"{name}\" } },
    asynq: { job: asynqmon, instance: \"asynqmon:8080\", labels: { team: mail } },
    redis: { job: redis-exporter, instance: \"redis:9121\", interval: 30s },
    kube: { job: ksm, instance: \"ksm:8080\", labels: { team: platform } },
    cadvisor: { job: kubelet, instance: \"node:10250\" } },
  metrics: [
    { name: mailer_jobs_total, type: counter, labels: { kind: task_type, q: queue, outcome: result }, results: { success: ok, failed: error } },
    { name: mailer_job_seconds, type: histogram, labels: { kind: task_type, q: queue }, buckets: [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30] } ] }";

/// Three hours in which the rate of one task type doubles and falls again, three distributions, and a few failures.
fn theirs() -> Plan {
    plan_of(&format!(
        "\
version: firedrill/v1
name: theirs
family: benign
summary: s
seed: 5
starts: Tue 07:30
duration: 3h
queues: {{ default: , bulk: }}
workload:
  - {{ task: mail, queue: default, arrivals: {{ start: 4/s, stages: [ {{ duration: 90m, target: 12/s }}, {{ duration: 90m, target: 4/s }} ] }}, service: {{ lognormal: {{ mean: 400ms, p95: 1.2s }} }}, fail: 2% }}
  - {{ task: thumb, queue: bulk, arrivals: {{ poisson: 3/s }}, service: {{ exponential: {{ mean: 700ms }} }} }}
  - {{ task: report, queue: bulk, arrivals: {{ poisson: 0.5/s }}, service: {{ constant: 3s }} }}
workers: [ {{ name: w, processes: 3, concurrency: 10 }} ]
world: {WORLD}
scrape: {{ interval: 15s }}
"
    ))
}

fn drilled(plan: &Plan) -> Record {
    let rules = Rules {
        texts: Vec::new(),
        set: RuleSet::load(&[], Compat::default()).unwrap(),
        delivery: Delivery::default(),
        alertmanager: None,
        reading: RuleReading::default(),
    };
    drill::simulate(plan, &rules, VirtualOptions::default(), true)
}

/// What a Prometheus that scraped the drill would have.
fn scraped(record: &Record) -> Samples {
    let mut samples = Samples::default();
    for (at_ms, _, values) in record.scrapes() {
        for (labels, value) in values {
            samples
                .push(labels.clone(), 1_767_684_600_000 + at_ms, value)
                .unwrap();
        }
    }
    samples
}

/// The plan of what was learnt, out of its files.
fn planned(learnt: &Learnt) -> Plan {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("ours-world.yaml"), &learnt.world).unwrap();
    let file = dir.path().join("ours.yaml");
    std::fs::write(&file, &learnt.scenario).unwrap();
    let scenario = Scenario::parse(file.to_str().unwrap(), &learnt.scenario);
    let scenario = scenario.unwrap_or_else(|found| panic!("{found:#?}\n{}", learnt.scenario));
    Plan::resolve(&scenario, &PlanOptions::default()).unwrap_or_else(|found| panic!("{found:#?}"))
}

/// Labels that name a process, its pod or its group.
const NAME_IT: [&str; 7] = [
    "instance",
    "pod",
    "uid",
    "container",
    "deployment",
    "created_by_name",
    "owner_name",
];

/// Names and labels of all series, without what names a process.
fn series(record: &Record) -> BTreeSet<String> {
    let own = |labels: &Labels| {
        let pairs = labels.iter().filter(|(name, _)| !NAME_IT.contains(name));
        let pairs = pairs.map(|(name, value)| format!("{name}={value}"));
        pairs.collect::<Vec<String>>().join(" ")
    };
    let mut all = BTreeSet::new();
    for (_, _, samples) in record.scrapes() {
        all.extend(samples.into_iter().map(|(labels, _)| own(&labels)));
    }
    all
}

#[test]
fn a_drill_of_what_was_learnt_from_a_drill_looks_like_it() {
    let plan = theirs();
    let first = drilled(&plan);
    let dump = scraped(&first).to_openmetrics();
    let samples = Samples::of_text(&dump).unwrap();
    let learnt = learn(&samples, "ours", "ours-world.yaml").unwrap();
    let again = planned(&learnt);
    // Everything that has a name has it again.
    let mut world = again.world.clone();
    (world.name, world.summary) = (plan.world.name.clone(), plan.world.summary.clone());
    // In the order of their names.
    world.metrics.reverse();
    assert_eq!(world, plan.world, "{}", learnt.world);
    assert_eq!(again.starts, plan.starts);
    assert_eq!(again.workers[0].processes, 3);
    let second = drilled(&again);
    assert_eq!(series(&second), series(&first));
    let curves = fidelity::shape(&first, &second, 8);
    assert!(curves.len() >= 6, "{curves:#?}");
    // Other dice fall otherwise: how far the same plan is from itself under other seeds is no distance.
    let others = [21, 22, 23, 24].map(|seed| {
        let other = Plan {
            seed,
            ..plan.clone()
        };
        fidelity::shape(&first, &drilled(&other), 8)
    });
    for curve in &curves {
        let own = others
            .iter()
            .flatten()
            .filter(|other| other.what == curve.what);
        let (mut mean, mut gap) = (0.0_f64, 0.0_f64);
        for other in own {
            mean = mean.max(other.distance.mean);
            gap = gap.max(other.distance.gap);
        }
        let as_near = curve.distance.mean <= mean * 1.2 && curve.distance.gap <= gap * 1.2 + 0.01;
        assert!(
            curve.agreement == Agreement::Same || as_near,
            "{}: {:?}, and under other seeds {mean}, {gap}\n{}",
            curve.what,
            curve.distance,
            learnt.scenario
        );
    }
    insta::assert_snapshot!(format!("{}---\n{}", learnt.world, learnt.scenario));
}
