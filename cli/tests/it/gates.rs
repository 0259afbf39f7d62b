//! Gates, known failures and baselines, with the real binary on simulated drills.

use crate::support::said;
use std::fs;
use std::path::Path;

fn written(dir: &Path, file: &str, text: &str) {
    fs::write(dir.join(file), text).unwrap();
}

/// Runs words, and expects this exit code.
#[track_caller]
fn ends(dir: &Path, code: i32, words: &str) -> (String, String) {
    let words: Vec<&str> = words.split(' ').collect();
    let (found, out, err) = said(dir, &words);
    assert_eq!(found, Some(code), "{words:?}: {out}{err}");
    (out, err)
}

#[test]
fn gates_hold_beside_what_always_fails_a_drill_and_known_failures_excuse_it() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    written(
        dir,
        "gate.yml",
        "gates:
  jobs_lost: count == 0
  jobs_enqueued: count > 1000
  detect_seconds{alert=\"JobFailureRateCritical\"}: p(95) < 5m
",
    );
    let run = "run -q --engine virtual retry-storm-dependency-down worker-crash-all";
    let (out, _) = ends(dir, 1, &format!("{run} --gate gate.yml"));
    assert!(out.contains("✓ jobs_lost: count == 0 "), "{out}");
    assert!(
        out.contains("3 of 3 gates held; worker-crash-all: nobody was told of worker-crashed"),
        "{out}"
    );
    ends(dir, 0, &format!("{run} --gate gate.yml --no-gate"));

    written(
        dir,
        "known.yml",
        "known: [{ cause: worker-crashed, reason: no rule yet, until: 9999-12-31 }, { alert: Nope, reason: gone, until: 9999-12-31 }]",
    );
    let (out, _) = ends(dir, 0, &format!("{run} --gate gate.yml,known.yml"));
    assert!(
        out.contains("~ worker-crash-all: nobody was told of worker-crashed")
            && out.contains("! alert Nope")
            && out.contains("matches nothing: no drill has it (known.yml:1)"),
        "{out}"
    );
    // A gate is no less one without the other.
    written(dir, "strict.yml", "gates: { jobs_enqueued: count == 0 }");
    ends(
        dir,
        1,
        &format!("{run} --gate strict.yml,known.yml --no-gate"),
    );
    // What nobody fails is said.
    let (out, _) = ends(
        dir,
        0,
        "score -q --gate known.yml --rules firedrill runs/worker-crash-all/latest",
    );
    assert!(
        out.contains("! cause worker-crashed")
            && out.contains("take it off the known failures (known.yml:1)"),
        "{out}"
    );
    written(
        dir,
        "expired.yml",
        "known: [{ incident: worker-crashed, reason: no rule yet, until: 2020-01-01 }]",
    );
    let (out, _) = ends(
        dir,
        1,
        "score -q --gate expired.yml runs/worker-crash-all/latest",
    );
    assert!(
        out.contains("known only until 2020-01-01: no rule yet"),
        "{out}"
    );
    let (out, _) = ends(
        dir,
        1,
        "score --json --gate expired.yml runs/worker-crash-all/latest",
    );
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(json["gates"]["verdict"], "failed");
    assert_eq!(json["gates"]["failings"][0]["name"], "worker-crashed");
}

#[test]
fn what_is_built_in_has_no_line_for_a_code_host_and_that_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let run = "run -q --engine virtual worker-crash-all --no-gate";
    let words = format!("{run} --sarif a.sarif --code-quality q.json --badge b.json");
    let words = words.replacen("run -q", "run", 1);
    let (_, err) = ends(dir, 0, &words);
    for option in ["--sarif", "--code-quality"] {
        assert!(err.contains(&format!("warning: {option}: ")), "{err}");
    }
    let badge = fs::read_to_string(dir.join("b.json")).unwrap();
    assert!(
        badge.contains("0 of 1 in time") && badge.contains("red"),
        "{badge}"
    );
    let (scenario, _) = ends(dir, 0, "show worker-crash-all");
    written(dir, "own.yaml", &scenario);
    let (_, err) = ends(
        dir,
        0,
        "run --engine virtual ./own.yaml --no-gate --sarif a.sarif",
    );
    // The scenario has a file now, the rules have none.
    assert!(err.contains("--sarif: 2 of 3 findings left out"), "{err}");
    let log = fs::read_to_string(dir.join("a.sarif")).unwrap();
    let log: serde_json::Value = serde_json::from_str(&log).unwrap();
    let result = &log["runs"][0]["results"][0];
    assert_eq!(result["level"], "warning");
    let place = &result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"];
    assert!(place.as_str().unwrap().ends_with("own.yaml"), "{log:#}");
}

