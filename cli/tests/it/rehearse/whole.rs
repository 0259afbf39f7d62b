//! A whole rehearsal, blind: a team's own Go workers, its Prometheus, its Alertmanager that posts to the room, and people who find
//! out what is wrong and mend it themselves.

use super::{Rehearsed, command_line, record, signal, written};
use crate::heard::stand::Stand;
use crate::interop::peer::need_peers;
use crate::interop::team::worker;
use crate::live_view::{got, snapshot};
use crate::support::{children, free, need, said};
use firedrill_reports::record::{Heard, Told, ToldState};
use firedrill_sim::rehearsal::clock;
use rustix::process::Signal;
use serde_json::Value;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;

const RULES: &str = r#"
# firedrill: cause worker-crashed expects WorkerDown
groups:
- name: jobs
  rules:
  - alert: WorkerDown
    expr: sum(up{job="worker"}) == 0
    for: 4s
    labels: { severity: page }
    annotations: { summary: "{{ $value }} workers work" }
"#;

/// Workers freeze, and the plan lets them go on near its end.
const SCENARIO: &str = "\
version: firedrill/v1
name: quiet-monday
family: worker-crashed
summary: Nobody works.
seed: 11
duration: 75s
warmup: 15s
queues: { default: { wait_objective: 30s } }
workload:
  - { task: mail, queue: default, arrivals: { constant: 4/s }, service: { constant: 20ms } }
workers:
  - { name: w, processes: 2, concurrency: 4 }
scrape: { interval: 1s, timeout: 1s }
evaluation: { interval: 3s }
timeline:
  - { id: the-fault, at: 24s, fault: worker.stop, select: all, until: { at: 70s } }
incidents:
  - { cause: worker-crashed, wanted: page, within: 25s }
";

/// What tells a team what is done, and by which scenario.
const SECRETS: [&str; 6] = [
    "quiet-monday",
    "Nobody works",
    "the-fault",
    "worker.stop",
    "worker-crashed",
    "SIGSTOP",
];

/// Holds that a place of a blind rehearsal gives nothing away.
fn tells_nothing(place: &str, text: &str) {
    for secret in SECRETS {
        assert!(!text.contains(secret), "{place} tells {secret}: {text}");
    }
}

/// A process and all that it has started.
fn family(pid: u32) -> Vec<u32> {
    let below = children(pid).into_iter().flat_map(family);
    [pid].into_iter().chain(below).collect()
}

/// The files below a directory: their names, and what is in those that are text, but for the record, which holds all of it and which
/// nobody is to open.
fn files(dir: &Path) -> Vec<(String, String)> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let below = entries.flat_map(|entry| {
        let path = entry.path();
        match path.is_dir() && !path.is_symlink() {
            true => files(&path),
            false => {
                let is_record = path.ends_with("record.jsonl");
                let read = || {
                    String::from_utf8_lossy(&fs::read(&path).ok()?)
                        .into_owned()
                        .into()
                };
                let text: Option<String> = (!is_record).then(read).flatten();
                vec![(path.display().to_string(), text.unwrap_or_default())]
            }
        }
    });
    below.collect()
}

