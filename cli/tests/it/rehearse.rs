//! Rehearsals with people at the other end of a pipe: what they say, what they do from outside, and what stops it.

mod outside;
mod posted;
mod server;
mod silent;
mod view;
mod waiting;
mod whole;

use crate::support::{children, firedrill, need, project, said};
use firedrill_reports::Record;
use firedrill_reports::record::{Deed, Phase};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const RULES: &str = r#"
# firedrill: cause worker-crashed expects WorkerDown
groups:
- name: jobs
  rules:
  - alert: WorkerDown
    expr: sum(up{job="worker"}) == 0
    for: 10s
    labels: { severity: page }
"#;

const RUNBOOK: &str = "\
# Runbook: workers
## Checklist
- [ ] **Acknowledge** the alert
- [ ] Tell the team
## WorkerDown
Restart them.
";

/// A drill of three minutes whose fault is mended by plan near its end.
fn scenario(fault: &str) -> String {
    format!(
        "\
version: firedrill/v1
name: quiet-monday
family: worker-crashed
summary: Nobody works.
seed: 11
duration: 3m
warmup: 20s
queues: {{ default: {{ priority: 1, wait_objective: 20s }} }}
workload:
  - {{ task: email:send, queue: default, arrivals: {{ poisson: 4/s }}, service: {{ constant: 500ms }} }}
workers:
  - {{ name: w, processes: 2, concurrency: 4 }}
scrape: {{ interval: 5s }}
evaluation: {{ interval: 5s }}
timeline:
  - {{ at: 60s, {fault} }}
incidents:
  - {{ cause: worker-crashed, wanted: page, within: 2m }}
"
    )
}

const KILLED: &str =
    "id: fault, fault: worker.kill, select: all, until: { at: 165s, remedy: worker.restart }";

/// A directory with a scenario, rules and a runbook.
fn written(scenario: &str, rules: &str) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("quiet-monday.yaml"), scenario).unwrap();
    fs::write(dir.path().join("r.yml"), rules).unwrap();
    fs::write(dir.path().join("book.md"), RUNBOOK).unwrap();
    dir
}

/// A rehearsal under way.
struct Rehearsed {
    dir: TempDir,
    child: Child,
    lines: Receiver<String>,
    told: Vec<String>,
}

impl Rehearsed {
    fn begin(scenario: &str, args: &[&str]) -> Self {
        let dir = written(scenario, RULES);
        let practice = ["--speed", "4", "--group-wait", "5s"];
        Self::begin_in(dir, &[&practice, args].concat())
    }

    /// The same with what is in a directory.
    fn begin_in(dir: TempDir, args: &[&str]) -> Self {
        Self::begin_as(dir, args, None)
    }

    /// The same with one more variable in its environment.
    fn begin_as(dir: TempDir, args: &[&str], variable: Option<(&str, String)>) -> Self {
        let mut child = firedrill()
            .current_dir(dir.path())
            .envs(variable)
            .args(["rehearse", "quiet-monday.yaml", "--rules", "r.yml"])
            .args(["--runbook", "book.md"])
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = child.stderr.take().unwrap();
        let (heard, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let _ = heard.send(line);
            }
        });
        Self {
            dir,
            child,
            lines,
            told: Vec::new(),
        }
    }

    /// Waits until it says something.
    fn hears(&mut self, text: &str) -> String {
        let deadline = Instant::now() + Duration::from_secs(180);
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => {
                    self.told.push(line.clone());
                    if line.contains(text) {
                        return line;
                    }
                }
                Err(error) => panic!("{text}: {error}\n{}", self.told.join("\n")),
            }
        }
    }

    fn says(&mut self, line: &str) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    /// Its worker processes.
    fn workers(&self) -> Vec<u32> {
        let is_worker = |pid: &u32| command_line(*pid).ends_with("worker");
        children(self.child.id())
            .into_iter()
            .filter(is_worker)
            .collect()
    }

    /// Waits for its end: the exit code, what it printed and said, and its directory.
    fn ends(mut self) -> (Option<i32>, String, PathBuf, TempDir) {
        drop(self.child.stdin.take());
        let output = self.child.wait_with_output().unwrap();
        self.told.extend(self.lines.iter());
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        let text = format!("{stdout}\n{}", self.told.join("\n"));
        let runs = self.dir.path().join("runs/rehearsals");
        let found = fs::read_dir(&runs).unwrap_or_else(|error| panic!("{error}: {text}"));
        let mut found = found.map(|entry| entry.unwrap().path());
        let run = found.find(|path| !path.ends_with("latest")).unwrap();
        (output.status.code(), text, run, self.dir)
    }
}

fn command_line(pid: u32) -> String {
    let text = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let text = String::from_utf8_lossy(&text).replace('\0', " ");
    text.trim_end().to_owned()
}

