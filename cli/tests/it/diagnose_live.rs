//! `firedrill diagnose --redis`: a real Redis in which something is wrong, or nothing; a real Prometheus; and not one write.

use crate::filled::{LOCK, empty, everything, filled, serve};
use crate::support::{Bench, Ends, Op, forget_calls, free, key, need, only_looked, said, task};
use firedrill_asynq::broker::redis::{RedisBroker, RedisOptions};
use firedrill_asynq::clock::ClockOrigin;
use firedrill_sim::engine::live::exporter::{serve_asynq, serve_redis};
use firedrill_sim::engine::live::uptime::Uptime;
use firedrill_sim::http;
use firedrill_sim::http::get::{Client, Url};
use redis::Commands;
use serde_json::Value;
use smallvec::smallvec;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

/// The shortest look.
const LOOK: [&str; 4] = ["--for", "30s", "--scrape-interval", "5s"];

fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().unwrap()
}

fn diagnose(words: &[&str]) -> (Option<i32>, String, String) {
    said(Path::new("."), &[&["diagnose"], words].concat())
}

/// What is found in the Redis of a bench: the exit code, the causes, those not ruled out, and all of it.
fn found(bench: &Bench, words: &[&str]) -> (Option<i32>, Vec<String>, Vec<String>, Value) {
    let url = bench.server.url();
    let (code, out, told) = diagnose(&[&["--redis", url.as_str(), "--json"], words].concat());
    let value: Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{out}{told}"));
    let ids = |part: &str| {
        let part = value[part].as_array().unwrap().iter();
        part.map(|one| one["id"].as_str().unwrap().to_owned())
            .collect()
    };
    (code, ids("findings"), ids("not_ruled_out"), value)
}

/// What is said of the Redis of a bench, whose one worker beats meanwhile and does `work` again and again.
fn told_beside(
    bench: &Bench,
    more: &[String],
    mut work: impl FnMut(u32),
) -> (Option<i32>, String, String) {
    let words = [
        "--redis".to_owned(),
        bench.server.url(),
        "--json".to_owned(),
    ];
    let words = [&words[..], &LOOK.map(str::to_owned), more].concat();
    let looking = std::thread::spawn(move || {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        diagnose(&words)
    });
    for turn in 0.. {
        if looking.is_finished() {
            break;
        }
        if turn % 10 == 0 {
            serve(bench, "h1", "sid");
        }
        work(turn);
        std::thread::sleep(Duration::from_millis(200));
    }
    looking.join().unwrap()
}

fn published(count: usize) -> Bench {
    let (bench, _) = empty();
    let queue = "default".into();
    bench.call(Op::RegisterQueue { queue }).unwrap();
    for number in 0..count {
        enqueue(&bench, &format!("t-{number}"));
    }
    bench
}

fn enqueue(bench: &Bench, id: &str) {
    let now = ClockOrigin::real_time().now();
    let message = task(id);
    bench.call(Op::Enqueue { message, now }).unwrap();
}

#[test]
fn nobody_works() {
    need!("redis-server");
    let bench = published(20);
    let (code, causes, possible, all) = found(&bench, &LOOK);
    assert_eq!(
        (code, causes.as_slice()),
        (Some(1), &["workers-gone".to_owned()][..]),
        "{all:#}"
    );
    assert_eq!(possible, Vec::<String>::new(), "{all:#}");
    assert_eq!(all["confidence"], "high");
    let evidence = all["findings"][0]["evidence"].to_string();
    assert!(
        evidence.contains("20 tasks wait in queue default and none is done"),
        "{evidence}"
    );
}

#[test]
fn a_queue_is_paused() {
    need!("redis-server");
    let mut bench = published(20);
    let _: () = bench.redis.set(key("paused"), 1_700_000_000).unwrap();
    let (code, causes, _, all) = found(&bench, &LOOK);
    assert_eq!(
        (code, causes.as_slice()),
        (Some(1), &["paused".to_owned()][..]),
        "{all:#}"
    );
}

#[test]
fn redis_is_full() {
    need!("redis-server");
    let mut bench = published(0);
    let used: String = redis::cmd("INFO")
        .arg("memory")
        .query(&mut bench.redis)
        .unwrap();
    let used = used
        .lines()
        .find_map(|line| line.strip_prefix("used_memory:"));
    let most: u64 = used.unwrap().trim().parse::<u64>().unwrap() * 102 / 100;
    let mut limit = redis::cmd("CONFIG");
    limit.arg("SET").arg("maxmemory").arg(most);
    let _: () = limit.query(&mut bench.redis).unwrap();
    let (code, causes, _, all) = found(&bench, &LOOK);
    assert_eq!(
        (code, causes.as_slice()),
        (Some(1), &["redis-full".to_owned()][..]),
        "{all:#}"
    );
}

