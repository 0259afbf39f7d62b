//! What operators do to tasks by hand, on the model: what it does, and that the audit knows it. `cli/tests/it/remedies.rs` does
//! the same for real.

use crate::support::plan_of;
use firedrill_reports::record::{Audit, Impact, Mark};
use firedrill_sim::engine::Observation;
use firedrill_sim::engine::virtual_time::{self, VirtualOptions};
use firedrill_sim::scenario::{PlanOptions, Scenario};

/// A dependency fails from 2m to 6m, and its tasks wait for their retries; `more`: entries of the timeline.
fn scenario(more: &str) -> String {
    format!(
        "version: firedrill/v1\nname: storm\nfamily: retry-storm\nsummary: s\nduration: 8m\nwarmup: 1m\n\
         queues: {{ default: {{ wait_objective: 60s }} }}\n\
         workload:\n\
         \x20 - {{ task: pay, queue: default, arrivals: {{ constant: 2/s }}, service: {{ constant: 100ms }} }}\n\
         \x20 - {{ task: mail, queue: default, arrivals: {{ constant: 2/s }}, service: {{ constant: 100ms }} }}\n\
         workers: [{{ name: w, concurrency: 10, retry_delay: {{ constant: 3m }} }}]\n\
         timeline:\n\
         \x20 - {{ at: 2m, fault: handler.fail, task: pay, share: 100%, until: {{ at: 6m }} }}\n{more}\
         incidents: [{{ cause: retry-storm, wanted: page, within: 2m, at: 2m, until: 6m }}]\n"
    )
}

fn run(more: &str) -> (Vec<Mark>, Audit) {
    marks_of(&scenario(more))
}

/// The marks of what is done to tasks by hand, and the audit.
fn marks_of(text: &str) -> (Vec<Mark>, Audit) {
    let plan = plan_of(text);
    let (mut marks, mut audited) = (Vec::new(), None);
    let sink = &mut |observation| {
        match observation {
            Observation::Mark(mark) => marks.push(mark),
            Observation::Ledger { audited: all, .. } => audited = Some(all.audit),
            found @ (Observation::Action(_) | Observation::Interference(_)) => {
                panic!("nobody is there to do it: {found:?}")
            }
            Observation::Series { .. } | Observation::Scrape { .. } | Observation::Heard(_) => {}
        }
        Ok(())
    };
    virtual_time::run(&plan, VirtualOptions::default(), sink).unwrap();
    let by_hand = ["tasks.", "task.move", "orphans.", "redis.raise-maxmemory"];
    marks.retain(|mark| by_hand.iter().any(|name| mark.what.starts_with(name)));
    (marks, audited.unwrap())
}

/// What users felt of each incident, and the audit.
fn felt(text: &str) -> (Vec<Impact>, Audit) {
    let mut audited = None;
    let sink = &mut |observation| {
        if let Observation::Ledger { audited: all, .. } = observation {
            audited = Some(all);
        }
        Ok(())
    };
    virtual_time::run(&plan_of(text), VirtualOptions::default(), sink).unwrap();
    let audited = audited.unwrap();
    (audited.impacts, audited.audit)
}

/// What was seen of the remedies, and the audit, in which nothing is unexplained.
fn done(more: &str) -> (Vec<String>, Audit) {
    all_of(&scenario(more))
}

fn all_of(text: &str) -> (Vec<String>, Audit) {
    let (marks, audit) = marks_of(text);
    assert!(marks.iter().all(|mark| mark.verified), "{marks:?}");
    assert_eq!(audit.unexplained, Default::default());
    let classes = [
        audit.succeeded,
        audit.archived,
        audit.trimmed,
        audit.deleted,
        audit.still_queued,
        audit.lost,
    ];
    assert_eq!(classes.iter().sum::<u64>(), audit.enqueued, "{audit:?}");
    (marks.into_iter().map(|mark| mark.saw).collect(), audit)
}

