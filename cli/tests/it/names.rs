//! What can be named on the command line: built-ins, sets, files, folders, patterns; and what is said of all else.

use crate::support::{project, said};
use std::fs;
use std::path::Path;

/// A folder with `alerts/` and `drills/`, far from any checkout.
fn repository() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let copy = |from: &str, to: &str| {
        let to = dir.path().join(to);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(project(from), to).unwrap();
    };
    copy("scenarios/rules/runbook.yml", "alerts/a.yml");
    copy("detector/tests/promtool/alerts.yml", "alerts/a_test.yml");
    let more = "groups:\n- name: more\n  rules:\n  - alert: Deep\n    expr: asynq_queue_size > 1000\n    labels: \
                { severity: page }\n";
    fs::write(dir.path().join("alerts/b.yml"), more).unwrap();
    copy("scenarios/benign/healthy.yaml", "drills/healthy.yaml");
    copy(
        "scenarios/benign/benign-burst-drains.yaml",
        "drills/more/burst.yaml",
    );
    fs::create_dir(dir.path().join("empty")).unwrap();
    dir
}

/// Refused with these words, and nothing was begun.
fn refused(dir: &Path, args: &[&str], words: &[&str]) {
    let (code, _, err) = said(dir, args);
    assert_eq!(code, Some(2), "{args:?}: {err}");
    for word in words {
        assert!(err.contains(word), "{args:?}: {word} is not in {err}");
    }
    assert!(!dir.join("runs").exists(), "{args:?}");
}

/// The scenarios that ran, from the table of tasks.
fn ran(out: &str) -> Vec<&str> {
    let table = out.lines().skip_while(|line| !line.starts_with("TASKS"));
    let rows = table.skip(1).take_while(|line| !line.is_empty());
    rows.map(|line| line.split_whitespace().next().unwrap())
        .collect()
}

#[test]
fn a_name_and_the_built_in_rules_need_no_file() {
    let dir = tempfile::tempdir().unwrap();
    let (code, out, err) = said(
        dir.path(),
        &["run", "--engine", "virtual", "worker-crash-all"],
    );
    assert_eq!(code, Some(1), "{err}");
    assert_eq!(ran(&out), ["worker-crash-all"]);
    assert!(
        err.contains("rules: runbook.yml (built in); judge your own with --rules"),
        "{err}"
    );
    let record =
        fs::read_to_string(dir.path().join("runs/worker-crash-all/latest/record.jsonl")).unwrap();
    assert!(
        record
            .lines()
            .next()
            .unwrap()
            .contains("\"name\":\"runbook.yml (built in)\"")
    );
    // A record made so is judged again without any file, and under others.
    let (code, again, err) = said(dir.path(), &["score", "runs"]);
    assert_eq!((code, again), (Some(1), out), "{err}");
}

#[test]
fn sets_are_tags_and_each_scenario_runs_once() {
    let dir = tempfile::tempdir().unwrap();
    let args = [
        "run",
        "--engine",
        "virtual",
        "--no-gate",
        "-q",
        "@benign",
        "healthy",
        "@night",
    ];
    let (code, out, err) = said(dir.path(), &args);
    assert_eq!(code, Some(0), "{err}");
    let listed: serde_json::Value =
        serde_json::from_str(&said(dir.path(), &["list", "--json"]).1).unwrap();
    let listed = listed["scenarios"].as_array().unwrap().iter();
    let benign = listed.filter(|scenario| scenario["family"] == "benign");
    let mut benign: Vec<&str> = benign.filter_map(|file| file["name"].as_str()).collect();
    benign.sort_unstable();
    let mut all = ran(&out);
    all.sort_unstable();
    assert!(all.len() >= 11 && all.contains(&"healthy"), "{all:?}");
    assert_eq!(all, benign);
    let (code, out, _) = said(dir.path(), &["check", "@flagship"]);
    assert_eq!((code, out.lines().count()), (Some(0), 8));
    assert!(
        out.contains("ok worker-crash-all (built in): scenario"),
        "{out}"
    );
}

