//! At home anywhere: in a folder with nothing but `alerts/` and `drills/`, as the README says it, with the real binary.

use crate::support::{need, said};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// What it prints when all is well.
fn printed(dir: &Path, args: &[&str]) -> String {
    let (code, out, err) = said(dir, args);
    assert_eq!(code, Some(0), "{args:?}: {err}");
    out
}

#[test]
fn what_init_writes_passes_check_and_run() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let (code, out, err) = said(dir, &["init"]);
    assert_eq!(code, Some(0), "{err}");
    let files = [
        "drills/workers-die.yaml",
        "alerts/job-queue.yml",
        ".github/workflows/firedrill.yml",
        "drills/scenario.schema.json",
    ];
    for file in files {
        assert!(out.contains(&format!("wrote: ./{file}")), "{out}");
    }
    // What to run next does what it says.
    let next: Vec<&str> = err
        .lines()
        .filter_map(|line| line.trim().strip_prefix("firedrill "))
        .collect();
    assert_eq!(next.len(), 3, "{err}");
    for line in &next[..2] {
        let words: Vec<&str> = line.split('#').next().unwrap().split_whitespace().collect();
        printed(dir, &words);
    }
    assert_eq!(
        next[2].split('#').next().unwrap().trim(),
        "run --rules alerts drills"
    );
    // The CI file is YAML whose every firedrill line can be typed.
    let ci = fs::read_to_string(dir.join(files[2])).unwrap();
    let lines = ci
        .lines()
        .filter_map(|line| line.split_once("run: firedrill "))
        .map(|(_, line)| line);
    assert_eq!(lines.clone().count(), 3);
    for line in lines {
        let words: Vec<&str> = line.split('#').next().unwrap().split_whitespace().collect();
        let (verb, rest) = words.split_first().unwrap();
        assert!(["check", "run"].contains(verb), "{line}");
        assert!(
            rest.contains(&"alerts") && rest.contains(&"drills"),
            "{line}"
        );
    }
    // Nothing that is there is touched, not even half of it.
    fs::write(dir.join(files[1]), "mine").unwrap();
    fs::remove_file(dir.join(files[0])).unwrap();
    let out = printed(dir, &["init", "."]);
    assert!(
        out.contains("left as it is: ./alerts/job-queue.yml")
            && out.contains("wrote: ./drills/workers-die.yaml"),
        "{out}"
    );
    assert_eq!(fs::read_to_string(dir.join(files[1])).unwrap(), "mine");
    // Elsewhere.
    let (_, out, err) = said(dir, &["init", "my team"]);
    assert!(
        out.contains("wrote: my team/alerts/job-queue.yml") && err.contains("cd 'my team'"),
        "{out}{err}"
    );
    fs::write(dir.join("file"), "").unwrap();
    let (code, _, err) = said(dir, &["init", "file"]);
    assert_eq!(code, Some(7), "{err}");
}

#[test]
fn a_drill_of_ones_own_runs_for_real_outside_of_any_checkout() {
    need!("redis-server");
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    printed(dir, &["init", "-q"]);
    // As written it takes most of a minute; here it is shorter, and slow enough for a busy machine.
    let drill = dir.join("drills/workers-die.yaml");
    let text = fs::read_to_string(&drill).unwrap();
    let short = text
        .replace("duration: 45m ", "duration: 9m\nwarmup: 2m ")
        .replace("at: 15m", "at: 3m")
        .replace("at: 30m", "at: 7m");
    assert!(!short.contains("30m") && short.contains("warmup"));
    fs::write(&drill, short).unwrap();
    let (code, out, err) = said(
        dir,
        &["run", "--speed", "15", "--rules", "alerts", "drills"],
    );
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(
        out.contains("workers-die") && out.contains("WorkersDown"),
        "{out}"
    );
    assert!(dir.join("runs/workers-die/latest/report.html").is_file());
}

