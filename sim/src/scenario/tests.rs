//! Every shipped scenario loads; bad ones are told everything that is wrong with them.

use super::*;
use crate::plan::Plan;
use proptest::prelude::*;

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

fn shipped() -> Vec<(String, String)> {
    let folders = [
        concat!(env!("CARGO_MANIFEST_DIR"), "/../scenarios"),
        concat!(env!("CARGO_MANIFEST_DIR"), "/../scenarios/catalogue"),
    ];
    let mut files: Vec<_> = folders
        .into_iter()
        .flat_map(|folder| std::fs::read_dir(folder).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "yaml")
        })
        .collect();
    files.sort();
    files
        .into_iter()
        .map(|path| {
            (
                path.display().to_string(),
                std::fs::read_to_string(path).unwrap(),
            )
        })
        .collect()
}

#[test]
fn every_shipped_scenario_is_a_plan_that_says_the_same_when_written_out() {
    let files = shipped();
    assert!(files.len() >= 8);
    for (path, text) in files {
        let plan = plan_of(&text).unwrap_or_else(|problems| panic!("{path}: {problems:#?}"));
        assert!(
            path.ends_with(&format!("/{}.yaml", plan.name)),
            "{path} is called {}",
            plan.name
        );
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
    insta::assert_snapshot!(report(text), @r"
    s.yaml:1:10: version: expected `firedrill/v1`, found `firedrill/v2`
    s.yaml:2:7: name: expected 1 to 64 letters, digits or `-_.:`, found `a b`
    s.yaml:3:9: family: unknown `worker-crash`
        did you mean `worker-crashed`? accepted: worker-crashed, redis-down, slow-jobs, retry-storm, resource-exhaustion, deadlock, other, benign
    s.yaml:5:11: duration: expected a duration such as `90s`, `1h30m` or `500ms`, found `75`
    s.yaml:6:1: unknown key `seeed` in scenario
        did you mean `seed`? accepted: version, name, family, summary, seed, duration, warmup, queues, workload, workers, scrape, evaluation, timeline, incidents, benign
    s.yaml:7:22: unknown key `prio` in queue
        accepted: priority, wait_objective
    s.yaml:9:62: poisson: expected a rate above zero such as `10/s`, `30/m` or `500/h`, found `10`
    s.yaml:9:107: p95: expected more than the mean and less than 3.8 times it, found `9s`
    s.yaml:11:27: processes: expected a whole number from 1 to 64, found `0`
    s.yaml:13:23: fault: unknown `worker.kil`
        did you mean `worker.kill`? accepted: worker.kill, handler.fail, handler.slow, handler.deadlock, redis.kill
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
    s.yaml:13:74: worker.kill: ends at or before its start
    s.yaml:13:87: redis.start does not end worker.kill
        accepted: worker.restart
    s.yaml:14:42: redis.kill does not end by itself
        write `until: { at: ..., remedy: redis.start }`, or `until: end`
    s.yaml:15:26: redis.kill: Redis is still down from the outage before
    s.yaml:16:23: there is no task `b`
        did you mean `a`? accepted: a
    s.yaml:17:11: at: 2h is after the end of the drill (1h)
    s.yaml:17:48: select: 5 processes, but the scenario has 2
    s.yaml:19:5: incident: ends at or before its start
    ");
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

fn report(text: &str) -> String {
    let problems = plan_of(text).unwrap_err();
    problems
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("\n")
}
