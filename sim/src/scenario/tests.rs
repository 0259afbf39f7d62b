//! Every shipped scenario loads; bad ones are told everything that is wrong with them.

mod steps;

use super::*;
use crate::plan::Plan;
use proptest::prelude::*;
use steps::with_timeline;

pub(crate) fn plan_of(text: &str) -> Result<Plan, Vec<Problem>> {
    Plan::resolve(&Scenario::parse("s.yaml", text)?, &PlanOptions::default())
}

/// A small healthy plan with one kind of task that arrives as told.
pub(crate) fn plan_with_arrivals(arrivals: &str) -> Plan {
    let text = format!(
        "version: firedrill/v1\nname: t\nfamily: benign\nsummary: s\nduration: 10m\nqueues: {{ default: }}\n\
         workload: [{{ task: a, queue: default, arrivals: {arrivals}, \
         service: {{ lognormal: {{ mean: 500ms, p95: 1.3s }} }} }}]\n\
         workers: [{{ name: w, processes: 2, concurrency: 10 }}]\n"
    );
    plan_of(&text).unwrap()
}

pub(crate) fn shipped() -> Vec<(String, String)> {
    let all = crate::builtin::scenarios().into_iter();
    all.map(|file| (file.name.to_owned(), file.text.to_owned()))
        .collect()
}

#[test]
fn every_shipped_scenario_is_a_plan_that_says_the_same_when_written_out() {
    let files = shipped();
    assert!(files.len() >= 8);
    for (path, text) in files {
        let plan = plan_of(&text).unwrap_or_else(|problems| panic!("{path}: {problems:#?}"));
        assert_eq!(path, plan.name);
        let again =
            plan_of(&plan.to_yaml()).unwrap_or_else(|problems| panic!("{path}: {problems:#?}"));
        assert_eq!(again, plan, "{path}");
        let json = serde_json::to_string(&plan).unwrap();
        assert_eq!(serde_json::from_str::<Plan>(&json).unwrap(), plan, "{path}");
    }
}

