//! `firedrill report`: the HTML report of recorded drills.

use crate::cli::Report;
use crate::commands::{Failure, Terminal, both, score};
use crate::exit::Exit;
use crate::files;
use firedrill_reports::{Scorecard, render};
use std::path::Path;

/// Writes one self-contained HTML file.
///
/// # Errors
/// When a record cannot be read or the report cannot be written.
pub fn run(args: &Report, terminal: &Terminal) -> Result<Exit, Failure> {
    let to_stdout = args.out == Path::new("-");
    let writable = match to_stdout {
        true => Ok(()),
        false => files::check_writable(&args.out).map_err(Failure::environment),
    };
    let params = args.delivery.params();
    let scored = score::scored(&args.runs, &args.rules, &args.pages, &params);
    let (scored, ()) = both(scored, writable)?;
    let card = Scorecard::new(scored.iter().map(|scored| scored.score.clone()).collect());
    let drills: Vec<render::Drill<'_>> = scored.iter().map(score::Scored::drill).collect();
    let html = render::html(&drills, &card);
    if to_stdout {
        terminal.result(&html);
    } else {
        files::write(&args.out, &html).map_err(Failure::environment)?;
        terminal.say(format_args!("wrote {}", args.out.display()));
    }
    Ok(Exit::Passed)
}
