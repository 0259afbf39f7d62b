//! Others in the place of what is gone: a server where Redis was, a page where a dead worker was. Neither is taken for it.

use super::drill::{Drill, given, killed, overloaded, parent};
use crate::support::{need, wait_until};
use firedrill_sim::redis_server;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

#[test]
fn a_strangers_server_in_the_place_of_redis_while_that_is_down_is_not_used() {
    need!("redis-server");
    let outage = killed()
        .replace("worker.kill, select: all", "redis.kill, keep_data: true")
        .replace("worker.restart", "redis.start")
        .replace("worker-crashed", "redis-down");
    let drill = Drill::start(&outage, &[]);
    let server = drill.processes("redis-server")[0];
    let home = fs::read_link(format!("/proc/{server}/cwd")).unwrap();
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    wait_until("the outage", || parent(server).is_none());
    let path = std::env::var_os("PATH").unwrap_or_default();
    let program = redis_server::find(std::env::split_paths(&path)).unwrap();
    let mut stranger = Command::new(program)
        .args(["--save", "", "--port", &port.to_string(), "--unixsocket"])
        .arg(home.join("redis.sock"))
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let said = drill.end();
    let mut redis = redis::Client::open(format!("redis://127.0.0.1:{port}"))
        .unwrap()
        .get_connection()
        .unwrap();
    let keys: u64 = redis::cmd("DBSIZE").query(&mut redis).unwrap();
    let info: String = redis::cmd("INFO").arg("stats").query(&mut redis).unwrap();
    stranger.kill().unwrap();
    stranger.wait().unwrap();
    assert_eq!(keys, 0);
    let connected = info
        .lines()
        .find_map(|line| line.strip_prefix("total_connections_received:"))
        .unwrap();
    assert_ne!(connected.trim(), "1", "nobody has found the stranger");
    let record = said.record();
    assert!(record.marks().all(|mark| mark.verified), "{}", said.text);
    assert!(!said.text.contains("lost, and no step"), "{}", said.text);
}

#[test]
fn another_redis_in_the_place_of_a_given_one_is_noticed() {
    need!("redis-server");
    let mut server = given();
    let drill = Drill::start(&overloaded(), &["--redis", &server.url()]);
    std::thread::sleep(Duration::from_millis(500));
    server.kill().unwrap();
    server.restart(false).unwrap();
    drill.end().proves_nothing(&[
        "interference: redis: was restarted, or another server answers in its place",
        "lost, and no step of the plan loses any",
    ]);
}

#[test]
fn a_stranger_on_the_port_of_a_dead_worker_is_not_taken_for_it() {
    need!("redis-server");
    let drill = Drill::start(&killed(), &[]);
    let targets = fs::read_to_string(drill.run_dir().unwrap().join("targets.json")).unwrap();
    let targets: serde_json::Value = serde_json::from_str(&targets).unwrap();
    let groups = targets.as_array().unwrap();
    let worker = groups
        .iter()
        .find(|group| group["labels"]["instance"] == "w-0")
        .unwrap();
    let address = worker["targets"][0].as_str().unwrap();
    let mut listener = None;
    wait_until("the port of a dead worker", || {
        listener = TcpListener::bind(address).ok();
        listener.is_some()
    });
    let listener = listener.unwrap();
    let asked = Arc::new(AtomicBool::new(false));
    let seen = asked.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            seen.store(true, Ordering::SeqCst);
            let _ = stream.read(&mut [0; 1024]);
            let page = "job_processed_total{type=\"email:send\"} 7\n";
            let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\n";
            let length = page.len();
            let _ = write!(
                stream,
                "{head}Content-Length: {length}\r\nConnection: close\r\n\r\n{page}"
            );
        }
    });
    let said = drill.end();
    assert!(asked.load(Ordering::SeqCst), "the stranger was scraped");
    let record = said.record();
    let down: Vec<i64> = record.marks().map(|mark| mark.at_ms).collect();
    let mut looks = 0;
    for (at_ms, target, samples) in record.scrapes() {
        if target == "worker/w-0" && (down[0] + 5_000..180_000).contains(&at_ms) {
            looks += 1;
            let up = samples.iter().find(|(labels, _)| labels.name() == "up");
            assert_eq!(up.map(|(_, value)| *value), Some(0.0));
            assert!(samples.iter().all(|(labels, value)| {
                labels.name() != "job_processed_total"
                    || firedrill_detector::sample::is_stale(*value)
            }));
        }
    }
    assert!(looks > 2);
    assert!(!said.text.contains("interference"), "{}", said.text);
}
