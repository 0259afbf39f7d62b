//! The files: a world and a scenario, with what could not be learnt above them.

use super::application::Application;
use super::samples::Samples;
use super::service::Fitted;
use super::targets::{self, Fleet, Workers};
use super::traffic::{Kind, Traffic, plain};
use crate::form::{Form, quote};
use crate::world::{AppMetric, Discovery, Exporter, Panics, Results, TargetForm, Targets, World};
use firedrill_detector::text::printable;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::fmt::Write;

/// What only these exporters have.
const TELLTALES: [(Exporter, &[&str]); 5] = [
    (
        Exporter::RedisExporter,
        &[
            "redis_config_maxclients",
            "redis_instance_info",
            "redis_blocked_clients",
        ],
    ),
    (
        Exporter::KubeStateMetrics,
        &[
            "kube_deployment_spec_replicas",
            "kube_pod_status_phase",
            "kube_pod_container_status_restarts_total",
        ],
    ),
    (
        Exporter::Cadvisor,
        &[
            "container_start_time_seconds",
            "container_memory_working_set_bytes",
            "container_cpu_cfs_periods_total",
        ],
    ),
    (
        Exporter::EnqueueDuration,
        &["job_enqueue_duration_seconds_count"],
    ),
    (Exporter::GoClient, &["go_goroutines"]),
];

/// The world, as its file.
pub(super) fn world(
    name: &str,
    samples: &Samples,
    fleet: &Fleet,
    application: &Application,
    unknown: &mut Vec<String>,
) -> String {
    let kind = |metric: &str| {
        let job = Fleet::job_of(samples, metric)?;
        fleet.kind(samples, &job, false)
    };
    let worker = application
        .job
        .as_deref()
        .and_then(|job| fleet.kind(samples, job, true));
    let kinds = [
        worker,
        kind("asynq_queue_size").or_else(|| kind("asynq_tasks_processed_total")),
        kind("redis_up"),
        kind("job_enqueued_total"),
    ];
    let common = common(&kinds);
    let usual_ms = kinds[0]
        .as_ref()
        .or(kinds[1].as_ref())
        .and_then(|kind| kind.interval_ms);
    let form = |kind: Option<targets::Kind>| match kind {
        None => TargetForm::default(),
        Some(kind) => TargetForm {
            job: Some(kind.job),
            instance: Some(kind.instance),
            labels: kind
                .labels
                .into_iter()
                .filter(|label| !common.contains(label))
                .collect(),
            interval_ms: kind
                .interval_ms
                .filter(|ms| Some(*ms) != usual_ms && *ms >= 1_000),
            timeout_ms: None,
        },
    };
    let [worker, asynq, redis, producer] = kinds.map(&form);
    let own = application.job.as_ref();
    let jobs: BTreeMap<Exporter, String> = TELLTALES
        .into_iter()
        .filter_map(|(exporter, names)| {
            let mut jobs = names.iter().flat_map(|name| samples.jobs_of(name));
            // Everything that is written in Go has goroutines.
            let is_it = |job: &String| exporter != Exporter::GoClient || own == Some(job);
            Some((exporter, jobs.find(is_it)?))
        })
        .collect();
    let of_exporter = |exporter| fleet.kind(samples, jobs.get(&exporter)?, false);
    let kube = form(of_exporter(Exporter::KubeStateMetrics));
    let cadvisor = form(of_exporter(Exporter::Cadvisor));
    let discovery = fleet.discovery(samples).unwrap_or_else(|| {
        let has_pod = worker.labels.iter().any(|(label, _)| label == "pod");
        let guess = if has_pod { Discovery::Kubernetes } else { Discovery::Static };
        unknown.push(format!(
            "discovery: no target has died, so what becomes of one is a guess; `{}` because targets {}",
            if has_pod { "kubernetes" } else { "static" },
            if has_pod { "have a label `pod`" } else { "have no label `pod`" }
        ));
        guess
    });
    if !application.metrics.is_empty() {
        unknown.push(
            "metrics: whether a panic is counted does not show; fill in `panics: uncounted` where the middleware has no recovery".to_owned(),
        );
    }
    let metrics = application.metrics.iter().map(|of| AppMetric {
        name: of.name.clone(),
        kind: of.kind,
        help: String::new(),
        counts: of.counts,
        labels: of.labels.clone(),
        results: of
            .results
            .clone()
            .map_or_else(Results::default, |(success, failed)| Results {
                success,
                failed,
            }),
        panics: Panics::Counted,
        buckets: match of.buckets.is_empty() {
            true => crate::world::DEFAULT_BUCKETS.to_vec(),
            false => of.buckets.clone(),
        },
        unit: of.unit,
    });
    World {
        version: (),
        name: name.to_owned(),
        summary: "What Prometheus sees of this team's fleet, learnt from it.".to_owned(),
        extends: Vec::new(),
        discovery,
        labels: common,
        exporters: jobs.into_keys().collect(),
        targets: Targets {
            worker,
            asynq,
            redis,
            producer,
            kube,
            cadvisor,
        },
        metrics: metrics.collect(),
        origin: Default::default(),
    }
    .write()
    .document()
}