#[test]
fn many_attempts_fail() {
    need!("redis-server");
    let bench = published(0);
    let (code, out, _) = told_beside(&bench, &[], |turn| {
        let id = format!("t-{turn}");
        enqueue(&bench, &id);
        let now = ClockOrigin::real_time().now();
        let dequeue = Op::Dequeue {
            queues: smallvec!["default".into()],
            lease_expires_s: now.secs() + 30,
        };
        bench.call(dequeue).unwrap();
        let mut message = task(&id);
        message.error_msg = format!("dial tcp 10.0.0.7:{}: connection refused", 40_000 + turn);
        message.retried = 1;
        message.last_failed_at = now.secs();
        let retry = Op::Retry {
            message,
            retry_at_s: now.secs() + 3_600,
            is_failure: true,
            now,
        };
        bench.call(retry).unwrap();
    });
    let all: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(code, Some(1));
    assert_eq!(all["findings"][0]["id"], "retry-storm", "{all:#}");
    // Nobody was asked what the application counts, so that its handlers may as well panic.
    assert_eq!(all["not_ruled_out"][0]["id"], "panics", "{all:#}");
    assert_eq!(all["confidence"], "medium");
    let steps = all["steps"].to_string();
    assert!(
        steps.contains(" x email:send: dial tcp 10.0.0.7:"),
        "{steps}"
    );
}

#[test]
fn something_is_left_over() {
    need!("redis-server");
    let (mut bench, _) = filled();
    for number in 0..25 {
        let hash = key(&format!("t:trimmed-{number}"));
        let _: () = bench.redis.hset(hash, "state", "archived").unwrap();
    }
    let _: () = bench.redis.set(LOCK, "nobody").unwrap();
    // More than are compared at one moment; each has its lease.
    let push = "for id = 1, 10001 do
        redis.call('LPUSH', KEYS[1], id)
        redis.call('ZADD', KEYS[2], ARGV[1], id)
    end";
    let mut eval = redis::cmd("EVAL");
    eval.arg(push).arg(2).arg(key("active")).arg(key("lease"));
    let expires = ClockOrigin::real_time().now().secs() + 3_600;
    eval.arg(expires).exec(&mut bench.redis).unwrap();
    let (code, causes, _, all) = found(&bench, &LOOK);
    assert_eq!(
        (code, causes.as_slice()),
        (Some(1), &["leftovers".to_owned()][..]),
        "{all:#}"
    );
    let steps = all["steps"].to_string();
    for line in [
        "default: tasks in no list or set (task): 25",
        "and 5 more",
        "orphan clear --queue=default --kind=task deletes them",
        LOCK,
        "queue default: the first 10000 active tasks were looked at",
        "orphan ls looks at more, and takes longer",
    ] {
        assert!(steps.contains(line), "{line}: {steps}");
    }
}

#[test]
fn all_is_well() {
    need!("redis-server");
    let bench = published(0);
    let (code, out, told) = told_beside(&bench, &[], |_| {});
    let all: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(code, Some(0), "{all:#}");
    assert_eq!(all["verdict"], "nothing found");
    assert!(told.contains("looking for 30s, every 5s"), "{told}");
    let steps = all["steps"].to_string();
    assert!(
        steps.contains("h1:42 is active: 1 of 10 slots in use"),
        "{steps}"
    );
}

#[test]
fn pages_of_metrics_are_scraped() {
    need!("redis-server");
    let bench = published(0);
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        runtime().block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            tell.send(listener.local_addr().unwrap()).unwrap();
            let text = "job_processed_total{status=\"success\",task_type=\"email:send\"} 7\n";
            let page = http::page("/metrics", move || {
                std::future::ready(Some(text.to_owned()))
            });
            http::serve(listener, page).await;
        });
    });
    let (there, gone) = (told.recv().unwrap(), free());
    let pages = [there, gone].map(|at| ["--metrics".to_owned(), format!("http://{at}")]);
    let (code, out, _) = told_beside(&bench, &pages.concat(), |_| {});
    let all: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(code, Some(0), "{all:#}");
    let steps = all["steps"][0]["lines"].to_string();
    assert!(
        steps.contains(&format!("http://{there}/metrics answered 7 of 7 scrapes")),
        "{steps}"
    );
    assert!(
        steps.contains(&format!("{gone} cannot be reached")),
        "{steps}"
    );
    let unknown = all["not_looked_at"].to_string();
    assert!(
        !unknown.contains("type-failing") && unknown.contains("pool-full"),
        "{unknown}"
    );
}

#[test]
fn redis_is_down() {
    need!("redis-server");
    let bench = published(0);
    let url = bench.server.url();
    drop(bench);
    let (code, out, _) = diagnose(&["--redis", &url]);
    assert_eq!(code, Some(1), "{out}");
    assert!(
        out.contains("redis-down: Redis is down, or nothing reaches it"),
        "{out}"
    );
    assert!(out.contains("confidence high"), "{out}");
}

