//! `firedrill report`: the HTML report of recorded drills.

use crate::cli::Report;
use crate::commands::{Failure, Terminal, score};
use crate::exit::Exit;
use firedrill_reports::{Scorecard, render};
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Writes one self-contained HTML file.
///
/// # Errors
/// When a record cannot be read or the report cannot be written.
pub fn run(args: &Report, terminal: &Terminal) -> Result<Exit, Failure> {
    let params = args.delivery.params();
    let scored = score::scored(&args.runs, &args.rules, &args.pages, &params)?;
    let card = Scorecard::new(scored.iter().map(|scored| scored.score.clone()).collect());
    let drills: Vec<render::Drill<'_>> = scored.iter().map(score::Scored::drill).collect();
    let html = render::html(&drills, &card);
    if args.out == Path::new("-") {
        terminal.result(&html);
    } else {
        write(&args.out, &html)
            .map_err(|error| Failure::environment(format!("{}: {error}", args.out.display())))?;
        terminal.say(format_args!("wrote {}", args.out.display()));
    }
    Ok(Exit::Passed)
}

/// Writes a file so that it is there whole or not at all.
pub(crate) fn write(path: &Path, text: &str) -> io::Result<()> {
    let dir = path
        .parent()
        .filter(|dir| !dir.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    fs::create_dir_all(dir)?;
    let mut file = tempfile::NamedTempFile::new_in(dir)?;
    file.write_all(text.as_bytes())?;
    // Temporary files are private; a report is to be read.
    file.as_file()
        .set_permissions(fs::Permissions::from_mode(0o644))?;
    file.persist(path)?;
    Ok(())
}
