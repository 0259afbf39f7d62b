//! Short live drills, end to end: real Redis, real worker processes, real faults, one record, one verdict.

use crate::support::{firedrill, need, project};
use firedrill_reports::record::{AlertState, Line};
use firedrill_reports::{Record, replay};
use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Rules as a team would write them, fast enough for a short drill.
const RULES: &str = r#"
# firedrill: cause worker-crashed expects WorkerDown
# firedrill: cause worker-crashed accepts QueueOld
# firedrill: no-data-ok NeverSeen
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
  - alert: NeverSeen
    expr: jobs_nobody_exports > 0
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

struct Drilled {
    dir: tempfile::TempDir,
    output: std::process::Output,
}

/// Runs one scenario at 30 times real speed; again and slower when this machine was too slow for that.
fn drill(scenario: &str, rules: &str) -> Drilled {
    for speed in ["30", "15", "6"] {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("s.yaml"), scenario).unwrap();
        fs::write(dir.path().join("r.yml"), rules).unwrap();
        let output = firedrill()
            .current_dir(dir.path())
            .args(["run", "--speed", speed, "--rules", "r.yml", "s.yaml"])
            .output()
            .unwrap();
        let drilled = Drilled { dir, output };
        if speed == "6" || !is_too_fast(&drilled.talk()) {
            return drilled;
        }
    }
    unreachable!("the last one is returned")
}

/// Whether a drill proved nothing only because this machine could not keep its speed.
fn is_too_fast(talk: &str) -> bool {
    let mut reasons = talk
        .lines()
        .filter(|line| line.contains(": inconclusive: "))
        .peekable();
    reasons.peek().is_some() && reasons.all(|reason| reason.contains("try a lower --speed"))
}

impl Drilled {
    fn record_path(&self, name: &str) -> PathBuf {
        self.dir
            .path()
            .join("runs")
            .join(name)
            .join("latest/record.jsonl")
    }

    fn talk(&self) -> String {
        format!(
            "{}{}",
            String::from_utf8_lossy(&self.output.stdout),
            String::from_utf8_lossy(&self.output.stderr)
        )
    }
}

fn read(path: &Path) -> Record {
    Record::read(BufReader::new(File::open(path).unwrap())).unwrap()
}