#[test]
fn what_is_archived_or_deleted_by_hand_is_known_as_such() {
    // Two a second for two minutes wait for their retries.
    let archive = "  - { at: 4m, remedy: tasks.archive, queue: default, state: retry }\n";
    let (saw, audit) = done(archive);
    let archived = counted(&saw[0], " retry tasks in default archived");
    assert!((230..=240).contains(&archived), "{saw:?}");
    assert_eq!((audit.archived, audit.archived_unstarted), (archived, 0));
    let delete = "  - { at: 4m, remedy: tasks.delete, queue: default, state: retry, task: pay }\n";
    let (saw, audit) = done(delete);
    let deleted = counted(&saw[0], " retry tasks of pay in default deleted");
    assert_eq!(deleted, archived, "mail does not fail");
    let found = (audit.deleted, audit.lost, audit.jobs_lost());
    assert_eq!(found, (deleted, 0, Some(0)));
    let both = format!(
        "{archive}  - {{ at: 5m, remedy: tasks.delete, queue: default, state: archived, older_than: 30s }}\n"
    );
    let (saw, audit) = done(&both);
    let deleted = counted(&saw[1], " archived tasks in default deleted");
    assert_eq!((audit.archived, audit.deleted), (0, deleted));
}

/// The number before `what`.
fn counted(saw: &str, what: &str) -> u64 {
    let number = saw.strip_suffix(what);
    number.unwrap_or_else(|| panic!("{saw}")).parse().unwrap()
}

#[test]
fn what_is_run_by_hand_is_run_at_once() {
    let at_once = "  - { at: 6m30s, remedy: tasks.run, queue: default, state: retry }\n";
    let (_, later) = done("");
    let (saw, now) = done(at_once);
    assert!(
        saw[0].ends_with("retry tasks in default made pending"),
        "{saw:?}"
    );
    assert!(
        now.queued.get("retry").copied().unwrap_or(0) < later.queued["retry"],
        "{now:?} {later:?}"
    );
    assert!(now.succeeded > later.succeeded);
    // Archived ones, too: they were given up, and succeed after all.
    let back = "  - { at: 4m, remedy: tasks.archive, queue: default, state: retry }\n\
                \x20 - { at: 7m, remedy: tasks.run, queue: default, state: archived }\n";
    let (saw, audit) = done(back);
    let run = counted(&saw[1], " archived tasks in default made pending");
    assert_eq!(run, counted(&saw[0], " retry tasks in default archived"));
    assert_eq!((audit.archived, audit.executed_twice), (0, 0));
}

/// A poisonous type beside mail, both in one queue; `more`: keys of the poison, and entries of the timeline.
fn poisoned(keys: &str, more: &str) -> String {
    format!(
        "version: firedrill/v1\nname: poison\nfamily: retry-storm\nsummary: s\nduration: 10m\nwarmup: 1m\n\
         queues: {{ default: {{ wait_objective: 60s }}, apart: {{ wait_objective: 10m }} }}\n\
         workload:\n\
         \x20 - {{ task: mail, queue: default, arrivals: {{ constant: 2/s }}, service: {{ constant: 100ms }} }}\n\
         \x20 - {{ task: bad, queue: default, arrivals: {{ constant: 1/s }}, service: {{ constant: 20s }}{keys} }}\n\
         workers:\n\
         \x20 - {{ name: w, concurrency: 10, queues: [default], retry_delay: {{ constant: 1m }} }}\n\
         \x20 - {{ name: apart, concurrency: 30, queues: [apart], retry_delay: {{ constant: 1m }} }}\n\
         timeline:\n\
         \x20 - {{ at: 2m, fault: handler.fail, task: bad, share: 50%, until: {{ at: 9m }} }}\n{more}\
         incidents: [{{ cause: retry-storm, wanted: page, within: 2m, at: 2m, until: 9m }}]\n"
    )
}

const MOVE: &str = "  - { at: 5m, remedy: task.move, task: bad, queue: default, to: apart }\n";

#[test]
fn a_task_type_that_is_moved_leaves_the_others_alone() {
    let (_, stays) = all_of(&poisoned("", ""));
    let (saw, moved) = all_of(&poisoned("", MOVE));
    let waiting = counted(&saw[0], " waiting tasks of bad moved from default to apart");
    assert!(waiting > 50, "{saw:?}");
    // Mail waits behind it until it is moved, and bad itself has slots enough there.
    assert!(moved.late * 2 < stays.late, "{moved:?} {stays:?}");
    assert!(
        moved.succeeded > stays.succeeded + 200,
        "{moved:?} {stays:?}"
    );
    assert_eq!(moved.intended, stays.intended);
    // What is left in the end is in one of the states that the audit knows, each task once.
    assert_eq!((moved.lost, moved.deleted, moved.duplicates), (0, 0, 0));
}

