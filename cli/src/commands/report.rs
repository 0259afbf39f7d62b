//! `firedrill report`: the HTML report of recorded drills, or of a load.

use crate::args::Report;
use crate::commands::score;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::failure::both;
use crate::inputs::loads;
use crate::terminal::Terminal;
use firedrill_reports::document::{self, Document};
use firedrill_reports::{Scorecard, render};
use firedrill_sim::drill::RECORD_FILE;
use firedrill_sim::files::{self, shown};
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Where the report goes when nobody says where.
const REPORT_FILE: &str = "report.html";

/// Refuses to write over what the file is made from.
pub(crate) fn spares<'a>(
    (option, out): (&str, &Path),
    mut inputs: impl Iterator<Item = &'a PathBuf>,
) -> Result<(), Failure> {
    let Ok(out) = out.canonicalize() else {
        // It is not there yet.
        return Ok(());
    };
    let is_out = |path: &Path| path.canonicalize().is_ok_and(|input| input == out);
    match inputs.find(|input| is_out(input) || is_out(&input.join(RECORD_FILE))) {
        Some(input) => Err(Failure::usage(format!(
            "{option} {}: it is made from {}, and would take its place; name another file",
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
    let out = args.out.as_deref().unwrap_or(Path::new(REPORT_FILE));
    let to_stdout = out == Path::new("-");
    let there = match to_stdout {
        true => Ok(There::Nothing),
        false => there(args, out),
    };
    let (document, there) = both(asked(args, terminal), there)?;
    let html = render::html(&document);
    if to_stdout {
        terminal.result(&html);
        return Ok(Exit::Passed);
    }
    files::write(out, &html).map_err(Failure::environment)?;
    terminal.say(format_args!("wrote {}{}", shown(out), there.told(&html)));
    Ok(Exit::Passed)
}

/// What the report takes the place of.
enum There {
    /// Nothing, or nothing that would be lost.
    Nothing,
    /// A page that firedrill wrote: its text.
    Report(String),
    /// A file that was named all the same.
    Other,
}

impl There {
    /// What is said of it when it is gone.
    fn told(&self, now: &str) -> &'static str {
        match self {
            Self::Report(before) if before != now => {
                ", in the place of a report that said something else"
            }
            Self::Other => ", in the place of a file that was no report",
            Self::Report(_) | Self::Nothing => "",
        }
    }
}

/// Looks at what the report would take the place of.
///
/// # Errors
/// Where it cannot be written, is what the report is made of, or something that nobody has named and firedrill has not written.
fn there(args: &Report, out: &Path) -> Result<There, Failure> {
    files::check_writable(out).map_err(Failure::environment)?;
    let recorded = &args.judged.recorded;
    spares(("-o", out), recorded.runs.iter().chain(&recorded.rules))?;
    // What is no file has no content to lose.
    if !fs::metadata(out).is_ok_and(|there| there.is_file() && there.len() > 0) {
        return Ok(There::Nothing);
    }
    let mut begins = Vec::new();
    let file = files::open(out).and_then(|file| {
        file.take(render::PAGE_BEGINS as u64)
            .read_to_end(&mut begins)
    });
    file.map_err(|error| Failure::environment(format!("{}: {error}", shown(out))))?;
    match render::is_ours(&String::from_utf8_lossy(&begins)) {
        true => Ok(There::Report(fs::read_to_string(out).unwrap_or_default())),
        false if args.out.is_some() => Ok(There::Other),
        false => Err(Failure::usage(format!(
            "{}: there is such a file, and firedrill did not write it; name another one with -o FILE, or this one with -o {} to \
             write over it",
            shown(out),
            shown(out)
        ))),
    }
}

/// The document of the load or of the drills that were named.
fn asked(args: &Report, terminal: &Terminal) -> Result<Document, Failure> {
    let runs = &args.judged.recorded.runs;
    for run in runs {
        let Some(load) = loads::read(run)? else {
            continue;
        };
        if runs.len() > 1 {
            return Err(Failure::usage(format!(
                "{}: it is a load, and a report is of one load or of drills; name it alone",
                shown(run)
            )));
        }
        if args.judged.is_given() {
            return Err(Failure::usage(format!(
                "{}: it is a load, in which no alerts are judged; leave rules and what is said of pages away, or name the record of \
                 its drill",
                shown(run)
            )));
        }
        return Ok(document::of_load(&load, None));
    }
    let scored = score::scored(&args.judged, terminal)?;
    for one in scored.iter().filter(|one| !one.record.complete) {
        let header = &one.record.header;
        terminal.say(format_args!(
            "{}: its record is incomplete: it ends after {} of {}, and the report calls the drill inconclusive",
            header.scenario,
            document::length(one.record.end_ms()),
            document::length(header.duration_ms)
        ));
    }
    Ok(document(&scored))
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