fn signal(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    kill_process(pid, signal).unwrap();
}

fn record(run: &Path) -> Record {
    let file = File::open(run.join("record.jsonl")).unwrap();
    Record::read(BufReader::new(file)).unwrap()
}

#[test]
fn people_are_paged_mend_it_and_read_what_they_did() {
    need!("redis-server");
    let mut room = Rehearsed::begin(&scenario(KILLED), &[]);
    let page = room.hears("PAGE: WorkerDown");
    assert!(page.contains("book.md:5 \"WorkerDown\""), "{page}");
    for line in [
        "ack",
        "cause worker-crashed",
        "done 1",
        "cause gremlins",
        "status",
    ] {
        room.says(line);
    }
    room.hears("done: 1: Acknowledge the alert");
    room.says("remedy worker.restart");
    room.hears("mended: w-0, w-1: worker.restart");
    let (code, text, run, dir) = room.ends();
    assert!(matches!(code, Some(0 | 3)), "{text}");
    assert!(text.contains("`cause` takes the name of a cause"), "{text}");
    let record = record(&run);
    let mended_ms = record.mended_ms("fault").unwrap();
    assert!(mended_ms < 165_000, "{text}");
    // The plan's own end has nothing left to do.
    assert!(
        !record.marks().any(|mark| mark.phase == Some(Phase::End)),
        "{text}"
    );
    let post_mortem = fs::read_to_string(run.join("post-mortem.md")).unwrap();
    for told in [
        "worker-crashed: right",
        "by people",
        "1 step not done: Tell the team",
        "acknowledged",
    ] {
        assert!(post_mortem.contains(told), "{told}: {post_mortem}");
    }
    assert!(run.join("report.html").is_file());
    // It is a proof like that of any drill, and its record says when it was, whatever its directory is called.
    if code == Some(0) {
        fs::rename(&run, dir.path().join("moved")).unwrap();
        let (code, told, _) = said(
            dir.path(),
            &["proven", "r.yml", "--runs", "moved", "--max-age", "1h"],
        );
        assert_eq!(code, Some(0), "{told}");
    }
}

#[test]
fn who_stops_it_before_anything_is_broken_is_told_that_nothing_could_page() {
    need!("redis-server");
    let mut room = Rehearsed::begin(&scenario(KILLED), &[]);
    room.hears("its queues: ");
    room.says("abort");
    let (code, text, run, _dir) = room.ends();
    assert_eq!(code, Some(5), "{text}");
    let post_mortem = fs::read_to_string(run.join("post-mortem.md")).unwrap();
    let told = "none: it ended before anything was broken that could page";
    assert!(post_mortem.contains(told), "{post_mortem}");
    for untrue in ["time to detect", "time to mitigate", "not done", "nobody"] {
        let (times, _) = post_mortem.split_once("Tasks").unwrap();
        assert!(!times.contains(untrue), "{untrue}: {post_mortem}");
    }
}

/// The alert of the book's example is proven by it, and missed when it does not fire.
#[test]
fn the_alert_of_the_books_example_can_be_missed() {
    let page = fs::read_to_string(project("docs/rehearsal.md")).unwrap();
    let file = |info: &str| {
        let (_, after) = page.split_once(&format!("```{info}\n")).unwrap();
        after.split_once("```").unwrap().0
    };
    let dir = tempfile::tempdir().unwrap();
    let rules = file("yaml alerts.yml");
    let never = rules.replace("== 0", "== -1");
    assert_ne!(rules, never);
    fs::write(dir.path().join("monday.yaml"), file("yaml monday.yaml")).unwrap();
    for (rules, expected, word) in [(rules, 0, "PASSED"), (&never, 1, "MISSED")] {
        fs::write(dir.path().join("alerts.yml"), rules).unwrap();
        let words = [
            "run",
            "monday.yaml",
            "--rules",
            "alerts.yml",
            "--engine",
            "virtual",
        ];
        let (code, told, also) = said(dir.path(), &words);
        assert_eq!(code, Some(expected), "{told}{also}");
        assert!(told.contains(word), "{told}");
    }
}

