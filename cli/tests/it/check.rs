//! `check` for machines: JSON and SARIF of what is found in files and records.

use crate::support::{project, said};
use serde_json::Value;
use std::fs;

/// A gauge's rate, and a range and a wait that are too short for what scrapes there are.
const RULES: &str = "\
groups:
- name: g
  rules:
  - alert: Growing
    expr: rate(asynq_queue_size[5m]) > 1
    for: 5s
    labels: { severity: page }
  - alert: Stalled
    expr: sum by (queue) (rate(job_processed_total[30s])) < 1
";

#[test]
fn machines_get_every_finding_with_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    fs::write(dir.join("r.yml"), RULES).unwrap();
    fs::write(
        dir.join("wrong.yml"),
        "groups:\n- name: g\n  rules:\n  - alert: A\n    expr: up\n    exp: up\n",
    )
    .unwrap();
    let (code, out, err) = said(dir, &["check", "--json", "r.yml", "wrong.yml"]);
    assert_eq!(code, Some(2), "{err}");
    let found: Value = serde_json::from_str(&out).unwrap();
    let rows: Vec<String> = found["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|found| {
            format!(
                "{}:{}:{}-{}:{} {} {} {}",
                found["file"],
                found["line"],
                found["column"],
                found["end_line"],
                found["end_column"],
                found["rule"],
                found["severity"],
                found["kind"]
            )
            .replace('"', "")
        })
        .collect();
    assert_eq!(
        rows,
        [
            "r.yml:6:10-6:12 Growing warning for_below_scrape",
            "r.yml:5:11-5:37 Growing warning gauge_rate",
            "r.yml:9:27-9:57 Stalled warning range_of_few_scrapes",
            "wrong.yml:6:5-null:null null error invalid",
        ]
    );
    assert_eq!(
        (&found["sound"], &found["files"][0]["file"]),
        (&false.into(), &"r.yml".into())
    );

    // The same places as SARIF, and what is wrong on standard error as ever.
    let (code, out, told) = said(dir, &["check", "--sarif", "r.yml", "wrong.yml"]);
    assert_eq!((code, &told), (Some(2), &err));
    let log: Value = serde_json::from_str(&out).unwrap();
    let results = log["runs"][0]["results"].as_array().unwrap();
    let last = &results[3]["locations"][0]["physicalLocation"];
    assert_eq!(last["artifactLocation"]["uri"], "wrong.yml");
    assert_eq!(
        (&last["region"]["startLine"], &last["region"]["startColumn"]),
        (&6.into(), &5.into())
    );

    // Sums over several exporters of one Redis.
    fs::write(
        dir.join("sum.yml"),
        "groups: [{ name: g, rules: [{ alert: Deep, expr: sum(asynq_queue_size) > 9 }] }]",
    )
    .unwrap();
    let (code, _, err) = said(dir, &["check", "sum.yml", "--strict"]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    let (code, _, err) = said(dir, &["check", "sum.yml", "--strict", "--exporters", "2"]);
    assert_eq!(code, Some(1));
    assert!(
        err.contains("Deep: `sum(asynq_queue_size)` counts every queue once for each exporter"),
        "{err}"
    );

    // Under scrapes that are often enough, and strictly.
    let quick = ["check", "r.yml", "--strict", "--scrape-interval", "5s"];
    let (code, _, err) = said(dir, &quick);
    assert_eq!(
        (code, err.matches("warning:").count()),
        (Some(1), 1),
        "{err}"
    );
    assert!(
        err.starts_with(
            "warning: r.yml:5:11: Growing: `rate(asynq_queue_size[5m])` asynq_queue_size is a gauge"
        ),
        "{err}"
    );
}

