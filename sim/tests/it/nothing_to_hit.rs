//! Faults that find nothing to hit: nobody is told of an effect that there was not.

use crate::faults::scenario_with;
use crate::support::plan_of;
use crate::virtual_drills::{pack_of, runbook};
use firedrill_reports::record::{Mark, Phase};
use firedrill_reports::score::DrillScore;
use firedrill_reports::{ScoreParams, Verdict, score_recorded};
use firedrill_sim::drill;
use firedrill_sim::engine::Observation;
use firedrill_sim::engine::virtual_time::{self, VirtualOptions};
use firedrill_sim::fault;
use firedrill_sim::lever::On;
use firedrill_sim::plan::Plan;
use firedrill_sim::scenario::{PlanOptions, Scenario};

/// Those that change something even where nothing is enqueued and nothing worked on: a process, a Redis, a link, a target or a
/// queue is not what it was, and somebody has looked.
const FELT_ANYWAY: [&str; 29] = [
    "worker.kill",
    "worker.stop",
    "worker.terminate",
    "worker.quiet",
    "worker.cpu-throttle",
    "worker.crash-loop",
    "worker.memory-limit",
    "worker.deploy-broken",
    "worker.clock-skew",
    "redis.kill",
    "redis.stop",
    "redis.full",
    "redis.read-only",
    // Less than an empty one takes: whoever tells that it is there is refused.
    "redis.maxmemory",
    "redis.script-flush",
    "redis.max-clients",
    "redis.acl",
    "redis.slow-script",
    "redis.restore",
    "redis.failover",
    "link.delay",
    "link.jitter",
    "link.black-hole",
    "link.demoted",
    "link.half-open",
    "link.bandwidth",
    "link.slice",
    "link.reset",
    "queue.pause",
];

fn begins(text: &str) -> Option<Mark> {
    let plan = plan_of(text);
    let mut begins = None;
    let sink = &mut |observation| {
        if let Observation::Mark(mark) = observation
            && mark.phase == Some(Phase::Begin)
        {
            begins = Some(mark);
        }
        Ok(())
    };
    virtual_time::run(&plan, VirtualOptions::default(), sink).unwrap();
    begins
}

