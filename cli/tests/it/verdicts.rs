//! What a verdict goes by: who pages, when somebody was told, and what was on before anything was wrong.

mod queues;
mod rules;

use crate::support::firedrill;
use serde_json::Value;
use std::fs;
use std::path::Path;

fn run(dir: &Path, args: &[&str]) -> (Option<i32>, String, String) {
    let output = firedrill().current_dir(dir).args(args).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

/// A rule file of these rules, under comments for the scoring.
fn rules(dir: &Path, comments: &str, rules: &str) {
    let text = format!("{comments}\ngroups:\n- name: g\n  rules:\n{rules}");
    fs::write(dir.join("r.yml"), text).unwrap();
}

/// Simulates scenarios under `r.yml`; exit code, scorecard, and what was said beside it.
fn simulated(dir: &Path, scenarios: &[&str], more: &[&str]) -> (Option<i32>, Value, String) {
    let mut args = vec![
        "run", "--engine", "virtual", "--json", "--rules", "r.yml", "--quiet",
    ];
    args.extend(scenarios);
    args.extend(more);
    let (code, out, err) = run(dir, &args);
    (code, serde_json::from_str(&out).unwrap_or(Value::Null), err)
}

const FAILING: &str = "  - { alert: Failing, expr: 'sum(rate(job_processed_total{status=\"failed\"}[5m])) > 1', for: 3m, labels: { severity: critical } }\n";

#[test]
fn typos_in_who_pages_are_refused_before_anything_starts() {
    let dir = tempfile::tempdir().unwrap();
    rules(dir.path(), "", FAILING);
    let with = |more: &[&str]| {
        let mut args = vec!["run", "--engine", "virtual", "--rules", "r.yml", "healthy"];
        args.extend(more);
        run(dir.path(), &args)
    };
    for (pages, told) in [
        (
            "crtical",
            "--pages: no alert has the severity `crtical`; did you mean `critical`? the alerts have `critical`",
        ),
        ("", "--pages: a severity that pages is empty"),
        ("critical,", "--pages: a severity that pages is empty"),
    ] {
        let (code, out, err) = with(&["--pages", pages]);
        assert_eq!((code, out.as_str()), (Some(2), ""), "{pages}: {err}");
        assert!(err.contains(told), "{pages}: {err}");
    }
    rules(dir.path(), "# firedrill: pages = critical, page", FAILING);
    let (code, _, err) = with(&[]);
    assert_eq!(code, Some(2), "{err}");
    assert!(
        err.contains("r.yml:1:1: no alert has the severity `page`"),
        "{err}"
    );
    let (code, _, err) = run(dir.path(), &["check", "r.yml"]);
    assert_eq!(code, Some(2), "{err}");

    rules(dir.path(), "", &FAILING.replace("critical", "warning"));
    let (code, _, err) = with(&[]);
    assert_eq!(code, Some(2), "{err}");
    assert!(
        err.contains("none of the alerts would page") && err.contains("the alerts have `warning`"),
        "{err}"
    );
    let (code, _, err) = run(dir.path(), &["check", "r.yml"]);
    assert_eq!(code, Some(0), "a part of a pack need not page: {err}");
    assert!(!dir.path().join("runs").exists(), "nothing was started");
}

#[test]
fn a_page_is_judged_when_it_is_delivered() {
    let dir = tempfile::tempdir().unwrap();
    rules(dir.path(), "", FAILING);
    let drill = "retry-storm-dependency-down";
    let (_, card, err) = simulated(dir.path(), &[drill], &["--group-wait", "0s"]);
    let incident = |card: &Value| card["drills"][0]["incidents"][0].clone();
    let at_once = incident(&card);
    assert_eq!(at_once["outcome"], "in_time", "{err} {card}");
    assert_eq!(at_once["detection"]["delivery_seconds"], 0.0);
    let told = at_once["detection"]["from_fault_seconds"].as_f64().unwrap();
    let wanted =
        at_once["deadline_seconds"].as_f64().unwrap() - at_once["fault_seconds"].as_f64().unwrap();
    // So long that it is delivered one second after the deadline.
    let wait = format!("{}s", (wanted - told).floor() + 1.0);
    let record = format!("runs/{drill}/latest/record.jsonl");
    let scored = |more: &[&str]| {
        let mut args = vec!["score", "--json", &record];
        args.extend(more);
        let (code, out, err) = run(dir.path(), &args);
        let card: Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{err}"));
        (code, card)
    };
    let (code, card) = scored(&[]);
    assert_eq!(card["drills"][0]["group_wait_seconds"], 0.0, "the header's");
    assert_eq!((code, &incident(&card)), (Some(0), &at_once));
    let (code, card) = scored(&["--group-wait", &wait]);
    let late = incident(&card);
    assert_eq!(
        (code, &late["outcome"]),
        (Some(1), &Value::from("late")),
        "fired before the deadline, told after it"
    );
    assert_eq!(
        late["detection"]["hold_seconds"],
        at_once["detection"]["hold_seconds"]
    );
    let (_, out, _) = run(dir.path(), &["score", &record, "--group-interval", "7m"]);
    assert!(
        out.contains("group_wait 0s, group_interval 7m"),
        "named in the summary: {out}"
    );
}

/// A scenario of two queues with a worker of its own each; `queues`, `tasks`, timeline and incidents as given.
fn own_scenario(dir: &Path, name: &str, minutes: u32, body: &str) {
    let text = format!(
        "version: firedrill/v1\nname: {name}\nfamily: other\nsummary: Two queues.\nseed: 1\nduration: {minutes}m\nwarmup: 5m\n{body}"
    );
    fs::write(dir.join(format!("{name}.yaml")), text).unwrap();
}

/// The drill of a scenario of the directory, simulated under `r.yml`.
fn own_drill(dir: &Path, name: &str) -> (Option<i32>, Value) {
    let file = format!("{name}.yaml");
    let args = [
        "run", "--engine", "virtual", "--json", "--rules", "r.yml", &file,
    ];
    let (code, out, err) = run(dir, &args);
    let card: Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{err}"));
    (code, card["drills"][0].clone())
}

#[test]
fn a_page_that_is_over_before_it_is_sent_is_missed_with_a_word() {
    let dir = tempfile::tempdir().unwrap();
    rules(dir.path(), "", FAILING);
    let drill = "retry-storm-dependency-down";
    let args = ["--group-wait", "10h"];
    let (code, card, err) = simulated(dir.path(), &[drill], &args);
    assert_eq!(code, Some(1), "{err}");
    let incident = &card["drills"][0]["incidents"][0];
    assert_eq!(
        (&incident["outcome"], &incident["unsent"]),
        (&"missed".into(), &"Failing".into()),
        "{incident}"
    );
    assert!(card["drills"][0]["episodes"][0]["delivered_seconds"].is_null());
    let record = format!("runs/{drill}/latest/record.jsonl");
    let (_, out, _) = run(dir.path(), &["score", &record]);
    assert!(out.contains("MISSED, resolved before it was sent"), "{out}");
}

#[test]
fn comments_that_look_like_directives_and_misspelt_causes_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    for (comment, told) in [
        (
            "# Firedrill: no-data-ok Failing",
            "r.yml:1:1: `# Firedrill: no-data-ok Failing` looks like a directive",
        ),
        (
            "# firedrill cause slow-jobs expects Failing",
            "write `# firedrill: cause slow-jobs expects Failing`",
        ),
        (
            "# firedrill: no-dta-ok Failing",
            "r.yml:1:1: cannot read the directive",
        ),
        (
            "# firedrill: cause slow-job expects Failing",
            "r.yml:1:1: no incident has the cause `slow-job`",
        ),
    ] {
        rules(dir.path(), comment, FAILING);
        for args in [
            &["run", "--engine", "virtual", "--rules", "r.yml", "healthy"][..],
            &["check", "r.yml"],
        ] {
            let (code, _, err) = run(dir.path(), args);
            assert_eq!(code, Some(2), "{comment}: {err}");
            assert!(err.contains(told), "{comment}: {err}");
        }
    }
    assert!(!dir.path().join("runs").exists());
}

