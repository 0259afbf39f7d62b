//! Pages that are posted to a rehearsal: before its fault they refuse it, and each is said, however short; what is none is refused, and
//! who acknowledges in his pager has done so.

use super::{RULES, Rehearsed, written};
use crate::support::{TWO_WORKERS, need};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

fn scenario() -> String {
    format!(
        "{TWO_WORKERS}name: quiet-monday
summary: Both workers freeze.
duration: 40s
warmup: 2s
evaluation: {{ interval: 1s }}
timeline:
  - {{ id: stop, at: 12s, fault: worker.stop, select: all, until: {{ at: 30s }} }}
incidents:
  - {{ cause: worker-crashed, wanted: page, within: 20s }}
"
    )
}

/// A rehearsal that is posted to, when it runs, and where.
fn room() -> (Rehearsed, String) {
    let dir = written(&scenario(), RULES);
    let mut room = Rehearsed::begin_in(dir, &["--webhook-listen", "0"]);
    let told = room.hears("post to http://");
    let (_, place) = told.split_once("http://").unwrap();
    let place = place.trim_end_matches('/').to_owned();
    room.hears("its queues: ");
    (room, place)
}

/// Posts as Alertmanager does.
fn post(place: &str, status: &str) {
    let answer = posted(place, &group(status, "2026-01-01T00:00:00Z"));
    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
}

/// What Alertmanager posts.
fn group(status: &str, starts_at: &str) -> String {
    format!(
        r#"{{"version":"4","groupKey":"g","status":"{status}","receiver":"pager","alerts":[{{"status":"{status}","labels":{{"alertname":"WorkerDown","severity":"page"}},"startsAt":"{starts_at}","endsAt":"0001-01-01T00:00:00Z"}}]}}"#
    )
}

/// What is answered.
fn posted(place: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(place).unwrap();
    let length = body.len();
    let head = "Content-Type: application/json\r\nConnection: close";
    write!(
        stream,
        "POST / HTTP/1.1\r\nHost: {place}\r\n{head}\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_page_that_is_over_at_once_is_said_and_who_stops_it_is_told() {
    need!("redis-server");
    let (mut room, place) = room();
    post(&place, "firing");
    post(&place, "resolved");
    room.hears("PAGE: WorkerDown fires");
    room.says("status");
    room.hears("paged 0:0");
    room.says("abort");
    let (code, text, ..) = room.ends();
    assert_eq!(code, Some(5), "{text}");
    let told = "the drill was stopped: `abort` was typed";
    assert!(text.contains(told), "{text}");
}

#[test]
fn what_is_no_page_is_refused_and_an_acknowledgement_in_the_pager_counts() {
    need!("redis-server");
    let (mut room, place) = room();
    room.hears("fault: worker.stop");
    // Half of a message each, and nothing more.
    let half = || {
        let mut stream = TcpStream::connect(&place).unwrap();
        let head = format!("POST / HTTP/1.1\r\nHost: {place}\r\nContent-Length: 100\r\n\r\n");
        write!(stream, "{head}{{\"version\": ").unwrap();
        stream
    };
    let halves: Vec<TcpStream> = (0..20).map(|_| half()).collect();
    let began = Instant::now();
    let answer = posted(&place, &group("firing", "yesterday"));
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    let why = "`startsAt` of an alert is \"yesterday\", and that is no time";
    assert!(answer.contains(why), "{answer}");
    let event = |action: &str, key: &str| {
        format!(
            r#"{{"routing_key":"r","dedup_key":"{key}","event_action":"{action}","client":"Ada","payload":{{"summary":"s","source":"am","severity":"critical","custom_details":{{"alertname":"WorkerDown","severity":"page"}}}}}}"#
        )
    };
    for (action, key) in [
        ("acknowledge", "of-others"),
        ("trigger", "k"),
        ("acknowledge", "k"),
    ] {
        let answer = posted(&place, &event(action, key));
        assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
    }
    assert!(began.elapsed() < Duration::from_secs(5));
    room.hears("PAGE: WorkerDown fires");
    room.hears("acknowledged: Ada: in the pager: WorkerDown");
    room.says("status");
    room.hears("acknowledged after 0:0");
    for mut stream in halves {
        let patience = Duration::from_secs(20);
        stream.set_read_timeout(Some(patience)).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    }
    room.says("abort");
    let (code, text, ..) = room.ends();
    assert_eq!(code, Some(5), "{text}");
    let acknowledged = text.matches("acknowledged: Ada").count();
    assert!(
        acknowledged > 0 && text.contains("time to acknowledge"),
        "{text}"
    );
    assert!(!text.contains("of-others"), "{text}");
}

#[test]
fn an_alert_that_a_source_says_fires_before_the_fault_refuses_it() {
    need!("redis-server");
    let (room, place) = room();
    post(&place, "firing");
    let (code, text, ..) = room.ends();
    assert_eq!(code, Some(4), "{text}");
    assert!(text.contains("WorkerDown fires, says webhook"), "{text}");
}
