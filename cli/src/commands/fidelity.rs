//! `firedrill fidelity`: every scenario on both engines, and what they differ by.

use crate::args::Fidelity as Args;
use crate::commands::plots;
use crate::commands::run;
use crate::drills::live::{self, AllEnded, Job, LiveSet};
use crate::drills::simulate;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::inputs::{self, Named, Paging, Place};
use crate::terminal::Terminal;
use firedrill_asynq::settings::FORWARD_INTERVAL_MS;
use firedrill_reports::fidelity::{Agreement, Fidelity, OnTerms, Side, Terms, compare};
use firedrill_reports::pack::RulePack;
use firedrill_reports::score::Delivery;
use firedrill_reports::{DrillScore, Record, Replay, ScoreParams, document, render, score_drill};
use firedrill_sim::agenda::Phase;
use firedrill_sim::agreement;
use firedrill_sim::drill::{self, RECORD_FILE, Rules};
use firedrill_sim::engine::live::Workers;
use firedrill_sim::engine::virtual_time::{Harness, VirtualOptions};
use firedrill_sim::files::{self, Fresh, LATEST, shown};
use firedrill_sim::plan::{Incident, Plan};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::SystemTime;

/// Directories of a scenario's three drills: real Redis and processes; the model; the model on the live drill's terms.
const LIVE: &str = "live";
const MODEL: &str = "virtual";
const ON_TERMS: &str = "virtual-on-terms";

/// Moments within the forwarders' beat of 5 s at which scrapes see the model on the live drill's terms, a drill for each besides
/// the one that is scraped on time.
const BEAT_MS: [i64; 4] = [
    FORWARD_INTERVAL_MS / 5,
    FORWARD_INTERVAL_MS * 2 / 5,
    FORWARD_INTERVAL_MS * 3 / 5,
    FORWARD_INTERVAL_MS * 4 / 5,
];

/// Runs every scenario live and on the virtual engine, under the same seed and rules, prints and writes the comparison. Of
/// live drills that have been run, their records do as well.
///
/// # Errors
/// When an input is wrong (nothing was started), or a drill could not be run.
pub fn run(args: &Args, terminal: &Terminal) -> Result<Exit, Failure> {
    let words = Named::new(&[(Place::ScenariosOrRecords, &args.scenarios)]);
    // A folder without any is taken for one of scenarios, and what is wrong with it told as such.
    if !words.records.is_empty() && inputs::record_files(&words.records).is_ok() {
        return of_records(args, words, terminal);
    }
    let named = inputs::for_drills(&args.scenarios, &args.rules).in_world(&args.world);
    let plans = inputs::modelled(&named.scenarios, terminal)
        .and_then(|scenarios| simulate::plans(&scenarios, args.seed, 1));
    let (rules, pack, plans) = inputs::rules_and(
        &named,
        &args.rules,
        args.rules.dialect.of_new_drills(),
        (args.delivery, &args.routing),
        plans,
        terminal,
    )?;
    inputs::bounded(&rules, &plans)?;
    let set = LiveSet {
        alerts: None,
        targets_in: None,
        workers: Workers::Ours,
        speed: args.speed,
        jobs: args.jobs,
        redis: live::redis_source(&args.server)?,
        rules,
        pack,
        view: crate::args::View::default(),
    };
    let sets = args.out.join("fidelity");
    let fresh = run::fresh(&sets, &live::stamp(SystemTime::now()))?;
    let dir = fresh.path();
    let ended = set.run(jobs(&plans, dir)?, terminal)?;
    let signal = ended.signal;
    match (signal, check_ended(ended)) {
        // What is left behind is said before all else.
        (_, Err(failure)) if failure.exit == Exit::CleanupIncomplete => return Err(failure),
        (Some(exit), _) => return Ok(exit),
        (None, ended) => ended?,
    }
    let beside = |plan: &Plan| {
        let dir = dir.join(&plan.name);
        let live = Drilled::read(&dir.join(LIVE).join(RECORD_FILE), &set.pack)?;
        beside_the_model(live, plan, (&set.rules, &set.pack), &dir)
    };
    let pairs = on_all_cores(&plans, &beside)?;
    tell(args, &pairs, &sets, &fresh, terminal)
}

