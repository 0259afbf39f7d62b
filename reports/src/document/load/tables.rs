//! What was measured of a load: how long things took, and what Redis and the processes did meanwhile.

use super::words::{bytes, percent, rate, seconds};
use crate::document::{Facts, Table, Told, Tone};
use crate::load::{Drive, Latency, LoadRecord, RedisSide, Role, Stage};

/// Percentiles that are told.
const PERCENTILES: [(f64, &str); 6] = [
    (0.5, "p50"),
    (0.9, "p90"),
    (0.95, "p95"),
    (0.99, "p99"),
    (0.999, "p99.9"),
    (0.9999, "p99.99"),
];
/// Growth that is worth a look.
const DRIFT_MAX: f64 = 0.1;

pub(super) fn latencies(record: &LoadRecord) -> Table {
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

pub(super) fn redis_facts(redis: &RedisSide, cpu: Option<f64>) -> Facts {
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

pub(super) fn processes(record: &LoadRecord) -> Table {
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

pub(super) fn drift(record: &LoadRecord) -> Table {
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
