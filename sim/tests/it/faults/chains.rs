//! Tasks that enqueue others.

use super::{last_of, of_kind};
use crate::support::plan_of;
use firedrill_sim::plan::Plan;
use firedrill_sim::scenario::{PlanOptions, Scenario};

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

#[test]
fn what_is_enqueued_again_has_no_id_and_no_lock_of_its_own() {
    for (key, own) in [
        ("unique", "unique: { ttl: 1h, keys: 100 }"),
        ("task_id", "task_id: \"m{n}\""),
    ] {
        let text = of_kind("handler.requeue", "task: t");
        let with = text.replacen("service: {", &format!("{own}, service: {{"), 1);
        assert_ne!(text, with);
        let scenario = Scenario::parse("s.yaml", &with).unwrap();
        let problems = Plan::resolve(&scenario, &PlanOptions::default()).unwrap_err();
        let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
        let says = format!("{key}: tasks that `handler.requeue`");
        assert!(told.iter().any(|told| told.contains(&says)), "{told:?}");
    }
}