/// Compares live drills that have been run, by their records and under their own rules, with the model of them.
fn of_records(args: &Args, named: Named, terminal: &Terminal) -> Result<Exit, Failure> {
    let alone = "fidelity judges a record by the rules in it";
    for (given, why) in [
        (
            !named.scenarios.is_empty(),
            "fidelity takes scenarios, or records, not both",
        ),
        (
            !args.rules.files.is_empty()
                || !named.rules.is_empty()
                || args.rules.dialect.is_given(),
            alone,
        ),
        (
            args.seed.is_some()
                || args.delivery.is_given()
                || args.routing.alertmanager.is_some()
                || args.world.world.is_some(),
            "a record has its own seed, delivery and world: --seed, --group-wait, --group-interval, --alertmanager and --world \
             are for new drills",
        ),
    ] {
        if given {
            return Err(Failure::usage(why));
        }
    }
    let named = named.understood()?;
    let paths = inputs::record_files(&inputs::without_copies(&named.records, terminal))?;
    let mut known: BTreeMap<String, &PathBuf> = BTreeMap::new();
    inputs::each(&paths, |path| {
        let record = inputs::record(path)?;
        let name = record.header.scenario.clone();
        let wrong = |why: &str| Err(Failure::usage(format!("{}: {why}", shown(path))));
        if record.header.engine != "live" {
            return wrong(
                "the record of a drill on the virtual engine; fidelity takes those of live drills",
            );
        }
        if !record.complete {
            return wrong("the drill did not run to its end");
        }
        if let Some(other) = known.insert(name.clone(), path) {
            let other = shown(other);
            return wrong(&format!(
                "another drill of {name}, as {other} is; name one of them"
            ));
        }
        Ok(())
    })?;
    let sets = args.out.join("fidelity");
    let fresh = run::fresh(&sets, &live::stamp(SystemTime::now()))?;
    let dir = fresh.path();
    terminal.started();
    let beside = |path: &PathBuf| {
        let record = inputs::record(path)?;
        let plan = agreement::planned(&record.header).map_err(Failure::usage)?;
        let alertmanager = record.header.alertmanager.clone();
        let config = alertmanager.as_ref();
        let config = config.map(|file| inputs::configured(&file.name, &file.text));
        let paging = Paging::new(&args.rules.pages, config.transpose()?);
        let (rules, pack) =
            inputs::pack(record.header.rules.clone(), record.header.reading, &paging)?;
        let delivery = Delivery {
            group_wait_ms: record.header.group_wait_ms,
            group_interval_ms: record.header.group_interval_ms,
        };
        let dir = dir.join(&plan.name);
        let live = Drilled::of(record, &pack);
        let rules = Rules {
            delivery,
            alertmanager,
            ..rules
        };
        beside_the_model(live, &plan, (&rules, &pack), &dir)
    };
    let pairs = on_all_cores(&paths, &beside)?;
    tell(args, &pairs, &sets, &fresh, terminal)
}

/// Does the same for each, on all cores.
fn on_all_cores<S: Sync>(
    all: &[S],
    beside: &(dyn Fn(&S) -> Result<Fidelity, Failure> + Sync),
) -> Result<Vec<Fidelity>, Failure> {
    let threads = simulate::threads(None, all.len());
    let never = AtomicBool::new(false);
    let pairs = simulate::on_all_cores(all, threads, &never, &|_| (), beside);
    pairs.into_iter().collect()
}

/// Prints the comparison and writes it.
fn tell(
    args: &Args,
    pairs: &[Fidelity],
    sets: &Path,
    fresh: &Fresh,
    terminal: &Terminal,
) -> Result<Exit, Failure> {
    let dir = fresh.path();
    for pair in pairs {
        if let Some(terms) = &pair.terms {
            terminal.say(format_args!("{}: {terms}", pair.scenario));
        }
    }
    let document = document::of_fidelity(pairs);
    let json = render::json(&pairs.into());
    if args.json {
        terminal.result(&json);
    } else {
        terminal.result(&render::terminal(&document, terminal.style()));
    }
    let html = plots::report(&document, args.plots, dir)
        .and_then(|html| files::write(&dir.join("result.json"), &json).map(|()| html))
        .and_then(|html| files::link(&sets.join(LATEST), fresh.name()).map(|()| html))
        .map_err(Failure::environment)?;
    terminal.say(format_args!("report: {}", shown(&html)));
    Ok(exit_of(pairs))
}

/// The live drills.
fn jobs(plans: &[Plan], dir: &Path) -> Result<Vec<Job>, Failure> {
    let mut jobs: Vec<Job> = Vec::new();
    for plan in plans {
        let dir = dir.join(&plan.name).join(LIVE);
        if jobs.iter().any(|job| job.dir == dir) {
            return Err(Failure::usage(format!(
                "{}: two drills would write there; give scenarios different names",
                shown(&dir)
            )));
        }
        jobs.push(Job {
            plan: plan.clone(),
            dir,
        });
    }
    Ok(jobs)
}

