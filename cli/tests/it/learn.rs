//! What is learnt from a real Prometheus is what is learnt from a dump of it, and passes for a world and a scenario.

use crate::support::{need, said};
use firedrill_reports::Record;
use firedrill_sim::http;
use firedrill_sim::learn::Samples;
use std::fs::{self, File};
use std::io::BufReader;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const SCENARIO: &str = "\
version: firedrill/v1
name: theirs
family: benign
summary: An ordinary hour.
seed: 4
duration: 60m
queues: { mail: , bulk: }
workload:
  - { task: a, queue: mail, arrivals: { poisson: 3/s }, service: { lognormal: { mean: 300ms, p95: 900ms } }, fail: 3% }
  - { task: b, queue: bulk, arrivals: { poisson: 1/s }, service: { constant: 2s } }
workers:
  - { name: w, processes: 2, concurrency: 8 }
world: wiki-kubernetes
scrape: { interval: 15s }
";

/// A rule that has data in every world.
const RULES: &str =
    "groups: [{ name: g, rules: [{ alert: Down, expr: up == 0, labels: { severity: page } }] }]\n";

/// When the hour was, Unix milliseconds.
const BEGAN_MS: i64 = 1_767_684_600_000;

/// A process that ends with the test.
struct Ends(Child);

impl Drop for Ends {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A dump of what a Prometheus would have of the drill.
fn dump(dir: &Path) {
    fs::write(dir.join("theirs.yaml"), SCENARIO).unwrap();
    fs::write(dir.join("rules.yml"), RULES).unwrap();
    let run = [
        "run",
        "--engine",
        "virtual",
        "--rules",
        "rules.yml",
        "theirs.yaml",
    ];
    let (code, _, talk) = said(dir, &run);
    assert_eq!(code, Some(0), "{talk}");
    let record = dir.join("runs/theirs/latest/record.jsonl");
    let record = Record::read(BufReader::new(File::open(record).unwrap())).unwrap();
    let mut samples = Samples::default();
    for (at_ms, _, values) in record.scrapes() {
        for (labels, value) in values {
            samples.push(labels, BEGAN_MS + at_ms, value).unwrap();
        }
    }
    fs::write(dir.join("dump.txt"), samples.to_openmetrics()).unwrap();
}

/// What a line of `learn` writes.
fn learnt(dir: &Path, of: &[&str], out: &str) -> (String, String) {
    let args: Vec<&str> = ["learn"]
        .iter()
        .chain(of)
        .copied()
        .chain(["--out", out])
        .collect();
    let (code, text, talk) = said(dir, &args);
    assert_eq!(code, Some(0), "{talk}");
    assert!(
        text.contains("ours-world.yaml") && talk.contains("not learnt: queues:"),
        "{text}{talk}"
    );
    let read = |name: &str| fs::read_to_string(dir.join(out).join(name)).unwrap();
    (read("ours.yaml"), read("ours-world.yaml"))
}

#[test]
fn a_dump_gives_files_that_pass_check_and_run() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    dump(dir);
    let (scenario, world) = learnt(dir, &["dump.txt"], "out");
    assert!(
        world.contains("name: in_progress_tasks") && world.contains("job: asynq-worker"),
        "{world}"
    );
    assert!(scenario.contains("processes: 2"), "{scenario}");
    let (code, text, talk) = said(dir, &["check", "--strict", "out"]);
    assert_eq!(code, Some(0), "{talk}");
    assert!(
        text.contains("world ours") && text.contains("scenario ours, 59 min"),
        "{text}"
    );
    let (code, _, talk) = said(
        dir,
        &[
            "run",
            "--engine",
            "virtual",
            "--rules",
            "rules.yml",
            "out/ours.yaml",
        ],
    );
    assert_eq!(code, Some(0), "{talk}");
    // What is there stays.
    let (code, _, talk) = said(dir, &["learn", "dump.txt", "--out", "out"]);
    assert_eq!(code, Some(2));
    assert!(talk.contains("is there already"), "{talk}");
}

#[test]
fn what_cannot_be_read_is_told_and_nothing_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    fs::write(dir.join("plain.txt"), "asynq_queue_size{queue=\"q\"} 3\n").unwrap();
    for (args, told) in [
        (
            &["learn", "plain.txt"][..],
            "plain.txt: line 1: a sample without a time",
        ),
        (&["learn", "none.txt"], "none.txt: No such file"),
        (&["learn"], "required arguments"),
        (
            &["learn", "--prometheus", "p:9090"],
            "write http://host:port",
        ),
        (&["learn", "plain.txt", "--name", "a/b"], "--name: accepted"),
    ] {
        let (code, _, talk) = said(dir, args);
        assert!(
            code.is_some_and(|code| code != 0) && talk.contains(told),
            "{args:?}: {talk}"
        );
    }
    assert_eq!(fs::read_dir(dir).unwrap().count(), 1);
}

#[test]
fn a_real_prometheus_tells_the_same_as_a_dump_of_it() {
    need!("prometheus");
    need!("promtool");
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    dump(dir);
    let of_dump = learnt(dir, &["dump.txt"], "of-dump");
    let blocks = Command::new("promtool")
        .current_dir(dir)
        .args([
            "tsdb",
            "create-blocks-from",
            "openmetrics",
            "dump.txt",
            "data",
        ])
        .output()
        .unwrap();
    assert!(blocks.status.success(), "{blocks:?}");
    // What a Prometheus that runs has, and the dump looks for.
    fs::create_dir_all(dir.join("data/wal")).unwrap();
    let dumped = Command::new("promtool")
        .current_dir(dir)
        .args(["tsdb", "dump", "data"])
        .output()
        .unwrap();
    assert!(dumped.status.success(), "{dumped:?}");
    fs::write(dir.join("tsdb.txt"), dumped.stdout).unwrap();
    assert_eq!(learnt(dir, &["tsdb.txt"], "of-tsdb"), of_dump);
    fs::write(dir.join("prometheus.yml"), "{}\n").unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let _prometheus = Ends(
        Command::new("prometheus")
            .current_dir(dir)
            .args(["--config.file=prometheus.yml", "--storage.tsdb.path=data"])
            .arg("--storage.tsdb.retention.time=50y")
            .arg(format!("--web.listen-address={address}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap(),
    );
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        for _ in 0..400 {
            if http::fetch(address, "/-/ready").await.is_some() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("Prometheus does not come up");
    });
    let url = format!("http://{address}");
    let asked = [
        "--prometheus",
        &url,
        "--since",
        "2h",
        "--until",
        "2026-01-06T09:00:00Z",
    ];
    assert_eq!(learnt(dir, &asked, "asked"), of_dump);
    // Another namespace has nothing of it.
    let other: Vec<&str> = asked
        .iter()
        .copied()
        .chain(["--match", "namespace=\"other\""])
        .collect();
    let (code, _, talk) = said(dir, &[&["learn"], &other[..]].concat());
    assert_eq!(code, Some(2), "{talk}");
    assert!(talk.contains("nothing here tells of tasks"), "{talk}");
}
