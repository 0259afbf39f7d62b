//! Whatever ends firedrill in the middle of a drill, no process of the drill stays, and the record still opens.

use crate::support::{
    children, firedrill, is_running, kill_with_its_reaper, need, project, wait_until,
};
use firedrill_sim::owner::Owner;
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
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
    /// Starts a drill and waits until its Redis, both workers and its reaper exist and the record has grown.
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("endless.yaml"), SCENARIO).unwrap();
        let firedrill = firedrill()
            .current_dir(dir.path())
            .args(["run", "--speed", "1", "--rules"])
            .arg(project("scenarios/rules/runbook.yml"))
            .args(["--out", "runs", "endless.yaml"])
            .env("TMPDIR", dir.path())
            .env("XDG_STATE_HOME", dir.path())
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
            running.children = children(running.firedrill.id());
            running.children.len() == 4
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
fn a_terminal_that_is_closed_and_a_quit_end_a_drill_cleanly() {
    need!("redis-server");
    for signal in [Signal::HUP, Signal::QUIT] {
        let mut running = Running::start();
        running.send(signal);
        assert_eq!(running.firedrill.wait().unwrap().code(), Some(143));
        running.assert_gone();
        assert_eq!(leftovers(running.dir.path()), 0);
    }
}

#[test]
fn ctrl_c_does_not_wait_for_a_redis_that_does_not_come_back() {
    need!("redis-server");
    let dir = tempfile::tempdir().unwrap();
    // The first start is a Redis, every other one hangs.
    let program = dir.path().join("redis-server");
    let script = "#!/bin/sh\nif mkdir \"$STARTED\" 2>/dev/null; then exec \"$REAL\" \"$@\"; fi\n\
                  mkdir \"$STARTED/twice\"; exec sleep 1000\n";
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let outage = "timeline:\n  - { at: 2s, fault: redis.kill, keep_data: true, \
                  until: { at: 3s, remedy: redis.start } }\n";
    fs::write(
        dir.path().join("endless.yaml"),
        format!("{SCENARIO}{outage}"),
    )
    .unwrap();
    let path = std::env::var("PATH").unwrap();
    let real = std::env::split_paths(&path)
        .map(|path| path.join("redis-server"))
        .find(|path| path.is_file())
        .unwrap();
    let started = dir.path().join("started");
    let mut firedrill = firedrill()
        .current_dir(dir.path())
        .args(["run", "--speed", "1", "--rules"])
        .arg(project("scenarios/rules/runbook.yml"))
        .args(["--out", "runs", "endless.yaml"])
        .env("TMPDIR", dir.path())
        .env("PATH", format!("{}:{path}", dir.path().display()))
        .env("REAL", real)
        .env("STARTED", &started)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_until("the second start", || started.join("twice").exists());
    let asked = Instant::now();
    let pid = Pid::from_child(&firedrill);
    kill_process(pid, Signal::INT).unwrap();
    assert_eq!(firedrill.wait().unwrap().code(), Some(130));
    // It would have waited for 20 s.
    assert!(asked.elapsed() < Duration::from_secs(10));
    assert_eq!(leftovers(dir.path()), 0);
}

#[test]
fn ctrl_c_ends_virtual_drills_and_what_comes_after_them() {
    let dir = tempfile::tempdir().unwrap();
    for args in [
        &["run", "--engine", "virtual", "--trials", "300"][..],
        &[
            "tune",
            "--trials",
            "300",
            "--vary",
            "JobFailureRate.threshold=0.1,0.2",
        ],
    ] {
        let mut firedrill = firedrill()
            .current_dir(dir.path())
            .args(args)
            .arg("--max-memory=1000GiB")
            .arg("--rules")
            .arg(project("scenarios/rules/runbook.yml"))
            .arg(project(
                "scenarios/retry-storm/retry-storm-dependency-down.yaml",
            ))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let listens = || {
            let status = fs::read_to_string(format!("/proc/{}/status", firedrill.id())).unwrap();
            let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
            let caught = u64::from_str_radix(caught.unwrap().trim(), 16).unwrap();
            // SIGHUP, SIGINT, SIGQUIT and SIGTERM.
            caught & 0b100_0000_0000_0111 == 0b100_0000_0000_0111
        };
        wait_until("it listens", listens);
        kill_process(Pid::from_child(&firedrill), Signal::INT).unwrap();
        assert_eq!(firedrill.wait().unwrap().code(), Some(130), "{args:?}");
    }
}

/// A directory's name as a firedrill gives it; `change` makes another process of its owner.
fn directory_of(change: impl FnOnce(&mut Vec<String>)) -> String {
    let owner = Owner::this().unwrap().to_string();
    let mut parts: Vec<String> = owner.split('.').map(str::to_owned).collect();
    change(&mut parts);
    format!("firedrill-{}-AbCdEf", parts.join("."))
}

