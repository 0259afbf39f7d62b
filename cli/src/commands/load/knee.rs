//! `firedrill load --find-max`: the largest rate that is borne, several times.

use super::set::Set;
use super::{Stand, asked, where_it_is, write};
use crate::exit::Exit;
use crate::failure::Failure;
use firedrill_reports::load::{Borne, Knee, Round, Sides, Trial};
use firedrill_reports::result::ResultFile;
use firedrill_reports::{document, render};
use firedrill_sim::files::shown;
use firedrill_sim::load::LoadPlan;
use firedrill_sim::load::knee::Search;

/// Searches that are made where nobody says how many.
const REPEATS: u32 = 3;
/// A rate whose trial proves nothing is tried so many times.
const TRIES: u32 = 3;
/// A search after the first begins at this share of what that found.
const BEGINS_AT: f64 = 0.7;

/// Searches, prints and writes what was found.
pub(super) fn search(stand: &Stand<'_>, load: &LoadPlan, mut set: Set) -> Result<Exit, Failure> {
    let (args, terminal) = (stand.args, stand.terminal);
    if load.sides != Sides::Both {
        return Err(Failure::usage(
            "--find-max needs producers and workers: a wait is between the two",
        ));
    }
    let max_wait_s = args.max_wait.0 as f64 / 1e3;
    let mut knee = Knee {
        name: load.plan.name.clone(),
        max_wait_s,
        ..Knee::default()
    };
    terminal.say(format_args!(
        "load {}: looking for the largest rate; Redis: {}",
        knee.name,
        where_it_is(load, &stand.redis)
    ));
    let mut first = args.rate.map_or(100.0, |rate| rate.0);
    for round in 1..=args.repeats.unwrap_or(REPEATS) {
        let mut search = Search::new(first);
        let (mut unclear, mut tries) = (None, 0);
        while let Some(rate) = search.next() {
            let number = knee.trials.len() + 1;
            let dir = set.part(&format!("trial-{number}"))?;
            let seed = load.plan.seed.wrapping_add(number as u64 - 1);
            let ran = stand.load(&asked::at_rate(args, Some(rate), seed)?, &dir);
            // One that was stopped is no trial; those before it are what is known.
            if let Some(exit) = stand.signals.exit() {
                if !knee.trials.is_empty() {
                    let borne = search.at_least().unwrap_or(0.0);
                    knee.rounds
                        .push(Round::AtLeast(borne, "it was stopped".to_owned()));
                    told(stand, &knee, &set)?;
                }
                return stopped(ran.map(|(_, left)| left), exit, !knee.trials.is_empty());
            }
            let (record, left) = ran?;
            if let Some(left) = left {
                return Err(left);
            }
            let trial = Trial::of(&record, (round, rate), max_wait_s);
            let (word, is_borne) = match &trial.borne {
                Borne::Yes => ("borne".to_owned(), Some(true)),
                Borne::No(why) => (format!("not borne: {why}"), Some(false)),
                Borne::Unclear(why) => (format!("proves nothing: {why}"), None),
            };
            terminal.say(format_args!("search {round}: {rate:.0}/s {word}"));
            knee.trials.push(trial);
            match is_borne {
                Some(is_borne) => {
                    search.tell(rate, is_borne);
                    tries = 0;
                }
                None => {
                    tries += 1;
                    if tries == TRIES {
                        unclear = Some(word);
                        break;
                    }
                }
            }
        }
        knee.rounds.push(match (search.found(), unclear) {
            (Some(rate), None) => {
                first = rate * BEGINS_AT;
                Round::Found(rate)
            }
            (None, None) if search.at_least().is_none() => Round::Nothing,
            (_, why) => {
                let why = why.unwrap_or_else(|| "nothing more was tried".to_owned());
                Round::AtLeast(search.at_least().unwrap_or(0.0), why)
            }
        });
    }
    told(stand, &knee, &set)?;
    set.is_latest().map_err(Failure::environment)?;
    Ok(Exit::of(knee.spread().map(|_| true)))
}

/// How a search ends that was stopped: what is left behind is said, and that a trial did not even begin only where it was the
/// first.
fn stopped(
    ran: Result<Option<Failure>, Failure>,
    exit: Exit,
    is_known: bool,
) -> Result<Exit, Failure> {
    match ran {
        Ok(None) => Ok(exit),
        Ok(Some(left)) => Err(left),
        Err(failure) if is_known && failure.exit == exit => Ok(exit),
        Err(failure) => Err(failure),
    }
}

/// Prints and writes what was found.
fn told(stand: &Stand<'_>, knee: &Knee, set: &Set) -> Result<(), Failure> {
    let terminal = stand.terminal;
    let document = document::of_knee(knee);
    let result = ResultFile::from(knee);
    match stand.args.json {
        true => terminal.result(&render::json(&result)),
        false => terminal.result(&render::terminal(&document, terminal.style())),
    }
    let wrong =
        |error: std::io::Error| Failure::environment(format!("cannot write the report: {error}"));
    let html = write(set.dir(), &document, &result).map_err(wrong)?;
    terminal.say(format_args!("report: {}", shown(&html)));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_search_that_was_stopped_it_is_not_said_that_it_never_began() {
        let failed = |exit| Failure {
            exit,
            messages: vec!["stopped before it began".to_owned()],
        };
        let signal = Exit::Interrupted;
        let ended = |ran, is_known| stopped(ran, signal, is_known).map_err(|failure| failure.exit);
        assert_eq!(ended(Err(failed(signal)), true), Ok(signal));
        assert_eq!(ended(Err(failed(signal)), false), Err(signal));
        assert_eq!(ended(Ok(None), true), Ok(signal));
        // What else went wrong is said.
        let left = || failed(Exit::CleanupIncomplete);
        assert_eq!(ended(Ok(Some(left())), true), Err(Exit::CleanupIncomplete));
        assert_eq!(ended(Err(left()), true), Err(Exit::CleanupIncomplete));
    }
}
