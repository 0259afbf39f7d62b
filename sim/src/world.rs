//! What a Prometheus sees of a team's fleet: the targets it finds, and what the application exposes under which names. As
//! written, and as meant: a world has no parts that depend on a scenario.

mod exporter;
mod extends;
mod metric;
mod origin;
mod presets;
mod shapes;
pub(crate) mod target;

pub use exporter::Exporter;
pub(crate) use metric::DEFAULT_BUCKETS;
pub use metric::{AppMetric, Counts, Dimension, MetricType, Panics, Results, Unit, go_float};
pub use presets::{PRESETS, Preset, preset};
pub use target::{TargetForm, Targets, filled};

use crate::form::{Form, Shape, Yaml, choice, form, list, name, only, spotted, text, within};
use firedrill_detector::yaml::{Node, Problem, Problems, parse};
use metric::metrics;
use origin::Origin;
use serde::{Deserialize, Serialize};
use shapes::labels;
use std::sync::LazyLock;

/// The only version there is.
const VERSION: &str = "firedrill/v1";

/// The world of drills that name none.
pub const DEFAULT: &str = "runbook";

/// What Prometheus makes of a target whose process is gone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Discovery {
    /// It goes on being scraped, in vain: `up` is 0.
    #[default]
    Static,
    /// It is a target no longer: its series go stale, and there is no `up`.
    Kubernetes,
}

form! {
    /// What a Prometheus sees of a fleet.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct World: "world" [block] {
        /// The format.
        #[serde(skip)]
        pub version: () = only(VERSION), required;
        /// What it is called.
        pub name as "world": String = name(), required;
        /// One sentence for people.
        pub summary: String = text(), required;
        /// Worlds inside the binary that it is like, the later ones before the earlier: what is left out here is as there. Exporters are added, labels
        /// and targets go key by key.
        #[serde(skip)]
        pub extends: Vec<String> = list("world", name()), if_any;
        /// What becomes of a target whose process is gone: it is kept, with `up` at 0 (`static`), or it is removed and its series
        /// end (`kubernetes`). A process that an orchestrator starts again keeps its target meanwhile, as a pod does.
        #[serde(default)]
        pub discovery: Discovery = choice([("static", Discovery::Static), ("kubernetes", Discovery::Kubernetes)]), quiet Discovery::Static;
        /// Labels of all targets.
        #[serde(default)]
        pub labels: Vec<(String, String)> = labels(), if_any;
        /// What is exposed beside the application's metrics, asynq's and a few of Redis'.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub exporters: Vec<Exporter> = list("exporter", choice(Exporter::ALL.map(|of| (of.name(), of)))), if_any;
        /// The targets, by what they are.
        #[serde(default)]
        pub targets: Targets = within::<Targets>(), quiet Targets::default();
        /// What the middleware of the workers exposes; none: workers have no metrics of their own making.
        #[serde(default)]
        pub metrics: Vec<AppMetric> = metrics(), if_any;
        #[serde(skip)]
        pub(crate) origin: Origin = (), outside Origin::default();
    }
}

static RUNBOOK: LazyLock<World> = LazyLock::new(|| {
    let preset = preset(DEFAULT).expect("a preset of ours");
    World::parse(DEFAULT, preset.text).expect("held by a test")
});

impl Default for World {
    fn default() -> Self {
        RUNBOOK.clone()
    }
}

impl World {
    /// Whether it is the one of drills that name none.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == *RUNBOOK
    }

    /// Reads a world file.
    ///
    /// # Errors
    /// With everything that is wrong with it, each with its place.
    pub fn parse(file: &str, text: &str) -> Result<Self, Vec<Problem>> {
        let mut problems = Problems::new(file);
        let world = parse(text, &mut problems)
            .and_then(|node| written().read(&node, "world", &mut problems));
        match world {
            Some(world) if problems.is_empty() => Ok(world),
            _ => Err(problems.into_vec()),
        }
    }

    /// Whether this is exposed, too.
    #[must_use]
    pub fn exposes(&self, exporter: Exporter) -> bool {
        self.exporters.contains(&exporter)
    }

    /// The metric of the application that exposes samples of this name, with the family it announces.
    #[must_use]
    pub fn metric_of(&self, sample: &str) -> Option<&AppMetric> {
        let mut metrics = self.metrics.iter();
        metrics.find(|metric| metric.sample_names().any(|name| name == sample))
    }

    /// Samples of this name: whether they only grow while what exposes them runs; `None`: they are none of the application's.
    #[must_use]
    pub fn is_counter(&self, sample: &str) -> Option<bool> {
        let metric = self.metric_of(sample)?;
        Some(metric.kind != MetricType::Gauge)
    }
}

/// A world within another file, with all its checks.
#[derive(Debug, Clone, Copy)]
pub struct Written;

/// A world within another file, with all its checks.
#[must_use]
pub fn written() -> Written {
    Written
}

impl Shape for Written {
    type Value = World;

    fn read(&self, node: &Node, what: &str, problems: &mut Problems) -> Option<World> {
        let own = spotted::<World>().read(node, what, problems)?;
        let origin = Origin::of(node, problems.file());
        let mut world = extends::resolved(own, problems)?;
        world.targets.check(&origin, problems)?;
        world.origin = origin;
        Some(world)
    }

    fn write(&self, value: &World) -> Yaml {
        value.write()
    }

    fn words(&self) -> String {
        "mapping".into()
    }

    fn schema(&self) -> serde_json::Value {
        within::<World>().schema()
    }

    fn rows(&self) -> (&'static str, Vec<crate::form::Row>) {
        (".", World::rows())
    }
}

#[cfg(test)]
mod tests;
