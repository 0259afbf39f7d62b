//! Rules that always hold, and rules that never can.

use super::{FAILING, own_drill, own_scenario, rules, run, simulated};
use serde_json::Value;
use std::fs;
use std::path::Path;

/// Pages that are always on: no maximum makes the quotient infinite, and a number is there whatever happens.
const ALWAYS_ON: [&str; 2] = [
    "redis_memory_used_bytes / redis_memory_max_bytes > 0.9",
    "vector(1)",
];

fn always_on(dir: &Path, expr: &str, wait: &str) {
    let rule = format!(
        "  - {{ alert: AlwaysOn, expr: '{expr}', for: {wait}, labels: {{ severity: critical }} }}\n"
    );
    rules(dir, "", &rule);
}

#[test]
fn a_page_that_is_always_on_fails_the_gate_by_name() {
    let dir = tempfile::tempdir().unwrap();
    for expr in ALWAYS_ON {
        for wait in ["0s", "5m", "20m", "35m"] {
            always_on(dir.path(), expr, wait);
            for set in [&["worker-crash-all"][..], &["healthy", "redis-outage"]] {
                let _ = fs::remove_dir_all(dir.path().join("runs"));
                let (code, card, err) = simulated(dir.path(), set, &[]);
                let what = format!("{expr} for {wait} on {set:?}: {err}");
                assert_eq!(code, Some(1), "{what}");
                assert_eq!(card["verdict"], "failed", "{what}");
                for drill in card["drills"].as_array().unwrap() {
                    assert_eq!(drill["verdict"], "failed", "{what}");
                    for incident in drill["incidents"].as_array().unwrap() {
                        assert!(incident["detection"].is_null(), "{what}: {incident}");
                    }
                }
            }
        }
    }
    let dir = tempfile::tempdir().unwrap();
    always_on(dir.path(), ALWAYS_ON[0], "5m");
    let (_, card, _) = simulated(dir.path(), &["redis-outage"], &[]);
    assert_eq!(
        card["always_firing"][0], "AlwaysOn",
        "its series vanished for a while"
    );
    let standing = &card["drills"][0]["standing"];
    assert_eq!(standing.as_array().unwrap().len(), 1, "one alarm");
    assert!(standing[0]["end_seconds"].is_null());
    let record = "runs/redis-outage/latest/record.jsonl";
    let (code, out, _) = run(dir.path(), &["score", record]);
    assert_eq!(code, Some(1));
    assert!(
        out.contains("redis-outage: AlwaysOn was on before anything was wrong"),
        "{out}"
    );
    let (code, ..) = simulated(dir.path(), &["healthy"], &["--trials", "3"]);
    assert_eq!(code, Some(1), "under many seeds, too");
}

#[test]
fn a_ticket_that_is_always_on_is_named_and_fails_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let ticket =
        "  - { alert: Ticket, expr: 'vector(1)', labels: { severity: info } }\n".to_owned();
    rules(dir.path(), "", &(ticket + FAILING));
    let (code, card, err) = simulated(dir.path(), &["healthy"], &[]);
    assert_eq!(code, Some(0), "{err}");
    assert_eq!(card["always_firing"][0], "Ticket");
    assert_eq!(card["drills"][0]["standing"][0]["page"], false);
}

#[test]
fn a_rule_without_data_fails_the_gate_by_name_with_what_there_is() {
    let dir = tempfile::tempdir().unwrap();
    let dead = "  - { alert: Dead, expr: 'asynq_queue_sizes{queue=\"default\"} > 1000000', labels: { severity: critical } }\n".to_owned();
    let both = dead + FAILING;
    rules(dir.path(), "", &both);
    let (code, card, err) = simulated(dir.path(), &["healthy"], &[]);
    assert_eq!(code, Some(1), "{err}");
    assert_eq!(card["dead_rules"][0], "Dead");
    let rule = &card["diagnosis"]["rules"][0];
    assert_eq!(rule["rule"], "Dead");
    let hint = rule["findings"][0]["hint"].as_str().unwrap();
    assert!(hint.contains("did you mean asynq_queue_size?"), "{hint}");
    let (code, out, _) = run(dir.path(), &["score", "runs/healthy/latest/record.jsonl"]);
    assert_eq!(code, Some(1));
    assert!(out.contains("did you mean asynq_queue_size?"), "{out}");
    let (code, ..) = simulated(dir.path(), &["healthy"], &["--trials", "2"]);
    assert_eq!(code, Some(1));
    let dir = tempfile::tempdir().unwrap();
    rules(dir.path(), "# firedrill: no-data-ok Dead", &both);
    let (code, card, err) = simulated(dir.path(), &["healthy"], &[]);
    assert_eq!(code, Some(0), "{err} {card}");
    assert_eq!(card["never_had_data"][0], "Dead");
}

