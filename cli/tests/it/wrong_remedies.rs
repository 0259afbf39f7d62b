//! Remedies that do not fit: refused where the truth would be another, told where they find nothing to do.

use crate::support::said;
use serde_json::Value;
use std::fs;
use std::path::Path;

/// A quarter of an hour of two workers; the rest is given.
fn scenario(task: &str, timeline: &str, rest: &str) -> String {
    format!(
        "\
version: firedrill/v1
name: s
family: worker-crashed
summary: s
duration: 15m
warmup: 1m
queues: {{ default: {{}} }}
workload:
  - {{ task: t, queue: default, arrivals: {{ constant: 2/s }}, service: {{ constant: 500ms }}{task} }}
workers:
  - {{ name: w, processes: 2, concurrency: 5 }}
timeline:
{timeline}{rest}"
    )
}

const KILLED: &str = "  - { id: dead, at: 3m, fault: worker.kill, select: all, until: { at: 8m, remedy: worker.restart } }\n";
const INCIDENT: &str = "incidents: [{ cause: worker-crashed, wanted: page, within: 4m }]\n";

fn run(dir: &Path, text: &str) -> (Option<i32>, Value, String) {
    fs::write(dir.join("s.yaml"), text).unwrap();
    let words = [
        "run",
        "--engine",
        "virtual",
        "--rules",
        "firedrill",
        "--json",
        "s.yaml",
    ];
    let (code, out, told) = said(dir, &words);
    (code, serde_json::from_str(&out).unwrap_or_default(), told)
}

#[test]
fn what_is_to_last_is_not_ended_before() {
    let dir = tempfile::tempdir().unwrap();
    for (step, says) in [
        (
            "remedy: worker.restart, select: all",
            "at 5m it would end `dead` (line 13), which lasts until 8m",
        ),
        (
            "remedy: worker.restart, select: [w-1]",
            "write a step for each part that ends on its own",
        ),
        (
            "remedy: worker.rollback, select: all",
            "at 5m it would start anew what `dead` (line 13) is done to",
        ),
    ] {
        let timeline = format!("{KILLED}  - {{ at: 5m, {step} }}\n");
        let (code, _, told) = run(dir.path(), &scenario("", &timeline, INCIDENT));
        assert_eq!(code, Some(2), "{told}");
        assert!(told.contains(says) && told.contains("s.yaml:14:"), "{told}");
    }
    // Nor at the moment at which it begins, when nobody can say which comes first.
    let timeline = format!("{KILLED}  - {{ at: 3m, remedy: worker.restart, select: all }}\n");
    let (code, _, told) = run(dir.path(), &scenario("", &timeline, INCIDENT));
    assert_eq!(code, Some(2), "{told}");
    assert!(told.contains("at 3m it would end `dead`"), "{told}");
    // A remedy with keys of its own is not told to stand in an `until`.
    let full = "  - { id: full, at: 3m, fault: redis.maxmemory, bytes: 64MB, until: { at: 8m } }\n";
    let timeline = format!("{full}  - {{ at: 5m, remedy: redis.raise-maxmemory, bytes: 1GB }}\n");
    let incident = INCIDENT.replace("worker-crashed", "resource-exhaustion");
    let text = scenario("", &timeline, &incident).replace("worker-crashed", "resource-exhaustion");
    let (code, _, told) = run(dir.path(), &text);
    assert_eq!(code, Some(2), "{told}");
    assert!(told.contains("leave `until` out there"), "{told}");
    // As it says.
    let timeline = "  - { at: 3m, fault: worker.kill, select: all }\n  - { at: 8m, remedy: worker.restart, select: all }\n";
    let (code, result, told) = run(dir.path(), &scenario("", timeline, INCIDENT));
    assert_eq!(code, Some(0), "{told}{result:#}");
}

#[test]
fn a_remedy_that_finds_nothing_to_do_is_told_and_nothing_is_in_doubt() {
    let dir = tempfile::tempdir().unwrap();
    for step in [
        "remedy: tasks.run, queue: default, state: archived",
        "remedy: orphans.repair, queue: default",
        "remedy: queue.unpause, queue: default",
    ] {
        let timeline = format!("{KILLED}  - {{ at: 10m, {step} }}\n");
        let (code, result, told) = run(dir.path(), &scenario("", &timeline, INCIDENT));
        assert_eq!(code, Some(0), "{step}: {told}{result:#}");
    }
}

