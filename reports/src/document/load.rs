//! A load test as a document: what was asked and borne, how long tasks took, which side was at its limit, and how it went.

use super::{Block, Document, Facts, Figure, Finding, Step, Table, Told, Tone, Verdict};
use crate::compare::SEEDS_MIN;
use crate::gate::Gated;
use crate::load::{
    Account, Counts, Drive, Latency, LoadRecord, RedisSide, Role, Saturated, Sides, Stage,
};
use crate::plot::load as plot;
use crate::record::Audit;

/// Percentiles that are told.
pub(crate) const PERCENTILES: [(f64, &str); 6] = [
    (0.5, "p50"),
    (0.9, "p90"),
    (0.95, "p95"),
    (0.99, "p99"),
    (0.999, "p99.9"),
    (0.9999, "p99.99"),
];
/// Growth that is worth a look.
const DRIFT_MAX: f64 = 0.1;

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
    blocks.push(Block::Note(limit(record)));
    blocks.push(Block::Facts(tasks(record)));
    if let Some(redis) = &record.facts.redis {
        blocks.push(Block::Facts(redis_facts(redis, record.redis_cpu())));
    }
    blocks.extend(processes(record).block());
    blocks.extend(drift(record).block());
    blocks.extend(plot::charts(record).into_iter().map(|chart| {
        Block::Figure(Figure {
            title: chart.title,
            description: chart.description,
            picture: chart.picture.map_err(|error| error.to_string()),
        })
    }));
    let passes = passes(record, gated);
    Document {
        title: format!("Load test: {}", record.facts.header.name),
        verdict: Some(Verdict::of(passes, sentence(record, &doubts, gated))),
        next: next(record, &doubts),
        blocks,
    }
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

/// Seconds as people read them.
pub(crate) fn seconds(seconds: f64) -> String {
    match seconds {
        100.0.. => format!("{seconds:.0} s"),
        1.0.. => format!("{seconds:.2} s"),
        0.1.. => format!("{:.0} ms", seconds * 1e3),
        0.001.. => format!("{:.2} ms", seconds * 1e3),
        _ => format!("{:.0} us", seconds * 1e6),
    }
}

/// Bytes as people read them.
fn bytes(bytes: f64) -> String {
    match bytes {
        1e9.. => format!("{:.2} GB", bytes / 1e9),
        1e6.. => format!("{:.1} MB", bytes / 1e6),
        1e3.. => format!("{:.0} kB", bytes / 1e3),
        _ => format!("{bytes:.0} B"),
    }
}

fn rate(per_s: f64) -> String {
    match per_s {
        100.0.. => format!("{per_s:.0}/s"),
        _ => format!("{per_s:.1}/s"),
    }
}

fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
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

fn latencies(record: &LoadRecord) -> Table {
    let rows = Stage::ALL.into_iter().filter_map(|stage| {
        let latency = &record.latencies[stage];
        (latency.count() > 0).then(|| row(name(stage), latency))
    });
    let head = ["", "tasks"]
        .into_iter()
        .chain(PERCENTILES.map(|(_, name)| name))
        .chain(["longest", "mean"]);
    let note = match record.facts.header.drive {
        Drive::Open => {
            "From the intended arrival, or from when a scheduled task was due; of tasks that arrived after the warm-up."
        }
        Drive::Closed { .. } => "From when a task was sent; of tasks sent after the warm-up.",
    };
    Table::new("Latency", note, head, rows.collect())
}

fn name(stage: Stage) -> &'static str {
    match stage {
        Stage::Lateness => "sent late by",
        Stage::Enqueue => "enqueued after",
        Stage::Wait => "wait",
        Stage::Service => "service",
        Stage::EndToEnd => "end to end",
    }
}

fn row(name: &str, latency: &Latency) -> Vec<Told> {
    let told = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), seconds);
    let texts = [name.to_owned(), latency.count().to_string()]
        .into_iter()
        .chain(PERCENTILES.map(|(q, _)| told(latency.quantile(q))))
        .chain([told(latency.max()), told(latency.mean())]);
    texts.map(|text| (text, Tone::Muted)).collect()
}

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

fn tasks(record: &LoadRecord) -> Facts {
    let facts = &record.facts;
    if let Some(audit) = &facts.audit {
        return audited(audit, &facts.counts);
    }
    let counts = &facts.counts;
    let mut told = vec![("due".to_owned(), counts.intended)];
    told.extend([
        ("sent".to_owned(), counts.sent),
        ("enqueued".to_owned(), counts.enqueued + counts.prefilled),
        ("refused as duplicates".to_owned(), counts.duplicates),
        ("refused by Redis".to_owned(), counts.rejected),
        ("without an answer".to_owned(), counts.unanswered),
        ("handlers succeeded".to_owned(), counts.succeeded),
        ("handlers failed".to_owned(), counts.failed),
        ("enqueued by others".to_owned(), counts.foreign),
        ("became part of an aggregate".to_owned(), counts.grouped),
    ]);
    let mut lead = Vec::new();
    if let Some(left) = &facts.left {
        told.extend([
            ("done, by asynq's counters".to_owned(), left.done()),
            ("archived".to_owned(), Account::of(counts, left).archived),
            ("pending at the end".to_owned(), left.pending),
            ("active at the end".to_owned(), left.active),
            ("scheduled at the end".to_owned(), left.scheduled),
            ("to be retried at the end".to_owned(), left.retry),
            ("in groups at the end".to_owned(), left.aggregating),
        ]);
        if left.waiting() > 0 && facts.header.sides.consumes() {
            lead.push(format!(
                "{} tasks were still waiting at the end: how long they will have waited is in none of the figures",
                left.waiting()
            ));
        }
        let account = Account::of(counts, left);
        if facts.header.sides.produces() && counts.foreign == 0 && account.difference() == 0 {
            lead.push(match counts.unanswered {
                0 => "they add up: what was enqueued is done, archived, or there".to_owned(),
                // Each of them may have come, and was then done beside what is known to have been enqueued.
                calls => format!(
                    "nothing is missing of what was enqueued; {calls} more were sent and got no answer, so whether they add up is not known"
                ),
            });
        }
    }
    let told = told.into_iter().filter(|(_, count)| *count > 0);
    let told = told.map(|(what, count)| (what, count.to_string()));
    Facts {
        lead,
        ..Facts::new("Tasks", told)
    }
}

