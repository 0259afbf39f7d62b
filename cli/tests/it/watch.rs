//! `firedrill watch`: a real Redis that is killed and comes back, a real Alertmanager, a webhook, weeks of virtual time; and not one
//! write.

use crate::filled::{empty, everything, filled};
use crate::support::{
    Bench, Ends, Op, firedrill, forget_calls, free, need, only_looked, said, task, wait_until,
};
use firedrill_asynq::clock::ClockOrigin;
use firedrill_sim::http::get::{Client, Url};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

const RULES: &str = "\
groups:
- name: queues
  interval: 1s
  rules:
  - alert: TasksWait
    expr: asynq_tasks_enqueued_total{state=\"pending\"} > 5
    labels: { severity: page }
    annotations: { summary: '{{ $value }} tasks wait in {{ $labels.queue }}' }
  - alert: RedisDown
    expr: redis_up == 0
    labels: { severity: page }
";

fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().unwrap()
}

/// A page, if it can be had.
fn got(url: &str) -> Option<String> {
    let url: Url = url.parse().unwrap();
    runtime()
        .block_on(Client::default().get(&url, Duration::from_secs(5)))
        .ok()
}

fn json(url: &str) -> Option<Value> {
    serde_json::from_str(&got(url)?).ok()
}

/// A watch of the Redis of a bench.
struct Watch {
    process: Ends,
    page: String,
    dir: tempfile::TempDir,
}

impl Watch {
    fn start(bench: &Bench, words: &[&str]) -> Self {
        let often = ["--scrape-interval", "1s", "--evaluation-interval", "1s"];
        Self::with(bench, RULES, &[&often, words].concat())
    }

    fn with(bench: &Bench, rules: &str, words: &[&str]) -> Self {
        let watch = Self::begun(bench, rules, words);
        wait_until("the watch scrapes", || watch.metric("scrapes_total") > 0.0);
        watch
    }

    /// One that may not have scraped by now.
    fn begun(bench: &Bench, rules: &str, words: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("r.yml"), rules).unwrap();
        let port = free().port().to_string();
        let child = firedrill()
            .current_dir(dir.path())
            .args([
                "watch",
                "--redis",
                &bench.server.url(),
                "--rules",
                "r.yml",
                "--port",
                &port,
            ])
            .args(words)
            .stderr(File::create(dir.path().join("log")).unwrap())
            .spawn()
            .unwrap();
        Self {
            process: Ends(child),
            page: format!("http://127.0.0.1:{port}"),
            dir,
        }
    }

    /// One of the watch's own metrics.
    fn metric(&self, name: &str) -> f64 {
        let text = got(&format!("{}/metrics", self.page)).unwrap_or_default();
        let wanted = format!("firedrill_watch_{name} ");
        let line = text.lines().find_map(|line| line.strip_prefix(&wanted));
        line.map_or(0.0, |value| value.parse().unwrap())
    }

    /// Names of the alerts that fire.
    fn firing(&self) -> Vec<String> {
        let all = json(&format!("{}/api/v1/alerts", self.page)).unwrap_or_default();
        let alerts = all["data"]["alerts"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let firing = alerts.iter().filter(|alert| alert["state"] == "firing");
        firing
            .map(|alert| alert["labels"]["alertname"].as_str().unwrap().to_owned())
            .collect()
    }

    fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap()
    }

    /// Resident memory, kilobytes.
    fn memory_kb(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.0.id())).unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }
}

/// A Redis with a queue in which so many tasks wait.
fn waiting(count: usize) -> Bench {
    let (bench, _) = empty();
    let queue = "default".into();
    bench.call(Op::RegisterQueue { queue }).unwrap();
    for number in 0..count {
        enqueue(&bench, &format!("t-{number}"));
    }
    bench
}

fn enqueue(bench: &Bench, id: &str) {
    let message = task(id);
    let now = ClockOrigin::real_time().now();
    bench.call(Op::Enqueue { message, now }).unwrap();
}

/// An Alertmanager of one's own.
struct Alertmanager {
    process: Option<Ends>,
    address: SocketAddr,
    dir: tempfile::TempDir,
}