#[test]
fn what_cannot_be_asked_is_no_cause() {
    need!("redis-server");
    let mut bench = published(0);
    let url = bench.server.url();
    let mut locked = redis::cmd("CONFIG");
    locked.arg("SET").arg("requirepass").arg("s3cret");
    let _: () = locked.query(&mut bench.redis).unwrap();
    let (code, out, told) = diagnose(&["--redis", &url]);
    assert_eq!((code, out.as_str()), (Some(7), ""), "{told}");
    assert!(told.contains("password"), "{told}");
    // No queue: another database, or none of asynq's.
    let (empty, _) = empty();
    let (code, _, _, all) = found(&empty, &LOOK);
    assert_eq!(code, Some(3), "{all:#}");
    assert!(
        all["steps"]
            .to_string()
            .contains("is this the right database?")
    );

    let address = free();
    let (code, _, told) = diagnose(&["--prometheus", &format!("http://{address}")]);
    assert_eq!(code, Some(7));
    assert!(
        told.contains(&format!("{address} cannot be reached")),
        "{told}"
    );
    for (words, says) in [
        (
            &["--prometheus", "ftp://host"][..],
            "write http://host:port, https://host",
        ),
        (&["--redis", "auto"], "name the Redis that holds the queues"),
        (&["--redis", "redis://h:1", "--for", "5s"], "at least 30 s"),
        (
            &["--redis", "redis://h:1", "--metrics", "h:1"],
            "write http://host:port",
        ),
        (&["--metrics", "http://h:1"], "--redis"),
        (&[], "required"),
    ] {
        let (code, _, told) = diagnose(words);
        assert_eq!(code, Some(2), "{words:?}: {told}");
        assert!(told.contains(says), "{words:?}: {told}");
    }
}

#[test]
fn nothing_is_written() {
    need!("redis-server");
    let (mut bench, _) = filled();
    let _: () = bench
        .redis
        .hset(key("t:trimmed"), "state", "archived")
        .unwrap();
    let _: () = bench.redis.lpush(key("active"), "gone").unwrap();
    let before = everything(&mut bench.redis);
    forget_calls(&mut bench.redis);
    let (code, _, _, all) = found(&bench, &LOOK);
    assert_eq!(code, Some(1), "{all:#}");
    let called = only_looked(&mut bench.redis);
    assert_eq!(everything(&mut bench.redis), before);
    let was_called = |name: &str| called.iter().any(|called| called == name);
    assert!(was_called("scan") && was_called("zscore"), "{called:?}");
    assert!(!was_called("keys"));
}

#[test]
fn a_prometheus_that_remembers_is_asked() {
    need!("redis-server");
    need!("prometheus");
    let bench = published(20);
    let url = bench.server.url();
    let (tell, told) = std::sync::mpsc::channel();
    // It serves until the test's process ends.
    std::thread::spawn(move || {
        runtime().block_on(async {
            let broker = RedisBroker::connect(&url, RedisOptions::at_speed(1.0));
            let broker = broker.await.unwrap();
            let clock = ClockOrigin::real_time();
            let asynq = serve_asynq(broker.clone(), clock).await.unwrap();
            let redis = serve_redis(broker, Uptime::new(clock), Arc::default())
                .await
                .unwrap();
            tell.send((asynq.address, redis.address)).unwrap();
            std::future::pending::<()>().await;
        });
    });
    let (asynq, redis) = told.recv().unwrap();
    let (dead, address) = (free(), free());
    let dir = tempfile::tempdir().unwrap();
    let job = |name: &str, address| {
        format!("- {{ job_name: {name}, static_configs: [{{ targets: ['{address}'] }}] }}\n")
    };
    let config = format!(
        "global: {{ scrape_interval: 1s, scrape_timeout: 1s }}\nscrape_configs:\n{}{}{}",
        job("asynq", asynq),
        job("redis", redis),
        job("worker", dead)
    );
    fs::write(dir.path().join("prometheus.yml"), config).unwrap();
    let log = File::create(dir.path().join("prometheus.log")).unwrap();
    let prometheus = Command::new("prometheus")
        .current_dir(dir.path())
        .arg("--config.file=prometheus.yml")
        .arg("--storage.tsdb.path=data")
        .arg(format!("--web.listen-address={address}"))
        .stdout(Stdio::null())
        .stderr(log)
        .spawn();
    let _prometheus = Ends(prometheus.unwrap());
    let base: Url = format!("http://{address}").parse().unwrap();
    let query = base.below("/api/v1/query");
    let query = query.with(
        "query",
        "count_over_time(asynq_queue_size[1m]) > 4 and on () up{job='worker'} == 0",
    );
    crate::support::wait_until("Prometheus has scraped five times", || {
        let answer = runtime().block_on(Client::default().get(&query, Duration::from_secs(5)));
        answer.is_ok_and(|answer| answer.contains("\"metric\""))
    });
    let (code, causes, _, all) = found(&bench, &["--prometheus", &base.to_string()]);
    assert_eq!(
        (code, causes.as_slice()),
        (Some(1), &["workers-gone".to_owned()][..]),
        "{all:#}"
    );
    // Alone it says the same of the cause, and nothing of what only Redis knows.
    let (code, out, _) = diagnose(&["--prometheus", &base.to_string()]);
    assert_eq!(code, Some(1));
    assert!(
        out.contains("worker-crashed: no worker is running (queue default)"),
        "{out}"
    );
    assert!(
        out.contains("not looked at for want of firedrill_orphans: orphaned"),
        "{out}"
    );
}
