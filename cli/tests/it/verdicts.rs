//! What a verdict goes by: who pages, when somebody was told, and what was on before anything was wrong.

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
fn a_page_about_another_queue_detects_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let rule = "  - { alert: TooOld, expr: 'max by (queue) (asynq_queue_latency_seconds) > 120', for: 1m, labels: { severity: critical } }\n";
    rules(dir.path(), "", rule);
    // A batch waits long in `nightly`, as it may, while `interactive` is a little too slow.
    own_scenario(
        dir.path(),
        "other-queue",
        50,
        "\
queues:
  nightly: { priority: 1, wait_objective: 4h }
  interactive: { priority: 1, wait_objective: 10s }
workload:
  - { task: batch, queue: nightly, arrivals: { burst: { count: 3000, at: 20m } }, service: { constant: 1s } }
  - { task: click, queue: interactive, arrivals: { constant: 4/s }, service: { constant: 1s } }
workers:
  - { name: fast, processes: 1, concurrency: 6, queues: [interactive] }
  - { name: slow, processes: 1, concurrency: 5, queues: [nightly] }
timeline:
  - { at: 20m, fault: handler.slow, task: click, factor: 1.7, until: { at: 30m } }
incidents:
  - { cause: slow-jobs, wanted: page, within: 5m }
",
    );
    let (code, drill) = own_drill(dir.path(), "other-queue");
    assert_eq!(code, Some(1), "{drill}");
    let incident = &drill["incidents"][0];
    assert_eq!(incident["outcome"], "missed", "{incident}");
    assert!(incident["detection"].is_null(), "{incident}");
    let episodes = drill["episodes"].as_array().unwrap();
    assert!(
        !episodes.is_empty(),
        "the batch's page fired while the incident was on"
    );
}

/// Two queues, each with a worker of its own.
const APART: &str = "\
queues: { a: { priority: 1, wait_objective: 60s }, b: { priority: 1, wait_objective: 60s } }
workers:
  - { name: a, processes: 1, concurrency: 5, queues: [a] }
  - { name: b, processes: 1, concurrency: 2, queues: [b] }
";

#[test]
fn an_incident_is_not_seen_by_what_looks_at_a_queue_it_cannot_harm() {
    let dir = tempfile::tempdir().unwrap();
    // Jobs come to b at once and are late while the worker of a is dead, which serves no other queue.
    let body = format!(
        "{APART}\
workload:
  - {{ task: a, queue: a, arrivals: {{ poisson: 2/s }}, service: {{ constant: 500ms }} }}
  - {{ task: b, queue: b, arrivals: {{ burst: {{ count: 300, at: 20m10s }} }}, service: {{ constant: 1s }} }}
timeline:
  - {{ at: 20m, fault: worker.kill, select: [a-0], until: {{ at: 30m, remedy: worker.restart }} }}
incidents:
  - {{ cause: worker-crashed, wanted: page, within: 3m }}
"
    );
    own_scenario(dir.path(), "elsewhere", 50, &body);
    for expr in [
        "max by (queue) (asynq_queue_size{queue=\"b\"}) > 100",
        "sum(asynq_queue_size{queue=\"b\"}) > 100",
    ] {
        let rule =
            format!("  - {{ alert: Deep, expr: '{expr}', labels: {{ severity: critical }} }}\n");
        rules(dir.path(), "", &rule);
        let (code, drill) = own_drill(dir.path(), "elsewhere");
        assert_eq!(code, Some(1), "{drill}");
        let incident = &drill["incidents"][0];
        assert_eq!(incident["outcome"], "missed", "{expr}: {incident}");
        assert!(!drill["episodes"].as_array().unwrap().is_empty(), "{expr}");
    }
}

