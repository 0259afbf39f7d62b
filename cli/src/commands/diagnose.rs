//! `firedrill diagnose`: the cause by name, of a fleet that is running, or of every incident in recorded drills.

mod facts;
mod live;
mod processes;
mod prometheus;
mod scraper;

use crate::args::Diagnose;
use crate::commands::score;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::terminal::Terminal;
use firedrill_reports::cause::{Asked, ask};
use firedrill_reports::render;

/// Names causes.
///
/// # Errors
/// When a record or rule file cannot be read, or no record has an incident; when what is to be looked at cannot be asked.
pub fn run(args: &Diagnose, terminal: &Terminal) -> Result<Exit, Failure> {
    if args.judged.recorded.runs.is_empty() {
        return live::run(&args.live, args.json, terminal);
    }
    let scored = score::scored(&args.judged, terminal)?;
    let asked: Vec<Asked> = scored
        .iter()
        .flat_map(|one| ask(&one.record, &one.score))
        .collect();
    if asked.is_empty() {
        return Err(Failure::usage(
            "these records have no incident: nothing was to be told\n    name records of scenarios with `incidents`",
        ));
    }
    if args.json {
        terminal.result(&format!("{:#}\n", render::cause::json(&asked)));
    } else {
        terminal.result(&render::cause::terminal(&asked, terminal.style()));
    }
    Ok(Exit::Passed)
}