#[test]
fn check_against_names_alerts_that_always_hold() {
    let dir = tempfile::tempdir().unwrap();
    for (expr, hint) in [
        ("asynq_queue_size >= bool 0", "leave out `bool`"),
        ("vector(1)", "it compares nothing"),
        (ALWAYS_ON[0], "+Inf"),
    ] {
        always_on(dir.path(), expr, "0s");
        let _ = fs::remove_dir_all(dir.path().join("runs"));
        let (code, ..) = simulated(dir.path(), &["healthy", "benign-burst-drains"], &[]);
        assert_eq!(code, Some(1), "{expr}");
        let args = [
            "check",
            "--json",
            "r.yml",
            "--against",
            "runs/healthy/latest",
            "runs/benign-burst-drains/latest",
        ];
        let (code, out, err) = run(dir.path(), &args);
        assert_eq!(code, Some(1), "{expr}: {err}");
        let found: Value = serde_json::from_str(&out).unwrap();
        let rule = &found["rules"][0];
        assert_eq!(rule["state"], "always_holds", "{expr}: {rule}");
        let findings = rule["findings"].as_array().unwrap();
        let always = findings.iter().find(|f| f["kind"] == "always_held");
        let said = always.unwrap()["hint"].as_str().unwrap();
        assert!(said.contains(hint), "{expr}: {said}");
    }
}

#[test]
fn a_rule_that_can_never_fire_fails_the_gate_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let rule = |name: &str, expr: &str, wait: &str| {
        format!(
            "  - {{ alert: {name}, expr: '{expr}', for: {wait}, labels: {{ severity: critical }} }}\n"
        )
    };
    let many = "job_processed_total > on(instance) group_left() sum by (instance, status) (job_processed_total)";
    for (what, rules_text, comments, fails) in [
        (
            "a dead side",
            rule("Odd", "up == 0 and on(instance) nosuch2", "0s"),
            "",
            true,
        ),
        (
            "a dead side of a comparison",
            rule(
                "Odd",
                "job_processed_total > on(instance) job_processed_totl",
                "0s",
            ),
            "",
            true,
        ),
        (
            "excused",
            rule("Odd", "up == 0 and on(instance) nosuch2", "0s"),
            "# firedrill: no-data-ok Odd",
            false,
        ),
        (
            "either side",
            rule("Odd", "up == 0 or nosuch2 > 1", "0s"),
            "",
            false,
        ),
        (
            "but for",
            rule("Odd", "up == 0 unless nosuch2", "0s"),
            "",
            false,
        ),
        (
            "behind another of its name",
            rule("Failing", "nosuch2 > 1", "0s"),
            "",
            true,
        ),
        ("an error every time", rule("Odd", many, "0s"), "", true),
        (
            "always, and too long",
            rule("Odd", "vector(1)", "3h"),
            "",
            true,
        ),
        (
            "too long for this drill",
            rule("Odd", "up == 0", "3h"),
            "",
            false,
        ),
    ] {
        rules(dir.path(), comments, &(rules_text + FAILING));
        let _ = fs::remove_dir_all(dir.path().join("runs"));
        let (code, card, err) = simulated(dir.path(), &["healthy"], &[]);
        let wanted = if fails { 1 } else { 0 };
        assert_eq!(code, Some(wanted), "{what}: {err} {}", card["dead_rules"]);
        let name = if what.starts_with("behind") {
            "Failing"
        } else {
            "Odd"
        };
        let names = card["dead_rules"].as_array().unwrap();
        assert_eq!(names.iter().any(|dead| dead == name), fails, "{what}");
        let cut_short = card["cut_short"].as_array().unwrap();
        assert_eq!(
            cut_short.len(),
            usize::from(what.ends_with("this drill")),
            "{what}"
        );
        let (code, out, _) = run(dir.path(), &["score", "runs/healthy/latest/record.jsonl"]);
        assert_eq!(code, Some(wanted), "{what}: {out}");
        assert_eq!(
            out.contains("rules that fail the gate"),
            fails,
            "{what}: {out}"
        );
        let (code, ..) = simulated(dir.path(), &["healthy"], &["--trials", "2"]);
        assert_eq!(code, Some(wanted), "{what}, under two seeds");
    }
}

#[test]
fn a_harmless_drill_in_which_users_wait_or_nothing_comes_proves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let rule = "  - { alert: Down, expr: 'up == 0', labels: { severity: critical } }\n";
    rules(dir.path(), "", rule);
    let body = |from_until: &str, serves: &str| {
        format!(
            "queues: {{ mail: {{ priority: 1, wait_objective: 60s }}, other: {{ priority: 1, wait_objective: 60s }} }}\n\
             workload:\n  - {{ task: click, queue: mail, arrivals: {{ constant: 1/s{from_until} }}, service: {{ constant: 1s }} }}\n\
             workers:\n  - {{ name: w, processes: 1, concurrency: 5, queues: [{serves}] }}\n"
        )
    };
    for (name, body, told) in [
        ("well", body("", "mail"), None),
        (
            "unserved",
            body("", "other"),
            Some("the queue mail waited beyond its objective"),
        ),
        (
            "idle",
            body(", until: 3m", "mail"),
            Some("nothing was enqueued after the warm-up"),
        ),
    ] {
        own_scenario(dir.path(), name, 20, &body);
        let file = dir.path().join(format!("{name}.yaml"));
        let text = fs::read_to_string(&file).unwrap();
        fs::write(&file, text.replace("family: other", "family: benign")).unwrap();
        let (code, drill) = own_drill(dir.path(), name);
        assert_eq!(
            code,
            Some(if told.is_some() { 3 } else { 0 }),
            "{name}: {drill}"
        );
        let why = drill["inconclusive"].to_string();
        assert!(told.is_none_or(|told| why.contains(told)), "{name}: {why}");
    }
}
