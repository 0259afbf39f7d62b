//! Processes that come, go, and are replaced one after the other.

use super::{run, scenario};
use crate::support::{plan_of, scrapes_of};
use firedrill_sim::engine::Observation;
use firedrill_sim::engine::virtual_time::{self, VirtualOptions};
use firedrill_sim::fault;
use firedrill_sim::plan::Plan;
use firedrill_sim::scenario::{PlanOptions, Scenario};
use std::collections::BTreeMap;

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
            "s.yaml:14:23: worker.rolling-restart: lasts from 2m to 3m40s, and in that time `worker.kill` (line 15) is on\n    do it before, or when that is over",
        ),
        (
            roll.to_owned() + "  - { at: 3m, remedy: workers.scale, worker: w, to: 1 }\n",
            "s.yaml:14:23: worker.rolling-restart: lasts from 2m to 3m40s, and workers.scale is done to its processes at 3m\n    leave one of them out, or do them one after the other",
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
    let waiting = scrapes_of(&plan, "asynq-exporter/exporter").into_iter();
    let waiting = waiting.map(|(at_ms, scraped)| {
        let of = |name, state| scraped.value(name, state).unwrap_or(f64::NAN);
        let pending = of("asynq_tasks_enqueued_total", Some("pending"));
        (at_ms, pending, of("asynq_queue_latency_seconds", None))
    });
    let down: Vec<_> = waiting
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