#[test]
fn of_incidents_of_two_queues_an_alert_saw_that_of_its_queue() {
    let dir = tempfile::tempdir().unwrap();
    let body = format!(
        "{APART}\
workload:
  - {{ task: a, queue: a, arrivals: {{ poisson: 2/s }}, service: {{ constant: 500ms }} }}
  - {{ task: b, queue: b, arrivals: {{ poisson: 2/s }}, service: {{ constant: 500ms }} }}
timeline:
  - {{ id: one, at: 20m, fault: worker.kill, select: [a-0], until: {{ at: 40m, remedy: worker.restart }} }}
  - {{ id: two, at: 21m, fault: worker.kill, select: [b-0], until: {{ at: 40m, remedy: worker.restart }} }}
incidents:
  - {{ cause: worker-crashed, of: one, wanted: page, within: 3m }}
  - {{ cause: worker-crashed, of: two, wanted: page, within: 3m }}
"
    );
    own_scenario(dir.path(), "two-queues", 60, &body);
    let rule = "  - { alert: Deep, expr: 'asynq_queue_size{queue=\"a\"} > 150', labels: { severity: critical } }\n";
    rules(dir.path(), "", rule);
    let (code, drill) = own_drill(dir.path(), "two-queues");
    assert_eq!(code, Some(1), "{drill}");
    let outcomes: Vec<&str> = drill["incidents"]
        .as_array()
        .unwrap()
        .iter()
        .map(|incident| incident["outcome"].as_str().unwrap())
        .collect();
    assert_eq!(outcomes, ["in_time", "missed"], "{drill}");
    let harmed: Vec<u64> = drill["incidents"]
        .as_array()
        .unwrap()
        .iter()
        .map(|incident| incident["harmed_tasks"].as_u64().unwrap())
        .collect();
    // Nineteen minutes of two a second, and those that waited behind them.
    assert!(
        harmed.iter().all(|tasks| (2_000..5_000).contains(tasks)),
        "each its own queue's: {harmed:?}"
    );
}

#[test]
fn an_instance_of_another_queue_does_not_mask_the_right_one() {
    let dir = tempfile::tempdir().unwrap();
    let rule = "  - { alert: QueueIll, expr: 'max by (queue) (asynq_tasks_enqueued_total{state=\"retry\"}) > 100 or max by (queue) (asynq_queue_latency_seconds{queue=\"interactive\"}) > 60', for: 1m, labels: { severity: critical } }\n";
    let by_instance = "# firedrill: cause slow-jobs expects QueueIll{queue=\"interactive\"}\n# firedrill: cause retry-storm expects QueueIll{queue=\"nightly\"}";
    own_scenario(
        dir.path(),
        "two-causes",
        70,
        "\
queues:
  nightly: { priority: 1, wait_objective: 30m }
  interactive: { priority: 1, wait_objective: 60s }
workload:
  - { task: batch, queue: nightly, arrivals: { constant: 1/s }, service: { constant: 500ms } }
  - { task: click, queue: interactive, arrivals: { constant: 2/s }, service: { constant: 1s } }
workers:
  - { name: fast, processes: 1, concurrency: 5, queues: [interactive] }
  - { name: slow, processes: 1, concurrency: 5, queues: [nightly] }
timeline:
  - { at: 10m, fault: handler.fail, task: batch, share: 60%, until: { at: 65m } }
  - { at: 30m, fault: handler.slow, task: click, factor: 4, until: { at: 50m } }
incidents:
  - { cause: retry-storm, wanted: ticket, within: 20m, at: 10m, until: 65m }
  - { cause: slow-jobs, wanted: page, within: 10m, at: 30m, until: 50m }
",
    );
    for directives in ["", by_instance] {
        rules(dir.path(), directives, rule);
        let (_, drill) = own_drill(dir.path(), "two-causes");
        let slow = &drill["incidents"][1];
        assert_eq!(slow["outcome"], "in_time", "{directives} {slow}");
        let part = |name: &str| slow["detection"][name].as_f64().unwrap();
        let fired = part("signal_lag_seconds") + part("hold_seconds");
        assert!((180.0..330.0).contains(&fired), "{slow}");
        // The group is there since the retries, so that it is sent with its next flush.
        let delivery = part("delivery_seconds");
        assert!(delivery > 30.0 && delivery <= 300.0, "{slow}");
    }
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
