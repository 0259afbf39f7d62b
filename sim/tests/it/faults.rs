//! Every fault of the list on the model: it bites, it heals, and nothing is unexplained. `cli/tests/it/faults.rs` does the
//! same for real.

use crate::support::plan_of;
use firedrill_reports::record::Mark;
use firedrill_sim::audit::Audited;
use firedrill_sim::engine::Observation;
use firedrill_sim::engine::virtual_time::{self, VirtualOptions};
use firedrill_sim::fault;
use firedrill_sim::lever::On;
use firedrill_sim::plan::Plan;
use firedrill_sim::scenario::{PlanOptions, Scenario};
use std::collections::BTreeMap;

/// A small drill with one fault, which begins at 2m and ends at 5m.
pub(crate) fn scenario(kind: &fault::Kind) -> String {
    scenario_with(kind, kind.examples[0])
}

fn scenario_with(kind: &fault::Kind, keys: &str) -> String {
    let select = match kind.on {
        On::Workers | On::Clients | On::Targets if !keys.contains("select") => "select: [w-0], ",
        _ => "",
    };
    let keys = match keys {
        "" => String::new(),
        keys => format!("{keys}, "),
    };
    let remedy = match (kind.ends_by_itself, kind.remedies.first()) {
        (false, Some(remedy)) => format!(", remedy: {remedy}"),
        _ => String::new(),
    };
    let periodic = match kind.on {
        On::Scheduler => PERIODIC,
        _ => "",
    };
    format!(
        "\
version: firedrill/v1
name: {}
family: other
summary: \"{}\"
seed: 3
duration: 8m
warmup: 1m
queues: {{ default: {{ priority: 1, wait_objective: 30s }} }}
workload:
  - {{ task: t, queue: default, arrivals: {{ poisson: 4/s }}, service: {{ constant: 500ms }} }}
{periodic}workers: [{{ name: w, processes: 2, concurrency: 4 }}]
scrape: {{ interval: 5s, timeout: 4s }}
timeline:
  - {{ at: 2m, fault: {}, {select}{keys}until: {{ at: 5m{remedy} }} }}
incidents:
  - {{ cause: other, wanted: page, within: 2m }}
",
        kind.name.replace('.', "-"),
        kind.summary.trim(),
        kind.name
    )
}