#[test]
fn scrapes_are_as_the_drill_has_them() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    fs::write(dir.join("r.yml"), RULES).unwrap();
    let healthy = project("scenarios/benign/healthy.yaml");
    let text = fs::read_to_string(healthy).unwrap();
    let seldom = text.replace("duration: ", "scrape: { interval: 1m }\nduration: ");
    fs::write(dir.join("s.yaml"), seldom).unwrap();
    let (code, _, err) = said(dir, &["check", "r.yml", "s.yaml"]);
    assert_eq!(code, Some(0), "{err}");
    assert!(
        err.contains("with a scrape every 1m, 30s hold one sample at most"),
        "{err}"
    );

    // What rules saw in a record stands beside what their text says.
    let (code, _, err) = said(
        dir,
        &[
            "run",
            "--engine",
            "virtual",
            "--no-gate",
            "--rules",
            "r.yml",
            "s.yaml",
        ],
    );
    assert_eq!(code, Some(0), "{err}");
    let (_, out, err) = said(
        dir,
        &[
            "check",
            "--json",
            "r.yml",
            "--against",
            "runs/healthy/latest",
        ],
    );
    let found: Value =
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}{err}"));
    let kinds: Vec<&str> = found["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|found| found["kind"].as_str().unwrap())
        .collect();
    assert!(kinds.contains(&"range_without_data"), "{kinds:?}");
    // And the record proves it.
    let stalled = &found["rules"][1];
    assert_eq!(
        (&stalled["rule"], &stalled["state"]),
        (&"Stalled".into(), &"cannot_fire".into()),
        "{stalled:#}"
    );
    assert!(kinds.contains(&"empty_side"), "{kinds:?}");
}

const ROUTES: &str = "\
# firedrill: pages = phone
receivers: [{ name: phone, pagerduty_configs: [{}] }, { name: chat, slack_configs: [{}] }]
route:
  receiver: chat
  routes: [{ receiver: phone, matchers: [severity=page, 'queue=~\"critical|default\"'] }]
inhibit_rules: [{ source_matchers: [alertname=Dead], target_matchers: [alertname=Deep], equal: [queue] }]
";

const ROUTED: &str = "\
groups:
- name: g
  rules:
  - { alert: Dead, expr: absent(up) > 0, for: 1m, labels: { severity: critical } }
  - { alert: Deep, expr: asynq_queue_size > 9, labels: { severity: page } }
  - { alert: Slow, expr: asynq_queue_size > 9, labels: { severity: page, queue: default } }
  - { alert: Low, expr: asynq_queue_size > 9, labels: { severity: info } }
";

#[test]
fn whom_alerts_reach_is_told_of_an_alertmanager_file() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    fs::write(dir.join("r.yml"), ROUTED).unwrap();
    fs::write(dir.join("am.yml"), ROUTES).unwrap();
    let args = ["check", "r.yml", "--alertmanager", "am.yml"];
    let (code, out, err) = said(dir, &args);
    assert_eq!(code, Some(0), "{err}");
    assert_eq!(
        out,
        "ok am.yml: Alertmanager, 2 receivers; those that page: phone\n\
         ok r.yml: 4 alerting rules\n\
         r.yml:4: Dead is sent to chat\n\
         r.yml:5: Deep is sent to one or more of phone (pages), chat, by labels of its series\n\
         r.yml:6: Slow is sent to phone (pages)\n\
         r.yml:7: Low is sent to chat\n"
    );
    assert!(
        err.starts_with(
            "warning: r.yml:4: Dead: should page by its severity `critical`, and am.yml sends it to chat only, which pages nobody\n"
        ) && err.matches("warning").count() == 1,
        "{err}"
    );
    let (code, out, _) = said(dir, &[&args[..], &["--json", "--strict"]].concat());
    assert_eq!(code, Some(1));
    let found: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(found["routes"][2]["receivers"][0]["certain"], true);
    assert_eq!(found["findings"][0]["kind"], "unpaged");

    // What is wrong with the file is told by its place.
    fs::write(
        dir.join("am.yml"),
        ROUTES.replace("receiver: chat", "receiver: shout"),
    )
    .unwrap();
    let (code, _, err) = said(dir, &args);
    assert!(code == Some(2) && err.contains("error: am.yml:4:"), "{err}");
}

