//! What a task costs on this machine: a small drill with the real parts, and the processor time it took.

use crate::drill::{self, DrillError};
use crate::engine::Observation;
use crate::engine::live::{self, LiveError, LiveOptions};
use crate::pace::Machine;
use crate::plan::Plan;
use crate::scenario::{PlanOptions, Scenario};
use std::fs;
use std::io;
use std::path::Path;
use std::time::{Instant, SystemTime};

/// Its speed.
const SPEED: f64 = 30.0;
/// Clock ticks a second in `/proc`: the same on every Linux of today (`USER_HZ`).
const TICKS_PER_S: f64 = 100.0;
/// Least share of the processors that drills get, whatever others do: the kernel shares them out.
const SHARE_MIN: f64 = 0.5;
/// What is taken for a task where the system does not tell, seconds.
const TASK_S: f64 = 1e-3;

/// A real second and a quarter of work.
const SCENARIO: &str = "\
version: firedrill/v1
name: pace
family: benign
summary: Measures what a task costs.
seed: 1
duration: 38s
warmup: 1s
queues: { default: { priority: 1, wait_objective: 60s } }
workload:
  - { task: work, queue: default, arrivals: { constant: 8/s }, service: { constant: 300ms } }
workers:
  - { name: w, processes: 1, concurrency: 10 }
benign: [ { what: nothing, at: 0s, until: 38s } ]
";

/// Measures. `options` are those of a drill to come: its Redis, its executable; `dir` is for what is left of it.
///
/// # Errors
/// As a drill.
///
/// # Panics
/// Never: the scenario is a constant, and a test resolves it.
pub async fn measure(options: &LiveOptions, dir: &Path) -> Result<Machine, DrillError> {
    let plan = plan();
    let options = LiveOptions {
        speed: SPEED,
        epoch: drill::live_epoch(SystemTime::now(), &plan, SPEED),
        dir: dir.to_path_buf(),
        targets_file: dir.join(live::TARGETS_FILE),
        gives_up: false,
        ..options.clone()
    };
    let mut begun = None;
    let mut found = None;
    let ran = live::run(&plan, &options, &mut |observation| {
        // By then everybody has been started, which is not what a task costs.
        begun.get_or_insert_with(|| (Used::now(), Instant::now()));
        if let Observation::Ledger { audited, lag } = observation {
            found = Some((audited.audit.enqueued, lag));
        }
        Ok(())
    })
    .await;
    if let Some(left) = ran.left {
        let also = ran.ended.err().map(|error| Box::new(error.into()));
        return Err(DrillError::NotCleaned { left, also });
    }
    let ended = ran.ended?;
    let (before, since) = begun.ok_or(LiveError::Stopped)?;
    let (after, seconds) = (Used::now(), since.elapsed().as_secs_f64());
    let (tasks, lag) = found.filter(|_| !ended.aborted).ok_or(LiveError::Stopped)?;
    let cores = std::thread::available_parallelism().map_or(2, usize::from) as f64;
    let used = before.ok().zip(after.ok());
    let ours_s = used.map_or(tasks as f64 * TASK_S, |(before, after)| {
        after.ours_s - before.ours_s
    });
    let all_s = used.map_or(ours_s, |(before, after)| after.all_s - before.all_s);
    let others = ((all_s - ours_s) / seconds).max(0.0);
    // Virtual milliseconds: a slot waits for two round trips, and for the handler's timer. What is taken off the handler's
    // time for that says nothing of drills whose handlers have less of it.
    let held_ms = (2 * lag.redis_ms[0] + lag.handler_ms[0].max(0)) as f64;
    Ok(Machine {
        task_s: ours_s.max(1.0 / TICKS_PER_S) / tasks.max(1) as f64,
        held_s: held_ms / 1e3 / SPEED,
        cores,
        free: (cores - others).max(cores * SHARE_MIN),
    })
}

fn plan() -> Plan {
    let scenario = Scenario::parse("pace.yaml", SCENARIO).expect("a constant");
    Plan::resolve(&scenario, &PlanOptions { seed: None }).expect("a constant")
}

/// Processor time used so far, seconds.
#[derive(Debug, Clone, Copy)]
struct Used {
    /// By this process and its children.
    ours_s: f64,
    /// By everybody on the machine.
    all_s: f64,
}

impl Used {
    fn now() -> io::Result<Self> {
        let number = |text: &str| text.parse::<f64>().map_err(io::Error::other);
        let own = std::process::id();
        // With its children that have ended: utime, stime, cutime and cstime.
        let mut ours = ticks("self", 4)?.1;
        for entry in fs::read_dir("/proc")? {
            let name = entry?.file_name();
            let process = name.to_str().filter(|name| name.parse::<u32>().is_ok());
            // One may end while it is looked at.
            if let Some((parent, used)) = process.and_then(|process| ticks(process, 2).ok())
                && parent == own
            {
                ours += used;
            }
        }
        let all = fs::read_to_string("/proc/stat")?;
        let line = all.lines().next().unwrap_or_default();
        // user nice system (idle iowait) irq softirq.
        let all = line.split_whitespace().skip(1).map(number);
        let all: Vec<f64> = all.collect::<io::Result<_>>()?;
        let idle: f64 = all.iter().skip(3).take(2).sum();
        let busy = all.iter().take(7).sum::<f64>() - idle;
        Ok(Self {
            ours_s: ours / TICKS_PER_S,
            all_s: busy / TICKS_PER_S,
        })
    }
}

/// The parent of a process, and the sum of the first so many of its times, in clock ticks.
fn ticks(process: &str, times: usize) -> io::Result<(u32, f64)> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The name may have anything in it, so count from its end.
    let (_, fields) = stat.rsplit_once(')').ok_or(io::ErrorKind::InvalidData)?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let parent = fields.get(1).and_then(|parent| parent.parse().ok());
    let used = fields
        .iter()
        .skip(11)
        .take(times)
        .map(|ticks| ticks.parse::<f64>());
    let used = used.sum::<Result<f64, _>>().map_err(io::Error::other)?;
    Ok((parent.ok_or(io::ErrorKind::InvalidData)?, used))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_small_drill_is_a_plan() {
        assert_eq!(plan().name, "pace");
    }

    #[test]
    fn a_process_knows_what_it_has_used() {
        let before = Used::now().unwrap();
        let mut x = 1u64;
        let since = Instant::now();
        while since.elapsed().as_millis() < 60 {
            x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        }
        let after = Used::now().unwrap();
        assert!(after.ours_s > before.ours_s, "{x}");
        assert!(after.all_s >= before.all_s);
    }
}
