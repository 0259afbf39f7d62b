//! A master is killed while a client and a server are at work. Replication is asynchronous, so what the replica had not
//! seen is lost, by Redis; nothing else may be.

use super::nodes::{Cluster, Node};
use crate::support::{NOW, Op, need, task};
use crate::wait::until;
use firedrill_asynq::broker::redis::subscription::Subscription;
use firedrill_asynq::broker::redis::{RedisBroker, RedisOptions};
use firedrill_asynq::clock::ClockOrigin;
use firedrill_asynq::message::TaskMessage;
use firedrill_asynq::op::{BrokerError, Reply};
use firedrill_asynq::{Config, Context, Server, Task};
use redis::Commands;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// Leases run out after half a real second, and a failover of two is two minutes for asynq.
const SPEED: f64 = 60.0;
/// How long a handler works, by its own clock.
const WORK_MS: i64 = 3_000;

/// A client, and a server at work.
pub(super) struct Mill {
    broker: RedisBroker,
    /// What is published on `asynq:cancel`.
    cancels: Subscription,
    clock: ClockOrigin,
    sent: u64,
    /// Ids of the tasks whose handler has returned while somebody waited for it.
    finished: Arc<Mutex<BTreeSet<String>>>,
    /// Last, for the others need it. The server works on it while the test does something else.
    runtime: Runtime,
}

impl Mill {
    pub(super) fn start(address: &str) -> Self {
        let clock = ClockOrigin::start(NOW, SPEED);
        let config = Config {
            concurrency: 8,
            queues: [("default".to_owned(), 1), ("low".to_owned(), 1)].into(),
            clock: Some(clock),
            ..Config::default()
        };
        let finished = Arc::new(Mutex::new(BTreeSet::new()));
        let tell = finished.clone();
        let handler = move |_: Task, context: Context| {
            let tell = tell.clone();
            async move {
                tokio::time::sleep(clock.real_millis(WORK_MS)).await;
                if context.cause().is_none() {
                    tell.lock().unwrap().insert(context.task_id().to_owned());
                }
                Ok(())
            }
        };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let (broker, cancels) = runtime.block_on(async {
            let options = RedisOptions::at_speed(SPEED);
            let broker = RedisBroker::connect(address, options).await.unwrap();
            let server = Server::connect(address, config).await.unwrap();
            server.start(handler);
            let cancels = broker.subscribe("asynq:cancel");
            (broker, cancels)
        });
        Self {
            broker,
            cancels,
            clock,
            sent: 0,
            finished,
            runtime,
        }
    }

    /// Enqueues another task; its id and the answer.
    fn send(&mut self, queue: &str) -> (String, Result<(), BrokerError>) {
        let seq = self.sent;
        self.sent += 1;
        let message = TaskMessage {
            queue: queue.into(),
            ..task(&format!("t-{seq}"))
        };
        let id = message.id.clone();
        let op = Op::Enqueue {
            message,
            now: self.clock.now(),
        };
        let answer = match self.runtime.block_on(self.broker.call(op)) {
            // A repetition of a request whose answer was lost finds its own task there.
            Ok(Reply::Enqueued(_)) => Ok(()),
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(error),
        };
        (id, answer)
    }

    /// Ids of the tasks whose handler has returned.
    fn finished(&self) -> BTreeSet<String> {
        self.finished.lock().unwrap().clone()
    }

    /// Ids of the tasks that are in some state of a queue.
    fn left(&self, queue: &str) -> BTreeSet<String> {
        let op = Op::ListIds {
            queue: queue.into(),
        };
        match self.runtime.block_on(self.broker.call(op)) {
            Ok(Reply::Ids(ids)) => ids.into_iter().map(|(id, _)| id).collect(),
            other => panic!("{other:?}"),
        }
    }

    /// Publishes until it is heard.
    fn hears(&mut self, payload: &str) {
        let heard = async {
            loop {
                // Refused while nobody is there to take it.
                let _ = self
                    .broker
                    .publish("asynq:cancel", payload.as_bytes())
                    .await;
                let pause = Duration::from_millis(50);
                if let Ok(heard) = tokio::time::timeout(pause, self.cancels.next()).await
                    && heard == payload.as_bytes()
                {
                    return;
                }
            }
        };
        let within = Duration::from_secs(10);
        self.runtime
            .block_on(async { tokio::time::timeout(within, heard).await })
            .unwrap_or_else(|_| panic!("{payload}: nothing is heard"));
    }
}

