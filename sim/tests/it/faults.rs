//! Every fault of the list on the model: it bites, it heals, and nothing is unexplained. `cli/tests/it/faults.rs` does the
//! same for real.

mod chains;
mod members;
mod shared;

use crate::support::{Scraped, plan_of, scrapes_of};
use firedrill_reports::record::Mark;
use firedrill_sim::audit::Audited;
use firedrill_sim::engine::Observation;
use firedrill_sim::engine::virtual_time::{self, VirtualOptions};
use firedrill_sim::fault;
use firedrill_sim::lever::On;
use firedrill_sim::plan::{Plan, TeamsOwn};
use firedrill_sim::scenario::{PlanOptions, Scenario};
use std::collections::BTreeMap;

/// A small drill with one fault, which begins at 2m and ends at 5m.
pub(crate) fn scenario(kind: &fault::Kind) -> String {
    scenario_with(kind, kind.examples[0])
}

pub(crate) fn scenario_with(kind: &fault::Kind, keys: &str) -> String {
    let select = match kind.on {
        On::Workers | On::Clients | On::Targets if !keys.contains("select") => "select: [w-0], ",
        _ => "",
    };
    // Only who shares something can be hit where it is shared.
    let (resources, uses) = match kind.on {
        On::Resource => (
            "resources: { db: { pool: 3, wait_timeout: 10s }, api: { capacity: 8, wait_timeout: 10s, latency: { constant: 100ms } } }\n",
            ", uses: [ { resource: db, for: 100ms }, { resource: api } ]",
        ),
        // Each payload comes every ten seconds, long after the one before is done.
        On::Locks => ("", ", unique: { ttl: 10m, keys: 40 }"),
        _ => ("", ""),
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
    // Only what is refused is tried again.
    let (beside, of) = match kind.name {
        "producer.retry" => (REFUSED, "of: producer.retry, "),
        _ => ("", ""),
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
{resources}workload:
  - {{ task: t, queue: default, arrivals: {{ poisson: 4/s }}, service: {{ constant: 500ms }}{uses} }}
{periodic}workers: [{{ name: w, processes: 2, concurrency: 4, restart: {{ backoff: 2s, max: 10s }} }}]
scrape: {{ interval: 5s, timeout: 4s }}
timeline:
  - {{ at: 2m, fault: {}, {select}{keys}until: {{ at: 5m{remedy} }} }}
{beside}incidents:
  - {{ cause: other, {of}wanted: page, within: 2m }}
",
        kind.name.replace('.', "-"),
        kind.summary.trim(),
        kind.name
    )
}

/// Redis takes nothing for ten seconds.
const REFUSED: &str = "  - { id: refused, at: 3m, fault: redis.full, until: { at: 190s } }\n";

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
            found @ (Observation::Action(_) | Observation::Interference(_)) => {
                panic!("nobody is there to do it: {found:?}")
            }
            Observation::Series { .. } | Observation::Scrape { .. } | Observation::Heard(_) => {}
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
        let (mut marks, audited) = run(&scenario_with(kind, keys));
        marks.retain(|mark| mark.step.as_deref() == Some(kind.name));
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

/// Whose handlers, clocks and calls are not ours knows no plan: what is done to those needs workers of ours, and what is done to
/// processes, Redis, queues and the producer does not.
#[test]
fn what_only_workers_of_ours_can_do_is_told_with_what_would_do() {
    let of_processes_and_needs_ours = [
        "worker.clock-skew",
        "worker.crash-loop",
        "worker.deploy-broken",
        "worker.die",
        "worker.lose-lease",
        "worker.memory-limit",
        "link.lose-reply",
        "link.repeat",
    ];
    for kind in fault::KINDS {
        let needs = plan_of(&scenario(kind)).needs_our_workers(TeamsOwn::Processes);
        let expected = kind.name.starts_with("handler.")
            || kind.name.starts_with("resource.")
            || of_processes_and_needs_ours.contains(&kind.name);
        let found = needs
            .iter()
            .any(|of| of.what == format!("faults: {0} ({0})", kind.name));
        assert_eq!(found, expected, "{}: {needs:?}", kind.name);
        assert!(
            needs
                .iter()
                .all(|of| !of.why.is_empty() && !of.instead.is_empty())
        );
    }
    let to_producer = scenario_with(
        fault::KINDS
            .iter()
            .find(|kind| kind.name == "link.repeat")
            .unwrap(),
        "call: enqueue, share: 10%, select: [producer]",
    );
    assert_eq!(
        plan_of(&to_producer).needs_our_workers(TeamsOwn::Processes),
        []
    );
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
    // Whoever tries again until it is told yes has all of it done, at once.
    let again = audit_of("producer.retry");
    assert_eq!(
        (again.rejected, again.duplicates, again.executed_twice),
        (0, 0, 0),
        "{again:?}"
    );
    assert!((9_000..=14_000).contains(&again.wait_ms[2]), "{again:?}");
    // A quarter of the payloads, for 3 of 8 minutes; none of them is a task, and their users are harmed.
    let locked = audit_of("lock.leave");
    assert!((150..210).contains(&locked.locked_out), "{locked:?}");
    assert_eq!(
        (locked.duplicates, locked.late),
        (locked.locked_out, 0),
        "{locked:?}"
    );
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

/// The last values of a drill's series of this name, added up over everything else.
fn last_of(text: &str, name: &str) -> (f64, Audited) {
    let plan = plan_of(text);
    let (mut of, mut last, mut audited) = (Vec::new(), BTreeMap::new(), None);
    let sink = &mut |observation| {
        match observation {
            Observation::Series { id, labels } if labels.name() == name => of.push(id),
            Observation::Scrape { values, .. } => {
                last.extend(
                    values
                        .into_iter()
                        .filter(|(id, value)| of.contains(id) && !value.is_nan()),
                );
            }
            Observation::Ledger { audited: all, .. } => audited = Some(*all),
            _ => {}
        }
        Ok(())
    };
    virtual_time::run(&plan, VirtualOptions::default(), sink).unwrap();
    (last.values().sum(), audited.unwrap())
}

fn of_kind(name: &str, keys: &str) -> String {
    let kind = fault::KINDS.iter().find(|kind| kind.name == name);
    scenario_with(kind.unwrap(), keys)
}

#[test]
fn a_panic_is_retried_and_the_application_counts_it_or_does_not() {
    let counted = last_of(&of_kind("handler.panic", "task: t"), "job_processed_total");
    let uncounted = of_kind("handler.panic", "task: t, counted: false");
    let uncounted = last_of(&uncounted, "job_processed_total");
    assert_eq!(counted.1.audit, uncounted.1.audit, "Redis sees the same");
    let failed = counted.1.audit.failed_executions as f64;
    // About 720 tasks come meanwhile, and each is tried again and again. The last scrape is up to 5 s old.
    assert!(failed > 1_000.0, "{failed}");
    assert!(
        (counted.0 - uncounted.0 - failed).abs() < 5.0,
        "{} {}",
        counted.0,
        uncounted.0
    );
}

#[test]
fn a_poison_task_brings_one_process_after_the_other_down_and_an_orchestrator_starts_them_again() {
    let poisoned = of_kind("handler.crash", "task: bad").replace(
        "workers:",
        "  - { task: bad, queue: default, arrivals: { burst: { count: 1, at: 130s } }, service: { constant: 1s } }\nworkers:",
    );
    let (starts, audited) = last_of(&poisoned, "process_start_time_seconds");
    assert!(starts > 0.0);
    let audit = audited.audit;
    // The poison comes back after 1 to 2 min, and its end mends it.
    assert!(audit.executed_twice > 0 && audit.lost == 0, "{audit:?}");
    assert_eq!(audit.unexplained.run_twice, 0, "{audit:?}");
    assert!(audit.succeeded > 1_800, "{audit:?}");
    // Nobody starts them: the first poison takes one process, its return the other.
    let forlorn = poisoned.replace(", restart: { backoff: 2s, max: 10s }", "");
    let (_, audited) = last_of(&forlorn, "up");
    assert!(audited.audit.still_queued > 200, "{:?}", audited.audit);
    assert_eq!(audited.audit.unexplained.run_twice, 0);
}

#[test]
fn slots_leak_one_by_one_until_a_restart() {
    let leaking = of_kind("handler.leak", "every: 50, select: all");
    let (_, audited) = last_of(&leaking, "up");
    let audit = audited.audit;
    // 720 tasks, one in 50 hangs: all 8 slots are gone after 400, and the rest waits for the restart.
    assert!((100..600).contains(&audit.late), "{audit:?}");
    assert!((8..12).contains(&audit.executed_twice), "{audit:?}");
    assert!(audit.lost == 0 && audit.still_queued < 8, "{audit:?}");
    // With a timeout, slots come back; the handlers are still stuck.
    let timed = leaking.replace("service:", "timeout: 20s, service:");
    let (_, audited) = last_of(&timed, "up");
    assert_eq!(audited.audit.late, 0, "{:?}", audited.audit);
    assert_eq!(audited.audit.unexplained.run_twice, 0);
}

/// A drill ends while somebody still tries: it is one arrival, and one rejection that the plan explains.
#[test]
fn what_is_tried_again_to_the_end_is_rejected_once() {
    let text = of_kind("producer.retry", "every: 5s")
        .replace("until: { at: 190s }", "until: end")
        .replace("until: { at: 5m }", "until: end");
    let (_, audited) = last_of(&text, "up");
    let audit = audited.audit;
    // Five minutes of 4 a second.
    assert!((1_100..1_300).contains(&audit.rejected), "{audit:?}");
    assert_eq!(audit.intended, audit.enqueued + audit.rejected, "{audit:?}");
    assert_eq!(
        (audit.unexplained.rejected, audit.duplicates),
        (0, 0),
        "{audit:?}"
    );
}

#[test]
fn who_has_died_is_started_again_only_when_redis_is_there() {
    let text = of_kind("worker.die", "when: before_done")
        .replace(", until: { at: 5m, remedy: worker.restart }", "")
        .replace("incidents:", "  - { at: 122s, fault: redis.kill, until: { at: 3m, remedy: redis.start } }\nincidents:")
        .replace("cause: other,", "cause: other, of: worker.die,");
    let plan = plan_of(&text);
    let up = |scraped: &Scraped| scraped.value("up", None).unwrap() == 1.0;
    let ups = scrapes_of(&plan, "worker/w-0");
    let down = ups.iter().filter(|(_, scraped)| !up(scraped));
    let down: Vec<i64> = down.map(|(at_ms, _)| *at_ms).collect();
    let (first, last) = (down[0], down[down.len() - 1]);
    assert!((120_000..126_000).contains(&first), "{first}");
    // Waits of 2, 4, 8, 10 s and no longer, the first of them that ends after Redis is back.
    assert!((175_000..192_000).contains(&last), "{last}");
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

/// A drill with a fault of the list, which begins at 2m, and a worker that dies for good 10 s later; tasks take so long.
fn orphaned(name: &str, service: &str) -> Audited {
    let kind = fault::KINDS.iter().find(|kind| kind.name == name);
    let text = scenario(kind.unwrap())
        .replace("poisson: 4/s", "poisson: 4/m")
        .replace("constant: 500ms", &format!("constant: {service}"))
        .replace("duration: 8m", "duration: 20m")
        .replace(
            "incidents:",
            "  - { at: 130s, id: dead, fault: worker.kill, select: [w-1] }\nincidents:",
        )
        .replace("wanted: page", "of: dead, wanted: page");
    run(&text).1
}

#[test]
fn what_nobody_holds_a_lease_of_stays_when_its_worker_dies() {
    let usual = orphaned("scrape.gap", "90s").audit;
    assert!(usual.executed_twice > 0, "{usual:?}");
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
             - { at: 7m, remedy: redis.raise-maxmemory, bytes: 8MB }\nincidents:",
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

#[test]
fn a_share_of_the_time_is_a_share_of_the_work() {
    let kind = fault::KINDS
        .iter()
        .find(|kind| kind.name == "worker.cpu-throttle");
    let audit_of = |share: &str| {
        let text = scenario_with(kind.unwrap(), share).replace("select: [w-0]", "select: all");
        run(&text).1.audit
    };
    // 8 slots do two tasks of half a second in each 5 s at most, and 20 come.
    let starved = audit_of("share: 5%");
    assert!(
        starved.late > 300 && starved.executed_twice == 0,
        "{starved:?}"
    );
    assert_eq!(audit_of("share: 95%").late, 0);
}

/// Both schedulers send the same: what has a name or a lock of its own each time is refused the second time, as what always has the
/// same.
#[test]
fn two_schedulers_enqueue_the_same_task() {
    let kind = fault::KINDS
        .iter()
        .find(|kind| kind.name == "scheduler.duplicate");
    let audit_of = |options: &str| {
        let text = scenario(kind.unwrap()).replace(PERIODIC, &format!(
            "  - {{ task: c, queue: default, arrivals: {{ cron: \"@every 15s\" }}, service: {{ constant: 1s }}{options} }}\n  \
             - {{ task: d, queue: default, arrivals: {{ cron: \"@every 15s\" }}, service: {{ constant: 1s }} }}\n"
        ));
        run(&text).1.audit
    };
    let plain = audit_of("");
    assert_eq!(plain.duplicates, 0, "{plain:?}");
    // Twelve times in three minutes.
    for options in [
        ", unique: 50s",
        ", unique: { ttl: 50s, keys: 7 }",
        ", task_id: \"report-{n}\"",
        ", task_id: \"report-{n % 5}\"",
    ] {
        let audit = audit_of(options);
        assert_eq!(audit.duplicates, 12, "{options}: {audit:?}");
        assert_eq!(audit.intended, plain.intended, "{options}");
        assert_eq!(audit.unexplained, Default::default(), "{options}");
    }
}
