//! Results: never lost without a word, each in a place of its own, and never in the place of what is not a file.

use crate::support::{firedrill, need};
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const SCENARIO: &str = "\
version: firedrill/v1
name: short
family: benign
summary: Twelve minutes of an ordinary day.
seed: 3
duration: 12m
warmup: 1m
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

/// A directory with a scenario and rules in it.
fn bench() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("s.yaml"), SCENARIO).unwrap();
    fs::write(dir.path().join("r.yml"), RULES).unwrap();
    dir
}

fn command(dir: &Path, args: &[&str]) -> Command {
    let mut command = firedrill();
    command
        .current_dir(dir)
        .args(args)
        .env_remove("FIREDRILL_OUT");
    command
}

fn run(dir: &Path, args: &[&str]) -> (Option<i32>, String, String) {
    ended(&command(dir, args).output().unwrap())
}

fn ended(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

const VIRTUAL: [&str; 6] = ["run", "--engine", "virtual", "--rules", "r.yml", "s.yaml"];

/// The directories of the drills of `short`, links left out.
fn drills(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir.join("runs/short")).into_iter().flatten();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.filter(|path| !path.is_symlink()).collect()
}

#[test]
fn results_that_cannot_be_written_are_an_error() {
    let dir = bench();
    assert_eq!(run(dir.path(), &VIRTUAL).0, Some(0));
    let whatif = [
        "tune",
        "--trials",
        "1",
        "--vary",
        "workers.w.processes=1..1",
        "s.yaml",
    ];
    for args in [
        &["--help"][..],
        &["--version"],
        &["check", "s.yaml"],
        &["check", "r.yml", "--against", "runs"],
        &["plan", "s.yaml"],
        &["plan", "--json", "s.yaml"],
        &VIRTUAL,
        &[
            "run", "--engine", "virtual", "--trials", "2", "--rules", "r.yml", "s.yaml",
        ],
        &["score", "runs"],
        &["score", "--json", "runs/short"],
        &["report", "-o", "-", "runs/short/latest"],
        &["asynq", "version"],
        &whatif,
    ] {
        let full = File::create("/dev/full").unwrap();
        let output = command(dir.path(), args).stdout(full).output().unwrap();
        let (code, _, err) = ended(&output);
        assert_eq!(code, Some(7), "{args:?}: {err}");
        if !args[0].starts_with('-') {
            let said = err.matches("error: the results cannot be written").count();
            assert_eq!(said, 1, "{args:?}: {err}");
        }
        assert!(!err.contains("exit 0"), "{args:?}: {err}");

        // A reader that went away wanted no more.
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = command(dir.path(), args).stdout(writer).output().unwrap();
        let (code, _, err) = ended(&output);
        assert_eq!(code, Some(0), "{args:?}: {err}");
        assert!(!err.contains("error:"), "{args:?}: {err}");
    }
}

/// Runs firedrill where files may have so many blocks of 512 bytes; a full disk looks the same to it.
pub(crate) fn on_a_small_disk(
    dir: &Path,
    blocks: u32,
    args: &[&str],
) -> (Option<i32>, String, String) {
    let mut shell = Command::new("sh");
    shell.current_dir(dir).env_remove("FIREDRILL_OUT").args([
        "-c",
        &format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$@\""),
        "sh",
        env!("CARGO_BIN_EXE_firedrill"),
    ]);
    ended(&shell.args(args).output().unwrap())
}

/// What is true of a drill whose record could not be written on, on either engine.
fn was_cut(dir: &Path, (code, out, err): (Option<i32>, String, String)) {
    assert_eq!(code, Some(7), "{err}");
    assert!(out.is_empty(), "there is no verdict: {out}");
    let said = err.lines().filter(|line| line.starts_with("error: "));
    assert_eq!(said.count(), 1, "{err}");
    let once = err.matches("the drill was stopped, and its record is incomplete");
    assert_eq!(once.count(), 1, "{err}");
    assert!(!err.contains("nothing was started"), "{err}");
    let [drill] = &drills(dir)[..] else {
        panic!("one drill: {:?}", drills(dir));
    };
    assert!(!dir.join("runs/short/latest").is_symlink());
    let text = fs::read_to_string(drill.join("record.jsonl")).unwrap();
    assert!(!text.contains("\"kind\":\"footer\""));
    let (code, out, err) = run(dir, &["score", drill.to_str().unwrap()]);
    assert_eq!(code, Some(3), "{out}{err}");
    assert!(out.contains("the record is incomplete"), "{out}");
}

#[test]
fn a_disk_that_fills_up_stops_a_virtual_drill() {
    let dir = bench();
    was_cut(dir.path(), on_a_small_disk(dir.path(), 40, &VIRTUAL));
}

