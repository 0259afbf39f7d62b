//! What the tests share: plans, the project's files, and what is to be had on this machine.

use firedrill_detector::Labels;
use firedrill_sim::engine::Observation;
use firedrill_sim::engine::virtual_time::{self, VirtualOptions};
use firedrill_sim::plan::Plan;
use firedrill_sim::scenario::{PlanOptions, Scenario};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A file of the project.
pub(crate) fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// A plan of the scenario `text`.
pub(crate) fn plan_of(text: &str) -> Plan {
    let scenario =
        Scenario::parse("s.yaml", text).unwrap_or_else(|found| panic!("{found:#?}\n{text}"));
    Plan::resolve(&scenario, &PlanOptions::default())
        .unwrap_or_else(|found| panic!("{found:#?}\n{text}"))
}

/// What was scraped of a target at once: each series with its value.
pub(crate) struct Scraped(Vec<(Labels, f64)>);

impl Scraped {
    /// The value of the first series of this name, and of this state where one is given.
    pub(crate) fn value(&self, name: &str, state: Option<&str>) -> Option<f64> {
        let mut all = self.0.iter();
        let found = all.find(|(labels, _)| labels.name() == name && labels.get("state") == state);
        found.map(|(_, value)| *value)
    }
}

/// What is scraped of a target in a drill of the model, and when, virtual milliseconds since its start.
pub(crate) fn scrapes_of(plan: &Plan, target: &str) -> Vec<(i64, Scraped)> {
    let (mut labels, mut scrapes) = (BTreeMap::new(), Vec::new());
    let sink = &mut |observation| {
        match observation {
            Observation::Series { id, labels: of } => drop(labels.insert(id, of)),
            Observation::Scrape {
                at_ms,
                target: of,
                values,
            } if of == target => {
                let values = values
                    .iter()
                    .map(|(id, value)| (labels[id].clone(), *value));
                scrapes.push((at_ms, Scraped(values.collect())));
            }
            _ => {}
        }
        Ok(())
    };
    virtual_time::run(plan, VirtualOptions::default(), sink).unwrap();
    scrapes
}
