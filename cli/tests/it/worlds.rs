//! What a Prometheus sees is a team's own: listed, told where it is wrong, and the same on both engines.

use crate::support::{need, said};
use firedrill_detector::sample::is_stale;
use firedrill_reports::Record;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::BufReader;
use std::path::Path;

const SCENARIO: &str = "\
version: firedrill/v1
name: short
family: worker-crashed
summary: One worker of two is killed and restarted three minutes later, and some handlers panic.
seed: 11
duration: 9m
warmup: 1m
queues: { default: { priority: 1, wait_objective: 30s } }
workload:
  - { task: a, queue: default, arrivals: { poisson: 2/s }, service: { constant: 500ms }, fail: 0.2 }
  - { task: b, queue: default, arrivals: { poisson: 1/s }, service: { constant: 500ms } }
workers:
  - { name: w, processes: 2, concurrency: 6 }
scrape: { interval: 5s }
evaluation: { interval: 5s }
timeline:
  - { at: 2m, fault: worker.kill, select: [w-0], until: { at: 5m, remedy: worker.restart } }
  - { at: 6m, fault: handler.panic, task: b, until: { at: 7m } }
incidents:
  - { cause: worker-crashed, wanted: page, within: 2m }
";

/// Rules that have data in one world each, and one whose names the team's own world has.
const RULES: &str = r#"
groups:
- name: own
  rules:
  - alert: WorkerGone
    expr: absent(up{job="asynq-worker",namespace="prod",pod="w-0"} == 1)
    for: 30s
    labels: { severity: page }
  - alert: Stuck
    expr: sum(rate(processed_tasks_total[1m])) == 0
    labels: { severity: page }
  - alert: RedisCrowded
    expr: redis_connected_clients > 0.8 * redis_config_maxclients
    labels: { severity: page }
"#;

fn files(dir: &Path) {
    fs::write(dir.join("s.yaml"), SCENARIO).unwrap();
    fs::write(dir.join("r.yml"), RULES).unwrap();
}

#[test]
fn metrics_are_listed_by_world() {
    let dir = tempfile::tempdir().unwrap();
    let (code, text, _) = said(dir.path(), &["metrics"]);
    assert_eq!(code, Some(0));
    assert!(
        text.contains("job_processed_total{queue, status, task_type}  counter of worker"),
        "{text}"
    );
    let (_, text, _) = said(dir.path(), &["metrics", "--world", "wiki", "--json"]);
    let listed: Value = serde_json::from_str(&text).unwrap();
    let names = listed["metrics"].as_array().unwrap().iter();
    let names: Vec<&str> = names.filter_map(|metric| metric["name"].as_str()).collect();
    assert!(
        names.contains(&"in_progress_tasks") && !names.contains(&"job_processed_total"),
        "{names:?}"
    );
}

#[test]
fn a_world_that_is_wrong_is_told_with_its_place_and_starts_nothing() {
    let dir = tempfile::tempdir().unwrap();
    files(dir.path());
    let text = "version: firedrill/v1\nworld: w\nsummary: s\nmetrics:\n  - { name: a, type: histogram, buckets: [5, 1] }\n";
    fs::write(dir.path().join("w.yaml"), text).unwrap();
    let run = |world: &str| {
        let (code, _, talk) = said(
            dir.path(),
            &["run", "--rules", "r.yml", "--world", world, "s.yaml"],
        );
        assert_eq!(code, Some(2), "{talk}");
        assert!(!dir.path().join("runs").exists());
        talk
    };
    let talk = run("w.yaml");
    assert!(
        talk.contains("w.yaml:5:46: buckets: 1 does not come after 5"),
        "{talk}"
    );
    let talk = run("wikki");
    assert!(
        talk.contains("did you mean `wiki`? accepted: runbook, wiki, x-metrics, kubernetes, wiki-kubernetes, x-metrics-kubernetes, or a file"),
        "{talk}"
    );
    assert!(run("none/w.yaml").contains("none/w.yaml: No such file"));
}

#[test]
fn a_rule_that_asks_for_what_a_world_does_not_have_is_told_the_nearest_name() {
    let dir = tempfile::tempdir().unwrap();
    let text = RULES.replace("processed_tasks_total", "processed_task_total");
    fs::write(dir.path().join("r.yml"), text).unwrap();
    let (code, _, talk) = said(dir.path(), &["check", "--world", "wiki", "r.yml"]);
    assert_eq!(code, Some(0));
    assert!(
        talk.contains("r.yml:10:20: Stuck: asks for processed_task_total, which the world wiki does not have; did you mean processed_tasks_total?"),
        "{talk}"
    );
    let (_, _, talk) = said(dir.path(), &["check", "r.yml"]);
    assert!(!talk.contains("asks for"), "no world was named: {talk}");
}

