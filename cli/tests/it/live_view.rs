//! The live view: a real drill on a page in a real browser and on a real terminal, for those who may look, and acted on by those who may.

use crate::browser::Browser;
use crate::support::{Ends, firedrill, free, need, said, wait_until};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};

/// An alert that fires at once, under a name that a browser would obey.
const RULES: &str = r#"
groups:
- name: jobs
  rules:
  - alert: "<script>document.title='mine'</script>"
    expr: asynq_queue_size >= 0
    labels: { severity: page }
  - alert: WorkersDown
    expr: sum(up{job="worker"}) == 0
    labels: { severity: page }
"#;

/// The workers are killed early, and the drill goes on until somebody ends it.
const SCENARIO: &str = "\
version: firedrill/v1
name: watched
family: worker-crashed
summary: Both workers are killed.
seed: 11
duration: 60m
warmup: 0s
queues: { default: { wait_objective: 30s } }
workload:
  - { task: email, queue: default, arrivals: { constant: 2/s }, service: { constant: 200ms } }
workers:
  - { name: w, processes: 2, concurrency: 4 }
scrape: { interval: 5s }
evaluation: { interval: 5s }
timeline:
  - { at: 1m, fault: worker.kill, select: all, until: { at: 58m, remedy: worker.restart } }
incidents:
  - { cause: worker-crashed, wanted: page, within: 2m }
";

const TOKEN: &str = "a-token-of-a-test";

/// The scenario and the rules in a directory.
fn written() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("s.yaml"), SCENARIO).unwrap();
    fs::write(dir.path().join("r.yml"), RULES).unwrap();
    dir
}

const DRILL: [&str; 6] = ["run", "s.yaml", "--rules", "r.yml", "--speed", "10"];

/// A firedrill with a page.
fn shown(dir: &Path, words: &[&str]) -> (Ends, SocketAddr) {
    let address = free();
    let child = firedrill()
        .current_dir(dir)
        .args(words)
        .arg(format!("--http={address}"))
        .env("FIREDRILL_HTTP_TOKEN", TOKEN)
        .stdout(File::create(dir.join("out")).unwrap())
        .stderr(File::create(dir.join("log")).unwrap())
        .spawn()
        .unwrap();
    wait_until("the page is there", || TcpStream::connect(address).is_ok());
    (Ends(child), address)
}

/// Sends a request, and reads until what was answered is enough, or ends.
fn asked(address: SocketAddr, request: &str, enough: impl Fn(&str) -> bool) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let (mut text, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let read = stream.read(&mut buffer).unwrap();
        text.extend(&buffer[..read]);
        let so_far = String::from_utf8_lossy(&text);
        if read == 0 || enough(&so_far) {
            return so_far.into_owned();
        }
    }
}

pub(crate) fn got(address: SocketAddr, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    asked(address, &request, |_| false)
}

/// What is shown now.
pub(crate) fn snapshot(address: SocketAddr) -> Value {
    let request = format!("GET /events HTTP/1.1\r\nHost: {address}\r\n\r\n");
    let text = asked(address, &request, |text| {
        text.split_once("data: ")
            .is_some_and(|(_, data)| data.contains("\n\n"))
    });
    let (_, data) = text.split_once("data: ").unwrap();
    let data = data.split("\n\n").next().unwrap();
    serde_json::from_str(data).unwrap_or_else(|error| panic!("{error}: {data}"))
}

fn acted(address: SocketAddr, body: &Value) -> String {
    posted(address, Some(TOKEN), body)
}

/// What is answered to somebody who acts.
pub(crate) fn posted(address: SocketAddr, token: Option<&str>, body: &Value) -> String {
    let body = body.to_string();
    let bearer = token.map_or(String::new(), |token| {
        format!("\r\nAuthorization: Bearer {token}")
    });
    let head = format!("POST /act HTTP/1.1\r\nHost: {address}{bearer}");
    let length = body.len();
    let rest =
        format!("Content-Type: application/json\r\nContent-Length: {length}\r\nConnection: close");
    asked(address, &format!("{head}\r\n{rest}\r\n\r\n{body}"), |_| {
        false
    })
}

/// What the page's script finds too wide, and how wide the page is beyond its window.
pub(crate) const TOO_WIDE: &str = "[...document.querySelectorAll('body *')].filter((e) => \
    e.getBoundingClientRect().right > innerWidth + 1 && !e.closest('.wide') && !e.closest('.skip') && !e.closest('svg'))\
    .map((e) => e.outerHTML.slice(0, 80)).concat(document.documentElement.scrollWidth > innerWidth ? ['the page'] : [])";