#[test]
fn a_lock_goes_with_its_task_and_one_that_is_held_there_keeps_it_out() {
    // Of 600 payloads, each is refused while the one before waits.
    let unique = ", unique: { ttl: 1h, keys: 600 }";
    let (saw, audit) = all_of(&poisoned(unique, MOVE));
    assert!(counted(&saw[0], " waiting tasks of bad moved from default to apart") > 50);
    assert_eq!((audit.duplicates, audit.deleted), (0, 0), "{audit:?}");
    // Of one payload there is one task at a time, here or there; the one in progress holds no lock over there.
    let one = ", unique: { ttl: 1h, keys: 1 }";
    let (saw, audit) = all_of(&poisoned(one, ""));
    assert!(saw.is_empty() && audit.duplicates > 500, "{audit:?}");
    // Moved again, what has gone back to the old queue meanwhile finds its lock taken.
    let again = format!("{MOVE}{}", MOVE.replace("5m", "7m"));
    let (marks, audit) = marks_of(&poisoned("", &again));
    assert!(
        marks.iter().all(|mark| mark.verified),
        "what was in progress is moved then: {marks:?}"
    );
    assert_eq!(audit.unexplained, Default::default());
}

#[test]
fn a_move_that_cannot_be_is_refused_and_one_to_nobody_is_told() {
    let said = |entry: &str| {
        let text = poisoned(
            "",
            &format!("  - {{ at: 5m, remedy: task.move, {entry} }}\n"),
        );
        let problems = match Scenario::parse("s.yaml", &text) {
            Err(problems) => problems,
            Ok(scenario) => {
                firedrill_sim::plan::Plan::resolve(&scenario, &PlanOptions::default()).unwrap_err()
            }
        };
        let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
        told.join("\n")
    };
    for (entry, expected) in [
        ("task: bad, queue: default", "`to` is missing"),
        ("queue: default, to: apart", "`task` is missing"),
        ("task: bad, to: apart", "`queue` is missing"),
        (
            "task: bad, queue: default, to: default",
            "`bad` is in queue `default` already",
        ),
        (
            "task: bad, queue: default, to: nowhere",
            "there is no queue `nowhere`",
        ),
        (
            "task: bad, queue: apart, to: default",
            "there is no task `bad`",
        ),
        (
            "task: worse, queue: default, to: apart",
            "there is no task `worse`",
        ),
    ] {
        let told = said(entry);
        assert!(
            told.contains("s.yaml:16:") && told.contains(expected),
            "{entry}: {told}"
        );
    }
    let unserved = poisoned("", MOVE).replace(", queues: [apart]", ", queues: [default]");
    let scenario = Scenario::parse("s.yaml", &unserved).unwrap();
    let plan = firedrill_sim::plan::Plan::resolve(&scenario, &PlanOptions::default()).unwrap();
    let notes = scenario.notes(&plan);
    assert!(
        notes[0].contains("no worker serves queue `apart`"),
        "{notes:?}"
    );
    let (_, audit) = marks_of(&unserved);
    assert!(audit.stuck > 200, "they stay there: {audit:?}");
}

#[test]
fn where_there_is_nothing_to_change_that_is_told_and_voids_nothing() {
    for nothing in [
        "  - { at: 1m, remedy: tasks.archive, queue: default, state: retry }\n",
        "  - { at: 4m, remedy: tasks.delete, queue: default, state: retry, task: mail }\n",
        "  - { at: 4m, remedy: orphans.repair, queue: default }\n",
    ] {
        let (marks, _) = run(nothing);
        let told = |mark: &Mark| mark.verified && mark.saw.starts_with("nothing to do: 0 ");
        assert!(marks.len() == 1 && told(&marks[0]), "{marks:?}");
    }
}

