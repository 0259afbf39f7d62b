//! What the tests share: plans, the project's files, and what is to be had on this machine.

use firedrill_sim::plan::Plan;
use firedrill_sim::scenario::{PlanOptions, Scenario};
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
