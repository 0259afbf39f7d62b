//! Every metric that a Prometheus sees in a drill, for people: `firedrill metrics` and the table in `scenarios/worlds/README.md`.
//! A test holds it against what drills really expose (`tests/it/worlds.rs`).

use super::ENQUEUE_RESULTS;
use super::redis::NOT_TOLD;
use crate::plan::PRODUCER;
use crate::world::{Exporter, MetricType, TargetForm, World};
use firedrill_asynq::exporter;
use std::fmt::Write;

/// A metric.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Whose target exposes it.
    pub target: &'static str,
    /// Its name; that of a histogram without `_bucket`.
    pub name: String,
    /// `counter`, `gauge` or `histogram`.
    pub kind: &'static str,
    /// Names of its labels, without those of the target.
    pub labels: Vec<String>,
    /// What it says.
    pub help: String,
    /// When it is there; empty: always.
    pub when: &'static str,
    /// The faults that move it, see [`moved_by`].
    pub moved_by: Vec<&'static str>,
}

/// Which faults move which metric, as the model says. Made by `sim/tests/it/moved.rs`.
const MOVED: &str = include_str!("moved.txt");

/// The faults that move a metric: whose example on the model makes it another than without the fault, by more than it changes anyway.
#[must_use]
pub fn moved_by(metric: &str) -> Vec<&'static str> {
    let mut lines = MOVED.lines().filter_map(|line| line.split_once(": "));
    let found = lines.find(|(name, _)| *name == metric);
    found.map_or_else(Vec::new, |(_, faults)| faults.split(' ').collect())
}

/// Where a drill's metrics come from.
const WORKER: &str = "worker";
const ASYNQ: &str = "asynq";
const REDIS: &str = "redis";

/// What is there whatever the world: target, name, type, labels, meaning, and when.
type Fixed = (
    &'static str,
    &'static str,
    &'static str,
    &'static [&'static str],
    &'static str,
    &'static str,
);

const POOLS: &str = "where tasks use a `pool`";
const LEAKS: &str = "where a step is about memory";
const LIVE: &str = "live engine only: it is asked of a real Redis";

const FIXED: [Fixed; 20] = [
    (
        "all",
        "up",
        "gauge",
        &[],
        "1 if the target could be scraped, else 0. Made by Prometheus.",
        "",
    ),
    (
        WORKER,
        "process_start_time_seconds",
        "gauge",
        &[],
        "When the process started, Unix time.",
        "",
    ),
    (
        WORKER,
        "process_resident_memory_bytes",
        "gauge",
        &[],
        "Memory of the process.",
        LEAKS,
    ),
    (
        WORKER,
        "go_sql_max_open_connections",
        "gauge",
        &["db_name"],
        "Connections that a pool may have.",
        POOLS,
    ),
    (
        WORKER,
        "go_sql_in_use_connections",
        "gauge",
        &["db_name"],
        "Connections in use.",
        POOLS,
    ),
    (
        WORKER,
        "go_sql_wait_count_total",
        "counter",
        &["db_name"],
        "Waits for a connection.",
        POOLS,
    ),
    (
        ASYNQ,
        "asynq_tasks_enqueued_total",
        "gauge",
        &["queue", "state"],
        "Tasks in each state.",
        "",
    ),
    (
        ASYNQ,
        "asynq_queue_size",
        "gauge",
        &["queue"],
        "Tasks in the queue, of all states.",
        "",
    ),
    (
        ASYNQ,
        "asynq_queue_latency_seconds",
        "gauge",
        &["queue"],
        "How long the oldest pending task has waited.",
        "",
    ),
    (
        ASYNQ,
        "asynq_tasks_processed_total",
        "counter",
        &["queue"],
        "Tasks processed, failed ones too.",
        "",
    ),
    (
        ASYNQ,
        "asynq_tasks_failed_total",
        "counter",
        &["queue"],
        "Tasks failed.",
        "",
    ),
    (
        ASYNQ,
        "asynq_queue_paused_total",
        "gauge",
        &["queue"],
        "1 while the queue is paused.",
        "",
    ),
    (
        ASYNQ,
        exporter::MEMORY,
        "gauge",
        &["queue"],
        "About how many bytes the queue takes.",
        LIVE,
    ),
    (
        REDIS,
        "redis_up",
        "gauge",
        &[],
        "1 if Redis answers, else 0.",
        "",
    ),
    (
        REDIS,
        "redis_memory_used_bytes",
        "gauge",
        &[],
        "Memory Redis uses.",
        "while Redis answers",
    ),
    (
        REDIS,
        "redis_memory_max_bytes",
        "gauge",
        &[],
        "`maxmemory`; 0: no limit.",
        "while Redis answers",
    ),
    (
        REDIS,
        "redis_connected_clients",
        "gauge",
        &[],
        "Connections of clients.",
        "while Redis answers",
    ),
    (
        REDIS,
        "redis_connected_slaves",
        "gauge",
        &[],
        "Replicas.",
        "while Redis answers",
    ),
    (
        REDIS,
        "redis_uptime_in_seconds",
        "gauge",
        &[],
        "Since Redis was started.",
        "while Redis answers",
    ),
    (
        PRODUCER,
        "process_start_time_seconds",
        "gauge",
        &[],
        "When the process started, Unix time.",
        "where the producer is a target",
    ),
];

