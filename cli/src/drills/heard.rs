//! What else tells of alerts while a drill runs, and whether it can be listened to.

use crate::args::{AlertSources, Speed};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::inputs;
use crate::terminal::Terminal;
use firedrill_detector::RuleSet;
use firedrill_sim::alerts::{SourceError, Sources};
use firedrill_sim::drill;
use firedrill_sim::engine::live::TARGETS_FILE;
use firedrill_sim::files::shown;

/// Opens the sources that were named, before anything is started. `drills`: how many there will be.
///
/// # Errors
/// When drills of this kind have no sources, or one of them does not answer.
pub(crate) fn sources(
    args: &AlertSources,
    rules: &RuleSet,
    (speed, drills): (Speed, usize),
    terminal: &Terminal,
) -> Result<Option<Sources>, Failure> {
    if !can_be_heard(args, (speed, drills))? {
        return Ok(None);
    }
    let client = inputs::http_client(args.http_config.as_deref())?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::environment)?;
    let opened = runtime.block_on(Sources::open(&args.asked(client), rules));
    let sources = opened.map_err(|error| match error {
        SourceError::Foreign { .. } => Failure {
            exit: Exit::Usage,
            messages: vec![error.to_string()],
        },
        error => Failure::environment(error),
    })?;
    sources.told().iter().for_each(|line| terminal.say(line));
    if sources.lacks_all_rules() {
        return Err(Failure::usage(
            "--prometheus: it has none of the alerts in your rules: name the rule files that it has loaded with --rules",
        ));
    }
    Ok(Some(sources))
}

/// Whether sources were named, without asking any.
///
/// # Errors
/// When drills of this kind have no sources.
pub(crate) fn can_be_heard(
    args: &AlertSources,
    (speed, drills): (Speed, usize),
) -> Result<bool, Failure> {
    let Some(option) = args.given() else {
        return match args.http_config {
            None => Ok(false),
            Some(_) => Err(Failure::usage(
                "--http-config: it says how --prometheus and --alertmanager-url are asked, and neither was given",
            )),
        };
    };
    if !matches!(speed, Speed::Fixed(speed) if drill::is_in_real_time(speed)) {
        return Err(Failure::usage(format!(
            "{option}: what is outside of firedrill lives in real time, and its alerts would come too late in a drill that is \
             faster; add `--speed 1`"
        )));
    }
    if drills > 1 {
        return Err(Failure::usage(format!(
            "{option}: nobody could tell which of {drills} drills an alert is of; run one scenario at a time"
        )));
    }
    Ok(true)
}

/// Refuses a directory for targets that is not there, or where somebody else's are.
pub(crate) fn targets_are_free(args: &AlertSources, drills: usize) -> Result<(), Failure> {
    let Some(dir) = &args.targets_in else {
        return Ok(());
    };
    if drills > 1 {
        return Err(Failure::usage(format!(
            "--targets-in: {drills} drills have targets of the same names; run one scenario at a time"
        )));
    }
    if !dir.is_dir() {
        let dir = shown(dir);
        return Err(Failure::usage(format!(
            "--targets-in: there is no directory {dir}; make it first"
        )));
    }
    let file = dir.join(TARGETS_FILE);
    match file.symlink_metadata().is_ok() {
        true => Err(Failure::usage(format!(
            "--targets-in: {} is there already, maybe of a drill that runs; name another directory, or remove it",
            shown(&file)
        ))),
        false => Ok(()),
    }
}

/// Refuses sources where drills are simulated.
pub(crate) fn none_on_the_model(args: &AlertSources) -> Result<(), Failure> {
    let targets_in = args.targets_in.as_ref().map(|_| "--targets-in");
    match args.given().or(targets_in) {
        None => Ok(()),
        Some(option) => Err(Failure::usage(format!(
            "{option}: nothing outside of firedrill sees a simulated drill; use the live engine, with `--speed 1`"
        ))),
    }
}
