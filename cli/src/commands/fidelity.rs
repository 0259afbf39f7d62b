//! `firedrill fidelity`: every scenario on both engines, and what they differ by.

use crate::args::Fidelity as Args;
use crate::commands::run;
use crate::drills::live::{self, AllEnded, Job, LiveSet};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::inputs;
use crate::terminal::Terminal;
use firedrill_asynq::settings::FORWARD_INTERVAL_MS;
use firedrill_reports::fidelity::{Agreement, Fidelity, OnTerms, Side, Terms, compare};
use firedrill_reports::pack::RulePack;
use firedrill_reports::{DrillScore, Record, Replay, ScoreParams, render, score_drill};
use firedrill_sim::agenda::Phase;
use firedrill_sim::drill::{self, RECORD_FILE, Rules};
use firedrill_sim::engine::virtual_time::{Harness, VirtualOptions};
use firedrill_sim::files::{self, LATEST, shown};
use firedrill_sim::plan::{Incident, Plan};
use std::path::Path;
use std::time::SystemTime;

/// Directories of a scenario's three drills: real Redis and processes; the model; the model on the live drill's terms.
const LIVE: &str = "live";
const MODEL: &str = "virtual";
const ON_TERMS: &str = "virtual-on-terms";

/// Moments within the forwarders' beat of 5 s at which scrapes see the model, besides their own.
const BEAT_MS: [i64; 4] = [
    FORWARD_INTERVAL_MS / 5,
    FORWARD_INTERVAL_MS * 2 / 5,
    FORWARD_INTERVAL_MS * 3 / 5,
    FORWARD_INTERVAL_MS * 4 / 5,
];

/// Runs every scenario live and on the virtual engine, under the same seed and rules, prints and writes the comparison.
///
/// # Errors
/// When an input is wrong (nothing was started), or a drill could not be run.
pub fn run(args: &Args, terminal: &Terminal) -> Result<Exit, Failure> {
    let named = inputs::for_drills(&args.scenarios, &args.rules).in_world(&args.world);
    let plans = inputs::plans(&named.scenarios, args.seed).and_then(|plans| {
        inputs::scenarios(&named.scenarios)?
            .iter()
            .try_for_each(inputs::modelled)?;
        Ok(plans)
    });
    let (rules, pack, plans) = inputs::rules_and(
        &named,
        &args.rules,
        (args.delivery, &args.routing),
        plans,
        terminal,
    )?;
    inputs::bounded(&rules, &plans)?;
    let set = LiveSet {
        speed: args.speed,
        jobs: args.jobs,
        redis: live::redis_source(args.redis.clone(), &args.redis_image)?,
        rules,
        pack,
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
    let mut pairs = Vec::new();
    for plan in &plans {
        let dir = dir.join(&plan.name);
        pairs.push(beside_the_model(
            plan, &set.rules, &set.pack, &dir, terminal,
        )?);
    }
    if args.json {
        terminal.result(&render::fidelity::json(&pairs));
    } else {
        terminal.result(&render::fidelity::terminal(&pairs, terminal.style()));
    }
    let html = dir.join("report.html");
    files::write(&html, &render::fidelity::html(&pairs))
        .and_then(|()| files::write(&dir.join("result.json"), &render::fidelity::json(&pairs)))
        .and_then(|()| files::link(&sets.join(LATEST), fresh.name()))
        .map_err(Failure::environment)?;
    terminal.say(format_args!("report: {}", shown(&html)));
    Ok(exit_of(&pairs))
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
        let record = inputs::record(&path.join(RECORD_FILE))?;
        let score = score_drill(
            &record,
            &Replay::recorded(&record),
            pack,
            &ScoreParams::default(),
        );
        Ok(Self { record, score })
    }

    fn side(&self) -> Side<'_> {
        Side {
            record: &self.record,
            score: &self.score,
        }
    }
}

/// Runs the model twice beside a live drill, plainly and on the live drill's terms, and compares.
fn beside_the_model(
    plan: &Plan,
    rules: &Rules,
    pack: &RulePack,
    dir: &Path,
    terminal: &Terminal,
) -> Result<Fidelity, Failure> {
    let live = Drilled::read(&dir.join(LIVE), pack)?;
    let model = |plan: &Plan, harness: Harness, name: &str| {
        let options = VirtualOptions {
            harness,
            ..VirtualOptions::default()
        };
        let finished = drill::run_virtual(plan, rules, options, &dir.join(name))
            .map_err(Failure::environment)?;
        Drilled::read(finished.record.parent().unwrap_or(dir), pack)
    };
    let plain = model(plan, Harness::default(), MODEL)?;
    let terms = Terms::measured(&live.record, &plain.record);
    let (plan, harness, terms) = on_terms(plan, terms);
    let third = model(&plan, harness, ON_TERMS)?;
    terminal.say(format_args!("{}: {terms}", plan.name));
    let seen_later = BEAT_MS.map(|scrape_late_ms| {
        let harness = Harness {
            scrape_late_ms,
            ..harness
        };
        let options = VirtualOptions {
            harness,
            ..VirtualOptions::default()
        };
        drill::simulate(&plan, rules, options, true)
    });
    let on_terms = OnTerms {
        side: third.side(),
        terms,
        seen_later: seen_later.into(),
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
        overrun_us: terms.overrun_us,
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
mod tests {
    use super::*;
    use firedrill_reports::fidelity::LateDeed;
    use firedrill_sim::scenario::{PlanOptions, Scenario};

    const OUTAGE: &str = include_str!("../../../scenarios/redis-down/redis-outage.yaml");
    const STORM: &str =
        include_str!("../../../scenarios/retry-storm/retry-storm-dependency-down.yaml");

    fn plan(text: &str) -> Plan {
        let scenario = Scenario::parse("s.yaml", text).unwrap();
        Plan::resolve(&scenario, &PlanOptions { seed: None }).unwrap()
    }

    fn late(step: &str, phase: Phase) -> LateDeed {
        LateDeed {
            step: step.into(),
            phase,
            what: "whatever".into(),
            target: "anybody".into(),
            planned_ms: 0,
            late_ms: 7_000,
        }
    }

    #[test]
    fn the_model_pays_what_the_live_drill_paid() {
        let before = plan(OUTAGE);
        let terms = Terms {
            round_trip_us: 5_000,
            overrun_us: 3_000,
            deeds: vec![late("redis.kill", Phase::End)],
        };
        let (after, harness, kept) = on_terms(&before, terms.clone());
        assert_eq!(kept, terms);
        assert_eq!((harness.round_trip_us, harness.overrun_us), (5_000, 3_000));
        let (step, moved) = (&before.timeline[0], &after.timeline[0]);
        assert_eq!(step.at_ms, moved.at_ms);
        let ends_ms = |step: &firedrill_sim::plan::Step| step.until.as_ref().unwrap().at_ms;
        assert_eq!(ends_ms(step) + 7_000, ends_ms(moved));
    }

    #[test]
    fn handlers_know_when_their_faults_are_on() {
        let before = plan(STORM);
        let terms = Terms {
            deeds: vec![late("handler.fail", Phase::Begin)],
            ..Terms::default()
        };
        let (after, _, kept) = on_terms(&before, terms);
        assert_eq!(after, before);
        assert!(kept.deeds.is_empty());
    }
}
