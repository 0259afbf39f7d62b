//! The command line: what is said, where, and with which exit code. Bad input starts nothing.

use crate::support::{firedrill, project};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

fn run(dir: &Path, args: &[&str]) -> (Option<i32>, String, String) {
    let output: Output = firedrill().current_dir(dir).args(args).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

#[test]
fn every_shipped_file_passes_check() {
    let mut args = vec![
        "check".to_owned(),
        project("scenarios/rules/runbook.yml").display().to_string(),
        project("scenarios/rules/firedrill.yml")
            .display()
            .to_string(),
    ];
    for folder in fs::read_dir(project("scenarios")).unwrap() {
        let folder = folder.unwrap();
        // A world is part of the scenarios that name it.
        if folder.file_name() == "worlds" {
            continue;
        }
        let files = fs::read_dir(folder.path()).into_iter().flatten();
        let files = files.map(|entry| entry.unwrap().path());
        let is_scenario = |path: &PathBuf| path.extension().is_some_and(|kind| kind == "yaml");
        args.extend(
            files
                .filter(is_scenario)
                .map(|path| path.display().to_string()),
        );
    }
    assert!(args.len() > 8);
    let (code, out, err) = run(
        Path::new("."),
        &args.iter().map(String::as_str).collect::<Vec<_>>(),
    );
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert_eq!(
        out.lines().filter(|line| line.starts_with("ok ")).count(),
        args.len() - 1
    );
}

#[test]
fn all_problems_of_all_files_at_once_and_nothing_started() {
    let dir = tempfile::tempdir().unwrap();
    let good =
        fs::read_to_string(project("scenarios/worker-crashed/worker-crash-all.yaml")).unwrap();
    let bad = good
        .replace("select: all", "select: [w-9]")
        .replace("duration: 75m", "duration: 75 minutes");
    fs::write(dir.path().join("a.yaml"), bad).unwrap();
    fs::write(
        dir.path().join("b.yaml"),
        good.replace("select: all", "select: [w-9]")
            .replace("workers:", "wrkers:"),
    )
    .unwrap();
    let rules = project("scenarios/rules/runbook.yml").display().to_string();
    let (code, out, err) = run(dir.path(), &["run", "--rules", &rules, "a.yaml", "b.yaml"]);
    assert_eq!((code, out.as_str()), (Some(2), ""));
    assert!(
        err.contains("a.yaml:11:11: duration: expected a duration"),
        "{err}"
    );
    assert!(
        err.contains("unknown key `wrkers` in scenario") && err.contains("did you mean `workers`?"),
        "{err}"
    );
    assert!(!dir.path().join("runs").exists());
}

#[test]
fn a_bad_rule_file_is_told_by_line() {
    let dir = tempfile::tempdir().unwrap();
    let scenario = project("scenarios/benign/healthy.yaml")
        .display()
        .to_string();
    let text =
        "groups:\n- name: g\n  rules:\n  - alert: A\n    expr: sum(rate(x[5m])\n    fro: 1m\n";
    fs::write(dir.path().join("r.yml"), text).unwrap();
    let (code, out, err) = run(
        dir.path(),
        &["run", "--rules", "r.yml", &scenario, "missing.yaml"],
    );
    assert_eq!((code, out.as_str()), (Some(2), ""));
    assert!(
        err.contains("r.yml:5:") && err.contains("r.yml:6:5: unknown key `fro`"),
        "{err}"
    );
    assert!(
        err.contains("missing.yaml: "),
        "the scenarios' problems come with the rules': {err}"
    );
    assert!(!dir.path().join("runs").exists());
}

#[test]
fn without_redis_there_is_one_message_with_two_ways_out() {
    let dir = tempfile::tempdir().unwrap();
    let scenario = project("scenarios/benign/healthy.yaml")
        .display()
        .to_string();
    let rules = project("scenarios/rules/runbook.yml").display().to_string();
    let output = firedrill()
        .current_dir(dir.path())
        .args(["run", "--redis", "local", "--rules", &rules, &scenario])
        .env("PATH", dir.path())
        .output()
        .unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(7), "{err}");
    assert_eq!(err.matches("error:").count(), 1);
    assert!(
        err.contains("apt-get install redis-server") && err.contains("Docker"),
        "{err}"
    );
}

#[test]
fn plan_shows_defaults_faults_and_undo_steps() {
    let scenario = project("scenarios/worker-crashed/worker-crash-all.yaml")
        .display()
        .to_string();
    let (code, out, _) = run(Path::new("."), &["plan", &scenario]);
    assert_eq!(code, Some(0));
    insta::assert_snapshot!(out);
    let (_, seeded, _) = run(
        Path::new("."),
        &["plan", "--json", "--seed", "99", &scenario],
    );
    let plan: firedrill_sim::plan::Plan = serde_json::from_str(&seeded).unwrap();
    assert_eq!(plan.seed, 99);
}

#[test]
fn help_names_the_verbs_and_the_exit_codes() {
    let (code, out, _) = run(Path::new("."), &["--help"]);
    assert_eq!(code, Some(0));
    insta::assert_snapshot!(out);
    let (code, _, err) = run(Path::new("."), &["run"]);
    assert_eq!(code, Some(2), "{err}");
    let (code, _, err) = run(Path::new("."), &["run", "--speed", "0", "x.yaml"]);
    assert_eq!(code, Some(2));
    assert!(err.contains("'0' for '--speed <N>'"), "{err}");
}

#[test]
fn what_is_no_record_is_said_to_be_none() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(
        dir.path().join("x.jsonl"),
        "{\"kind\":\"header\",\"format\":\"firedrill-record/9.0\"}\n",
    )
    .unwrap();
    fs::write(dir.path().join("y.jsonl"), "hello\n").unwrap();
    let (code, _, err) = run(dir.path(), &["score", "x.jsonl"]);
    assert_eq!(code, Some(2));
    assert!(err.contains("written as firedrill-record/9.0"), "{err}");
    let (code, _, err) = run(dir.path(), &["score", "y.jsonl"]);
    assert_eq!(code, Some(2));
    assert!(err.contains("line 1 is damaged"), "{err}");
}

#[test]
fn a_signal_ends_virtual_drills_with_its_own_code() {
    for (signal, code) in [("-INT", 130), ("-TERM", 143)] {
        let dir = tempfile::tempdir().unwrap();
        let mut child = firedrill()
            .current_dir(dir.path())
            .args(["run", "--engine", "virtual", "--trials", "2000", "--rules"])
            .arg(project("scenarios/rules/runbook.yml"))
            .arg(project("scenarios/benign/healthy.yaml"))
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        // Its first line comes when it listens for signals, before the first drill.
        let mut line = String::new();
        let mut talk = std::io::BufReader::new(child.stderr.take().unwrap());
        std::io::BufRead::read_line(&mut talk, &mut line).unwrap();
        assert!(line.contains("2000 virtual drills"), "{line}");
        let sent = std::process::Command::new("kill")
            .args([signal, &child.id().to_string()])
            .status()
            .unwrap();
        assert!(sent.success());
        assert_eq!(child.wait().unwrap().code(), Some(code), "{signal}");
    }
}
