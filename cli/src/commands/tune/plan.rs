//! `firedrill tune` over the plan: how many workers, slots, or arrivals until the backlog drains in time; and, where rules or an Alertmanager file are
//! given, whether somebody is told in time.

use super::told::{TOLD, Told};
use crate::args::Tune;
use crate::drills::live;
use crate::drills::shards::{self, Joined, Sweep, TunePlan, Writer};
use crate::drills::simulate::{Lines, on_all_cores, plans, threads};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::inputs;
use crate::signals::Signals;
use crate::terminal::Terminal;
use firedrill_detector::text::counted;
use firedrill_reports::{DrillScore, score_recorded};
use firedrill_sim::drill;
use firedrill_sim::estimate::Estimate;
use firedrill_sim::plan::Plan;
use firedrill_sim::scenario::Scenario;
use firedrill_sim::units;
use firedrill_sim::vary::{PlanAxis, each_combination};
use firedrill_sim::whatif::{Figures, judged, simulate};
use serde_json::json;
use std::time::SystemTime;

/// Most drills of one call.
const DRILLS_MAX: usize = 100_000;

/// Whether an argument of `--vary` names a value of the plan.
pub(crate) fn is_of_plan(vary: &str) -> bool {
    PlanAxis::is_named(vary)
}

/// What became of one combination of values on one scenario.
struct Row {
    scenario: String,
    values: Vec<String>,
    came: Vec<Figures>,
    /// What rules come to, where they are judged.
    told: Option<Told>,
}

/// Every combination of values on every scenario.
struct Grid {
    names: Vec<String>,
    jobs: Vec<Plan>,
    rows: Vec<Row>,
}

impl Grid {
    fn new(
        scenarios: &[Scenario],
        vary: &[String],
        (seed, trials): (Option<u64>, u32),
    ) -> Result<Self, Failure> {
        let mut axes = Vec::new();
        let mut wrong = Vec::new();
        for vary in vary {
            match PlanAxis::parse(vary) {
                Ok(axis) => axes.push(axis),
                Err(problem) => wrong.push(problem.to_string()),
            }
        }
        if !wrong.is_empty() {
            return Err(Failure {
                exit: Exit::Usage,
                messages: wrong,
            });
        }
        let combinations: u128 = axes.iter().map(|axis| axis.values.len() as u128).product();
        let drills = combinations * u128::from(trials) * scenarios.len() as u128;
        if drills > DRILLS_MAX as u128 {
            return Err(Failure::usage(format!(
                "--vary: {combinations} combinations under {} on {} are {drills} drills; \
                 the limit is {DRILLS_MAX}: take larger steps (`/STEP`) or fewer trials",
                counted(trials, "seed"),
                counted(scenarios.len(), "scenario")
            )));
        }
        let mut jobs = Vec::new();
        let mut rows: Vec<Row> = Vec::new();
        for scenario in scenarios {
            let trials = plans(std::slice::from_ref(scenario), seed, trials)?;
            for values in each_combination(&axes) {
                for plan in &trials {
                    let mut plan = plan.clone();
                    for (axis, value) in axes.iter().zip(&values) {
                        axis.apply(*value, &mut plan).map_err(Failure::usage)?;
                    }
                    jobs.push(plan);
                }
                rows.push(Row {
                    scenario: trials[0].name.clone(),
                    values: axes
                        .iter()
                        .zip(&values)
                        .map(|(axis, value)| axis.show(*value))
                        .collect(),
                    came: Vec::new(),
                    told: None,
                });
            }
        }
        Ok(Self {
            names: axes.iter().map(|axis| axis.name.clone()).collect(),
            jobs,
            rows,
        })
    }

    /// Prints what the drills came to, in the order of the jobs, and says which values will do.
    fn conclude(
        mut self,
        came: &[Came],
        (trials, goal_ms): (u32, Option<i64>),
        json: bool,
        terminal: &Terminal,
    ) -> Exit {
        for (row, came) in self.rows.iter_mut().zip(came.chunks(trials as usize)) {
            row.came = came.iter().map(|(figures, _)| figures.clone()).collect();
            row.told = Told::of(came.iter().filter_map(|(_, score)| score.clone()).collect());
        }
        terminal.plain_result(&if json {
            as_json(&self.names, &self.rows)
        } else {
            as_text(&self.names, &self.rows)
        });
        goal_ms.map_or(Exit::Passed, |goal_ms| {
            answer(&self.names, &self.rows, goal_ms, terminal)
        })
    }
}

/// What a drill came to, and what rules made of it, where they are judged.
type Came = (Figures, Option<DrillScore>);

