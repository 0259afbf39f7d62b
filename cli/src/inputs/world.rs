//! The world that `--world` means: one inside the binary, or a file.

use super::read;
use crate::args;
use crate::failure::Failure;
use firedrill_detector::RuleSet;
use firedrill_detector::anatomy::{PartKind, SeriesSelector};
use firedrill_detector::text::printable;
use firedrill_detector::yaml::closest;
use firedrill_sim::files::shown;
use firedrill_sim::metrics::catalogue::{rows, sample_names};
use firedrill_sim::world::{PRESETS, World, preset};
use std::collections::BTreeSet;
use std::path::Path;

/// The world of the command line; `None`: none was named.
pub(crate) fn named(args: &args::World) -> Result<Option<World>, Failure> {
    args.world.as_deref().map(load).transpose()
}

/// The gauges of a world, whatever they are called: some of asynq's end in `_total`.
pub(crate) fn gauges(world: &World) -> BTreeSet<String> {
    let gauges = rows(world).into_iter().filter(|row| row.kind == "gauge");
    gauges.map(|row| row.name).collect()
}

/// Metrics that rules ask for and a world does not have, each with the file and line of its rule.
pub(crate) fn missing(rules: &RuleSet, world: &World) -> Vec<String> {
    let anatomies = rules.anatomies();
    let recorded = anatomies.iter().filter(|rule| !rule.is_alert);
    let mut known: BTreeSet<String> = recorded.map(|rule| rule.name.clone()).collect();
    known.extend(sample_names(world));
    known.extend(["ALERTS", "ALERTS_FOR_STATE"].map(str::to_owned));
    let mut missing = Vec::new();
    for rule in &anatomies {
        let selectors = rule.parts.iter().flat_map(|part| match &part.kind {
            PartKind::Selector(selector) => std::slice::from_ref(selector),
            PartKind::Absent { of, .. } => of.as_slice(),
            PartKind::Operation { .. } => &[],
        });
        let asked: BTreeSet<&str> = selectors.filter_map(SeriesSelector::name).collect();
        for name in asked.into_iter().filter(|name| !known.contains(*name)) {
            let close = closest(name, known.iter().map(String::as_str));
            let close = close.map_or_else(String::new, |close| format!("; did you mean {close}?"));
            missing.push(format!(
                "{}:{}: {} asks for {name}, which the world {} does not have{close}",
                printable(&rule.file),
                rule.line,
                printable(&rule.name),
                world.name
            ));
        }
    }
    missing
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