/// Everything has come and is done half a minute before the fault begins.
#[test]
fn where_nothing_is_left_to_hit_no_effect_is_seen() {
    let mut wrong = Vec::new();
    for kind in fault::KINDS.iter().filter(|kind| kind.live_only.is_empty()) {
        for keys in kind.examples {
            let text = scenario_with(kind, keys)
                .replace("poisson: 4/s", "poisson: 4/s, until: 90s")
                .replace("@every 15s", "0 0 1 1 *");
            let mark = begins(&text);
            let is_felt = mark.as_ref().is_some_and(|mark| mark.verified);
            let of_others = ["scrape.", "exporter.", "task.garble"];
            let felt_anyway = FELT_ANYWAY.contains(&kind.name)
                || of_others.iter().any(|prefix| kind.name.starts_with(prefix));
            if is_felt != felt_anyway {
                wrong.push(format!("{} {keys}: {mark:?}", kind.name));
            }
            if let Some(mark) = mark.filter(|mark| !mark.verified)
                && mark.saw.is_empty()
            {
                wrong.push(format!("{} {keys}: it is not said why", kind.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Redis refuses whoever comes beyond them, and nobody does.
#[test]
fn more_clients_than_are_connected_are_no_limit() {
    let mut kinds = fault::KINDS.iter();
    let kind = kinds.find(|kind| kind.name == "redis.max-clients").unwrap();
    let of = |keys| begins(&scenario_with(kind, keys)).unwrap();
    assert!(of("to: 2").verified);
    let mark = of("to: 10000");
    assert!(
        !mark.verified && mark.saw.starts_with("accepts"),
        "{mark:?}"
    );
}

/// What becomes of a drill; `None`: it is refused.
fn judged(text: &str) -> Option<DrillScore> {
    let scenario = Scenario::parse("s.yaml", text).ok()?;
    let plan = Plan::resolve(&scenario, &PlanOptions::default()).ok()?;
    let rules = runbook();
    let pack = pack_of(&rules);
    let record = drill::simulate(&plan, &rules, VirtualOptions::default(), true);
    Some(score_recorded(&record, &pack, &ScoreParams::default()))
}

/// Drills in which a fault cannot harm anybody.
fn harmless(text: &str) -> [(&'static str, String); 4] {
    let done = text.replace("poisson: 4/s", "poisson: 4/s, until: 90s");
    let done = done.replace("@every 15s", "0 0 1 1 *");
    let processes = "workers: [{ name: w, processes: 2";
    let beside = text.replace(
        processes,
        "workers: [{ name: other, processes: 2, concurrency: 4, queues: [default] }, { name: w, processes: 2, queues: [idle]",
    );
    let beside = beside.replace(
        "wait_objective: 30s } }\n",
        "wait_objective: 30s }, idle: { priority: 1 } }\n",
    );
    let later = text.replace("poisson: 4/s", "poisson: 4/s, from: 6m");
    let later = later.replace("@every 15s", "0 0 1 1 *");
    let never = text.replace(
        "arrivals: { poisson: 4/s }",
        "arrivals: { burst: { count: 5, at: 70s } }",
    );
    let never = never.replace("@every 15s", "0 0 1 1 *");
    [
        ("all is done before", done),
        ("it hits others than those who work", beside),
        ("all comes later", later),
        ("a burst is long over", never),
    ]
}

/// Whoever looks at a drill in which nobody was there to be harmed is told so, and of no alert that it missed or saw anything.
#[test]
fn a_drill_in_which_nobody_could_be_harmed_gets_no_verdict() {
    let mut wrong = Vec::new();
    let mut judged_drills = 0;
    for kind in fault::KINDS.iter().filter(|kind| kind.live_only.is_empty()) {
        // Prometheus is blind whether anybody works or not.
        if ["scrape.", "exporter."]
            .iter()
            .any(|prefix| kind.name.starts_with(prefix))
        {
            continue;
        }
        for keys in kind.examples {
            for (how, text) in harmless(&scenario_with(kind, keys)) {
                // What hits all hits those who work, too.
                let hits_some = matches!(kind.on, On::Workers | On::Clients);
                let is_of_others = how.starts_with("it hits others");
                if is_of_others
                    && (!hits_some
                        || text.contains("select: [producer]")
                        || text.contains("select: all"))
                {
                    continue;
                }
                let Some(score) = judged(&text) else { continue };
                judged_drills += 1;
                if score.verdict != Verdict::Inconclusive || score.inconclusive.is_empty() {
                    wrong.push(format!("{} {keys}, {how}: {:?}", kind.name, score.verdict));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(judged_drills > 100, "{judged_drills}: the rest is refused");
}

/// The same faults with somebody there are judged.
#[test]
fn a_drill_in_which_somebody_was_harmed_gets_one() {
    let mut wrong = Vec::new();
    for kind in fault::KINDS.iter().filter(|kind| kind.live_only.is_empty()) {
        let score = judged(&scenario_with(kind, kind.examples[0])).unwrap();
        let why = &score.inconclusive;
        if why.iter().any(|why| why.contains("no task was there")) {
            wrong.push(format!("{}: {why:?}", kind.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A long task that is in a worker's hands when it is stopped was there, although none comes any more.
#[test]
fn who_is_worked_on_is_there() {
    let stop = fault::KINDS
        .iter()
        .find(|kind| kind.name == "worker.stop")
        .unwrap();
    let text = scenario_with(stop, "")
        .replace("poisson: 4/s", "burst: { count: 8, at: 70s }")
        .replace("constant: 500ms", "constant: 4m");
    let score = judged(&text).unwrap();
    assert!(
        !score
            .inconclusive
            .iter()
            .any(|why| why.contains("no task was there")),
        "{:?}",
        score.inconclusive
    );
}
