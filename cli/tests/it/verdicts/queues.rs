//! Whose queue a page is about.

use super::{own_drill, own_scenario, rules};

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
