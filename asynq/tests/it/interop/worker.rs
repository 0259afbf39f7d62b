//! Our own server in a process of its own. The process is this test binary, which runs nothing but [`process`] then.

use super::peer::Peer;
use crate::wait::eventually;
use firedrill_asynq::clock::{ClockOrigin, Time};
use firedrill_asynq::retry_delay::RetryDelay;
use firedrill_asynq::server::GroupConfig;
use firedrill_asynq::{Config, Context, HandlerError, NewTask, Server, Task};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::Read;
use std::process::{Command, ExitStatus};
use std::sync::Arc;
use std::time::Duration;

/// Tells the process that it is one: the address of its Redis.
const REDIS: &str = "OUR_WORKER_REDIS";
/// How many seconds of its own the process has to a real one.
const SPEED: &str = "OUR_WORKER_SPEED";

/// What our handler does with a task; a task that asks for nothing succeeds at once.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Asks {
    Fails,
    Hangs,
    Lasts,
}

impl Asks {
    /// The payload that asks for it, whatever the type asks Go for.
    pub(crate) fn payload(self) -> String {
        let what = match self {
            Self::Fails => "fails",
            Self::Hangs => "hangs",
            Self::Lasts => "lasts",
        };
        format!("{TO_US}{what}")
    }
}

/// Before what a payload asks us for.
const TO_US: &str = "to us: ";

/// A running server of ours on the queues `default` and `low`. Dropping it kills it.
pub(crate) struct OurWorker(Peer);

impl OurWorker {
    /// Starts it at the time of day; it is at work when this returns.
    pub(crate) fn start(address: &str) -> Self {
        Self::start_at_speed(address, 1.0)
    }

    /// The same, with so many seconds of its own to a real one.
    pub(crate) fn start_at_speed(address: &str, speed: f64) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", "interop::worker::process"])
            .args(["--ignored", "--nocapture"])
            .env(REDIS, address)
            .env(SPEED, speed.to_string());
        let mut peer = Peer::spawn(command);
        peer.wait_for("ready", "");
        Self(peer)
    }

    /// Waits until it has started an execution of the task `id`, and gives its number of retries.
    #[track_caller]
    pub(crate) fn wait_for_start(&mut self, id: &str) -> i64 {
        eventually(&format!("our start of {id}"), || {
            let started = self.0.told("started").find(|told| told["id"] == id)?;
            started["retried"].as_i64()
        })
    }

    /// The executions it has started, in their order: ids, and when by its clock.
    pub(crate) fn executions(&mut self) -> Vec<(String, Time)> {
        let of = |told: &Value| {
            let at = Time(told["at_ns"].as_i64().unwrap());
            (told["id"].as_str().unwrap().to_owned(), at)
        };
        self.0.told("started").map(of).collect()
    }

    /// How many executions it has started.
    pub(crate) fn started(&mut self) -> usize {
        self.0.count("started")
    }

    /// The tasks whose executions it has started.
    pub(crate) fn ids_started(&mut self) -> BTreeSet<String> {
        self.0.ids("started").into_iter().collect()
    }

    /// What its last health check said, if there was one.
    pub(crate) fn is_healthy(&mut self) -> Option<bool> {
        self.0.told("health").last()?["ok"].as_bool()
    }

    /// Process id.
    pub(crate) fn pid(&self) -> u32 {
        self.0.pid()
    }

    /// SIGKILL, and waits until it is gone.
    pub(crate) fn kill(&mut self) {
        self.0.kill();
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        self.0.signal(signal);
    }

    /// SIGTERM, and waits for the graceful end.
    pub(crate) fn terminate(&mut self) -> ExitStatus {
        self.0.terminate()
    }
}

#[test]
#[ignore = "the process behind `OurWorker`, which the other tests start"]
fn process() {
    let (Ok(address), Ok(speed)) = (std::env::var(REDIS), std::env::var(SPEED)) else {
        return;
    };
    // It ends with whoever started it, even one that was killed.
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(1);
    });
    // Handlers begin in the order in which they are started.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let origin = ClockOrigin::real_time().now();
    let clock = ClockOrigin::start(origin, speed.parse().unwrap());
    runtime.block_on(async {
        let server = Server::connect(&address, config(clock)).await.unwrap();
        // What the test harness has printed is a line without an end.
        println!();
        tell(&json!({ "event": "ready", "id": "" }));
        let handler = move |task, context| work(clock, task, context);
        server.run(handler).await.unwrap();
    });
}

fn tell(event: &Value) {
    println!("{event}");
}

fn config(clock: ClockOrigin) -> Config {
    let digest = |_: &str, tasks: Vec<Task>| {
        let text = |task: &Task| String::from_utf8_lossy(task.payload()).into_owned();
        let payloads: Vec<String> = tasks.iter().map(text).collect();
        NewTask::new("digest", json!(payloads).to_string())
    };
    Config {
        concurrency: 4,
        queues: [("default".to_owned(), 3), ("low".to_owned(), 1)].into(),
        shutdown_timeout: Duration::from_millis(200),
        task_check_interval: Duration::from_millis(20),
        retry_delay: RetryDelay::Constant { ms: 1_000 },
        groups: Some(GroupConfig {
            grace_period: Duration::from_secs(1),
            ..GroupConfig::new(digest)
        }),
        health_check: Some(Arc::new(|health| {
            tell(&json!({ "event": "health", "ok": health.is_ok() }));
        })),
        host: "our-host".into(),
        clock: Some(clock),
        ..Config::default()
    }
}

/// What a task asks for by its payload or else its type.
async fn work(clock: ClockOrigin, task: Task, context: Context) -> Result<(), HandlerError> {
    tell(&json!({
        "event": "started", "id": context.task_id(), "retried": context.retry_count(), "at_ns": clock.now().0,
    }));
    let payload = str::from_utf8(task.payload()).unwrap_or_default();
    match payload.strip_prefix(TO_US).unwrap_or(task.task_type()) {
        "fails" => return Err(HandlerError::failure("job failed")),
        "skips" => return Err(HandlerError::skip_retry("gave up")),
        "revokes" => return Err(HandlerError::revoke("forget it")),
        "waits" => return Err(HandlerError::not_a_failure("not ready")),
        "tells" => context.write_result("42"),
        "lasts" => tokio::time::sleep(Duration::from_millis(300)).await,
        // Whatever its context says.
        "hangs" => std::future::pending().await,
        _ => {}
    }
    Ok(())
}