impl Alertmanager {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::write(
            dir.path().join("am.yml"),
            "route: { receiver: r }\nreceivers: [{ name: r }]\n",
        )
        .unwrap();
        Self {
            process: None,
            address: free(),
            dir,
        }
    }

    fn start(&mut self) {
        let log = File::create(self.dir.path().join("log")).unwrap();
        let child = Command::new("prometheus-alertmanager")
            .current_dir(self.dir.path())
            .args([
                "--config.file=am.yml",
                "--storage.path=data",
                "--cluster.listen-address=",
            ])
            .arg(format!("--web.listen-address={}", self.address))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        self.process = Some(Ends(child));
        wait_until("Alertmanager is ready", || {
            got(&format!("http://{}/-/ready", self.address)).is_some()
        });
    }

    /// The alerts it has that go on.
    fn alerts(&self) -> Vec<Value> {
        let all = json(&format!("http://{}/api/v2/alerts", self.address));
        all.unwrap_or_default()
            .as_array()
            .cloned()
            .unwrap_or_default()
    }

    fn has(&self, name: &str) -> bool {
        self.alerts()
            .iter()
            .any(|alert| alert["labels"]["alertname"] == name)
    }
}

#[test]
fn a_real_alertmanager_is_told_and_both_ends_may_go_away() {
    need!("redis-server");
    need!("prometheus-alertmanager");
    let mut bench = waiting(6);
    let mut alertmanager = Alertmanager::new();
    alertmanager.start();
    let url = format!("http://{}", alertmanager.address);
    let watch = Watch::start(&bench, &["--alertmanager-url", &url]);
    wait_until("Alertmanager has the alert", || {
        alertmanager.has("TasksWait")
    });
    let alert = alertmanager.alerts().remove(0);
    assert_eq!(
        alert["annotations"]["summary"], "6 tasks wait in default",
        "{alert:#}"
    );
    assert_eq!(alert["labels"]["severity"], "page");
    assert_eq!(alert["status"]["state"], "active");
    assert_eq!(
        alert["generatorURL"],
        format!("{}/api/v1/alerts", watch.page)
    );

    // Redis goes, and comes back without its data: what waited is gone, and both are told.
    bench.server.kill().unwrap();
    wait_until("Redis is missed", || alertmanager.has("RedisDown"));
    bench.server.restart(false).unwrap();
    wait_until("Redis is there again", || {
        !alertmanager.has("RedisDown") && !alertmanager.has("TasksWait")
    });
    assert_eq!(watch.firing(), Vec::<String>::new());

    // The receiver goes, and what fires meanwhile is sent when it is there again.
    alertmanager.process = None;
    let queue = "default".into();
    bench.call(Op::RegisterQueue { queue }).unwrap();
    for number in 0..6 {
        enqueue(&bench, &format!("again-{number}"));
    }
    wait_until("it fires", || watch.firing() == ["TasksWait"]);
    wait_until("it could not be sent", || {
        watch.metric("notifications_failed_total") > 0.0
    });
    alertmanager.start();
    wait_until("it is sent", || alertmanager.has("TasksWait"));
    wait_until("it is said", || {
        watch.log().contains("the receiver takes alerts again")
    });
    let log = watch.log();
    for line in [
        "watching unix:",
        "firing: TasksWait {",
        "resolved: TasksWait {",
        "does not answer; it is asked again every 1s",
        "answers again",
        "not sent, and sent again at the next evaluation",
    ] {
        assert!(log.contains(line), "{line}: {log}");
    }
}

#[test]
fn rules_are_evaluated_while_a_target_hangs() {
    need!("redis-server");
    let mut bench = waiting(6);
    // It takes connections, and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let page = format!("http://{}/metrics", silent.local_addr().unwrap());
    let rules = "\
groups:
- name: g
  interval: 1s
  rules:
  - { alert: Always, expr: vector(1) }
  - { alert: TasksWait, expr: 'asynq_tasks_enqueued_total{state=\"pending\"} > 5' }
  - { alert: PageDown, expr: 'up{job=\"worker\"} == 0' }
  - { alert: RedisDown, expr: redis_up == 0, for: 3s }
";
    let words = ["--metrics", &page, "--scrape-interval", "30s"];
    let watch = Watch::begun(&bench, rules, &words);
    wait_until("rules are evaluated", || watch.firing() == ["Always"]);
    assert_eq!(watch.metric("scrapes_total"), 0.0);
    wait_until("the page has failed, and Redis was scraped", || {
        watch.firing() == ["Always", "PageDown", "TasksWait"]
    });
    drop(watch);

    let words = ["--scrape-interval", "2s"];
    let watch = Watch::with(&bench, rules, &words);
    let redis = Pid::from_raw(bench.server.pid().unwrap().try_into().unwrap()).unwrap();
    kill_process(redis, Signal::STOP).unwrap();
    wait_until("Redis is missed", || {
        // What it said before is stale.
        watch.firing() == ["Always", "RedisDown"]
    });
    let shown = got(&format!("{}/metrics", watch.page)).unwrap();
    assert!(shown.contains("redis_up 0"), "{shown}");
    assert!(!shown.contains("asynq_queue_size"), "{shown}");
    kill_process(redis, Signal::CONT).unwrap();
    wait_until("it is there again", || {
        watch.firing() == ["Always", "TasksWait"]
    });
    let _: String = redis::cmd("PING").query(&mut bench.redis).unwrap();
}

