//! The targets of a world: their labels, and how often they are scraped.

use super::extends::with;
use super::origin::Origin;
use super::shapes::{Pattern, labels};
use crate::form::{form, positive, within};
use firedrill_detector::yaml::Problems;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

form! {
    /// Targets of one kind. What is left out is as in the runbook's world.
    #[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct TargetForm: "target" {
        /// Their label `job`.
        #[serde(default)]
        pub job: Option<String> = Pattern, optional;
        /// Their label `instance`; that of workers must name the process.
        #[serde(default)]
        pub instance: Option<String> = Pattern, optional;
        /// Other labels.
        #[serde(default)]
        pub labels: Vec<(String, String)> = labels(), if_any;
        /// How often they are scraped; left out, as the scenario says.
        #[serde(default)]
        pub interval_ms as "interval": Option<i64> = positive().at_least(1_000, "1s"), optional;
        /// How long a scrape may take, at most the interval.
        #[serde(default)]
        pub timeout_ms as "timeout": Option<i64> = positive(), optional;
    }
}

form! {
    /// The targets of a fleet.
    #[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct Targets: "targets" [block] {
        /// The worker processes.
        #[serde(default)]
        pub worker: TargetForm = within::<TargetForm>(), quiet TargetForm::default();
        /// asynq's collector.
        #[serde(default)]
        pub asynq: TargetForm = within::<TargetForm>(), quiet TargetForm::default();
        /// The exporter of Redis.
        #[serde(default)]
        pub redis: TargetForm = within::<TargetForm>(), quiet TargetForm::default();
        /// The producer.
        #[serde(default)]
        pub producer: TargetForm = within::<TargetForm>(), quiet TargetForm::default();
        /// kube-state-metrics, in worlds that have it.
        #[serde(default, skip_serializing_if = "TargetForm::is_empty")]
        pub kube: TargetForm = within::<TargetForm>(), quiet TargetForm::default();
        /// cAdvisor, in worlds that have it.
        #[serde(default, skip_serializing_if = "TargetForm::is_empty")]
        pub cadvisor: TargetForm = within::<TargetForm>(), quiet TargetForm::default();
    }
}

impl TargetForm {
    /// Whether nothing is said of them.
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// As another one, but for what it says itself.
    fn over(self, base: Self) -> Self {
        Self {
            job: self.job.or(base.job),
            instance: self.instance.or(base.instance),
            labels: with(self.labels, base.labels),
            interval_ms: self.interval_ms.or(base.interval_ms),
            timeout_ms: self.timeout_ms.or(base.timeout_ms),
        }
    }
}

/// A pattern, of the process with this name and number.
#[must_use]
pub fn filled(pattern: &str, name: &str, number: usize) -> String {
    let text = pattern.replace("{name}", name);
    text.replace("{number}", &number.to_string())
}

/// A kind of targets that has one: its key, and its `job` and `instance` where a world does not say.
pub(crate) type Single = (&'static str, &'static str, &'static str);

/// Those kinds.
pub(crate) const SINGLES: [Single; 5] = [
    ("asynq", "asynq-exporter", "exporter"),
    ("redis", "redis", "redis"),
    ("producer", "producer", "producer"),
    ("kube", "kube-state-metrics", "kube-state-metrics"),
    ("cadvisor", "cadvisor", "cadvisor"),
];

impl Targets {
    /// As another's, but for what they say themselves.
    pub(super) fn over(self, base: Self) -> Self {
        Self {
            worker: self.worker.over(base.worker),
            asynq: self.asynq.over(base.asynq),
            redis: self.redis.over(base.redis),
            producer: self.producer.over(base.producer),
            kube: self.kube.over(base.kube),
            cadvisor: self.cadvisor.over(base.cadvisor),
        }
    }

    /// Those of a kind that has one.
    pub(crate) fn single(&self, key: &str) -> &TargetForm {
        match key {
            "asynq" => &self.asynq,
            "redis" => &self.redis,
            "kube" => &self.kube,
            "cadvisor" => &self.cadvisor,
            _ => &self.producer,
        }
    }

    /// Whether all targets can be told apart by `job` and `instance`, as Prometheus demands, as far as a world knows by itself.
    pub(super) fn check(&self, origin: &Origin, problems: &mut Problems) -> Option<()> {
        let instance = self.worker.instance.as_deref().unwrap_or("{name}");
        let places = ["worker.instance", "worker"];
        let worker = places.into_iter().find_map(|key| origin.target(key));
        let Some(here) = worker.or(origin.here()) else {
            return Some(());
        };
        if !instance.contains("{name}") && !instance.contains("{number}") {
            let message = "targets.worker.instance: all workers would have the same";
            let hint = "accepted: what names the process, such as `\"{name}:9090\"`";
            problems.push_with_hint(here, message, hint);
            return None;
        }
        let before = problems.len();
        let mut known: BTreeMap<(String, String), &str> = BTreeMap::new();
        for (key, job, instance) in SINGLES {
            let form = self.single(key);
            let fill =
                |own: &Option<String>, usual| filled(own.as_deref().unwrap_or(usual), instance, 0);
            let target = (fill(&form.job, job), fill(&form.instance, instance));
            if let Some(other) = known.insert(target.clone(), key) {
                let message = clash(other, key, &target);
                let at = origin.target(key).or(origin.target(other));
                problems.push_with_hint(at.unwrap_or(here), message, CLASH_HINT);
            }
        }
        (problems.len() == before).then_some(())
    }
}

/// What is said of two targets that Prometheus cannot tell apart.
pub(crate) fn clash(one: &str, other: &str, (job, instance): &(String, String)) -> String {
    format!("targets: `{one}` and `{other}` are both the target {job}/{instance}")
}

/// What is to be done about it.
pub(crate) const CLASH_HINT: &str = "each target needs a `job` and an `instance` of its own";