#[test]
fn what_a_shell_makes_of_rules_and_patterns_is_sorted_by_what_is_in_the_files() {
    let dir = repository();
    let dir = dir.path();
    // As a shell expands `--rules alerts/*.yml drills/*.yaml`.
    let args = [
        "run",
        "--engine",
        "virtual",
        "--rules",
        "alerts/a.yml",
        "alerts/a_test.yml",
        "alerts/b.yml",
        "drills/healthy.yaml",
    ];
    let (code, out, err) = said(dir, &args);
    assert_eq!(code, Some(0), "{err}");
    assert_eq!(ran(&out), ["healthy"]);
    assert!(
        out.contains("JobQueueBacklog") && out.contains("Deep"),
        "{out}"
    );
    assert!(
        err.contains("alerts/a_test.yml: a test file of promtool, not used here; `firedrill test rules alerts/a_test.yml` runs it"),
        "{err}"
    );
    // Folders, patterns that no shell expanded, and a scenario behind --rules.
    for rules in [
        vec!["--rules", "alerts"],
        vec!["--rules", "alerts/*.yml"],
        vec!["--rules", "alerts", "--rules", "drills/healthy.yaml"],
    ] {
        let args = [
            &["run", "--engine", "virtual", "-q"],
            rules.as_slice(),
            &["drills"],
        ]
        .concat();
        let (code, again, err) = said(dir, &args);
        assert_eq!((code, again), (Some(0), out.clone()), "{args:?}: {err}");
    }
    // Records are scored under files that stand among them.
    let (code, again, err) = said(
        dir,
        &[
            "score",
            "runs/healthy",
            "--rules",
            "alerts/a.yml",
            "alerts/b.yml",
        ],
    );
    assert_eq!((code, again), (Some(0), out), "{err}");
    let (code, out, err) = said(dir, &["check", "alerts", "drills", "drills/*"]);
    assert_eq!(code, Some(0), "{err}");
    let known = [
        "ok alerts/a.yml: 4 alerting",
        "ok alerts/b.yml: 1 alerting",
        "ok drills/healthy.yaml: scenario",
        "ok drills/more/burst.yaml: scenario",
    ];
    let shown: Vec<&str> = out.lines().collect();
    assert_eq!(shown.len(), known.len(), "{out}");
    assert!(
        shown
            .iter()
            .zip(known)
            .all(|(line, known)| line.starts_with(known)),
        "{out}"
    );
    // The tuned rule file is called as the built-in one.
    let (_, _, err) = said(
        dir,
        &[
            "tune",
            "--trials",
            "2",
            "--vary",
            "JobFailureRate.for=1m,2m",
            "retry-storm-dependency-down",
        ],
    );
    assert!(err.contains("/runbook.yml\n"), "{err}");
    let (code, out, err) = said(dir, &["plan", "drills", "worker-crash-all"]);
    assert_eq!(code, Some(0), "{err}");
    assert!(
        out.contains("name: healthy")
            && out.contains("\n---\nversion: firedrill/v1\nname: worker-crash-all"),
        "{out}"
    );
}

#[test]
fn what_is_nothing_or_does_not_belong_is_said_with_what_would_do() {
    let dir = repository();
    let dir = dir.path();
    let cases: &[(&[&str], &[&str])] = &[
        (
            &["run", "worker-crash-al"],
            &[
                "worker-crash-al: No such file",
                "did you mean the built-in `worker-crash-all`?",
            ],
        ),
        (
            &["run", "drills/helthy.yaml"],
            &["did you mean `drills/healthy.yaml`, or the built-in `healthy`?"],
        ),
        (
            &["run", "scenarios/healthy.yaml"],
            &["did you mean the built-in `healthy`?"],
        ),
        (
            &["plan", "nonsense"],
            &["no built-in scenario either: `firedrill list`"],
        ),
        (
            &["run", "@flagshp"],
            &[
                "no built-in scenario has this tag",
                "did you mean `@flagship`?",
                "@retry-storm",
            ],
        ),
        (&["run"], &["no scenario is named", "`firedrill list`"]),
        (
            &["run", "alerts/a.yml"],
            &["alerts/a.yml is a rule file, and no scenario is named"],
        ),
        (
            &["run", "empty"],
            &["empty: no scenario in this folder", "`firedrill init`"],
        ),
        (&["run", "."], &["there are some in ./drills"]),
        (
            &["fidelity", "alerts"],
            &[
                "no scenario in this folder, but 2 rule files and a test file of promtool",
                "--rules",
            ],
        ),
        (
            &["run", "--rules", "drills", "healthy"],
            &["drills: no rule file in this folder, but a scenario"],
        ),
        (
            &["run", "--rules", "drills/healthy.yaml"],
            &["--rules drills/healthy.yaml: there is no rule file among these"],
        ),
        (
            &["run", "--rules", "alerts/x*.yml", "healthy"],
            &["alerts/x*.yml: no file matches"],
        ),
        (
            &["run", "--rules", "alerts/c.yml", "healthy"],
            &["did you mean `alerts/a.yml`?"],
        ),
        (
            &["tune", "--vary", "A.for=1m", "empty"],
            &["empty: no record in this directory"],
        ),
        (
            &["tune", "--vary", "workers.w.processes=1..2", "alerts/a.yml"],
            &["no scenario is named"],
        ),
        (
            &["score", "healthy"],
            &["`healthy` is a built-in scenario: firedrill run healthy"],
        ),
        (
            &["score", "drills/healthy.yaml"],
            &["this is a scenario, and score takes records"],
        ),
        (&["score", "drills"], &["no record in this directory"]),
        // All of it at once.
        (
            &["run", "nonsense", "--rules", "alerts/x*.yml", "empty"],
            &[
                "nonsense",
                "alerts/x*.yml",
                "empty",
                "3 problems; nothing was started",
            ],
        ),
    ];
    for (args, words) in cases {
        refused(dir, args, words);
    }
    let record = project("reports/tests/it/records/short-crash-1.2.jsonl")
        .display()
        .to_string();
    refused(
        dir,
        &["run", &record],
        &["this is a record, not a scenario", "firedrill score"],
    );
    refused(dir, &["check", &record], &["this is a record", "--against"]);
}