/// What became of the tasks of a drill: each that was enqueued stands in one line.
fn audited(audit: &Audit, counts: &Counts) -> Facts {
    let queued = audit.queued.iter().map(|(state, count)| {
        let what = match state.as_str() {
            "retry" => "to be retried at the end".to_owned(),
            "aggregating" => "in groups at the end".to_owned(),
            state => format!("{state} at the end"),
        };
        (what, *count)
    });
    let told = [
        ("due", audit.intended),
        ("enqueued", audit.enqueued),
        ("refused as duplicates", audit.duplicates),
        ("refused by Redis", audit.rejected),
        ("handlers succeeded", counts.succeeded),
        ("handlers failed", counts.failed),
        ("done", audit.succeeded),
        ("archived", audit.archived),
        ("archived, and forgotten since", audit.trimmed),
        ("deleted by a remedy", audit.deleted),
    ];
    let rest = [
        ("lost", audit.lost),
        ("of which nobody can tell", audit.untold),
    ];
    let owned = |(what, count): (&str, u64)| (what.to_owned(), count);
    let told = told.map(owned).into_iter().chain(queued);
    let told = told.chain(rest.map(owned)).filter(|(_, count)| *count > 0);
    let lead = format!(
        "of {} tasks that were enqueued, {} are done, {} were archived or deleted, {} are still there, and {} are lost",
        audit.enqueued,
        audit.succeeded,
        audit.archived + audit.trimmed + audit.deleted,
        audit.still_queued,
        audit.lost + audit.untold
    );
    Facts {
        lead: vec![lead],
        ..Facts::new("Tasks", told.map(|(what, count)| (what, count.to_string())))
    }
}

fn redis_facts(redis: &RedisSide, cpu: Option<f64>) -> Facts {
    let cpu = cpu.unwrap_or_else(|| redis.cpu_share());
    let per_s = |count: u64| rate(count as f64 / redis.wall_s.max(1e-3));
    let bytes_per_s = |count: u64| format!("{}/s", bytes(count as f64 / redis.wall_s.max(1e-3)));
    let slow = match &redis.slowest {
        Some((command, s)) => format!("{}, the slowest {command} with {}", redis.slow, seconds(*s)),
        None => redis.slow.to_string(),
    };
    Facts::new(
        "Redis",
        [
            (
                "processor",
                format!(
                    "{} of a core, {} in the busiest second",
                    percent(cpu),
                    percent(redis.cpu_most.max(cpu))
                ),
            ),
            ("commands", per_s(redis.commands)),
            (
                "scripts",
                format!(
                    "{}, {} of the time inside",
                    per_s(redis.script_calls),
                    percent(redis.script_s / redis.wall_s.max(1e-3))
                ),
            ),
            (
                "memory",
                format!(
                    "{} at the beginning, at most {}",
                    bytes(redis.memory_first as f64),
                    bytes(redis.memory_most as f64)
                ),
            ),
            (
                "network",
                format!(
                    "{} in, {} out",
                    bytes_per_s(redis.bytes_in),
                    bytes_per_s(redis.bytes_out)
                ),
            ),
            ("slow log", slow),
        ],
    )
}

fn processes(record: &LoadRecord) -> Table {
    let rows = record.facts.processes.iter().map(|process| {
        let role = match process.role {
            Role::Producer => "enqueued",
            Role::Worker => "worked",
        };
        let share = record.cpu_share(process);
        let tone = match share >= crate::load::PROCESS_CPU_MAX {
            true => Tone::Warn,
            false => Tone::Muted,
        };
        vec![
            (process.name.clone(), Tone::Muted),
            (role.to_owned(), Tone::Muted),
            (percent(share), tone),
            (percent(record.cpu_share_max(process)), Tone::Muted),
            (bytes(process.rss_bytes as f64), Tone::Muted),
        ]
    });
    let head = ["process", "", "of a core", "busiest second", "memory"];
    Table::new("Processes", "", head, rows.collect())
}

fn drift(record: &LoadRecord) -> Table {
    let drift = record.facts.series.drift(&record.facts.header);
    let rows = drift.into_iter().map(|drift| {
        let text = |value: f64| match drift.unit {
            "bytes" => bytes(value),
            _ => seconds(value),
        };
        let tone = match drift.change() > DRIFT_MAX {
            true => Tone::Warn,
            false => Tone::Muted,
        };
        vec![
            (drift.what.to_owned(), Tone::Muted),
            (text(drift.first), Tone::Muted),
            (text(drift.last), Tone::Muted),
            (format!("{:+.0} %", drift.change() * 100.0), tone),
        ]
    });
    let note = "Medians of the first and the last third after the warm-up.";
    let head = ["drift", "first third", "last third", "change"];
    Table::new("Drift", note, head, rows.collect())
}

fn next(record: &LoadRecord, doubts: &[String]) -> Vec<Step> {
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
