//! A team's workers that go to their Redis through a Toxiproxy of the team's: Shopify's own, at the version that `cli/tests/toxiproxy`
//! pins.

use super::containers::{RULES, Team, folder};
use super::peer::need_peers;
use super::pods;
use super::team::{all_was_seen, record};
use crate::docker::program;
use crate::nodes::Node;
use crate::support::{firedrill, need, said, wait_until};
use firedrill_sim::http::get::{Client, Url};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(5);

const SCENARIO: &str = "\
version: firedrill/v1
name: team
family: redis-down
summary: What is done to the way between a team's workers and their Redis.
seed: 7
duration: 52s
warmup: 4s
queues: { default: { wait_objective: 30s } }
workload:
  - { task: mail, queue: default, arrivals: { constant: 10/s, until: 42s }, service: { constant: 20ms } }
workers:
  - { name: w, processes: 2, concurrency: 4 }
scrape: { interval: 1s, timeout: 1s }
evaluation: { interval: 1s }
timeline:
  - { id: slow, at: 5s, fault: link.delay, select: all, delay: 50ms, until: { at: 8s } }
  - { id: uneven, at: 9s, fault: link.jitter, select: all, up_to: 40ms, until: { at: 12s } }
  - { id: thin, at: 13s, fault: link.bandwidth, select: all, rate: 20000B, until: { at: 16s } }
  - { id: cut-up, at: 17s, fault: link.slice, select: all, bytes: 200, every: 5ms, until: { at: 20s } }
  - { id: reset, at: 21s, fault: link.reset, select: all, until: { at: 22s } }
  - { id: black, at: 26s, fault: link.black-hole, select: [w-0, w-1], until: { at: 36s } }
incidents:
  - { cause: redis-down, of: black, wanted: page, within: 10s }
";

/// Toxiproxy, with a proxy `redis`; gone with whoever holds it.
pub(crate) struct Toxiproxy {
    child: Child,
    api: Url,
    /// Where the proxy listens.
    port: u16,
}

impl Toxiproxy {
    /// Its proxy leads to a port of this machine.
    fn before(redis: u16) -> Self {
        let [port, own] = [free_port(), free_port()];
        let child = Command::new(built())
            .args(["-host", "127.0.0.1", "-port", &own.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let proxies = Self {
            child,
            api: format!("http://127.0.0.1:{own}").parse().unwrap(),
            port,
        };
        wait_until("Toxiproxy to answer", || {
            proxies.asked(proxies.api.below("/version"), None).is_ok()
        });
        let proxy = json!({
            "name": "redis",
            "listen": format!("127.0.0.1:{port}"),
            "upstream": format!("127.0.0.1:{redis}"),
        });
        proxies.post("/proxies", &proxy);
        proxies
    }

    fn asked(&self, url: Url, json: Option<String>) -> Result<String, String> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let client = Client::default();
        let said = match json {
            Some(json) => runtime.block_on(client.post_json(&url, json, PATIENCE)),
            None => runtime.block_on(client.get(&url, PATIENCE)),
        };
        said.map_err(|error| error.to_string())
    }

    pub(crate) fn post(&self, path: &str, json: &Value) {
        let done = self.asked(self.api.below(path), Some(json.to_string()));
        done.unwrap();
    }

    /// The types of what the proxy does.
    pub(crate) fn toxics(&self) -> Vec<String> {
        let text = self.asked(self.api.below("/proxies/redis/toxics"), None);
        let toxics: Vec<Value> = serde_json::from_str(&text.unwrap()).unwrap();
        let kinds = toxics.iter().map(|toxic| toxic["type"].as_str().unwrap());
        kinds.map(str::to_owned).collect()
    }

    /// Somebody removes a toxic.
    pub(crate) fn remove(&self, toxic: &str) {
        let page = self.api.below(&format!("/proxies/redis/toxics/{toxic}"));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let removed = runtime.block_on(Client::default().delete(&page, PATIENCE));
        removed.unwrap();
    }

    /// What firedrill is told of it, beside the team.
    fn args(&self, team: &Team) -> Vec<String> {
        [&team.args()[..], &[self.arg("redis")]].concat()
    }
}

impl Toxiproxy {
    pub(crate) fn arg(&self, proxy: &str) -> String {
        format!("--toxiproxy={}{proxy}", self.api)
    }
}

impl Drop for Toxiproxy {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// The program.
fn built() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("interop/toxiproxy");
        let made = Command::new("go")
            .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/toxiproxy"))
            .args(["build", "-o"])
            .arg(&program)
            .arg("github.com/Shopify/toxiproxy/v2/cmd/server")
            .status();
        assert!(made.unwrap().success());
        program
    })
}

