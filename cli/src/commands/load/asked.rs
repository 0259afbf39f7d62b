//! What was typed as a load.

use crate::args::{self, Load, Redis};
use crate::failure::Failure;
use crate::inputs;
use crate::terminal::Terminal;
use firedrill_reports::load::{Drive, Sides};
use firedrill_reports::shard::Shard;
use firedrill_sim::drill::Rules;
use firedrill_sim::load::LoadPlan;
use firedrill_sim::load::options::Asked;
use firedrill_sim::plan::Plan;

/// Default rate, tasks per second.
const RATE: f64 = 100.0;
/// Default lengths, milliseconds.
const LASTS_MS: i64 = 30_000;
const SOAK_MS: i64 = 3_600_000;
/// Tasks per second that one producer process is trusted with.
const PER_PRODUCER: f64 = 20_000.0;
/// Bytes per second likewise.
const BYTES_PER_PRODUCER: f64 = 100e6;

/// The load that was asked for, and the rules with which a drill is recorded, if it takes one.
///
/// # Errors
/// With all that does not go together.
pub(super) fn read(args: &Load, terminal: &Terminal) -> Result<(LoadPlan, Option<Rules>), Failure> {
    goes_together(args)?;
    let (mut load, rules) = match &args.scenario {
        Some(scenario) => of_scenario(args, scenario, terminal)?,
        None => (at_rate(args, None, args.seed.unwrap_or(1))?, None),
    };
    load.shard = shard(args)?;
    Ok((load, rules))
}

/// Refuses what would be silently left undone.
fn goes_together(args: &Load) -> Result<(), Failure> {
    let refused = |why: String| Err(Failure::usage(why));
    if args.find_max && args.gates.are_given() {
        return refused(
            "--find-max: a search is not judged; leave gates, --baseline and files for pipelines away".to_owned(),
        );
    }
    if args.keep && (args.find_max || args.repeats.is_some_and(|repeats| repeats > 1)) {
        return refused(
            "--keep: each of several loads begins without the tasks of the one before; leave --find-max and --repeats away, or --keep"
                .to_owned(),
        );
    }
    for (option, queues) in [("--queue", &args.queues), ("--take", &args.take)] {
        let mut names: Vec<&str> = queues.iter().map(|(name, _)| &**name).collect();
        names.sort_unstable();
        if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return refused(format!("{option} {}: it is named twice", pair[0]));
        }
    }
    Ok(())
}

/// Refuses what a scenario with faults does not take: it is run as the drill that it is.
fn takes(args: &Load) -> Result<(), Failure> {
    let given = [
        (args.keep, "--keep", "a drill leaves nothing behind"),
        (
            args.backlog > 0,
            "--backlog",
            "tasks are those of its workload",
        ),
        (
            args.drain.is_some(),
            "--drain",
            "it is over when its plan says so",
        ),
        (
            args.batch.is_some(),
            "--batch",
            "its workers do as Go asynq, a task in a round trip",
        ),
    ];
    match given.into_iter().find(|(given, ..)| *given) {
        Some((_, option, why)) => Err(Failure::usage(format!(
            "{option}: a scenario with faults, remedies or periodic tasks is run as a drill, and {why}; leave {option} away"
        ))),
        None => Ok(()),
    }
}

/// Which shard is asked for, where that goes together with all else.
fn shard(args: &Load) -> Result<Option<Shard>, Failure> {
    let Some(shard) = args.sharding.shard()? else {
        return Ok(None);
    };
    let refused = |why: &str| Err(Failure::usage(format!("--shard {shard}: {why}")));
    if !matches!(args.server.redis, Redis::Given(_)) {
        return refused("shards meet in a Redis that all of them reach; name it with --redis");
    }
    if args.find_max || args.repeats.is_some() {
        return refused(
            "a load is parted, and no search and no repetitions; leave --find-max and --repeats away",
        );
    }
    if args.scenario.is_some() {
        return refused("faults are pulled by one command; leave --scenario away");
    }
    if args.gates.are_given() {
        return refused(
            "a part is not judged; give gates, --baseline and files for pipelines to `firedrill merge`",
        );
    }
    Ok(Some(shard))
}