#[test]
fn what_cannot_be_is_refused_with_its_place() {
    for (entry, said) in [
        (
            "tasks.run, queue: default, state: pending",
            "state: unknown `pending`",
        ),
        (
            "tasks.archive, queue: default, state: archived",
            "state: unknown `archived`",
        ),
        (
            "tasks.delete, queue: other, state: retry",
            "there is no queue `other`",
        ),
        (
            "tasks.delete, queue: default, state: retry, task: nope",
            "there is no task `nope`",
        ),
        (
            "tasks.delete, queue: default, state: retry, older_than: 1m",
            "older_than: Redis does not know since when a task is retry",
        ),
        ("tasks.delete, state: retry", "`queue`"),
        ("orphans.repair, queue: nope", "there is no queue `nope`"),
    ] {
        let text = scenario(&format!("  - {{ at: 4m, remedy: {entry} }}\n"));
        let problems = match Scenario::parse("s.yaml", &text) {
            Err(problems) => problems,
            Ok(scenario) => {
                let plan = firedrill_sim::plan::Plan::resolve(&scenario, &PlanOptions::default());
                plan.unwrap_err()
            }
        };
        let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
        let told = told.join("\n");
        assert!(
            told.contains("s.yaml:14:") && told.contains(said),
            "{entry}: {told}"
        );
    }
}

#[test]
fn what_would_change_nothing_is_refused_and_a_remedy_that_ends_nothing_is_told() {
    let with = |entry: &str| {
        "version: firedrill/v1\nname: s\nfamily: benign\nsummary: s\nduration: 10m\nwarmup: 1m\n\
         queues: { default: { wait_objective: 60s }, unused: { wait_objective: 60s } }\n\
         workload: [{ task: t, queue: default, arrivals: { cron: \"* * * * *\" }, service: { constant: 1s } }]\n\
         workers: [{ name: w, processes: 2, concurrency: 2 }]\n\
         timeline:\n"
            .to_owned()
            + entry
            + "benign: [{ what: all, at: 0s }]\n"
    };
    for (entry, said) in [
        (
            "  - { at: 2m, fault: queue.pause, queue: unused, until: { at: 3m, remedy: queue.unpause } }\n",
            "queue.pause: nothing is enqueued into queue `unused`",
        ),
        (
            "  - { at: 2m, fault: producer.surge, factor: 3, until: { at: 3m } }\n",
            "producer.surge: there are no arrivals at a rate",
        ),
        (
            "  - { at: 2m, remedy: workers.scale, worker: w, to: 2 }\n",
            "workers.scale: the group has as many processes then",
        ),
    ] {
        let scenario = Scenario::parse("s.yaml", &with(entry)).unwrap();
        let plan = firedrill_sim::plan::Plan::resolve(&scenario, &PlanOptions::default());
        let told: Vec<String> = plan.unwrap_err().iter().map(ToString::to_string).collect();
        let told = told.join("\n");
        assert!(told.contains("s.yaml:11:") && told.contains(said), "{told}");
    }
    let restart = "  - { at: 2m, remedy: worker.restart, select: all }\n\
                   \x20 - { at: 4m, remedy: workers.scale, worker: w, to: 3 }\n";
    let scenario = Scenario::parse("s.yaml", &with(restart)).unwrap();
    let plan = firedrill_sim::plan::Plan::resolve(&scenario, &PlanOptions::default()).unwrap();
    assert_eq!(
        scenario.notes(&plan),
        ["s.yaml:11: worker.restart ends nothing: no fault that it could end is on then"]
    );
}

/// A drill whose workers stand still from 1m to 5m while tasks of 200 KB come; `more`: entries of the timeline.
fn piled_up(more: &str) -> String {
    format!(
        "version: firedrill/v1\nname: memory\nfamily: resource-exhaustion\nsummary: s\nduration: 8m\nwarmup: 1m\n\
         queues: {{ default: {{ wait_objective: 60s }} }}\n\
         workload:\n\
         \x20 - {{ task: t, queue: default, arrivals: {{ constant: 2/s }}, payload: 200KB, service: {{ constant: 100ms }} }}\n\
         workers: [{{ name: w, concurrency: 10 }}]\n\
         timeline:\n\
         \x20 - {{ at: 1m, fault: worker.stop, select: all, until: {{ at: 5m }} }}\n{more}\
         incidents: [{{ cause: resource-exhaustion, wanted: page, within: 2m, at: 1m, until: 6m }}]\n"
    )
}