#[test]
fn a_blind_rehearsal_gives_nothing_away_and_sees_what_is_done_from_outside() {
    need!("redis-server");
    let stopped =
        "id: fault, fault: worker.stop, select: all, until: { at: 165s, remedy: worker.restart }";
    let args = ["--blind", "--facilitator", "told.txt"];
    let mut room = Rehearsed::begin(&scenario(stopped), &args);
    room.hears("PAGE: WorkerDown");
    let workers = room.workers();
    assert_eq!(workers.len(), 2);
    let pids = [&workers[..], &[room.child.id()]].concat();
    let names: Vec<String> = pids.into_iter().map(command_line).collect();
    let files = fs::read_dir(room.dir.path().join("runs/rehearsals")).unwrap();
    let files = files.map(|entry| entry.unwrap().path().display().to_string());
    for name in names.into_iter().chain(files).chain(room.told.clone()) {
        for secret in ["quiet-monday", "worker.stop", "Nobody works"] {
            assert!(!name.contains(secret), "{name}");
        }
    }
    // What does not end what is on is not told from what would, but may not.
    for remedy in ["queue.unpause", "worker.rollback"] {
        room.says(&format!("remedy {remedy}"));
        let told = format!("{remedy}: firedrill does nothing by it now; it is noted");
        room.hears(&told);
    }
    signal(workers[0], Signal::CONT);
    signal(workers[1], Signal::CONT);
    room.hears("mended: w-0, w-1: 2 of 2 processes go on (SIGCONT from outside)");
    let (code, text, run, dir) = room.ends();
    assert!(matches!(code, Some(0 | 3)), "{text}");
    let told = fs::read_to_string(dir.path().join("told.txt")).unwrap();
    assert!(
        told.contains("quiet-monday: Nobody works.") && told.contains("fault: worker.stop"),
        "{told}"
    );
    let record = record(&run);
    assert!(record.mended_ms("fault").is_some());
    // What ended the step is told once.
    let mut again = record.actions().map(|action| &action.text);
    assert_eq!(again.find(|text| text.contains("and went on")), None);
}

#[test]
fn a_worker_that_people_end_is_started_again_and_no_verdict_rests_on_what_follows() {
    need!("redis-server");
    let mut room = Rehearsed::begin(&scenario(KILLED), &["--at-most", "90s"]);
    room.says("note we begin");
    room.hears("note: we begin");
    let worker = *room.workers().first().unwrap();
    signal(worker, Signal::KILL);
    room.hears("was ended from outside; it is started again");
    // The page that follows is of the plan's fault, or of what was done: nobody can tell.
    let (code, text, run, _dir) = room.ends();
    assert_eq!(code, Some(5), "{text}");
    let record = record(&run);
    let ended = record.actions().filter(|action| {
        action.what == Deed::Seen && action.text.contains("was ended from outside")
    });
    assert_eq!(ended.count(), 1, "{text}");
    assert!(text.contains("--at-most"), "{text}");
}

#[test]
fn whoever_is_started_again_often_is_no_stranger_and_leaves_nothing_strange() {
    need!("redis-server");
    let mut room = Rehearsed::begin(&scenario(KILLED), &["--at-most", "55s"]);
    room.hears("its queues: ");
    room.says("note here");
    room.hears("note: here");
    for _ in 0..4 {
        let worker = *room.workers().first().unwrap();
        signal(worker, Signal::KILL);
        room.hears("was ended from outside; it is started again");
        while room.workers().len() < 2 || room.workers().contains(&worker) {
            std::thread::yield_now();
        }
    }
    let (code, text, run, _dir) = room.ends();
    assert_eq!(code, Some(5), "{text}");
    for strange in ["did not start", "asynq:servers"] {
        let mut actions = record(&run)
            .actions()
            .cloned()
            .collect::<Vec<_>>()
            .into_iter();
        let found = actions.find(|action| action.text.contains(strange));
        assert_eq!(found, None, "{text}");
    }
    assert!(text.contains("the drill was stopped: --at-most"), "{text}");
}

#[test]
fn a_signal_that_ends_it_is_no_stop_though_another_follows_it() {
    need!("redis-server");
    let mut room = Rehearsed::begin(&scenario(KILLED), &[]);
    room.hears("its queues: ");
    room.says("note here");
    room.hears("note: here");
    // As coreutils' timeout does.
    signal(room.child.id(), Signal::TERM);
    signal(room.child.id(), Signal::CONT);
    let (code, text, ..) = room.ends();
    assert_eq!(code, Some(5), "{text}");
    assert!(text.contains("stopped: a signal came"), "{text}");
    assert!(!text.contains("(SIGCONT)"), "{text}");
}

#[test]
fn a_queue_that_people_unpause_is_seen_to_be_and_its_alert_is_not_called_missed() {
    need!("redis-server");
    let paused =
        "id: fault, fault: queue.pause, queue: default, until: { at: 165s, remedy: queue.unpause }";
    let text = scenario(paused).replace("worker-crashed", "other");
    let mut room = Rehearsed::begin(&text, &[]);
    let told = room.hears("its queues: ");
    let url = told
        .split_whitespace()
        .find(|word| word.contains("://"))
        .unwrap()
        .to_owned();
    room.hears("fault: queue.pause");
    let here = room.dir.path().to_owned();
    let (code, _, wrong) = said(
        &here,
        &["asynq", "--redis", &url, "queue", "unpause", "default"],
    );
    assert_eq!(code, Some(0), "{wrong}");
    room.hears("mended: ");
    // Nothing is on any more that a remedy could end.
    room.says("remedy queue.unpause");
    room.hears("nothing is on that firedrill could end by it");
    room.says("remedy queue.unpaus");
    room.hears("no remedy is called so; did you mean `remedy queue.unpause`?");
    let (code, text, run, _dir) = room.ends();
    assert_eq!(code, Some(3), "{text}");
    let record = record(&run);
    assert!(record.mended_ms("fault").is_some(), "{text}");
    assert!(
        text.contains("people did something about the other incident before its alerts were due"),
        "{text}"
    );
}

