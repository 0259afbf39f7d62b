//! `firedrill clean`: ends and removes what a killed firedrill left behind.

use crate::cli::Clean;
use crate::commands::{Failure, Terminal};
use crate::exit::Exit;
use crate::redis_server::leftovers;

/// Lists leftovers, or ends and removes them.
///
/// # Errors
/// When the temporary directory cannot be read.
pub fn run(args: &Clean, terminal: &Terminal) -> Result<Exit, Failure> {
    let found = leftovers::find(&std::env::temp_dir()).map_err(Failure::environment)?;
    let mut exit = Exit::Passed;
    for leftover in &found {
        let server = leftover
            .server
            .map_or(String::new(), |pid| format!(", Redis process {pid}"));
        if args.list {
            terminal.plain_result(&format!("left behind: {}{server}", leftover.dir.display()));
        } else if let Err(error) = leftovers::remove(leftover) {
            terminal.say(format_args!(
                "cannot remove {}{server}: {error}",
                leftover.dir.display()
            ));
            exit = Exit::CleanupIncomplete;
        } else {
            terminal.plain_result(&format!("removed {}{server}", leftover.dir.display()));
        }
    }
    if found.is_empty() {
        terminal.result("nothing was left behind");
    }
    Ok(exit)
}
