//! One short scenario on both engines through the command: they agree, and say so.

use crate::support::{firedrill, need};
use firedrill_detector::{Compat, RuleSet};
use firedrill_reports::Record;
use firedrill_sim::drill::{Rules, simulate};
use firedrill_sim::engine::virtual_time::{Harness, VirtualOptions};
use firedrill_sim::plan::Plan;
use firedrill_sim::scenario::{PlanOptions, Scenario};
use serde_json::Value;
use std::fs::{self, File};
use std::io::BufReader;
use std::path::Path;
use std::process::Output;

const RULES: &str = r#"
# firedrill: cause worker-crashed expects WorkerDown
# firedrill: cause worker-crashed accepts QueueOld
groups:
- name: jobs
  rules:
  - alert: WorkerDown
    expr: sum(up{job="worker"}) == 0
    for: 30s
    labels: { severity: page }
  - alert: QueueOld
    expr: max by (queue) (asynq_queue_latency_seconds) > 60
    for: 30s
    labels: { severity: page }
"#;

const SCENARIO: &str = "\
version: firedrill/v1
name: short-crash
family: worker-crashed
summary: Both workers are killed and restarted three minutes later.
seed: 11
duration: 9m
warmup: 1m
queues: { default: { priority: 1, wait_objective: 30s } }
workload:
  - { task: email:send, queue: default, arrivals: { poisson: 4/s }, service: { constant: 500ms } }
workers:
  - { name: w, processes: 2, concurrency: 4 }
scrape: { interval: 5s }
evaluation: { interval: 5s }
timeline:
  - { at: 2m, fault: worker.kill, select: all, until: { at: 5m, remedy: worker.restart } }
incidents:
  - { cause: worker-crashed, wanted: page, within: 2m }
";

/// Both engines on a short scenario.
pub(crate) fn fidelity(dir: &Path, args: &[&str]) -> Output {
    fidelity_of(SCENARIO, dir, args)
}

fn fidelity_of(scenario: &str, dir: &Path, args: &[&str]) -> Output {
    fs::write(dir.join("s.yaml"), scenario).unwrap();
    fs::write(dir.join("r.yml"), RULES).unwrap();
    firedrill()
        .current_dir(dir)
        .args(["fidelity", "--rules", "r.yml", "s.yaml"])
        .args(args)
        .output()
        .unwrap()
}

#[test]
fn both_engines_come_to_the_same_verdict() {
    need!("redis-server");
    let dir = tempfile::tempdir().unwrap();
    let run = |speed: &str| {
        let output = fidelity(dir.path(), &["--speed", speed, "--json"]);
        let talk = String::from_utf8_lossy(&output.stderr).into_owned();
        let found = serde_json::from_slice(&output.stdout);
        let found: Value = found.unwrap_or_else(|_| panic!("{talk}"));
        (output, talk, found)
    };
    let (mut output, mut talk, mut found) = run("30");
    if found["scenarios"][0]["conclusive"] == false {
        // This machine was too slow for that.
        (output, talk, found) = run("10");
    }
    let scenario = &found["scenarios"][0];
    assert_eq!(scenario["conclusive"], true, "{talk}\n{scenario:#}");
    assert_eq!(scenario["aspects"]["verdicts"], "same", "{scenario:#}");
    let transitions = scenario["transitions"].as_array().unwrap();
    let crash = transitions
        .iter()
        .find(|instance| instance["alert"] == "WorkerDown")
        .unwrap();
    assert_ne!(crash["agreement"], "different", "{crash:#}");
    // How fast a backlog drains is the machine's, too, and other tests run beside this one.
    let agreed = found["agreement"] != "different";
    assert_eq!(output.status.code(), Some(i32::from(!agreed)), "{talk}");
    let count = |what: &str| {
        let counts = scenario["audit"].as_array().unwrap();
        counts.iter().find(|count| count["of"] == what).unwrap()
    };
    let arrivals = count("arrivals");
    assert!(arrivals["live"].as_u64().unwrap() > 1_500, "{arrivals}");
    assert_eq!(arrivals["live"], arrivals["virtual"]);
    assert_eq!(count("lost")["live"], 0);

    // Three records, each of its engine, and a report of both.
    let latest = dir.path().join("runs/fidelity/latest");
    let engine = |name: &str| {
        let path = latest.join("short-crash").join(name).join("record.jsonl");
        let record = Record::read(BufReader::new(File::open(path).unwrap())).unwrap();
        assert!(record.complete);
        record.header.engine
    };
    let engines = ["live", "virtual", "virtual-on-terms"].map(engine);
    assert_eq!(engines, ["live", "virtual", "virtual"]);
    let result = fs::read_to_string(latest.join("result.json")).unwrap();
    assert_eq!(result, String::from_utf8(output.stdout).unwrap());
    let html = fs::read_to_string(latest.join("report.html")).unwrap();
    assert!(html.contains("short-crash") && html.contains("<svg"));

    // The live drill's record says the same once more, and nothing is run live for that.
    let drills = fs::canonicalize(latest.join("short-crash")).unwrap();
    let again = |words: &[&str]| {
        let args = [&["fidelity", "--json", "--out", "again"][..], words];
        let output = firedrill()
            .current_dir(&drills)
            .env("PATH", "")
            .args(args.concat())
            .output()
            .unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (
            output.status.code(),
            text(output.stdout),
            text(output.stderr),
        )
    };
    let (code, once_more, _) = again(&["live"]);
    assert_eq!((code, once_more), (output.status.code(), result));
    fs::remove_dir_all(drills.join("again")).unwrap();
    for (words, why) in [
        (
            &["virtual"][..],
            "the record of a drill on the virtual engine",
        ),
        (&["live", "healthy"], "scenarios, or records, not both"),
        (&["live", "--seed", "3"], "a record has its own seed"),
        (&["live", "--rules", "runbook"], "by the rules in it"),
    ] {
        let (code, _, said) = again(words);
        assert_eq!(code, Some(2), "{words:?}: {said}");
        assert!(said.contains(why), "{words:?}: {said}");
        assert!(!drills.join("again").exists(), "{words:?}: begun");
    }
}

