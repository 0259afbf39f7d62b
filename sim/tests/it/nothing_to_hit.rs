//! Faults that find nothing to hit: nobody is told of an effect that there was not.

use crate::faults::scenario_with;
use crate::support::plan_of;
use firedrill_reports::record::{Mark, Phase};
use firedrill_sim::engine::Observation;
use firedrill_sim::engine::virtual_time::{self, VirtualOptions};
use firedrill_sim::fault;

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