#[test]
fn a_crash_is_recorded_detected_audited_and_scored_again() {
    need!("redis-server");
    let drilled = drill(SCENARIO, RULES);
    assert_eq!(drilled.output.status.code(), Some(0), "{}", drilled.talk());
    let path = drilled.record_path("short-crash");
    let record = read(&path);
    assert!(record.complete);

    // Every task is accounted for; those in flight when the workers died came back and ran again.
    let audit = record.audit().unwrap();
    assert_eq!((audit.lost, audit.rejected), (0, 0), "{audit:?}");
    assert_eq!(
        audit.enqueued,
        audit.succeeded + audit.archived + audit.still_queued,
        "{audit:?}"
    );
    assert!(audit.enqueued > 1_500 && audit.late > 200, "{audit:?}");

    // Faults were done, and looked at.
    let marks: Vec<(&str, bool)> = record
        .marks()
        .map(|mark| (mark.what.as_str(), mark.verified))
        .collect();
    assert_eq!(marks, [("worker.kill", true), ("worker.restart", true)]);

    // The counters vanished with the workers: staleness markers, `up` 0.
    let fault_ms = 120_000..300_000;
    let stale = record.scrapes().any(|(at_ms, target, samples)| {
        fault_ms.contains(&at_ms)
            && target == "worker/w-0"
            && samples.iter().any(|(labels, value)| {
                labels.name() == "job_processed_total"
                    && firedrill_detector::sample::is_stale(*value)
            })
    });
    assert!(stale);

    // The alert fired within its window and went when the workers were back.
    let fired: Vec<i64> = record
        .transitions()
        .filter(|transition| {
            transition.alert == "WorkerDown" && transition.to == AlertState::Firing
        })
        .map(|transition| transition.at_ms)
        .collect();
    assert!(
        fired.len() == 1 && (150_000..180_000).contains(&fired[0]),
        "{fired:?}"
    );

    // A replay under the record's own rules says what the drill said.
    let own = firedrill_detector::RuleFile {
        name: "r.yml".into(),
        text: record.header.rules[0].text.clone(),
    };
    let rules =
        firedrill_detector::RuleSet::load(&[own], firedrill_detector::Compat::default()).unwrap();
    let again = replay(&record, &rules);
    let recorded: Vec<_> = record.transitions().cloned().collect();
    assert_eq!(again.transitions, recorded);
    assert_eq!(again.never_had_data, ["NeverSeen"]);
    assert!(
        record
            .lines
            .iter()
            .any(|line| matches!(line, Line::NoData { rule } if rule == "NeverSeen"))
    );

    // Other rules, same record, no new drill: the runbook's are blind to the crash.
    let rescored = firedrill()
        .arg("score")
        .arg(&path)
        .arg("--rules")
        .arg(project("scenarios/rules/runbook.yml"))
        .output()
        .unwrap();
    assert_eq!(rescored.status.code(), Some(1));
    let text = String::from_utf8_lossy(&rescored.stdout).into_owned();
    assert!(
        text.contains("MISSED") && text.contains("JobProcessingStalled"),
        "{text}"
    );

    // The report is one file without anything from elsewhere, and the same each time.
    let report = |name: &str| {
        let out = drilled.dir.path().join(name);
        let status = firedrill()
            .arg("report")
            .arg(&path)
            .arg("-o")
            .arg(&out)
            .status()
            .unwrap();
        assert!(status.success());
        fs::read_to_string(out).unwrap()
    };
    let html = report("a.html");
    assert_eq!(html, report("b.html"));
    assert_eq!(html.matches("<svg class=\"desk\"").count(), 7);
    assert!(!html.contains("src=") && !html.contains("href=\"http") && !html.contains("<script"));
}

#[test]
fn a_deadlock_is_a_deadlock_until_the_restart() {
    need!("redis-server");
    let scenario = SCENARIO
        .replace("short-crash", "short-deadlock")
        .replace("family: worker-crashed", "family: deadlock")
        .replace("cause: worker-crashed", "cause: deadlock")
        .replace("fault: worker.kill", "fault: handler.deadlock");
    let drilled = drill(&scenario, RULES);
    let record = read(&drilled.record_path("short-deadlock"));
    let marks: Vec<(&str, bool)> = record
        .marks()
        .map(|mark| (mark.what.as_str(), mark.verified))
        .collect();
    assert_eq!(
        marks,
        [("handler.deadlock", true), ("worker.restart", true)],
        "{}",
        drilled.talk()
    );
    // While stuck, the processes live and export, every slot is taken, and nothing is processed.
    let stuck = 150_000..290_000;
    let value = |name: &str, state: &str| -> Vec<f64> {
        record
            .scrapes()
            .filter(|(at_ms, ..)| stuck.contains(at_ms))
            .flat_map(|(_, _, samples)| samples)
            .filter(|(labels, _)| {
                labels.name() == name && labels.get("state").unwrap_or_default() == state
            })
            .map(|(_, value)| value)
            .collect()
    };
    let active = value("asynq_tasks_enqueued_total", "active");
    assert!(
        !active.is_empty() && active.iter().all(|count| *count == 8.0),
        "{active:?}"
    );
    let processed = value("job_processed_total", "");
    assert!(!processed.is_empty() && processed.iter().all(|count| count.is_finite()));
    assert!(value("up", "").iter().all(|up| *up == 1.0));
    let audit = record.audit().unwrap();
    assert_eq!(
        (audit.lost, audit.executed_twice),
        (0, 8),
        "the stuck tasks ran again: {audit:?}"
    );
}

