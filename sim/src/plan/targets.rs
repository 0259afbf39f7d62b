//! What Prometheus scrapes in a drill.

use crate::plan::{PRODUCER, Plan};
use crate::world::{Discovery, Exporter, TargetForm, World, filled};
use firedrill_asynq::rng;
use rand::RngExt;

/// Name of the file inside a run's directory.
pub const TARGETS_FILE: &str = "targets.json";

/// The exporters' targets come first, then one per worker process: what they are called where a world does not say, as `(job, instance)`.
/// Steps name them by the latter.
pub(crate) const EXPORTERS: [(&str, &str); 2] =
    [("asynq-exporter", "exporter"), ("redis", "redis")];

/// What a target shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// asynq's collector.
    Asynq,
    /// Redis, as its exporter tells it.
    Redis,
    /// A worker process, by its number.
    Worker(usize),
    /// What enqueues.
    Producer,
    /// The worker processes as pods, as kube-state-metrics tells them.
    Kube,
    /// Their containers, as cAdvisor tells them.
    Cadvisor,
}

/// A target of Prometheus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TargetPlan {
    /// What it shows.
    pub(crate) source: Source,
    /// What steps call it: `exporter`, `redis`, the process' name.
    pub(crate) member: String,
    /// Its label `job`.
    pub(crate) job: String,
    /// Its label `instance`.
    pub(crate) instance: String,
    /// Its other labels.
    pub(crate) labels: Vec<(String, String)>,
    /// Time of its first scrape: Prometheus spreads targets over the interval, and where each falls is the seed's choice.
    pub(crate) first_ms: i64,
    /// How often it is scraped.
    pub(crate) interval_ms: i64,
    /// How long a scrape may take.
    pub(crate) timeout_ms: i64,
    /// Whether its world has a say in how often that is.
    pub(crate) has_own_pace: bool,
}

impl TargetPlan {
    /// `job/instance`.
    pub(crate) fn name(&self) -> String {
        format!("{}/{}", self.job, self.instance)
    }

    /// What a world calls its kind.
    pub(crate) fn key(&self) -> &'static str {
        match self.source {
            Source::Asynq => "asynq",
            Source::Redis => "redis",
            Source::Worker(_) => "worker",
            Source::Producer => "producer",
            Source::Kube => "kube",
            Source::Cadvisor => "cadvisor",
        }
    }

    /// Whether an exporter shows it.
    pub(crate) fn is_exporter(&self) -> bool {
        !matches!(self.source, Source::Worker(_) | Source::Producer)
    }

    /// Whether it reads from Redis what it shows.
    pub(crate) fn asks_redis(&self) -> bool {
        matches!(self.source, Source::Asynq | Source::Redis)
    }

    /// Whether labels that it exposes go before those of the target (`honor_labels`), as those who scrape it have it: it tells of
    /// other pods than its own.
    pub(crate) fn honors_labels(&self) -> bool {
        matches!(self.source, Source::Kube | Source::Cadvisor)
    }

    fn of(
        plan: &Plan,
        (source, number): (Source, usize),
        (job, member): (&str, &str),
        form: &TargetForm,
    ) -> Self {
        let fill = |pattern: &str| filled(pattern, member, number);
        let interval_ms = form.interval_ms.unwrap_or(plan.scrape_interval_ms).max(1);
        let timeout_ms = form.timeout_ms.unwrap_or(plan.scrape_timeout_ms);
        let mut dice = rng::stream(plan.seed, &format!("scrape/{job}/{member}"));
        let common = plan.world.labels.iter();
        // A label of the kind goes before the same one of all.
        let common = common.filter(|(name, _)| !form.labels.iter().any(|(own, _)| own == name));
        let labels = common.chain(&form.labels);
        Self {
            source,
            member: member.to_owned(),
            job: fill(form.job.as_deref().unwrap_or(job)),
            instance: fill(form.instance.as_deref().unwrap_or(member)),
            labels: labels
                .map(|(name, value)| (name.clone(), fill(value)))
                .collect(),
            first_ms: dice.random_range(0..interval_ms),
            interval_ms,
            timeout_ms: timeout_ms.min(interval_ms),
            has_own_pace: form.interval_ms.is_some() || form.timeout_ms.is_some(),
        }
    }
}

/// The targets of Kubernetes: whose they are, which exporter has them, and what they are called where a world does not say, as
/// `(job, instance)`.
pub(crate) const OF_KUBERNETES: [(Source, Exporter, (&str, &str)); 2] = [
    (
        Source::Kube,
        Exporter::KubeStateMetrics,
        ("kube-state-metrics", "kube-state-metrics"),
    ),
    (
        Source::Cadvisor,
        Exporter::Cadvisor,
        ("cadvisor", "cadvisor"),
    ),
];

/// What steps call the exporters of a world.
pub(crate) fn exporters(world: &World) -> Vec<&'static str> {
    let more = OF_KUBERNETES.iter();
    let more = more.filter(|(_, exporter, _)| world.exposes(*exporter));
    let always = EXPORTERS.iter().map(|(_, member)| *member);
    always
        .chain(more.map(|(_, _, (_, member))| *member))
        .collect()
}

/// The targets of a plan: the exporters, the workers by number, the producer if it is one, and those of Kubernetes where its world
/// has them.
pub(crate) fn targets(plan: &Plan) -> Vec<TargetPlan> {
    let world = &plan.world.targets;
    let [asynq, redis] = EXPORTERS;
    let mut targets = vec![
        TargetPlan::of(plan, (Source::Asynq, 0), asynq, &world.asynq),
        TargetPlan::of(plan, (Source::Redis, 0), redis, &world.redis),
    ];
    for (number, (name, _)) in plan.processes().into_iter().enumerate() {
        let of = (Source::Worker(number), number);
        targets.push(TargetPlan::of(plan, of, ("worker", &name), &world.worker));
    }
    if plan.producer_metrics {
        let of = (Source::Producer, 0);
        targets.push(TargetPlan::of(
            plan,
            of,
            (PRODUCER, PRODUCER),
            &world.producer,
        ));
    }
    for (source, exporter, of) in OF_KUBERNETES {
        if plan.world.exposes(exporter) {
            let form = match source {
                Source::Kube => &world.kube,
                _ => &world.cadvisor,
            };
            targets.push(TargetPlan::of(plan, (source, 0), of, form));
        }
    }
    targets
}

impl Plan {
    /// Whether a process that is gone is a target no longer.
    pub(crate) fn removes_dead_targets(&self) -> bool {
        self.world.discovery == Discovery::Kubernetes
    }

    /// How many scrapes of exporters and workers there are in the drill, if all of them are there.
    pub(crate) fn scrapes(&self) -> f64 {
        self.scrapes_of(|target| target.source != Source::Producer)
    }

    /// How many there are of those that tell of pods.
    pub(crate) fn scrapes_of_pods(&self) -> f64 {
        self.scrapes_of(TargetPlan::honors_labels)
    }

    fn scrapes_of(&self, counts: impl Fn(&TargetPlan) -> bool) -> f64 {
        let targets = targets(self).into_iter();
        let counted = targets.filter(counts);
        let each = counted.map(|target| self.duration_ms as f64 / target.interval_ms as f64);
        each.sum()
    }
}
