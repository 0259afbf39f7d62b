//! `firedrill rehearse`: a game day in real time, with the people who would be paged.

mod after;
mod briefing;
mod facilitator;
mod room;
mod sealed;
mod steps;
mod waiting;
mod window;

use crate::args::{self, Jobs, Speed};
use crate::commands::run::fresh;
use crate::drills::live::{self, Job, LiveSet};
use crate::drills::{heard, target};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::inputs;
use crate::signals::Signals;
use crate::terminal::Terminal;
use crate::view;
use facilitator::Facilitator;
use firedrill_asynq::rng;
use firedrill_reports::record::Rehearsed;
use firedrill_sim::files::shown;
use firedrill_sim::plan::Plan;
use firedrill_sim::redis_server::private::RedisSource;
use firedrill_sim::rehearsal::{AbortWhen, Runbook};
use firedrill_sim::scenario::FAMILIES;
use room::{Asked, Room};
use std::path::Path;
use std::time::SystemTime;

/// Rehearses.
///
/// # Errors
/// When an input is wrong or something is not as usual (nothing was broken), or it could not be run to its end.
pub fn run(args: &args::Rehearse, terminal: &Terminal) -> Result<Exit, Failure> {
    if let Some(fd) = args.sealed {
        let (args, terminal) = sealed::opened(fd)?;
        return rehearse(&args, &terminal);
    }
    match args.blind && !args.dry_run {
        true => Err(sealed::start_anew()),
        false => rehearse(args, terminal),
    }
}

fn rehearse(args: &args::Rehearse, terminal: &Terminal) -> Result<Exit, Failure> {
    let Speed::Fixed(speed) = args.speed else {
        return Err(Failure::usage(
            "--speed auto: people take part, so it is for them to say: 1 is real time",
        ));
    };
    if args.scenarios.is_empty() {
        return Err(Failure::usage(
            "name a scenario: `firedrill list` has those that are built in",
        ));
    }
    let named = inputs::for_drills(&args.scenarios, &args.rules).in_world(&args.world);
    let plans = inputs::plans(&named.scenarios, args.seed);
    let (rules, pack, plans) = inputs::rules_and(
        &named,
        &args.rules,
        args.rules.dialect.of_new_drills(),
        (args.delivery, &args.routing),
        plans,
        terminal,
    )?;
    inputs::bounded(&rules, &plans)?;
    let drawn_by = args.seed.unwrap_or_else(|| moment(SystemTime::now()));
    let redis = live::redis_source(&args.server)?;
    let plans = match args.blind {
        true => playable(plans, args, &redis)?,
        false => plans,
    };
    let plan = drawn(plans, drawn_by)?;
    let abort_when = AbortWhen::new(&args.abort_when).map_err(|found| Failure::problems(&found))?;
    let runbook = args.runbook.as_deref().map(runbook).transpose()?;
    if let RedisSource::Given(address) = &redis {
        live::leaves_redis_alone(address, [&plan])?;
    }
    let one = Jobs::Fixed(std::num::NonZeroUsize::MIN);
    let (workers, _) = {
        let played = ([&plan], &named.scenarios[..]);
        target::workers(&args.target, played, (args.speed, one), &redis)?
    };
    let start = window::Start::of(args)?;
    let begins = start.begins(&plan, speed, (args.blind, drawn_by))?;
    heard::can_be_heard(&args.alerts, (args.speed, 1))?;
    heard::targets_are_free(&args.alerts, 1)?;
    view::page(&args.view, &FAMILIES)?;
    if args.dry_run {
        terminal.plain_result(&steps::told(&plan, args, &redis));
        if let Some((_, told)) = begins {
            terminal.plain_result(&format!("    when: {told}\n"));
        }
        return Ok(Exit::Passed);
    }
    let terms = Rehearsed {
        respond_within_ms: args.respond_within.0,
        escalate_after_ms: args.escalate_after.0,
        blind: args.blind,
    };
    let facilitator = match &args.facilitator {
        Some(path) => {
            let briefing = briefing::told(&plan, args, &redis, (&rules, &pack), terms);
            let inputs = args.rules.files.iter().chain(&args.runbook);
            let inputs = inputs.chain(&args.world.world).chain(&args.scenarios);
            Some(Facilitator::told(path, &briefing, inputs)?)
        }
        None => None,
    };
    let signals = Signals::listen()?;
    if let Some(begins) = &begins
        && let Some(exit) = waiting::wait(begins, &signals, terminal)?
    {
        return Ok(exit);
    }
    let alerts = heard::sources(&args.alerts, &rules.set, (args.speed, 1), terminal)?;
    heard::targets_are_free(&args.alerts, 1)?;
    let stamp = live::stamp(SystemTime::now());
    let dir = fresh(&args.out.join("rehearsals"), &stamp)?;
    let asked = Asked {
        terms,
        abort_when,
        conditions: args.abort_when.clone(),
        at_most_ms: args.at_most.map(|span| span.0),
        runbook,
        facilitator,
    };
    let set = LiveSet {
        workers,
        speed: args.speed,
        jobs: Jobs::Auto,
        redis,
        rules,
        pack,
        alerts,
        targets_in: args.alerts.targets_in.clone(),
        view: args.view.clone(),
    };
    let job = Job {
        plan,
        dir: dir.path().to_path_buf(),
    };
    let left = Room::hold(&set, &job, speed, asked, &signals, terminal)?;
    after::debrief(&set, &dir, left, terminal)
}

/// Of scenarios that nobody is to know of those that can be played with the Redis and the workers at hand: a refusal would name the
/// one that was drawn.
fn playable(
    plans: Vec<Plan>,
    args: &args::Rehearse,
    redis: &RedisSource,
) -> Result<Vec<Plan>, Failure> {
    let has_redis = |plan: &Plan| match redis {
        RedisSource::Given(address) => live::leaves_redis_alone(address, [plan]).is_ok(),
        _ => true,
    };
    let can = |plan: &Plan| has_redis(plan) && target::can_play(&args.target, plan);
    let plans: Vec<Plan> = plans.into_iter().filter(can).collect();
    match plans.is_empty() {
        true => Err(Failure::refused(
            "--blind: none of the scenarios that were named can be played here: they do something to Redis itself, and --redis names \
             one that is not the drill's own, or they need workers of firedrill's",
        )),
        false => Ok(plans),
    }
}

/// One of several, by the seed.
fn drawn(mut plans: Vec<Plan>, seed: u64) -> Result<Plan, Failure> {
    let count = plans.len() as u64;
    let mut dice = rng::Numbered::new(seed, "rehearsal/scenario").throw(0, 0);
    let place = dice.bits().checked_rem(count);
    let place = place.and_then(|place| usize::try_from(place).ok());
    match place {
        Some(place) => Ok(plans.swap_remove(place)),
        None => Err(Failure::usage("no scenario is among what was named")),
    }
}

/// A seed where none was given.
fn moment(now: SystemTime) -> u64 {
    let since = now.duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

fn runbook(path: &Path) -> Result<Runbook, Failure> {
    let text = inputs::read(path)?;
    Ok(Runbook::read(&shown(path).to_string(), &text))
}
