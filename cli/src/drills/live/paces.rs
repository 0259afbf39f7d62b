//! At which pace live drills run: what was asked for, or what this machine bears.

use super::{Job, LiveSet, failure};
use crate::args::{Jobs, Speed};
use crate::failure::Failure;
use crate::progress::about;
use crate::signals::Signals;
use firedrill_asynq::clock::Time;
use firedrill_sim::drill::DrillError;
use firedrill_sim::engine::live::{LiveError, LiveOptions, TARGETS_FILE, Workers};
use firedrill_sim::pace::{self, Machine, Pace, Packing, measure};
use firedrill_sim::plan::Demand;
use firedrill_sim::redis_server::given::journal;
use firedrill_sim::redis_server::private::RedisSource;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use tokio::runtime::Runtime;

/// Most drills at a time that are chosen by themselves, per processor.
const SIDE_BY_SIDE: usize = 4;
/// How often a drill that was too fast is run again, slower.
pub(super) const AGAIN: u32 = 3;

impl LiveSet {
    /// Most drills at a time.
    fn most(&self) -> usize {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        match (&self.redis, self.jobs) {
            // They would get into each other's queues.
            (RedisSource::Given(_), _) => 1,
            // Their ports and files are named once.
            _ if !self.workers.are_ours() => 1,
            (_, Jobs::Fixed(jobs)) => jobs.get(),
            (_, Jobs::Auto) => cores * SIDE_BY_SIDE,
        }
    }

    /// At which pace each job is to run; `None`: somebody has asked to stop. A machine is only measured where something
    /// follows from it.
    pub(super) fn paced(
        &self,
        jobs: &[Job],
        runtime: &Runtime,
        signals: &Signals,
    ) -> Result<Option<Paces>, Failure> {
        let demands: Vec<Demand> = jobs.iter().map(|job| Demand::of(&job.plan)).collect();
        let most = self.most();
        // What was given is somebody's: nothing is tried out on it that need not be.
        let given = matches!(self.redis, RedisSource::Given(_));
        if let Speed::Fixed(speed) = self.speed
            && (given || is_light(&demands, speed, most))
        {
            let paces = demands
                .iter()
                .map(|demand| (*demand, Pace { speed, load: 0.0 }));
            let jobs: Vec<(Demand, Pace)> = paces.collect();
            return Ok(Some(Paces {
                budget: f64::INFINITY,
                most,
                now: jobs.clone(),
                jobs,
                machine: None,
            }));
        }
        let Some(machine) = self.measured(runtime, signals)? else {
            return Ok(None);
        };
        let of = |demand: &Demand| match self.speed {
            Speed::Fixed(speed) => machine.at(demand, speed),
            Speed::Auto => machine.pace(demand),
        };
        let paces: Vec<(Demand, Pace)> =
            demands.iter().map(|demand| (*demand, of(demand))).collect();
        let budget = match self.jobs {
            // Somebody has said how many.
            Jobs::Fixed(_) => f64::INFINITY,
            Jobs::Auto => machine.budget(),
        };
        refuse_hopeless(self, &machine, &paces, jobs, most)?;
        Ok(Some(Paces {
            budget,
            most,
            now: paces.clone(),
            jobs: paces,
            machine: Some(machine),
        }))
    }

    /// What drills cost here; `None`: somebody has asked to stop.
    fn measured(&self, runtime: &Runtime, signals: &Signals) -> Result<Option<Machine>, Failure> {
        let dir = tempfile::tempdir().map_err(Failure::environment)?;
        let options = LiveOptions {
            exe: std::env::current_exe().map_err(Failure::environment)?,
            redis: self.redis.clone(),
            workers: Workers::Ours,
            speed: 1.0,
            epoch: Time::from_millis(0),
            dir: dir.path().to_path_buf(),
            targets_file: dir.path().join(TARGETS_FILE),
            state: journal::state_dir(),
            abort: signals.abort(),
            reached_ms: Arc::new(AtomicI64::new(0)),
            gives_up: false,
            alerts: None,
            noted: None,
            rehearsal: None,
        };
        let _hold = signals.hold();
        match runtime.block_on(measure::measure(&options, dir.path())) {
            Ok(machine) => Ok(Some(machine)),
            Err(DrillError::Live(LiveError::Stopped)) => Ok(None),
            Err(error) => {
                if matches!(error, DrillError::NotCleaned { .. }) {
                    signals.left_something();
                }
                Err(failure(&error))
            }
        }
    }

    /// Whether a drill that turns out to be too fast is to be run again: a speed somebody asked for is kept.
    pub(super) fn may_go_again(&self, tries: u32, speed: f64) -> bool {
        self.speed == Speed::Auto && tries < AGAIN && speed > pace::SPEED_MIN
    }
}

/// How many times the handlers' time slots may be held longer before a speed somebody asks for is refused. A quarter makes a
/// drill inconclusive; the rest is room for an error of the measurement.
const HELD_HOPELESS: f64 = 20.0;

