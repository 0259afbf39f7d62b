//! What steps of a timeline do to each other, and to what their incidents are.

use super::*;

/// A plan of two kinds of worker and two queues, with a timeline and incidents.
pub(super) fn with_timeline(timeline: &str, incidents: &str) -> String {
    format!(
        "version: firedrill/v1
name: t
family: other
summary: s
duration: 60m
queues: {{ default: , low: }}
workload:
  - {{ task: a, queue: default, arrivals: {{ poisson: 1/s }}, service: {{ constant: 1s }} }}
  - {{ task: b, queue: low, arrivals: {{ poisson: 1/s }}, service: {{ constant: 1s }} }}
workers:
  - {{ name: w, processes: 2, concurrency: 10, queues: [default] }}
  - {{ name: l, processes: 1, concurrency: 10, queues: [low] }}
timeline:
{timeline}
incidents:
{incidents}
"
    )
}

const FOUR_FAULTS: &str = "
  - { at: 12m, fault: worker.kill, select: [w-0], until: { at: 20m, remedy: worker.restart } }
  - { at: 25m, fault: redis.kill, until: { at: 28m, remedy: redis.start } }
  - { id: downstream, at: 35m, fault: handler.slow, task: b, factor: 6, until: { at: 40m } }
  - { at: 45m, fault: worker.kill, select: [w-1], until: { at: 50m, remedy: worker.restart } }";

#[test]
fn an_incident_has_its_own_steps_times_and_reach() {
    let incidents = "
  - { cause: redis-down, wanted: page, within: 2m }
  - { cause: slow-jobs, wanted: page, within: 5m }
  - { cause: worker-crashed, of: worker.kill-2, wanted: page, within: 3m }
  - { cause: resource-exhaustion, of: downstream, at: 36m, until: 42m, wanted: ticket, within: 3m }
  - { cause: deadlock, of: worker.kill, unusual_cause: true, wanted: page, within: 3m }
  - { cause: other, at: 12m, until: 13m, wanted: page, within: 3m }";
    let plan = plan_of(&with_timeline(FOUR_FAULTS, incidents)).unwrap();
    let minutes = |ms: i64| ms / 60_000;
    let bound: Vec<_> = plan
        .incidents
        .iter()
        .map(|incident| {
            (
                incident.step.as_deref().unwrap_or("-"),
                minutes(incident.at_ms),
                minutes(incident.until_ms),
                minutes(incident.deadline_ms),
                plan.queues_within_reach(incident).join(" "),
            )
        })
        .collect();
    let expected = [
        ("redis.kill", 25, 28, 27, ""),
        ("downstream", 35, 40, 40, "low"),
        ("worker.kill-2", 45, 50, 48, "default"),
        ("downstream", 36, 42, 39, "low"),
        ("worker.kill", 12, 20, 15, "default"),
        ("-", 12, 13, 15, ""),
    ];
    let expected =
        expected.map(|(step, at, until, by, reach)| (step, at, until, by, reach.to_owned()));
    assert_eq!(bound, expected);
    assert_eq!(plan_of(&plan.to_yaml()).unwrap(), plan);
    let described = plan.describe();
    for line in [
        "12:00  do    worker.kill on w-0\n",
        "35:00  do    handler.slow (step downstream)\n",
        "40:00  want  a page for slow-jobs of step downstream by now\n",
        "15:00  want  a page for other with times of its own by now\n",
    ] {
        assert!(described.contains(line), "{line}{described}");
    }
}

#[test]
fn a_worker_shared_by_queues_carries_harm_from_one_to_the_other() {
    let text = with_timeline(
        "  - { at: 12m, fault: handler.slow, task: a, factor: 6, until: { at: 20m } }",
        "  - { cause: slow-jobs, wanted: page, within: 2m }",
    );
    let reach = |text: &str| {
        let plan = plan_of(text).unwrap();
        plan.queues_within_reach(&plan.incidents[0])
    };
    assert_eq!(reach(&text), ["default"]);
    let shared = text.replace("queues: [low]", "queues: [low, default]");
    assert_eq!(reach(&shared), Vec::<String>::new(), "any");
}