#[test]
fn all_problems_of_form_at_once() {
    let text = "\
version: firedrill/v2
name: a b
family: worker-crash
summary: s
duration: 75
seeed: 4
queues: { default: { prio: 1 } }
workload:
  - { task: email:send, queue: default, arrivals: { poisson: 10 }, service: { lognormal: { mean: 1s, p95: 9s } } }
workers:
  - { name: w, processes: 0, concurrency: 10 }
timeline:
  - { at: 30m, fault: worker.kil, select: all }
";
    let faults: Vec<&str> = crate::fault::KINDS.iter().map(|kind| kind.name).collect();
    let found = report(text).replace(&faults.join(", "), "[every fault]");
    insta::assert_snapshot!(found, @r"
    s.yaml:1:10: version: expected `firedrill/v1`, found `firedrill/v2`
    s.yaml:2:7: name: expected 1 to 64 letters, digits or `-_.:`, found `a b`
    s.yaml:3:9: family: unknown `worker-crash`
        did you mean `worker-crashed`? accepted: worker-crashed, redis-down, slow-jobs, retry-storm, resource-exhaustion, deadlock, other, benign
    s.yaml:5:11: duration: expected a duration such as `90s`, `1h30m` or `500ms`, found `75`
    s.yaml:6:1: unknown key `seeed` in scenario
        did you mean `seed`? accepted: version, name, family, summary, tags, seed, starts, duration, warmup, queues, resources, workload, workers, world, scrape, evaluation, timeline, incidents, benign, gates
    s.yaml:7:22: unknown key `prio` in queue
        accepted: priority, wait_objective
    s.yaml:9:62: poisson: expected a rate above zero such as `10/s`, `30/m` or `500/h`, found `10`
    s.yaml:9:107: p95: expected more than the mean and less than 3.8 times it, found `9s`
    s.yaml:11:27: processes: expected a whole number from 1 to 64, found `0`
    s.yaml:13:23: fault: unknown `worker.kil`
        did you mean `worker.kill`? accepted: [every fault]
    ");
}

#[test]
fn all_that_does_not_fit_together_at_once() {
    let text = "\
version: firedrill/v1
name: t
family: deadlock
summary: s
duration: 60m
warmup: 40m
queues: { default: }
workload:
  - { task: a, queue: defualt, arrivals: { poisson: 10/s, from: 2h }, service: { constant: 1s } }
workers:
  - { name: w, processes: 2, concurrency: 10, queues: [low] }
timeline:
  - { at: 30m, fault: worker.kill, select: [w-0, w-7, w-0], until: { at: 20m, remedy: redis.start } }
  - { at: 31m, fault: redis.kill, until: { at: 32m } }
  - { at: 31m30s, fault: redis.kill, until: { at: 40m, remedy: redis.start } }
  - { at: 33m, fault: handler.fail, task: b }
  - { at: 2h, fault: handler.deadlock, select: { count: 5 } }
incidents:
  - { cause: deadlock, wanted: page, within: 4m, at: 30m, until: 30m }
";
    insta::assert_snapshot!(report(text), @r"
    s.yaml:6:9: warmup: lasts beyond the first incident or window (at 30m)
    s.yaml:9:23: there is no queue `defualt`
        did you mean `default`? accepted: default
    s.yaml:9:42: arrivals: `from` is not before `until`, so nothing arrives
    s.yaml:11:56: there is no queue `low`
        accepted: default
    s.yaml:13:50: there is no worker process `w-7`
        did you mean `w-0`? accepted: w-0, w-1
    s.yaml:13:55: select: `w-0` is named twice
        name each once
    s.yaml:13:74: worker.kill: ends at or before its start
        accepted: after 30m
    s.yaml:13:87: redis.start does not end worker.kill
        accepted: worker.restart
    s.yaml:14:42: redis.kill does not end by itself
        write `until: { at: ..., remedy: redis.start }`, or `until: end`
    s.yaml:15:26: redis.kill: Redis is down already at 31m30s, by `redis.kill` (line 14)
        that ends at 32m
    s.yaml:16:23: there is no task `b`
        did you mean `a`? accepted: a
    s.yaml:17:11: at: 2h is after the end of the drill (1h)
        accepted: up to 1h
    s.yaml:17:48: select: 5 processes, but the scenario has 2
        accepted: 1 to 2
    s.yaml:19:5: incident: ends at or before its start
    ");
}

#[test]
fn what_does_not_fit_is_told_along_with_what_is_wrong_with_the_form() {
    let text = "\
version: firedrill/v1
name: t
family: benign
summary: s
duration: 10m
seeed: 4
queues: { default: }
workload:
  - { task: a, queue: nobody, arrivals: { poisson: 10/s }, service: { lognormal: { mean: 500ms, p95: 1.3s } } }
workers:
  - { name: w, processes: 2, concurrency: 10, queus: [default] }
";
    let found = report(text);
    let heads: Vec<&str> = found
        .lines()
        .filter(|line| !line.starts_with(' '))
        .collect();
    assert_eq!(heads.len(), 3, "{found}");
    assert!(heads[0].contains("unknown key `seeed`"), "{found}");
    assert!(
        heads[1].starts_with("s.yaml:9:") && heads[1].contains("nobody"),
        "{found}"
    );
    assert!(heads[2].contains("unknown key `queus`"), "{found}");
}

#[test]
fn keys_that_would_be_dropped_are_refused() {
    let text = "\
version: firedrill/v1
name: t
family: other
summary: s
duration: 60m
queues: { default: }
workload:
  - { task: a, queue: default, arrivals: { cron: '@every 30s', from: 1m }, service: { constant: 1s } }
  - { task: b, queue: default, arrivals: { burst: { count: 5, at: 1m }, until: 2m }, service: { constant: 1s } }
workers:
  - { name: w, concurrency: 10, retry_delay: { constant: 5s, factor: 3, jitter: 5% } }
";
    insta::assert_snapshot!(report(text), @r"
    s.yaml:3:9: a family other than benign needs an incident
        write `incidents: [{ cause: ..., wanted: page, within: 3m }]`
    s.yaml:8:70: from: only `poisson` and `constant` arrivals have it
        a cron entry says its times itself
    s.yaml:9:80: until: only `poisson` and `constant` arrivals have it
        a burst has `at` and `over` of its own
    s.yaml:11:70: factor: only `exponential` has it
    s.yaml:11:81: jitter: only `exponential` has it
    ");
}

fn report(text: &str) -> String {
    let problems = plan_of(text).unwrap_err();
    problems
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn no_incident_is_on_in_a_harmless_window() {
    let with = |window: &str| {
        let text = format!(
            "version: firedrill/v1\nname: t\nfamily: worker-crashed\nsummary: s\nduration: 30m\nqueues: {{ default: }}\n\
             workload: [{{ task: a, queue: default, arrivals: {{ poisson: 1/s }}, service: {{ constant: 1s }} }}]\n\
             workers: [{{ name: w, processes: 1, concurrency: 4 }}]\n\
             timeline: [{{ at: 10m, fault: worker.kill, select: all, until: {{ at: 15m, remedy: worker.restart }} }}]\n\
             incidents: [{{ cause: worker-crashed, wanted: page, within: 2m }}]\n\
             benign: [{{ what: a lull, {window} }}]\n"
        );
        plan_of(&text).map(drop)
    };
    with("at: 16m").unwrap();
    with("at: 5m, until: 10m").unwrap();
    for window in [
        "at: 5m",
        "at: 5m, until: 11m",
        "at: 12m, until: 13m",
        "at: 14m",
    ] {
        let refused = format!("{:?}", with(window).unwrap_err());
        assert!(
            refused.contains("the worker-crashed incident is on in it, from 10m to 15m"),
            "{window}: {refused}"
        );
    }
}

#[test]
fn workers_and_tasks_take_keys_from_others() {
    let written = "\
version: firedrill/v1
name: t
family: benign
summary: s
duration: 30m
queues: { default: }
workload:
  - &mail { task: mail, queue: default, arrivals: { poisson: 1/s }, service: &short { constant: 1s }, max_retry: 3 }
  - { <<: *mail, task: sms, service: { constant: 2s } }
  - { task: push, queue: default, arrivals: { poisson: 1/s }, service: *short }
workers: [{ name: w, concurrency: 10 }]
";
    let plan = plan_of(written).unwrap();
    let tasks: Vec<_> = plan
        .workload
        .iter()
        .map(|task| (&*task.task, task.max_retry, &task.service))
        .collect();
    let constant = |ms: f64| crate::plan::Service::Constant { ms };
    assert_eq!(
        tasks,
        [
            ("mail", 3, &constant(1_000.0)),
            ("sms", 3, &constant(2_000.0)),
            ("push", 25, &constant(1_000.0))
        ]
    );
}

#[test]
fn tasks_that_could_only_be_duplicates_are_refused_with_what_to_change() {
    let refused = |rest: &str| {
        let text = format!(
            "version: firedrill/v1\nname: t\nfamily: benign\nsummary: s\nduration: 1h\n\
             queues: {{ default: {{}} }}\nworkload:\n  \
             - {{ task: a, queue: default, arrivals: {{ cron: \"@every 5m\" }}, service: {{ constant: 1s }}, {rest} }}\n\
             workers: [{{ name: w, concurrency: 1, groups: {{ into: b }}, queues: [] }}]\n"
        );
        let scenario = Scenario::parse("s.yaml", &text).unwrap();
        let problems = Plan::resolve(&scenario, &PlanOptions::default()).err();
        problems.map_or(String::new(), |problems| problems[0].to_string())
    };
    for (rest, why) in [
        ("task_id: a, retention: 2h", "it is retained for 2h"),
        ("task_id: \"a-{n % 1}\", delay: 2h", "it is not due before"),
        ("task_id: a, fail: 100%", "it always fails"),
        ("task_id: a, group: g", "it waits in its group"),
        ("unique: { ttl: 2h, keys: 1 }, fail: 100%", "keeps its lock"),
        ("service_per_mb: 1s", "how large payloads are"),
    ] {
        let problem = refused(rest);
        assert!(problem.starts_with("s.yaml:8:"), "{rest}: {problem}");
        assert!(problem.contains(why), "{rest}: {problem}");
    }
    for rest in [
        "task_id: a",
        "task_id: a, retention: 30m",
        "task_id: \"a-{n % 2}\", retention: 2h",
        "task_id: a, fail: 99%",
        "unique: { ttl: 30m, keys: 1 }, fail: 100%",
        "unique: 2h, fail: 100%",
    ] {
        assert_eq!(refused(rest), "", "{rest}");
    }
}

#[test]
fn a_value_that_is_wrong_brings_no_second_error() {
    let with = |queue: &str, lag: &str| {
        format!(
            "version: firedrill/v1\nname: t\nfamily: redis-down\nsummary: s\nduration: 20m\nwarmup: 1m\n\
             queues: {{ default: {{ priority: {queue} }} }}\n\
             workload: [{{ task: t, queue: default, arrivals: {{ constant: 2/s }}, service: {{ constant: 50ms }} }}]\n\
             workers: [{{ name: w, processes: 2, concurrency: 5, queues: [default] }}]\n\
             timeline: [{{ at: 5m, fault: redis.failover, lag: {lag}, until: {{ at: 6m }} }}]\n\
             incidents: [{{ cause: redis-down, wanted: page, within: 3m }}]\n"
        )
    };
    assert!(plan_of(&with("1", "2s")).is_ok());
    insta::assert_snapshot!(report(&with("0", "2s")), @"s.yaml:7:32: priority: expected a whole number from 1 to 1000, found `0`");
    insta::assert_snapshot!(report(&with("1", "0s")), @"s.yaml:10:50: lag: expected a duration above zero, found `0s`");
}

#[test]
fn a_time_that_never_comes_is_told() {
    let with = |cron: &str| {
        format!(
            "version: firedrill/v1\nname: t\nfamily: benign\nsummary: s\nduration: 20m\nwarmup: 1m\n\
             queues: {{ default: {{ priority: 1 }} }}\n\
             workload:\n  - {{ task: t, queue: default, arrivals: {{ cron: \"{cron}\" }}, service: {{ constant: 50ms }} }}\n\
             workers: [{{ name: w, processes: 2, concurrency: 5 }}]\n\
             benign: [{{ what: all, at: 1m }}]\n"
        )
    };
    assert!(plan_of(&with("0 0 29 2 *")).is_ok());
    insta::assert_snapshot!(report(&with("0 0 31 2 *")), @r"
    s.yaml:9:50: cron: `0 0 31 2 *` never comes
        minute, hour, day of the month, month, day of the week: no such day is in the calendar
    ");
}

#[test]
fn more_memory_is_more_than_there_was() {
    let incidents = "  - { cause: other, at: 1m, until: 2m, wanted: page, within: 1m }";
    let limit = "\n  - { id: mm, at: 12m, fault: redis.maxmemory, bytes: 10MB }";
    let raise = |more: &str| report(&with_timeline(&format!("{limit}{more}"), incidents));
    for (more, said) in [
        (
            "\n  - { at: 15m, remedy: redis.raise-maxmemory, bytes: 10MB }",
            "s.yaml:16:24: redis.raise-maxmemory: 10485760 bytes is no more than what is set then, 10485760\n    \
             accepted: `bytes` above 10485760",
        ),
        (
            "\n  - { at: 15m, remedy: redis.raise-maxmemory, bytes: 50MB }\n  - { at: 16m, remedy: redis.raise-maxmemory, bytes: 20MB }",
            "s.yaml:17:24: redis.raise-maxmemory: 20971520 bytes is no more than what is set then, 52428800\n    \
             accepted: `bytes` above 52428800",
        ),
        (
            "\n  - { at: 15m, remedy: redis.raise-maxmemory, bytes: 1MB }",
            "bytes: 1048576 is less than an empty Redis with its clients needs\n    accepted: from 4MB",
        ),
    ] {
        let found = raise(more);
        assert!(found.contains(said), "{found}");
    }
    let until =
        "\n  - { at: 12m, fault: redis.full, until: { at: 15m, remedy: redis.raise-maxmemory } }";
    let found = report(&with_timeline(until, incidents));
    assert!(
        found.contains("redis.raise-maxmemory needs to be told more"),
        "{found}"
    );
    assert!(
        found.contains("`- { at: 15m, remedy: redis.raise-maxmemory, ... }`"),
        "{found}"
    );
    // What is over limits nothing, and what was not raised is lower.
    let over = "\n  - { id: mm, at: 12m, fault: redis.maxmemory, bytes: 10MB, until: { at: 14m } }\n  - { at: 15m, remedy: redis.raise-maxmemory, bytes: 5MB }";
    assert!(plan_of(&with_timeline(over, incidents)).is_ok());
    assert!(
        plan_of(&with_timeline(
            &format!("{limit}\n  - {{ at: 15m, remedy: redis.raise-maxmemory, bytes: 11MB }}"),
            incidents
        ))
        .is_ok()
    );
}
