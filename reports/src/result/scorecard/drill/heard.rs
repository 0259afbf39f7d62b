//! What sources of alerts told beside the built-in detector, for machines.

use crate::result::seconds;
use crate::score;
use schemars::JsonSchema;
use serde::Serialize;

/// How a drill was scored by what sources told.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(super) struct AlertSources {
    /// The source that was scored.
    scored: String,
    /// Whether that was told to a person; otherwise the delivery is modelled.
    delivered: bool,
    /// The built-in detector first, the one that was scored last.
    sources: Vec<AlertSource>,
    /// By incident, where the time went until somebody was told; `null`: nobody was.
    splits: Vec<Option<Split>>,
}

/// A source of alerts.
#[derive(Debug, Clone, Serialize, JsonSchema)]
struct AlertSource {
    source: String,
    /// Where it is; empty for the built-in detector.
    place: String,
    /// By incident, the alert that saw it first; `null`: none did.
    detections: Vec<Option<Told>>,
    /// By incident, where nothing was delivered, the alert about it that fired first; `null`: none did.
    untold: Vec<Option<Untold>>,
    /// What else is to be said of it, for people.
    notes: Vec<String>,
}

/// What a source told of an incident. Times count from the start of the drill.
#[derive(Debug, Clone, Serialize, JsonSchema)]
struct Told {
    alert: String,
    firing_seconds: f64,
    delivered_seconds: f64,
}

/// An alert that fired, and of which nobody was told. Times count from the start of the drill.
#[derive(Debug, Clone, Serialize, JsonSchema)]
struct Untold {
    alert: String,
    firing_seconds: f64,
}

/// Parts of the time from a fault until somebody was told, in seconds; `null`: not known.
#[derive(Debug, Clone, Serialize, JsonSchema)]
struct Split {
    signal_seconds: Option<f64>,
    scrape_seconds: Option<f64>,
    evaluation_seconds: Option<f64>,
    /// The three together, where they cannot be told apart.
    until_pending_seconds: Option<f64>,
    for_seconds: Option<f64>,
    delivery_seconds: Option<f64>,
    /// All of it.
    total_seconds: f64,
}

impl From<&score::HeardScore> for AlertSources {
    fn from(heard: &score::HeardScore) -> Self {
        let told = |found: &score::Detection| Told {
            alert: found.alert.clone(),
            firing_seconds: seconds(found.fired_ms),
            delivered_seconds: seconds(found.delivered_ms),
        };
        let untold = |fired: &score::Untold| Untold {
            alert: fired.alert.clone(),
            firing_seconds: seconds(fired.fired_ms),
        };
        let sources = heard.sources.iter().map(|source| AlertSource {
            source: source.source.clone(),
            place: source.place.clone(),
            detections: source
                .detections
                .iter()
                .map(|found| found.as_ref().map(told))
                .collect(),
            untold: source
                .untold
                .iter()
                .map(|fired| fired.as_ref().map(untold))
                .collect(),
            notes: source.notes.clone(),
        });
        let split = |split: &score::Split| Split {
            signal_seconds: split.signal_ms.map(seconds),
            scrape_seconds: split.scrape_ms.map(seconds),
            evaluation_seconds: split.evaluation_ms.map(seconds),
            until_pending_seconds: split.together_ms.map(seconds),
            for_seconds: split.for_ms.map(seconds),
            delivery_seconds: split.delivery_ms.map(seconds),
            total_seconds: seconds(split.total_ms),
        };
        Self {
            scored: heard.by.clone(),
            delivered: heard.is_delivered,
            sources: sources.collect(),
            splits: heard
                .splits
                .iter()
                .map(|one| one.as_ref().map(split))
                .collect(),
        }
    }
}