impl Row {
    /// Names of its samples.
    #[must_use]
    pub fn sample_names(&self) -> Vec<String> {
        match self.kind {
            "histogram" => ["_bucket", "_sum", "_count"]
                .map(|end| self.name.clone() + end)
                .to_vec(),
            _ => vec![self.name.clone()],
        }
    }

    /// How a world has the target that exposes it; `None`: all targets have it.
    #[must_use]
    pub fn target_in<'w>(&self, world: &'w World) -> Option<&'w TargetForm> {
        let targets = &world.targets;
        match self.target {
            WORKER => Some(&targets.worker),
            ASYNQ => Some(&targets.asynq),
            REDIS => Some(&targets.redis),
            PRODUCER => Some(&targets.producer),
            _ => None,
        }
    }

    /// The `job` of the targets that expose it.
    #[must_use]
    pub fn jobs_in(&self, world: &World) -> Vec<String> {
        let kinds = kinds(world).into_iter();
        let own = kinds.filter(|(kind, ..)| self.target == "all" || self.target == *kind);
        own.map(|(_, job, _, form)| form.job.as_deref().unwrap_or(job).to_owned())
            .collect()
    }

    /// Whether replicas of the target, if there are any, say the same: asynq's collector reads it from the Redis all of them share.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.target == ASYNQ
    }
}

/// What redis_exporter has beyond that, in worlds that have it: name, type, labels, meaning.
const REDIS_EXPORTER: [(&str, &str, &[&str], &str); 10] = [
    (
        "redis_start_time_seconds",
        "gauge",
        &[],
        "When Redis was started, Unix time.",
    ),
    (
        "redis_blocked_clients",
        "gauge",
        &[],
        "Clients that wait in a blocking call; asynq makes none.",
    ),
    (
        "redis_config_maxclients",
        "gauge",
        &[],
        "`maxclients`: so many connections are accepted.",
    ),
    (
        "redis_config_maxmemory",
        "gauge",
        &[],
        "`maxmemory`; 0: no limit.",
    ),
    (
        "redis_evicted_keys_total",
        "counter",
        &[],
        "Keys evicted since Redis was started.",
    ),
    (
        "redis_loading_dump_file",
        "gauge",
        &[],
        "1 while Redis reads its data from the disk.",
    ),
    (
        "redis_rdb_last_bgsave_status",
        "gauge",
        &[],
        "1 if the last snapshot succeeded.",
    ),
    (
        "redis_aof_last_write_status",
        "gauge",
        &[],
        "1 if the append-only file could be written.",
    ),
    (
        "redis_instance_info",
        "gauge",
        &["role", "redis_mode"],
        "1; `role` is `master` or `slave`.",
    ),
    (
        "redis_exporter_last_scrape_error",
        "gauge",
        &[],
        "0: Redis was asked without an error, and the label `err` is empty.",
    ),
];