#[test]
fn the_page_says_what_is_where_and_each_broken_rule_is_told_once() {
    need!("redis-server");
    let bench = waiting(6);
    let rules = "\
groups:
- name: g
  interval: 1s
  rules:
  - { alert: One, expr: 'vector(1)' }
  - { alert: Broken, expr: 'label_replace(asynq_queue_size, \"state\", \"x\", \"\", \"\") * on (job) asynq_tasks_enqueued_total' }
  - { alert: BrokenToo, expr: 'asynq_queue_size * on (job) asynq_tasks_enqueued_total' }
";
    let often = ["--scrape-interval", "1s"];
    let watch = Watch::with(&bench, rules, &often);
    let errors = |rule: &str| {
        let text = got(&format!("{}/metrics", watch.page)).unwrap_or_default();
        let of = format!("rule=\"{rule}\"");
        let mut lines = text.lines();
        let line = lines.find(|line| {
            line.starts_with("firedrill_watch_rule_errors_total") && line.contains(&of)
        });
        line.map_or(0.0, |line| {
            line.rsplit(' ').next().unwrap().parse().unwrap()
        })
    };
    wait_until("both have failed twice", || {
        errors("Broken") >= 2.0 && errors("BrokenToo") >= 2.0
    });
    let log = watch.log();
    for rule in ["Broken", "BrokenToo"] {
        let told = log.lines().filter(|line| {
            line.split(|c: char| !c.is_alphanumeric())
                .any(|word| word == rule)
        });
        assert_eq!(told.count(), 1, "{rule}: {log}");
    }
    let all = json(&format!("{}/api/v1/alerts", watch.page)).unwrap();
    assert_eq!(all["data"]["alerts"][0]["value"], "1e+00", "{all:#}");
    let page = got(&format!("{}/", watch.page)).unwrap();
    assert!(
        page.contains("/live.js") && page.contains("/metrics"),
        "{page}"
    );
    let log = watch.log();
    assert!(
        log.contains(&format!("live view: {}/", watch.page)),
        "{log}"
    );
    assert!(log.contains("/api/v1/alerts"), "{log}");
}

/// A webhook that keeps what it is sent.
fn webhook() -> (SocketAddr, Receiver<Value>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, told) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut text = Vec::new();
            let mut buffer = [0; 4096];
            let body = loop {
                let read = stream.read(&mut buffer).unwrap();
                text.extend(&buffer[..read]);
                let whole = String::from_utf8_lossy(&text).into_owned();
                let Some((head, body)) = whole.split_once("\r\n\r\n") else {
                    continue;
                };
                let length = head.to_lowercase();
                let length = length
                    .lines()
                    .find_map(|line| line.strip_prefix("content-length: "));
                let length: usize = length.unwrap().trim().parse().unwrap();
                if body.len() >= length {
                    break body.to_owned();
                }
            };
            stream
                .write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n")
                .unwrap();
            // The test may have seen enough.
            let _ = tell.send(serde_json::from_str(&body).unwrap());
        }
    });
    (address, told)
}

#[test]
fn a_webhook_is_told_as_alertmanager_tells_it() {
    need!("redis-server");
    let mut bench = waiting(6);
    let (address, told) = webhook();
    let url = format!("http://{address}/hook");
    let _watch = Watch::start(&bench, &["--webhook", &url]);
    let firing = told.recv_timeout(Duration::from_secs(60)).unwrap();
    assert_eq!(
        (&firing["version"], &firing["status"]),
        (&"4".into(), &"firing".into()),
        "{firing:#}"
    );
    assert_eq!(firing["groupLabels"]["alertname"], "TasksWait");
    assert_eq!(firing["commonLabels"]["queue"], "default");
    let alert = &firing["alerts"][0];
    assert_eq!(alert["endsAt"], "0001-01-01T00:00:00Z");
    assert_eq!(alert["fingerprint"].as_str().unwrap().len(), 16);
    let _: () = redis::cmd("FLUSHALL").query(&mut bench.redis).unwrap();
    let over = told.recv_timeout(Duration::from_secs(60)).unwrap();
    assert_eq!(
        (&over["status"], &over["alerts"][0]["status"]),
        (&"resolved".into(), &"resolved".into()),
        "{over:#}"
    );
    assert_eq!(over["alerts"][0]["startsAt"], alert["startsAt"]);
    assert_ne!(over["alerts"][0]["endsAt"], alert["endsAt"]);
}