/// Kills `master`, which has the queue `default` in `database`, in the middle of the work, and sees to it that nothing
/// is lost that its replica had.
pub(super) fn a_master_dies(mill: &mut Mill, master: &mut Node, replica: &Node, database: i64) {
    mill.hears("before");
    // What the replica has confirmed is safe: `WAIT` speaks for all that was written before.
    let mut safe = BTreeSet::new();
    let mut beside = master.connection();
    for _ in 0..4 {
        for _ in 0..15 {
            let (id, answer) = mill.send("default");
            answer.unwrap();
            safe.insert(id);
        }
        let _: () = beside.set("{default}probe", 1).unwrap();
        let confirmed: u32 = redis::cmd("WAIT")
            .arg(1)
            .arg(2_000)
            .query(&mut beside)
            .unwrap();
        assert_eq!(confirmed, 1);
    }
    let mut hurried = BTreeSet::new();
    for _ in 0..15 {
        let (id, answer) = mill.send("default");
        answer.unwrap();
        hurried.insert(id);
    }
    master.kill();
    // Until it is promoted, the replica keeps what it has.
    let had = tasks_of(replica, database);
    let finished = mill.finished();
    let in_the_middle = safe.difference(&finished).count();
    assert!(in_the_middle > 0, "the work is not done yet");

    let (mut after, mut refused) = (BTreeSet::new(), 0);
    let deadline = Instant::now() + Duration::from_secs(15);
    while after.len() < 20 {
        assert!(
            Instant::now() < deadline,
            "no new master: {refused} refused"
        );
        match mill.send("default") {
            (id, Ok(())) => {
                after.insert(id);
            }
            (_, Err(BrokerError::Unreachable(_))) => refused += 1,
            (_, Err(error)) => panic!("{error}"),
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(refused > 0, "the outage was seen");

    let kept: BTreeSet<&String> = safe.iter().chain(&had).chain(&after).collect();
    until(
        "all that Redis kept is done",
        Duration::from_secs(20),
        || {
            let (finished, left) = (mill.finished(), mill.left("default"));
            let lost: Vec<_> = kept
                .iter()
                .filter(|id| !finished.contains(**id) && !left.contains(**id))
                .collect();
            lost.is_empty() && left.is_empty()
        },
    );
    let finished = mill.finished();
    assert!(kept.iter().all(|id| finished.contains(*id)));
    // And what nobody confirmed is lost only if the replica did not have it.
    for id in hurried.difference(&finished) {
        assert!(!had.contains(id), "{id}");
    }
    mill.hears("after");
}

/// The ids of the tasks of `default` that a server has.
fn tasks_of(server: &Node, database: i64) -> BTreeSet<String> {
    let mut connection = server.connection();
    if database != 0 {
        redis::cmd("SELECT")
            .arg(database)
            .exec(&mut connection)
            .unwrap();
    }
    let prefix = "asynq:{default}:t:";
    let keys: Vec<String> = connection.keys(format!("{prefix}*")).unwrap();
    keys.iter()
        .map(|key| key.strip_prefix(prefix).unwrap().to_owned())
        .collect()
}

#[test]
fn a_cluster_loses_nothing_that_it_kept() {
    need!("redis-server");
    need!("redis-cli");
    let mut cluster = Cluster::start();
    let mut mill = Mill::start(&cluster.address());
    let victim = cluster.master_of("default");
    let port = cluster.nodes[victim].port.to_string();
    let replica = cluster
        .nodes
        .iter()
        .position(|node| node.info("role") == "slave" && node.info("master_port") == port)
        .unwrap();
    assert_ne!(victim, cluster.master_of("low"));
    let replica = cluster.nodes.remove(replica);
    a_master_dies(&mut mill, &mut cluster.nodes[victim], &replica, 0);
    assert_eq!(replica.info("role"), "master");
    let (_, answer) = mill.send("low");
    assert_eq!(answer, Ok(()));
}