#[test]
fn clean_believes_nothing_that_lies_about() {
    need!("redis-server");
    let dir = tempfile::tempdir().unwrap();
    let gone = |parts: &mut Vec<String>| parts[0] = "4999999".into();
    let make = |name: &str, mode: u32| {
        let path = dir.path().join(name);
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    };
    let numbered = |n: u32| {
        directory_of(|parts| {
            gone(parts);
            parts[1] = n.to_string();
        })
    };
    // Made, and its firedrill was killed before it did anything else.
    let empty = make(&numbered(1), 0o700);
    let open_to_all = make(&numbered(2), 0o755);
    let with_treasure = make(&numbered(3), 0o700);
    fs::write(with_treasure.join("thesis.tex"), "years of work").unwrap();
    let elsewhere = make(
        &directory_of(|parts| {
            gone(parts);
            parts[2] = "1".into();
        }),
        0o700,
    );
    let running = make(&directory_of(|_| {}), 0o700);
    let of_somebody = make("somebody", 0o700);
    fs::write(of_somebody.join("redis.log"), "theirs").unwrap();
    std::os::unix::fs::symlink(&of_somebody, dir.path().join(numbered(4))).unwrap();
    let pipe = dir.path().join(numbered(5));
    assert!(
        Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    // A note of the kind that was believed once: it names a process that is not ours to end.
    let bystander = Command::new("sleep")
        .arg("1000")
        .current_dir(&empty)
        .spawn();
    let mut bystander = Bystander(bystander.unwrap());
    let noted = make(&numbered(6), 0o700);
    let pid = bystander.0.id();
    fs::write(
        noted.join("owner.json"),
        format!(
            "{{\"owner\":{{\"pid\":4999999,\"started\":1}},\"server\":{{\"pid\":{pid},\"started\":{}}}}}",
            started(pid)
        ),
    )
    .unwrap();
    // A server that outlived its firedrill.
    let with_server = make(&numbered(7), 0o700);
    let server = Command::new("redis-server")
        .args(["--port", "0", "--unixsocket", "redis.sock", "--save", ""])
        .args(["--logfile", "redis.log"])
        .current_dir(&with_server)
        .stdout(Stdio::null())
        .spawn();
    let mut server = Bystander(server.unwrap());
    wait_until("a server", || with_server.join("redis.sock").exists());

    let clean = |args: &[&str]| {
        let output = firedrill()
            .arg("clean")
            .args(args)
            .env("TMPDIR", dir.path())
            .env("XDG_STATE_HOME", dir.path())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let listed = clean(&["--list"]);
    assert_eq!(listed.matches("left behind: ").count(), 2, "{listed}");
    assert!(empty.exists() && with_server.exists());

    let said = clean(&[]);
    assert!(!empty.exists() && !with_server.exists(), "{said}");
    server.0.wait().unwrap();
    for (path, why) in [
        (&open_to_all, "others may write"),
        (&with_treasure, "thesis.tex"),
        (&elsewhere, "another container"),
        (&dir.path().join(numbered(4)), "symbolic link"),
        (&pipe, "not a directory"),
        (&noted, "owner.json"),
    ] {
        assert!(fs::symlink_metadata(path).is_ok(), "{path:?}");
        let line = said
            .lines()
            .find(|line| line.contains(path.to_str().unwrap()));
        assert!(line.is_some_and(|line| line.contains(why)), "{why}: {said}");
    }
    assert!(running.exists() && !said.contains(running.to_str().unwrap()));
    assert!(of_somebody.join("redis.log").exists());
    assert!(bystander.0.try_wait().unwrap().is_none(), "{said}");
}

/// When a process was started, in ticks since boot.
fn started(pid: u32) -> String {
    let owner = Owner::of(pid).unwrap().to_string();
    owner.split('.').nth(1).unwrap().to_owned()
}

/// A process that ends with the test.
struct Bystander(Child);

impl Drop for Bystander {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn sigkill_of_its_reaper_too_leaves_no_process_and_clean_removes_the_rest() {
    need!("redis-server");
    let mut running = Running::start();
    kill_with_its_reaper(&mut running.firedrill);
    running.assert_gone();
    assert_eq!(leftovers(running.dir.path()), 1);
    let cleaned = firedrill()
        .arg("clean")
        .env("TMPDIR", running.dir.path())
        .env("XDG_STATE_HOME", running.dir.path())
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
fn a_drill_that_runs_is_looked_at_through_its_socket() {
    need!("redis-server");
    let mut running = Running::start();
    let directory = fs::read_dir(running.dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.join("redis.sock").exists());
    let socket = directory.unwrap().join("redis.sock");
    wait_until("its queues are listed", || {
        let output = firedrill()
            .args(["asynq", "queue", "ls", "-u"])
            .arg(&socket)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8_lossy(&output.stdout).contains("default")
    });
    running.send(Signal::INT);
    running.firedrill.wait().unwrap();
}

#[test]
fn clean_leaves_a_running_drill_alone() {
    need!("redis-server");
    let mut running = Running::start();
    let cleaned = firedrill()
        .arg("clean")
        .env("TMPDIR", running.dir.path())
        .env("XDG_STATE_HOME", running.dir.path())
        .output()
        .unwrap();
    assert_eq!(cleaned.status.code(), Some(0));
    assert_eq!(leftovers(running.dir.path()), 1);
    assert!(running.children.iter().all(|pid| is_running(*pid)));
    running.send(Signal::INT);
    running.firedrill.wait().unwrap();
}