#[test]
fn settings_are_tuned_by_what_an_alertmanager_sends() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let rules = "groups: [{ name: g, rules: [{ alert: Stalled, expr: max(asynq_queue_latency_seconds) > 30, labels: { severity: page } }] }]";
    fs::write(dir.join("r.yml"), rules).unwrap();
    let routes = "# firedrill: pages = phone\nreceivers: [{ name: phone, pagerduty_configs: [{}] }]\nroute: { receiver: phone, group_wait: WAIT }\n";
    let median = |wait: &str| {
        fs::write(dir.join("am.yml"), routes.replace("WAIT", wait)).unwrap();
        let scenario = project("scenarios/worker-crashed/worker-crash-all.yaml");
        let args = [
            "tune",
            scenario.to_str().unwrap(),
            "--rules",
            "r.yml",
            "--vary",
            "Stalled.for=0s,1m",
            "--trials",
            "3",
        ];
        let (_, out, err) = said(
            dir,
            &[
                &args[..],
                &["--json", "--whole-pack", "--alertmanager", "am.yml"],
            ]
            .concat(),
        );
        let found: Value =
            serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {err}"));
        let latency = &found["now"]["latency_median_seconds"];
        latency.as_f64().unwrap_or_else(|| panic!("{found:#}"))
    };
    // Whoever waits longer is told later.
    let later = median("2m") - median("30s");
    assert!((later - 90.0).abs() < 1e-6, "{later}");
}

#[test]
fn a_gate_file_is_held_against_the_rules_and_scenarios_beside_it() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let rules =
        "groups:\n- name: g\n  rules:\n  - { alert: Slow, expr: asynq_queue_size > 9, for: 1m }\n";
    fs::write(dir.join("r.yml"), rules).unwrap();
    let healthy = project("scenarios/benign/healthy.yaml");
    fs::copy(healthy, dir.join("healthy.yaml")).unwrap();
    let gates = "gates:\n  detect_seconds{alert=\"Slov\"}: med < 60\n  jobs_lost{scenario=\"healty\"}: count == -1\nknown:\n- { cause: deadlock, reason: a, until: 2020-01-31 }\n";
    fs::write(dir.join("gate.yml"), gates).unwrap();
    let (code, _, err) = said(dir, &["check", "--strict", "."]);
    assert_eq!(code, Some(1), "{err}");
    for told in [
        "gate.yml:2:33: `detect_seconds{alert=\"Slov\"}: med < 60` is about no alert named here\n    did you mean `Slow`?",
        "is about no scenario named here\n    did you mean `healthy`?",
        "can never hold: it is never below 0",
        "cause deadlock: was known until 2020-01-31",
    ] {
        assert!(err.contains(told), "{told}: {err}");
    }
    let (code, _, err) = said(dir, &["check", "gate.yml"]);
    assert_eq!(code, Some(0), "{err}");
    assert!(!err.contains("named here"), "{err}");
}

#[test]
fn what_checks_warn_of_stands_beside_what_rules_saw_in_records() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let rules = "groups:\n- name: g\n  rules:\n  - { alert: Raw, expr: asynq_tasks_failed_total > 0 }\n  - { alert: Fine, expr: asynq_queue_size > 9, for: 1m }\n";
    fs::write(dir.join("r.yml"), rules).unwrap();
    let (code, _, err) = said(
        dir,
        &[
            "run",
            "-q",
            "--engine",
            "virtual",
            "--no-gate",
            "worker-crash-all",
        ],
    );
    assert_eq!(code, Some(0), "{err}");
    let against = [
        "check",
        "r.yml",
        "--against",
        "runs/worker-crash-all/latest",
    ];
    let (_, out, err) = said(dir, &against);
    assert!(
        out.contains("r.yml:4): trap") && out.contains("warning: `asynq_tasks_failed_total > 0` "),
        "{out}"
    );
    assert!(out.contains("1 with a trap, 1 without findings"), "{out}");
    assert!(!err.contains("asynq_tasks_failed_total"), "{err}");
}

