//! asynq's own collector and our exporter, asked for the same Redis.

use super::peer::{Peer, bench_and_go, need_peers, time_of_day};
use super::stock::stock;
use crate::support::{Bench, Op, Persistence, key, need, task};
use firedrill_asynq::broker::redis::{RedisBroker, RedisOptions};
use firedrill_asynq::clock::ClockOrigin;
use firedrill_asynq::message::TaskMessage;
use firedrill_sim::engine::live::exporter;
use firedrill_sim::engine::live::uptime::Uptime;
use firedrill_sim::http;
use firedrill_sim::metrics::exposition;
use firedrill_sim::world::{World, preset};
use serde_json::json;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

/// An exposition without its help: the kinds of metrics as they are announced, and each series' value.
#[derive(Debug, PartialEq)]
struct Exposed {
    kinds: Vec<String>,
    values: BTreeMap<String, f64>,
}

impl Exposed {
    fn read(text: &str) -> Self {
        let values = exposition::decode(text).unwrap().into_iter();
        Self {
            kinds: text
                .lines()
                .filter(|line| line.starts_with("# TYPE"))
                .map(str::to_owned)
                .collect(),
            values: values
                .map(|(labels, value)| (labels.to_string(), value))
                .collect(),
        }
    }

    /// Takes the ages out, which are another in each answer.
    fn take_latencies(&mut self) -> Vec<f64> {
        let names: Vec<String> = self
            .values
            .keys()
            .filter(|name| name.starts_with("asynq_queue_latency_seconds"))
            .cloned()
            .collect();
        names
            .iter()
            .filter_map(|name| self.values.remove(name))
            .collect()
    }
}

/// What our exporter says.
fn ours(url: &str) -> Exposed {
    runtime().block_on(async {
        let broker = RedisBroker::connect(url, RedisOptions::at_speed(1.0))
            .await
            .unwrap();
        let clock = ClockOrigin::start(time_of_day(), 1.0);
        let address = exporter::serve_asynq(broker, clock).await.unwrap().address;
        Exposed::read(&http::fetch(address, "/metrics").await.unwrap())
    })
}

#[test]
fn our_exporter_says_what_asynqs_collector_says() {
    need_peers!();
    let (mut bench, mut go) = bench_and_go();
    let url = bench.server.url();
    let compare = |go: &mut Peer, when: &str| {
        let mut expected = Exposed::read(go.ask("metrics", json!({})).as_str().unwrap());
        let mut ours = ours(&url);
        let (before, after) = (expected.take_latencies(), ours.take_latencies());
        assert_eq!(ours, expected, "{when}");
        assert_eq!(before.len(), after.len(), "{when}");
        for (before, after) in before.into_iter().zip(after) {
            assert!(
                (0.0..60.0).contains(&(after - before)),
                "{when}: {before}, then {after}"
            );
        }
        expected.values.len()
    };
    assert_eq!(compare(&mut go, "nothing is there"), 0);
    stock(&bench);
    let of_one = compare(&mut go, "a task is in every state");
    // More than the collector samples, in another queue, with a name to be escaped.
    let queue = "lo\"w\\";
    bench
        .call(Op::RegisterQueue {
            queue: queue.into(),
        })
        .unwrap();
    for number in 0..50_usize {
        let message = TaskMessage {
            queue: queue.into(),
            payload: vec![b'x'; number * 7],
            ..task(&number.to_string())
        };
        let now = time_of_day();
        bench.call(Op::Enqueue { message, now }).unwrap();
    }
    assert_eq!(compare(&mut go, "two queues"), 2 * of_one);
    for id in ["x", "y"] {
        go.ask(
            "enqueue",
            json!({ "type": "t", "payload": "x", "task_id": id, "group": "g" }),
        );
    }
    compare(&mut go, "tasks wait in a group");
    // The age of a task from a clock that is ahead is negative on either side.
    redis::cmd("DEL")
        .arg(key("pending"))
        .exec(&mut bench.redis)
        .unwrap();
    let (message, now) = (task("z"), time_of_day().plus_millis(3_600_000));
    bench.call(Op::Enqueue { message, now }).unwrap();
    compare(&mut go, "a clock is ahead");
    go.ask("pause_queue", json!({ "queue": "default" }));
    compare(&mut go, "one of them is paused");
}