/// All that whoever sits at this machine may look at.
fn gives_nothing_away(room: &Rehearsed, page: SocketAddr, redis: &str) {
    tells_nothing("the terminal", &room.told.join("\n"));
    let shown = snapshot(page);
    assert_eq!(shown["incident"], Value::Null, "{shown:#}");
    // What a team has in hand is there: the page as it was posted, and a clock that began with it.
    let paged = &shown["room"]["pages"][0];
    assert_eq!(
        (&paged["alert"], &paged["source"], &paged["severity"]),
        (&"WorkerDown".into(), &"webhook".into(), &"page".into()),
        "{shown:#}"
    );
    // Its own words, or the pager's about it.
    let summary = paged["summary"].as_str().unwrap();
    assert!(
        summary == "0 workers work" || summary.contains("WorkerDown"),
        "{summary}"
    );
    let since = shown["room"]["since_page"].as_str().unwrap();
    assert!(since.starts_with("0:0"), "{since}");
    tells_nothing("the view", &shown.to_string());
    // Nor when it may begin.
    assert!(!shown.to_string().contains("as usual"), "{shown:#}");
    tells_nothing("the page", &got(page, "/"));
    let metrics = got(page, "/metrics");
    assert!(metrics.contains("asynq_"), "{metrics}");
    tells_nothing("/metrics", &metrics);
    let all = family(room.child.id());
    // firedrill, its reaper, Redis, and two workers.
    assert!(all.len() >= 5, "{all:?}");
    for pid in all {
        tells_nothing("a command line", &command_line(pid));
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap();
        tells_nothing("an environment", &String::from_utf8_lossy(&environment));
    }
    let runs = files(&room.dir.path().join("runs"));
    assert!(!runs.is_empty());
    let targets = room.dir.path().join("targets.json");
    let targets = fs::read_to_string(targets).unwrap();
    assert!(targets.contains("w-0"), "{targets}");
    tells_nothing("targets.json", &targets);
    let socket = Path::new(redis.strip_prefix("unix://").unwrap());
    let private = files(socket.parent().unwrap());
    assert!(!private.is_empty());
    for (name, text) in runs.into_iter().chain(private) {
        tells_nothing("the name of a file", &name);
        tells_nothing(&name, &text);
    }
    let mut redis = redis::Client::open(redis)
        .unwrap()
        .get_connection()
        .unwrap();
    let keys: Vec<String> = redis::cmd("KEYS").arg("*").query(&mut redis).unwrap();
    assert!(!keys.is_empty());
    for key in keys {
        tells_nothing("a key", &key);
        let dump: Result<Vec<u8>, _> = redis::cmd("DUMP").arg(&key).query(&mut redis);
        // One that is gone meanwhile tells nothing.
        let dump = dump.unwrap_or_default();
        tells_nothing(&key, &String::from_utf8_lossy(&dump));
    }
}