/// Every metric of a drill in a world: the application's first, then by target.
#[must_use]
pub fn rows(world: &World) -> Vec<Row> {
    let own = world.metrics.iter().map(|metric| {
        let labels = metric.labels.iter().map(|(name, _)| name.clone());
        let le = (metric.kind == MetricType::Histogram).then(|| "le".to_owned());
        Row {
            target: WORKER,
            name: metric.name.clone(),
            kind: metric.kind.name(),
            labels: labels.chain(le).collect(),
            help: metric.help.clone(),
            when: "",
            moved_by: moved_by(&metric.name),
        }
    });
    let fixed = FIXED
        .iter()
        .map(|(target, name, kind, labels, help, when)| Row {
            target,
            name: (*name).to_owned(),
            kind,
            labels: labels.iter().map(|label| (*label).to_owned()).collect(),
            help: (*help).to_owned(),
            when,
            moved_by: moved_by(name),
        });
    let enqueued = Row {
        target: PRODUCER,
        name: "job_enqueued_total".into(),
        kind: "counter",
        labels: ["task_type", "queue", "result"].map(str::to_owned).to_vec(),
        help: format!(
            "Calls of the producer, by result: {}.",
            ENQUEUE_RESULTS.join(", ")
        ),
        when: "where the producer is a target",
        moved_by: moved_by("job_enqueued_total"),
    };
    let has_more = world.exposes(Exporter::RedisExporter);
    let more = REDIS_EXPORTER.iter().filter(|_| has_more);
    let more = more.map(|(name, kind, labels, help)| Row {
        target: REDIS,
        name: (*name).to_owned(),
        kind,
        labels: labels.iter().map(|label| (*label).to_owned()).collect(),
        help: (*help).to_owned(),
        when: "while Redis answers",
        moved_by: moved_by(name),
    });
    own.chain(fixed).chain(more).chain([enqueued]).collect()
}

/// Names of all samples that a drill in a world can have.
#[must_use]
pub fn sample_names(world: &World) -> Vec<String> {
    let rows = rows(world).into_iter();
    rows.flat_map(|row| row.sample_names()).collect()
}

/// What targets a world has, and their `job` and `instance` where it does not say.
fn kinds(world: &World) -> [(&'static str, &'static str, &'static str, &TargetForm); 4] {
    let of = &world.targets;
    [
        (WORKER, "worker", "{name}", &of.worker),
        (ASYNQ, "asynq-exporter", "exporter", &of.asynq),
        (REDIS, "redis", "redis", &of.redis),
        (PRODUCER, PRODUCER, PRODUCER, &of.producer),
    ]
}

/// The labels of a world's targets, a line for each kind.
#[must_use]
pub fn targets(world: &World) -> Vec<String> {
    let line = |(kind, job, instance, form): &(&str, &str, &str, &TargetForm)| {
        let job = form.job.as_deref().unwrap_or(job);
        let instance = form.instance.as_deref().unwrap_or(instance);
        let mut text = format!("{kind}: {{job=\"{job}\", instance=\"{instance}\"");
        let common = world.labels.iter();
        let common = common.filter(|(name, _)| !form.labels.iter().any(|(own, _)| own == name));
        for (name, value) in common.chain(&form.labels) {
            let _ = write!(text, ", {name}=\"{value}\"");
        }
        text.push('}');
        text
    };
    kinds(world).iter().map(line).collect()
}

/// The metrics of a world as a Markdown table.
#[must_use]
pub fn table(world: &World) -> String {
    let mut text = String::from(
        "| target | metric | type | labels | meaning |\n| --- | --- | --- | --- | --- |\n",
    );
    for row in rows(world) {
        let labels = row.labels.iter().map(|label| format!("`{label}`"));
        let labels = labels.collect::<Vec<String>>().join(", ");
        let when = match row.when {
            "" => String::new(),
            when => format!(" ({when})"),
        };
        let _ = writeln!(
            text,
            "| {} | `{}` | {} | {labels} | {}{when} |",
            row.target, row.name, row.kind, row.help
        );
    }
    text
}

/// What other exporters tell, with the reason why drills do not.
const NOT_TOLD_EITHER: [(&str, &str); 3] = [
    (
        "go_*, and process_* but for those listed",
        "a drill's workers are no Go programs, so their goroutines, garbage and files say nothing of a team's",
    ),
    (
        "kube_*, container_*",
        "nothing plays kube-state-metrics or cAdvisor in a drill; whether a pod is there shows in `up`, and that it was restarted in \
         `process_start_time_seconds`",
    ),
    (
        "how long the producer's calls take",
        "on the model they take no time",
    ),
];

/// What exporters tell and drills do not, with the reason, a line each.
#[must_use]
pub fn not_told() -> Vec<String> {
    let lines = NOT_TOLD.iter().chain(&NOT_TOLD_EITHER);
    lines
        .map(|(names, why)| format!("{names}: {why}"))
        .collect()
}

/// Which faults move which metric, as a Markdown table: of all worlds inside the binary.
#[must_use]
pub fn moved_table() -> String {
    let mut text = String::from("| metric | moved by |\n| --- | --- |\n");
    for (name, faults) in MOVED.lines().filter_map(|line| line.split_once(": ")) {
        let faults: Vec<String> = faults
            .split(' ')
            .map(|fault| format!("`{fault}`"))
            .collect();
        let _ = writeln!(text, "| `{name}` | {} |", faults.join(", "));
    }
    text
}
