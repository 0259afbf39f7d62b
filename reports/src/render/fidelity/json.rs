//! Comparisons for machines. Times are seconds; names carry the unit. Additive within a major `schema_version`.

use crate::fidelity::{
    Change, Count, Curve, Distance, Fidelity, Finding, Instance, MarkPair, Terms,
};
use crate::render::json::{lower, seconds};
use serde_json::{Value, json};

/// Version of the form.
const SCHEMA_VERSION: &str = "1.0";

/// The comparisons as JSON, pretty-printed. The curves themselves are in the records.
#[must_use]
pub fn json(pairs: &[Fidelity]) -> String {
    let worst = pairs.iter().map(Fidelity::agreement).max();
    let value = json!({
        "schema_version": SCHEMA_VERSION,
        "kind": "fidelity",
        "agreement": worst.map(lower),
        "conclusive": pairs.iter().all(Fidelity::is_conclusive),
        "scenarios": pairs.iter().map(scenario).collect::<Vec<_>>(),
    });
    let mut text = format!("{value:#}");
    text.push('\n');
    text
}

fn scenario(pair: &Fidelity) -> Value {
    let aspects = pair.aspects();
    let aspects = aspects.map(|(name, found)| (name.to_owned(), lower(found).into()));
    json!({
        "scenario": pair.scenario,
        "seed": pair.seed,
        "live_speed": pair.speed,
        "agreement": lower(pair.agreement()),
        "aspects": Value::Object(aspects.into_iter().collect()),
        "conclusive": pair.is_conclusive(),
        "doubts": pair.doubts,
        "terms": pair.terms.as_ref().map(terms),
        "verdicts": pair.findings.iter().map(finding).collect::<Vec<_>>(),
        "transitions": pair.instances.iter().map(instance).collect::<Vec<_>>(),
        "curves": pair.curves.iter().map(curve).collect::<Vec<_>>(),
        "audit": pair.counts.iter().map(count).collect::<Vec<_>>(),
        "marks": pair.marks.iter().map(mark).collect::<Vec<_>>(),
    })
}

fn terms(terms: &Terms) -> Value {
    let deeds = terms.deeds.iter().map(|deed| {
        json!({
            "step": deed.step,
            "phase": deed.phase,
            "what": deed.what,
            "target": deed.target,
            "planned_seconds": seconds(deed.planned_ms),
            "late_seconds": seconds(deed.late_ms),
        })
    });
    json!({
        "round_trip_seconds": terms.round_trip_us as f64 / 1e6,
        "handler_overrun_seconds": terms.overrun_us() as f64 / 1e6,
        "slot_held_seconds": terms.held_us as f64 / 1e6,
        "timer_spread_seconds": terms.spread_us as f64 / 1e6,
        "late_deeds": deeds.collect::<Vec<_>>(),
    })
}

fn finding(found: &Finding) -> Value {
    json!({
        "of": found.what,
        "live": found.live,
        "virtual": found.model,
        "virtual_on_terms": found.on_terms,
        "agreement": lower(found.agreement),
    })
}

fn instance(found: &Instance) -> Value {
    let changes = |changes: &[Change]| changes.iter().map(change).collect::<Vec<_>>();
    json!({
        "alert": found.alert,
        "labels": found.labels,
        "changes": changes(&found.changes),
        "changes_on_terms": changes(&found.on_terms),
        "agreement": lower(found.agreement),
    })
}

fn change(change: &Change) -> Value {
    let apart_ms = change
        .live_ms
        .zip(change.model_ms)
        .map(|(live_ms, model_ms)| live_ms - model_ms);
    json!({
        "from": lower(change.from),
        "to": lower(change.to),
        "live_seconds": change.live_ms.map(seconds),
        "virtual_seconds": change.model_ms.map(seconds),
        "live_later_seconds": apart_ms.map(seconds),
    })
}

fn curve(found: &Curve) -> Value {
    json!({
        "of": found.what,
        "distance": distance(&found.distance),
        "distance_on_terms": found.on_terms.as_ref().map(distance),
        "agreement": lower(found.agreement),
    })
}

/// Shares are of the peak.
fn distance(distance: &Distance) -> Value {
    json!({
        "peak": distance.peak,
        "mean": distance.mean,
        "mean_by_chance": distance.chance,
        "gap": distance.gap,
        "gap_at_seconds": seconds(distance.gap_at_ms),
        "live_later_seconds": seconds(distance.shift_ms),
        "mean_after_shift": distance.shifted[0],
        "gap_after_shift": distance.shifted[1],
        "scrapes_on_one_side": distance.missing,
    })
}

fn count(found: &Count) -> Value {
    json!({
        "of": found.what,
        "live": found.live,
        "virtual": found.model,
        "virtual_on_terms": found.on_terms,
        "explained_from": found.explained.map(|[low, _]| low),
        "explained_to": found.explained.map(|[_, high]| high),
        "difference": found.live - found.model,
        "relative": found.relative(),
        "tolerance": found.tolerance,
        "tolerance_for": found.why,
        "agreement": lower(found.agreement),
    })
}

fn mark(found: &MarkPair) -> Value {
    json!({
        "what": found.what,
        "target": found.target,
        "planned_seconds": seconds(found.planned_ms),
        "live_seconds": found.live_ms.map(seconds),
        "virtual_seconds": found.model_ms.map(seconds),
        "virtual_on_terms_seconds": found.on_terms_ms.map(seconds),
        "agreement": lower(found.agreement),
    })
}
