//! All drills together, for machines.

use crate::result::seconds;
use crate::result::shared::{Share, Weekly};
use crate::score;
use schemars::JsonSchema;
use serde::Serialize;

/// What all conclusive drills came to, for one class of alerts; `null` where there was nothing to measure it on.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(super) struct Summary {
    /// Incidents detected.
    recall: Option<Share>,
    /// The same, counting those that a right alert was firing before.
    recall_lenient: Option<Share>,
    /// Detected by the deadline.
    recall_at_deadline: Option<Share>,
    /// Pages that were right, of those that were right or wrong.
    event_precision: Option<Share>,
    /// The same without pages for another cause than the one at hand.
    event_precision_lenient: Option<Share>,
    /// Incidents detected per page sent.
    useful_page_ratio: Option<Share>,
    /// Incidents whose first page named the right cause.
    top1_attribution: Option<Share>,
    /// The same, or a fair symptom.
    top1_attribution_lenient: Option<Share>,
    /// Harmless events with a page.
    benign_trip_rate: Option<Share>,
    /// From fault to notification.
    latency: Option<Latency>,
    /// From fault to firing.
    latency_until_firing: Option<Latency>,
    latency_median_seconds: Option<f64>,
    latency_p90_seconds: Option<f64>,
    /// A miss costs the incident's length.
    mean_time_undetected_seconds: Option<Mean>,
    /// Mean over incidents of the share of their impact nobody was told of.
    mean_undetected_impact: Option<Mean>,
    /// User impact before any page.
    undetected_impact: Option<Part>,
    undetected_impact_seconds: f64,
    impact_seconds: f64,
    /// Time firing that was in incidents.
    alert_time_precision: Option<Part>,
    /// Time in incidents with a right alert firing.
    alert_time_recall: Option<Part>,
    /// Quiet time with an alert firing.
    noise_time: Option<Part>,
    false_pages: u64,
    /// Pages that told of nothing new, where an Alertmanager file says what is sent.
    repeated_pages: Option<u64>,
    /// Pages where a ticket would have done.
    over_escalated: u64,
    /// Scored time outside of incidents.
    exposure_seconds: f64,
    /// Per week of it.
    false_pages_per_week: Option<Weekly>,
    inconclusive_drills: u64,
}

/// A latency over incidents; misses are infinite, and a quantile that is one is `null`.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
struct Latency {
    median_seconds: Option<f64>,
    p90_seconds: Option<f64>,
    method: &'static str,
    n: u64,
}

/// A mean over incidents.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
struct Mean {
    value: f64,
    lo: Option<f64>,
    hi: Option<f64>,
    method: &'static str,
    n: u64,
}

/// A share of time.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
struct Part {
    value: f64,
    lo: Option<f64>,
    hi: Option<f64>,
    method: &'static str,
    seconds: f64,
    of_seconds: f64,
}

impl Part {
    fn new(part_ms: i64, of_ms: i64) -> Option<Self> {
        (of_ms > 0).then(|| Self {
            value: part_ms as f64 / of_ms as f64,
            lo: None,
            hi: None,
            method: "share of time",
            seconds: seconds(part_ms),
            of_seconds: seconds(of_ms),
        })
    }
}

impl From<&score::Summary> for Summary {
    fn from(summary: &score::Summary) -> Self {
        let n = summary.recall.map_or(0, |share| share.of);
        let latency = |found: [Option<i64>; 2]| {
            let [median_seconds, p90_seconds] = found.map(|ms| ms.map(seconds));
            Latency {
                median_seconds,
                p90_seconds,
                method: "misses are infinite (null)",
                n,
            }
        };
        let mean = |value: f64| Mean {
            value,
            lo: None,
            hi: None,
            method: "mean",
            n,
        };
        let quantile = |index: usize| {
            let found = summary.latency_ms.and_then(|latency| latency[index]);
            found.map(seconds)
        };
        let weekly = |rate| Weekly::new(rate, summary.false_pages);
        let (time, (undetected_ms, impact_ms)) = (summary.time, summary.undetected_ms);
        Self {
            recall: summary.recall.map(Share::from),
            recall_lenient: summary.recall_lenient.map(Share::from),
            recall_at_deadline: summary.recall_at_deadline.map(Share::from),
            event_precision: summary.precision.map(Share::from),
            event_precision_lenient: summary.precision_lenient.map(Share::from),
            useful_page_ratio: summary.useful_pages.map(Share::from),
            top1_attribution: summary.top1.map(Share::from),
            top1_attribution_lenient: summary.top1_lenient.map(Share::from),
            benign_trip_rate: summary.benign_trips.map(Share::from),
            latency: summary.latency_ms.map(latency),
            latency_until_firing: summary.latency_fire_ms.map(latency),
            latency_median_seconds: quantile(0),
            latency_p90_seconds: quantile(1),
            mean_time_undetected_seconds: summary.mean_undetected_ms.map(|ms| mean(ms / 1e3)),
            mean_undetected_impact: summary.mean_undetected_share.map(mean),
            undetected_impact: Part::new(undetected_ms, impact_ms),
            undetected_impact_seconds: seconds(undetected_ms),
            impact_seconds: seconds(impact_ms),
            alert_time_precision: Part::new(time.in_incidents_ms, time.firing_ms),
            alert_time_recall: Part::new(time.right_ms, time.incidents_ms),
            noise_time: Part::new(time.firing_ms - time.in_incidents_ms, summary.exposure_ms),
            false_pages: summary.false_pages,
            repeated_pages: summary.repeats,
            over_escalated: summary.over_escalated,
            exposure_seconds: seconds(summary.exposure_ms),
            false_pages_per_week: summary.false_pages_per_week().map(weekly),
            inconclusive_drills: summary.inconclusive,
        }
    }
}
