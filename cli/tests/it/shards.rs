//! Sweeps that are spread over shards: together they are one command, and by themselves they say nothing.

use crate::support::{SHORT, firedrill, said};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Two scenarios and their rules, one of which cannot fire.
fn bench() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let calm = "\
version: firedrill/v1
name: calm
family: benign
summary: Nothing happens.
seed: 18446744073709551614
duration: 6m
warmup: 1m
queues: { default: { priority: 1, wait_objective: 30s } }
workload:
  - { task: a, queue: default, arrivals: { poisson: 4/s }, service: { lognormal: { mean: 500ms, p95: 900ms } } }
workers:
  - { name: w, processes: 1, concurrency: 6 }
scrape: { interval: 5s }
evaluation: { interval: 5s }
benign:
  - { what: nothing, at: 1m, until: 6m }
gates:
  false_pages: count < 3
";
    let rules = "\
groups:
- name: own
  rules:
  - { alert: Waiting, expr: 'max(asynq_queue_latency_seconds) > 30', labels: { severity: page } }
  - { alert: Never, expr: 'max(asynq_queue_latency_seconds) > 3e9', labels: { severity: page } }
";
    fs::write(dir.path().join("s.yaml"), SHORT).unwrap();
    fs::write(dir.path().join("calm.yaml"), calm).unwrap();
    fs::write(dir.path().join("r.yml"), rules).unwrap();
    dir
}

/// A command and more of its words.
fn words<'w>(command: &'w str, more: &[&'w str]) -> Vec<&'w str> {
    command.split(' ').chain(more.iter().copied()).collect()
}

/// Every file below a directory, by its path from there.
fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut open = vec![dir.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                let name = path.strip_prefix(dir).unwrap().to_owned();
                found.insert(name, fs::read(path).unwrap());
            }
        }
    }
    found
}

/// The directory of a shard.
fn shard(dir: &Path, out: &str, which: &str) -> PathBuf {
    let all = fs::read_dir(dir.join(out).join("shards")).unwrap();
    let mut found = all.map(|entry| entry.unwrap().path());
    let is_it = |path: &PathBuf| path.to_str().unwrap().ends_with(which);
    found.find(is_it).unwrap()
}

const TRIALS: &str = "run --engine virtual --trials 4 --rules r.yml s.yaml calm.yaml";
const TUNE: &str =
    "tune --trials 4 --rules r.yml --vary Waiting.threshold=10..40/10 s.yaml calm.yaml";
const PLAN: &str =
    "tune --trials 3 --rules r.yml --vary workers.w.processes=1..2 --drain-within 2m s.yaml";

/// Runs a command as one and as three shards; both must come to the same, on the terminal and in files.
fn one_or_three(dir: &Path, command: &str, files_in: Option<&str>) {
    let (code, whole, told) = said(dir, &words(command, &["--out", "whole"]));
    assert!(matches!(code, Some(0 | 1)), "{told}");
    for which in ["2/3", "3/3", "1/3"] {
        let args = words(command, &["--out", "parts", "--shard", which]);
        let (code, _, told) = said(dir, &args);
        assert_eq!(code, Some(0), "{told}");
        assert!(told.contains("firedrill merge"), "{told}");
    }
    // Files that shards were asked about may be gone: what is needed is in them.
    for name in ["s.yaml", "calm.yaml", "r.yml"] {
        fs::rename(dir.join(name), dir.join(format!("{name}.away"))).unwrap();
    }
    let (merged, out, told) = said(dir, &["merge", "parts", "--out", "merged"]);
    for name in ["s.yaml", "calm.yaml", "r.yml"] {
        fs::rename(dir.join(format!("{name}.away")), dir.join(name)).unwrap();
    }
    assert_eq!((merged, out), (code, whole), "{told}");
    if let Some(kind) = files_in {
        let of = |out: &str| files(&dir.join(out).join(kind).join("latest"));
        assert_eq!(of("merged"), of("whole"));
        assert!(of("whole").contains_key(Path::new("result.json")));
    }
    for out in ["whole", "parts", "merged"] {
        // A search over the plan leaves no files.
        let _ = fs::remove_dir_all(dir.join(out));
    }
}

#[test]
fn three_shards_are_one_run_byte_for_byte() {
    let dir = bench();
    one_or_three(dir.path(), TRIALS, Some("trials"));
}

#[test]
fn three_shards_are_one_search_byte_for_byte() {
    let dir = bench();
    one_or_three(dir.path(), TUNE, Some("tune"));
    one_or_three(dir.path(), PLAN, None);
}

