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

/// A task of the small drill that enqueues two others, each of which enqueues a third for later.
fn chained(kind: &str, keys: &str) -> String {
    of_kind(kind, keys).replace(
        "service: { constant: 500ms } }",
        "service: { constant: 100ms }, then: [ { task: thumb, count: 2 } ] }
  - { task: thumb, queue: default, service: { constant: 50ms }, then: [ { task: mail, delay: 10s } ] }
  - { task: mail, queue: default, arrivals: none, service: { constant: 10ms } }",
    )
}

#[test]
fn every_child_of_a_chain_is_accounted_for() {
    let text = chained("scrape.gap", "");
    let plan = plan_of(&text);
    assert_eq!(plan_of(&plan.to_yaml()), plan);
    let arrivals = firedrill_sim::plan::arrivals(&plan, 0).count() as u64;
    let (_, audited) = last_of(&text, "up");
    let audit = audited.audit;
    // All but what is under way in the end: each task brings two thumbs, and each of those a mail.
    assert!(
        (arrivals * 5 - 20..=arrivals * 5).contains(&audit.intended),
        "{arrivals} {audit:?}"
    );
    assert!(audit.succeeded + 150 > audit.intended, "{audit:?}");
    assert_eq!(
        (audit.rejected, audit.late, audit.lost),
        (0, 0, 0),
        "{audit:?}"
    );
    let expected = firedrill_sim::plan::expected_tasks(&plan);
    let [tasks, thumbs, mails] = expected[..] else {
        panic!("{expected:?}")
    };
    assert_eq!((thumbs, mails), (2.0 * tasks, 2.0 * tasks));
    // A handler that fails has enqueued nothing.
    let failing = text.replace(
        "task: t, queue",
        "task: t, fail: 100%, fail_as: skip_retry, queue",
    );
    let (_, audited) = last_of(&failing, "up");
    assert_eq!(audited.audit.intended, arrivals, "{:?}", audited.audit);
    // What cannot be enqueued is told to asynq as an error, and is done again.
    for fault in [
        "redis.kill",
        "redis.full",
        "link.reset",
        "link.black-hole",
        "worker.kill",
    ] {
        let keys = if fault.starts_with("redis") {
            ""
        } else {
            "select: [w-0]"
        };
        let (_, audited) = last_of(&chained(fault, keys), "up");
        let audit = audited.audit;
        let unexplained = &audit.unexplained;
        assert_eq!(
            (
                unexplained.rejected,
                unexplained.lost,
                unexplained.run_twice
            ),
            (0, 0, 0),
            "{fault} {audit:?}"
        );
        assert!(audit.intended > arrivals * 3, "{fault}: {audit:?}");
    }
}

#[test]
fn what_goes_in_circles_is_counted_as_success_after_success() {
    let calm = last_of(&of_kind("scrape.gap", ""), "up").1.audit;
    let text = of_kind("handler.requeue", "task: t").replace("constant: 500ms", "constant: 50ms");
    let audit = last_of(&text, "up").1.audit;
    // 720 tasks come in the 3 min; each goes round every 3 to 6 s until they are over.
    assert!(audit.intended > 6 * calm.intended, "{audit:?}");
    assert!(audit.succeeded + 150 > audit.intended, "{audit:?}");
    assert_eq!((audit.failed_executions, audit.lost), (0, 0), "{audit:?}");
    let expected: f64 = firedrill_sim::plan::expected_tasks(&plan_of(&text))
        .iter()
        .sum();
    let seen = audit.intended as f64;
    assert!(
        (seen * 0.7..seen * 3.0).contains(&expected),
        "{expected} {seen}"
    );
}