#[test]
fn what_is_built_in_is_listed_and_shown_as_it_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let list = printed(dir.path(), &["list"]);
    insta::assert_snapshot!(list);
    let json: serde_json::Value =
        serde_json::from_str(&printed(dir.path(), &["list", "--json"])).unwrap();
    let scenarios = json["scenarios"].as_array().unwrap();
    let crash = scenarios
        .iter()
        .find(|scenario| scenario["name"] == "worker-crash-all")
        .unwrap();
    assert_eq!(crash["causes"], serde_json::json!(["worker-crashed"]));
    assert_eq!(
        (&crash["duration_seconds"], &crash["flagship"]),
        (&4500.0.into(), &true.into())
    );
    let mut packs = json["rules"].as_array().unwrap().iter();
    let runbook = packs.find(|pack| pack["name"] == "runbook").unwrap();
    assert_eq!(runbook["alerts"].as_array().unwrap().len(), 4);
    for (name, file) in [
        ("worker-crash-all", "worker-crashed/worker-crash-all.yaml"),
        ("runbook", "rules/runbook.yml"),
    ] {
        let written = fs::read_to_string(crate::support::project("scenarios").join(file)).unwrap();
        assert_eq!(printed(dir.path(), &["show", name]), written);
    }
    let (code, _, err) = said(dir.path(), &["show", "worker-crash"]);
    assert_eq!(code, Some(2));
    assert!(
        err.contains("`worker-crash` is neither a built-in scenario nor a built-in rule pack")
            && err.contains("did you mean"),
        "{err}"
    );
}

/// The anchors of the headings of a page, and what stands below each.
fn sections(page: &str) -> BTreeMap<String, &str> {
    let parts = page.split("### ").skip(1);
    let parts = parts.map(|part| part.split_once('\n').unwrap());
    parts
        .map(|(name, text)| (name.to_ascii_lowercase(), text.trim()))
        .collect()
}

#[test]
fn alerts_lead_to_a_page_of_the_teams_that_says_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let page = printed(dir.path(), &["help", "alerts"]);
    let sections = sections(&page);
    let base = "https://wiki.example.com/alerts";
    for pack in ["firedrill", "firedrill-wiki-kubernetes"] {
        let rules = printed(dir.path(), &["show", pack, "--base-url", base]);
        fs::write(dir.path().join("rules.yml"), &rules).unwrap();
        printed(dir.path(), &["check", "rules.yml"]);
        let alerts = rules.matches("- alert: ").count();
        let links = rules
            .lines()
            .filter_map(|line| line.split_once("runbook_url: "));
        let links: Vec<&str> = links.map(|(_, link)| link).collect();
        assert!(alerts > 10 && links.len() == alerts, "{pack}: {rules}");
        for link in links {
            let anchor = link.strip_prefix(base).and_then(|at| at.strip_prefix('#'));
            let text = sections.get(anchor.unwrap());
            let says = text.unwrap_or_else(|| panic!("{link} leads nowhere"));
            assert!(
                says.starts_with("**Page.** ") || says.starts_with("**Ticket.** "),
                "{link}: {says}"
            );
        }
    }
    let (code, _, told) = said(dir.path(), &["show", "firedrill"]);
    assert_eq!(code, Some(0));
    assert!(told.contains("--base-url URL"), "{told}");
    for (words, says) in [
        (
            ["show", "runbook", "--base-url", base],
            "has no `runbook_url`",
        ),
        (
            ["show", "firedrill", "--base-url", "wiki"],
            "is no address of a page",
        ),
    ] {
        let (code, _, told) = said(dir.path(), &words);
        assert!(code == Some(2) && told.contains(says), "{told}");
    }
}

#[test]
fn without_a_word_it_says_what_to_try_first_and_that_works() {
    let dir = tempfile::tempdir().unwrap();
    let out = printed(dir.path(), &[]);
    insta::assert_snapshot!(out);
    let first = out
        .lines()
        .find_map(|line| line.trim().strip_prefix("firedrill run "))
        .unwrap();
    let words: Vec<&str> = ["run"]
        .into_iter()
        .chain(first.split_whitespace())
        .collect();
    let (code, out, err) = said(dir.path(), &words);
    assert_eq!(code, Some(1), "the runbook's rules miss incidents: {err}");
    assert!(
        out.contains("worker-crash-all") && out.contains("verdict"),
        "{out}"
    );
}