#[test]
fn a_group_that_is_scaled_up_late_was_not_scraped_late() {
    let dir = tempfile::tempdir().unwrap();
    let timeline = "  - { at: 10m, remedy: workers.scale, worker: w, to: 3 }\n";
    let benign = "benign: [{ what: all of it, at: 2m }]\n";
    let text = scenario("", timeline, benign).replace("worker-crashed", "benign");
    let (code, result, told) = run(dir.path(), &text);
    assert_eq!(code, Some(0), "{told}{result:#}");
    // Nor is it a rule's fault that it looks back further than so short a drill.
    let short = &result["cut_short"];
    assert_eq!(
        short,
        &serde_json::json!(["AsynqSlotsLeaking"]),
        "{result:#}"
    );
}

#[test]
fn what_is_no_failure_passes_in_the_end_and_what_is_revoked_is_in_no_archive() {
    let dir = tempfile::tempdir().unwrap();
    let benign = "benign: [{ what: all of it, at: 2m }]\n";
    let audit = |kind: &str| {
        let task = format!(", fail: 10%, fail_as: {kind}");
        let text = scenario(&task, "", benign)
            .replace("worker-crashed", "benign")
            .replace("timeline:\n", "");
        let (code, result, told) = run(dir.path(), &text);
        assert!(matches!(code, Some(0 | 1)), "{told}");
        result["drills"][0]["audit"].clone()
    };
    let again = audit("not_a_failure");
    let count = |audit: &Value, what: &str| audit[what].as_u64().unwrap();
    // All but those of the last minute, of which some failed.
    assert!(count(&again, "succeeded") > 1_770, "{again:#}");
    let revoked = audit("revoke");
    let parts = (count(&revoked, "revoked"), count(&revoked, "archived"));
    assert!(parts.0 > 100 && parts.0 == parts.1, "{revoked:#}");
}

#[test]
fn a_page_about_what_a_remedy_did_is_no_false_one() {
    let dir = tempfile::tempdir().unwrap();
    let timeline = "  - { id: slow, at: 15m, fault: handler.slow, factor: 12, until: { at: 20m } }\n\
                    \x20 - { id: oops, at: 40m, remedy: workers.scale, worker: w, to: 0 }\n\
                    \x20 - { id: back, at: 50m, remedy: workers.scale, worker: w, to: 2 }\n";
    let incident = "incidents: [{ cause: slow-jobs, of: slow, wanted: page, within: 8m }]\n";
    let text = scenario("", timeline, incident).replace("worker-crashed", "slow-jobs");
    let text = text.replace("duration: 15m", "duration: 70m");
    let text = text.replace("default: {}", "default: { wait_objective: 30s }");
    let (code, result, told) = run(dir.path(), &text);
    assert_eq!(code, Some(3), "{told}{result:#}");
    let why = result.to_string();
    assert!(
        why.contains("while users were harmed by workers.scale on w")
            && why.contains("declare one with `at: 2400s"),
        "{why}"
    );
}

#[test]
fn what_clears_after_a_remedy_has_not_cleared_early() {
    let dir = tempfile::tempdir().unwrap();
    let timeline = "  - { id: k, at: 4m, fault: worker.kill, select: all, until: { at: 12m, remedy: worker.restart } }\n\
                    \x20 - { at: 7m, remedy: workers.scale, worker: w, to: 4 }\n";
    let text = scenario("", timeline, INCIDENT);
    let text = text.replace("duration: 15m", "duration: 20m");
    let text = text.replace("default: {}", "default: { wait_objective: 30s }");
    let (_, result, told) = run(dir.path(), &text);
    let incident = &result["drills"][0]["incidents"][0];
    assert!(incident.is_object(), "{told}{result:#}");
    assert_eq!(
        incident["self_resolved_seconds"],
        Value::Null,
        "{incident:#}"
    );
}