#[test]
fn a_world_file_is_checked_by_itself() {
    let dir = tempfile::tempdir().unwrap();
    let check = |text: &str| {
        fs::write(dir.path().join("w.yaml"), text).unwrap();
        said(dir.path(), &["check", "w.yaml"])
    };
    let head = "version: firedrill/v1\nworld: ours\nsummary: s\n";
    let (code, text, talk) = check(&format!("{head}extends: [wiki-kubernetes]\n"));
    assert_eq!(code, Some(0), "{talk}");
    assert!(text.starts_with("ok w.yaml: world ours, "), "{text}");
    let (code, _, talk) = check(&format!(
        "{head}targets:\n  asynq: {{ job: exporters, instance: one }}\n  redis: {{ job: exporters, instance: one }}\n"
    ));
    assert_eq!(code, Some(2));
    assert!(
        talk.contains("w.yaml:6:3: targets: `asynq` and `redis` are both the target exporters/one"),
        "{talk}"
    );
    // A folder's worlds are checked beside its scenarios and rules, and are no drills.
    files(dir.path());
    let (code, _, talk) = said(dir.path(), &["check", "."]);
    assert_eq!(code, Some(2));
    assert!(talk.contains("w.yaml:6:3"), "{talk}");
    let (code, _, talk) = said(dir.path(), &["plan", "w.yaml"]);
    assert_eq!(code, Some(2));
    assert!(
        talk.contains("w.yaml: this is a world, and no drill by itself"),
        "{talk}"
    );
}

#[test]
fn targets_that_clash_are_told_where_the_world_says_so() {
    let dir = tempfile::tempdir().unwrap();
    files(dir.path());
    let world = "version: firedrill/v1\nworld: ours\nsummary: s\ntargets:\n  redis: { job: worker, instance: w-1 }\n";
    fs::write(dir.path().join("w.yaml"), world).unwrap();
    let told = "`redis` and `w-1` are both the target worker/w-1";
    let (code, _, talk) = said(dir.path(), &["plan", "--world", "w.yaml", "s.yaml"]);
    assert_eq!(code, Some(2));
    assert!(
        talk.contains(&format!("w.yaml:5:3: targets: {told}")),
        "{talk}"
    );
    let within = SCENARIO.replace("scrape:", "world: { version: firedrill/v1, world: x, summary: s,\n  targets: { redis: { job: worker, instance: w-1 } } }\nscrape:");
    fs::write(dir.path().join("t.yaml"), within).unwrap();
    let (_, _, talk) = said(dir.path(), &["plan", "t.yaml"]);
    assert!(
        talk.contains(&format!("t.yaml:15:14: targets: {told}")),
        "{talk}"
    );
}

/// The names of a record's series, and of the labels of one of them.
fn names(record: &Record, of: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut names, mut labels) = (BTreeSet::new(), BTreeSet::new());
    for (_, _, samples) in record.scrapes() {
        for (own, _) in samples {
            names.insert(own.name().to_owned());
            if own.name() == of {
                labels.extend(own.iter().map(|(name, _)| name.to_owned()));
            }
        }
    }
    (names, labels)
}

#[test]
fn both_engines_agree_in_every_world() {
    need!("redis-server");
    let dir = tempfile::tempdir().unwrap();
    files(dir.path());
    for (world, metric) in [
        ("wiki", "in_progress_tasks"),
        ("kubernetes", "job_processed_total"),
        ("x-metrics", "redis_instance_info"),
    ] {
        let run = |speed: &str| {
            let args = [
                "fidelity", "--rules", "r.yml", "--world", world, "s.yaml", "--json", "--speed",
                speed,
            ];
            let (_, text, talk) = said(dir.path(), &args);
            let found = serde_json::from_str(&text);
            found.unwrap_or_else(|_| panic!("{talk}"))
        };
        let mut found: Value = run("30");
        if found["scenarios"][0]["conclusive"] == false {
            // This machine was too slow for that.
            found = run("10");
        }
        let scenario = &found["scenarios"][0];
        assert_eq!(scenario["conclusive"], true, "{scenario:#}");
        for aspect in ["verdicts", "transitions"] {
            let agreement = &scenario["aspects"][aspect];
            assert_ne!(*agreement, "different", "{world}: {aspect}: {scenario:#}");
        }
        let record = |engine: &str| {
            let path = format!("runs/fidelity/latest/short/{engine}/record.jsonl");
            let file = File::open(dir.path().join(path)).unwrap();
            Record::read(BufReader::new(file)).unwrap()
        };
        let (live, model) = (record("live"), record("virtual"));
        let (mut live, model) = (names(&live, metric), names(&model, metric));
        // A real Redis alone can be asked for it.
        live.0.remove("asynq_queue_memory_usage_approx_bytes");
        assert_eq!(live, model, "{world}");
        assert!(live.0.contains(metric));
    }
}

