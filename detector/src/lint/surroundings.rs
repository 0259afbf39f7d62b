//! What is known of the metrics that rules ask for.

use std::collections::BTreeMap;

/// What a metric's values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricType {
    /// Grows until its process restarts. The series of histograms are counters, too.
    Counter,
    /// Goes up and down.
    Gauge,
}

/// What is known of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// What its values are.
    pub kind: MetricType,
    /// How often it is scraped, in milliseconds; `None`: as all are.
    pub scrape_interval_ms: Option<i64>,
    /// Whether several targets expose it and all say the same, as each reads it from a store that they share.
    pub is_shared: bool,
}

/// What is known of the metrics that rules ask for; nothing by default.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// By the name of the sample.
    pub metrics: BTreeMap<String, Metric>,
    /// How often targets are scraped, in milliseconds; `None`: that is not known.
    pub scrape_interval_ms: Option<i64>,
}

impl Surroundings {
    /// Whether it is known, or its name says, that a metric is a counter.
    pub(super) fn is_counter(&self, name: &str) -> bool {
        match self.metrics.get(name) {
            Some(metric) => metric.kind == MetricType::Counter,
            None => name.ends_with("_total"),
        }
    }

    /// Whether it is known that a metric is a gauge.
    pub(super) fn is_gauge(&self, name: &str) -> bool {
        let metric = self.metrics.get(name);
        metric.is_some_and(|metric| metric.kind == MetricType::Gauge)
    }

    /// Whether several exporters say the same of it.
    pub(super) fn is_shared(&self, name: &str) -> bool {
        self.metrics
            .get(name)
            .is_some_and(|metric| metric.is_shared)
    }

    /// How far apart the samples of a metric are, in milliseconds.
    pub(super) fn scrape_interval_ms(&self, name: Option<&str>) -> Option<i64> {
        let known = name.and_then(|name| self.metrics.get(name)?.scrape_interval_ms);
        known.or(self.scrape_interval_ms)
    }
}