#[test]
fn there_is_help_on_every_command_and_on_the_columns() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let scorecard = printed(dir, &["help", "scorecard"]);
    let card = said(dir, &["run", "--engine", "virtual", "-q", "@flagship"]).1;
    let heads: Vec<&str> = card
        .lines()
        .filter(|line| line.starts_with("INCIDENT") && line.contains("wanted"))
        .collect();
    for column in heads[0]
        .split("  ")
        .map(str::trim)
        .filter(|column| !column.is_empty() && *column != "INCIDENT")
    {
        for part in column.split(", ") {
            assert!(scorecard.contains(part), "{part}: {scorecard}");
        }
    }
    assert!(printed(dir, &["help"]).contains("Exit codes:"));
    assert!(printed(dir, &["help", "run"]).contains("--engine"));
    assert!(printed(dir, &["help", "asynq"]).contains("asynq"));
    let (code, _, err) = said(dir, &["help", "scorcard"]);
    assert_eq!(code, Some(2));
    assert!(err.contains("did you mean `scorecard`?"), "{err}");
    for shell in ["bash", "zsh", "fish"] {
        assert!(
            printed(dir, &["completions", shell]).contains("firedrill"),
            "{shell}"
        );
    }
    assert!(printed(dir, &["man"]).contains(".TH firedrill 1"));
}

#[test]
fn the_hint_to_run_a_drill_again_can_be_pasted() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    printed(dir, &["init", "-q"]);
    fs::rename(
        dir.join("drills/workers-die.yaml"),
        dir.join("it's a drill.yaml"),
    )
    .unwrap();
    let rules = fs::read_to_string(dir.join("alerts/job-queue.yml")).unwrap();
    fs::write(
        dir.join("alerts/job-queue.yml"),
        rules.replace("for: 1m", "for: 20m"),
    )
    .unwrap();
    let args = [
        "run",
        "--engine",
        "virtual",
        "--trials",
        "3",
        "--rules",
        "alerts",
        "it's a drill.yaml",
    ];
    let (code, _, err) = said(dir, &args);
    assert_eq!(code, Some(1), "{err}");
    let line = err
        .lines()
        .find(|line| line.starts_with("firedrill run"))
        .unwrap();
    let words = shlex::split(line).unwrap();
    let words: Vec<&str> = words[1..].iter().map(String::as_str).collect();
    let (code, out, err) = said(dir, &words);
    assert_eq!(code, Some(1), "{line}: {err}");
    assert!(
        out.contains("workers-die") && out.contains("MISSED"),
        "{out}"
    );
}

#[test]
fn a_seed_below_zero_is_told_what_a_seed_is() {
    let dir = tempfile::tempdir().unwrap();
    for args in [
        ["run", "--seed", "-1", "healthy"],
        ["plan", "--seed", "-1", "healthy"],
    ] {
        let (code, _, err) = said(dir.path(), &args);
        assert_eq!(code, Some(2));
        assert!(
            err.contains("'-1'") && err.contains("must be a whole number from 0"),
            "{err}"
        );
    }
}

/// The pack inside the binary is a gate for single drills and small sets, too: rules without data there fail nothing.
#[test]
fn the_flagship_drills_pass_the_gate_under_firedrills_own_rules() {
    let dir = tempfile::tempdir().unwrap();
    let told = |scenario: &str| {
        let args = ["run", "--engine", "virtual", "--rules", "firedrill"];
        let (code, out, talk) = said(dir.path(), &[&args[..], &[scenario]].concat());
        assert_eq!(code, Some(0), "{out}\n{talk}");
        out
    };
    assert!(told("@flagship").contains("PASSED: all 5 incidents paged in time, no false page"));
    assert!(told("worker-crash-all").contains("PASSED"));
}
