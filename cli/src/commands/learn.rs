//! `firedrill learn`: a world and a scenario from what a team's Prometheus has.

use super::init::write_new;
use crate::args::Learn;
use crate::exit::Exit;
use crate::failure::{Failure, pasted};
use crate::inputs;
use crate::terminal::Terminal;
use firedrill_sim::files::{self, shown};
use firedrill_sim::http::get::Url;
use firedrill_sim::learn::prometheus::{Asked, fetch};
use firedrill_sim::learn::{LearnError, Learnt, Samples, learn};
use std::io::Read;
use std::path::Path;

/// Largest dump that is read, bytes.
const DUMP_MAX: u64 = 2 << 30;
/// How far back a Prometheus is asked where nobody says, seconds.
const SINCE_S: u64 = 86_400;

/// Learns, and writes both files.
///
/// # Errors
/// When nothing could be learnt, or a file is there already.
pub fn run(args: &Learn, terminal: &Terminal) -> Result<Exit, Failure> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if args.name.is_empty() || args.name.len() > 48 || !args.name.chars().all(is_name) {
        return Err(Failure::usage(
            "--name: accepted: 1 to 48 letters, digits, `-` and `_`",
        ));
    }
    let world_file = format!("{}-world.yaml", args.name);
    let (world, scenario) = (
        args.out.join(&world_file),
        args.out.join(format!("{}.yaml", args.name)),
    );
    for path in [&world, &scenario] {
        if path.symlink_metadata().is_ok() {
            return Err(Failure::usage(format!(
                "{}: is there already\n    choose another name with --name, or another folder with --out",
                shown(path)
            )));
        }
    }
    let samples = match (&args.file, &args.prometheus) {
        (Some(file), _) => of_file(file)?,
        (None, Some(url)) => of_prometheus(args, url)?,
        (None, None) => {
            return Err(Failure::usage(
                "name a dump, or a Prometheus with --prometheus",
            ));
        }
    };
    let learnt = learn(&samples, &args.name, &world_file).map_err(Failure::usage)?;
    write(&world, &learnt.world)?;
    write(&scenario, &learnt.scenario)?;
    tell(&learnt, &world, &scenario, terminal);
    Ok(Exit::Passed)
}

fn of_file(path: &Path) -> Result<Samples, Failure> {
    let failed =
        |error: &dyn std::fmt::Display| Failure::usage(format!("{}: {error}", shown(path)));
    let mut text = String::new();
    let file = files::open(path).map_err(|error| failed(&error))?;
    let read = file.take(DUMP_MAX + 1).read_to_string(&mut text);
    read.map_err(|error| failed(&error))?;
    if text.len() as u64 > DUMP_MAX {
        return Err(failed(&LearnError::TooMuch));
    }
    Samples::of_text(&text).map_err(|error| failed(&error))
}

fn of_prometheus(args: &Learn, url: &Url) -> Result<Samples, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::environment)?;
    let since_s = args
        .since
        .map_or(SINCE_S, |since| since.0.unsigned_abs() / 1_000);
    if since_s < 60 {
        return Err(Failure::usage("--since: accepted: a minute or more"));
    }
    let asked = Asked {
        url: url.clone(),
        client: inputs::http_client(args.http_config.as_deref())?,
        since_s,
        until_s: args.until.map(|at| at.as_millisecond() as f64 / 1e3),
        matchers: args.matchers.clone(),
    };
    runtime
        .block_on(fetch(&asked))
        .map_err(|error| match error {
            LearnError::Prometheus(_) => Failure::environment(error),
            error => Failure::usage(error),
        })
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    match write_new(path, text) {
        Ok(true) => Ok(()),
        Ok(false) => Err(Failure::usage(format!("{}: is there already", shown(path)))),
        Err(error) => Err(Failure::environment(format!("{}: {error}", shown(path)))),
    }
}

fn tell(learnt: &Learnt, world: &Path, scenario: &Path, terminal: &Terminal) {
    terminal.plain_result(&format!(
        "wrote {}\nwrote {}\n",
        shown(world),
        shown(scenario)
    ));
    for note in &learnt.unknown {
        terminal.say(format_args!("not learnt: {note}"));
    }
    let scenario = pasted(&scenario.display().to_string());
    terminal.say(format_args!(
        "next:\n    firedrill check {scenario}\n    firedrill run --engine virtual --rules YOUR-RULES {scenario}"
    ));
}
