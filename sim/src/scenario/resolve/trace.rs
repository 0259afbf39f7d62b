//! Arrivals out of a file beside the scenario.

use super::Resolver;
use crate::plan::{Recording, TraceFile};
use firedrill_detector::yaml::Position;
use std::fs::File;
use std::io::Read;
use std::path::{Component, Path};

/// Largest file, bytes.
const FILE_MAX: u64 = 64 << 20;

impl Resolver<'_> {
    /// What is recorded in a file; `None`, with a problem, when it cannot be had.
    pub(super) fn trace(&mut self, here: Position, file: &TraceFile) -> Option<Recording> {
        read(Path::new(&self.scenario.file), file)
            .map_err(|why| self.problems.push(here, format!("trace: {why}")))
            .ok()
    }
}

/// The text of a file in the scenario's folder or below it, of at most so many bytes, and what messages call it.
pub(in crate::scenario) fn beside(
    scenario: &Path,
    path: &str,
    most: u64,
) -> Result<(String, String), String> {
    if !scenario.is_file() {
        return Err("only a scenario in a file of its own has a file beside it".to_owned());
    }
    let shown = path.escape_debug();
    let path = Path::new(path);
    let is_beside = path
        .components()
        .all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    if !is_beside {
        return Err(format!(
            "`{shown}` is not in the scenario's folder or below it"
        ));
    }
    let path = scenario.parent().unwrap_or(Path::new("")).join(path);
    let shown = path.display().to_string();
    let shown = shown.escape_debug();
    let unreadable = |error: std::io::Error| format!("{shown}: {error}");
    let opened = File::open(&path).map_err(unreadable)?;
    // A pipe would never end.
    if !opened.metadata().map_err(unreadable)?.is_file() {
        return Err(format!("{shown}: is no file"));
    }
    let mut bytes = Vec::new();
    let mut limited = opened.take(most + 1);
    limited.read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > most {
        return Err(match most >> 20 {
            0 => format!("{shown}: is larger than {} KB", most >> 10),
            mb => format!("{shown}: is larger than {mb} MB"),
        });
    }
    let text = String::from_utf8(bytes).map_err(|_| format!("{shown}: is no text"))?;
    Ok((shown.to_string(), text))
}

fn read(scenario: &Path, file: &TraceFile) -> Result<Recording, String> {
    let (shown, text) = beside(scenario, &file.path, FILE_MAX)?;
    let path = Path::new(&file.path);
    let is_table = path
        .extension()
        .is_some_and(|end| end.eq_ignore_ascii_case("csv") || end.eq_ignore_ascii_case("tsv"));
    let read = match is_table {
        true if file.metric.is_some() => {
            return Err(
                "`metric` goes with a dump of a counter, and this is a CSV file".to_owned(),
            );
        }
        true => Recording::of_csv(&text, file.scale),
        false => Recording::of_metrics(&text, file.metric.as_deref(), file.scale),
    };
    let recording = read.map_err(|(line, why)| format!("{shown}:{line}: {why}"))?;
    match recording.count() {
        0 => Err(format!("{shown}: nothing arrives in it")),
        _ => Ok(recording),
    }
}
