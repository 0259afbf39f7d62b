//! Whatever ends firedrill in the middle of a drill, no process of the drill stays, and the record still opens.

use crate::support::{firedrill, need, project};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// A drill that would take half an hour.
const SCENARIO: &str = "\
version: firedrill/v1
name: endless
family: benign
summary: Runs until somebody stops it.
seed: 7
duration: 30m
queues: { default: { priority: 1, wait_objective: 60s } }
workload:
  - { task: email:send, queue: default, arrivals: { poisson: 10/s }, service: { constant: 500ms } }
workers:
  - { name: w, processes: 2, concurrency: 2 }
";

/// A firedrill in the middle of a drill.
struct Running {
    firedrill: Child,
    dir: tempfile::TempDir,
    children: Vec<u32>,
}

impl Running {
    /// Starts a drill and waits until its Redis and both workers exist and the record has grown.
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("endless.yaml"), SCENARIO).unwrap();
        let firedrill = firedrill()
            .current_dir(dir.path())
            .args(["run", "--speed", "1", "--rules"])
            .arg(project("scenarios/rules/runbook.yml"))
            .args(["--out", "runs", "endless.yaml"])
            .env("TMPDIR", dir.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut running = Self {
            firedrill,
            dir,
            children: Vec::new(),
        };
        wait_until("a drill under way", || {
            running.children = descendants(running.firedrill.id());
            running.children.len() == 3
                && running
                    .record()
                    .is_some_and(|path| fs::metadata(path).unwrap().len() > 0)
        });
        running
    }

    fn record(&self) -> Option<PathBuf> {
        let runs = fs::read_dir(self.dir.path().join("runs/endless")).ok()?;
        runs.filter_map(|entry| Some(entry.ok()?.path().join("record.jsonl")))
            .find(|path| path.exists())
    }

    fn send(&self, signal: Signal) {
        kill_process(
            Pid::from_raw(i32::try_from(self.firedrill.id()).unwrap()).unwrap(),
            signal,
        )
        .unwrap();
    }

    /// Nothing of the drill runs any more, and its record opens as what it is: incomplete.
    fn assert_gone(&self) {
        wait_until("every child gone", || {
            self.children.iter().all(|pid| !is_running(*pid))
        });
        let output = firedrill()
            .arg("score")
            .arg(self.record().unwrap())
            .output()
            .unwrap();
        assert_eq!(
            output.status.code(),
            Some(3),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        assert!(String::from_utf8_lossy(&output.stdout).contains("inconclusive"));
    }
}

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < deadline, "not within 30 s: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Living processes whose parent is `pid`.
fn descendants(pid: u32) -> Vec<u32> {
    let processes = fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    processes
        .filter(|child| parent(*child) == Some(pid) && is_running(*child))
        .collect()
}

fn stat(pid: u32) -> Option<Vec<String>> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The command name may hold spaces; the fields after it do not.
    Some(
        text.rsplit_once(')')?
            .1
            .split_whitespace()
            .map(str::to_owned)
            .collect(),
    )
}

fn parent(pid: u32) -> Option<u32> {
    stat(pid)?.get(1)?.parse().ok()
}

fn is_running(pid: u32) -> bool {
    stat(pid).is_some_and(|fields| fields[0] != "Z")
}

/// Directories of private Redis servers under `dir`.
fn leftovers(dir: &Path) -> usize {
    fs::read_dir(dir)
        .unwrap()
        .filter(|entry| {
            entry
                .as_ref()
                .unwrap()
                .file_name()
                .to_string_lossy()
                .starts_with("firedrill-")
        })
        .count()
}

#[test]
fn ctrl_c_ends_a_drill_cleanly() {
    need!("redis-server");
    let mut running = Running::start();
    running.send(Signal::INT);
    assert_eq!(running.firedrill.wait().unwrap().code(), Some(130));
    running.assert_gone();
    assert_eq!(leftovers(running.dir.path()), 0);
}

#[test]
fn sigterm_ends_a_drill_cleanly() {
    need!("redis-server");
    let mut running = Running::start();
    running.send(Signal::TERM);
    assert_eq!(running.firedrill.wait().unwrap().code(), Some(143));
    running.assert_gone();
    assert_eq!(leftovers(running.dir.path()), 0);
}

#[test]
fn sigkill_leaves_no_process_and_clean_removes_the_rest() {
    need!("redis-server");
    let mut running = Running::start();
    running.send(Signal::KILL);
    running.firedrill.wait().unwrap();
    running.assert_gone();
    assert_eq!(leftovers(running.dir.path()), 1);
    let cleaned = firedrill()
        .arg("clean")
        .env("TMPDIR", running.dir.path())
        .output()
        .unwrap();
    assert_eq!(
        cleaned.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&cleaned.stderr)
    );
    assert_eq!(leftovers(running.dir.path()), 0);
}

#[test]
fn clean_leaves_a_running_drill_alone() {
    need!("redis-server");
    let mut running = Running::start();
    let cleaned = firedrill()
        .arg("clean")
        .env("TMPDIR", running.dir.path())
        .output()
        .unwrap();
    assert_eq!(cleaned.status.code(), Some(0));
    assert_eq!(leftovers(running.dir.path()), 1);
    assert!(running.children.iter().all(|pid| is_running(*pid)));
    running.send(Signal::INT);
    running.firedrill.wait().unwrap();
}
