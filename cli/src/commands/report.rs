//! `firedrill report`: the HTML report of recorded drills.

use crate::args::Report;
use crate::commands::score;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::failure::both;
use crate::terminal::Terminal;
use firedrill_reports::document::{self, Document};
use firedrill_reports::{Scorecard, render};
use firedrill_sim::drill::RECORD_FILE;
use firedrill_sim::files::{self, shown};
use std::path::{Path, PathBuf};

/// Refuses to write over what the file is made from.
pub(crate) fn spares<'a>(
    out: &Path,
    mut inputs: impl Iterator<Item = &'a PathBuf>,
) -> Result<(), Failure> {
    let Ok(out) = out.canonicalize() else {
        // It is not there yet.
        return Ok(());
    };
    let is_out = |path: &Path| path.canonicalize().is_ok_and(|input| input == out);
    match inputs.find(|input| is_out(input) || is_out(&input.join(RECORD_FILE))) {
        Some(input) => Err(Failure::usage(format!(
            "-o {}: it is made from {}, and would take its place; name another file",
            shown(&out),
            shown(input)
        ))),
        None => Ok(()),
    }
}

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
    let named = args
        .judged
        .recorded
        .runs
        .iter()
        .chain(&args.judged.recorded.rules);
    let writable = writable.and_then(|()| match to_stdout {
        true => Ok(()),
        false => spares(&args.out, named),
    });
    let scored = score::scored(&args.judged, terminal);
    let (scored, ()) = both(scored, writable)?;
    let html = render::html(&document(&scored));
    if to_stdout {
        terminal.result(&html);
    } else {
        files::write(&args.out, &html).map_err(Failure::environment)?;
        terminal.say(format_args!("wrote {}", shown(&args.out)));
    }
    Ok(Exit::Passed)
}

/// What there is to say of recorded drills.
pub(crate) fn document(scored: &[score::Scored]) -> Document {
    let mut card = Scorecard::new(scored.iter().map(|scored| scored.score.clone()).collect());
    let all: Vec<&score::Scored> = scored.iter().collect();
    score::explain(&mut card, &all);
    score::call(&mut card, &all);
    let drills: Vec<document::Drill<'_>> = scored.iter().map(score::Scored::drill).collect();
    document::of_scorecard(&card, &drills)
}