#[test]
fn a_chain_that_cannot_be_is_refused() {
    let said = |then: &str, more: &str| {
        let text = of_kind("scrape.gap", "").replace(
            "service: { constant: 500ms } }",
            &format!("service: {{ constant: 500ms }}, then: [ {then} ] }}{more}"),
        );
        let written = Scenario::parse("s.yaml", &text).unwrap();
        match Plan::resolve(&written, &PlanOptions::default()) {
            Ok(_) => String::new(),
            Err(found) => found.iter().map(|one| format!("{one}\n")).collect(),
        }
    };
    let x = "\n  - { task: x, queue: default, service: { constant: 1s } }";
    assert_eq!(said("{ task: x }", x), "");
    assert!(
        said("{ task: y }", x).contains("s.yaml:10:98: there is no task `y`"),
        "{}",
        said("{ task: y }", x)
    );
    assert!(
        said("", x).contains("nothing enqueues `x`"),
        "{}",
        said("", x)
    );
    let round = x.replace(" } }", " }, then: [ { task: t } ] }");
    assert!(said("{ task: x }", &round).contains("`t` enqueues itself again, without end"));
    let twice = format!("{x}{x}");
    assert!(said("{ task: x }", &twice).contains("there are 2 workload entries `x`"));
}

/// The small drill with other resources, and a burst of tasks that need one.
fn sharing(resource: &str, tasks: u32, steps: &str) -> String {
    let text = of_kind("scrape.gap", "")
        .replace("workload:", &format!("resources: {{ r: {{ {resource} }} }}\nworkload:"))
        .replace(
            "workers:",
            &format!(
                "  - {{ task: u, queue: default, arrivals: {{ burst: {{ count: {tasks}, at: 3m, over: 1ms }} }}, \
                 service: {{ constant: 1ms }}, uses: [ {{ resource: r, for: 1s }} ] }}\nworkers:"
            ),
        );
    text.replace("timeline:\n", &format!("timeline:\n{steps}"))
        .replace(
            "cause: other, wanted",
            "cause: other, of: scrape.gap, wanted",
        )
}

fn seconds_of(text: &str, task: &str) -> f64 {
    let plan = plan_of(text);
    let (mut of, mut last) = (Vec::new(), BTreeMap::new());
    let sink = &mut |observation| {
        match observation {
            Observation::Series { id, labels }
                if labels.name() == "job_duration_seconds_sum"
                    && labels.get("task_type") == Some(task) =>
            {
                of.push(id);
            }
            Observation::Scrape { values, .. } => {
                last.extend(
                    values
                        .into_iter()
                        .filter(|(id, value)| of.contains(id) && !value.is_nan()),
                );
            }
            _ => {}
        }
        Ok(())
    };
    virtual_time::run(&plan, VirtualOptions::default(), sink).unwrap();
    last.values().sum()
}

#[test]
fn who_shares_something_waits_for_it_first_come_first_served() {
    // One may be fetched up to a second later, by a process that was idle.
    let near = |seconds: f64, expected: f64| seconds > expected - 1.0 && seconds < expected + 0.1;
    // Five at once, one after the other: 1 + 2 + 3 + 4 + 5 s.
    let one = sharing("capacity: 1", 5, "");
    assert_eq!(plan_of(&plan_of(&one).to_yaml()), plan_of(&one));
    assert!(
        near(seconds_of(&one, "u"), 15.0),
        "{}",
        seconds_of(&one, "u")
    );
    assert!(near(
        seconds_of(&sharing("pool: 1, per: fleet", 5, ""), "u"),
        15.0
    ));
    assert!(near(seconds_of(&sharing("capacity: 5", 5, ""), "u"), 5.0));
    // Each process has a pool of its own: three and two, or two and three.
    let own = seconds_of(&sharing("pool: 1", 5, ""), "u");
    assert!(near(own, 6.0 + 3.0) || near(own, 10.0 + 1.0), "{own}");
    // The last of them have waited for 2.5 s, and fail.
    let (_, audited) = last_of(&sharing("capacity: 1, wait_timeout: 2500ms", 5, ""), "up");
    assert!(audited.audit.failed_executions >= 2, "{:?}", audited.audit);
    // What is slow is slow for all who wait.
    let slow =
        "  - { at: 170s, fault: resource.slow, resource: r, factor: 2, until: { at: 4m } }\n";
    assert!(near(
        seconds_of(&sharing("capacity: 1", 5, slow), "u"),
        30.0
    ));
    // Nobody may hold it until the fault ends.
    let none =
        "  - { at: 170s, fault: resource.shrink, resource: r, to: 0, until: { at: 200s } }\n";
    let seconds = seconds_of(&sharing("capacity: 1", 5, none), "u");
    assert!(near(seconds, 5.0 * 20.0 + 15.0), "{seconds}");
}

