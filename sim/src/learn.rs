//! A team's own traffic, learnt from what its Prometheus has: a world with its names and labels, and a scenario with its rates,
//! service times and workers. What cannot be learnt is said in the files, with what to fill in.

mod application;
pub mod prometheus;
mod samples;
mod service;
mod targets;
mod traffic;
mod write;

pub use samples::{LearnError, Samples};

use crate::plan::Plan;
use crate::scenario::{PlanOptions, Scenario};
use crate::world::World;
use application::Application;
use targets::Fleet;
use traffic::Traffic;

/// What was learnt, as files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Learnt {
    /// A world file.
    pub world: String,
    /// A scenario file; it stands beside the world's.
    pub scenario: String,
    /// What could not be learnt, and what to do about it; the files say it, too.
    pub unknown: Vec<String>,
}

/// Learns from samples. `name`: what the scenario and its world are called; `world_file`: what the scenario calls the world's file.
///
/// # Errors
/// When nothing in them tells of tasks.
pub fn learn(samples: &Samples, name: &str, world_file: &str) -> Result<Learnt, LearnError> {
    let mut unknown = Vec::new();
    let fleet = Fleet::of(samples);
    let application = Application::of(samples, &fleet, &mut unknown);
    let traffic = Traffic::of(samples, &application, &mut unknown)?;
    let workers = fleet.workers(samples, &application, &traffic, &mut unknown);
    let world = write::world(name, samples, &fleet, &application, &mut unknown);
    let scenario = write::scenario((name, world_file), samples, &traffic, &workers);
    let learnt = Learnt {
        world: write::with_unknown(&world, &unknown),
        scenario: write::with_unknown(&scenario, &unknown),
        unknown,
    };
    // Whatever a team calls its things, nothing is handed out that would be refused.
    World::parse("world", &learnt.world).map_err(|found| LearnError::refused(&found))?;
    let alone = learnt.scenario.replace(&write::world_line(world_file), "");
    Scenario::parse("scenario", &alone)
        .and_then(|scenario| Plan::resolve(&scenario, &PlanOptions::default()))
        .map_err(|found| LearnError::refused(&found))?;
    Ok(learnt)
}

#[cfg(test)]
mod tests;
