//! A search for machines. Times are seconds; names carry the unit. Additive within a major `schema_version`.

use crate::render::json::{lower, seconds, share};
use crate::tune::{Confidence, Figures, Tuning};
use firedrill_detector::tuning::SettingValue;
use serde_json::{Value, json};

/// Version of the form.
const SCHEMA_VERSION: &str = "1.0";

/// The search as JSON, pretty-printed. Settings are in the grid's order, the last axis running fastest.
#[must_use]
pub fn json(tuning: &Tuning) -> String {
    let proposal = &tuning.proposal;
    let values = |values: &[SettingValue]| {
        values
            .iter()
            .map(|value| self::value(*value))
            .collect::<Vec<_>>()
    };
    let axes = tuning.grid.axes().iter().map(|axis| {
        json!({
            "name": axis.name,
            "alert": axis.setting.alert,
            "group": axis.setting.group,
            "file": axis.setting.file,
            "line": axis.setting.at.line,
            "now": value(axis.setting.value),
            "values": values(&axis.values),
        })
    });
    let settings = tuning
        .settings
        .iter()
        .enumerate()
        .map(|(number, settings_figures)| {
            let mut value = figures(settings_figures);
            value["values"] = values(&tuning.grid.values(number)).into();
            value
        });
    let front = tuning
        .front
        .iter()
        .map(|point| json!({ "setting": point.setting, "alike": point.alike }));
    let inconclusive = tuning
        .inconclusive
        .iter()
        .map(|(scenario, seed, why)| json!({ "scenario": scenario, "seed": seed, "why": why }));
    let text = json!({
        "schema_version": SCHEMA_VERSION,
        "alerts": tuning.alerts,
        "scope": lower(tuning.params.scope),
        "budget_per_week": tuning.params.budget_per_week,
        "slack_seconds": seconds(tuning.params.slack_ms),
        "advice": lower(tuning.advice()),
        "drills": tuning.drills,
        "seeds": tuning.seeds,
        "inconclusive": inconclusive.collect::<Vec<_>>(),
        "failed_evaluations": tuning.errors,
        "axes": axes.collect::<Vec<_>>(),
        "now": figures(&tuning.before),
        "proposal": {
            "setting": proposal.setting,
            "values": values(&proposal.values),
            "figures": figures(&proposal.figures),
            "allowed": proposal.allowed,
            "plateau": proposal.plateau,
            "confidence": confidence(&proposal.confidence),
        },
        "held_out": tuning.confirmation.as_ref().map(|held| json!({
            "drills": held.drills,
            "now": figures(&held.before),
            "proposal": figures(&held.proposal),
            "recall_is_worse": held.recall_is_worse,
            "false_alarms_are_worse": held.false_alarms_are_worse,
        })),
        "front": front.collect::<Vec<_>>(),
        "settings": settings.collect::<Vec<_>>(),
    });
    format!("{text:#}\n")
}

/// A number, or seconds.
fn value(value: SettingValue) -> Value {
    match value {
        SettingValue::Number(number) => json!(number),
        SettingValue::Milliseconds(ms) => json!(seconds(ms)),
    }
}

fn figures(figures: &Figures) -> Value {
    let quantile = |index: usize| {
        figures
            .latency_ms
            .and_then(|latency| latency[index])
            .map(seconds)
    };
    json!({
        "recall_at_deadline": share(figures.recall()),
        "recall": share(figures.detected_share()),
        "latency_median_seconds": quantile(0),
        "latency_p90_seconds": quantile(1),
        "false_alarms": figures.false_alarms,
        "false_alarms_per_week": figures.false_per_week().map(|(value, lo, hi)| json!({
            "value": value, "lo": lo, "hi": hi, "method": "garwood", "n": figures.false_alarms,
        })),
        "exposure_seconds": seconds(figures.exposure_ms),
        "misattributed": figures.misattributed,
        "flaps": figures.flaps,
    })
}

fn confidence(confidence: &Confidence) -> Value {
    let interval =
        |bounds: Option<(f64, f64)>| bounds.map(|(lo, hi)| json!({ "lo": lo, "hi": hi }));
    json!({
        "method": "cluster bootstrap over seeds, percentile",
        "resamples": confidence.resamples,
        "among_the_best": confidence.best,
        "on_the_front": confidence.on_front,
        "recall_at_deadline": interval(confidence.recall),
        "false_alarms_per_week": interval(confidence.false_per_week),
        "latency_median_seconds": {
            "lo": confidence.median_ms.0.map(seconds),
            "hi": confidence.median_ms.1.map(seconds),
        },
    })
}