#[test]
fn a_browser_shows_a_drill_as_it_goes_and_can_stop_it() {
    need!("chromium");
    need!("redis-server");
    let dir = written();
    // There is no terminal here: that is said, and nothing else comes of it.
    let (mut drill, address) = shown(dir.path(), &[&DRILL[..], &["--tui"]].concat());
    let mut browser = Browser::start(&dir.path().join("profile"));
    browser.is_seen(1280, "light");
    browser.open(&format!("http://{address}/#token={TOKEN}"));
    let mut until = |what: &str, expression: &str| {
        wait_until(what, || browser.value(expression) == json!(true));
    };
    until(
        "it is live",
        "document.getElementById('connection')?.textContent === 'live'",
    );
    until(
        "workers are seen",
        "document.getElementById('tiles').textContent.includes('Workers up2 of 2')",
    );
    until(
        "the incident is shown",
        "document.getElementById('incident').textContent.startsWith('worker.kill on ')",
    );
    until(
        "workers are missed",
        "document.getElementById('tiles').textContent.includes('Workers up0 of 2')",
    );
    until(
        "alerts fire",
        "document.querySelectorAll('#lanes tbody tr').length === 2",
    );
    until(
        "a chart has a line",
        "document.querySelector('#charts path').getAttribute('d').includes('L')",
    );
    // What changes is shown as it changes.
    let at = browser.value("document.getElementById('at').textContent");
    let pending = "Number([...document.querySelectorAll('#tiles div')].find((t) => t.textContent.startsWith('Pending')).textContent.slice(7))";
    let waiting = browser.value(pending).as_f64().unwrap();
    wait_until("the queue grows", || {
        browser.value(pending).as_f64().unwrap() > waiting
    });
    assert_ne!(
        browser.value("document.getElementById('at').textContent"),
        at
    );
    // Names are text.
    assert_eq!(browser.value("document.title"), "watched – firedrill");
    assert_eq!(browser.value("document.scripts.length"), 1);
    let lanes = browser.value("document.getElementById('lanes').textContent");
    assert!(
        lanes.as_str().unwrap().contains("<script>document.title"),
        "{lanes}"
    );
    for width in [360, 768, 1280] {
        for scheme in ["light", "dark"] {
            browser.is_seen(width, scheme);
            assert_eq!(browser.value(TOO_WIDE), json!([]), "{width}, {scheme}");
        }
    }
    // What moves all the time is not read aloud.
    assert_eq!(
        browser
            .value("document.querySelectorAll('#tiles [aria-live], #charts [aria-live]').length"),
        0
    );
    let unnamed = "[...document.querySelectorAll('input, select, button, svg, th')].filter((e) => \
        !(e.labels?.length || e.textContent.trim() || e.getAttribute('aria-label') || e.scope)).length";
    assert_eq!(browser.value(unnamed), 0);

    // Whoever has the token acts: by the page's own buttons, and beside it.
    browser.value("document.getElementById('text').value = '<b>looking</b>'; document.querySelector('[value=note]').click()");
    wait_until("it is noted", || {
        browser.value("document.querySelector('#notes div')?.textContent") == "<b>looking</b>"
    });
    assert!(acted(address, &json!({ "act": "ack" })).starts_with("HTTP/1.1 202"));
    wait_until("it is acknowledged", || {
        snapshot(address)["notes"][0]["text"] == "acknowledged"
    });
    let metrics = got(address, "/metrics");
    assert!(
        metrics.contains("\njob_enqueued_total{") || metrics.contains("\nasynq_"),
        "{metrics:.500}"
    );
    assert!(acted(address, &json!({ "act": "abort" })).starts_with("HTTP/1.1 202"));
    let ended = drill.0.wait().unwrap();
    assert_eq!(ended.code(), Some(130));
    wait_until("the page says that it is over", || {
        let said = browser.value("document.getElementById('connection').textContent");
        said.as_str()
            .is_some_and(|said| said.starts_with("no connection"))
    });
    // What the browser itself says of a server that is gone is no fault of the page.
    let own = browser
        .complaints
        .iter()
        .filter(|said| !said.contains("net::ERR_"));
    assert_eq!(own.collect::<Vec<_>>(), Vec::<&String>::new());
    let log = fs::read_to_string(dir.path().join("log")).unwrap();
    assert!(
        log.contains(&format!("live view: http://{address}/")),
        "{log}"
    );
    assert!(
        log.contains("--tui: standard output is no terminal"),
        "{log}"
    );
    assert!(!log.contains(TOKEN), "{log}");
}