#[test]
fn a_shard_says_which_it_is_and_judges_nothing() {
    let dir = bench();
    let args = words(TRIALS, &["--json"]);
    let mut command = firedrill();
    // As in the second pod of an Indexed Job.
    command
        .env("JOB_COMPLETION_INDEX", "1")
        .env("FIREDRILL_SHARDS", "2");
    let output = command
        .current_dir(dir.path())
        .args(&args)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(found["shard"], serde_json::json!({ "number": 2, "of": 2 }));
    assert_eq!(
        (&found["trials"], &found["gates"]),
        (&4.into(), &Value::Null)
    );
    let dir_of = shard(dir.path(), "runs", "2-of-2");
    let figures = fs::read_to_string(dir_of.join("figures.jsonl")).unwrap();
    assert_eq!(figures.matches("\"kind\":\"drill\"").count(), 4);
    let page = fs::read_to_string(dir_of.join("report.html")).unwrap();
    assert!(page.contains("This is shard 2 of 2"), "{page}");
}

#[test]
fn gates_are_judged_after_the_merge() {
    let dir = bench();
    let dir = dir.path();
    fs::write(dir.join("g.yaml"), "gates:\n  alert_recall: value >= 1\n").unwrap();
    let (code, _, told) = said(dir, &words(TRIALS, &["--shard", "1/2", "--gate", "g.yaml"]));
    assert_eq!(code, Some(2));
    assert!(
        told.contains("give gates") && told.contains("firedrill merge"),
        "{told}"
    );
    for which in ["1/2", "2/2"] {
        assert_eq!(said(dir, &words(TRIALS, &["--shard", which])).0, Some(0));
    }
    let whole = said(
        dir,
        &words(TRIALS, &["--gate", "g.yaml", "--junit", "whole.xml"]),
    );
    let merge = words("merge runs/shards --gate g.yaml --junit merged.xml", &[]);
    let merged = said(dir, &merge);
    assert_eq!((merged.0, merged.1), (whole.0, whole.1), "{}", merged.2);
    let text = |name: &str| fs::read_to_string(dir.join(name)).unwrap();
    assert_eq!(text("merged.xml"), text("whole.xml"));
    assert!(text("merged.xml").contains("alert_recall"));
    // And a merged run is a baseline like any other.
    let args = words(TRIALS, &["--baseline", "runs/trials/latest"]);
    let (_, out, told) = said(dir, &args);
    assert!(!told.contains("error"), "{out}{told}");
}

/// What merging says and ends with.
fn merged(dir: &Path, shards: &[&Path]) -> (Option<i32>, String) {
    let mut command = firedrill();
    let output = command
        .current_dir(dir)
        .arg("merge")
        .args(shards)
        .output()
        .unwrap();
    assert!(output.stdout.is_empty());
    assert!(!dir.join("runs/trials").exists(), "half a verdict");
    let told = String::from_utf8(output.stderr).unwrap();
    (output.status.code(), told)
}