#[test]
fn a_live_drill_that_proves_nothing_has_nothing_to_agree_with() {
    need!("redis-server");
    let dir = tempfile::tempdir().unwrap();
    // Round trips take longer than such a handler.
    let short = SCENARIO.replace(
        "service: { constant: 500ms } }",
        "service: { constant: 5ms } }",
    );
    assert_ne!(short, SCENARIO);
    let output = fidelity_of(&short, dir.path(), &["--speed", "15"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(3), "{text}");
    assert!(text.contains("inconclusive: live: "), "{text}");
}

#[test]
fn without_redis_the_environment_is_at_fault() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("s.yaml"), SCENARIO).unwrap();
    fs::write(dir.path().join("r.yml"), RULES).unwrap();
    let output = firedrill()
        .current_dir(dir.path())
        .env("PATH", "")
        .args(["fidelity", "--rules", "r.yml", "--redis", "local", "s.yaml"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(7), "{output:?}");
    assert!(!dir.path().join("runs").exists());
}

/// Nothing is done to the system.
const IN_PEACE: &str = "";
/// A worker's link is made slower for a moment, so that all calls of the drill go over links.
const OVER_LINKS: &str = "timeline:
  - { at: 2m, fault: link.delay, select: [w-0], delay: 1ms, until: { at: 2m1s } }
";

/// What a drill of the model leaves: a burst that keeps 8 slots busy all the time.
fn saturated(timeline: &str, harness: Harness) -> Record {
    let text = SCENARIO
        .replace("poisson: 4/s", "burst: { count: 20000, at: 0s, over: 1s }")
        .replace("family: worker-crashed", "family: benign")
        .replace("timeline:\n", "")
        .replace(
            "  - { at: 2m, fault: worker.kill, select: all, until: { at: 5m, remedy: worker.restart } }\n",
            "",
        );
    let text = text.split("incidents:").next().unwrap().to_owned() + timeline;
    let scenario = Scenario::parse("s.yaml", &text).unwrap();
    let plan = Plan::resolve(&scenario, &PlanOptions { seed: None }).unwrap();
    let rules = Rules {
        texts: Vec::new(),
        reading: Default::default(),
        set: RuleSet::load(&[], Compat::default()).unwrap(),
        delivery: Default::default(),
        alertmanager: None,
    };
    let options = VirtualOptions {
        harness,
        ..VirtualOptions::default()
    };
    simulate(&plan, &rules, options, true)
}

#[test]
fn a_harness_costs_the_model_what_it_says() {
    for timeline in [IN_PEACE, OVER_LINKS] {
        let succeeded = |harness| saturated(timeline, harness).audit().unwrap().succeeded as f64;
        let free = succeeded(Harness::default());
        // 8 slots, half a second a task, 9 minutes.
        assert!((free - 8_640.0).abs() < 20.0, "{timeline}: {free}");
        let costly = Harness {
            round_trip_us: 20_000,
            overrun_us: 10_000,
            ..Harness::default()
        };
        // A slot is held for two round trips and the overrun longer.
        let share = succeeded(costly) / free;
        assert!((share - 500.0 / 550.0).abs() < 0.01, "{timeline}: {share}");
        // Timers that err both ways cost nothing more, and with other dice it is another drill.
        let spread = |dice| Harness {
            spread_us: 50_000,
            dice,
            ..costly
        };
        let share = succeeded(spread(0)) / free;
        assert!((share - 500.0 / 550.0).abs() < 0.01, "{timeline}: {share}");
        let lines = |dice| saturated(timeline, spread(dice)).lines;
        assert!(lines(1) == lines(1) && lines(1) != lines(2), "{timeline}");
    }
}

#[test]
fn a_late_scrape_sees_the_world_later_at_the_same_time() {
    let uptimes = |scrape_late_ms| -> Vec<(i64, f64)> {
        let harness = Harness {
            scrape_late_ms,
            ..Harness::default()
        };
        let record = saturated(IN_PEACE, harness);
        let uptimes = record.scrapes().filter_map(|(at_ms, _, samples)| {
            let mut known = samples.iter();
            let found = known.find(|(labels, _)| labels.name() == "redis_uptime_in_seconds");
            Some((at_ms, found?.1))
        });
        uptimes.collect()
    };
    let (now, later) = (uptimes(0), uptimes(3_000));
    assert!(later.len() > 100);
    for (now, later) in now.iter().zip(&later) {
        assert_eq!((now.0, now.1 + 3.0), *later);
    }
}
