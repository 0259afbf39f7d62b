//! Which fault moves which metric: the example of each on the model, beside the same drill without it.
//!
//! `UPDATE_DOCS=1 cargo test -p firedrill-sim --test it moved` renews `moved.txt` and the table in `scenarios/worlds/README.md`.

use crate::faults::scenario_with;
use crate::support::{plan_of, project};
use firedrill_detector::Labels;
use firedrill_detector::sample::is_stale;
use firedrill_sim::engine::Observation;
use firedrill_sim::engine::virtual_time::{self, VirtualOptions};
use firedrill_sim::fault;
use firedrill_sim::metrics::catalogue::{self, Row};
use firedrill_sim::plan::Plan;
use firedrill_sim::world::{PRESETS, World};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;

/// Drills are compared in pieces as long as this, from the beginning of the fault on.
const PIECE_MS: i64 = 30_000;
const FROM_MS: i64 = 120_000;
/// A metric that changes by a fifth of its usual value has moved, if that is more than four standard deviations.
const SHARE: f64 = 0.2;
const DEVIATIONS: f64 = 4.0;

/// A world with everything that any of those inside the binary has.
fn everything() -> World {
    let mut world = World::default();
    for preset in PRESETS {
        let other = World::parse(preset.name, preset.text).unwrap();
        for metric in other.metrics {
            if !world.metrics.iter().any(|known| known.name == metric.name) {
                world.metrics.push(metric);
            }
        }
        for exporter in other.exporters {
            if !world.exporters.contains(&exporter) {
                world.exporters.push(exporter);
            }
        }
    }
    world
}

/// The value of each series in each piece of a drill: of a gauge the mean, of a counter what it rose by.
type Pieces = BTreeMap<Labels, BTreeMap<i64, f64>>;

fn pieces(plan: &Plan, counters: &BTreeSet<String>) -> Pieces {
    let mut names: BTreeMap<u32, Labels> = BTreeMap::new();
    let mut last: BTreeMap<u32, f64> = BTreeMap::new();
    let mut sums: BTreeMap<(u32, i64), (f64, f64)> = BTreeMap::new();
    let sink = &mut |observation| {
        match observation {
            Observation::Series { id, labels } => drop(names.insert(id, labels)),
            Observation::Scrape { at_ms, values, .. } => {
                for (id, value) in values {
                    if is_stale(value) {
                        last.remove(&id);
                        continue;
                    }
                    let (sum, count) = sums.entry((id, at_ms / PIECE_MS)).or_default();
                    if counters.contains(names[&id].name()) {
                        let before = last.insert(id, value).unwrap_or(0.0);
                        *sum += if value < before {
                            value
                        } else {
                            value - before
                        };
                        *count = 1.0;
                    } else {
                        *sum += value;
                        *count += 1.0;
                    }
                }
            }
            _ => {}
        }
        Ok(())
    };
    virtual_time::run(plan, VirtualOptions::default(), sink).unwrap();
    let mut pieces = Pieces::new();
    for ((id, piece), (sum, count)) in sums {
        let of = pieces.entry(names[&id].clone()).or_default();
        of.insert(piece, sum / count);
    }
    pieces
}

/// Whether a series is another with the fault.
fn has_moved(name: &str, with: &BTreeMap<i64, f64>, without: &BTreeMap<i64, f64>) -> bool {
    let usual: Vec<f64> = without.values().copied().collect();
    let count = usual.len().max(1) as f64;
    let mean = usual.iter().sum::<f64>() / count;
    let variance = usual
        .iter()
        .map(|value| (value - mean) * (value - mean))
        .sum::<f64>()
        / count;
    let pieces: BTreeSet<i64> = with.keys().chain(without.keys()).copied().collect();
    let is_time = name.ends_with("_time_seconds");
    pieces
        .into_iter()
        .filter(|piece| *piece >= FROM_MS / PIECE_MS)
        .any(|piece| {
            match (with.get(&piece), without.get(&piece)) {
                (Some(with), Some(without)) if is_time => (with - without).abs() > 1.0,
                (Some(with), Some(without)) => {
                    let least = DEVIATIONS * variance.sqrt();
                    (with - without).abs() > least.max(SHARE * mean.abs()).max(0.1)
                }
                // It has come or gone.
                _ => true,
            }
        })
}

#[test]
fn the_table_of_what_moves_is_what_the_model_does() {
    let world = everything();
    let rows = catalogue::rows(&world);
    let samples = |row: &Row| match row.kind {
        "histogram" => vec![format!("{}_sum", row.name), format!("{}_count", row.name)],
        _ => vec![row.name.clone()],
    };
    let counters = rows.iter().filter(|row| row.kind != "gauge");
    let counters: BTreeSet<String> = counters.flat_map(samples).collect();
    let families: BTreeMap<String, String> = rows
        .iter()
        .flat_map(|row| {
            samples(row)
                .into_iter()
                .map(|sample| (sample, row.name.clone()))
        })
        .collect();
    let mut moved: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for kind in fault::KINDS.iter().filter(|kind| kind.live_only.is_empty()) {
        for keys in kind.examples {
            let mut plan = plan_of(&scenario_with(kind, keys));
            plan.world = world.clone();
            plan.producer_metrics = true;
            let with = pieces(&plan, &counters);
            plan.timeline.clear();
            plan.incidents.clear();
            let without = pieces(&plan, &counters);
            let none = BTreeMap::new();
            let series: BTreeSet<&Labels> = with.keys().chain(without.keys()).collect();
            for labels in series {
                let of = |pieces: &'_ Pieces| pieces.get(labels).unwrap_or(&none).clone();
                if let Some(metric) = families.get(labels.name())
                    && has_moved(labels.name(), &of(&with), &of(&without))
                {
                    moved.entry(metric.clone()).or_default().insert(kind.name);
                }
            }
        }
    }
    let mut text = String::new();
    for (name, faults) in &moved {
        let faults: Vec<&str> = faults.iter().copied().collect();
        writeln!(text, "{name}: {}", faults.join(" ")).unwrap();
    }
    // The table is about something: these are what anybody would say.
    for (metric, fault) in [
        ("up", "worker.kill"),
        ("redis_up", "redis.kill"),
        ("redis_up", "redis.max-clients"),
        ("job_enqueue_duration_seconds", "redis.stop"),
        ("kube_deployment_status_replicas_ready", "worker.kill"),
        (
            "kube_pod_container_status_waiting_reason",
            "worker.deploy-broken",
        ),
        (
            "kube_pod_container_status_last_terminated_reason",
            "worker.memory-limit",
        ),
        (
            "container_cpu_cfs_throttled_seconds_total",
            "worker.cpu-throttle",
        ),
        ("job_duration_seconds", "handler.slow"),
        ("asynq_queue_paused_total", "queue.pause"),
        ("redis_config_maxclients", "redis.max-clients"),
        ("job_enqueued_total", "producer.stop"),
    ] {
        assert!(
            moved[metric].contains(fault),
            "{metric}, {fault}: {:?}",
            moved[metric]
        );
    }
    assert!(!moved["asynq_queue_paused_total"].contains("handler.fail"));
    let path = project("sim/src/metrics/moved.txt");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &text).unwrap();
    }
    assert!(
        fs::read_to_string(&path).unwrap() == text,
        "UPDATE_DOCS=1 cargo test -p firedrill-sim --test it moved, and then worlds"
    );
}