#[test]
fn a_redis_outage_loses_nothing_that_was_accepted() {
    need!("redis-server");
    let scenario = SCENARIO
        .replace("short-crash", "short-outage")
        .replace("family: worker-crashed", "family: redis-down")
        .replace("cause: worker-crashed", "cause: redis-down")
        .replace(
            "fault: worker.kill, select: all",
            "fault: redis.kill, keep_data: true",
        )
        .replace("remedy: worker.restart", "remedy: redis.start");
    let drilled = drill(&scenario, RULES);
    let record = read(&drilled.record_path("short-outage"));
    let audit = record
        .audit()
        .unwrap_or_else(|| panic!("{}", drilled.talk()));
    assert_eq!(audit.lost, 0, "{audit:?}");
    assert!(audit.rejected > 400, "{audit:?}");
    let outage = 140_000..295_000;
    for (_, target, samples) in record
        .scrapes()
        .filter(|(at_ms, ..)| outage.contains(at_ms))
    {
        let value = |name: &str| {
            samples
                .iter()
                .find(|(labels, _)| labels.name() == name)
                .map(|(_, value)| *value)
        };
        match target {
            "redis/redis" => assert_eq!((value("up"), value("redis_up")), (Some(1.0), Some(0.0))),
            "asynq-exporter/exporter" => {
                assert_eq!(value("up"), Some(1.0), "the exporter itself is fine");
                assert!(value("asynq_queue_size").is_none_or(firedrill_detector::sample::is_stale));
            }
            _ => {}
        }
    }
}

#[test]
fn a_speed_this_machine_cannot_keep_is_refused_with_one_that_would_do() {
    need!("redis-server");
    // Handlers of one virtual millisecond at 1000 times real speed: no machine can do that.
    let dir = tempfile::tempdir().unwrap();
    let scenario = SCENARIO
        .replace("service: { constant: 500ms }", "service: { constant: 1ms }")
        .replace("short-crash", "too-fast");
    fs::write(dir.path().join("s.yaml"), scenario).unwrap();
    fs::write(dir.path().join("r.yml"), RULES).unwrap();
    let output = firedrill()
        .current_dir(dir.path())
        .args(["run", "--speed", "1000", "--rules", "r.yml", "s.yaml"])
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("--speed 1000: "), "{told}");
    assert!(told.contains(" or --speed auto"), "{told}");
    assert!(!dir.path().join("runs").exists(), "nothing was begun");
}

/// Somebody else on every core, as long as it lives.
struct Busy(Vec<std::process::Child>);

impl Busy {
    fn on(loops: usize) -> Self {
        let busy = || {
            Command::new("sh")
                .args(["-c", "while :; do :; done"])
                .spawn()
        };
        Self((0..loops).map(|_| busy().unwrap()).collect())
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        for child in &mut self.0 {
            // It ends with the test at the latest.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Whatever the machine and whoever is beside us, `auto` finds a pace at which there is a verdict, and the verdict is the
/// model's.
#[test]
fn the_verdict_is_the_same_beside_two_busy_loops() {
    need!("redis-server");
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("s.yaml"), SCENARIO).unwrap();
    fs::write(dir.path().join("r.yml"), RULES).unwrap();
    let run = |more: &[&str]| {
        let output = firedrill()
            .current_dir(dir.path())
            .args(["run", "--json", "--rules", "r.yml", "s.yaml"])
            .args(more)
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        let card: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        (output.status.code(), card["verdict"].clone(), told)
    };
    let (code, verdict, told) = run(&["--engine", "virtual"]);
    assert!(matches!(code, Some(0 | 1)), "{told}");
    let _busy = Busy::on(2);
    // Other tests may be beside it, too: right or absent each time, and there soon.
    let proven = (0..3).any(|_| {
        let (live_code, live_verdict, told) = run(&[]);
        if live_code == Some(3) {
            return false;
        }
        assert_eq!((live_code, live_verdict), (code, verdict.clone()), "{told}");
        true
    });
    assert!(proven, "three times without a verdict");
}