#[test]
fn gate_files_are_checked_like_all_others() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let good = "gates:\n  jobs_lost: count == 0\n  alert_recall: value >= 0.9\nknown:\n- { alert: X, reason: being rewritten, until: 2099-01-31 }\n";
    fs::write(dir.join("good.yml"), good).unwrap();
    let (code, out, err) = said(dir, &["check", "good.yml"]);
    assert_eq!(
        (code, out.as_str()),
        (Some(0), "ok good.yml: 2 gates, 1 known failure\n"),
        "{err}"
    );
    let bad = "gates:\n  jobs_lots: count == 0\n  jobs_late: count = 0\n";
    fs::write(dir.join("bad.yml"), bad).unwrap();
    // In a folder as by itself.
    for word in ["bad.yml", "."] {
        let (code, _, err) = said(dir, &["check", word]);
        assert_eq!(code, Some(2), "{err}");
        assert!(
            err.contains("bad.yml:2:3: ") && err.contains("did you mean `jobs_late`?"),
            "{err}"
        );
        assert!(err.contains("bad.yml:3:"), "{err}");
    }
    let (code, _, err) = said(dir, &["run", "good.yml"]);
    assert_eq!(code, Some(2), "{err}");
    assert!(
        err.contains("good.yml: this is a gate file") && err.contains("--gate good.yml"),
        "{err}"
    );
}

/// A periodic task with an id of its own that is archived once, so that all later ones are duplicates; and steps that do not fit together.
const ARCHIVED_BY_ID: &str = "\
version: firedrill/v1
name: taken-id
family: other
summary: A periodic task with a fixed id is archived once, and refused ever after.
seed: 1
duration: 60m
warmup: 5m
queues: { default: { priority: 1, wait_objective: 60s } }
workload:
  - { task: verify, queue: default, arrivals: { cron: '@every 1m' }, service: { constant: 2s }, task_id: verify, max_retry: 0 }
  - { task: sync, queue: default, arrivals: { constant: 1/s }, service: { constant: 200ms } }
workers:
  - { name: w, processes: 1, concurrency: 10 }
timeline:
  - { at: 20m, fault: handler.fail, task: verify, until: { at: 22m } }
  - { at: 30m, fault: redis.maxmemory, bytes: 10MB }
  - { at: 34m, fault: redis.failover, until: { at: 35m } }
incidents:
  - { cause: other, wanted: ticket, within: 10m }
";

#[test]
fn steps_that_do_not_fit_and_incidents_without_a_step_are_told_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let check = |text: &str| {
        fs::write(dir.join("s.yaml"), text).unwrap();
        said(dir, &["check", "s.yaml"])
    };
    let (code, _, err) = check(ARCHIVED_BY_ID);
    assert_eq!(code, Some(2));
    for told in [
        "s.yaml:17:",
        "redis.failover: Redis is limited already at 34m, by `redis.maxmemory` (line 16)",
        "s.yaml:19:",
        "3 steps can be behind other",
        "name one, such as `of: handler.fail`",
        "2 problems; nothing was started",
    ] {
        assert!(err.contains(told), "{told}: {err}");
    }
    // How far the replica of a failover is behind has a default.
    let mended = ARCHIVED_BY_ID
        .replace("bytes: 10MB }", "bytes: 10MB, until: { at: 33m } }")
        .replace("cause: other,", "cause: other, of: handler.fail,");
    let (code, out, err) = check(&mended);
    assert_eq!(code, Some(0), "{err}");
    assert!(out.contains("ok s.yaml"), "{out}");
    let (_, plan, _) = said(dir, &["plan", "s.yaml"]);
    assert!(plan.contains("lag: 1s"), "{plan}");
}