/// A team whose workers go through a proxy.
pub(crate) fn team(what: &str) -> (Toxiproxy, Team) {
    let redis = Node::start(&[]);
    let proxies = Toxiproxy::before(redis.port);
    let team = Team::start_on(redis, proxies.port, what);
    (proxies, team)
}

fn run(dir: &Path, args: &[String]) -> (Option<i32>, String, String) {
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    said(dir, &args)
}

#[test]
fn what_is_done_to_links_is_done_by_the_teams_proxy_and_ends() {
    need_peers!();
    if program().is_none() {
        return;
    }
    let (proxies, team) = team("toxic");
    let dir = folder(SCENARIO);
    // What the shorter ones do is no alarm.
    let rules = RULES.replace("> 2", "> 4");
    fs::write(dir.path().join("r.yml"), rules).unwrap();
    let (code, told, also) = run(dir.path(), &proxies.args(&team));
    let recorded = record(dir.path(), "team");
    all_was_seen(&recorded, 12, &also);
    assert_eq!(code, Some(0), "{told}{also}");
    assert_eq!(proxies.toxics(), [""; 0]);
    assert_eq!(team.states(), ["running", "running"]);
    let audit = recorded.audit().unwrap();
    assert_eq!((audit.intended, audit.lost), (420, 0), "{audit:?}");
}

/// The scenario with these steps alone, so long, until it is over.
fn shorter(duration: &str, timeline: &str) -> String {
    let (before, _) = SCENARIO.split_once("timeline:").unwrap();
    let before = before
        .replace("duration: 52s", &format!("duration: {duration}"))
        .replace("until: 42s", "until: 20s");
    format!(
        "{before}timeline:\n{timeline}incidents:\n  - {{ cause: redis-down, of: black, wanted: page, within: 12s }}\n"
    )
}

#[test]
fn what_others_do_to_the_proxy_between_two_steps_is_told() {
    need_peers!();
    if program().is_none() {
        return;
    }
    let (proxies, team) = team("toxic-others");
    let steps =
        "  - { id: slow, at: 5s, fault: link.delay, select: all, delay: 50ms, until: { at: 8s } }
  - { id: black, at: 16s, fault: link.black-hole, select: all, until: { at: 22s } }
";
    let dir = folder(&shorter("30s", steps));
    let args = proxies.args(&team);
    let (code, told, also) = std::thread::scope(|all| {
        let run = all.spawn(|| run(dir.path(), &args));
        let slow = ["latency", "latency"];
        wait_until("the link to be slow", || proxies.toxics() == slow);
        wait_until("it to be slow no longer", || proxies.toxics().is_empty());
        let toxic = json!({ "name": "mine", "type": "latency", "attributes": { "latency": 1 } });
        proxies.post("/proxies/redis/toxics", &toxic);
        // For some looks, one a second, and over before the next step.
        std::thread::sleep(Duration::from_secs(4));
        proxies.remove("mine");
        run.join().unwrap()
    });
    assert_eq!(code, Some(3), "{told}{also}");
    let recorded = record(dir.path(), "team");
    let seen = recorded.marks().filter(|mark| mark.verified);
    assert_eq!(seen.count(), 4, "{also}");
    let saw: Vec<&str> = recorded
        .interference()
        .map(|found| found.saw.as_str())
        .collect();
    assert_eq!(saw, ["toxic mine was added", "toxic mine was removed"]);
    assert_eq!(proxies.toxics(), [""; 0]);
}