/// Dearest task there is, processor seconds: on a slow machine, without optimisation.
const DEAREST_TASK_S: f64 = 8e-3;

/// Whether drills ask so little that any machine bears it.
fn is_light(demands: &[Demand], speed: f64, most: usize) -> bool {
    let mut loads: Vec<f64> = demands
        .iter()
        .map(|demand| demand.tasks_per_s * speed * DEAREST_TASK_S)
        .collect();
    loads.sort_by(|one, other| other.total_cmp(one));
    loads.iter().take(most).sum::<f64>() <= 1.0
}

/// Refuses a speed or a number of drills this machine cannot keep.
fn refuse_hopeless(
    set: &LiveSet,
    machine: &Machine,
    paces: &[(Demand, Pace)],
    jobs: &[Job],
    most: usize,
) -> Result<(), Failure> {
    if let Speed::Fixed(speed) = set.speed {
        for ((demand, pace), job) in paces.iter().zip(jobs) {
            if machine.is_hopeless(pace.load) {
                return Err(Failure::usage(format!(
                    "--speed {speed}: {} would need {:.1} processors, and this machine has {}; use --speed {} or --speed auto",
                    job.plan.name,
                    pace.load,
                    machine.cores,
                    machine.pace(demand).speed,
                )));
            }
            let held = machine.held(demand, speed);
            if held > HELD_HOPELESS {
                return Err(Failure::usage(format!(
                    "--speed {speed}: this machine would hold the worker slots of {} {held:.0} times longer than its handlers \
                     work ({:.0} ms on average); use --speed {} or --speed auto",
                    job.plan.name,
                    demand.handler_ms,
                    machine.pace(demand).speed,
                )));
            }
        }
    }
    if let Jobs::Fixed(asked) = set.jobs {
        let mut loads: Vec<f64> = paces.iter().map(|(_, pace)| pace.load).collect();
        loads.sort_by(|one, other| other.total_cmp(one));
        let together = |count: usize| loads.iter().take(count).sum::<f64>();
        if machine.is_hopeless(together(most)) {
            let fits = (1..most)
                .rev()
                .find(|count| together(*count) <= machine.cores);
            return Err(Failure::usage(format!(
                "--jobs {asked}: these drills would need {:.1} processors at a time, and this machine has {}; use --jobs {} or \
                 --jobs auto",
                together(most),
                machine.cores,
                fits.unwrap_or(1),
            )));
        }
    }
    Ok(())
}

/// At which pace jobs run.
pub(super) struct Paces {
    /// Processors that drills may be worth together.
    pub(super) budget: f64,
    /// Most drills at a time.
    pub(super) most: usize,
    /// What each asks of the machine, and how it runs.
    pub(super) jobs: Vec<(Demand, Pace)>,
    /// The same as it has turned out so far.
    now: Vec<(Demand, Pace)>,
    machine: Option<Machine>,
}

impl Paces {
    /// For people, before it begins.
    pub(super) fn told(&self, jobs: &[Job]) -> String {
        let count = jobs.len();
        let mut text = format!("{count} drill{}", if count == 1 { "" } else { "s" });
        let speeds = || self.jobs.iter().map(|(_, pace)| pace.speed);
        let (slowest, fastest) = (
            speeds().fold(f64::MAX, f64::min),
            speeds().fold(0.0, f64::max),
        );
        if slowest < fastest {
            text.push_str(&format!(" at {slowest}x to {fastest}x"));
        } else {
            text.push_str(&format!(" at {fastest}x"));
        }
        let seconds = Packing::seconds(&self.jobs, self.budget, self.most);
        text.push_str(&format!(", about {}", about(seconds)));
        if let Some(machine) = &self.machine {
            text.push_str(&format!(
                "; this machine: {:.2} ms of processor time a task, {:.1} of {} processors free",
                machine.task_s * 1e3,
                machine.free,
                machine.cores
            ));
        }
        text
    }

    /// For how many seconds drills still go on that have come so far, virtual milliseconds; `None`: one is over.
    pub(super) fn left_s(&self, reached_ms: impl Iterator<Item = Option<i64>>) -> f64 {
        let left = self.now.iter().zip(reached_ms);
        let left = left.filter_map(|((demand, pace), reached_ms)| {
            let duration_ms = (demand.duration_ms - reached_ms?).max(0);
            let rest = Demand {
                duration_ms,
                ..*demand
            };
            Some((rest, *pace))
        });
        Packing::seconds(&left.collect::<Vec<_>>(), self.budget, self.most)
    }

    /// How a drill that was too fast at `speed` goes again. What takes longer leaves more of the machine to others, too.
    pub(super) fn slower(&mut self, row: usize, speed: f64) -> Pace {
        let (_, planned) = self.jobs[row];
        let slower = (speed / 2.0).floor().max(pace::SPEED_MIN);
        let pace = Pace {
            speed: slower,
            // It has turned out to be dearer than was thought.
            load: planned.load / planned.speed * speed,
        };
        self.now[row].1 = pace;
        pace
    }
}