#[test]
fn no_incident_is_bound_by_chance() {
    let incidents = "
  - { cause: worker-crashed, wanted: page, within: 3m }
  - { cause: deadlock, wanted: page, within: 3m }
  - { cause: other, wanted: page, within: 3m }
  - { cause: retry-storm, of: downstream, wanted: page, within: 3m }
  - { cause: slow-jobs, of: downsteam, wanted: page, within: 3m }
  - { cause: slow-jobs, unusual_cause: true, wanted: page, within: 3m }
  - { cause: slow-jobs, of: downstream, at: 30m, wanted: page, within: 3m }
  - { cause: slow-jobs, at: 35m, wanted: page, within: 3m }";
    insta::assert_snapshot!(report(&with_timeline(FOUR_FAULTS, incidents)), @r"
    s.yaml:21:5: incident: 2 steps can be behind worker-crashed: `worker.kill` (line 15), `worker.kill-2` (line 18)
        name one, such as `of: worker.kill`
    s.yaml:22:5: incident: no step can be behind deadlock
        name one with `of: ID, unusual_cause: true`, or write its `at` and `until`; there are `worker.kill` (line 15), `redis.kill` (line 16), `downstream` (line 17), `worker.kill-2` (line 18)
    s.yaml:23:5: incident: 4 steps can be behind other: `worker.kill` (line 15), `redis.kill` (line 16), `downstream` (line 17), `worker.kill-2` (line 18)
        name one, such as `of: worker.kill`
    s.yaml:24:14: cause: `downstream` (line 17) cannot be behind retry-storm
        handler.slow can be behind slow-jobs, resource-exhaustion, other; write `unusual_cause: true` if this is meant
    s.yaml:25:29: there is no step `downsteam`
        did you mean `downstream`? accepted: worker.kill, redis.kill, downstream, worker.kill-2
    s.yaml:26:40: unusual_cause: goes with `of` only
        write `of: ID` beside it
    s.yaml:27:45: incident: begins before its step, `downstream` (line 17), does at 35m
    s.yaml:28:5: incident: has its own `at`, and no `until`
        write its `until`, or name its step with `of: ID`
    ");
}

#[test]
fn two_steps_have_two_names() {
    let timeline = "
  - { id: crash, at: 12m, fault: worker.kill, select: [w-0], until: end }
  - { id: worker.kill, at: 13m, fault: worker.kill, select: [w-1], until: end }
  - { at: 14m, fault: worker.kill, select: [l-0], until: end }
  - { id: crash, at: 15m, fault: redis.kill, until: end }";
    let incidents = "  - { cause: other, of: crash, wanted: page, within: 3m }";
    let found = report(&with_timeline(timeline, incidents));
    insta::assert_snapshot!(found, @"s.yaml:18:11: id: line 15 has a step `crash`, too");
    let without = timeline.lines().take(4).collect::<Vec<_>>().join("\n");
    let plan = plan_of(&with_timeline(&without, incidents)).unwrap();
    let ids: Vec<&str> = plan.timeline.iter().map(|step| &*step.id).collect();
    assert_eq!(ids, ["crash", "worker.kill", "worker.kill-2"]);
}

#[test]
fn steps_do_not_get_in_each_others_way() {
    let incidents = "  - { cause: other, at: 1m, until: 2m, wanted: page, within: 1m }";
    let cases = [
        // A kill within a kill, and the inner remedy within the outer outage.
        (
            "worker.kill, select: all, until: { at: 40m, remedy: worker.restart }",
            "worker.kill, select: [w-1], until: { at: 32m, remedy: worker.restart }",
        ),
        (
            "worker.kill, select: [w-0], until: { at: 31m, remedy: worker.restart }",
            "worker.kill, select: [w-0], until: end",
        ),
        (
            "worker.kill, select: [w-0], until: end",
            "handler.deadlock, select: [w-0], until: { at: 32m, remedy: worker.restart }",
        ),
        (
            "handler.deadlock, select: all, until: { at: 31m, remedy: worker.restart }",
            "worker.kill, select: { count: 1 }, until: end",
        ),
        (
            "handler.deadlock, select: [l-0], until: end",
            "handler.deadlock, select: all, until: end",
        ),
        (
            "redis.kill, until: end",
            "redis.kill, until: { at: 31m, remedy: redis.start }",
        ),
        (
            "redis.kill, until: { at: 40m, remedy: redis.start }",
            "worker.kill, select: all, until: { at: 32m, remedy: worker.restart }",
        ),
        (
            "handler.deadlock, select: all, until: { at: 32m, remedy: worker.restart }",
            "redis.kill, until: end",
        ),
    ];
    let found: Vec<String> = cases
        .iter()
        .map(|(first, second)| {
            let timeline =
                format!("  - {{ at: 30m, fault: {first} }}\n  - {{ at: 30m30s, fault: {second} }}");
            report(&with_timeline(&timeline, incidents))
        })
        .collect();
    insta::assert_snapshot!(found.join("\n"), @r"
    s.yaml:15:26: worker.kill: w-1 is down already at 30m30s, by `worker.kill` (line 14)
        that ends at 40m
    s.yaml:15:26: worker.kill: w-0 is down already at 30m30s, by `worker.kill` (line 14)
        that ends at 31m
    s.yaml:15:26: handler.deadlock: w-0 is down already at 30m30s, by `worker.kill` (line 14)
        that ends with the drill
    s.yaml:15:26: worker.kill: w-0 is deadlocked already at 30m30s, by `handler.deadlock` (line 14)
        that ends at 31m
    s.yaml:15:26: handler.deadlock: l-0 is deadlocked already at 30m30s, by `handler.deadlock` (line 14)
        that ends with the drill
    s.yaml:15:26: redis.kill: Redis is down already at 30m30s, by `redis.kill` (line 14)
        that ends with the drill
    s.yaml:15:26: worker.kill: workers cannot be restarted at 32m, Redis is down then, by `redis.kill` (line 14)
        restart them when Redis is back
    s.yaml:14:23: handler.deadlock: workers cannot be restarted at 32m, Redis is down then, by `redis.kill` (line 15)
        restart them when Redis is back
    ");
}

#[test]
fn steps_that_go_together_are_let_be() {
    let incidents = "  - { cause: other, at: 1m, until: 2m, wanted: page, within: 1m }";
    for (first, second) in [
        // The one begins when the other ends.
        (
            "worker.kill, select: all, until: { at: 31m, remedy: worker.restart }",
            "handler.deadlock, select: all, until: end",
        ),
        (
            "redis.kill, until: { at: 31m, remedy: redis.start }",
            "redis.kill, until: end",
        ),
        // Redis comes back at 31m, and then the workers.
        (
            "worker.kill, select: all, until: { at: 31m, remedy: worker.restart }",
            "redis.kill, until: { at: 40m, remedy: redis.start }",
        ),
        // Other processes, other things.
        (
            "worker.kill, select: [w-0], until: end",
            "worker.kill, select: [w-1], until: { at: 32m, remedy: worker.restart }",
        ),
        (
            "redis.kill, until: end",
            "worker.kill, select: all, until: end",
        ),
        (
            "redis.kill, until: end",
            "handler.deadlock, select: all, until: end",
        ),
        (
            "handler.slow, task: a, factor: 2, until: end",
            "handler.slow, factor: 3, until: { at: 40m }",
        ),
        (
            "handler.fail, task: a, share: 50%, until: end",
            "handler.fail, task: a, share: 50%, until: end",
        ),
    ] {
        let timeline =
            format!("  - {{ at: 30m, fault: {first} }}\n  - {{ at: 31m, fault: {second} }}");
        let text = with_timeline(&timeline, incidents);
        if let Err(problems) = plan_of(&text) {
            panic!("{text}{problems:#?}");
        }
    }
}

#[test]
fn a_fault_that_changes_nothing_is_none() {
    for (fault, refused) in [
        (
            "handler.slow, task: a, factor: 1",
            Some("factor: 1 changes nothing"),
        ),
        (
            "handler.slow, factor: 1.0",
            Some("factor: 1 changes nothing"),
        ),
        (
            "handler.slow, factor: 0.5",
            Some("factor: expected a number above 1"),
        ),
        ("handler.slow, factor: 1.01", None),
        (
            "handler.fail, task: a, share: 0%",
            Some("share: 0 changes nothing"),
        ),
        (
            "handler.fail, task: a, share: 0.0",
            Some("share: 0 changes nothing"),
        ),
        ("handler.fail, task: a, share: 0.1%", None),
    ] {
        let timeline = format!("  - {{ at: 30m, fault: {fault}, until: {{ at: 40m }} }}");
        let incident = "  - { cause: other, wanted: page, within: 4m }";
        let found = plan_of(&with_timeline(&timeline, incident));
        let said = found.map_or_else(|problems| format!("{problems:?}"), |_| String::new());
        match refused {
            Some(why) => assert!(said.contains(why), "{fault}: {said}"),
            None => assert_eq!(said, "", "{fault}"),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Any text, and shipped scenarios with something else in the place of a few characters, are read or refused.
    #[test]
    fn any_text_is_answered(
        text in any::<String>(),
        file in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        length in 0_usize..12,
        put in prop::sample::select(vec![
            "", "-1", "0", "99999999999999999999", "1e308", ".nan", "9999999h", "1ms", "[", "{", "&a", "*a", "\n", ": ", "'", "\u{0}",
        ]),
    ) {
        let _ = plan_of(&text);
        let shipped = shipped();
        let (_, original) = file.get(&shipped);
        let mut chars: Vec<char> = original.chars().collect();
        let from = at.index(chars.len());
        let until = (from + length).min(chars.len());
        chars.splice(from..until, put.chars());
        let _ = plan_of(&chars.into_iter().collect::<String>());
    }
}
