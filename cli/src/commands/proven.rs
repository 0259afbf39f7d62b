//! `firedrill proven`: when each alert was last seen to work, by the drills that are kept.

use crate::args::{self, Judged, Recorded};
use crate::calendar;
use crate::commands::score;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::inputs::{self, Named, Paging, Place};
use crate::terminal::Terminal;
use firedrill_reports::proven::{Drill, Prover};
use firedrill_reports::record::Header;
use firedrill_reports::{document, render};
use firedrill_sim::files::shown;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// Version of the JSON's form.
const SCHEMA_VERSION: &str = "1.0";

/// How far clocks of machines may be apart, milliseconds.
const SKEW_MS: i64 = 60_000;

/// Goes through drills and says when each alert was last proven.
///
/// # Errors
/// When rules or the directories of drills cannot be read. A record that cannot be read is said and left out.
pub fn run(args: &args::Proven, terminal: &Terminal) -> Result<Exit, Failure> {
    let named = Named::new(&[(Place::Rules, &args.rules)]).understood()?;
    let alertmanager = inputs::alertmanager(&args.routing)?;
    let paging = Paging::new(&args.pages, alertmanager);
    let (rules, pack) = inputs::alerts_and_pages(&named, &args.dialect, &paging, terminal)?;
    let records = inputs::all_records(&args.runs).map_err(|failure| match fresh(&args.runs) {
        true => Failure::usage(
            "no drills kept yet: `firedrill run --rules RULES` runs some and keeps them in runs",
        ),
        false => failure,
    })?;
    let mut prover = Prover::new(&rules, &pack);
    for path in &records {
        if let Err(failure) = add(&mut prover, path, args, terminal) {
            terminal.say(format_args!("left out: {}", failure.messages.join("; ")));
        }
    }
    let max_age_ms = args.max_age.map(|age| age.0);
    let proven = prover.finish(now_ms(), max_age_ms);
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
    Ok(Exit::of(Some(proven.passes().unwrap_or(true))))
}

/// Takes a drill into account, as its own rules judge it.
fn add(
    prover: &mut Prover,
    path: &Path,
    args: &args::Proven,
    terminal: &Terminal,
) -> Result<(), Failure> {
    let judged = Judged {
        recorded: Recorded {
            runs: vec![path.to_path_buf()],
            rules: Vec::new(),
            dialect: args::Dialect::default(),
        },
        pages: args.pages.clone(),
        delivery: args.delivery,
        routing: args::Routing::default(),
    };
    let params = args.delivery.params();
    for one in score::scored(&judged, terminal)? {
        let engine = match args.engine {
            Some(args::Proof::Live) => "live",
            Some(args::Proof::Virtual) => "virtual",
            None => one.record.header.engine.as_str(),
        };
        if engine == one.record.header.engine {
            prover.add(&Drill {
                at_ms: at_ms(path, &one.record.header)?,
                path: shown(path).to_string(),
                record: &one.record,
                replay: &one.replay,
                score: &one.score,
                params: &params,
                rules: &one.rules,
                pack: &one.pack,
            });
        }
    }
    Ok(())
}

/// When a drill was, in Unix milliseconds: a live record says it itself; a simulated one does not depend on when it was made, and
/// goes by the name of its directory. `None`: that has another name. When a file was written says when it was copied.
///
/// # Errors
/// When that is not over yet.
fn at_ms(record: &Path, header: &Header) -> Result<Option<i64>, Failure> {
    let real: PathBuf = record
        .canonicalize()
        .unwrap_or_else(|_| record.to_path_buf());
    let mut folders = real.ancestors().skip(1).filter_map(Path::file_name);
    let named = folders.find_map(|name| calendar::stamped(name.to_str()?));
    match header.began_ms.or(named) {
        Some(at_ms) if at_ms > now_ms() + SKEW_MS => Err(Failure::usage(format!(
            "{}: {} is dated in the future; one of two clocks is wrong, or the {}",
            shown(record),
            if header.began_ms.is_some() {
                "it"
            } else {
                "its directory"
            },
            if header.began_ms.is_some() {
                "record"
            } else {
                "name"
            },
        ))),
        at_ms => Ok(at_ms),
    }
}

/// Whether this is a place where no drill was kept so far: the usual directory is not there, or has nothing in it.
fn fresh(runs: &[PathBuf]) -> bool {
    let [runs] = runs else { return false };
    let is_empty = || std::fs::read_dir(runs).is_ok_and(|mut there| there.next().is_none());
    runs == Path::new("runs") && (!runs.exists() || is_empty())
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    i64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(i64::MAX)
}
