//! The targets of a world: their labels, and how often they are scraped.

use super::shapes::{Pattern, labels};
use crate::form::{form, positive, within};
use firedrill_detector::yaml::{Position, Problems};
use serde::{Deserialize, Serialize};

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
    }
}

/// A pattern, of the process with this name and number.
#[must_use]
pub fn filled(pattern: &str, name: &str, number: usize) -> String {
    let text = pattern.replace("{name}", name);
    text.replace("{number}", &number.to_string())
}

impl Targets {
    /// Whether all targets can be told apart by `job` and `instance`, as Prometheus demands.
    pub(super) fn check(&self, at: Position, problems: &mut Problems) -> Option<()> {
        let instance = self.worker.instance.as_deref().unwrap_or("{name}");
        if !instance.contains("{name}") && !instance.contains("{number}") {
            let message = "targets.worker.instance: all workers would have the same";
            let hint = "accepted: what names the process, such as `\"{name}:9090\"`";
            problems.push_with_hint(at, message, hint);
            return None;
        }
        Some(())
    }
}
