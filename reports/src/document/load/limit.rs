//! Which side of a load was at its limit, and what to do about it.

use super::words::percent;
use crate::document::Step;
use crate::load::{LoadRecord, Saturated};

/// Which side was at its limit, in one sentence.
pub(crate) fn limit(record: &LoadRecord) -> String {
    let known =
        |what: &str, share: Option<f64>| share.map(|share| format!("{what} {}", percent(share)));
    match record.saturated() {
        Saturated::Redis(share) => format!(
            "Redis was at its limit: it took {} of a core.",
            percent(share)
        ),
        Saturated::Producer(name, share) => format!(
            "The generator was at its limit: {name} took {} of a core.",
            percent(share)
        ),
        Saturated::Generator => {
            "The generator was at its limit: it sent too late or too little.".to_owned()
        }
        Saturated::Answers => {
            "Redis, or the way to it, was at its limit: tasks that were ready to be sent waited for answers to others.".to_owned()
        }
        Saturated::Away => {
            "Redis did not answer for a while, or not as before, so which side was at its limit is not known.".to_owned()
        }
        Saturated::Unknown(tasks) => format!(
            "Which side was at its limit is unknown: {tasks} more tasks were waiting in the end than in the beginning, and no share that was seen explains it."
        ),
        Saturated::Worker(name, share) => format!(
            "The worker processes were at their limit: {name} took {} of a core.",
            percent(share)
        ),
        Saturated::Slots(share) => format!(
            "The workers' slots were at their limit: handlers kept them busy for {} of the time.",
            percent(share)
        ),
        Saturated::Nobody {
            redis,
            worker,
            slots,
        } => {
            let shares = [
                known("Redis took", redis).map(|text| text + " of a core"),
                known("the busiest worker process", worker),
                known("handlers kept slots busy for", slots).map(|text| text + " of the time"),
            ];
            let shares: Vec<String> = shares.into_iter().flatten().collect();
            match shares.is_empty() {
                true => "No side was seen at its limit.".to_owned(),
                false => format!("No side was at its limit: {}.", shares.join(", ")),
            }
        }
    }
}

pub(super) fn next(record: &LoadRecord, doubts: &[String]) -> Vec<Step> {
    let step = |text: &str| Step {
        text: text.to_owned(),
        command: None,
    };
    if doubts
        .iter()
        .any(|doubt| doubt.contains("generator was the limit"))
    {
        return vec![step(
            "Ask for less, give the load more --producers, or run it on a machine that has nothing else to do.",
        )];
    }
    let waiting = record.facts.left.as_ref().map_or(0, |left| left.waiting());
    let asked = record.facts.header.asked_per_s.unwrap_or(0.0);
    let grows = waiting as f64 > asked && record.facts.header.sides.consumes();
    match (grows, record.saturated()) {
        (true, Saturated::Slots(_)) => vec![step(
            "More arrives than the slots can do: raise --concurrency or --workers, or make handlers faster.",
        )],
        (true, Saturated::Worker(..)) => {
            vec![step(
                "Worker processes have no processor time left: raise --workers.",
            )]
        }
        (true, Saturated::Redis(_)) => vec![step(
            "Redis has no processor time left: spread queues over several (redis-cluster://), or enqueue less.",
        )],
        _ => Vec::new(),
    }
}
