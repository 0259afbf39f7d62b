//! A team's own workers in containers that run already: what the plan does to them, and how they are left.

use super::peer::need_peers;
use super::team::{all_was_seen, record, worker};
use crate::docker::{connection, docker, program};
use crate::nodes::Node;
use crate::support::{said, wait_until};
use redis::Commands;
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

pub(super) const SCENARIO: &str = "\
version: firedrill/v1
name: team
family: worker-crashed
summary: What is done to a team's containers.
seed: 7
duration: 44s
warmup: 4s
queues: { default: { wait_objective: 30s } }
workload:
  - { task: mail, queue: default, arrivals: { constant: 10/s, until: 38s }, service: { constant: 20ms } }
workers:
  - { name: w, processes: 2, concurrency: 4 }
scrape: { interval: 1s, timeout: 1s }
evaluation: { interval: 1s }
timeline:
  - { at: 6s, fault: worker.kill, select: all, until: { at: 12s, remedy: worker.restart } }
  - { at: 20s, fault: worker.stop, select: [w-1], until: { at: 24s } }
  - { at: 28s, fault: worker.terminate, select: [w-0], until: { at: 33s, remedy: worker.restart } }
incidents:
  - { cause: worker-crashed, of: worker.kill, wanted: page, within: 8s }
";

pub(super) const RULES: &str = "\
groups:
- name: team
  rules:
  - alert: Waiting
    expr: asynq_queue_latency_seconds{queue=\"default\"} > 2
    labels: { severity: page }
";

/// Two containers of the worker on a Redis of the team's; gone with it.
pub(crate) struct Team {
    pub(super) redis: Node,
    /// Where the workers find it.
    port: u16,
    name: String,
    /// Further arguments of the worker.
    args: &'static [&'static str],
}

impl Team {
    pub(crate) fn start(what: &str) -> Self {
        let redis = Node::start(&[]);
        let port = redis.port;
        Self::start_on(redis, port, what)
    }

    /// One whose workers find Redis on another port.
    pub(super) fn start_on(redis: Node, port: u16, what: &str) -> Self {
        Self::start_with(redis, port, what, &[])
    }

    /// One whose workers have further arguments.
    pub(super) fn start_as(what: &str, args: &'static [&'static str]) -> Self {
        let redis = Node::start(&[]);
        let port = redis.port;
        Self::start_with(redis, port, what, args)
    }

    fn start_with(redis: Node, port: u16, what: &str, args: &'static [&'static str]) -> Self {
        let team = Self {
            redis,
            port,
            name: format!("firedrill-team-{what}-{}", std::process::id()),
            args,
        };
        let tar = Command::new("tar")
            .args([
                "-C",
                worker().parent().unwrap().to_str().unwrap(),
                "-c",
                "worker",
            ])
            .output()
            .unwrap();
        docker(&["import", "-", &team.name], &tar.stdout);
        for number in 0..2 {
            team.run(&number.to_string(), &["--label", "firedrill.consent=true"]);
        }
        team
    }

    /// The name of a container.
    pub(crate) fn container(&self, number: &str) -> String {
        format!("{}-{number}", self.name)
    }

    fn run(&self, number: &str, more: &[&str]) {
        let name = self.container(number);
        let address = format!("REDIS_ADDR=127.0.0.1:{}", self.port);
        let first = [
            "run",
            "-d",
            "--network",
            "host",
            "--hostname",
            &name,
            "--name",
            &name,
            "--env",
            &address,
        ];
        let of = format!("team={}", self.name);
        let words = [
            &first[..],
            &["--label", &of],
            more,
            &[&self.name, "/worker"],
            self.args,
        ]
        .concat();
        docker(&words, &[]);
    }

    /// What firedrill is told of it.
    pub(crate) fn target(&self) -> [String; 2] {
        [
            format!("--redis=127.0.0.1:{}", self.redis.port),
            format!("--worker-docker=label=team={}", self.name),
        ]
    }

    /// A drill with it; its state is kept in `dir`.
    pub(super) fn args(&self) -> [String; 6] {
        let [redis, workers] = self.target();
        [
            "run".into(),
            "s.yaml".into(),
            "--rules=r.yml".into(),
            "--group-wait=0s".into(),
            redis,
            workers,
        ]
    }

    /// How each of its containers is.
    pub(super) fn states(&self) -> Vec<String> {
        self.inspected("{{.State.Status}}")
    }

    /// The memory that each of them may take, bytes; 0: as much as there is.
    pub(super) fn memory(&self) -> Vec<u64> {
        let told = self.inspected("{{.HostConfig.Memory}}");
        told.iter().map(|bytes| bytes.parse().unwrap()).collect()
    }

    fn inspected(&self, what: &str) -> Vec<String> {
        let inspect = |number| {
            let format = ["inspect", "--format", what];
            let name = self.container(number);
            docker(&[&format[..], &[&name]].concat(), &[])
                .trim()
                .to_owned()
        };
        ["0", "1"].map(inspect).to_vec()
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        let of = format!("label=team={}", self.name);
        let all = docker(&["ps", "-aq", "--filter", &of], &[]);
        let remove = ["rm", "--force"].into_iter().chain(all.lines());
        docker(&remove.collect::<Vec<_>>(), &[]);
        docker(&["rmi", &self.name], &[]);
    }
}

