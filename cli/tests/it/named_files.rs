//! Files that people name: pipes that would keep a command waiting, reports that would take the place of what they are made
//! from, names with line ends in them; and what was done after a drill's end.

use crate::support::{need, said};
use firedrill_reports::Record;
use std::fs::{self, File};
use std::io::BufReader;
use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};

const SCENARIO: &str = "\
version: firedrill/v1
name: short
family: benign
summary: Three minutes of an ordinary day.
seed: 3
duration: 3m
warmup: 30s
queues: { default: { priority: 1, wait_objective: 30s } }
workload:
  - { task: email:send, queue: default, arrivals: { poisson: 2/s }, service: { constant: 300ms } }
workers:
  - { name: w, processes: 1, concurrency: 4 }
";

const RULES: &str = "\
groups:
- name: jobs
  rules:
  - alert: WorkerDown
    expr: sum(up{job=\"worker\"}) == 0
    for: 30s
    labels: { severity: page }
";

/// A directory with a scenario, rules, and a virtual drill of them.
fn bench() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("s.yaml"), SCENARIO).unwrap();
    fs::write(dir.path().join("r.yml"), RULES).unwrap();
    let args = ["run", "--engine", "virtual", "--rules", "r.yml", "s.yaml"];
    assert_eq!(said(dir.path(), &args).0, Some(0));
    dir
}

const RECORD: &str = "runs/short/latest/record.jsonl";

#[test]
fn a_named_pipe_is_refused_and_not_waited_for() {
    let dir = bench();
    let made = Command::new("mkfifo").arg(dir.path().join("pipe")).status();
    assert!(made.unwrap().success());
    for args in [
        &["score", "pipe"][..],
        &["report", "-o", "x.html", "pipe"],
        &["check", "r.yml", "--against", "pipe"],
        &["check", "pipe"],
        &["plan", "pipe"],
        &["score", "--rules", "pipe", "runs"],
        &["run", "--engine", "virtual", "--rules", "pipe", "s.yaml"],
    ] {
        let (code, out, err) = said(dir.path(), args);
        assert_eq!((code, out.as_str()), (Some(2), ""), "{args:?}: {err}");
        assert!(err.contains("pipe: is a named pipe"), "{args:?}: {err}");
    }
    // One that is open already is what somebody meant.
    let shell = |script: &str| {
        let mut shell = Command::new("bash");
        shell.args(["-c", script, "bash", env!("CARGO_BIN_EXE_firedrill")]);
        shell.current_dir(dir.path()).stdin(Stdio::null());
        shell.stdout(Stdio::null()).status().unwrap().code()
    };
    let piped = format!("cat {RECORD} | \"$1\" score /dev/stdin");
    assert_eq!(shell(&piped), Some(0));
    let substituted = format!("\"$1\" score <(cat {RECORD})");
    assert_eq!(shell(&substituted), Some(0));
}

#[test]
fn a_report_spares_what_it_is_made_from() {
    let dir = bench();
    let before = fs::read(dir.path().join(RECORD)).unwrap();
    symlink(RECORD, dir.path().join("link.html")).unwrap();
    for (out, more) in [
        (RECORD, &["runs/short/latest"][..]),
        (RECORD, &[RECORD]),
        ("link.html", &[RECORD]),
        ("./runs/short/../short/latest/record.jsonl", &[RECORD]),
        ("r.yml", &[RECORD, "--rules", "r.yml"]),
    ] {
        let args = [&["report", "-o", out], more].concat();
        let (code, _, err) = said(dir.path(), &args);
        assert_eq!(code, Some(2), "{args:?}: {err}");
        assert!(err.contains("would take its place"), "{args:?}: {err}");
    }
    assert_eq!(fs::read(dir.path().join(RECORD)).unwrap(), before);
    let rules = fs::read_to_string(dir.path().join("r.yml")).unwrap();
    assert_eq!(rules, RULES);
}

