//! What a team does to its own workers in a rehearsal, with its own tools, is a remedy and no interference.

use super::{Rehearsed, record, signal, written};
use crate::docker::{docker, program};
use crate::interop::containers::Team;
use crate::interop::peer::need_peers;
use crate::interop::pods;
use crate::interop::team::worker;
use crate::interop::toxiproxy;
use crate::nodes::Node;
use crate::support::{children, need, wait_until};
use firedrill_reports::Record;
use firedrill_reports::record::{Deed, Phase};
use rustix::process::Signal;
use serde_json::json;
use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const RULES: &str = "\
groups:
- name: team
  rules:
  - alert: Waiting
    expr: asynq_queue_latency_seconds{queue=\"default\"} > 10
    labels: { severity: page }
";

/// A minute of two workers; what is done to them is given.
fn scenario(timeline: &str, incidents: &str) -> String {
    format!(
        "\
version: firedrill/v1
name: quiet-monday
family: worker-crashed
summary: What is done to a team's own.
seed: 7
duration: 44s
warmup: 4s
queues: {{ default: {{ wait_objective: 30s }} }}
workload:
  - {{ task: mail, queue: default, arrivals: {{ constant: 10/s, until: 40s }}, service: {{ constant: 20ms }} }}
workers:
  - {{ name: w, processes: 2, concurrency: 4 }}
scrape: {{ interval: 1s, timeout: 1s }}
evaluation: {{ interval: 1s }}
timeline:
{timeline}incidents:
{incidents}"
    )
}

/// Holds that people have ended these steps, and that the plan had nothing left to end.
fn mended(record: &Record, steps: &[&str], told: &str) {
    assert_eq!(record.interference().next(), None, "{told}");
    for step in steps {
        let mended_ms = record.mended_ms(step).unwrap_or_else(|| panic!("{told}"));
        assert!(mended_ms < 40_000, "{step}: {mended_ms} ms: {told}");
    }
    let ends = record.marks().filter(|mark| mark.phase == Some(Phase::End));
    assert_eq!(ends.count(), 0, "{told}");
    assert!(
        record.actions().any(|action| action.what == Deed::Seen),
        "{told}"
    );
}

#[test]
fn containers_that_people_start_and_let_go_on_are_mended() {
    need_peers!();
    if program().is_none() {
        return;
    }
    let team = Team::start("rehearse");
    let timeline = "  - { id: gone, at: 9s, fault: worker.kill, select: [w-0], until: { at: 40s, remedy: worker.restart } }
  - { id: frozen, at: 12s, fault: worker.stop, select: [w-1], until: { at: 40s } }
";
    let incidents = "  - { cause: worker-crashed, of: gone, wanted: page, within: 25s }\n";
    let target = team.target();
    let target: Vec<&str> = target.iter().map(String::as_str).collect();
    let mut room = Rehearsed::begin_in(written(&scenario(timeline, incidents), RULES), &target);
    room.hears("fault: worker.stop on w-1");
    docker(&["restart", &team.container("0")], &[]);
    room.hears("mended: w-0: 1 of 1 containers run again, by what was done from outside");
    docker(&["unpause", &team.container("1")], &[]);
    room.hears("mended: w-1: 1 of 1 containers run again, by what was done from outside");
    let (code, text, run, _dir) = room.ends();
    mended(&record(&run), &["gone", "frozen"], &text);
    // Whether the alert would have come in time, nobody can tell any more.
    assert_eq!(code, Some(3), "{text}");
    assert!(text.contains("people did something about"), "{text}");
}

#[test]
fn who_removes_the_drills_toxics_has_ended_what_they_did() {
    need_peers!();
    if program().is_none() {
        return;
    }
    let (proxies, team) = toxiproxy::team("toxic-people");
    let timeline =
        "  - { id: slow, at: 8s, fault: link.delay, select: all, delay: 50ms, until: { at: 30s } }
  - { id: black, at: 34s, fault: link.black-hole, select: [w-0, w-1], until: { at: 60s } }
";
    let incidents = "  - { cause: redis-down, of: black, wanted: page, within: 12s }\n";
    let longer = scenario(timeline, incidents)
        .replace("worker-crashed", "redis-down")
        .replace("duration: 44s", "duration: 66s");
    let target = [&team.target()[..], &[proxies.arg("redis")]].concat();
    let target: Vec<&str> = target.iter().map(String::as_str).collect();
    let mut room = Rehearsed::begin_in(written(&longer, RULES), &target);
    room.hears("fault: link.delay on w-0, w-1");
    proxies.post("/proxies/redis", &json!({ "enabled": false }));
    room.hears("was disabled");
    proxies.post("/proxies/redis", &json!({ "enabled": true }));
    room.hears("was enabled");
    proxies.remove("firedrill-latency-upstream");
    room.hears("toxic firedrill-latency-upstream was removed");
    proxies.remove("firedrill-latency-downstream");
    room.hears("mended: w-0, w-1, producer: proxy redis at ");
    room.hears("fault: link.black-hole on w-0, w-1");
    // What Toxiproxy has for this: all toxics go, and all proxies are enabled.
    proxies.post("/reset", &json!({}));
    room.hears("mended: w-0, w-1: proxy redis at ");
    let (code, text, run, _dir) = room.ends();
    let record = record(&run);
    assert_eq!(record.interference().next(), None, "{text}");
    for (step, before_ms) in [("slow", 30_000), ("black", 60_000)] {
        let mended_ms = record.mended_ms(step);
        assert!(mended_ms.is_some_and(|ms| ms < before_ms), "{step}: {text}");
    }
    let ends = record.marks().filter(|mark| mark.phase == Some(Phase::End));
    assert_eq!(ends.count(), 0, "{text}");
    assert_eq!(code, Some(3), "{text}");
    assert_eq!(proxies.toxics(), [""; 0]);
}

#[test]
fn pods_that_people_bring_back_are_mended() {
    need_peers!();
    need!("unshare");
    let Some(team) = pods::Team::start(true) else {
        return;
    };
    let timeline = "  - { id: gone, at: 9s, fault: worker.kill, select: all, until: { at: 40s, remedy: worker.restart } }
";
    let incidents = "  - { cause: worker-crashed, of: gone, wanted: page, within: 25s }\n";
    let target = team.target();
    let target: Vec<&str> = target.iter().map(String::as_str).collect();
    let written = written(&scenario(timeline, incidents), RULES);
    let mut room = Rehearsed::begin_as(written, &target, Some(team.environment()));
    room.hears("fault: worker.kill on w-0, w-1");
    team.kubectl(&["scale", "deployment/mail", "--replicas=2"]);
    room.hears("seen: deployment default/mail: was scaled from 0 to 2");
    room.hears("mended: w-0, w-1: 2 of 2 pods run again, by what was done from outside");
    let (code, text, run, _dir) = room.ends();
    mended(&record(&run), &["gone"], &text);
    assert_eq!(code, Some(3), "{text}");
}

#[test]
fn a_worker_that_people_start_beside_the_drills_own_is_a_remedy() {
    need_peers!();
    let redis = Node::start(&[]);
    let timeline = "  - { id: gone, at: 9s, fault: worker.kill, select: all, until: { at: 40s, remedy: worker.restart } }
";
    let incidents = "  - { cause: worker-crashed, of: gone, wanted: page, within: 25s }\n";
    let command = format!("{} -queues default", worker().display());
    let address = format!("127.0.0.1:{}", redis.port);
    let target = ["--worker-cmd", &command, "--redis", &address];
    let mut room = Rehearsed::begin_in(written(&scenario(timeline, incidents), RULES), &target);
    room.hears("Waiting fires");
    let mut other = Command::new(worker())
        .env("REDIS_ADDR", &address)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    room.hears("a worker that the drill did not start has joined; it serves default");
    room.hears("mended: w-0, w-1: workers that the drill did not start serve default");
    let (code, text, run, _dir) = room.ends();
    other.kill().unwrap();
    other.wait().unwrap();
    mended(&record(&run), &["gone"], &text);
    assert_eq!(code, Some(3), "{text}");
}

#[test]
fn a_worker_that_is_started_while_redis_is_silent_is_no_failure_of_the_drill() {
    need_peers!();
    need!("redis-server");
    let timeline = "  - { id: silent, at: 9s, fault: redis.stop, until: { at: 26s } }
";
    let incidents = "  - { cause: redis-down, of: silent, wanted: page, within: 25s }\n";
    let scenario = scenario(timeline, incidents).replace("worker-crashed", "redis-down");
    let command = format!("{} -queues default", worker().display());
    let mut room = Rehearsed::begin_in(written(&scenario, RULES), &["--worker-cmd", &command]);
    room.hears("fault: redis.stop");
    let pid = room.child.id();
    let workers = || -> Vec<u32> {
        let is_worker = |pid: &u32| {
            let program = fs::read_link(format!("/proc/{pid}/exe"));
            program.is_ok_and(|program| program == worker())
        };
        children(pid).into_iter().filter(is_worker).collect()
    };
    let first = workers();
    assert_eq!(first.len(), 2);
    first.iter().for_each(|pid| signal(*pid, Signal::KILL));
    room.hears("was ended from outside; it is started again");
    let began = Instant::now();
    wait_until("both to be started again", || {
        let now = workers();
        now.len() == 2 && !now.iter().any(|pid| first.contains(pid))
    });
    assert!(began.elapsed() < Duration::from_secs(12));
    let (code, text, run, _dir) = room.ends();
    let record = record(&run);
    assert_eq!(record.interference().next(), None, "{text}");
    let all_seen = record.marks().all(|mark| mark.verified);
    assert!(all_seen && record.marks().count() == 2, "{text}");
    // They work when it is back.
    let audit = record.audit().unwrap();
    assert_eq!(audit.lost, 0, "{audit:?}");
    assert!(audit.succeeded > audit.enqueued * 9 / 10, "{audit:?}");
    assert_eq!(code, Some(3), "{text}");
}

#[test]
fn a_teams_own_processes_that_people_end_are_started_again() {
    need_peers!();
    need!("redis-server");
    let timeline = "  - { id: frozen, at: 9s, fault: worker.stop, select: all, until: { at: 40s, remedy: worker.restart } }
";
    let incidents = "  - { cause: worker-crashed, of: frozen, wanted: page, within: 25s }\n";
    let command = format!("{} -queues default", worker().display());
    let written = written(&scenario(timeline, incidents), RULES);
    let mut room = Rehearsed::begin_in(written, &["--worker-cmd", &command]);
    room.hears("fault: worker.stop on w-0, w-1");
    let is_worker = |pid: &u32| {
        let program = fs::read_link(format!("/proc/{pid}/exe"));
        program.is_ok_and(|program| program == worker())
    };
    let workers = children(room.child.id()).into_iter().filter(is_worker);
    let workers: Vec<u32> = workers.collect();
    assert_eq!(workers.len(), 2);
    workers.iter().for_each(|pid| signal(*pid, Signal::KILL));
    room.hears("was ended from outside; it is started again");
    room.hears("mended: w-0, w-1: 2 of 2 processes were started again from outside");
    let (code, text, run, _dir) = room.ends();
    mended(&record(&run), &["frozen"], &text);
    assert_eq!(code, Some(3), "{text}");
    // A life of its own each, and a log for each.
    for log in ["w-0.0.log", "w-0.1.log", "w-1.1.log"] {
        assert!(run.join("ledgers").join(log).is_file(), "{log}: {text}");
    }
}
