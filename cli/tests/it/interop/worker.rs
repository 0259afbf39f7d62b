//! A worker process, started as a drill starts it.

use super::peer::time_of_day;
use crate::support::{firedrill, plan_of};
use crate::wait::eventually;
use firedrill_asynq::clock::ClockOrigin;
use firedrill_asynq::note::Note;
use firedrill_sim::ledger;
use firedrill_sim::worker::{Report, WorkerSpec};
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::process::{Child, ChildStdin, ExitStatus, Stdio};
use tempfile::TempDir;

/// Handlers by the type of their task. Nothing arrives by itself: the tests enqueue. A task of another type succeeds at once.
const SCENARIO: &str = "\
version: firedrill/v1
name: beside-asynq
family: benign
summary: A worker whose tasks come from elsewhere.
seed: 1
duration: 24h
queues: { default: { priority: 3 }, low: { priority: 1 } }
workload:
  - { task: hangs, queue: default, arrivals: { burst: { count: 1, at: 23h } }, service: { constant: 12h } }
  - { task: skips, queue: default, arrivals: { burst: { count: 1, at: 23h } }, service: { constant: 1ms }, fail: 100%, fail_as: skip_retry }
  - { task: revokes, queue: default, arrivals: { burst: { count: 1, at: 23h } }, service: { constant: 1ms }, fail: 100%, fail_as: revoke }
  - { task: waits, queue: default, arrivals: { burst: { count: 1, at: 23h } }, service: { constant: 1ms }, fail: 100%, fail_as: not_a_failure }
  - { task: tells, queue: default, arrivals: { burst: { count: 1, at: 23h } }, service: { constant: 1ms }, result: \"42\" }
workers:
  - name: w
    processes: 1
    concurrency: 4
    shutdown_timeout: 200ms
    task_check_interval: 20ms
    retry_delay: { constant: 1s }
    groups: { grace_period: 1s, into: digest }
";

/// The type of a task whose handler does not return.
pub(crate) const HANGS: &str = "hangs";

/// A running `firedrill worker` on the queues `default` and `low`. Dropping it kills it.
pub(crate) struct OurWorker {
    child: Child,
    /// The worker ends when this is closed.
    _stdin: ChildStdin,
    port: u16,
    spec: WorkerSpec,
    _dir: TempDir,
}

impl OurWorker {
    /// Starts it at the time of day; it is at work when this returns.
    pub(crate) fn start(redis_url: &str) -> Self {
        Self::start_at_speed(redis_url, 1.0)
    }

    /// The same, with so many seconds of its own to a real one.
    pub(crate) fn start_at_speed(redis_url: &str, speed: f64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let spec = WorkerSpec {
            shared: None,
            plan: plan_of(SCENARIO),
            process: "w-0".into(),
            incarnation: 0,
            port: 0,
            redis: redis_url.parse().unwrap(),
            server_of: None,
            ledger: dir.path().join("ledger"),
            speed,
            token: String::new(),
        };
        let mut child = firedrill()
            .arg("worker")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        writeln!(stdin, "{}", serde_json::to_string(&spec).unwrap()).unwrap();
        let mut ready = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        stdout.read_line(&mut ready).unwrap();
        let Ok(Report::Ready { port }) = serde_json::from_str(&ready) else {
            panic!("{ready}");
        };
        let clock = ClockOrigin::start(time_of_day(), speed);
        writeln!(stdin, "{}", serde_json::to_string(&clock).unwrap()).unwrap();
        Self {
            child,
            port,
            _stdin: stdin,
            spec,
            _dir: dir,
        }
    }

    /// What it has noted so far.
    fn ledger(&self) -> Vec<Note<String>> {
        ledger::read(&self.spec.ledger).unwrap_or_default()
    }

    /// Waits until it has started an execution of the task `id`.
    #[track_caller]
    pub(crate) fn wait_for_start(&self, id: &str) {
        eventually(&format!("our start of {id}"), || {
            let started =
                |entry: &Note<String>| matches!(entry, Note::Started { id: of, .. } if of == id);
            self.ledger().iter().any(started).then_some(())
        });
    }

    /// How many executions it has started.
    pub(crate) fn started(&self) -> usize {
        let ledger = self.ledger();
        let started = |entry: &&Note<String>| matches!(entry, Note::Started { .. });
        ledger.iter().filter(started).count()
    }

    /// The first line of what its `/healthz` answers.
    pub(crate) fn health(&self) -> String {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).unwrap();
        let port = self.port;
        let request =
            format!("GET /healthz HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut status = String::new();
        BufReader::new(stream).read_line(&mut status).unwrap();
        status.trim().to_owned()
    }

    /// Process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().cast_signed()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// SIGTERM, and waits for the graceful end.
    pub(crate) fn terminate(&mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.child.wait().unwrap()
    }
}

impl Drop for OurWorker {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
