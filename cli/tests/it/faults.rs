//! Every fault of the list, for real: it bites, it heals, what it does is explained, and the model does the same.

use crate::support::{firedrill, need, plan_of};
use firedrill_reports::Record;
use firedrill_reports::record::{Mark, Phase, Unexplained};
use serde_json::Value;
use std::fs::{self, File};
use std::io::BufReader;
use std::path::Path;
use std::process::Output;

/// The faults as the binary lists them.
pub(crate) fn listed() -> Vec<Value> {
    let output = firedrill().args(["faults", "--json"]).output().unwrap();
    let all: Value = serde_json::from_slice(&output.stdout).unwrap();
    all["faults"].as_array().unwrap().clone()
}

/// A fault of the list, as one of its examples has it.
struct Case {
    /// Of its drill.
    name: String,
    fault: Value,
    keys: String,
}

/// Every example of a fault.
fn cases_of(fault: &Value) -> Vec<Case> {
    let examples = (1..).zip(fault["examples"].as_array().unwrap());
    let case = |(number, keys): (u32, &Value)| {
        let name = fault["name"].as_str().unwrap().replace('.', "-");
        Case {
            name: format!("{name}-{number}"),
            keys: keys.as_str().unwrap().to_owned(),
            fault: fault.clone(),
        }
    };
    examples.map(case).collect()
}

/// How often a live drill is tried in which something interferes.
const TURNS: u32 = 3;

impl Case {
    /// Its scenario's.
    fn file(&self) -> String {
        format!("{}.yaml", self.name)
    }

    /// Whether the model has its fault, too.
    fn is_modelled(&self) -> bool {
        let engines = self.fault["engines"].as_array().unwrap();
        engines.iter().any(|engine| engine == "virtual")
    }
}

/// A small drill with the first of them, from 1m to 2m.
pub(crate) fn first_scenario(fault: &Value) -> String {
    scenario(&cases_of(fault)[0])
}

/// A small drill with one fault, from 1m to 2m.
fn scenario(case: &Case) -> String {
    let fault = &case.fault;
    let name = fault["name"].as_str().unwrap();
    let select = match fault["done_to"].as_str().unwrap() {
        "worker processes" | "clients of Redis" | "scrape targets"
            if !case.keys.contains("select") =>
        {
            "select: [w-0], "
        }
        _ => "",
    };
    // Only who shares something can be hit where it is shared.
    let (resources, uses) = match fault["done_to"].as_str().unwrap() {
        "a resource" => (
            "resources: { db: { pool: 2, wait_timeout: 10s }, api: { capacity: 8, wait_timeout: 10s, latency: { constant: 100ms } } }\n",
            ", uses: [ { resource: db, for: 100ms }, { resource: api } ]",
        ),
        // Each payload comes every twenty seconds, long after the one before is done.
        "uniqueness locks" => ("", ", unique: { ttl: 1h, keys: 40 }"),
        _ => ("", ""),
    };
    let keys = match case.keys.as_str() {
        "" => String::new(),
        keys => format!("{keys}, "),
    };
    let remedy = match fault["ends_by_itself"].as_bool().unwrap() {
        true => String::new(),
        false => format!(", remedy: {}", fault["remedies"][0].as_str().unwrap()),
    };
    // Only what is refused is tried again.
    let (beside, of) = match name {
        "producer.retry" => (
            "  - { id: refused, at: 80s, fault: redis.full, until: { at: 90s } }\n",
            "of: producer.retry, ",
        ),
        _ => ("", ""),
    };
    let periodic = match fault["done_to"].as_str().unwrap() {
        "the scheduler of periodic tasks" => {
            "  - { task: c, queue: default, arrivals: { cron: \"@every 5s\" }, service: { constant: 1s } }\n"
        }
        _ => "",
    };
    // asynq recovers a task half a minute after its lease is over, looks once a minute, and tries it again up to 45 s later.
    let lasts = match name {
        "worker.die" => "260s",
        _ => "200s",
    };
    format!(
        "\
version: firedrill/v1
name: {}
family: other
summary: One fault.
seed: 3
duration: {lasts}
warmup: 30s
queues: {{ default: {{ priority: 1, wait_objective: 30s }} }}
{resources}workload:
  - {{ task: t, queue: default, arrivals: {{ poisson: 2/s }}, service: {{ constant: 500ms }}{uses} }}
{periodic}workers: [{{ name: w, processes: 2, concurrency: 3, restart: {{ backoff: 5s, max: 20s }} }}]
timeline:
  - {{ at: 60s, fault: {name}, {select}{keys}until: {{ at: 2m{remedy} }} }}
{beside}incidents:
  - {{ cause: other, {of}wanted: ticket, within: 1m }}
",
        case.name
    )
}

fn record(dir: &Path, name: &str) -> Record {
    let path = dir.join("runs").join(name);
    let file = File::open(path.join("latest/record.jsonl"));
    let file = file.unwrap_or_else(|error| panic!("{name}: {error}"));
    Record::read(BufReader::new(file)).unwrap()
}

