//! A load test as a document: what was asked and borne, how long tasks took, which side was at its limit, and how it went.

mod how;
mod limit;
mod tables;
mod tasks;
mod words;

pub(crate) use limit::limit;
pub(crate) use words::seconds;

use super::{Block, Document, Figure, Finding, Told, Tone, Verdict};
use crate::compare::SEEDS_MIN;
use crate::gate::Gated;
use crate::load::{Drive, LoadRecord, Sides, Stage};
use crate::plot;
use tables::{drift, latencies, processes, redis_facts};
use words::rate;

/// A load for people; `gated`: what its gates came to.
#[must_use]
pub fn of_load(record: &LoadRecord, gated: Option<&Gated>) -> Document {
    let doubts = record.doubts();
    let mut blocks = vec![Block::Note(about(record))];
    let warnings: Vec<Finding> = doubts
        .iter()
        .map(|doubt| Finding::new("", (doubt.clone(), Tone::Warn)))
        .collect();
    if !warnings.is_empty() {
        blocks.push(Block::Findings(warnings));
    }
    if let Some(gates) = gated.filter(|gated| !gated.checks.is_empty()) {
        blocks.push(Block::Findings(checks(gates)));
    }
    let compared = gated.and_then(|gated| gated.comparison.as_ref());
    blocks.extend(compared.into_iter().flat_map(super::comparison::blocks));
    blocks.extend(latencies(record).block());
    blocks.extend(waits(record));
    blocks.push(Block::Note(limit(record)));
    blocks.extend(how::steps(record).block());
    blocks.push(Block::Facts(tasks::tasks(record)));
    if let Some(redis) = &record.facts.redis {
        blocks.push(Block::Facts(redis_facts(redis, record.redis_cpu())));
    }
    blocks.extend(processes(record).block());
    blocks.extend(drift(record).block());
    blocks.extend(plot::load::charts(record).into_iter().map(|chart| {
        Block::Figure(Figure {
            title: chart.title,
            description: chart.description,
            picture: chart.picture.map_err(|error| error.to_string()),
        })
    }));
    blocks.push(Block::Part(how::part(record)));
    let passes = passes(record, gated);
    Document {
        title: format!("Load test: {}", record.facts.header.name),
        verdict: Some(Verdict::of(passes, sentence(record, &doubts, gated))),
        next: limit::next(record, &doubts),
        blocks,
    }
}

/// How the waits of its tasks are spread; nothing where none was measured.
fn waits(record: &LoadRecord) -> Option<Block> {
    let waits = &record.latencies[Stage::Wait];
    let picture = plot::waits_of_load(waits)?;
    Some(Block::Figure(Figure {
        title: "Waits".to_owned(),
        description: format!(
            "{} tasks started; the table has their quantiles.",
            waits.count()
        ),
        picture: picture.map_err(|error| error.to_string()),
    }))
}

/// What a load came to: `None` where it proves nothing.
#[must_use]
pub fn passes(record: &LoadRecord, gated: Option<&Gated>) -> Option<bool> {
    if !record.doubts().is_empty() {
        return None;
    }
    match gated {
        Some(gated) if !gated.checks.is_empty() || gated.comparison.is_some() => gated.passes(),
        _ => Some(true),
    }
}

fn about(record: &LoadRecord) -> String {
    let header = &record.facts.header;
    let asked = match (header.drive, header.asked_per_s, header.sides) {
        (Drive::Closed { loops }, ..) => format!(
            "closed loop: {loops} loops, each of which waits for an answer before it enqueues again. Latencies count from when a task was \
             sent, so what the system kept from being sent is in none of them: no figures for users who do not wait"
        ),
        (Drive::Open, Some(per_s), _) => format!(
            "open loop: {} tasks a second were to arrive, whatever the system did. Latencies count from the intended arrival",
            rate(per_s).trim_end_matches("/s")
        ),
        (Drive::Open, None, Sides::Consume) => {
            "workers alone, on a backlog or on what others enqueue".to_owned()
        }
        (Drive::Open, None, _) => "open loop".to_owned(),
    };
    let warmup = match header.warmup_s > 0.0 {
        true => format!(" after {} s of warm-up", header.warmup_s),
        false => String::new(),
    };
    let shard = header.shard.map_or(String::new(), |shard| {
        format!("; shard {} of {}", shard.number(), shard.of())
    });
    format!(
        "{asked}; {} s{warmup}; {} producer and {} worker processes with {} slots; {}; seed {}{shard}",
        header.lasts_s, header.producers, header.workers, header.slots, header.redis, header.seed
    )
}

fn sentence(record: &LoadRecord, doubts: &[String], gated: Option<&Gated>) -> Told {
    let rate = record
        .rate_per_s()
        .map_or_else(|| "nothing".to_owned(), rate);
    let stage = match record.facts.header.sides.consumes() {
        true => Stage::Wait,
        false => Stage::Enqueue,
    };
    let word = match stage {
        Stage::Wait => "waited",
        _ => "took to be enqueued",
    };
    let p99 = record.latencies[stage].quantile(0.99);
    let waited = p99.map_or(String::new(), |p99| {
        format!(", and 99 % of the tasks {word} at most {}", seconds(p99))
    });
    let what = match record.facts.header.sides.consumes() {
        true => "were worked on",
        false => "were enqueued",
    };
    let measured = format!("{rate} {what}{waited}");
    if let Some(doubt) = doubts.first() {
        let more = match doubts.len() {
            1 => String::new(),
            more => format!(" (and {} more)", more - 1),
        };
        return (format!("{doubt}{more}; {measured}"), Tone::Warn);
    }
    let judged: String = judged(gated)
        .into_iter()
        .map(|word| format!("; {word}"))
        .collect();
    let tone = match passes(record, gated) {
        Some(true) => Tone::Good,
        Some(false) => Tone::Bad,
        None => Tone::Warn,
    };
    (format!("{measured}{judged}"), tone)
}

/// What gates and a baseline say against a load, or why they say nothing.
#[must_use]
pub fn judged(gated: Option<&Gated>) -> Vec<String> {
    use crate::gate::Status;
    let Some(gated) = gated else {
        return Vec::new();
    };
    let mut said = Vec::new();
    let failed = gated.checks.iter().filter(|check| {
        matches!(check.status, Status::Failed | Status::NoData) && !gated.is_excused(check.known)
    });
    match failed.count() {
        0 => {}
        1 => said.push("a gate does not hold".to_owned()),
        more => said.push(format!("{more} gates do not hold")),
    }
    let worse: Vec<&str> = gated.worse().map(|row| row.metric.name).collect();
    if !worse.is_empty() {
        said.push(format!("worse than the baseline: {}", worse.join(", ")));
    }
    let compared = gated.comparison.as_ref();
    if let Some(compared) = compared.filter(|compared| compared.passes().is_none()) {
        let few = compared.few.iter().map(|(_, seeds)| *seeds).min();
        let there = few.map_or(String::new(), |seeds| format!(", and {seeds} are there"));
        said.push(format!(
            "inconclusive beside the baseline: it takes {SEEDS_MIN} common seeds (`--repeats {SEEDS_MIN}` on both sides) with loads that \
             prove something{there}"
        ));
    }
    said
}

fn checks(gated: &Gated) -> Vec<Finding> {
    use crate::gate::Status;
    let told = gated.checks.iter().map(|check| {
        let tone = match check.status {
            Status::Passed => Tone::Good,
            Status::Failed | Status::NoData => Tone::Bad,
            Status::Unproven => Tone::Warn,
        };
        Finding::new("gate", (super::gate_check(gated, check), tone))
    });
    told.collect()
}
