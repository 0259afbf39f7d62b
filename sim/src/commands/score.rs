//! `firedrill score`: recorded drills, scored again without a new drill.

use crate::agreement;
use crate::cli::Score;
use crate::commands::inputs::{Named, Place};
use crate::commands::{Failure, Terminal, inputs};
use crate::exit::Exit;
use firedrill_detector::RuleSet;
use firedrill_reports::bounds;
use firedrill_reports::record::RuleText;
use firedrill_reports::{
    Diagnoser, DrillScore, Record, Replay, ScoreParams, Scorecard, Verdict, render, replay,
    score_drill,
};
use std::path::PathBuf;

/// Scores records and prints the scorecard.
///
/// # Errors
/// When a record or rule file cannot be read.
pub fn run(args: &Score, terminal: &Terminal) -> Result<Exit, Failure> {
    let scored = scored(
        &args.runs,
        &args.rules,
        &args.pages,
        &args.delivery.params(),
    )?;
    let mut card = Scorecard::new(scored.iter().map(|scored| scored.score.clone()).collect());
    explain(&mut card, &scored.iter().collect::<Vec<_>>());
    print(&card, args.json, terminal)?;
    Ok(ends(&card, args.no_gate))
}

/// A record, what rules made of it, and how that scores.
pub(crate) struct Scored {
    pub(crate) record: Record,
    pub(crate) replay: Replay,
    pub(crate) score: DrillScore,
    /// What it was judged by.
    pub(crate) rules: RuleSet,
}

impl Scored {
    /// For the report.
    pub(crate) fn drill(&self) -> render::Drill<'_> {
        render::Drill {
            record: &self.record,
            replay: &self.replay,
        }
    }
}

/// Reads records and scores each, under its own rules or the given ones.
pub(crate) fn scored(
    runs: &[PathBuf],
    rules: &[PathBuf],
    pages: &[String],
    params: &ScoreParams,
) -> Result<Vec<Scored>, Failure> {
    let named = Named::new(&[(Place::Rules, rules), (Place::Records, runs)]);
    let named = named.without_scenarios("score").with_rules_of(rules);
    let records = inputs::records(&named.records);
    let named = named.understood().map_err(|mut failure| {
        // All that is wrong at once.
        let also = records.as_ref().err().into_iter();
        failure
            .messages
            .extend(also.flat_map(|also| also.messages.clone()));
        failure
    })?;
    let other: Option<Vec<RuleText>> = if named.rules.is_empty() {
        None
    } else {
        let (rules, _) = inputs::rule_pack(inputs::texts(&named.rules), pages)?;
        Some(rules.texts)
    };
    records?
        .into_iter()
        .map(|record| {
            let texts = other.clone().unwrap_or_else(|| record.header.rules.clone());
            let (rules, pack) = inputs::pack(texts, pages)?;
            bounds::check_record(&record, &rules.set)
                .map_err(|error| Failure::usage(error).about(&record.header.scenario))?;
            let replayed = replay(&record, &rules.set);
            if other.is_none() && agreement::differs(&record, &replayed) {
                return Err(Failure::usage(
                    "the alerts in this record are not those that its rules raise on its samples: one or the other was \
                     changed, or another release of firedrill evaluated them; `--rules FILE` judges the samples alone",
                )
                .about(&record.header.scenario));
            }
            let score = score_drill(&record, &replayed, &pack, params);
            Ok(Scored {
                record,
                replay: replayed,
                score,
                rules: rules.set,
            })
        })
        .collect()
}

/// Says of the rules without data what they looked for and what there is instead.
pub(crate) fn explain(card: &mut Scorecard, scored: &[&Scored]) {
    let has_dead = |scored: &&&Scored| {
        let mut names = scored.rules.alerts().map(|alert| alert.name);
        names.any(|name| card.dead.iter().any(|dead| dead == name))
    };
    let Some(first) = scored.iter().find(has_dead) else {
        return;
    };
    let mut diagnoser = Diagnoser::new(&first.rules);
    for scored in scored {
        diagnoser.observe(&scored.record);
    }
    card.diagnosis = Some(diagnoser.finish().only(&card.dead));
}

/// Prints a scorecard as asked.
pub(crate) fn print(card: &Scorecard, json: bool, terminal: &Terminal) -> Result<(), Failure> {
    if json {
        terminal.result(&render::json(card));
    } else {
        terminal.result(&render::terminal(card, terminal.style()));
    }
    Ok(())
}

/// The exit code of a scorecard. Without the gate, what failed it is excused; a drill that proves nothing is not.
pub(crate) fn ends(card: &Scorecard, no_gate: bool) -> Exit {
    match exit_of(card.verdict()) {
        Exit::GateFailed if no_gate && card.is_conclusive() => Exit::Passed,
        Exit::GateFailed if no_gate => Exit::Inconclusive,
        exit => exit,
    }
}

/// The exit code of a verdict.
pub(crate) fn exit_of(verdict: Verdict) -> Exit {
    match verdict {
        Verdict::Passed => Exit::Passed,
        Verdict::Failed => Exit::GateFailed,
        Verdict::Inconclusive => Exit::Inconclusive,
    }
}
