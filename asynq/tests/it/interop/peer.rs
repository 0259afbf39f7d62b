//! A Go process that plays asynq's roles as it is told.

use super::programs::programs;
use crate::support::{Bench, Persistence};
use crate::wait::{PATIENCE, eventually};
use firedrill_asynq::clock::{ClockOrigin, Time};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};

/// What a bubble's clock says at first: the year 2000.
const BUBBLE_BEGINS: Time = Time::from_millis(946_684_800_000);

/// Skips the test without the two servers it is about: a Redis, and what makes Go programs.
macro_rules! need_peers {
    () => {
        crate::support::need!("redis-server");
        crate::support::need!("go");
    };
}
pub(crate) use need_peers;

/// The time of day, which Go goes by.
pub(crate) fn time_of_day() -> Time {
    ClockOrigin::real_time().now()
}

/// A Redis, and a Go process on it.
pub(crate) fn bench_and_go() -> (Bench, Peer) {
    let bench = Bench::new(Persistence::None, 1.0);
    let go = Peer::start(&behind(&bench, 0));
    (bench, go)
}

/// The Redis of a bench, as the Go side takes it.
pub(crate) fn behind(bench: &Bench, db: u8) -> Value {
    json!({ "addrs": [bench.server.socket()], "network": "unix", "db": db })
}

/// A running Go process. Dropping it kills it.
pub(crate) struct Peer {
    child: Child,
    stdin: ChildStdin,
    answers: Receiver<Value>,
    events: Receiver<Value>,
    /// Events that came before those that were waited for.
    seen: Vec<Value>,
    log: Arc<Mutex<String>>,
}

impl Peer {
    /// A peer that lives in real time.
    pub(crate) fn start(redis: &Value) -> Self {
        let mut command = Command::new(&programs().peer);
        command.arg(redis.to_string());
        Self::spawn(command)
    }

    /// A client and an inspector for which it is `now` until they are told to [`Peer::advance`].
    pub(crate) fn in_a_bubble(redis: &Value, now: Time) -> Self {
        let mut command = Command::new(&programs().bubble);
        command
            .args(["-test.run", "TestPeer", "-test.timeout", "0"])
            .env("PEER_REDIS", redis.to_string());
        let mut peer = Self::spawn(command);
        peer.advance(now.millis() - BUBBLE_BEGINS.millis());
        peer
    }

    /// A process that tells its events as Go's do.
    pub(crate) fn spawn(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (answer_tx, answers) = channel();
        let (event_tx, events) = channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            // What is no JSON is what a test binary says of itself.
            for line in stdout.lines().map_while(Result::ok) {
                let Ok(told) = serde_json::from_str::<Value>(&line) else {
                    continue;
                };
                let to = if told.get("event").is_some() {
                    &event_tx
                } else {
                    &answer_tx
                };
                if to.send(told).is_err() {
                    return;
                }
            }
        });
        let log = Arc::new(Mutex::new(String::new()));
        let (mut stderr, kept) = (child.stderr.take().unwrap(), log.clone());
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(read @ 1..) = stderr.read(&mut bytes) {
                kept.lock()
                    .unwrap()
                    .push_str(&String::from_utf8_lossy(&bytes[..read]));
            }
        });
        Self {
            stdin: child.stdin.take().unwrap(),
            child,
            answers,
            events,
            seen: Vec::new(),
            log,
        }
    }

    /// Asks for the operation `op`; its arguments are the fields of `with`.
    #[track_caller]
    pub(crate) fn try_ask(&mut self, op: &str, with: Value) -> Result<Value, String> {
        let mut request = with;
        request["op"] = op.into();
        let written = writeln!(self.stdin, "{request}");
        let answer = self.answers.recv_timeout(PATIENCE);
        let (Ok(()), Ok(mut answer)) = (written, answer) else {
            panic!("no answer to {request}; the peer said: {}", self.log());
        };
        match answer.get("error") {
            Some(error) => Err(error.as_str().unwrap().to_owned()),
            None => Ok(answer["answer"].take()),
        }
    }

    /// The same, for what must not fail.
    #[track_caller]
    pub(crate) fn ask(&mut self, op: &str, with: Value) -> Value {
        let asked = with.clone();
        self.try_ask(op, with)
            .unwrap_or_else(|error| panic!("{op} {asked}: {error}"))
    }

    /// Lets time pass: at once in a bubble, else in real time.
    pub(crate) fn advance(&mut self, ms: i64) {
        self.ask("advance", json!({ "ms": ms }));
    }

    /// Waits until the handler of the task `id` has `started` or `finished`, or another event with that id. Each event is
    /// given once.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, event: &str, id: &str) -> Value {
        loop {
            let fits = |told: &Value| told["event"] == event && told["id"] == id;
            if let Some(at) = self.seen.iter().position(fits) {
                return self.seen.remove(at);
            }
            match self.events.recv_timeout(PATIENCE) {
                Ok(told) => self.seen.push(told),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => panic!(
                    "no `{event}` of `{id}`, but {:?}; the peer said: {}",
                    self.seen,
                    self.log()
                ),
            }
        }
    }

    /// Waits for an event about a task of a type.
    #[track_caller]
    pub(crate) fn wait_for_type(&mut self, event: &str, of: &str) -> Value {
        eventually(&format!("`{event}` of a task of type {of}"), || {
            self.seen.extend(self.events.try_iter());
            let fits = |told: &Value| told["event"] == event && told["type"] == of;
            let at = self.seen.iter().position(fits)?;
            Some(self.seen.remove(at))
        })
    }

    /// The events of a kind that were told so far, but for those waited for.
    pub(crate) fn told(&mut self, event: &str) -> impl DoubleEndedIterator<Item = &Value> {
        self.seen.extend(self.events.try_iter());
        self.seen.iter().filter(move |told| told["event"] == event)
    }

    /// The ids of these events.
    pub(crate) fn ids(&mut self, event: &str) -> Vec<String> {
        let id = |told: &Value| told["id"].as_str().unwrap().to_owned();
        self.told(event).map(id).collect()
    }

    /// How many events of a kind were told so far.
    pub(crate) fn count(&mut self, event: &str) -> usize {
        self.ids(event).len()
    }

    /// Process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL, and waits until it is gone.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
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

    fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
