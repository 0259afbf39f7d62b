//! A drill to which something is done from outside, and what is done to it.

use crate::support::{firedrill, wait_until};
use firedrill_reports::Record;
use firedrill_sim::redis_server::{self, RedisServer, RedisServerOptions};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File};
use std::io::BufReader;
use std::path::PathBuf;
use std::process::Child;
use std::time::Duration;

const RULES: &str = r#"
groups:
- name: jobs
  rules:
  - alert: WorkersDown
    expr: sum(up{job="worker"}) == 0
    for: 1m
    labels: { severity: page }
"#;

/// Nothing happens in it.
pub(super) const QUIET: &str = "\
version: firedrill/v1
name: watched
family: benign
summary: Nothing happens.
seed: 5
duration: 4m
warmup: 30s
queues: { default: { priority: 1, wait_objective: 60s } }
workload:
  - { task: email:send, queue: default, arrivals: { poisson: 2/s }, service: { constant: 500ms } }
workers:
  - { name: w, processes: 2, concurrency: 2 }
benign: [ { what: nothing, at: 0s, until: 4m } ]
";

/// Both workers are killed after a minute and a half.
const KILLED: &str = "\
timeline:
  - { at: 90s, fault: worker.kill, select: all, until: { at: 180s, remedy: worker.restart } }
incidents:
  - { cause: worker-crashed, wanted: page, within: 2m }
";

/// The workers cannot keep up.
pub(super) fn overloaded() -> String {
    QUIET
        .replace("concurrency: 2", "concurrency: 1")
        .replace("constant: 500ms", "constant: 1s")
        .replace("poisson: 2/s", "poisson: 3/s")
}

pub(super) fn killed() -> String {
    let (quiet, _) = QUIET.split_once("benign:").unwrap();
    let quiet = quiet.replace("family: benign", "family: worker-crashed");
    format!("{quiet}benign: []\n{KILLED}").replace("benign: []\n", "")
}

/// A drill under way.
pub(super) struct Drill {
    pub(super) firedrill: Child,
    pub(super) dir: tempfile::TempDir,
}

/// A drill that has ended: what it said.
pub(super) struct Said {
    pub(super) dir: tempfile::TempDir,
    pub(super) code: Option<i32>,
    pub(super) text: String,
}

impl Drill {
    /// Starts a drill at 40 times real speed, and waits until each of its workers has executed something.
    pub(super) fn start(scenario: &str, more: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("s.yaml"), scenario).unwrap();
        fs::write(dir.path().join("r.yml"), RULES).unwrap();
        let out = File::create(dir.path().join("out")).unwrap();
        let firedrill = firedrill()
            .current_dir(dir.path())
            .args(["run", "--speed", "40", "--rules", "r.yml", "s.yaml"])
            .args(more)
            .stdout(out.try_clone().unwrap())
            .stderr(out)
            .spawn()
            .unwrap();
        let drill = Self { firedrill, dir };
        wait_until("both workers at work", || {
            let works = |name: &str| {
                let ledger = drill.ledger(name);
                ledger.is_some_and(|path| fs::metadata(path).is_ok_and(|meta| meta.len() > 0))
            };
            works("w-0") && works("w-1")
        });
        drill
    }

    pub(super) fn run_dir(&self) -> Option<PathBuf> {
        let mut runs = fs::read_dir(self.dir.path().join("runs/watched")).ok()?;
        runs.find_map(|entry| {
            let path = entry.ok()?.path();
            path.join("ledgers").is_dir().then_some(path)
        })
    }

    pub(super) fn ledger(&self, name: &str) -> Option<PathBuf> {
        Some(self.run_dir()?.join(format!("ledgers/{name}.0.ledger")))
    }

    /// The drill's processes whose command line has this word, the first started first.
    pub(super) fn processes(&self, word: &str) -> Vec<u32> {
        let all = fs::read_dir("/proc").unwrap();
        let mut found: Vec<u32> = all
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .filter(|pid| parent(*pid) == Some(self.firedrill.id()))
            .filter(|pid| {
                let line = fs::read_to_string(format!("/proc/{pid}/cmdline"));
                line.is_ok_and(|line| line.split('\0').any(|part| part.contains(word)))
            })
            .collect();
        found.sort_unstable();
        found
    }

    /// Waits for its end.
    pub(super) fn end(mut self) -> Said {
        let status = self.firedrill.wait().unwrap();
        Said {
            code: status.code(),
            text: fs::read_to_string(self.dir.path().join("out")).unwrap(),
            dir: self.dir,
        }
    }
}

impl Said {
    pub(super) fn record(&self) -> Record {
        let path = self.dir.path().join("runs/watched/latest/record.jsonl");
        Record::read(BufReader::new(File::open(path).unwrap())).unwrap()
    }

    /// The drill proved nothing, for these reasons, and its record says so, too.
    #[track_caller]
    pub(super) fn proves_nothing(&self, reasons: &[&str]) {
        assert_eq!(self.code, Some(3), "{}", self.text);
        let again = firedrill()
            .current_dir(self.dir.path())
            .args(["score", "runs/watched/latest/record.jsonl"])
            .output()
            .unwrap();
        let scored = String::from_utf8_lossy(&again.stdout).into_owned();
        assert_eq!(again.status.code(), Some(3), "{scored}");
        for reason in reasons {
            for text in [&self.text, &scored] {
                // Long lines may have been broken.
                let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
                assert!(text.contains(reason), "no `{reason}` in\n{text}");
            }
        }
    }
}

/// A field of `/proc/PID/stat`, counted from the state on.
fn stat(pid: u32, field: usize) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, after) = stat.rsplit_once(')')?;
    after.split_whitespace().nth(field).map(str::to_owned)
}

fn state(pid: u32) -> Option<String> {
    stat(pid, 0)
}

pub(super) fn parent(pid: u32) -> Option<u32> {
    stat(pid, 1)?.parse().ok()
}

pub(super) fn send(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    kill_process(pid, signal).unwrap();
}

pub(super) fn stop_for(pid: u32, real_ms: u64) {
    send(pid, Signal::STOP);
    // A process stops when it is next to run; one that is told to go on before has never stopped.
    wait_until("a stop", || state(pid).as_deref() == Some("T"));
    std::thread::sleep(Duration::from_millis(real_ms));
    send(pid, Signal::CONT);
}

/// A Redis that is given to the drill.
pub(super) fn given() -> RedisServer {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let program = redis_server::find(std::env::split_paths(&path)).unwrap();
    RedisServer::start(RedisServerOptions::unguarded(&program)).unwrap()
}
