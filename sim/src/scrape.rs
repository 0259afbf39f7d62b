//! What Prometheus does with a scrape: target labels, `up`, and staleness markers for what vanished.

use crate::metrics::Value;
use firedrill_detector::{Labels, stale_marker};
use std::collections::BTreeSet;

/// A scrape target and what it exposed last.
#[derive(Debug, Clone)]
pub struct Target {
    job: String,
    instance: String,
    exposed: BTreeSet<Labels>,
}

impl Target {
    /// A target that was not scraped yet.
    #[must_use]
    pub fn new(job: &str, instance: &str) -> Self {
        Self {
            job: job.to_owned(),
            instance: instance.to_owned(),
            exposed: BTreeSet::new(),
        }
    }

    /// `job/instance`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}/{}", self.job, self.instance)
    }

    /// The samples of one scrape: `Some(values)` as exposed, or `None` when it failed. A series that was there before
    /// and is not now gets a staleness marker; a failed scrape marks every series and writes `up` 0 (prometheus
    /// `scrape/scrape.go`).
    pub fn scraped(&mut self, exposed: Option<Vec<Value>>) -> Vec<Value> {
        let up = f64::from(u8::from(exposed.is_some()));
        let mut samples: Vec<Value> = exposed
            .unwrap_or_default()
            .into_iter()
            .map(|(labels, value)| (self.with_target(&labels), value))
            .collect();
        let now: BTreeSet<Labels> = samples.iter().map(|(labels, _)| labels.clone()).collect();
        samples.extend(
            self.exposed
                .difference(&now)
                .map(|gone| (gone.clone(), stale_marker())),
        );
        self.exposed = now;
        samples.push((self.with_target(&Labels::metric("up", [])), up));
        samples
    }

    fn with_target(&self, labels: &Labels) -> Labels {
        let own = [
            ("job", self.job.as_str()),
            ("instance", self.instance.as_str()),
        ];
        Labels::from_pairs(labels.iter().chain(own))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use firedrill_detector::is_stale;

    #[test]
    fn what_vanishes_is_marked_once() {
        let mut target = Target::new("worker", "w-0");
        let series = |name| Labels::metric(name, []);
        let full = |name| Labels::metric(name, [("job", "worker"), ("instance", "w-0")]);
        target.scraped(Some(vec![(series("a"), 1.0), (series("b"), 2.0)]));
        let second = target.scraped(Some(vec![(series("a"), 3.0)]));
        assert_eq!(second[0], (full("a"), 3.0));
        assert!(second[1].0 == full("b") && is_stale(second[1].1));
        let failed = target.scraped(None);
        assert!(failed[0].0 == full("a") && is_stale(failed[0].1));
        assert_eq!(failed[1], (full("up"), 0.0));
        assert_eq!(target.scraped(None), vec![(full("up"), 0.0)]);
    }
}