/// All are killed, and started again after ten seconds.
pub(super) fn shorter() -> String {
    let lines = SCENARIO.lines();
    let lines = lines.filter(|line| {
        !["worker.stop", "worker.terminate"]
            .iter()
            .any(|step| line.contains(step))
    });
    let text: Vec<&str> = lines.collect();
    text.join("\n")
        .replace("12s", "16s")
        .replace("44s", "24s")
        .replace("38s", "20s")
}

/// A quarter of a minute in which nothing is done to anybody.
pub(super) fn quiet() -> String {
    let lines = SCENARIO.lines().filter(|line| !line.contains("worker."));
    let quiet: Vec<&str> = lines.collect();
    quiet
        .join("\n")
        .replace("worker-crashed", "benign")
        .replace("incidents:", "")
        .replace("timeline:", "")
        .replace("44s", "16s")
        .replace("38s", "12s")
}

/// A worker that nobody told the drill of; gone with it.
pub(super) struct Stranger(Child);

impl Stranger {
    /// One on a Redis of this machine, which has registered.
    pub(super) fn join(port: u16) -> Self {
        let child = Command::new(worker())
            .env("REDIS_ADDR", format!("127.0.0.1:{port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let stranger = Self(child);
        wait_until("it to have joined", || stranger.is_listed(port));
        stranger
    }

    /// Whether Redis has what it says of itself.
    pub(super) fn is_listed(&self, port: u16) -> bool {
        let mut redis = connection(&format!("redis://127.0.0.1:{port}")).unwrap();
        let of_it = format!(":{}:", self.0.id());
        let listed: Vec<String> = redis.zrange("asynq:servers", 0, -1).unwrap();
        let mut listed = listed.into_iter().filter(|key| key.contains(&of_it));
        listed.any(|key| redis.exists(key).unwrap())
    }

    /// Ends as a worker does that is asked to.
    pub(super) fn leave(mut self) {
        kill_process(Pid::from_child(&self.0), Signal::TERM).unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A folder with a scenario, and the rules.
pub(super) fn folder(scenario: &str) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("s.yaml"), scenario).unwrap();
    fs::write(dir.path().join("r.yml"), RULES).unwrap();
    dir
}

#[test]
fn a_teams_containers_take_part_and_are_left_running() {
    need_peers!();
    if program().is_none() {
        return;
    }
    let team = Team::start("part");
    let dir = folder(SCENARIO);
    let dir = dir.path();
    let args = team.args();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let (code, told, also) = said(dir, &args);
    let recorded = record(dir, "team");
    all_was_seen(&recorded, 6, &also);
    assert_eq!(code, Some(0), "{told}{also}");
    assert_eq!(
        recorded.header.environment["workers"],
        "the team's own, in containers"
    );
    let audit = recorded.audit().unwrap();
    assert_eq!(
        (audit.intended, audit.lost, audit.untold),
        (380, 0, 0),
        "{audit:?}"
    );
    assert!(audit.succeeded >= 300, "{audit:?}");
    assert_eq!(team.states(), ["running", "running"]);

    // They are there for the next one, and what others do to them meanwhile is told.
    let container = team.container("1");
    let meddler = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_secs(8));
        docker(&["pause", &container], &[]);
        docker(&["unpause", &container], &[]);
    });
    fs::write(dir.join("s.yaml"), quiet()).unwrap();
    let (code, told, also) = said(dir, &args);
    meddler.join().unwrap();
    assert_eq!(code, Some(3), "{told}{also}");
    assert!(told.contains("1 `pause`, 1 `unpause` in minute"), "{told}");
}

#[test]
fn a_worker_that_is_no_container_of_the_drills_is_told() {
    need_peers!();
    if program().is_none() {
        return;
    }
    let team = Team::start("joined");
    let port = team.redis.port;
    let dir = folder(&quiet());
    let args = team.args();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let stranger = Stranger::join(port);
    let (code, _, told) = said(dir.path(), &args);
    assert_eq!(code, Some(4), "{told}");
    let why = "serves default on the drill's Redis, and is none of its workers";
    assert!(told.contains(why), "{told}");
    stranger.leave();

    let joins = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_secs(8));
        Stranger::join(port)
    });
    let (code, told, also) = said(dir.path(), &args);
    let stranger = joins.join().unwrap();
    assert_eq!(code, Some(3), "{told}{also}");
    let recorded = record(dir.path(), "team");
    let joined: Vec<_> = recorded.interference().collect();
    let [joined] = joined[..] else {
        panic!("{joined:#?}");
    };
    let saw = "a worker that the drill did not start has joined; it serves default";
    assert_eq!(joined.saw, saw);
    assert!((3_000..13_000).contains(&joined.at_ms), "{joined:?}");
    assert!(stranger.is_listed(port));
}