/// Tries every combination on every scenario.
///
/// # Errors
/// When an input is wrong or too large (nothing was started).
pub(crate) fn run(args: &Tune, terminal: &Terminal) -> Result<Exit, Failure> {
    let goal_ms = args.drain_within.map(|within| within.0);
    let named = inputs::for_drills(&args.inputs, &args.rules).in_world(&args.world);
    let asks_who_is_told = !named.rules.is_empty()
        || !args.rules.pages.is_empty()
        || args.routing.alertmanager.is_some()
        || args.delivery.is_given();
    let (judge, scenarios) = match asks_who_is_told {
        true => {
            let (rules, pack, scenarios) = inputs::rules_and(
                &named,
                &args.rules,
                args.rules.dialect.of_new_drills(),
                (args.delivery, &args.routing),
                inputs::modelled(&named.scenarios, terminal),
                terminal,
            )?;
            (Some((rules, pack)), scenarios)
        }
        false => {
            let named = named.understood()?;
            (None, inputs::modelled(&named.scenarios, terminal)?)
        }
    };
    let params = args.delivery.params();
    let grid = Grid::new(&scenarios, &args.vary, (args.seed, args.trials))?;
    let shard = args.sharding.shard()?;
    if let Some(shard) = shard {
        shards::enough(shard, grid.jobs.len())?;
    }
    let jobs: Vec<&Plan> = match shard {
        Some(shard) => {
            let numbers = shard.numbers(grid.jobs.len());
            numbers.map(|number| &grid.jobs[number]).collect()
        }
        None => grid.jobs.iter().collect(),
    };
    let threads = threads(args.jobs.fixed(), jobs.len());
    for plan in &jobs {
        let estimate = Estimate::of(plan, false);
        let checked = estimate.check(&plan.name, args.memory.max_memory.0, threads, 0);
        checked.map_err(Failure::usage)?;
    }
    if let Some((rules, _)) = &judge {
        inputs::bounded(rules, jobs.iter().copied())?;
    }
    let sharded = match shard {
        Some(shard) => {
            let rules = judge.as_ref().map(|(rules, _)| rules);
            let first = plans(&scenarios, args.seed, 1)?;
            let headers = first.iter().map(|plan| drill::virtual_header(plan, rules));
            let asked = TunePlan {
                vary: args.vary.clone(),
                drain_within_ms: goal_ms,
            };
            let command = shards::Command::TunePlan(asked);
            let whole = grid.jobs.len();
            let sweep = Sweep::new(command, args.trials, whole, headers.collect());
            let dir = shards::dir(&args.out, &live::stamp(SystemTime::now()), shard)?;
            let writer = Writer::create(dir.path(), shard, &sweep)?;
            Some((shard, dir, writer))
        }
        None => None,
    };
    let signals = Signals::listen()?;
    let abort = signals.flag();
    terminal.started();
    let lines = Lines::new(terminal, jobs.len());
    let came: Vec<Came> =
        on_all_cores(
            &jobs,
            threads,
            &abort,
            &|done| lines.tell(done),
            &|plan| match &judge {
                None => (simulate(plan, &abort), None),
                Some((rules, pack)) => {
                    let (figures, record) = judged(plan, rules, &abort);
                    (figures, Some(score_recorded(&record, pack, &params)))
                }
            },
        );
    if let Some(exit) = signals.exit() {
        return Ok(exit);
    }
    if let Some((shard, dir, mut writer)) = sharded {
        came.iter().try_for_each(|one| writer.add(one))?;
        let drills = (came.len(), grid.jobs.len());
        return shards::done(writer, dir.path(), shard, drills, terminal);
    }
    Ok(grid.conclude(&came, (args.trials, goal_ms), args.json, terminal))
}

/// The same over all shards of one search.
pub(super) fn joined(
    asked: &TunePlan,
    joined: Joined,
    json: bool,
    terminal: &Terminal,
) -> Result<Exit, Failure> {
    let trials = joined.sweep.trials;
    let grid = Grid::new(&joined.sweep.scenarios(&[])?, &asked.vary, (None, trials))?;
    let mut came: Vec<Came> = Vec::new();
    joined.outcomes(&mut |_, one| {
        came.push(one);
        Ok(())
    })?;
    Ok(grid.conclude(&came, (trials, asked.drain_within_ms), json, terminal))
}

impl Row {
    /// The value at a share of the trials, by nearest rank; what never drained is later than anything.
    fn drained_ms(&self, share: f64) -> Option<i64> {
        let drained = self
            .came
            .iter()
            .map(|came| came.drained_ms.unwrap_or(i64::MAX));
        Some(at(drained.collect(), share)).filter(|ms| *ms < i64::MAX)
    }

    fn worst(&self, of: impl Fn(&Figures) -> i64) -> i64 {
        at(self.came.iter().map(of).collect(), 0.9)
    }
}

fn at(mut values: Vec<i64>, share: f64) -> i64 {
    values.sort_unstable();
    let rank = (values.len() as f64 * share).ceil() as usize;
    values.get(rank.max(1) - 1).copied().unwrap_or(0)
}

fn minutes(ms: Option<i64>) -> String {
    ms.map_or("never".into(), since)
}