#[test]
fn a_limit_is_raised_where_there_is_one_and_it_is_lower() {
    let (marks, audit) = marks_of(&piled_up(
        "  - { at: 2m, remedy: redis.raise-maxmemory, bytes: 10MB }\n",
    ));
    let told: Vec<(bool, &str)> = marks.iter().map(|m| (m.verified, &*m.saw)).collect();
    assert_eq!(told, [(true, "no maxmemory is set: nothing was done")]);
    assert_eq!(audit.rejected, 0, "nothing was limited");

    let limited = |bytes: &str| {
        marks_of(&piled_up(&format!(
            "  - {{ id: mm, at: 1m, fault: redis.maxmemory, bytes: 10MB }}\n  \
             - {{ id: raise, at: 3m, remedy: redis.raise-maxmemory, bytes: {bytes} }}\n"
        )))
    };
    let (marks, audit) = limited("900MB");
    assert!(marks.iter().all(|mark| mark.verified), "{marks:?}");
    assert!(audit.rejected > 100, "{audit:?}");

    // So little more is met at once, too: what is refused then is still the plan's doing.
    let (marks, too_little) = limited("12MB");
    let last = marks.last().unwrap();
    assert_eq!(
        (last.step.as_deref(), last.verified, &*last.saw),
        (Some("raise"), false, "the new limit was reached, too")
    );
    assert!((180_000..240_000).contains(&last.at_ms), "{last:?}");
    assert!(too_little.rejected > audit.rejected, "{too_little:?}");
    assert_eq!(too_little.unexplained.rejected, 0, "{too_little:?}");
}

#[test]
fn a_move_is_in_force_for_those_that_come() {
    let moved = |arrivals: &str| {
        let text = scenario(
            "  - { id: move, at: 425s, remedy: task.move, task: mail, queue: default, to: apart }\n",
        );
        let text = text.replace("60s } }", "60s }, apart: { wait_objective: 60s } }");
        let text = text.replace(
            "task: mail, queue: default, arrivals: { constant: 2/s }",
            &format!("task: mail, queue: default, arrivals: {{ {arrivals} }}"),
        );
        marks_of(&text.replace("name: w,", "name: w, queues: [default],"))
    };
    // Five seconds after the last one, none waits.
    let (marks, audit) = moved("constant: 0.1/s");
    assert_eq!(
        marks
            .iter()
            .map(|m| (m.verified, &*m.saw))
            .collect::<Vec<_>>(),
        [(
            true,
            "0 waiting tasks of mail moved from default to apart; those that come from now on go there"
        )]
    );
    // What comes until the end, and nobody serves that queue.
    assert_eq!(audit.costs["move"].stranded, 5, "{audit:?}");
    let (marks, audit) = moved("constant: 0.1/s, until: 5m");
    assert_eq!(
        marks
            .iter()
            .map(|m| (m.verified, &*m.saw))
            .collect::<Vec<_>>(),
        [(
            false,
            "nothing to do: 0 waiting tasks of mail moved from default to apart, and none comes any more"
        )]
    );
    assert!(audit.costs.is_empty(), "{audit:?}");
}