#[test]
fn what_are_not_all_shards_of_one_command_is_no_verdict() {
    let dir = bench();
    let dir = dir.path();
    let run = |command: &str, out: &str, which: &str| {
        let args = words(command, &["-q", "--out", out, "--shard", which]);
        assert_eq!(said(dir, &args).0, Some(0));
        shard(dir, out, &which.replace('/', "-of-"))
    };
    let one = run(TRIALS, "a", "1/3");
    let two = run(TRIALS, "a", "2/3");

    let (code, told) = merged(dir, &[&one, &two]);
    assert_eq!(code, Some(3));
    assert!(told.contains("there is no 3/3"), "{told}");

    let again = run(TRIALS, "b", "2/3");
    let three = run(TRIALS, "a", "3/3");
    let (code, told) = merged(dir, &[&one, &two, &again, &three]);
    assert_eq!(code, Some(2));
    assert!(told.contains("shard 2/3 is there twice"), "{told}");
    // The same one named twice is one.
    let (code, told) = merged_whole(dir, &[&one, &two, &three, &dir.join("a")]);
    assert!(matches!(code, Some(0 | 1)), "{told}");

    let others = [
        (
            TRIALS.replace("--trials 4", "--trials 5"),
            "--trials: 4 seeds, 5 seeds",
        ),
        (
            TRIALS.replace("--trials", "--seed 7 --trials"),
            "the first seed of short",
        ),
        (TRIALS.replace(" calm.yaml", ""), "scenarios"),
        (TUNE.to_owned(), "commands: run --trials, tune"),
    ];
    for (index, (command, what)) in others.iter().enumerate() {
        let other = run(command, &format!("other-{index}"), "3/3");
        let (code, told) = merged(dir, &[&one, &two, &other]);
        assert_eq!(code, Some(2));
        assert!(told.contains("no shards of one command"), "{told}");
        assert!(told.contains(what), "{told}");
    }
    let other = run(TRIALS, "halves", "1/2");
    let (code, told) = merged(dir, &[&one, &two, &three, &other]);
    assert_eq!(code, Some(2));
    assert!(
        told.contains("one of 2 shards") || told.contains("one of 3 shards"),
        "{told}"
    );

    // Cut off in the middle, by another release, and not a shard at all.
    let file = three.join("shard.jsonl");
    let text = fs::read_to_string(&file).unwrap();
    let (head, _) = text.trim_end().rsplit_once('\n').unwrap();
    for cut in [head, &text[..text.len() - 1], &format!("{head}\n")] {
        fs::write(&file, cut).unwrap();
        let (code, told) = merged(dir, &[&one, &two, &three]);
        assert_eq!(code, Some(3));
        assert!(told.contains("did not come to its end"), "{told}");
    }
    let version = format!("\"version\":\"{}\"", env!("CARGO_PKG_VERSION"));
    assert!(text.contains(&version));
    let damages = [
        (
            text.replacen(&version, "\"version\":\"0.0.1\"", 1),
            "firedrill 0.0.1 wrote this shard",
        ),
        (
            text.replacen("\"number\":2,", "\"number\":4,", 1),
            "line 2 is damaged: outcome 2",
        ),
        (
            text.replacen("\"number\":3,\"of\":3", "\"number\":4,\"of\":3", 1),
            "there is no shard 4",
        ),
        (
            text.replacen("\"trials\":4", "\"trials\":0", 1),
            "line 1 is damaged",
        ),
        ("{}\n".to_owned(), "this is no shard"),
        (String::new(), "this is no shard"),
    ];
    for (damaged, why) in damages {
        assert_ne!(damaged, text);
        fs::write(&file, damaged).unwrap();
        let (code, told) = merged(dir, &[&one, &two, &three]);
        assert_eq!(code, Some(2), "{told}");
        assert!(told.contains(why), "{told}");
    }
    let (code, told) = merged(dir, &[Path::new(".")]);
    assert_eq!(code, Some(2), "{told}");
    fs::create_dir(dir.join("empty")).unwrap();
    let (code, told) = merged(dir, &[Path::new("empty")]);
    assert_eq!(code, Some(2));
    assert!(told.contains("empty: there is no shard in it"), "{told}");
}

/// Merges, and takes away what comes of it.
fn merged_whole(dir: &Path, shards: &[&Path]) -> (Option<i32>, String) {
    let mut command = firedrill();
    let output = command
        .current_dir(dir)
        .arg("merge")
        .args(shards)
        .output()
        .unwrap();
    fs::remove_dir_all(dir.join("runs")).unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    (output.status.code(), told)
}

#[test]
fn what_cannot_be_parted_is_refused() {
    let dir = bench();
    let refused = |command: &str, why: &str| {
        let (code, _, told) = said(dir.path(), &words(command, &[]));
        assert_eq!(code, Some(2), "{told}");
        assert!(told.contains(why), "{told}");
        assert!(!dir.path().join("runs").exists());
    };
    refused("run --shard 1/2 s.yaml", "add `--engine virtual`");
    refused(
        "run --engine virtual --shard 1/2 s.yaml",
        "give more than one",
    );
    refused(
        &format!("{TRIALS} --shard 1/9"),
        "8 drills cannot be parted among so many",
    );
    refused(&format!("{TRIALS} --shard 3/2"), "there is no shard 3");
    refused(&format!("{TRIALS} --shard two"), "such as `1/4`");
    refused(&format!("{TRIALS} --shards 4"), "which of them is this?");
    refused(
        &format!("{TRIALS} --shards 4 --shard 1/4"),
        "cannot be used with",
    );
    refused(
        &format!("{TUNE} --shard 1/9"),
        "8 drills cannot be parted among so many",
    );
    for index in ["4", "-1", "x", "4294967295", "4294967296"] {
        let mut command = firedrill();
        command.env("JOB_COMPLETION_INDEX", index);
        let args = words(TRIALS, &["--shards", "4"]);
        let output = command.current_dir(dir.path()).args(args).output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{told}");
        assert!(told.contains("a number from 0 to 3"), "{told}");
    }
}
