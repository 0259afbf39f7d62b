//! `firedrill score`: recorded drills, scored again without a new drill.

use crate::args;
use crate::args::Score;
use crate::commands::gates::Gates;
use crate::exit::Exit;
use crate::failure::{Failure, both};
use crate::inputs;
use crate::inputs::{Named, Paging, Place};
use crate::terminal::Terminal;
use firedrill_detector::RuleSet;
use firedrill_reports::alertmanager::Config;
use firedrill_reports::bounds;
use firedrill_reports::cause::{self, Asked};
use firedrill_reports::figures::{DrillFigures, Results};
use firedrill_reports::gate::{Gate, Gated};
use firedrill_reports::pack::RulePack;
use firedrill_reports::record::{AlertState, RuleReading, RuleText};
use firedrill_reports::why::{RuleExplanation, RuleState};
use firedrill_reports::{
    DrillScore, Explainer, Explanation, Record, Replay, Scorecard, document, render, replay,
    score_drill,
};
use firedrill_sim::agreement;
use firedrill_sim::builtin;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Scores records and prints the scorecard.
///
/// # Errors
/// When a record or rule file cannot be read.
pub fn run(args: &Score, terminal: &Terminal) -> Result<Exit, Failure> {
    let gates = Gates::read(&args.gates, args.no_gate, terminal);
    let (mut gates, scored) = both(gates, scored(&args.judged, terminal))?;
    for one in &scored {
        let header = &one.record.header;
        let own = header.gates.iter().map(|gate| gate.parse::<Gate>());
        let own: Result<Vec<Gate>, _> = own.collect();
        let own = own.map_err(|wrong| Failure::usage(wrong).about(&header.scenario))?;
        gates.scenario(&header.scenario, &own)?;
    }
    let mut card = Scorecard::new(scored.iter().map(|scored| scored.score.clone()).collect());
    let all: Vec<&Scored> = scored.iter().collect();
    explain(&mut card, &all);
    let (gated, _) = gated(&mut gates, &card, &all)?;
    let exit = Exit::of(gated.passes());
    card.gated = Some(gated);
    print(&card, args.json, terminal);
    gates.write(
        card.gated.as_ref(),
        &render::markdown(&document::of_scorecard(&card, &[])),
        terminal,
    )?;
    Ok(exit)
}

/// What gates make of scored drills, and the figures of these.
pub(crate) fn gated(
    gates: &mut Gates,
    card: &Scorecard,
    scored: &[&Scored],
) -> Result<(Gated, Results), Failure> {
    let (mut judge, mut results) = (gates.judge.clone(), Results::default());
    for one in scored {
        let figures = DrillFigures::new(&one.score);
        judge.add(&figures);
        results.add(&one.record.header, figures);
        let incidents = one.record.header.incidents.iter();
        gates.rules(
            &one.rules,
            &one.pack,
            incidents.map(|incident| incident.cause.as_str()),
        );
    }
    let gated = gates.gated(judge, &results, &card.dead)?;
    Ok((gated, results))
}

/// A record, what rules made of it, and how that scores.
pub(crate) struct Scored {
    pub(crate) record: Record,
    pub(crate) replay: Replay,
    pub(crate) score: DrillScore,
    /// What it was judged by.
    pub(crate) rules: RuleSet,
    /// What their comments say.
    pub(crate) pack: RulePack,
}

impl Scored {
    /// For the report.
    pub(crate) fn drill(&self) -> document::Drill<'_> {
        document::Drill {
            record: &self.record,
            replay: &self.replay,
            rules: &self.rules,
        }
    }
}

impl args::Judged {
    /// What says who is sent what: an Alertmanager file that was given, or else the record's, unless something else was given
    /// that says it.
    fn paging(&self, given: Option<&Arc<Config>>, record: &Record) -> Result<Paging, Failure> {
        let args::Delivery {
            group_wait,
            group_interval,
        } = self.delivery;
        let is_said = !self.pages.is_empty() || group_wait.is_some() || group_interval.is_some();
        let recorded = record.header.alertmanager.as_ref();
        let config = match (given, recorded.filter(|_| !is_said)) {
            (Some(given), _) => Some(Arc::clone(given)),
            (None, Some(own)) => {
                let config = inputs::configured(&own.name, &own.text);
                Some(config.map_err(|error| error.about(&record.header.scenario))?)
            }
            (None, None) => None,
        };
        Ok(Paging::new(&self.pages, config))
    }
}

/// A record, and what rules made of it.
pub(crate) struct Replayed {
    pub(crate) record: Record,
    pub(crate) replay: Replay,
    /// The rules as they stand in their files.
    pub(crate) texts: Vec<RuleText>,
    /// How those were read.
    pub(crate) reading: RuleReading,
    pub(crate) rules: RuleSet,
    /// What their comments say.
    pub(crate) pack: RulePack,
}

