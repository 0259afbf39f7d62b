//! A process that works in batches and is killed in the middle of its work, on a real Redis.

use crate::examples::{Killed, examples};
use crate::support::{Bench, NOW, Op, Persistence, key, need, task};
use crate::wait::eventually;
use firedrill_asynq::op::{Accepted, Reply};
use redis::Commands;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

const TASKS: usize = 3_000;
/// How many handlers have been called when a worker is killed, worker by worker.
const KILLED_AFTER: [usize; 3] = [1, 400, 777];
/// At this speed leases are over and recovered within seconds.
const SPEED: &str = "60";

/// A worker, and the ids of the tasks that its handlers were called for.
fn worker(bench: &Bench, examples: &Path) -> (Killed, impl Iterator<Item = String> + use<>) {
    let child = Command::new(examples.join("batches"))
        .args([&bench.server.url(), SPEED])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut worker = Killed(child);
    let lines = BufReader::new(worker.0.stdout.take().unwrap()).lines();
    (worker, lines.map(Result::unwrap))
}

#[test]
fn a_killed_worker_loses_no_task_and_what_it_had_finished_is_not_done_again() {
    need!("redis-server");
    let examples = examples();
    let mut bench = Bench::new(Persistence::None, 1.0);
    let messages = (0..TASKS).map(|id| task(&id.to_string())).collect();
    let enqueued = bench.call(Op::EnqueueBatch { messages, now: NOW });
    let new = vec![Ok(Accepted::New); TASKS];
    assert_eq!(enqueued, Ok(Reply::EnqueuedBatch(new)));

    let mut called: BTreeMap<String, usize> = BTreeMap::new();
    // What was in progress when a worker was killed: those, and no others, may be worked on again.
    let mut in_progress: Vec<String> = Vec::new();
    for after in KILLED_AFTER {
        let (mut worker, mut ids) = worker(&bench, &examples);
        for id in ids.by_ref().take(after) {
            *called.entry(id).or_default() += 1;
        }
        worker.0.kill().unwrap();
        worker.0.wait().unwrap();
        for id in ids {
            *called.entry(id).or_default() += 1;
        }
        in_progress.extend(bench.list("active"));
        let taken: BTreeSet<String> = bench.list("active").into_iter().collect();
        let leased: BTreeSet<String> = bench.set("lease").into_iter().map(|(id, _)| id).collect();
        assert_eq!(taken, leased, "a batch is taken whole, with its leases");
    }
    assert!(
        !in_progress.is_empty(),
        "kills came in the middle of the work"
    );
    let (last, ids) = worker(&bench, &examples);
    let hear = std::thread::spawn(move || ids.collect::<Vec<String>>());
    eventually("all are done", || {
        let left: usize = redis::cmd("EXISTS")
            .arg(
                (0..TASKS)
                    .map(|id| key(&format!("t:{id}")))
                    .collect::<Vec<_>>(),
            )
            .query(&mut bench.redis)
            .unwrap();
        (left == 0).then_some(())
    });
    drop(last);
    for id in hear.join().unwrap() {
        *called.entry(id).or_default() += 1;
    }
    assert_eq!(called.len(), TASKS, "none is lost");
    for (id, times) in &called {
        let kills = in_progress
            .iter()
            .filter(|at_a_kill| *at_a_kill == id)
            .count();
        assert!(
            (1..=1 + kills).contains(times),
            "{id}: {times} calls, {kills} kills"
        );
    }
    // Recoverers count an attempt of their own.
    let [processed, failed]: [u64; 2] =
        ["processed", "failed"].map(|counter| bench.redis.get(key(counter)).unwrap_or(0));
    assert_eq!(processed - failed, TASKS as u64, "each is finished once");
}