#[test]
fn what_a_remedy_harms_when_all_was_well_again_is_its_cost_and_no_incidents() {
    let text = "version: firedrill/v1\nname: s\nfamily: slow-jobs\nsummary: s\nduration: 60m\n\
         queues: { default: { wait_objective: 30s } }\n\
         workload: [{ task: mail, queue: default, arrivals: { constant: 4/s }, service: { constant: 500ms } }]\n\
         workers: [{ name: w, processes: 2, concurrency: 2 }]\n\
         timeline:\n\
         \x20 - { id: slow, at: 15m, fault: handler.slow, factor: 3, until: { at: 20m } }\n\
         \x20 - { id: oops, at: 40m, remedy: workers.scale, worker: w, to: 0 }\n\
         \x20 - { id: back, at: 45m, remedy: workers.scale, worker: w, to: 2 }\n\
         incidents: [{ cause: slow-jobs, of: slow, wanted: page, within: 6m }]\n";
    let (impacts, audit) = felt(text);
    let last_ms = impacts[0].last_ms.unwrap();
    assert!((1_200_000..1_500_000).contains(&last_ms), "{impacts:?}");
    let cost = audit.costs["oops"];
    assert!(cost.harmed > 1_000, "{audit:?}");
    assert!(cost.harmed_until_ms > Some(2_700_000), "{audit:?}");
    assert!(!audit.costs.contains_key("back"), "{audit:?}");
    // Nor if the incident has harmed nobody.
    let (impacts, audit) = felt(&text.replace("factor: 3", "factor: 1.2"));
    assert_eq!(impacts[0].harmed_tasks, 0, "{impacts:?}");
    assert!(audit.costs["oops"].harmed > 1_000, "{audit:?}");
    // Nor does it stand for those whom the incident did not find.
    let (impacts, _) = felt(&text.replace("constant: 4/s", "constant: 4/s, from: 30m"));
    assert!(impacts[0].unmet, "{impacts:?}");
}

#[test]
fn users_wait_for_what_was_moved_as_before() {
    let (impacts, audit) = felt(
        "version: firedrill/v1\nname: s\nfamily: worker-crashed\nsummary: s\nduration: 40m\n\
         queues: { payments: { wait_objective: 30s }, mail: { wait_objective: 30m } }\n\
         workload: [{ task: charge, queue: payments, arrivals: { constant: 2/s }, service: { constant: 300ms } }]\n\
         workers:\n\
         \x20 - { name: pay, concurrency: 4, queues: [payments] }\n\
         \x20 - { name: bg, concurrency: 10, queues: [mail] }\n\
         timeline:\n\
         \x20 - { id: k, at: 12m, fault: worker.kill, select: [pay-0], until: { at: 30m, remedy: worker.restart } }\n\
         \x20 - { at: 22m, remedy: task.move, task: charge, queue: payments, to: mail }\n\
         incidents: [{ cause: worker-crashed, of: k, wanted: page, within: 5m }]\n",
    );
    assert!((1_000..1_250).contains(&audit.late), "{audit:?}");
    assert!(impacts[0].harmed_tasks >= audit.late, "{impacts:?}");
    assert_eq!(impacts[0].queues, ["payments"]);
}

#[test]
fn what_redis_refuses_is_not_a_handlers_harm() {
    let (impacts, audit) = felt(
        "version: firedrill/v1\nname: s\nfamily: resource-exhaustion\nsummary: s\nduration: 40m\n\
         queues: { payments: { wait_objective: 30s } }\n\
         workload: [{ task: charge, queue: payments, arrivals: { constant: 4/s }, service: { constant: 500ms }, payload: 50KB }]\n\
         workers: [{ name: pay, processes: 2, concurrency: 4 }]\n\
         timeline:\n\
         \x20 - { id: full, at: 12m, fault: redis.maxmemory, bytes: 30MB }\n\
         \x20 - { id: f, at: 13m, fault: handler.fail, task: charge, share: 100%, until: { at: 30m } }\n\
         \x20 - { id: big, at: 25m, remedy: redis.raise-maxmemory, bytes: 1GB }\n\
         incidents:\n\
         \x20 - { cause: resource-exhaustion, of: full, wanted: page, within: 8m }\n\
         \x20 - { cause: retry-storm, of: f, wanted: page, within: 5m }\n",
    );
    assert!(audit.rejected > 1_000, "{audit:?}");
    assert!(impacts[0].harmed_tasks >= audit.rejected, "{impacts:?}");
}

#[test]
fn what_is_run_before_it_is_due_is_a_cost() {
    let text = scenario(
        "  - { id: early, at: 5m, remedy: tasks.run, queue: default, state: scheduled }\n",
    );
    let text = text.replacen(
        "arrivals: { constant: 2/s }",
        "delay: 2m, arrivals: { constant: 2/s }",
        1,
    );
    let (_, audit) = felt(&text);
    let early = audit.costs["early"].run_early;
    // What has come in the last two minutes.
    assert!((230..=241).contains(&early), "{audit:?}");
}