#[test]
fn a_load_is_shown_second_by_second() {
    need!("redis-server");
    let dir = tempfile::tempdir().unwrap();
    let words = [
        "load",
        "--rate",
        "100/s",
        "--duration",
        "10m",
        "--service",
        "1ms",
    ];
    let (mut load, address) = shown(dir.path(), &words);
    let value = |name: &str| {
        let snapshot = snapshot(address);
        let tiles = snapshot["tiles"].as_array().unwrap();
        let tile = tiles.iter().find(|tile| tile["name"] == name);
        tile.map(|tile| tile["value"].as_str().unwrap().to_owned())
    };
    wait_until("waits are measured", || value("Wait p99").is_some());
    assert_ne!(value("Done").unwrap(), "0.0/s");
    assert_eq!(value("Redis").unwrap(), "up");
    kill_process(Pid::from_child(&load.0), Signal::INT).unwrap();
    assert_eq!(load.0.wait().unwrap().code(), Some(130));
}

/// Bytes that take and give back a terminal's other screen.
const TAKES: &str = "\u{1b}[?1049h";
const GIVES_BACK: &str = "\u{1b}[?1049l";

/// A drill on a terminal of its own; what it shows goes to a file.
fn on_a_terminal(dir: &Path) -> (Ends, impl Fn() -> String + use<>) {
    let words = [&DRILL[..], &["--tui"]].concat().join(" ");
    on_a_terminal_of(dir, &words, (30, 100))
}

/// The same with what is typed, on one of so many rows and columns.
pub(crate) fn on_a_terminal_of(
    dir: &Path,
    words: &str,
    (rows, columns): (u16, u16),
) -> (Ends, impl Fn() -> String + use<>) {
    let line = format!(
        "stty rows {rows} cols {columns}; exec {} {words}",
        env!("CARGO_BIN_EXE_firedrill")
    );
    let script = Command::new("script")
        .current_dir(dir)
        .args([
            "--quiet",
            "--flush",
            "--return",
            "--command",
            &line,
            "typescript",
        ])
        .env("TERM", "xterm-256color")
        .env("XDG_STATE_HOME", env!("CARGO_TARGET_TMPDIR"))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let shown = dir.join("typescript");
    let shows = move || String::from_utf8_lossy(&fs::read(&shown).unwrap_or_default()).into_owned();
    (Ends(script), shows)
}

/// Holds that the terminal is as it was, and that the verdict stands on it.
fn is_given_back(shown: &str) {
    let (_, after) = shown.split_once(TAKES).unwrap_or_else(|| panic!("{shown}"));
    let (_, after) = after
        .split_once(GIVES_BACK)
        .unwrap_or_else(|| panic!("{shown}"));
    assert!(!after.contains(TAKES), "{after}");
    assert!(
        after.contains("\u{1b}[?25h"),
        "the cursor is there again: {after:?}"
    );
    // What was said meanwhile, and the result.
    assert!(after.contains("stopping: ending every worker"), "{after:?}");
    assert!(after.contains("watched"), "{after:?}");
}

#[test]
fn a_terminal_shows_a_drill_and_is_given_back_when_q_is_pressed() {
    need!("script");
    need!("redis-server");
    let dir = written();
    let (mut drill, shows) = on_a_terminal(dir.path());
    wait_until("workers are seen", || shows().contains("Workers up"));
    wait_until("alerts are seen", || shows().contains("<script>"));
    drill.0.stdin.as_mut().unwrap().write_all(b"q").unwrap();
    let ended = drill.0.wait().unwrap();
    assert_eq!(ended.code(), Some(130), "{}", shows());
    is_given_back(&shows());
}

#[test]
fn a_terminal_is_given_back_to_whoever_kills_with_a_signal() {
    need!("script");
    need!("redis-server");
    let dir = written();
    let (mut drill, shows) = on_a_terminal(dir.path());
    wait_until("workers are seen", || shows().contains("Workers up"));
    // The shell has become firedrill.
    let firedrill = crate::support::children(drill.0.id())[0];
    let firedrill = Pid::from_raw(i32::try_from(firedrill).unwrap()).unwrap();
    kill_process(firedrill, Signal::TERM).unwrap();
    assert_eq!(drill.0.wait().unwrap().code(), Some(143), "{}", shows());
    is_given_back(&shows());
}

#[test]
fn what_cannot_be_shown_is_said_before_anything_is_started() {
    let dir = written();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = format!("--http={}", taken.local_addr().unwrap());
    for (words, code, says) in [
        (&["--http=0.0.0.0:0"][..], 4, "give a token"),
        (&[&taken], 7, "in use"),
        (&["--http=here"], 2, "a port, or an address"),
        (&["--http", "--http-token", "short"], 2, "16 to 128"),
        (
            &["--http", "--engine", "virtual"],
            2,
            "over before anybody could look",
        ),
        (
            &["--tui", "--engine", "virtual"],
            2,
            "over before anybody could look",
        ),
    ] {
        let (ended, out, told) = said(dir.path(), &[&DRILL[..], words].concat());
        assert_eq!(ended, Some(code), "{words:?}: {told}");
        assert!(told.contains(says), "{words:?}: {told}");
        assert_eq!(out, "", "{words:?}");
    }
}