/// Those of the real exporter that ours tells, too; of one without labels here, whatever its labels there.
fn told_by_both(real: &Exposed, ours: &Exposed) -> BTreeMap<String, (f64, f64)> {
    let mut both = BTreeMap::new();
    for (name, value) in &ours.values {
        let theirs = real.values.get(name).copied();
        let family = name.split('{').next().unwrap_or(name);
        let labelled = || {
            let mut of = real.values.iter();
            let (_, value) = of.find(|(other, _)| other.starts_with(&format!("{family}{{")))?;
            Some(*value)
        };
        if let Some(theirs) = theirs.or_else(labelled) {
            both.insert(name.clone(), (theirs, *value));
        }
    }
    both
}

/// The real exporter of a Redis, until it is dropped.
struct RedisExporter {
    process: std::process::Child,
    address: SocketAddr,
}

impl RedisExporter {
    fn of(bench: &Bench) -> Self {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let process = std::process::Command::new("prometheus-redis-exporter")
            .args([
                "-redis.addr",
                &format!("unix://{}", bench.server.socket().display()),
            ])
            .args(["-web.listen-address", &address.to_string()])
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        Self { process, address }
    }

    /// What it says, as soon as it is there.
    async fn says(&self) -> Exposed {
        for _ in 0..200 {
            if let Some(text) = http::fetch(self.address, "/metrics").await {
                return Exposed::read(&text);
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        panic!("it does not come up")
    }
}

impl Drop for RedisExporter {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Where our exporter of a Redis is.
async fn ours_of(bench: &Bench) -> SocketAddr {
    let options = RedisOptions::at_speed(1.0);
    let broker = RedisBroker::connect(&bench.server.url(), options).await;
    let clock = ClockOrigin::start(time_of_day(), 1.0);
    let preset = preset("x-metrics").unwrap();
    let world = World::parse(preset.name, preset.text).unwrap();
    let uptime = Uptime::new(clock);
    let place = exporter::serve_redis(broker.unwrap(), uptime, Arc::new(world)).await;
    place.unwrap().address
}

fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().unwrap()
}

#[test]
fn a_redis_that_takes_no_more_clients_is_down_to_either() {
    need!("redis-server");
    need!("prometheus-redis-exporter");
    let mut bench = Bench::new(Persistence::None, 1.0);
    let real = RedisExporter::of(&bench);
    runtime().block_on(async {
        let address = ours_of(&bench).await;
        for (max_clients, up) in [("100", 1.0), ("1", 0.0), ("100", 1.0)] {
            let mut set = redis::cmd("CONFIG");
            set.arg("SET").arg("maxclients").arg(max_clients);
            set.exec(&mut bench.redis).unwrap();
            let ours = http::fetch(address, "/metrics").await.unwrap();
            for said in [real.says().await, Exposed::read(&ours)] {
                assert_eq!(said.values["redis_up"], up, "maxclients {max_clients}");
            }
        }
    });
}

#[test]
fn our_exporter_says_of_redis_what_redis_exporter_says() {
    need!("redis-server");
    need!("prometheus-redis-exporter");
    let bench = Bench::new(Persistence::None, 1.0);
    let theirs = RedisExporter::of(&bench);
    let (real, ours) = runtime().block_on(async {
        let real = theirs.says().await;
        let address = ours_of(&bench).await;
        let ours = http::fetch(address, "/metrics").await.unwrap();
        (real, Exposed::read(&ours))
    });
    let both = told_by_both(&real, &ours);
    let missing: Vec<&String> = ours
        .values
        .keys()
        .filter(|name| !both.contains_key(*name))
        .collect();
    assert!(missing.is_empty(), "the real one does not know {missing:?}");
    assert!(both.len() > 14, "{both:#?}");
    // Kinds are those of the real one, too.
    for kind in &ours.kinds {
        assert!(real.kinds.contains(kind), "{kind}");
    }
    for (name, (theirs, ours)) in both {
        match name.as_str() {
            // Another moment; ours counts as up for a day, and leaves out who only looks.
            "redis_memory_used_bytes" => assert!((ours / theirs - 1.0).abs() < 0.5),
            "redis_uptime_in_seconds" | "redis_start_time_seconds" | "redis_connected_clients" => {}
            _ => assert_eq!(theirs, ours, "{name}"),
        }
    }
}