#[test]
fn what_a_dead_process_held_is_free() {
    let kill = "  - { at: 181s, fault: worker.kill, select: [w-0] }\n";
    let of = |tasks| {
        let text = sharing("capacity: 2", tasks, kill).replace("for: 1s", "for: 100s");
        last_of(&text, "up").1
    };
    let audited = of(4);
    // Of four, two at a time: the dead one's come back after the others.
    let audit = audited.audit;
    assert!(audit.executed_twice > 0, "{audit:?}");
    assert_eq!(
        (audit.unexplained.run_twice, audit.lost),
        (0, 0),
        "{audit:?}"
    );
    // Those two would wait for ever if what the dead one held were not free; one task has nothing to wait for.
    let alone = of(1).audit;
    assert!(
        audit.still_queued < alone.still_queued + 2,
        "{audit:?} {alone:?}"
    );
}

#[test]
fn an_exhausted_pool_is_seen_where_an_application_shows_it() {
    let slow = "resource: db, factor: 200";
    let (waits, audited) = last_of(&of_kind("resource.slow", slow), "go_sql_wait_count_total");
    assert!(waits > 100.0, "{waits}");
    let audit = audited.audit;
    assert!(
        audit.failed_executions > 10 && audit.late > 100,
        "{audit:?}"
    );
    let (most, _) = last_of(
        &of_kind("resource.slow", slow),
        "go_sql_max_open_connections",
    );
    assert_eq!(most, 6.0);
    let (failed, _) = last_of(
        &of_kind("resource.fail", "resource: api"),
        "job_processed_total",
    );
    assert!(failed > 2_000.0, "{failed}");
}

#[test]
fn a_resource_that_cannot_be_is_refused() {
    let said = |text: &str| match Scenario::parse("s.yaml", text) {
        Err(found) => found
            .iter()
            .map(|one| format!("{one}\n"))
            .collect::<String>(),
        Ok(written) => match Plan::resolve(&written, &PlanOptions::default()) {
            Ok(_) => String::new(),
            Err(found) => found.iter().map(|one| format!("{one}\n")).collect(),
        },
    };
    let right = sharing("capacity: 3", 5, "");
    assert_eq!(said(&right), "");
    let wrong = right.replace("resource: r, for: 1s", "resource: s, for: 1s");
    assert!(
        said(&wrong).contains("there is no resource `s`"),
        "{}",
        said(&wrong)
    );
    let endless = right.replace("resource: r, for: 1s", "resource: r");
    assert!(
        said(&endless).contains("it is not said for how long `r` is held"),
        "{}",
        said(&endless)
    );
    let both = right.replace("capacity: 3", "capacity: 3, pool: 3");
    assert!(
        said(&both).contains("exactly one of `pool` and `capacity` is needed"),
        "{}",
        said(&both)
    );
    let more = sharing(
        "capacity: 3",
        5,
        "  - { at: 170s, fault: resource.shrink, resource: r, to: 3, until: { at: 4m } }\n",
    );
    assert!(said(&more).contains("`r` has 3 anyway"), "{}", said(&more));
    let nowhere = of_kind("resource.fail", "resource: api").replace("api: {", "other: {");
    assert!(
        said(&nowhere).contains("there is no resource `api`"),
        "{}",
        said(&nowhere)
    );
}