#[test]
fn a_team_rehearses_blind_with_its_own_workers_and_alerting() {
    need_peers!();
    need!("redis-server");
    need!("prometheus");
    need!("prometheus-alertmanager");
    let dir = written(SCENARIO, RULES);
    let (webhook, pages) = (free(), [free(), free()]);
    let stand = Stand::start(dir.path(), webhook);
    let script = dir.path().join("start");
    let text = format!(
        "#!/bin/sh\ncase $NUMBER in 0) METRICS_ADDR={} ;; *) METRICS_ADDR={} ;; esac\nexport METRICS_ADDR\nexec {} -queues default\n",
        pages[0],
        pages[1],
        worker().display()
    );
    fs::write(&script, text).unwrap();
    let command = format!("/bin/sh {}", script.display());
    let metrics = pages.map(|page| format!("http://{page}/metrics")).join(",");
    let (webhook, prometheus, alertmanager) = (
        webhook.to_string(),
        stand.prometheus(),
        stand.alertmanager(),
    );
    let mut room = Rehearsed::begin_in(
        dir,
        &[
            ["--worker-cmd", command.as_str()],
            ["--worker-env", "NUMBER={index}"],
            ["--metrics", &metrics],
            ["--targets-in", "."],
            ["--webhook-listen", &webhook],
            ["--prometheus", &prometheus],
            ["--alertmanager-url", &alertmanager],
            ["--facilitator", "told.txt"],
            // Were a wait modelled on top of Alertmanager's own, the page would come too late for people to mend anything.
            ["--group-wait", "60s"],
        ]
        .concat()
        .into_iter()
        .chain(["--http=0", "--blind"])
        .collect::<Vec<_>>(),
    );
    let told = room.hears("live view: ");
    let page: SocketAddr = told
        .split_once("http://")
        .and_then(|(_, place)| place.trim_end_matches('/').parse().ok())
        .unwrap();
    let told = room.hears("its queues: ");
    let redis = told.split_whitespace().find(|word| word.contains("://"));
    let redis = redis.unwrap().to_owned();
    let paged = room.hears("PAGE: WorkerDown");
    assert!(paged.contains("book.md:5 \"WorkerDown\""), "{paged}");
    gives_nothing_away(&room, page, &redis);
    for line in ["ack", "note nobody works", "cause worker-crashed", "done 1"] {
        room.says(line);
    }
    room.hears("done: 1: Acknowledge the alert");
    // They do themselves what helps.
    let worker = worker();
    let is_worker = |pid: &u32| {
        let program = fs::read_link(format!("/proc/{pid}/exe"));
        program.is_ok_and(|program| program == worker)
    };
    let workers: Vec<u32> = family(room.child.id())
        .into_iter()
        .filter(is_worker)
        .collect();
    assert_eq!(workers.len(), 2);
    workers.iter().for_each(|pid| signal(*pid, Signal::CONT));
    room.hears("mended: w-0, w-1: 2 of 2 processes go on (SIGCONT from outside)");
    room.says("remedy the workers were let go on");
    room.hears("WorkerDown is resolved");
    room.says("status");
    room.hears("acknowledged after ");
    let shown = snapshot(page);
    let notes = shown["notes"].to_string();
    assert!(notes.contains("note: nobody works"), "{shown:#}");
    let lanes = shown["lanes"].to_string();
    assert!(lanes.contains("WorkerDown"), "{shown:#}");
    let (code, text, run, dir) = room.ends();
    println!("{text}");
    assert_eq!(code, Some(0), "{text}");

    // The delivered page is what counts, and the room's clock began with it.
    let record = record(&run);
    assert_eq!(record.interference().next(), None, "{text}");
    let fires = |told: &&Told| told.source == "webhook" && told.state == ToldState::Firing;
    let told = record.heard().filter_map(|heard| match heard {
        Heard::Told(told) => Some(told),
        _ => None,
    });
    let posted: Vec<&Told> = told.filter(fires).collect();
    let first_ms = posted.iter().map(|told| told.at_ms).min().unwrap();
    // Two receivers are told; one of them is a pager.
    let pager = posted.iter().filter(|told| told.pages);
    let posted_ms = pager.map(|told| told.at_ms).min().unwrap();
    assert!(
        paged.trim_start().starts_with(&clock(first_ms)),
        "{paged}: {first_ms} ms"
    );
    let result = fs::read_to_string(run.join("result.json")).unwrap();
    let result: Value = serde_json::from_str(&result).unwrap();
    let drill = &result["drills"][0];
    let heard = &drill["alert_sources"];
    assert_eq!(
        (&heard["scored"], &heard["delivered"]),
        (&"webhook".into(), &true.into())
    );
    let incident = &drill["incidents"][0];
    let fault_s = incident["fault_seconds"].as_f64().unwrap();
    let since_s = incident["detection"]["from_fault_seconds"]
        .as_f64()
        .unwrap();
    let told_ms = (fault_s + since_s) * 1e3;
    assert!(
        (told_ms - posted_ms as f64).abs() < 1.0,
        "{told_ms}, {posted_ms}: {drill:#}"
    );
    let mended_ms = record.mended_ms("the-fault").unwrap();
    assert!(mended_ms < 70_000, "{text}");
    let post_mortem = fs::read_to_string(run.join("post-mortem.md")).unwrap();
    for told in [
        "worker-crashed: right",
        &format!("WorkerDown at {}", clock(posted_ms)),
        "by people",
        "the workers were let go on",
        "1 step not done: Tell the team",
    ] {
        assert!(post_mortem.contains(told), "{told}: {post_mortem}");
    }
    let told = fs::read_to_string(dir.path().join("told.txt")).unwrap();
    assert!(told.contains("quiet-monday: Nobody works."), "{told}");
    // It proves the alert.
    let (code, told, wrong) = said(
        dir.path(),
        &["proven", "r.yml", "--engine", "live", "--max-age", "1h"],
    );
    assert_eq!(code, Some(0), "{told}{wrong}");
    let proven = told
        .lines()
        .find(|line| line.contains("WorkerDown"))
        .unwrap();
    // More than a minute, for it began before that.
    for word in ["proven", "live at 1x", "quiet-monday", "ago"] {
        assert!(proven.contains(word), "{word}: {told}");
    }
    // What was kept back is there now; what the workers printed is kept, and the run is in the journal of rehearsals.
    assert!(run.join("scenario.resolved.yaml").is_file());
    assert!(run.join("ledgers/w-0.0.log").is_file());
    assert!(run.parent().unwrap().join("latest").exists());
}