/// After, or before, what it counts from.
pub(super) fn since(ms: i64) -> String {
    let sign = if ms < 0 { '-' } else { '+' };
    format!("{sign}{}", clock(ms.abs()))
}

/// Minutes and seconds, as scorecards have them.
fn clock(ms: i64) -> String {
    format!("{}:{:02}", ms / 60_000, ms / 1_000 % 60)
}

fn as_text(names: &[String], rows: &[Row]) -> String {
    let told = rows.first().and_then(|row| row.told.as_ref());
    let mut table: Vec<Vec<String>> = vec![
        ["scenario".to_owned()]
            .into_iter()
            .chain(names.iter().cloned())
            .chain(
                [
                    "drained, median",
                    "p90",
                    "deepest queue",
                    "wait p99",
                    "late",
                ]
                .map(str::to_owned),
            )
            .chain(told.iter().flat_map(|_| TOLD.map(str::to_owned)))
            .collect(),
    ];
    for row in rows {
        let late = row.came.iter().map(|came| came.late).sum::<u64>();
        let tasks = row.came.iter().map(|came| came.tasks).sum::<u64>().max(1);
        table.push(
            [row.scenario.clone()]
                .into_iter()
                .chain(row.values.iter().cloned())
                .chain([
                    minutes(row.drained_ms(0.5)),
                    minutes(row.drained_ms(0.9)),
                    row.worst(|came| came.deepest).to_string(),
                    clock(row.worst(|came| came.wait_p99_ms)),
                    format!("{:.1} %", late as f64 * 100.0 / tasks as f64),
                ])
                .chain(row.told.iter().flat_map(Told::cells))
                .collect(),
        );
    }
    let widths: Vec<usize> = (0..table[0].len())
        .map(|column| {
            table
                .iter()
                .map(|row| row[column].chars().count())
                .max()
                .unwrap_or(0)
        })
        .collect();
    let mut text = String::new();
    for row in &table {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text.push_str(
        "drained: from the end of the last incident (or the first harmless event) until no more tasks wait than there are \
         slots; deepest queue and wait p99: what nine of ten drills stay below; late: tasks that waited beyond their \
         queue's objective\n",
    );
    if told.is_some() {
        text.push_str(
            "told in time: incidents of which somebody was told by the deadline; told, median: of those that deserve a page, from the \
             fault on; false alarms: pages and tickets about nothing\n",
        );
    }
    text
}

fn as_json(names: &[String], rows: &[Row]) -> String {
    let rows: Vec<serde_json::Value> = rows
        .iter()
        .map(|row| {
            let values: serde_json::Map<String, serde_json::Value> = names
                .iter()
                .cloned()
                .zip(row.values.iter().map(|value| json!(value)))
                .collect();
            let seconds = |ms: Option<i64>| ms.map(|ms| ms as f64 / 1e3);
            let mut value = json!({
                "scenario": row.scenario,
                "values": values,
                "trials": row.came.len(),
                "drained_seconds_median": seconds(row.drained_ms(0.5)),
                "drained_seconds_p90": seconds(row.drained_ms(0.9)),
                "deepest_queue_p90": row.worst(|came| came.deepest),
                "wait_p99_seconds_p90": row.worst(|came| came.wait_p99_ms) as f64 / 1e3,
                "late_tasks": row.came.iter().map(|came| came.late).sum::<u64>(),
                "tasks": row.came.iter().map(|came| came.tasks).sum::<u64>(),
            });
            if let Some(told) = &row.told {
                value["told"] = told.as_json();
            }
            value
        })
        .collect();
    let all = json!({ "varied": names, "rows": rows });
    serde_json::to_string_pretty(&all).expect("plain data")
}

/// The first combination in the order given that drains in time in nine of ten drills, for every scenario.
fn answer(names: &[String], rows: &[Row], goal_ms: i64, terminal: &Terminal) -> Exit {
    let mut exit = Exit::Passed;
    let goal = units::format(goal_ms);
    let mut scenarios: Vec<&str> = rows.iter().map(|row| row.scenario.as_str()).collect();
    scenarios.dedup();
    for scenario in scenarios {
        let in_time = |row: &&Row| row.drained_ms(0.9).is_some_and(|ms| ms <= goal_ms);
        let found = rows
            .iter()
            .filter(|row| row.scenario == scenario)
            .find(in_time);
        match found {
            Some(row) => {
                let values: Vec<String> = names
                    .iter()
                    .zip(&row.values)
                    .map(|(name, value)| format!("{name} = {value}"))
                    .collect();
                terminal.say(format_args!(
                    "{scenario}: drained within {goal} with {}",
                    values.join(", ")
                ));
            }
            None => {
                terminal.say(format_args!(
                    "{scenario}: not drained within {goal} with any of these values"
                ));
                exit = Exit::GateFailed;
            }
        }
    }
    exit
}
