//! The world that `--world` means: one inside the binary, or a file.

use super::read;
use crate::args;
use crate::failure::Failure;
use firedrill_detector::RuleSet;
use firedrill_detector::anatomy::{Anatomy, Part, PartKind, SeriesSelector};
use firedrill_detector::lint::{Metric, MetricType, Surroundings};
use firedrill_detector::promql::Span;
use firedrill_detector::yaml::closest;
use firedrill_reports::check::{self, Finding, Kind};
use firedrill_sim::files::shown;
use firedrill_sim::metrics::catalogue::{rows, sample_names};
use firedrill_sim::world::{PRESETS, World, preset};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The world of the command line; `None`: none was named.
pub(crate) fn named(args: &args::World) -> Result<Option<World>, Failure> {
    args.world.as_deref().map(load).transpose()
}

/// What is known of the metrics of a world whose targets are scraped every `scrape_interval_ms`, where they do not say, and
/// that has so many exporters of asynq.
pub(crate) fn surroundings(world: &World, scrape_interval_ms: i64, exporters: u32) -> Surroundings {
    let mut metrics = BTreeMap::new();
    for row in rows(world) {
        let metric = Metric {
            kind: match row.kind {
                "gauge" => MetricType::Gauge,
                _ => MetricType::Counter,
            },
            scrape_interval_ms: row.target_in(world).and_then(|target| target.interval_ms),
            is_shared: exporters > 1 && row.is_shared(),
        };
        metrics.extend(row.sample_names().into_iter().map(|name| (name, metric)));
    }
    Surroundings {
        metrics,
        scrape_interval_ms: Some(scrape_interval_ms),
    }
}

/// Metrics that rules ask for and a world does not have.
pub(crate) fn missing(rules: &RuleSet, world: &World) -> Vec<Finding> {
    let anatomies = rules.anatomies();
    let recorded = anatomies.iter().filter(|rule| !rule.is_alert);
    let mut known: BTreeSet<String> = recorded.map(|rule| rule.name.clone()).collect();
    known.extend(sample_names(world));
    known.extend(["ALERTS", "ALERTS_FOR_STATE"].map(str::to_owned));
    let mut missing = Vec::new();
    for rule in &anatomies {
        let mut asked: BTreeMap<&str, Span> = BTreeMap::new();
        for part in &rule.parts {
            for name in selectors_of(part).iter().filter_map(SeriesSelector::name) {
                asked.entry(name).or_insert(part.span);
            }
        }
        asked.retain(|name, _| !known.contains(*name));
        if asked.is_empty() {
            continue;
        }
        let places = rule.places();
        for (name, span) in asked {
            let close = closest(name, known.iter().map(String::as_str));
            let close = close.map_or_else(String::new, |close| format!("; did you mean {close}?"));
            let message = format!(
                "asks for {name}, which the world {} does not have{close}",
                world.name
            );
            missing.push(Finding {
                place: Some(match places.region(span.range()) {
                    Some(region) => check::Place::region(&rule.file, region),
                    None => check::Place::line(&rule.file, rule.line),
                }),
                rule: Some((rule.group.clone(), rule.name.clone())),
                ..Finding::new(Kind::UnknownMetric, None, message)
            });
        }
    }
    missing
}

/// What a rule asks for.
pub(super) fn selectors(rule: &Anatomy) -> impl Iterator<Item = &SeriesSelector> {
    rule.parts.iter().flat_map(selectors_of)
}

/// What a part of a rule asks for.
fn selectors_of(part: &Part) -> &[SeriesSelector] {
    match &part.kind {
        PartKind::Selector(selector) => std::slice::from_ref(selector),
        PartKind::Absent { of, .. } => of,
        PartKind::Operation { .. } => &[],
    }
}

/// A name goes before a file of that name, as everywhere.
fn load(word: &Path) -> Result<World, Failure> {
    let text = word.to_str().unwrap_or_default();
    let parsed = match preset(text) {
        Some(preset) => World::parse(preset.name, preset.text),
        None if word.exists() || text.contains(['/', '.']) => {
            World::parse(&word.display().to_string(), &read(word)?)
        }
        None => {
            let names = PRESETS.map(|preset| preset.name);
            let close = closest(text, names);
            let close = close.map_or_else(String::new, |close| format!("did you mean `{close}`? "));
            return Err(Failure::usage(format!(
                "--world: there is no world `{}`\n    {close}accepted: {}, or a file",
                shown(word),
                names.join(", ")
            )));
        }
    };
    parsed.map_err(|found| Failure::problems(&found))
}
