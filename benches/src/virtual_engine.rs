//! The [`Model`] on firedrill's virtual engine: the actors of a live drill on a model of Redis, audit and histograms included.

use crate::model::{Model, Run, Tally};
use firedrill_detector::Problem;
use firedrill_sim::engine::virtual_time::{self, Counts, VirtualOptions};
use firedrill_sim::plan::Plan;
use firedrill_sim::scenario::{PlanOptions, Scenario};

/// The model as a plan: as many worker processes of ten slots as it takes.
///
/// # Errors
/// When the model is none that a scenario can have.
pub fn plan(model: &Model, run: &Run) -> Result<Plan, Vec<Problem>> {
    let parsed = Scenario::parse("model.yaml", &scenario(model, run))?;
    Plan::resolve(&parsed, &PlanOptions::default())
}

/// Runs a plan of [`plan`], scraping nothing.
#[must_use]
pub fn run(plan: &Plan, run: &Run) -> Tally {
    let options = VirtualOptions {
        scrape: false,
        ..VirtualOptions::default()
    };
    let (_, counts) = virtual_time::run(plan, options, &mut |_| Ok(()))
        .expect("nothing is kept that could not be");
    tally(counts, run)
}

/// What a run came to, as the model counts.
#[must_use]
pub fn tally(counts: Counts, run: &Run) -> Tally {
    Tally {
        // The backlog was there already, as far as the model goes.
        arrivals: counts.arrivals - run.backlog as u64,
        service_ends: counts.returns,
        retries_due: counts.retries_due,
        ..Tally::default()
    }
}

fn scenario(model: &Model, run: &Run) -> String {
    let backlog = match run.backlog {
        0 => String::new(),
        count => format!(
            "  - {{ task: backlog, queue: default, arrivals: {{ burst: {{ count: {count}, at: 0s, over: 0s }} }}, \
             service: {{ exponential: {{ mean: {}s }} }}, fail: {}%, max_retry: {} }}\n",
            model.mean_service_s,
            model.fail_share * 100.0,
            model.max_retries
        ),
    };
    format!(
        "version: firedrill/v1\nname: model\nfamily: benign\nsummary: M/M/c with retries\nseed: {seed}\n\
         duration: {duration}ms\nqueues: {{ default: {{ wait_objective: 24h }} }}\nworkload:\n\
         \x20 - {{ task: job, queue: default, arrivals: {{ poisson: {rate}/s }}, \
         service: {{ exponential: {{ mean: {mean}s }} }}, fail: {fail}%, max_retry: {retries} }}\n{backlog}\
         workers:\n\x20 - {{ name: w, processes: {processes}, concurrency: 10, \
         retry_delay: {{ exponential: 2s, factor: 2, jitter: 100% }} }}\n",
        seed = run.seed,
        duration = (run.simulated_s * 1e3) as i64,
        rate = model.arrivals_per_s,
        mean = model.mean_service_s,
        fail = model.fail_share * 100.0,
        retries = model.max_retries,
        processes = model.servers / 10,
    )
}
