//! `firedrill plan`: what a scenario would do.

use crate::cli::Plan as Args;
use crate::commands::{Failure, Terminal, inputs};
use crate::exit::Exit;

/// Prints the plan of a scenario.
///
/// # Errors
/// With all problems of the file.
pub fn run(args: &Args, terminal: &Terminal) -> Result<Exit, Failure> {
    let text = inputs::read(&args.scenario)?;
    let plan = inputs::plan(&args.scenario, &text, args.seed)
        .map_err(|problems| Failure::problems(&problems))?;
    if args.json {
        let json = serde_json::to_string_pretty(&plan).map_err(Failure::internal)?;
        terminal.result(&json);
    } else {
        terminal.plain_result(&plan.describe());
    }
    Ok(Exit::Passed)
}
