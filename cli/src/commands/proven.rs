//! `firedrill proven`: when each alert was last seen to work, by the drills that are kept.

use crate::args::{self, Judged, Recorded};
use crate::calendar;
use crate::commands::score;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::inputs::{self, Named, Place};
use crate::terminal::Terminal;
use firedrill_reports::proven::{Drill, Prover};
use firedrill_reports::{document, render};
use firedrill_sim::files::shown;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// Version of the JSON's form.
const SCHEMA_VERSION: &str = "1.0";

/// Goes through drills and says when each alert was last proven.
///
/// # Errors
/// When rules or the directories of drills cannot be read. A record that cannot be read is said and left out.
pub fn run(args: &args::Proven, terminal: &Terminal) -> Result<Exit, Failure> {
    let named = Named::new(&[(Place::Rules, &args.rules)]).understood()?;
    let rules = inputs::with_alerts(&named, &args.dialect, terminal)?;
    let records = inputs::all_records(&args.runs)?;
    let mut prover = Prover::new(&rules);
    for path in &records {
        if let Err(failure) = add(&mut prover, path, args, terminal) {
            terminal.say(format_args!("left out: {}", failure.messages.join("; ")));
        }
    }
    let max_age_ms = args.max_age.map(|age| age.0);
    let proven = prover.finish(unix_ms(SystemTime::now()), max_age_ms);
    if args.json {
        let mut value = json!(proven);
        value["version"] = Value::from(SCHEMA_VERSION);
        value["passes"] = Value::from(proven.passes());
        terminal.result(&format!("{value:#}\n"));
    } else {
        let document = document::of_proven(&proven);
        terminal.result(&match args.markdown {
            true => render::markdown(&document),
            false => render::terminal(&document, terminal.style()),
        });
    }
    Ok(Exit::of(Some(proven.passes())))
}

/// Takes a drill into account, as its own rules judge it.
fn add(
    prover: &mut Prover,
    path: &Path,
    args: &args::Proven,
    terminal: &Terminal,
) -> Result<(), Failure> {
    let at_ms = at_ms(path)?;
    let judged = Judged {
        recorded: Recorded {
            runs: vec![path.to_path_buf()],
            rules: Vec::new(),
            dialect: args::Dialect::default(),
        },
        pages: Vec::new(),
        delivery: args::Delivery::default(),
        routing: args::Routing::default(),
    };
    for one in score::scored(&judged, terminal)? {
        let engine = match args.engine {
            Some(args::Proof::Live) => "live",
            Some(args::Proof::Virtual) => "virtual",
            None => one.record.header.engine.as_str(),
        };
        if engine == one.record.header.engine {
            prover.add(&Drill {
                at_ms,
                record: shown(path).to_string(),
                score: &one.score,
                rules: &one.rules,
            });
        }
    }
    Ok(())
}

/// When a drill was, in Unix milliseconds: by the name of its directory, or else by when its record was written. What a record says
/// itself is virtual time.
fn at_ms(record: &Path) -> Result<i64, Failure> {
    let real: PathBuf = record
        .canonicalize()
        .unwrap_or_else(|_| record.to_path_buf());
    let mut folders = real.ancestors().skip(1).filter_map(Path::file_name);
    let named = folders.find_map(|name| calendar::stamped(name.to_str()?));
    if let Some(at) = named {
        return Ok(at);
    }
    let written = record.metadata().and_then(|there| there.modified());
    let written = written.map_err(|error| Failure::usage(format!("{}: {error}", shown(record))))?;
    Ok(unix_ms(written))
}

fn unix_ms(at: SystemTime) -> i64 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