/// A line end in a name makes no message of its own.
#[test]
fn a_name_is_on_one_line() {
    let dir = bench();
    let odd = "a\nerror: b\u{1b}[2J";
    fs::create_dir(dir.path().join(odd)).unwrap();
    let inside = format!("{odd}/x.yaml");
    for args in [
        &["check", odd][..],
        &["check", &inside],
        &["plan", &inside],
        &["score", odd],
        &["score", &inside],
        &["report", "-o", odd, "runs"],
        &["report", "-o", &inside, "runs"],
        &["run", "--engine", "virtual", "--rules", &inside, "s.yaml"],
        &["check", "r.yml", "--against", &inside],
        &["clean", "--redis", odd],
        &["runbook", "check", &inside],
    ] {
        let (_, out, err) = said(dir.path(), args);
        let both = out + &err;
        let breaks = both.lines().any(|line| line.starts_with("error: b"));
        assert!(!breaks && !both.contains('\u{1b}'), "{args:?}: {both:?}");
        assert!(!both.is_empty(), "{args:?}");
    }
}

/// A restart that takes longer than the drill is no part of it: its record would be refused.
#[test]
fn what_was_done_after_the_end_is_not_marked() {
    need!("redis-server");
    let dir = tempfile::tempdir().unwrap();
    let stuck = "\
timeline:
  - { at: 1m, fault: handler.deadlock, select: all, until: { at: 2m59s, remedy: worker.restart } }
incidents:
  - { cause: deadlock, wanted: page, within: 1m }
";
    let scenario = SCENARIO.replace("family: benign", "family: deadlock") + stuck;
    fs::write(dir.path().join("s.yaml"), scenario).unwrap();
    fs::write(dir.path().join("r.yml"), RULES).unwrap();
    let args = [
        "run", "--redis", "local", "--speed", "60", "--rules", "r.yml", "s.yaml",
    ];
    let (code, _, err) = said(dir.path(), &args);
    assert!(matches!(code, Some(0..=3)) && code != Some(2), "{err}");
    let file = File::open(dir.path().join(RECORD)).unwrap();
    let record = Record::read(BufReader::new(file)).unwrap();
    let what: Vec<&str> = record.marks().map(|mark| mark.what.as_str()).collect();
    assert_eq!(what, ["handler.deadlock"]);
    assert_ne!(said(dir.path(), &["score", RECORD]).0, Some(2));
}

/// Of a set, the virtual engine runs what it can, and says what it cannot; what is named by itself is refused.
#[test]
fn what_is_live_only_is_left_out_of_sets_and_refused_by_name() {
    let dir = bench();
    fs::create_dir(dir.path().join("set")).unwrap();
    let thin = SCENARIO.replace("name: short", "name: thin")
        + "timeline:\n  - { at: 1m, fault: link.bandwidth, select: all, rate: 10KB, until: { at: 2m } }\n";
    fs::write(dir.path().join("set/s.yaml"), SCENARIO).unwrap();
    fs::write(dir.path().join("set/thin.yaml"), &thin).unwrap();
    fs::create_dir(dir.path().join("thin")).unwrap();
    fs::write(dir.path().join("thin/thin.yaml"), &thin).unwrap();
    let run = |words: &[&str]| {
        let args = [
            &["run", "--engine", "virtual", "--rules", "r.yml"][..],
            words,
        ];
        said(dir.path(), &args.concat())
    };
    let live_only = "link.bandwidth: live only: the model's calls have no bytes";
    for set in ["set", "set/*.yaml"] {
        let (code, _, talk) = run(&[set, "--out", "sets"]);
        assert_eq!(code, Some(0), "{talk}");
        let said =
            format!("set/thin.yaml: left out: {live_only}; `firedrill run set/thin.yaml` runs it");
        assert!(talk.contains(&said), "{talk}");
        fs::remove_dir_all(dir.path().join("sets")).unwrap();
    }
    // By itself, beside its set, or as all there is.
    for named in [&["set/thin.yaml"][..], &["set", "set/thin.yaml"], &["thin"]] {
        let (code, _, talk) = run(&[named, &["--out", "none"]].concat());
        assert_eq!(code, Some(2), "{talk}");
        assert!(talk.contains(live_only), "{talk}");
        assert!(talk.contains("accepted: `--engine live`"), "{talk}");
        assert!(!dir.path().join("none").exists(), "{named:?}: begun");
    }
}
