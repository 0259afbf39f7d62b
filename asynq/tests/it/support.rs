//! What the tests share: a private Redis with a broker.

pub(crate) use crate::redis_server::Persistence;
use crate::redis_server::RedisServer;
use firedrill_asynq::broker::redis::{RedisBroker, RedisOptions};
use firedrill_asynq::clock::Time;
use firedrill_asynq::message::TaskMessage;
use redis::{Commands, Connection};
use smallvec::smallvec;

/// What a broker of real messages is asked, and answers.
pub(crate) type Op = firedrill_asynq::op::Op<TaskMessage>;
pub(crate) type Answer = firedrill_asynq::op::Answer<TaskMessage>;

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

/// Skips a test that takes minutes; `.ci/long` has the time.
macro_rules! skip_unless_long {
    () => {
        if std::env::var_os("FIREDRILL_LONG").is_none() {
            println!("skipped: takes minutes (set FIREDRILL_LONG); the long run has the time");
            return;
        }
    };
}
pub(crate) use skip_unless_long;

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
        let server = RedisServer::start(persistence);
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

    pub(crate) fn list(&mut self, part: &str) -> Vec<String> {
        self.redis.lrange(key(part), 0, -1).unwrap()
    }

    pub(crate) fn set(&mut self, part: &str) -> Vec<(String, i64)> {
        self.redis.zrange_withscores(key(part), 0, -1).unwrap()
    }

    pub(crate) fn field(&mut self, id: &str, field: &str) -> Option<String> {
        self.redis.hget(key(&format!("t:{id}")), field).unwrap()
    }
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