#[test]
fn a_watch_writes_nothing_and_ends_when_it_is_asked() {
    need!("redis-server");
    let (mut bench, _) = filled();
    let before = everything(&mut bench.redis);
    forget_calls(&mut bench.redis);
    let mut watch = Watch::start(&bench, &[]);
    wait_until("it has looked often", || {
        watch.metric("scrapes_total") >= 5.0
    });
    let shown = got(&format!("{}/metrics", watch.page)).unwrap();
    for name in [
        "asynq_queue_size{queue=\"default\"}",
        "redis_up 1",
        "firedrill_watch_alerts{alertstate=\"firing\"} 0",
    ] {
        assert!(shown.contains(name), "{name}: {shown}");
    }
    kill_process(Pid::from_child(&watch.process.0), Signal::TERM).unwrap();
    let status = watch.process.0.wait().unwrap();
    assert_eq!(status.code(), Some(143), "{}", watch.log());
    let called = only_looked(&mut bench.redis);
    assert_eq!(everything(&mut bench.redis), before);
    for name in ["info", "llen"] {
        assert!(called.iter().any(|called| called == name), "{called:?}");
    }
}

#[test]
fn a_week_takes_no_more_memory_than_a_day() {
    need!("redis-server");
    let bench = waiting(6);
    // A scrape in four virtual minutes, a hundred of them in a real second.
    let fast = [
        "--speed",
        "24000",
        "--scrape-interval",
        "4m",
        "--evaluation-interval",
        "4m",
    ];
    let watch = Watch::with(&bench, &RULES.replace("  interval: 1s\n", ""), &fast);
    let day = 24.0 * 15.0;
    wait_until("a day has passed", || watch.metric("scrapes_total") >= day);
    let after_a_day = watch.memory_kb();
    let series = watch.metric("series");
    wait_until("a week has passed", || {
        watch.metric("scrapes_total") >= 7.0 * day
    });
    let after_a_week = watch.memory_kb();
    assert_eq!(watch.metric("series"), series);
    assert!(
        after_a_week < after_a_day + 1024,
        "{after_a_day} kB after a day, {after_a_week} kB after a week"
    );
    // A machine that is slow is slow by minutes here, and what was scraped is old by then.
    wait_until("it fires still", || watch.firing() == ["TasksWait"]);
}

#[test]
fn what_is_wrong_with_a_watch_is_told() {
    need!("redis-server");
    let (mut bench, _) = empty();
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("r.yml"), RULES).unwrap();
    fs::write(dir.path().join("none.yml"), "groups: []\n").unwrap();
    let run = |words: &[&str]| {
        let (code, _, told) = said(Path::new(dir.path()), &[&["watch"], words].concat());
        (code, told)
    };
    let nobody = format!("redis://{}", free());
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for (words, code, says) in [
        (
            &["--redis", nobody.as_str(), "--rules", "none.yml"][..],
            2,
            "there is no alert in these rules",
        ),
        (
            &["--redis", "auto", "--rules", "r.yml"],
            2,
            "name the Redis that holds the queues",
        ),
        (&["--redis", &nobody], 2, "--rules"),
        (
            &["--redis", &nobody, "--rules", "r.yml", "--port", &port],
            7,
            "in use",
        ),
        (
            &[
                "--redis",
                &nobody,
                "--rules",
                "r.yml",
                "--webhook",
                "http://h:1",
                "--alertmanager-url",
                "http://h:1",
            ],
            2,
            "cannot be used with",
        ),
    ] {
        let (ended, told) = run(words);
        assert_eq!(ended, Some(code), "{words:?}: {told}");
        assert!(told.contains(says), "{words:?}: {told}");
    }
    let _: () = redis::cmd("CONFIG")
        .arg("SET")
        .arg("requirepass")
        .arg("s3cret")
        .query(&mut bench.redis)
        .unwrap();
    let (code, told) = run(&["--redis", &bench.server.url(), "--rules", "r.yml"]);
    assert_eq!(code, Some(7), "{told}");
    assert!(told.contains("password"), "{told}");
}