#[test]
fn an_abort_and_a_condition_heal_and_what_is_not_as_usual_is_refused() {
    need!("redis-server");
    let mut room = Rehearsed::begin(&scenario(KILLED), &[]);
    room.says("note here");
    room.hears("note: here");
    let workers = room.workers();
    room.says("abort");
    let (code, text, run, _dir) = room.ends();
    assert_eq!(code, Some(5), "{text}");
    assert!(
        workers.iter().all(|pid| command_line(*pid).is_empty()),
        "{text}"
    );
    assert!(
        record(&run)
            .actions()
            .any(|action| action.what == Deed::Stopped)
    );

    let mut room = Rehearsed::begin(
        &scenario(KILLED),
        &["--abort-when", "sum(up{job=\"worker\"}) == 0"],
    );
    room.hears("stopping, --abort-when sum(up{job=\"worker\"}) == 0");
    let (code, text, _, _dir) = room.ends();
    assert_eq!(code, Some(5), "{text}");

    // One slot for eight tasks a second.
    let overloaded = scenario(KILLED)
        .replace(
            "processes: 2, concurrency: 4",
            "processes: 1, concurrency: 1",
        )
        .replace("poisson: 4/s", "poisson: 8/s")
        .replace("constant: 500ms", "constant: 1s");
    let room = Rehearsed::begin(&overloaded, &[]);
    let (code, text, run, _dir) = room.ends();
    assert_eq!(code, Some(4), "{text}");
    assert!(
        text.contains("not as usual, so nothing was broken: "),
        "{text}"
    );
    assert_eq!(record(&run).marks().next(), None, "{text}");
}

#[test]
fn a_dry_run_tells_each_step_and_its_undo_and_starts_nothing() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("s.yaml"), scenario(KILLED)).unwrap();
    let redis = ["--redis", "redis://staging:6379/1"];
    let limits = ["--abort-when", "up == 0", "--at-most", "3m"];
    let args = [&["rehearse", "s.yaml", "--dry-run"][..], &redis, &limits].concat();
    let (code, told, _) = said(dir.path(), &args);
    assert_eq!(code, Some(0), "{told}");
    insta::assert_snapshot!(told);
    let (_, told, _) = said(
        dir.path(),
        &[&args[..], &["--at", "2099-01-05T10:00Z"]].concat(),
    );
    assert!(told.contains("when: it begins at Mon 2099-01-05"), "{told}");
    assert!(!dir.path().join("runs").exists());
}

#[test]
fn what_cannot_be_rehearsed_is_said_before_anything_is_started() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("s.yaml"), scenario(KILLED)).unwrap();
    for (args, told) in [
        (&["--speed", "auto"][..], "1 is real time"),
        (&["--abort-when", "sum(up"], "--abort-when"),
        (&["--window", "whenever"], "Mon-Fri 10:00-16:00"),
        (&["--at", "noon"], "14:30"),
        (&["--at", "2020-01-01T10:00Z"], "that is over"),
        (&["--at", "14:30 Nowhere/At"], "no time zone"),
        (&["--runbook", "missing.md"], "missing.md"),
    ] {
        let (code, _, said) = said(dir.path(), &[&["rehearse", "s.yaml"], args].concat());
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains(told), "{said}");
        assert!(!dir.path().join("runs").exists());
    }
    // What the run would find out is found out before.
    for (args, code, told) in [
        (&["--window", "10:00-10:01"][..], 2, "does not fit into it"),
        (&["--http=0.0.0.0:0"], 4, "give a token"),
        (&["--http", "--http-token", "short"], 2, "--http-token"),
        (&["--webhook-listen", "0", "--speed", "2"], 2, "--speed 1"),
    ] {
        let args = [&["rehearse", "s.yaml", "--dry-run"], args].concat();
        let (found, _, said) = said(dir.path(), &args);
        assert_eq!(found, Some(code), "{said}");
        assert!(said.contains(told), "{said}");
    }
    let (code, _, said) = said(dir.path(), &["rehearse"]);
    assert_eq!(code, Some(2), "{said}");
}
