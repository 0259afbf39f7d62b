//! The figures of a run that was: from the file that it left, or from its records or its load.

use crate::args::{Delivery, Dialect, Judged, Recorded, Routing};
use crate::commands::score;
use crate::failure::Failure;
use crate::inputs::loads;
use crate::terminal::Terminal;
use firedrill_reports::figures::{DrillFigures, Results};
use firedrill_sim::files::{self, shown};
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

/// Name of the file of figures in the directory of a run.
pub(crate) const FIGURES_FILE: &str = "figures.jsonl";

/// Reads a run: the file of figures in its directory, or such a file, or else a load or records.
pub(crate) fn read(path: &Path, terminal: &Terminal) -> Result<Results, Failure> {
    let within = path.join(FIGURES_FILE);
    match within.is_file() {
        true => figures(&within),
        false if has_figures(path) => figures(path),
        false => match loads::read(path)? {
            Some(load) => {
                let mut results = Results::default();
                results.add_load(&load);
                Ok(results)
            }
            None => records(path, terminal),
        },
    }
}

/// Whether a file begins as one of figures does, whatever it is called.
fn has_figures(path: &Path) -> bool {
    let mut begins = String::new();
    let file = files::open(path).map(|file| file.take(64).read_to_string(&mut begins));
    matches!(file, Ok(Ok(_))) && begins.starts_with("{\"kind\":\"figures\"")
}

fn figures(path: &Path) -> Result<Results, Failure> {
    let wrong = |error: &dyn std::fmt::Display| Failure::usage(format!("{}: {error}", shown(path)));
    let file = files::open(path).map_err(|error| wrong(&error))?;
    Results::read(BufReader::new(file)).map_err(|error| wrong(&error))
}

/// Records, judged as in their drills.
fn records(path: &Path, terminal: &Terminal) -> Result<Results, Failure> {
    let judged = Judged {
        recorded: Recorded {
            runs: vec![PathBuf::from(path)],
            rules: Vec::new(),
            dialect: Dialect::default(),
        },
        pages: Vec::new(),
        delivery: Delivery::default(),
        routing: Routing::default(),
    };
    let mut results = Results::default();
    for one in score::scored(&judged, terminal)? {
        results.add(&one.record.header, DrillFigures::new(&one.score));
    }
    Ok(results)
}