/// Nothing is compared unless every live drill left a record.
fn check_ended(ended: AllEnded) -> Result<(), Failure> {
    let mut worst: Option<Failure> = None;
    for drill in ended.drills {
        let Err(failure) = drill.outcome else {
            continue;
        };
        let named = failure.messages.iter();
        let messages = named.map(|message| format!("{}: {message}", drill.name));
        let worst = worst.get_or_insert(Failure {
            exit: failure.exit,
            messages: Vec::new(),
        });
        worst.exit = worst.exit.and(failure.exit);
        worst.messages.extend(messages);
    }
    worst.map_or(Ok(()), Err)
}

/// A drill's record with its score.
struct Drilled {
    record: Record,
    score: DrillScore,
}

impl Drilled {
    fn read(path: &Path, pack: &RulePack) -> Result<Self, Failure> {
        Ok(Self::of(inputs::record(path)?, pack))
    }

    fn of(record: Record, pack: &RulePack) -> Self {
        let replay = Replay::recorded(&record);
        let score = score_drill(&record, &replay, pack, &ScoreParams::default());
        Self { record, score }
    }

    fn side(&self) -> Side<'_> {
        Side {
            record: &self.record,
            score: &self.score,
        }
    }
}

/// Runs the model beside a live drill, plainly and several times on the live drill's terms, and compares.
fn beside_the_model(
    live: Drilled,
    plan: &Plan,
    (rules, pack): (&Rules, &RulePack),
    dir: &Path,
) -> Result<Fidelity, Failure> {
    let model = |plan: &Plan, harness: Harness, name: &str| {
        let options = VirtualOptions {
            harness,
            ..VirtualOptions::default()
        };
        let finished = drill::run_virtual(plan, rules, options, &dir.join(name))
            .map_err(Failure::environment)?;
        Drilled::read(&finished.record, pack)
    };
    let plain = model(plan, Harness::default(), MODEL)?;
    let terms = Terms::measured(&live.record, &plain.record);
    let (plan, harness, terms) = on_terms(plan, terms);
    let first = model(&plan, harness, ON_TERMS)?;
    let others = (1..).zip(BEAT_MS).map(|(dice, scrape_late_ms)| {
        let harness = Harness {
            scrape_late_ms,
            dice,
            ..harness
        };
        let options = VirtualOptions {
            harness,
            ..VirtualOptions::default()
        };
        Drilled::of(drill::simulate(&plan, rules, options, true), pack)
    });
    let drilled: Vec<Drilled> = std::iter::once(first).chain(others).collect();
    let on_terms = OnTerms {
        terms,
        sides: drilled.iter().map(Drilled::side).collect(),
    };
    compare(live.side(), plain.side(), Some(&on_terms)).map_err(Failure::internal)
}

/// A plan and harness with which the model pays what a live drill paid, and the terms without what has no part in that:
/// handlers know the time of their faults as exactly as the model's do.
fn on_terms(plan: &Plan, mut terms: Terms) -> (Plan, Harness, Terms) {
    let mut plan = plan.clone();
    terms.deeds.retain(|late| {
        let mut steps = plan.timeline.iter_mut();
        let Some(step) = steps.find(|step| step.id == late.step) else {
            return false;
        };
        if step.fault.begins_when_felt() {
            return false;
        }
        match (late.phase, &mut step.until) {
            (Phase::Begin, _) => {
                step.at_ms += late.late_ms;
                // An incident begins no earlier than its step, and has as much time as before.
                let begun_ms = step.at_ms;
                let of_step = |incident: &&mut Incident| {
                    incident.step.as_ref() == Some(&late.step) && incident.at_ms < begun_ms
                };
                for incident in plan.incidents.iter_mut().filter(of_step) {
                    incident.deadline_ms += begun_ms - incident.at_ms;
                    incident.at_ms = begun_ms;
                }
            }
            (Phase::End, Some(until)) => until.at_ms += late.late_ms,
            (Phase::End, None) | (Phase::During, _) => return false,
        }
        true
    });
    let harness = Harness {
        round_trip_us: terms.round_trip_us,
        overrun_us: terms.overrun_us(),
        spread_us: terms.spread_us,
        dice: 0,
        scrape_late_ms: 0,
    };
    (plan, harness, terms)
}

/// A difference is one, whatever another drill failed to prove.
fn exit_of(pairs: &[Fidelity]) -> Exit {
    let differs =
        |pair: &Fidelity| pair.is_conclusive() && pair.agreement() == Agreement::Different;
    if pairs.iter().any(differs) {
        Exit::GateFailed
    } else if pairs.iter().all(Fidelity::is_conclusive) {
        Exit::Passed
    } else {
        Exit::Inconclusive
    }
}

#[cfg(test)]
mod tests;