#[test]
fn gates_of_a_scenario_are_about_its_drills_and_stand_in_its_record() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let (scenario, _) = ends(dir, 0, "show healthy");
    let gates = "gates:\n  jobs_lost: count == 0\n  jobs_enqueued: [count < 10, min > 0]\n";
    written(dir, "own.yaml", &(scenario + gates));
    let (out, _) = ends(dir, 1, "run -q --engine virtual ./own.yaml");
    assert!(
        out.contains("✗ healthy: jobs_enqueued: count < 10 "),
        "{out}"
    );
    assert!(out.contains("✓ healthy: jobs_enqueued: min > 0 "), "{out}");
    let (out, _) = ends(dir, 1, "score -q runs/healthy/latest");
    assert!(
        out.contains("✗ healthy: jobs_enqueued: count < 10 "),
        "{out}"
    );
    // A record says no other gates than its plan.
    let record = dir.join("runs/healthy/latest/record.jsonl");
    let text = fs::read_to_string(&record).unwrap();
    let changed = text.replacen(
        "\"jobs_enqueued: count < 10\"",
        "\"jobs_enqueued: count < 9\"",
        1,
    );
    assert_ne!(text, changed);
    fs::write(&record, changed).unwrap();
    ends(dir, 2, "score -q runs/healthy/latest");
}

#[test]
fn trials_are_judged_and_compared_with_those_of_other_rules() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let (rules, _) = ends(dir, 0, "show runbook");
    written(dir, "before.yml", &rules);
    // One alert waits for ten minutes more.
    let (head, tail) = rules.split_once("alert: JobFailureRateCritical").unwrap();
    let slower = format!(
        "{head}alert: JobFailureRateCritical{}",
        tail.replacen("for: 2m", "for: 12m", 1)
    );
    written(dir, "after.yml", &slower);
    written(
        dir,
        "gate.yml",
        "gates: { 'detect_seconds{alert=\"JobFailureRateCritical\"}': max <= baseline * 1.1 }",
    );
    let run = "run -q --engine virtual --no-gate --trials 6 --out";
    let (_, err) = ends(
        dir,
        2,
        &format!("{run} x --rules before.yml --gate gate.yml retry-storm-dependency-down"),
    );
    assert!(
        err.contains("gate.yml:1:") && err.contains("--baseline"),
        "{err}"
    );
    ends(
        dir,
        0,
        &format!("{run} base --rules before.yml retry-storm-dependency-down"),
    );
    let with = "--gate gate.yml --baseline base/trials/latest";
    ends(
        dir,
        0,
        &format!("{run} same --rules before.yml {with} retry-storm-dependency-down"),
    );
    let (out, _) = ends(
        dir,
        1,
        &format!("{run} new --rules after.yml {with} retry-storm-dependency-down"),
    );
    assert!(out.contains("WORSE than the baseline"), "{out}");
    assert!(
        out.contains("✗ detect_seconds{alert=\"JobFailureRateCritical\"}: max <= baseline * 1.1"),
        "{out}"
    );

    let (out, _) = ends(dir, 1, "compare base/trials/latest new/trials/latest");
    assert!(
        out.contains("WORSE") && out.contains("alert JobFailureRateCritical"),
        "{out}"
    );
    ends(dir, 0, "compare new/trials/latest base/trials/latest");
    let (out, _) = ends(
        dir,
        0,
        "compare --json base/trials/latest same/trials/latest",
    );
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    let mut changes = json["figures"].as_array().unwrap().iter();
    assert!(
        changes.all(|row| row["change"] == "same" && row["seeds"] == 6),
        "{out}"
    );

    // Other drills are refused before they are run.
    let (_, err) = ends(
        dir,
        2,
        &format!("{run} x --baseline base/trials/latest healthy"),
    );
    assert!(err.contains("no scenario in common"), "{err}");
    let figures = dir.join("base/trials/latest/figures.jsonl");
    let text = fs::read_to_string(&figures).unwrap();
    fs::write(&figures, text.replacen("duration: ", "duration: 1", 1)).unwrap();
    let (_, err) = ends(
        dir,
        2,
        &format!("{run} x --baseline base/trials/latest retry-storm-dependency-down"),
    );
    assert!(err.contains("`duration` differs"), "{err}");
    fs::write(&figures, &text[..text.len() / 2]).unwrap();
    let (_, err) = ends(dir, 2, "compare base/trials/latest new/trials/latest");
    assert!(
        err.contains("figures.jsonl") && err.contains("cut off"),
        "{err}"
    );
}