/// Both containers get 24 MB more than they take, and leak 5 MB a second.
pub(super) fn leaking() -> String {
    let steps = SCENARIO.lines().filter(|line| !line.contains(", fault: "));
    let text: Vec<&str> = steps.collect();
    text.join("\n")
        .replace("concurrency: 4", "concurrency: 4, restart: { backoff: 5s, factor: 1 }")
        .replace("timeline:", "timeline:\n  - { id: limit, at: 8s, fault: worker.memory-limit, select: all, limit: 24MB, fills_in: 4s, until: { at: 30s } }")
        .replace("of: worker.kill", "of: limit")
}

#[test]
fn a_container_that_gets_less_memory_dies_of_it_and_has_it_back() {
    need_peers!();
    if program().is_none() {
        return;
    }
    let team = Team::start_as("memory", &["-leaks", "1048576"]);
    let dir = folder(&leaking());
    let args = team.args();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let (_, told, also) = said(dir.path(), &args);
    let recorded = record(dir.path(), "team");
    all_was_seen(&recorded, 2, &format!("{told}{also}"));
    let end = recorded.marks().last().unwrap();
    assert!(
        end.saw.starts_with("by itself; processes have died of it ") && !end.saw.contains("it 0"),
        "{}",
        end.saw
    );
    // As much as the machine has: Docker knows no way back to none.
    let total = docker(&["info", "--format", "{{.MemTotal}}"], &[]);
    let total: u64 = total.trim().parse().unwrap();
    assert_eq!(team.memory(), [total, total]);
    assert_eq!(team.states(), ["running", "running"]);
}

#[test]
fn a_container_without_its_owners_consent_is_not_touched() {
    need_peers!();
    if program().is_none() {
        return;
    }
    let team = Team::start("consent");
    team.run("2", &[]);
    let dir = folder(SCENARIO);
    let args = team.args();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let (code, _, told) = said(dir.path(), &args);
    assert_eq!(code, Some(4), "{told}");
    let expected = format!(
        "container {}: its owner has not agreed",
        team.container("2")
    );
    assert!(told.contains(&expected), "{told}");
    assert_eq!(team.states(), ["running", "running"]);

    // Nor is one that is not meant.
    let redis = &args[4];
    let first = team.container("0");
    let twice = format!("--worker-docker={first},{first}");
    for (words, code, why) in [
        (twice, 2, format!("{first} is named twice")),
        (
            "--worker-docker=service=nothing-of-ours".to_owned(),
            7,
            "no container has the label com.docker.compose.service=nothing-of-ours".to_owned(),
        ),
        (
            format!("--worker-docker={first}"),
            2,
            "team has 2 worker processes, and 1 container is named".to_owned(),
        ),
    ] {
        let (ended, _, told) = said(dir.path(), &["run", "s.yaml", redis, &words]);
        assert_eq!(ended, Some(code), "{told}");
        assert!(told.contains(&why), "{told}");
    }
}

#[test]
fn a_container_that_is_removed_meanwhile_is_told_with_its_time() {
    need_peers!();
    if program().is_none() {
        return;
    }
    let team = Team::start("removed");
    let dir = folder(&shorter());
    let args = team.args();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let container = team.container("1");
    let meddler = std::thread::spawn(move || {
        let state = || {
            let of = ["inspect", "--format", "{{.State.Status}}", &container];
            docker(&of, &[])
        };
        wait_until("it to be hit", || state().trim() == "exited");
        docker(&["rm", "--force", &container], &[]);
    });
    let (code, told, also) = said(dir.path(), &args);
    meddler.join().unwrap();
    assert_eq!(code, Some(3), "{told}{also}");
    let removed = format!("container {} was removed from outside", team.container("1"));
    let recorded = record(dir.path(), "team");
    let at_ms = |saw: &str| {
        recorded
            .interference()
            .find(|found| found.saw == saw)
            .map(|found| found.at_ms)
    };
    let at_ms = at_ms(&removed).unwrap_or_else(|| panic!("{told}"));
    assert!((6_000..16_000).contains(&at_ms), "{at_ms}");
    let end = recorded.marks().last().unwrap();
    assert!(
        !end.verified && end.saw == format!("worker w-1: {removed}"),
        "{end:?}"
    );
}