#[test]
fn who_has_died_is_started_again_only_when_redis_is_there() {
    let text = of_kind("worker.die", "when: before_done")
        .replace(", until: { at: 5m, remedy: worker.restart }", "")
        .replace("incidents:", "  - { at: 122s, fault: redis.kill, until: { at: 3m, remedy: redis.start } }\nincidents:")
        .replace("cause: other,", "cause: other, of: worker.die,");
    let plan = plan_of(&text);
    let mut ups = Vec::new();
    let mut labels = BTreeMap::new();
    let sink = &mut |observation| {
        match observation {
            Observation::Series { id, labels: of } => drop(labels.insert(id, of)),
            Observation::Scrape {
                at_ms,
                target,
                values,
            } if target == "worker/w-0" => {
                let up = values.iter().find(|(id, _)| labels[id].name() == "up");
                ups.push((at_ms, up.unwrap().1 == 1.0));
            }
            _ => {}
        }
        Ok(())
    };
    virtual_time::run(&plan, VirtualOptions::default(), sink).unwrap();
    let down: Vec<i64> = ups
        .iter()
        .filter(|(_, up)| !up)
        .map(|(at_ms, _)| *at_ms)
        .collect();
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

/// A benign drill of three processes with this timeline.
fn rolling(timeline: &str) -> String {
    let text = scenario(&fault::KINDS[0]).replace("processes: 2", "processes: 3");
    let head = text.split("timeline:").next().unwrap();
    head.replace("family: other", "family: benign")
        + "timeline:\n"
        + timeline
        + "benign: [{ what: a deploy, at: 1m }]\n"
}

#[test]
fn a_rolling_restart_takes_one_process_after_the_other() {
    let text = rolling(
        "  - { at: 2m, remedy: worker.rolling-restart, select: all, down: 10s, pause: 30s }\n",
    );
    let plan = plan_of(&text);
    assert_eq!(plan_of(&plan.to_yaml()), plan);
    let (mut seen, mut up, mut labels) = (Vec::new(), Vec::new(), BTreeMap::new());
    let sink = &mut |observation| {
        match observation {
            Observation::Mark(mark) => seen.push(mark),
            Observation::Series { id, labels: of } => drop(labels.insert(id, of)),
            Observation::Scrape { values, .. } => {
                let found = values.iter().find(|(id, _)| labels[id].name() == "up");
                up.extend(found.map(|(_, value)| *value));
            }
            _ => {}
        }
        Ok(())
    };
    virtual_time::run(&plan, VirtualOptions::default(), sink).unwrap();
    let told: Vec<(i64, String, &str)> = seen
        .iter()
        .map(|mark| {
            let second = (mark.at_ms as f64 / 1e3).round() as i64;
            (second, mark.targets.join(" "), mark.saw.as_str())
        })
        .collect();
    let (went, came) = ("0 came, 1 went", "1 came, 0 went");
    // Handlers of 500 ms are waited for, each time.
    let expected = [
        (120, "w-0 w-1 w-2", went),
        (131, "w-0", came),
        (161, "w-1", went),
        (171, "w-1", came),
        (201, "w-2", went),
        (212, "w-2", came),
    ];
    assert_eq!(told.len(), expected.len(), "{told:?}");
    for (told, expected) in told.iter().zip(&expected) {
        assert!((told.0 - expected.0).abs() <= 2, "{told:?} {expected:?}");
        assert_eq!((told.1.as_str(), told.2), (expected.1, expected.2));
    }
    assert!(seen.iter().all(|mark| mark.verified));
    // Prometheus no longer looks for one that has gone.
    assert!(!up.contains(&0.0));
    let stay = text.replace("down: 10s", "down: 10s, targets_stay: true");
    let mut down = 0;
    let sink = &mut |observation| {
        if let Observation::Scrape { values, .. } = observation {
            down += usize::from(values.iter().any(|(id, value)| {
                labels.get(id).is_some_and(|of| of.name() == "up") && *value == 0.0
            }));
        }
        Ok(())
    };
    virtual_time::run(&plan_of(&stay), VirtualOptions::default(), sink).unwrap();
    assert!(down >= 3, "{down}");
}

#[test]
fn what_would_disturb_a_rolling_restart_is_refused() {
    let roll = "  - { at: 2m, remedy: worker.rolling-restart, select: all }\n";
    let problem = |timeline: &str| {
        let written = Scenario::parse("s.yaml", &rolling(timeline)).unwrap();
        let problems = Plan::resolve(&written, &PlanOptions::default()).unwrap_err();
        problems[0].to_string()
    };
    let kill = "  - { at: 150s, fault: worker.kill, select: [w-1], until: { at: 6m, remedy: worker.restart } }\n";
    for (timeline, said) in [
        (
            format!("{roll}{kill}"),
            "s.yaml:14:23: worker.rolling-restart: lasts from 2m to 3m40s, and in that time `worker.kill` (line 15) is on",
        ),
        (
            roll.to_owned() + "  - { at: 3m, remedy: workers.scale, worker: w, to: 1 }\n",
            "s.yaml:14:23: worker.rolling-restart: lasts from 2m to 3m40s, and workers.scale is done to its processes at 3m",
        ),
        (
            roll.replace("2m", "7m"),
            "s.yaml:14:23: worker.rolling-restart: is through at 8m40s, and the drill is over by then\n    do it earlier, or make the drill longer",
        ),
    ] {
        assert_eq!(problem(&timeline), said);
    }
    let broken = "  - { at: 2m, fault: worker.deploy-broken, select: all, until: { at: 6m, remedy: worker.rollback } }\n";
    let scaled = format!("{broken}  - {{ at: 3m, remedy: workers.scale, worker: w, to: 1 }}\n");
    assert_eq!(
        problem(&scaled),
        "s.yaml:15:23: workers.scale: w cannot be scaled at 3m, its release does not boot then, by `worker.deploy-broken` (line 14)\n    \
         scale it before, or when the deploy was rolled back"
    );
}

/// Tasks that were given back stand at the head of their queue, without the time since which they wait.
#[test]
fn nothing_seems_to_wait_after_a_deploy_that_does_not_boot() {
    let broken = fault::KINDS
        .iter()
        .find(|kind| kind.name == "worker.deploy-broken");
    let text = scenario(broken.unwrap())
        .replace("select: [w-0]", "select: all")
        // Longer than the graceful shutdown.
        .replace("service: { constant: 500ms }", "service: { exponential: { mean: 1s } }")
        .replace("workers:", "  - { task: long, queue: default, arrivals: { constant: 6/m }, service: { constant: 40s } }\nworkers:");
    let plan = plan_of(&text);
    let (mut labels, mut waiting) = (BTreeMap::new(), Vec::new());
    let sink = &mut |observation| {
        match observation {
            Observation::Series { id, labels: of } => drop(labels.insert(id, of)),
            Observation::Scrape {
                at_ms,
                target,
                values,
            } if target == "asynq-exporter/exporter" => {
                let of = |name: &str, state: Option<&str>| {
                    let found = values.iter().find(|(id, _)| {
                        labels[id].name() == name && labels[id].get("state") == state
                    });
                    found.map_or(f64::NAN, |(_, value)| *value)
                };
                let pending = of("asynq_tasks_enqueued_total", Some("pending"));
                waiting.push((at_ms, pending, of("asynq_queue_latency_seconds", None)));
            }
            _ => {}
        }
        Ok(())
    };
    virtual_time::run(&plan, VirtualOptions::default(), sink).unwrap();
    let down: Vec<_> = waiting
        .into_iter()
        .filter(|(at_ms, ..)| (150_000..300_000).contains(at_ms))
        .collect();
    assert!(down.len() >= 29);
    let (_, most, _) = down.last().unwrap();
    assert!(*most > 500.0, "{down:?}");
    assert!(
        down.iter().all(|(_, _, latency)| *latency == 0.0),
        "{down:?}"
    );
}
