//! What handlers share: who waits for it, and who holds it.

use super::{last_of, of_kind};
use crate::support::plan_of;
use firedrill_sim::engine::Observation;
use firedrill_sim::engine::virtual_time::{self, VirtualOptions};
use firedrill_sim::plan::Plan;
use firedrill_sim::scenario::{PlanOptions, Scenario};
use std::collections::BTreeMap;

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