#[test]
fn a_disk_that_fills_up_stops_a_live_drill() {
    need!("redis-server");
    let dir = bench();
    let args = [
        "run", "--redis", "local", "--speed", "60", "--rules", "r.yml", "s.yaml",
    ];
    // Enough for the small drill by which the machine is measured first, not for this one.
    was_cut(dir.path(), on_a_small_disk(dir.path(), 200, &args));
}

/// While a live drill runs, what has happened is in the file: whole lines, the newest of them young.
#[test]
fn a_record_is_there_as_it_happens() {
    need!("redis-server");
    let dir = bench();
    let args = [
        "run", "--redis", "local", "--speed", "60", "--rules", "r.yml", "s.yaml",
    ];
    let mut child = command(dir.path(), &args)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // Less than a block of any buffer in front of the file: one scrape of one target.
    let early = loop {
        let record = drills(dir.path()).pop().map(|dir| dir.join("record.jsonl"));
        let text = record.and_then(|path| fs::read_to_string(path).ok());
        let scrapes = |text: &String| text.matches("\"kind\":\"scrape\"").count();
        match text.filter(|text| scrapes(text) > 0) {
            Some(text) => break text,
            None => assert!(
                child.try_wait().unwrap().is_none(),
                "it ended without a scrape"
            ),
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    };
    assert!(child.try_wait().unwrap().is_none(), "it still runs");
    assert!(!early.contains("\"kind\":\"footer\""));
    // On a busy machine it may prove nothing; it must not fail.
    assert!(matches!(child.wait().unwrap().code(), Some(0..=3)));
}

#[test]
fn runs_of_the_same_second_have_directories_of_their_own() {
    let dir = bench();
    let children: Vec<_> = (0..4)
        .map(|_| {
            let mut command = command(dir.path(), &VIRTUAL);
            command.stdout(Stdio::null()).stderr(Stdio::piped());
            command.spawn().unwrap()
        })
        .collect();
    for child in children {
        let (code, _, err) = ended(&child.wait_with_output().unwrap());
        assert_eq!(code, Some(0), "{err}");
    }
    assert_eq!(drills(dir.path()).len(), 4);
    let sets = fs::read_dir(dir.path().join("runs/sets")).unwrap().count();
    assert_eq!(sets, 4 + 1, "and the link");
    for path in [
        "runs/short/latest/record.jsonl",
        "runs/sets/latest/report.html",
    ] {
        assert!(dir.path().join(path).is_file(), "{path}");
    }
    let copy = dir.path().join("copy.yaml");
    fs::copy(dir.path().join("s.yaml"), &copy).unwrap();
    let twice = [
        "run",
        "--engine",
        "virtual",
        "--rules",
        "r.yml",
        "s.yaml",
        "copy.yaml",
    ];
    let (code, _, err) = run(dir.path(), &twice);
    assert_eq!(code, Some(2));
    assert!(err.contains("cannot be told apart"), "{err}");
    assert_eq!(drills(dir.path()).len(), 4);
}

#[test]
fn latest_is_a_drill_that_ran_to_its_end() {
    need!("redis-server");
    let dir = bench();
    let args = [
        "run", "--redis", "local", "--speed", "1", "--rules", "r.yml", "s.yaml",
    ];
    let mut child = command(dir.path(), &args)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    while !drills(dir.path())
        .iter()
        .any(|drill| drill.join("targets.json").exists())
    {
        assert!(child.try_wait().unwrap().is_none());
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let kill = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(kill.unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(!dir.path().join("runs/short/latest").is_symlink());
    assert!(!dir.path().join("runs/sets/latest").is_symlink());

    let (code, whole, err) = {
        assert_eq!(run(dir.path(), &VIRTUAL).0, Some(0));
        run(dir.path(), &["score", "runs/short/latest"])
    };
    assert_eq!(code, Some(0), "{err}");
    for named in ["runs", "runs/short", "runs/short/latest/record.jsonl"] {
        let (code, out, err) = run(dir.path(), &["score", named, named]);
        assert_eq!((code, &out), (Some(0), &whole), "{named}: {err}");
        let (code, _, err) = run(dir.path(), &["check", "r.yml", "--against", named]);
        assert_eq!(code, Some(0), "{named}: {err}");
    }
    fs::create_dir(dir.path().join("empty")).unwrap();
    let (code, _, err) = run(dir.path(), &["score", "empty", "missing"]);
    assert_eq!(code, Some(2));
    assert!(err.contains("empty: no record in this directory"), "{err}");
    assert!(err.contains("missing: No such file"), "{err}");
    assert!(err.contains("2 problems; nothing was started"), "{err}");
}

#[test]
fn a_report_never_takes_the_place_of_a_device_or_pipe() {
    let dir = bench();
    assert_eq!(run(dir.path(), &VIRTUAL).0, Some(0));
    let report = |out: &str| run(dir.path(), &["report", "-o", out, "runs"]);
    assert_eq!(report("/dev/null").0, Some(0));
    assert!(
        fs::metadata("/dev/null")
            .unwrap()
            .file_type()
            .is_char_device()
    );
    let (code, _, err) = report("/dev/full");
    assert_eq!(code, Some(7));
    assert!(err.contains("/dev/full: No space left"), "{err}");

    let pipe = dir.path().join("pipe");
    assert!(
        Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    let reader = {
        let pipe = pipe.clone();
        std::thread::spawn(move || {
            let mut text = String::new();
            File::open(pipe).unwrap().read_to_string(&mut text).unwrap();
            text
        })
    };
    assert_eq!(report("pipe").0, Some(0));
    let through = reader.join().unwrap();
    assert!(fs::metadata(&pipe).unwrap().file_type().is_fifo());

    fs::write(dir.path().join("real.html"), "old").unwrap();
    std::os::unix::fs::symlink("real.html", dir.path().join("link.html")).unwrap();
    assert_eq!(report("link.html").0, Some(0));
    assert!(dir.path().join("link.html").is_symlink());
    let written = fs::read_to_string(dir.path().join("real.html")).unwrap();
    assert_eq!(written, through);
    let (_, printed, _) = report("-");
    assert_eq!(printed, through);
}

#[test]
fn where_results_cannot_go_nothing_is_started() {
    let dir = bench();
    fs::write(dir.path().join("file"), "").unwrap();
    for args in [
        &["run", "--out", "file", "--rules", "r.yml", "s.yaml"][..],
        &[
            "run",
            "--out",
            "/proc/nowhere",
            "--rules",
            "r.yml",
            "s.yaml",
        ],
        &[
            "run", "--engine", "virtual", "--trials", "3", "--out", "file/x", "--rules", "r.yml",
            "s.yaml",
        ],
        &["fidelity", "--out", "file", "--rules", "r.yml", "s.yaml"],
        &[
            "tune",
            "--out",
            "file",
            "--rules",
            "r.yml",
            "--vary",
            "WorkerDown.for=0s..1m",
            "s.yaml",
        ],
    ] {
        let (code, out, err) = run(dir.path(), args);
        assert_eq!((code, out.as_str()), (Some(7), ""), "{args:?}: {err}");
        assert!(
            err.contains("no directory for the results: "),
            "{args:?}: {err}"
        );
        // Not a word of a drill or a Redis.
        assert_eq!(err.lines().count(), 1, "{args:?}: {err}");
    }
    let (code, _, err) = run(dir.path(), &["report", "-o", "file/x.html", "missing"]);
    assert_eq!(code, Some(2));
    assert!(
        err.contains("missing: ") && err.contains("file/x.html: "),
        "{err}"
    );
    let left: Vec<_> = fs::read_dir(dir.path())
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert_eq!(left.len(), 3, "{left:?}");
}

#[test]
fn nothing_of_others_steers_the_terminal() {
    let dir = bench();
    let odd = "a\u{1b}[2J\u{9b}1m\u{202e}b.yaml";
    let scenario = SCENARIO.replace("Twelve minutes", "\"\\e[31m\\0 \\u202e Twelve minutes");
    let scenario = scenario.replace("ordinary day.", "ordinary day.\"");
    fs::write(dir.path().join(odd), &scenario).unwrap();
    let steers = |c: char| c.is_control() && c != '\n' || c == '\u{202e}';
    for args in [
        &["check", odd][..],
        &["check", "missing \u{1b}[2J"],
        &["plan", odd],
        &["plan", "--seed", "\u{1b}[2J", odd],
        &["run", "--engine", "virtual", "--rules", "r.yml", odd],
        &["run", "--rules", "\u{1b}]0;title\u{7}", odd],
        &["score", "runs"],
        &["score", "\u{1b}c"],
        &["report", "-o", "-", "runs"],
        &["report", "-o", "\u{1b}[1m.html", "runs"],
        &["test", "rules", "\u{1b}[2J.yml"],
    ] {
        let (_, out, err) = run(dir.path(), args);
        assert!(
            !out.contains(steers) && !err.contains(steers),
            "{args:?}: {out:?} {err:?}"
        );
        assert!(out.len() + err.len() > 0);
    }
    let summary = fs::read_to_string(dir.path().join("runs/sets/latest/summary.md")).unwrap();
    assert!(!summary.contains(steers), "{summary:?}");
}