/// Reads the records that are meant, and replays each under its own rules or the given ones.
pub(crate) fn replayed(
    recorded: &args::Recorded,
    paging: impl Fn(&Record) -> Result<Paging, Failure>,
    terminal: &Terminal,
) -> Result<Vec<Replayed>, Failure> {
    let (rules, dialect) = (&recorded.rules, &recorded.dialect);
    let runs = inputs::without_copies(&recorded.runs, terminal);
    let named = Named::new(&[(Place::Rules, rules), (Place::Records, &runs)]);
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
    let opened = records.as_ref().map_or(&[][..], Vec::as_slice);
    let reading = match named.rules.is_empty() && !dialect.is_given() {
        // Each as in its drill.
        true => RuleReading::default(),
        false => inputs::reading_of(dialect, opened, terminal),
    };
    let other: Option<Vec<RuleText>> = if named.rules.is_empty() {
        None
    } else {
        let rules = named.rules_for(Some(opened), terminal);
        Some(inputs::rule_texts(inputs::texts(&rules), reading)?)
    };
    records?
        .into_iter()
        .map(|record| {
            let texts = other.clone().unwrap_or_else(|| record.header.rules.clone());
            let paging = paging(&record)?;
            let recorded = record.header.reading;
            let reading = dialect.over(recorded);
            let (rules, pack) = inputs::pack(texts.clone(), reading, &paging)?;
            bounds::check_record(&record, &rules.set)
                .map_err(|error| Failure::usage(error).about(&record.header.scenario))?;
            let replay = replay(&record, &rules.set);
            if other.is_none() && reading == recorded && agreement::differs(&record, &replay) {
                return Err(Failure::usage(
                    "the alerts in this record are not those that its rules raise on its samples: one or the other was \
                     changed, or another release of firedrill evaluated them; `--rules FILE` judges the samples alone",
                )
                .about(&record.header.scenario));
            }
            Ok(Replayed {
                record,
                replay,
                texts,
                reading,
                rules: rules.set,
                pack,
            })
        })
        .collect()
}

/// Reads the records that are meant and scores each, under its own rules or the given ones.
pub(crate) fn scored(judged: &args::Judged, terminal: &Terminal) -> Result<Vec<Scored>, Failure> {
    let params = judged.delivery.params();
    let given = inputs::alertmanager(&judged.routing)?;
    let paging = |record: &Record| judged.paging(given.as_ref(), record);
    let replayed = replayed(&judged.recorded, paging, terminal)?.into_iter();
    let scored = replayed.map(|one| {
        let header = &one.record.header;
        // What others told was by the drill's own rules.
        let is_own = one.texts == header.rules && one.reading == header.reading;
        let replay = match is_own {
            true => one.replay.with_heard(&one.record),
            false => one.replay,
        };
        Scored {
            score: score_drill(&one.record, &replay, &one.pack, &params),
            record: one.record,
            replay,
            rules: one.rules,
            pack: one.pack,
        }
    });
    Ok(scored.collect())
}

/// Looks at the rules that were silent in all drills: those that cannot fire fail the gate, and it is said why.
pub(crate) fn explain(card: &mut Scorecard, scored: &[&Scored]) {
    card.rules = named(scored);
    // Records may have been judged by rules of their own.
    let mut packs: Vec<Vec<&Scored>> = Vec::new();
    for one in scored {
        match packs.iter_mut().find(|known| known[0].pack == one.pack) {
            Some(alike) => alike.push(one),
            None => packs.push(vec![one]),
        }
    }
    let mut found: Option<Explanation> = None;
    for alike in packs {
        let transitions = alike.iter().flat_map(|one| &one.replay.transitions);
        let fired = transitions
            .filter(|transition| transition.to == AlertState::Firing)
            .map(|transition| transition.alert.clone());
        let (rules, pack) = (&alike[0].rules, &alike[0].pack);
        let mut explainer = Explainer::of_the_silent(rules, &fired.collect());
        if explainer.is_idle() {
            continue;
        }
        for one in &alike {
            explainer.observe(&one.record);
        }
        let mut diagnosis = explainer.finish();
        diagnosis
            .rules
            .retain(|rule| !is_excused(rule, rules, pack));
        match &mut found {
            Some(found) => found.extend(diagnosis),
            None => found = Some(diagnosis),
        }
    }
    if let Some(found) = found {
        card.judge_rules(found);
    }
}

/// Says what incidents of several scenarios were called by their symptoms.
pub(crate) fn call(card: &mut Scorecard, scored: &[&Scored]) {
    let asked: Vec<Asked> = scored
        .iter()
        .flat_map(|one| cause::ask(&one.record, &one.score))
        .collect();
    let scenarios: BTreeSet<&str> = asked.iter().map(|one| one.scenario.as_str()).collect();
    if scenarios.len() > 1 {
        card.called = cause::confusion(&asked);
    }
}

/// The rules of all drills, as `--rules` takes them.
fn named(scored: &[&Scored]) -> Vec<String> {
    let files = scored.iter().flat_map(|one| one.rules.alerts());
    let names: BTreeSet<&str> = files
        .map(|alert| match alert.file.strip_suffix(builtin::MARK) {
            Some(pack) => pack.strip_suffix(".yml").unwrap_or(pack),
            None => alert.file,
        })
        .collect();
    names.into_iter().map(str::to_owned).collect()
}

/// Whether a rule that cannot fire, or that always holds, fails nothing: the pack says that it may be without data, or it
/// pages nobody.
pub(crate) fn is_excused(rule: &RuleExplanation, rules: &RuleSet, pack: &RulePack) -> bool {
    match rule.state {
        RuleState::AlwaysHolds => {
            let mut alerts = rules.alerts();
            let own = alerts.find(|alert| (alert.file, alert.line) == (&*rule.file, rule.line));
            !own.is_some_and(|alert| pack.can_page(&alert))
        }
        _ => rule.is_unfit() && pack.may_be_without_data(&rule.name),
    }
}

/// Prints a scorecard as asked.
pub(crate) fn print(card: &Scorecard, json: bool, terminal: &Terminal) {
    if json {
        terminal.result(&render::json(&card.into()));
    } else {
        let document = document::of_scorecard(card, &[]);
        terminal.result(&render::terminal(&document, terminal.style()));
    }
}
