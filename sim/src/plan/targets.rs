//! What Prometheus scrapes in a drill.

use crate::plan::{PRODUCER, Plan};
use firedrill_asynq::rng;
use rand::RngExt;

/// Name of the file inside a run's directory.
pub const TARGETS_FILE: &str = "targets.json";

/// The exporters' targets come first, then one per worker process.
pub(crate) const EXPORTERS: [(&str, &str); 2] =
    [("asynq-exporter", "exporter"), ("redis", "redis")];

/// The targets of a plan, the producer last, as `(job, instance)`, each with the time of its first scrape: Prometheus spreads targets over
/// the interval, and where each falls is the seed's choice.
pub(crate) fn targets(plan: &Plan) -> Vec<(&'static str, String, i64)> {
    let exporters = EXPORTERS.map(|(job, instance)| (job, instance.to_owned()));
    let workers = plan.processes().into_iter();
    let workers = workers.map(|(name, _)| ("worker", name));
    let producer = plan
        .producer_metrics
        .then(|| (PRODUCER, PRODUCER.to_owned()));
    exporters
        .into_iter()
        .chain(workers)
        .chain(producer)
        .map(|(job, instance)| {
            let mut dice = rng::stream(plan.seed, &format!("scrape/{job}/{instance}"));
            let phase_ms = dice.random_range(0..plan.scrape_interval_ms.max(1));
            (job, instance, phase_ms)
        })
        .collect()
}
