//! Figures from run to run: for github-action-benchmark (`customSmallerIsBetter`, `customBiggerIsBetter`) and for Bencher.

use crate::figures::{Better, Total, Totals};
use crate::gate::Gated;
use serde_json::{Map, Value, json};

/// What is smaller the better it is.
#[must_use]
pub fn smaller_is_better(gated: &Gated) -> String {
    custom(&gated.totals, Better::Less)
}

/// What is bigger the better it is.
#[must_use]
pub fn bigger_is_better(gated: &Gated) -> String {
    custom(&gated.totals, Better::More)
}

/// What never came has no number: it is left out, and the shares of what was seen tell of it.
fn finite(totals: &Totals) -> impl Iterator<Item = Total> {
    totals.all().filter(|total| total.value.is_finite())
}

fn custom(totals: &Totals, better: Better) -> String {
    let meant = finite(totals).filter(|total| total.metric.better == better);
    let figures = meant.map(|total| {
        let mut figure = json!({
            "name": name(&total),
            "unit": total.metric.kind.unit(),
            "value": total.value,
        });
        if let Some((low, high)) = total.interval {
            figure["range"] = format!("{low:.4} to {high:.4}").into();
        }
        figure
    });
    let figures: Vec<Value> = figures.collect();
    format!("{:#}\n", json!(figures))
}

fn name(total: &Total) -> String {
    let scenario = whose(total);
    format!("{scenario}: {} ({})", total.metric.name, total.aggregation)
}

fn whose(total: &Total) -> &str {
    match total.scenario.as_str() {
        "" => "all scenarios",
        scenario => scenario,
    }
}

/// Bencher's metric format: benchmarks are scenarios, measures are figures.
#[must_use]
pub fn bencher(gated: &Gated) -> String {
    let mut benchmarks: Map<String, Value> = Map::new();
    for total in finite(&gated.totals) {
        let mut measure = json!({ "value": total.value });
        if let Some((low, high)) = total.interval {
            measure["lower_value"] = low.into();
            measure["upper_value"] = high.into();
        }
        let of = benchmarks.entry(whose(&total)).or_insert_with(|| json!({}));
        of[total.metric.name] = measure;
    }
    format!("{:#}\n", Value::Object(benchmarks))
}