#[test]
fn records_are_a_baseline_too_and_few_seeds_prove_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    ends(dir, 1, "run -q --engine virtual worker-crash-all");
    // A record, a directory with figures, and such a file by another name are the same run; of one seed nobody can tell.
    fs::copy(
        dir.join("runs/sets/latest/figures.jsonl"),
        dir.join("main.jsonl"),
    )
    .unwrap();
    for base in ["runs/worker-crash-all/latest", "main.jsonl"] {
        let (out, _) = ends(dir, 3, &format!("compare {base} runs/sets/latest"));
        let said = "worker-crash-all has 1; 0 better, 0 not proven, ";
        assert!(out.contains(said) && !out.contains("may be worse"), "{out}");
    }
    ends(
        dir,
        0,
        "run -q --engine virtual --no-gate --out other --rules firedrill worker-crash-all",
    );
    // Nor is what looks worse proven.
    let (out, _) = ends(dir, 3, "compare other runs");
    assert!(
        out.contains("INCONCLUSIVE") && out.contains("common seeds"),
        "{out}"
    );
}

#[test]
fn everything_a_gate_can_say_is_explained() {
    let dir = tempfile::tempdir().unwrap();
    let (out, _) = ends(dir.path(), 0, "help gates");
    insta::assert_snapshot!(out);
}

#[test]
fn files_for_pipelines_go_into_folders_that_are_made_and_a_run_is_judged_again_by_the_name_of_its_set()
 {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let files = [
        ("--junit", "a/junit.xml"),
        ("--summary", "b/summary.md"),
        ("--sarif", "c/it.sarif"),
        ("--code-quality", "d/quality.json"),
        ("--benchmark-smaller", "e/smaller.json"),
        ("--benchmark-bigger", "f/bigger.json"),
        ("--bencher", "g/bencher.json"),
        ("--badge", "h/badge.svg"),
    ];
    let options: Vec<String> = files
        .map(|(option, file)| format!("{option} {file}"))
        .into();
    let run = "run --engine virtual --no-gate worker-crash-all healthy";
    ends(dir, 0, &format!("{run} {}", options.join(" ")));
    for (option, file) in files {
        assert!(dir.join(file).is_file(), "{option}");
    }
    let (set, _) = ends(dir, 0, "score --no-gate runs/sets/latest");
    let (drills, _) = ends(
        dir,
        0,
        "score --no-gate runs/worker-crash-all/latest runs/healthy/latest",
    );
    assert_eq!(set, drills);
    ends(dir, 0, "report runs/sets/latest -o i/report.html");
    assert!(dir.join("i/report.html").is_file());
    // What is made of drills without naming them is told as that.
    ends(dir, 0, "run --engine virtual --no-gate --trials 2 healthy");
    let (_, told) = ends(dir, 2, "score runs/trials/latest");
    assert!(told.contains("made of drills"), "{told}");
}