#[test]
fn it_is_done_to_pods_as_to_containers() {
    need_peers!();
    need!("unshare");
    let redis = Node::start(&[]);
    let proxies = Toxiproxy::before(redis.port);
    let Some(team) = pods::Team::start_on(redis, proxies.port, true) else {
        return;
    };
    let is_else = |line: &&str| {
        ["slow", "uneven", "thin", "cut-up"]
            .iter()
            .any(|id| line.contains(&format!("id: {id},")))
    };
    let lines: Vec<&str> = SCENARIO.lines().filter(|line| !is_else(line)).collect();
    let dir = folder(&lines.join("\n"));
    let mut run = team.command_of(dir.path(), &["run", "s.yaml", "--group-wait=0s"]);
    let output = run.arg(proxies.arg("redis")).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    let recorded = record(dir.path(), "team");
    all_was_seen(&recorded, 4, &told);
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert_eq!(proxies.toxics(), [""; 0]);
}

#[test]
fn a_proxy_does_nothing_more_when_firedrill_was_killed() {
    need_peers!();
    if program().is_none() {
        return;
    }
    let (proxies, team) = team("toxic-killed");
    let dir = folder(SCENARIO);
    let mut run = firedrill()
        .current_dir(dir.path())
        .env("XDG_STATE_HOME", dir.path())
        .args(proxies.args(&team))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_until("the link to be slow", || {
        proxies.toxics() == ["latency", "latency"]
    });
    let pid = Pid::from_raw(i32::try_from(run.id()).unwrap()).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
    run.wait().unwrap();
    wait_until("it to be as before", || proxies.toxics().is_empty());
}

#[test]
fn a_proxy_that_is_not_there_is_somebody_elses_leads_elsewhere_or_is_not_taken_is_refused() {
    need_peers!();
    if program().is_none() {
        return;
    }
    let (proxies, team) = team("toxic-refused");
    let dir = folder(SCENARIO);
    let args = proxies.args(&team);
    let mut unknown = args.clone();
    *unknown.last_mut().unwrap() = proxies.arg("cache");
    let (code, _, told) = run(dir.path(), &unknown);
    assert_eq!(code, Some(7), "{told}");
    assert!(told.contains("has no proxy cache; it has redis"), "{told}");

    let other = Node::start(&[]);
    let elsewhere = Toxiproxy::before(other.port);
    let (code, _, told) = run(dir.path(), &elsewhere.args(&team));
    assert_eq!(code, Some(7), "{told}");
    assert!(told.contains("leads to another Redis than"), "{told}");

    let direct = Team::start("toxic-direct");
    let before = Toxiproxy::before(direct.redis.port);
    let (code, _, told) = run(dir.path(), &before.args(&direct));
    assert_eq!(code, Some(7), "{told}");
    assert!(
        told.contains("not all workers go through proxy redis at"),
        "{told}"
    );
    assert_eq!(before.toxics(), [""; 0]);

    let toxic = json!({ "name": "mine", "type": "latency", "attributes": { "latency": 1 } });
    proxies.post("/proxies/redis/toxics", &toxic);
    let (code, _, told) = run(dir.path(), &args);
    assert_eq!(code, Some(4), "{told}");
    assert!(told.contains("has toxics already (mine)"), "{told}");
    assert_eq!(proxies.toxics(), ["latency"]);

    elsewhere.post("/proxies/redis", &json!({ "enabled": false }));
    let (code, _, told) = run(dir.path(), &elsewhere.args(&team));
    assert_eq!(code, Some(7), "{told}");
    assert!(told.contains("is disabled; enable it"), "{told}");
    assert_eq!(team.states(), ["running", "running"]);
}
