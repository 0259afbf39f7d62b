//! `firedrill plan`: what a scenario would do.

use crate::args::Plan as Args;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::inputs;
use crate::inputs::{Named, Place};
use crate::terminal::Terminal;
use firedrill_sim::plan::Plan;

/// Prints the plan of each scenario: several as documents of one YAML stream, or as a list.
///
/// # Errors
/// With all problems of all files.
pub fn run(args: &Args, terminal: &Terminal) -> Result<Exit, Failure> {
    let named = Named::new(&[(Place::Scenarios, &args.scenarios)]);
    let named = named
        .in_world(&args.world)
        .without_records()
        .with_scenarios()
        .understood()?;
    let plans = inputs::plans(&named.scenarios, args.seed)?;
    if args.json {
        let json = match plans.as_slice() {
            [plan] => serde_json::to_string_pretty(plan),
            plans => serde_json::to_string_pretty(plans),
        };
        terminal.result(&json.map_err(Failure::internal)?);
    } else {
        let texts: Vec<String> = plans.iter().map(Plan::describe).collect();
        terminal.plain_result(&texts.join("---\n"));
    }
    Ok(Exit::Passed)
}
