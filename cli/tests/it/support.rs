//! What the tests share: the binary, the project's files, a private Redis.

use firedrill_asynq::broker::redis::{RedisBroker, RedisOptions};
use firedrill_asynq::clock::Time;
use firedrill_asynq::message::TaskMessage;
use firedrill_sim::plan::Plan;
pub(crate) use firedrill_sim::redis_server::Persistence;
use firedrill_sim::redis_server::{self, RedisServer, RedisServerOptions};
use firedrill_sim::scenario::{PlanOptions, Scenario};
use redis::{Commands, Connection};
use rustix::process::{Pid, Signal, kill_process};
use smallvec::smallvec;
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// What scenarios beside a real Prometheus have in common: two workers that keep up with a few tasks, scraped each second.
pub(crate) const TWO_WORKERS: &str = "\
version: firedrill/v1
family: worker-crashed
seed: 11
queues: { default: { priority: 1, wait_objective: 30s } }
workload:
  - { task: email:send, queue: default, arrivals: { poisson: 4/s }, service: { constant: 300ms } }
workers:
  - { name: w, processes: 2, concurrency: 4 }
scrape: { interval: 1s, timeout: 1s }
";

/// A small drill with an incident.
pub(crate) const SHORT: &str = "\
version: firedrill/v1
name: short
family: worker-crashed
summary: One worker is killed and restarted three minutes later.
seed: 11
duration: 9m
warmup: 1m
queues: { default: { priority: 1, wait_objective: 30s } }
workload:
  - { task: a, queue: default, arrivals: { poisson: 4/s }, service: { constant: 500ms } }
workers:
  - { name: w, processes: 1, concurrency: 6 }
scrape: { interval: 5s }
evaluation: { interval: 5s }
timeline:
  - { at: 2m, fault: worker.kill, select: [w-0], until: { at: 5m, remedy: worker.restart } }
incidents:
  - { cause: worker-crashed, wanted: page, within: 90s }
";

/// What a broker of real messages is asked, and answers.
pub(crate) type Op = firedrill_asynq::op::Op<TaskMessage>;
pub(crate) type Answer = firedrill_asynq::op::Answer<TaskMessage>;

/// The built binary.
pub(crate) fn firedrill() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_firedrill"));
    for name in [
        "FIREDRILL_RULES",
        "FIREDRILL_SPEED",
        "FIREDRILL_WORLD",
        "FIREDRILL_SEED",
        "FIREDRILL_JOBS",
        "FIREDRILL_REDIS",
        "FIREDRILL_GATE",
        "FIREDRILL_BASELINE",
        "FIREDRILL_SHARDS",
        "FIREDRILL_HTTP_TOKEN",
        "JOB_COMPLETION_INDEX",
    ] {
        command.env_remove(name);
    }
    // What it keeps for its user is not the user's who runs the tests.
    command.env("XDG_STATE_HOME", env!("CARGO_TARGET_TMPDIR"));
    command
}