/// The load of the arguments; `rate`: at this rate instead.
///
/// # Errors
/// As [`read`].
pub(super) fn at_rate(args: &Load, rate: Option<f64>, seed: u64) -> Result<LoadPlan, Failure> {
    let default_ms = if args.soak { SOAK_MS } else { LASTS_MS };
    let lasts_ms = match args.find_max {
        true => args.trial_ms()?,
        false => args.duration.map_or(default_ms, |span| span.0),
    };
    let first = rate.or(args.rate.map(|rate| rate.0)).unwrap_or(RATE);
    let stages = match (&args.stages, args.find_max) {
        (Some(_), true) => {
            return Err(Failure::usage(
                "--find-max tries rates of its own: leave --stages away, or name the first with --rate",
            ));
        }
        (Some(stages), false) => stages.0.clone(),
        (None, _) => vec![(first, lasts_ms)],
    };
    let most = stages.iter().map(|stage| stage.0).fold(0.0, f64::max);
    let asked = Asked {
        name: args.name.clone(),
        seed,
        stages,
        warmup_ms: args.warmup_ms(),
        evenly: args.evenly,
        queues: match args.take.is_empty() {
            true => args.queues.clone(),
            false => args.take.clone(),
        },
        taken: !args.take.is_empty(),
        strict: args.strict,
        payload: args.payload.map(|payload| payload.0),
        service: args.service,
        fail: args.fail,
        max_retry: args.max_retry,
        unique: args.unique,
        scheduled: (args.scheduled, args.ahead.0),
        grouped: args.grouped,
        retention_ms: args.retention.0,
        workers: args.workers.unwrap_or(1),
        concurrency: args.concurrency.unwrap_or(10),
        poll_ms: args.poll_ms()?,
    };
    let plan = asked.plan().map_err(|messages| Failure {
        messages,
        ..Failure::usage("")
    })?;
    let bytes = args.payload.map_or(0.0, |payload| payload.0.1 as f64) * most;
    let needed = (most / PER_PRODUCER).max(bytes / BYTES_PER_PRODUCER).ceil();
    // Each keeps one core busy: more of them than there are would only be in each other's way.
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let producers = (needed as u32).clamp(1, u32::try_from(cores).unwrap_or(64).min(64));
    Ok(load(args, plan, args.warmup_ms(), producers))
}

fn load(args: &Load, plan: Plan, warmup_ms: i64, producers: u32) -> LoadPlan {
    let command = super::command::command(args, plan.seed);
    LoadPlan {
        plan,
        warmup_ms,
        sides: match (args.produce_only, args.consume_only) {
            (true, _) => Sides::Produce,
            (_, true) => Sides::Consume,
            _ => Sides::Both,
        },
        drive: args
            .closed
            .map_or(Drive::Open, |loops| Drive::Closed { loops }),
        producers: args.producers.unwrap_or(producers),
        backlog: args.backlog,
        batch: args.batch(),
        taken: !args.take.is_empty(),
        shard: None,
        command,
    }
}

/// The load of a scenario.
fn of_scenario(
    args: &Load,
    scenario: &std::path::Path,
    terminal: &Terminal,
) -> Result<(LoadPlan, Option<Rules>), Failure> {
    let words = [scenario.to_owned()];
    // A drill is judged by the runbook's rules, so that it can be scored as well.
    let runbook = args::Rules::default();
    let named = inputs::for_drills(&words, &runbook);
    let plans = inputs::plans(&named.scenarios, args.seed);
    let (rules, _, plans) = inputs::rules_and(
        &named,
        &runbook,
        runbook.dialect.of_new_drills(),
        (args::Delivery::default(), &args::Routing::default()),
        plans,
        terminal,
    )?;
    let Ok([plan]) = <[Plan; 1]>::try_from(plans) else {
        return Err(Failure::usage(format!(
            "--scenario {}: name one scenario",
            scenario.display()
        )));
    };
    // Its own, in the whole seconds that tasks are counted by.
    let own_ms = (plan.warmup_ms + 999) / 1000 * 1000;
    let warmup_ms = args.warmup.map_or(own_ms, |wait| wait.0);
    if warmup_ms >= plan.duration_ms {
        return Err(Failure::usage(
            "--warmup: the scenario is over before anything would be measured",
        ));
    }
    let load = load(args, plan, warmup_ms, 1);
    if load.needs_a_drill() {
        takes(args)?;
    }
    let rules = load.needs_a_drill().then_some(rules);
    Ok((load, rules))
}
