//! Every metric that a Prometheus sees in a drill, for people: `firedrill metrics` and the table in `scenarios/worlds/README.md`.
//! A test holds it against what drills really expose (`tests/it/worlds.rs`).

mod kubernetes;
mod told;

use super::ENQUEUE_RESULTS;
use super::go;
use super::producer::DURATION;
use super::redis::NOT_TOLD;
use crate::plan::PRODUCER;
use crate::world::target::SINGLES;
use crate::world::{Exporter, MetricType, TargetForm, World};
use std::fmt::Write;
use told::{FIXED, REDIS_EXPORTER};

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
/// The exporters of Kubernetes.
const OF_KUBERNETES: [(&str, Exporter); 2] = [
    ("kube", Exporter::KubeStateMetrics),
    ("cadvisor", Exporter::Cadvisor),
];

/// A metric: name, type, labels, meaning, and when it is there.
type Told = (
    &'static str,
    &'static str,
    &'static [&'static str],
    &'static str,
    &'static str,
);

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
            "all" => None,
            key => Some(targets.single(key)),
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

fn row(target: &'static str, (name, kind, labels, help, when): Told) -> Row {
    Row {
        target,
        name: name.to_owned(),
        kind,
        labels: labels.iter().map(|label| (*label).to_owned()).collect(),
        help: help.to_owned(),
        when,
        moved_by: moved_by(name),
    }
}

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
    let fixed = FIXED.into_iter().map(|(target, told)| row(target, told));
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
    let more = REDIS_EXPORTER.into_iter().filter(|_| has_more);
    let more = more.map(|told| row(REDIS, told));
    let of_kubernetes = OF_KUBERNETES.into_iter();
    let of_kubernetes = of_kubernetes.filter(|(_, exporter)| world.exposes(*exporter));
    let of_kubernetes = of_kubernetes.flat_map(|(target, exporter)| {
        let told = kubernetes::told(exporter).iter();
        told.map(move |told| row(target, *told))
    });
    let has_durations = world.exposes(Exporter::EnqueueDuration);
    let durations = has_durations.then(|| Row {
        target: PRODUCER,
        name: DURATION.into(),
        kind: "histogram",
        labels: ["task_type", "queue", "le"].map(str::to_owned).to_vec(),
        help: "How long calls of the producer took, from the first until one was answered.".into(),
        when: "where the producer is a target",
        moved_by: moved_by(DURATION),
    });
    let all = own.chain(fixed).chain(more).chain([enqueued]);
    let has_goroutines = world.exposes(Exporter::GoClient);
    let goroutines = has_goroutines.then(|| Row {
        target: WORKER,
        name: go::NAME.into(),
        kind: "gauge",
        labels: Vec::new(),
        help: "Goroutines that a worker of asynq's would have in its place: two for each task at work, one for a handler that is stuck \
               when its slot has been given to others."
            .into(),
        when: "",
        moved_by: moved_by(go::NAME),
    });
    let all = all.chain(durations).chain(goroutines);
    all.chain(of_kubernetes).collect()
}

/// Names of all samples that a drill in a world can have.
#[must_use]
pub fn sample_names(world: &World) -> Vec<String> {
    let rows = rows(world).into_iter();
    rows.flat_map(|row| row.sample_names()).collect()
}

/// What targets a world has, and their `job` and `instance` where it does not say.
fn kinds(world: &World) -> Vec<(&'static str, &'static str, &'static str, &TargetForm)> {
    let of = &world.targets;
    let is_there = |key: &str| {
        let of_kubernetes = OF_KUBERNETES.iter().find(|(of, _)| *of == key);
        of_kubernetes.is_none_or(|(_, exporter)| world.exposes(*exporter))
    };
    let singles = SINGLES.iter().filter(|(key, ..)| is_there(key));
    let singles = singles.map(|(key, job, instance)| (*key, *job, *instance, of.single(key)));
    std::iter::once((WORKER, "worker", "{name}", &of.worker))
        .chain(singles)
        .collect()
}

/// The labels of a world's targets, a line for each kind.
#[must_use]
pub fn targets(world: &World) -> Vec<String> {
    let line = |(kind, job, instance, form): (&str, &str, &str, &TargetForm)| {
        let job = form.job.as_deref().unwrap_or(job);
        let instance = form.instance.as_deref().unwrap_or(instance);
        let mut text = format!("{kind}: {{job=\"{job}\", instance=\"{instance}\"");
        let common = world.labels.iter();
        let common = common.filter(|(name, _)| !form.labels.iter().any(|(own, _)| own == name));
        for (name, value) in common.chain(&form.labels) {
            let _ = write!(text, ", {name}=\"{value}\"");
        }
        text.push('}');
        if OF_KUBERNETES.iter().any(|(of, _)| *of == kind) {
            text.push_str(", a stand-in that is told what is done to the workers");
        }
        text
    };
    kinds(world).into_iter().map(line).collect()
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
const NOT_TOLD_EITHER: [(&str, &str); 1] = [(
    "go_* but for go_goroutines, and process_* but for those listed",
    "a drill's workers are no Go programs, so their threads, garbage and files say nothing of a team's",
)];

/// What exporters tell and drills do not, with the reason, a line each.
#[must_use]
pub fn not_told() -> Vec<String> {
    let lines = NOT_TOLD.iter().chain(&kubernetes::NOT_TOLD);
    let lines = lines.chain(&NOT_TOLD_EITHER);
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
