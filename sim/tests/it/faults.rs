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
workers: [{{ name: w, processes: 2, concurrency: 4 }}]
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
    let all = all.filter(|kind| kind.live_only.is_empty());
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
        let loses = plan_of(&scenario_with(kind, keys)).timeline[0]
            .fault
            .loses_tasks();
        assert!(audit.lost == 0 || loses, "{name}: {audit:?}");
        assert!(audit.succeeded > 1_000, "{name}: {audit:?}");
    }
}

#[test]
fn what_the_model_cannot_have_is_told_with_its_place() {
    for kind in fault::KINDS {
        let scenario = Scenario::parse("s.yaml", &scenario(kind)).unwrap();
        let told: Vec<String> = scenario
            .live_only()
            .iter()
            .map(ToString::to_string)
            .collect();
        match kind.live_only.is_empty() {
            true => assert!(told.is_empty(), "{told:?}"),
            false => assert!(
                told.len() == 1 && told[0].contains(kind.name) && told[0].contains(kind.live_only),
                "{told:?}"
            ),
        }
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
    // So does one that has reached its limit, and one whose users may not call scripts.
    let limited = audit_of("redis.maxmemory");
    assert!((600..850).contains(&limited.rejected), "{limited:?}");
    let forbidden = audit_of("redis.acl");
    assert!((600..850).contains(&forbidden.rejected), "{forbidden:?}");
    // A script holds everybody up for 5 s, and then nobody is served.
    let busy = audit_of("redis.slow-script");
    assert!((600..850).contains(&busy.rejected), "{busy:?}");
    // Clients send their scripts again, and stay connected.
    for name in ["redis.script-flush", "redis.max-clients"] {
        let well = audit_of(name);
        assert_eq!(
            (well.rejected, well.executed_twice),
            (0, 0),
            "{name}: {well:?}"
        );
    }
    // What was being worked on 20 s ago is worked on again; what has come since and is not done is gone.
    for name in ["redis.restore", "redis.failover"] {
        let old = audit_of(name);
        assert!(old.executed_twice > 0, "{name}: {old:?}");
    }
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
    // Prometheus is blind, and nobody else notices.
    for name in ["scrape.gap", "scrape.slow", "exporter.down"] {
        let blind = audit_of(name);
        let harm = (blind.late, blind.rejected, blind.executed_twice);
        assert_eq!(harm, (0, 0, 0), "{name}");
    }
    // Requests arrive and replies do not: what is dequeued is lost to its worker, and comes again.
    let deaf = audit_of("link.half-open");
    assert!(deaf.executed_twice + deaf.late > 0, "{deaf:?}");
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

/// A drill with a fault of the list, which begins at 2m, and a worker that dies for good at 3m; tasks take so long.
fn orphaned(name: &str, service: &str) -> Audited {
    let kind = fault::KINDS.iter().find(|kind| kind.name == name);
    let text = scenario(kind.unwrap())
        .replace("poisson: 4/s", "poisson: 4/m")
        .replace("constant: 500ms", &format!("constant: {service}"))
        .replace("duration: 8m", "duration: 20m")
        .replace(
            "incidents:",
            "  - { at: 3m, id: dead, fault: worker.kill, select: [w-1] }\nincidents:",
        )
        .replace("wanted: page", "of: dead, wanted: page");
    run(&text).1
}

#[test]
fn what_nobody_holds_a_lease_of_stays_when_its_worker_dies() {
    let usual = orphaned("scrape.gap", "90s").audit;
    // At the end some are under way, and no more.
    assert!(
        usual.still_queued < 10 && usual.executed_twice > 0,
        "{usual:?}"
    );
    let lost = orphaned("lease.lose", "90s").audit;
    assert_eq!((lost.lost, lost.unexplained.lost), (0, 0), "{lost:?}");
    assert!(
        lost.executed_twice < usual.executed_twice,
        "{lost:?}, {usual:?}"
    );
    // One that cannot be decoded keeps all expired leases from being looked after.
    let garbled = orphaned("task.garble", "90s").audit;
    assert_eq!(
        (garbled.executed_twice, garbled.unexplained.foreign),
        (0, 0),
        "{garbled:?}"
    );
    assert!(garbled.still_queued > 0, "{garbled:?}");
    // Handlers outlast their leases, and others begin the same.
    let kind = fault::KINDS
        .iter()
        .find(|kind| kind.name == "worker.lose-lease");
    let text = scenario(kind.unwrap())
        .replace("poisson: 4/s", "poisson: 6/m")
        .replace("constant: 500ms", "constant: 100s")
        .replace("until: { at: 5m }", "until: { at: 7m }")
        .replace("duration: 8m", "duration: 20m");
    let (marks, twice) = run(&text);
    assert!(marks.iter().all(|mark| mark.verified), "{marks:#?}");
    let audit = twice.audit;
    assert!(
        audit.executed_twice > 3 && audit.unexplained.run_twice == 0,
        "{audit:?}"
    );
}

/// Tasks that fail are kept, until there is no memory left for anything: nobody takes one any more, and so none is let go.
#[test]
fn a_redis_without_memory_is_locked_until_it_gets_more() {
    let kind = fault::KINDS
        .iter()
        .find(|kind| kind.name == "redis.maxmemory");
    let text = scenario(kind.unwrap())
        .replace("poisson: 4/s", "poisson: 8/s")
        .replace("bytes: 500KB, until: { at: 5m }", "bytes: 1060000")
        .replace(
            "incidents:",
            "  - { id: broken, at: 2m, fault: handler.fail, task: t, share: 100%, until: { at: 5m } }\n  \
             - { at: 7m, remedy: redis.raise-maxmemory, bytes: 2MB }\nincidents:",
        )
        .replace("wanted: page", "of: broken, wanted: page");
    let (marks, audited) = run(&text);
    let told: Vec<(&str, bool, i64)> = marks
        .iter()
        .map(|mark| (mark.what.as_str(), mark.verified, mark.at_ms / 60_000))
        .collect();
    assert_eq!(
        told,
        [
            ("handler.fail", true, 2),
            ("redis.maxmemory", true, 2),
            ("handler.fail ends", true, 5),
            ("redis.raise-maxmemory", true, 7),
            ("redis.raise-maxmemory", true, 7),
        ],
        "{marks:#?}"
    );
    // From then on to the seventh minute, although handlers are well again from the fifth.
    let audit = audited.audit;
    assert!((2_200..2_420).contains(&audit.rejected), "{audit:?}");
    assert_eq!(
        (audit.lost, audit.unexplained.rejected),
        (0, 0),
        "{audit:?}"
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