#[test]
fn without_the_gate_a_drill_that_proves_nothing_is_not_excused() {
    let dir = tempfile::tempdir().unwrap();
    rules(dir.path(), "", FAILING);
    let (code, ..) = simulated(dir.path(), &["worker-crash-all"], &["--no-gate"]);
    assert_eq!(code, Some(0), "what was missed is");
    let record = dir.path().join("runs/worker-crash-all/latest/record.jsonl");
    let text = fs::read_to_string(&record).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    // Cut short: its last line is gone.
    let cut = lines[..lines.len() - 1].join("\n") + "\n";
    fs::write(dir.path().join("cut.jsonl"), cut).unwrap();
    let whole = record.display().to_string();
    for (records, exit) in [
        (vec!["cut.jsonl"], 3),
        (vec!["cut.jsonl", &whole], 3),
        (vec![&*whole], 0),
    ] {
        let mut args = vec!["score", "--no-gate"];
        args.extend(records.iter().copied());
        let (code, out, err) = run(dir.path(), &args);
        assert_eq!(code, Some(exit), "{records:?}: {out} {err}");
    }
}

#[test]
fn a_copy_of_a_record_is_no_other_drill() {
    let dir = tempfile::tempdir().unwrap();
    rules(dir.path(), "", FAILING);
    simulated(dir.path(), &["healthy"], &[]);
    let record = dir.path().join("runs/healthy/latest/record.jsonl");
    let text = fs::read_to_string(&record).unwrap();
    fs::write(dir.path().join("copy.jsonl"), &text).unwrap();
    simulated(dir.path(), &["healthy"], &["--seed", "77"]);
    let whole = record.display().to_string();
    let args = ["score", "--json", "copy.jsonl", &whole, "copy.jsonl"];
    let (_, out, err) = run(dir.path(), &args);
    let card: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        card["drills"].as_array().unwrap().len(),
        2,
        "another seed: {err}"
    );
    fs::write(dir.path().join("again.jsonl"), &text).unwrap();
    let (_, out, err) = run(
        dir.path(),
        &["score", "--json", "copy.jsonl", "again.jsonl"],
    );
    let card: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(card["drills"].as_array().unwrap().len(), 1);
    assert!(
        err.contains("again.jsonl is a copy of copy.jsonl: the drill counts once"),
        "{err}"
    );
    let rules = dir.path().join("r.yml").display().to_string();
    for args in [
        ["report", "-o", "out.html", "copy.jsonl", "again.jsonl"],
        ["check", &rules, "--against", "copy.jsonl", "again.jsonl"],
    ] {
        let (_, out, err) = run(dir.path(), &args);
        assert!(
            err.contains("again.jsonl is a copy of copy.jsonl: the drill counts once"),
            "{args:?}: {out}{err}"
        );
    }
}