/// Everything that Kubernetes has a word for: a crash loop, a limit of memory, a limit of the processor, a release that does not boot,
/// a scale-out, and a process that nobody starts again.
const PODS: &str = "\
version: firedrill/v1
name: pods
family: worker-crashed
summary: What happens to pods.
seed: 7
duration: 14m
warmup: 1m
queues: { default: { priority: 1, wait_objective: 30s } }
workload:
  - { task: a, queue: default, arrivals: { poisson: 2/s }, service: { constant: 500ms } }
workers:
  - { name: w, processes: 3, concurrency: 6, restart: {} }
scrape: { interval: 5s }
evaluation: { interval: 5s }
world: kubernetes
timeline:
  - { at: 1m, fault: worker.crash-loop, select: [w-0], after: 20s, until: { at: 3m } }
  - { at: 1m, fault: worker.memory-limit, select: [w-1], fills_in: 20s, limit: 32MB, until: { at: 3m } }
  - { at: 4m, fault: worker.cpu-throttle, select: [w-2], share: 40%, until: { at: 5m } }
  - { at: 6m, fault: worker.deploy-broken, select: [w-0], until: { at: 8m, remedy: worker.rollback } }
  - { at: 10m, remedy: workers.scale, worker: w, to: 4 }
  - { at: 12m, fault: worker.kill, select: [w-1], until: { at: 13m, remedy: worker.restart } }
incidents:
  - { cause: worker-crashed, of: worker.crash-loop, wanted: page, within: 2m }
";

/// The greatest and the last value of each series of Kubernetes, without those that a scrape may miss. A machine that is slow to start
/// processes has fewer deaths before their step is over, so of restarts it is told that there were some.
fn of_kubernetes(record: &Record) -> BTreeMap<String, (f64, f64)> {
    let mut found: BTreeMap<String, (f64, f64)> = BTreeMap::new();
    for (_, _, samples) in record.scrapes() {
        for (labels, value) in samples {
            let is_meant = [
                "_reason",
                "_restarts_total",
                "_spec_replicas",
                "_replicas_ready",
            ];
            let name = labels.name();
            let is_meant = is_meant.iter().any(|end| name.ends_with(end));
            if name.starts_with("kube_") && is_meant && !is_stale(value) {
                let value = match name.ends_with("_restarts_total") {
                    true => f64::from(u8::from(value > 0.0)),
                    false => value,
                };
                let (most, last) = found.entry(labels.to_string()).or_insert((value, value));
                (*most, *last) = (most.max(value), value);
            }
        }
    }
    found
}

#[test]
fn pods_are_told_alike_on_both_engines() {
    need!("redis-server");
    let dir = tempfile::tempdir().unwrap();
    files(dir.path());
    fs::write(dir.path().join("pods.yaml"), PODS).unwrap();
    let args = [
        "fidelity",
        "--rules",
        "r.yml",
        "pods.yaml",
        "--json",
        "--speed",
        "20",
    ];
    let (_, text, talk) = said(dir.path(), &args);
    assert!(serde_json::from_str::<Value>(&text).is_ok(), "{talk}");
    let record = |engine: &str| {
        let path = format!("runs/fidelity/latest/pods/{engine}/record.jsonl");
        let file = File::open(dir.path().join(path)).unwrap();
        Record::read(BufReader::new(file)).unwrap()
    };
    let (live, model) = (record("live"), record("virtual"));
    let (told, on_model) = (of_kubernetes(&live), of_kubernetes(&model));
    assert_eq!(told, on_model);
    let has = |name: &str, label: &str| {
        let mut series = told.keys();
        series.any(|series| series.starts_with(name) && series.contains(label))
    };
    for reason in ["OOMKilled", "Error"] {
        let name = "kube_pod_container_status_last_terminated_reason";
        assert!(has(name, reason), "{reason}: {told:#?}");
    }
    assert!(has(
        "kube_pod_container_status_waiting_reason",
        "CrashLoopBackOff"
    ));
    let restarts = told.iter().filter(|(of, _)| of.contains("_restarts_total"));
    // Those of the crash loop, of the memory limit and of the broken release.
    assert_eq!(
        restarts.filter(|(_, (most, _))| *most > 0.0).count(),
        3,
        "{told:#?}"
    );
    let last = |name: &str| {
        let (_, values) = told
            .iter()
            .find(|(series, _)| series.starts_with(name))
            .unwrap();
        values.1
    };
    assert_eq!(last("kube_deployment_spec_replicas"), 4.0);
    assert_eq!(last("kube_deployment_status_replicas_ready"), 4.0);
    for record in [&live, &model] {
        let (names, _) = names(record, "up");
        for name in [
            "container_memory_working_set_bytes",
            "container_spec_memory_limit_bytes",
            "container_cpu_cfs_throttled_seconds_total",
        ] {
            assert!(names.contains(name), "{name}");
        }
    }
}