fn drill(dir: &Path, args: &[&str], files: &[String]) -> Output {
    let mut command = firedrill();
    command
        .current_dir(dir)
        .args(["run", "--no-gate"])
        .args(args)
        .args(files);
    command.output().unwrap()
}

#[test]
fn every_fault_bites_and_heals_for_real_as_on_the_model() {
    need!("redis-server");
    let cases: Vec<Case> = listed().iter().flat_map(cases_of).collect();
    assert!(cases.len() >= 13);
    let (live, model) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut modelled = Vec::new();
    for case in &cases {
        for dir in [&live, &model] {
            fs::write(dir.path().join(case.file()), scenario(case)).unwrap();
        }
        modelled.extend(case.is_modelled().then(|| case.file()));
    }
    // Drills are packed as this machine bears them; one that goes too fast is run again slower. Where others take the processors
    // meanwhile, that is an interference, and the drill is had once more.
    let mut open: Vec<&Case> = cases.iter().collect();
    for _ in 0..TURNS {
        let files: Vec<String> = open.iter().map(|case| case.file()).collect();
        let output = drill(live.path(), &[], &files);
        let talk = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(matches!(output.status.code(), Some(0 | 3)), "{talk}");
        open.retain(|case| record(live.path(), &case.name).interference().count() > 0);
        if open.is_empty() {
            break;
        }
    }
    let output = drill(model.path(), &["--engine", "virtual"], &modelled);
    let talk = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{talk}");
    let wrong: Vec<String> = cases
        .iter()
        .flat_map(|case| differences(case, live.path(), model.path()))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What is wrong with the live drill of a case, or differs between it and the model's.
fn differences(case: &Case, live: &Path, model: &Path) -> Vec<String> {
    let name = &case.name;
    let mut wrong = Vec::new();
    let mut must = |holds: bool, what: String| {
        if !holds {
            wrong.push(format!("{name}: {what}"));
        }
    };
    // A fault of several parts has a mark for each, too.
    let ends = |record: &Record| -> Vec<Mark> {
        let marks = record
            .marks()
            .filter(|mark| mark.phase != Some(Phase::During))
            .filter(|mark| mark.step.as_deref() == case.fault["name"].as_str());
        marks.cloned().collect()
    };
    let real = record(live, name);
    let marks = ends(&real);
    must(marks.len() == 2, format!("{marks:#?}"));
    let unseen: Vec<&Mark> = real.marks().filter(|mark| !mark.verified).collect();
    must(unseen.is_empty(), format!("{unseen:#?}"));
    let meddled: Vec<_> = real.interference().collect();
    must(meddled.is_empty(), format!("{meddled:#?}"));
    let Some(audit) = real.audit() else {
        must(false, "no audit".to_owned());
        return wrong;
    };
    let Unexplained {
        rejected,
        lost,
        run_twice,
        ..
    } = audit.unexplained;
    must(
        (rejected, lost, run_twice) == (0, 0, 0),
        format!("{audit:?}"),
    );
    let loses = plan_of(&scenario(case)).timeline[0].fault.loses_tasks();
    must(audit.lost == 0 || loses, format!("{audit:?}"));
    if !case.is_modelled() {
        return wrong;
    }
    let modelled = record(model, name);
    let whats =
        |marks: &[Mark]| -> Vec<String> { marks.iter().map(|mark| mark.what.clone()).collect() };
    let other = ends(&modelled);
    must(
        whats(&marks) == whats(&other),
        format!("{marks:#?} {other:#?}"),
    );
    let other = modelled.audit().unwrap();
    let both = format!("{audit:?}, {other:?}");
    // What handlers enqueue depends on when each of them begins, at the edges of the fault.
    let off = match name.starts_with("handler-requeue") {
        true => other.intended / 20,
        false => 0,
    };
    must(audit.intended.abs_diff(other.intended) <= off, both.clone());
    // Who dies between a handler and its `done` leaves its task to be worked on again.
    if name == "worker-die-1" {
        must(
            audit.executed_twice > 0 && other.executed_twice > 0,
            both.clone(),
        );
    }
    // What it does to tasks it does for real and on the model, or on neither.
    let refuses = |rejected: u64| rejected * 20 > audit.intended;
    must(refuses(audit.rejected) == refuses(other.rejected), both);
    wrong
}

/// Remedies of their own, in the middle of what they mend.
const MENDED: &str = "\
version: firedrill/v1
name: mended
family: other
summary: A stopped Redis is started anew, a paused queue outlives a restart, a dead member leaves.
seed: 3
duration: 8m
warmup: 30s
queues: { default: { priority: 1, wait_objective: 30s } }
workload:
  - { task: t, queue: default, arrivals: { poisson: 2/s }, service: { constant: 500ms } }
workers: [{ name: w, processes: 2, concurrency: 3 }]
timeline:
  - { id: hung, at: 1m, fault: redis.stop }
  - { at: 2m, remedy: redis.start }
  - { id: dead, at: 3m, fault: worker.kill, select: [w-1] }
  - { at: 4m, remedy: workers.scale, worker: w, to: 1 }
  - { id: paused, at: 5m, fault: queue.pause, queue: default }
  - { at: 330s, remedy: worker.restart, select: [w-0] }
  - { at: 6m, remedy: queue.unpause, queue: default }
incidents:
  - { cause: other, of: paused, wanted: ticket, within: 2m }
";

#[test]
fn a_stopped_redis_is_started_anew_and_a_dead_member_leaves() {
    need!("redis-server");
    for engine in ["live", "virtual"] {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("s.yaml"), MENDED).unwrap();
        let output = drill(dir.path(), &["--engine", engine], &["s.yaml".to_owned()]);
        let talk = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(matches!(output.status.code(), Some(0 | 3)), "{talk}");
        let record = record(dir.path(), "mended");
        let found: Vec<_> = record.interference().collect();
        assert!(found.is_empty(), "{engine}: {found:#?}");
        let marks: Vec<&Mark> = record.marks().collect();
        assert_eq!(marks.len(), 9, "{engine}: {marks:#?}");
        assert!(
            marks.iter().all(|mark| mark.verified),
            "{engine}: {marks:#?}"
        );
        let scaled = marks.iter().find(|mark| mark.what == "workers.scale");
        assert_eq!(scaled.unwrap().saw, "0 came, 1 went", "{engine}");
    }
}

