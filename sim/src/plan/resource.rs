//! What handlers share: pools of connections, and services that they call.

use crate::form::{Named, choice, count, form, name, positive, span, via};
use crate::plan::demand::mean_ms;
use crate::plan::written::ServiceForm;
use crate::plan::{Plan, Service, TaskPlan};
use serde::{Deserialize, Serialize};

/// Whose a pool is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Per {
    /// Each worker process has one of its own.
    #[default]
    Process,
    /// All of them share one.
    Fleet,
}

/// How [`Per`] is written.
const PER: [(&str, Per); 2] = [("process", Per::Process), ("fleet", Per::Fleet)];

form! {
    /// Something that handlers share.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct ResourcePlan: "resource" [one of pool, capacity] {
        /// Name.
        pub name: String = name(), outside String::new();
        /// Connections of a pool; who finds none free waits for one, first come, first served.
        pub pool: Option<u32> = count(1..=100_000), optional;
        /// So many requests a service works on at a time, of all workers; the others wait there, first come, first served.
        pub capacity: Option<u32> = count(1..=100_000), optional;
        /// Whose the pool is: each `process` has its own, or the `fleet` shares one. Goes with `pool`.
        pub per: Per = choice(PER), quiet Per::Process;
        /// Whoever has waited so long gets an error; left out: waits without end.
        pub wait_timeout_ms as "wait_timeout": Option<i64> = positive(), optional;
        /// How long a request takes, where a use of it does not say.
        pub latency: Option<Service> = via::<ServiceForm, Service>(), optional;
    }
}

impl Named for ResourcePlan {
    fn name(&self) -> &str {
        &self.name
    }

    fn named(self, name: String) -> Self {
        Self { name, ..self }
    }
}

impl ResourcePlan {
    /// How many may hold it at a time.
    #[must_use]
    pub fn slots(&self) -> u32 {
        self.pool.or(self.capacity).unwrap_or(1)
    }

    /// Whether all processes share it.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.pool.is_none() || self.per == Per::Fleet
    }
}

form! {
    /// A resource that a handler needs.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct Use: "use" {
        /// Its name.
        pub resource: String = name(), required;
        /// How long it is held; left out: the resource's `latency`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub hold_ms as "for": Option<f64> = span(), optional;
    }
}

impl Plan {
    /// A resource by its name, and its number.
    pub(crate) fn resource(&self, name: &str) -> Option<(usize, &ResourcePlan)> {
        let mut all = self.resources.iter().enumerate();
        all.find(|(_, resource)| resource.name == name)
    }

    /// Whether all processes share any of them.
    pub(crate) fn shares_resources(&self) -> bool {
        self.resources.iter().any(ResourcePlan::is_shared)
    }

    /// How long the resources of a task are held, on average, milliseconds.
    pub(crate) fn mean_use_ms(&self, task: &TaskPlan) -> f64 {
        let of = |held: &Use| {
            let latency = self.resource(&held.resource);
            let latency = latency.and_then(|(_, resource)| resource.latency.as_ref());
            held.hold_ms.or(latency.map(mean_ms)).unwrap_or(0.0)
        };
        task.uses.iter().map(of).sum()
    }
}
