//! `firedrill compare`: two runs beside each other.

use crate::args::Compare;
use crate::exit::Exit;
use crate::failure::{Failure, both};
use crate::inputs::results;
use crate::terminal::Terminal;
use firedrill_reports::compare::Comparison;
use firedrill_reports::{document, render};

/// Prints what got worse, and how sure that is.
///
/// # Errors
/// When a run cannot be read, or they are not of the same thing.
pub fn run(args: &Compare, terminal: &Terminal) -> Result<Exit, Failure> {
    let read = |path| results::read(path, terminal);
    let (base, new) = both(read(&args.base), read(&args.new))?;
    let comparison = Comparison::new(&base, &new).map_err(Failure::usage)?;
    let text = if args.json {
        render::json(&(&comparison).into())
    } else {
        let document = document::of_comparison(&comparison);
        match args.markdown {
            true => render::markdown(&document),
            false => render::terminal(&document, terminal.style()),
        }
    };
    terminal.result(&text);
    Ok(Exit::of(comparison.passes()))
}