#[test]
fn a_pack_with_variants_is_judged_by_the_one_for_the_world() {
    let dir = tempfile::tempdir().unwrap();
    files(dir.path());
    let run = |more: &[&str]| {
        let words = [
            "run",
            "--engine",
            "virtual",
            "--no-gate",
            "--rules",
            "firedrill",
            "s.yaml",
        ];
        let (code, _, told) = said(dir.path(), &[&words[..], more].concat());
        assert_eq!(code, Some(0), "{told}");
        told
    };
    assert!(!run(&[]).contains("rules:"), "{}", run(&[]));
    let told = run(&["--world", "x-metrics-kubernetes"]);
    let said_which = "rules: firedrill-x-metrics-kubernetes.yml (built in), for the world x-metrics-kubernetes\n";
    assert!(told.contains(said_which), "{told}");
    // A record remembers its world, and which rules they were.
    let record = "runs/short/latest/record.jsonl";
    let (_, _, told) = said(
        dir.path(),
        &["score", "--no-gate", "--rules", "firedrill", record],
    );
    assert!(told.contains(said_which), "{told}");
    let text = fs::read_to_string(dir.path().join(record)).unwrap();
    assert!(text.contains("firedrill-x-metrics-kubernetes.yml (built in)"));
    // By its name it is judged whatever the world.
    let words = [
        "run",
        "--engine",
        "virtual",
        "--no-gate",
        "--rules",
        "firedrill-x-metrics",
        "s.yaml",
    ];
    let (code, _, told) = said(dir.path(), &words);
    assert_eq!(code, Some(0), "{told}");
    assert!(!told.contains("for the world"), "{told}");

    let ours = "version: firedrill/v1\nworld: ours\nsummary: s\nextends: [wiki]\ntargets: { worker: { job: jobs } }\n";
    fs::write(dir.path().join("ours.yaml"), ours).unwrap();
    let told = run(&["--world", "ours.yaml"]);
    assert!(
        told.contains("rules: firedrill-wiki.yml (built in), for the world ours\n"),
        "{told}"
    );
    assert!(
        told.contains("the world ours has no process_start_time_seconds{job=\"worker\"}; `firedrill show firedrill-wiki` prints"),
        "{told}"
    );
}

/// All workers are away for some minutes.
const GONE: &str = "\
version: firedrill/v1
name: gone
family: worker-crashed
summary: All workers are killed, and restarted three and a half minutes later.
seed: 11
duration: 8m
warmup: 1m
queues: { default: { priority: 1, wait_objective: 30s } }
workload:
  - { task: a, queue: default, arrivals: { poisson: 3/s }, service: { constant: 500ms } }
workers:
  - { name: w, processes: 2, concurrency: 6 }
scrape: { interval: 5s }
evaluation: { interval: 5s }
timeline:
  - { at: 3m, fault: worker.kill, select: all, until: { at: 390s, remedy: worker.restart } }
incidents:
  - { cause: worker-crashed, wanted: page, within: 3m }
";

#[test]
fn the_pack_of_each_preset_sees_a_live_incident() {
    need!("redis-server");
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("gone.yaml"), GONE).unwrap();
    for preset in firedrill_sim::world::PRESETS {
        let world = preset.name;
        let run = ["run", "--no-gate", "--json", "--rules", "firedrill"];
        // At one pace, so that no drill is run again at another: what is looked at bears a busy machine.
        let run = [&run[..], &["--speed", "40", "--world", world, "gone.yaml"]].concat();
        let (code, out, told) = said(dir.path(), &run);
        assert!(matches!(code, Some(0 | 3)), "{world}: {told}");
        // That of the runbook's world is the pack itself.
        let pack = format!("rules: firedrill-{world}.yml (built in), for the world {world}");
        assert!(world == "runbook" || told.contains(&pack), "{told}");
        let card: Value = serde_json::from_str(&out).unwrap();
        let drill = &card["drills"][0];
        assert!(drill["engine"].as_str().unwrap().starts_with("live"));
        let outcome = &drill["incidents"][0]["outcome"];
        // A machine that is too busy for a verdict says so, and nothing is held against the pack.
        assert!(
            outcome == "in_time" || drill["verdict"] == "inconclusive",
            "{world}: {drill:#}"
        );
        assert!(
            drill["incidents"][0]["detection"].is_object(),
            "{world}: {drill:#}"
        );
        assert_eq!(drill["jobs_lost"], 0, "{world}");
    }
}