/// What a scheduler enqueues: one task that nothing protects from a second one, and one whose uniqueness lock does.
const PERIODIC: &str = "  - { task: plain, queue: default, arrivals: { cron: \"@every 15s\" }, service: { constant: 5s } }
  - { task: guarded, queue: default, arrivals: { cron: \"@every 15s\" }, service: { constant: 5s }, unique: { ttl: 10s, keys: 1 } }
";

fn run(text: &str) -> (Vec<Mark>, Audited) {
    let plan = plan_of(text);
    let (mut marks, mut audited) = (Vec::new(), None);
    let sink = &mut |observation| {
        match observation {
            Observation::Mark(mark) => marks.push(mark),
            Observation::Ledger { audited: all, .. } => audited = Some(*all),
            Observation::Interference(found) => panic!("nobody is there to do it: {found:?}"),
            Observation::Series { .. } | Observation::Scrape { .. } => {}
        }
        Ok(())
    };
    virtual_time::run(&plan, VirtualOptions::default(), sink).unwrap();
    (marks, audited.unwrap())
}

#[test]
fn every_fault_bites_and_heals_and_is_explained() {
    let all = fault::KINDS.iter();
    let all = all.flat_map(|kind| kind.examples.iter().map(move |keys| (kind, keys)));
    for (kind, keys) in all {
        let (marks, audited) = run(&scenario_with(kind, keys));
        let name = format!("{} {keys}", kind.name);
        assert_eq!(marks.len(), 2, "{name}: {marks:#?}");
        assert!(marks.iter().all(|mark| mark.verified), "{name}: {marks:#?}");
        let audit = audited.audit;
        let unexplained = &audit.unexplained;
        assert_eq!(
            (
                unexplained.rejected,
                unexplained.lost,
                unexplained.run_twice
            ),
            (0, 0, 0),
            "{name}: {audit:?}"
        );
        assert_eq!(audit.lost, 0, "{name}: {audit:?}");
        assert!(audit.succeeded > 1_000, "{name}: {audit:?}");
    }
}

#[test]
fn what_a_fault_does_to_tasks_is_seen() {
    let audit_of = |name: &str| {
        let kind = fault::KINDS.iter().find(|kind| kind.name == name);
        run(&scenario(kind.unwrap())).1.audit
    };
    // Redis takes nothing that needs memory: enqueues are refused while it lasts, about 180 s of 4 a second.
    let full = audit_of("redis.full");
    assert!((600..850).contains(&full.rejected), "{full:?}");
    // Nobody answers: calls fail after the clients' patience.
    let hung = audit_of("redis.stop");
    assert!(hung.rejected > 0, "{hung:?}");
    // Nobody takes from a paused queue.
    let paused = audit_of("queue.pause");
    assert!(paused.late > 300 && paused.rejected == 0, "{paused:?}");
    // Its handler had returned, and Redis was not told: the task is worked on again.
    let before = audit_of("worker.die");
    assert!(before.executed_twice > 0, "{before:?}");
    // A worker that is ahead by more than a lease takes the tasks of others for abandoned.
    let ahead = audit_of("worker.clock-skew");
    assert!(ahead.executed_twice > 0, "{ahead:?}");
    // Half of 8 minutes of 4 a second are left.
    let stopped = audit_of("producer.stop");
    assert!((1_050..1_350).contains(&stopped.intended), "{stopped:?}");
    let surge = audit_of("producer.surge");
    assert!((3_100..3_600).contains(&surge.intended), "{surge:?}");
    // Two tasks every 15 s, 31 times; for 3 minutes each comes twice, and a lock keeps one of two out.
    let twice = audit_of("scheduler.duplicate");
    let gone = audit_of("scheduler.stop");
    assert_eq!(
        (twice.duplicates, gone.duplicates),
        (12, 0),
        "{twice:?} {gone:?}"
    );
    assert_eq!(
        twice.intended - gone.intended,
        24 + 24,
        "{twice:?} {gone:?}"
    );
    // Prometheus is blind, and nobody else notices.
    let blind = audit_of("scrape.gap");
    assert_eq!(
        (blind.late, blind.rejected, blind.executed_twice),
        (0, 0, 0)
    );
}

#[test]
fn a_remedy_of_its_own_ends_a_fault_and_one_that_does_not_help_is_done_all_the_same() {
    let text = scenario(&fault::KINDS[0])
        .replace("until: { at: 5m, remedy: worker.restart }", "id: crash")
        .replace(
            "incidents:",
            "  - { at: 3m, id: in-vain, remedy: worker.restart, select: [w-1] }\n  \
             - { at: 5m, id: mended, remedy: worker.restart, select: all }\nincidents:",
        );
    let plan = plan_of(&text);
    let until = plan.timeline[0].until.as_ref().unwrap();
    assert_eq!(
        (until.at_ms, until.by.as_deref()),
        (300_000, Some("mended"))
    );
    assert_eq!(plan.incidents[0].until_ms, 300_000);
    assert_eq!(
        plan_of(&plan.to_yaml()),
        plan,
        "written out, it means the same"
    );
    let (marks, _) = run(&text);
    let told: Vec<(&str, &str)> = marks
        .iter()
        .map(|mark| (mark.step.as_deref().unwrap(), mark.what.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            ("crash", "worker.kill"),
            ("in-vain", "worker.restart"),
            ("mended", "worker.restart"),
            ("crash", "worker.restart"),
        ]
    );
}

#[test]
fn a_step_has_one_process_die_at_a_call() {
    let dies = fault::KINDS.iter().find(|kind| kind.name == "worker.die");
    let text = scenario(dies.unwrap()).replace("select: [w-0]", "select: all");
    let written = Scenario::parse("s.yaml", &text).unwrap();
    let problems = Plan::resolve(&written, &PlanOptions::default()).unwrap_err();
    assert_eq!(
        problems[0].to_string(),
        "s.yaml:14:22: worker.die: 2 processes do not die at one call\n    select one, and write a step for each"
    );
}

/// The processes that a step is done to are those that are there when it is due.
#[test]
fn who_is_meant_is_found_when_a_step_is_due() {
    let head = scenario(&fault::KINDS[0]);
    let with = |timeline: &str| head.split("timeline:").next().unwrap().to_owned() + timeline;
    let text = with(
        "timeline:
  - { at: 2m, remedy: workers.scale, worker: w, to: 4 }
  - { at: 3m, id: half, fault: worker.kill, select: { share: 50% } }
  - { at: 4m, remedy: workers.scale, worker: w, to: 1 }
  - { at: 5m, id: mended, remedy: worker.restart, select: all }
  - { at: 6m, id: all, fault: worker.stop, select: all, until: { at: 7m } }
incidents: [{ cause: other, of: half, wanted: page, within: 2m }]
",
    );
    let plan = plan_of(&text);
    assert_eq!(plan.timeline[0].targets, ["w-0", "w-1"]);
    // The other one that was killed has left before.
    assert_eq!(plan.remedies[2].targets, ["w-0"]);
    let until = plan.timeline[0].until.as_ref().unwrap();
    assert_eq!(until.by.as_deref(), Some("mended"));
    assert_eq!(plan.timeline[1].targets, ["w-0"]);
    assert!(
        plan.to_yaml().contains("select: { share: 50% }"),
        "{}",
        plan.to_yaml()
    );
    assert_eq!(plan_of(&plan.to_yaml()), plan);
    let (marks, audited) = run(&text);
    assert!(marks.iter().all(|mark| mark.verified), "{marks:#?}");
    let unexplained = audited.audit.unexplained;
    assert_eq!((unexplained.lost, unexplained.run_twice), (0, 0));
    let late = with(
        "timeline:
  - { at: 2m, remedy: workers.scale, worker: w, to: 1 }
  - { at: 3m, fault: worker.kill, select: [w-1] }
incidents: [{ cause: other, wanted: page, within: 2m }]
",
    );
    let written = Scenario::parse("s.yaml", &late).unwrap();
    let problems = Plan::resolve(&written, &PlanOptions::default()).unwrap_err();
    assert_eq!(
        problems[0].to_string().lines().next(),
        Some("s.yaml:15:44: select: `w-1` is not there at 3m")
    );
}

#[test]
fn members_come_and_go_and_prometheus_finds_those_that_are_there() {
    let text = scenario(&fault::KINDS[0])
        .replace("processes: 2", "processes: 1")
        .replace("family: other", "family: benign")
        .split("timeline:")
        .next()
        .unwrap()
        .to_owned()
        + "timeline:
  - { at: 2m, id: up, remedy: workers.scale, worker: w, to: 3 }
  - { at: 5m, id: down, remedy: workers.scale, worker: w, to: 1 }
benign: [{ what: a scaler at work, at: 1m, until: 8m }]
";
    let plan = plan_of(&text);
    assert_eq!(plan.remedies[0].targets, ["w-1", "w-2"]);
    assert_eq!(plan_of(&plan.to_yaml()), plan);
    let (mut saw, mut scrapes, mut labels) = (Vec::new(), Vec::new(), BTreeMap::new());
    let sink = &mut |observation| {
        match observation {
            Observation::Mark(mark) => saw.push(mark.saw),
            Observation::Series { id, labels: of } => drop(labels.insert(id, of)),
            Observation::Scrape {
                at_ms,
                target,
                values,
            } if target == "worker/w-2" => {
                let up = values.iter().find(|(id, _)| labels[id].name() == "up");
                scrapes.push((at_ms, up.unwrap().1));
            }
            _ => {}
        }
        Ok(())
    };
    virtual_time::run(&plan, VirtualOptions::default(), sink).unwrap();
    assert_eq!(saw, ["2 came, 0 went", "0 came, 2 went"]);
    let (last, others) = scrapes.split_last().unwrap();
    assert!(
        others
            .iter()
            .all(|(at_ms, up)| (120_000..300_000).contains(at_ms) && *up == 1.0)
    );
    assert!(others.len() >= 35, "every 5 s");
    // Two more intervals and a tenth.
    assert!(
        (305_500..311_000).contains(&last.0) && last.1.is_nan(),
        "{last:?}"
    );
}