/// Labels that all targets have, with one value.
fn common(kinds: &[Option<targets::Kind>]) -> Vec<(String, String)> {
    let mut there = kinds.iter().flatten();
    let Some(first) = there.next() else {
        return Vec::new();
    };
    let others: Vec<&targets::Kind> = there.collect();
    let is_common = |label: &&(String, String)| {
        label.1 != "{name}" && others.iter().all(|kind| kind.labels.contains(label))
    };
    match others.is_empty() {
        true => Vec::new(),
        false => first.labels.iter().filter(is_common).cloned().collect(),
    }
}

/// The line of a scenario that names its world.
pub(super) fn world_line(file: &str) -> String {
    format!("world: {}\n", quote(file))
}

/// The scenario, as its file.
pub(super) fn scenario(
    (name, world_file): (&str, &str),
    samples: &Samples,
    traffic: &Traffic,
    workers: &Workers,
) -> String {
    let time = |ms: i64| Timestamp::from_millisecond(ms).unwrap_or_default();
    let from = time(traffic.from_ms);
    let to = time(traffic.from_ms + traffic.lasts_ms);
    let minutes = (traffic.lasts_ms / 60_000).max(1);
    let mut text = format!(
        "version: firedrill/v1\nname: {}\nfamily: benign\nsummary: {}\nstarts: {}\nduration: {minutes}m\n",
        quote(name),
        quote(&format!(
            "The team's own traffic, as it was from {} to {}.",
            from.strftime("%Y-%m-%d %H:%M"),
            to.strftime("%Y-%m-%d %H:%M UTC")
        )),
        from.strftime("%a %H:%M"),
    );
    if minutes < 30 {
        let _ = writeln!(text, "warmup: {}s", minutes * 60 / 4);
    }
    text.push_str("queues:\n");
    for queue in &traffic.queues {
        let queue = quote(&plain(queue));
        let _ = writeln!(text, "  {queue}: {{ priority: 1, wait_objective: 60s }}");
    }
    text.push_str("workload:\n");
    for kind in &traffic.kinds {
        let _ = write!(
            text,
            "  - task: {}\n    queue: {}\n    arrivals:{}\n    service: {}\n",
            quote(&plain(&kind.task)),
            quote(&plain(&kind.queue)),
            arrivals(kind, traffic.part_ms),
            service(kind.service),
        );
        if kind.fail_share >= 0.0001 {
            let _ = writeln!(
                text,
                "    fail: {:.2}%",
                (kind.fail_share * 100.0).min(100.0)
            );
        }
    }
    let _ = write!(
        text,
        "workers:\n  - {{ name: w, processes: {}, concurrency: {} }}\n{}",
        workers.processes,
        workers.concurrency,
        world_line(world_file)
    );
    let intervals = samples
        .named("up")
        .filter_map(|(_, samples)| super::samples::interval_ms(samples));
    let mut intervals: Vec<i64> = intervals.collect();
    intervals.sort_unstable();
    let interval_s = intervals
        .get(intervals.len() / 2)
        .map_or(15, |ms| ((ms + 500) / 1_000).max(1));
    let producer = samples.named("job_enqueued_total").next().is_some();
    let producer = if producer { ", producer: true" } else { "" };
    let _ = writeln!(text, "scrape: {{ interval: {interval_s}s{producer} }}");
    let (breaks, mends) = (minutes / 3, minutes * 2 / 3);
    let _ = write!(
        text,
        "\n# An ordinary day: every page is a false alarm. For a drill, say what breaks and what is wanted then (`firedrill faults`), and\n\
         # what it is called instead of `benign` above:\n\
         # family: worker-crashed\n\
         # timeline:\n\
         #   - {{ at: {breaks}m, fault: worker.kill, select: all, until: {{ at: {mends}m, remedy: worker.restart }} }}\n\
         # incidents:\n\
         #   - {{ cause: worker-crashed, wanted: page, within: 3m }}\n"
    );
    text
}