/// Runs a command in a directory: its exit code, and what it printed and said.
pub(crate) fn said(dir: &Path, args: &[&str]) -> (Option<i32>, String, String) {
    let output = firedrill().current_dir(dir).args(args).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

/// A file of the project.
pub(crate) fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// A plan of the scenario `text`.
pub(crate) fn plan_of(text: &str) -> Plan {
    let scenario =
        Scenario::parse("s.yaml", text).unwrap_or_else(|found| panic!("{found:#?}\n{text}"));
    Plan::resolve(&scenario, &PlanOptions::default())
        .unwrap_or_else(|found| panic!("{found:#?}\n{text}"))
}

/// Whether a program is on PATH.
pub(crate) fn has(program: &str) -> bool {
    std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
        .any(|dir| dir.join(program).is_file())
}

/// Ends the test with a word when something it needs is missing. CI has everything, so there that is a failure.
pub(crate) fn skip(what: &str) {
    assert_ne!(
        std::env::var("CI").as_deref(),
        Ok("true"),
        "needs {what}, which CI must have"
    );
    println!("skipped: needs {what}");
}

/// Skips the test when a program is missing.
macro_rules! need {
    ($program:literal) => {
        if !crate::support::has($program) {
            return crate::support::skip($program);
        }
    };
}
pub(crate) use need;

/// Waits until something holds.
pub(crate) fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(180);
    while !holds() {
        assert!(Instant::now() < deadline, "not within 180 s: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// `/proc/pid/stat` from the third field on.
fn stat(pid: u32) -> Option<Vec<String>> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The command's name may hold spaces; the fields after it do not.
    let fields = text.rsplit_once(')')?.1.split_whitespace();
    Some(fields.map(str::to_owned).collect())
}

/// Whether a process does anything any more.
pub(crate) fn is_running(pid: u32) -> bool {
    stat(pid).is_some_and(|fields| fields[0] != "Z")
}

/// Living processes whose parent is `pid`.
pub(crate) fn children(pid: u32) -> Vec<u32> {
    let parent = |child: u32| stat(child)?.get(1)?.parse().ok();
    let all = fs::read_dir("/proc").unwrap();
    all.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|child| parent(*child) == Some(pid) && is_running(*child))
        .collect()
}

/// The process that cleans up after a firedrill with live drills, once it is there.
pub(crate) fn reaper_of(firedrill: u32) -> Option<u32> {
    children(firedrill).into_iter().find(|child| {
        let line = fs::read_to_string(format!("/proc/{child}/cmdline"));
        line.is_ok_and(|line| line.split('\0').nth(1) == Some("undertake"))
    })
}

/// SIGKILL of a firedrill and of all that it has started, its reaper first.
pub(crate) fn kill_with_its_reaper(firedrill: &mut Child) {
    kill_process(Pid::from_child(firedrill), Signal::STOP).unwrap();
    for child in children(firedrill.id()) {
        // It may be gone already.
        let pid = Pid::from_raw(i32::try_from(child).unwrap()).unwrap();
        let _ = kill_process(pid, Signal::KILL);
    }
    firedrill.kill().unwrap();
    firedrill.wait().unwrap();
}

/// A moment the tests agree on, ahead of Redis' own clock as in a drill.
pub(crate) const NOW: Time = Time::from_millis(1_900_000_000_500);

/// A private Redis with a broker and a plain connection to look at what the broker did.
pub(crate) struct Bench {
    pub(crate) server: RedisServer,
    pub(crate) broker: RedisBroker,
    pub(crate) redis: Connection,
    runtime: tokio::runtime::Runtime,
}

impl Bench {
    pub(crate) fn new(persistence: Persistence, speed: f64) -> Self {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let program = redis_server::find(std::env::split_paths(&path)).unwrap();
        let server =
            RedisServer::start(RedisServerOptions::unguarded(&program).persistence(persistence))
                .unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let broker = runtime
            .block_on(RedisBroker::connect(
                &server.url(),
                RedisOptions::at_speed(speed),
            ))
            .unwrap();
        let redis = redis::Client::open(server.url())
            .unwrap()
            .get_connection()
            .unwrap();
        Self {
            server,
            broker,
            redis,
            runtime,
        }
    }

    pub(crate) fn call(&self, op: Op) -> Answer {
        self.block_on(self.broker.call(op))
    }

    pub(crate) fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }

    /// Enqueues a task.
    pub(crate) fn enqueue(&self, id: &str) -> TaskMessage {
        let message = task(id);
        self.call(Op::Enqueue {
            message: message.clone(),
            now: NOW,
        })
        .unwrap();
        message
    }

    /// Enqueues a task and takes it.
    pub(crate) fn active(&self, id: &str) -> TaskMessage {
        let message = self.enqueue(id);
        self.call(Op::Dequeue {
            queues: smallvec!["default".into()],
            lease_expires_s: NOW.secs() + 30,
        })
        .unwrap();
        message
    }

    pub(crate) fn set(&mut self, part: &str) -> Vec<(String, i64)> {
        self.redis.zrange_withscores(key(part), 0, -1).unwrap()
    }
}

/// A process that ends with the test.
pub(crate) struct Ends(pub(crate) Child);

impl Drop for Ends {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// An address on which nobody listens.
pub(crate) fn free() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

/// Forgets which commands Redis was asked, for [`only_looked`].
pub(crate) fn forget_calls(redis: &mut Connection) {
    let _: () = redis::cmd("CONFIG").arg("RESETSTAT").query(redis).unwrap();
}

/// The commands that Redis was asked since, none of which may write.
pub(crate) fn only_looked(redis: &mut Connection) -> Vec<String> {
    let stats: String = redis::cmd("INFO").arg("commandstats").query(redis).unwrap();
    let called = stats
        .lines()
        .filter_map(|line| line.strip_prefix("cmdstat_"));
    let called: Vec<String> = called
        .filter_map(|line| Some(line.split_once(':')?.0.to_owned()))
        .collect();
    for name in &called {
        let mut info = redis::cmd("COMMAND");
        let info: Vec<redis::Value> = info.arg("INFO").arg(name).query(redis).unwrap();
        // Subcommands such as `config|get` are in the table since Redis 7 only.
        let row: Option<Vec<redis::Value>> = redis::from_redis_value_ref(&info[0]).unwrap();
        let Some(row) = row else {
            assert!(name.contains('|'), "{name}");
            continue;
        };
        let flags: Vec<String> = redis::from_redis_value_ref(&row[2]).unwrap();
        assert!(!flags.contains(&"write".to_owned()), "{name} writes");
    }
    called
}

/// A key of the queue `default`.
pub(crate) fn key(part: &str) -> String {
    format!("asynq:{{default}}:{part}")
}

pub(crate) fn task(id: &str) -> TaskMessage {
    TaskMessage {
        r#type: "email:send".into(),
        payload: b"{\"to\":7}".to_vec(),
        id: id.into(),
        queue: "default".into(),
        retry: 25,
        timeout: 1800,
        ..TaskMessage::default()
    }
}