#[test]
fn workers_are_not_started_without_a_way_to_redis() {
    let dir = tempfile::tempdir().unwrap();
    let during = |fault: &str, remedy: &str| {
        let text = MENDED
            .replace(
                "fault: redis.stop",
                &format!("fault: {fault}, until: {{ at: 4m }}"),
            )
            .replace(
                "at: 2m, remedy: redis.start",
                &format!("at: 2m, remedy: {remedy}"),
            );
        fs::write(dir.path().join("s.yaml"), text).unwrap();
        let output = firedrill()
            .current_dir(dir.path())
            .args(["check", "s.yaml"])
            .output();
        let output = output.unwrap();
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    };
    for (fault, remedy) in [
        ("redis.stop", "worker.restart, select: all"),
        ("redis.stop", "workers.scale, worker: w, to: 3"),
        (
            "link.black-hole, select: [w-0]",
            "worker.restart, select: [w-0]",
        ),
    ] {
        let (code, said) = during(fault, remedy);
        assert_eq!(code, Some(2), "{said}");
        assert!(
            said.contains("workers cannot be restarted at 2m, Redis is down then, by `hung`"),
            "{said}"
        );
    }
    let (code, said) = during(
        "link.black-hole, select: [w-0]",
        "worker.restart, select: [w-1]",
    );
    assert_eq!(code, Some(0), "{said}");
}

/// Deploys: one that works, one that does not boot, which a restart does not mend, and a rollback that does.
const DEPLOYED: &str = "\
version: firedrill/v1
name: deployed
family: other
summary: A rolling restart, a release that does not boot, a restart in vain, a rollback, and a scale-down whose target stays.
seed: 3
duration: 9m
warmup: 30s
queues: { default: { priority: 1, wait_objective: 30s } }
workload:
  - { task: t, queue: default, arrivals: { poisson: 2/s }, service: { constant: 500ms } }
workers: [{ name: w, processes: 2, concurrency: 3 }]
timeline:
  - { at: 1m, remedy: worker.rolling-restart, select: all }
  - { id: broken, at: 4m, fault: worker.deploy-broken, select: all }
  - { at: 5m, remedy: worker.restart, select: all }
  - { at: 6m, remedy: worker.rollback, select: all }
  - { at: 7m, remedy: workers.scale, worker: w, to: 1, targets_stay: true }
incidents:
  - { cause: other, of: broken, wanted: page, within: 2m }
";

#[test]
fn processes_are_replaced_one_by_one_and_a_broken_release_is_rolled_back() {
    need!("redis-server");
    for engine in ["live", "virtual"] {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("s.yaml"), DEPLOYED).unwrap();
        let output = drill(dir.path(), &["--engine", engine], &["s.yaml".to_owned()]);
        let talk = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(matches!(output.status.code(), Some(0 | 3)), "{talk}");
        let record = record(dir.path(), "deployed");
        let found: Vec<_> = record.interference().collect();
        assert!(found.is_empty(), "{engine}: {found:#?}");
        let marks: Vec<&Mark> = record.marks().collect();
        assert!(
            marks.iter().all(|mark| mark.verified),
            "{engine}: {marks:#?}"
        );
        let whats: Vec<&str> = marks.iter().map(|mark| mark.what.as_str()).collect();
        let rolling = ["worker.rolling-restart"; 4];
        let others = [
            "worker.deploy-broken",
            "worker.restart",
            "worker.rollback",
            "worker.rollback",
            "workers.scale",
        ];
        assert_eq!(whats, [&rolling[..], &others].concat(), "{engine}");
        assert!(
            marks[5].saw.starts_with(
                "0 started, 0 stopped gracefully before, 2 of 2 new ones ended at boot"
            ),
            "{engine}: {}",
            marks[5].saw
        );
        let audit = record.audit().unwrap();
        assert_eq!(audit.lost, 0, "{engine}: {audit:?}");
        assert_eq!(audit.unexplained.run_twice, 0, "{engine}: {audit:?}");
    }
}