/// A rate, in the unit in which it can be read.
fn rate(per_sec: f64) -> String {
    match per_sec {
        none if none < 1e-6 => "0/s".to_owned(),
        few if few < 0.01 => format!("{:.4}/h", few * 3_600.0),
        many => format!("{many:.4}/s"),
    }
}

fn arrivals(kind: &Kind, part_ms: i64) -> String {
    if !kind.changes {
        return format!(" {{ poisson: {} }}", rate(kind.mean_rate()));
    }
    // From the middle of each part to that of the next.
    let half_s = part_ms / 2_000;
    let first = kind.rates.first().copied().unwrap_or(0.0);
    let mut stages = vec![(half_s, first)];
    stages.extend(
        kind.rates
            .iter()
            .skip(1)
            .map(|rate| (part_ms / 1_000, *rate)),
    );
    let last = kind.rates.last().copied().unwrap_or(first);
    stages.push((part_ms / 1_000 - half_s, last));
    let stages = stages.into_iter().map(|(lasts_s, to)| {
        format!(
            "\n        - {{ duration: {lasts_s}s, target: {} }}",
            rate(to)
        )
    });
    let stages: String = stages.collect();
    format!("\n      start: {}\n      stages:{stages}", rate(first))
}

fn service(of: Option<Fitted>) -> String {
    let ms = |s: f64| format!("{:.0}ms", (s * 1e3).max(1.0));
    match of.unwrap_or(Fitted::Exponential { mean_s: 1.0 }) {
        Fitted::Constant { s } => format!("{{ constant: {} }}", ms(s)),
        Fitted::Exponential { mean_s } => format!("{{ exponential: {{ mean: {} }} }}", ms(mean_s)),
        Fitted::Lognormal { mean_s, p95_s } => format!(
            "{{ lognormal: {{ mean: {}, p95: {} }} }}",
            ms(mean_s),
            ms(p95_s.max(mean_s * 1.01))
        ),
    }
}

/// A file with what could not be learnt above it: of a world what its keys are about, of a scenario the rest.
pub(super) fn with_unknown(text: &str, unknown: &[String]) -> String {
    let is_world = text.contains("\nworld: ") && !text.contains("\nworkload:");
    let of_world = |note: &&String| {
        let keys = ["metrics:", "discovery:", "targets:"];
        keys.iter().any(|key| note.starts_with(key)) == is_world
    };
    let mut own = unknown.iter().filter(of_world).peekable();
    let mut head = String::from("# Written by `firedrill learn`.\n");
    if own.peek().is_some() {
        head.push_str("# Not learnt:\n");
    }
    for note in own {
        // Names of others may hold line breaks, behind which no comment would be left.
        let _ = writeln!(head, "# - {}", printable(note));
    }
    head + text
}
