//! Our side of the comparison of throughputs (`benches/peers/throughput`): runs one workload against a Redis that is there, and
//! prints one line of JSON.
//!
//! `ours` is the client and the server that programs use, task by task or in batches; `limit` calls asynq's three scripts from
//! a client that does nothing else; `fill` and `hold` prepare the Redis.

mod limit;
mod ours;
mod stock;

use anyhow::Result;
use clap::{Args, Parser, ValueEnum};
use serde_json::json;
use std::time::{Duration, Instant};

/// Tasks that are enqueued and not worked on yet, at most, where both are done at once: who produces faster waits.
const WINDOW: u32 = 1_000;
/// The queue of all tasks.
const QUEUE: &str = "default";

#[derive(Parser)]
enum Command {
    /// The client and the server of the `asynq/` crate.
    Ours(ours::Arguments),
    /// The three scripts, called from a bare client.
    Limit(limit::Arguments),
    /// Puts so many tasks into the queue.
    Fill(stock::Arguments),
    /// Takes so many tasks and never finishes them.
    Hold(stock::Arguments),
}

/// What is done, by whom, and for how long.
#[derive(Args, Clone, Copy)]
struct Job {
    workload: Workload,
    /// Port of the Redis, on loopback.
    #[arg(long)]
    port: u16,
    /// How long tasks are produced, where they are.
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// How many tasks are in the queue, where none are produced.
    #[arg(long, default_value_t = 0)]
    tasks: u64,
    /// Most tasks worked on at a time.
    #[arg(long, default_value_t = 100)]
    concurrency: usize,
}

impl Job {
    fn url(self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    fn length(self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Workload {
    /// Tasks are enqueued and worked on at the same time.
    Cycle,
    /// Tasks that are there are worked on.
    Drain,
    /// Tasks are enqueued and nobody works on them.
    Enqueue,
    /// As many tasks as the server has slots are worked on at the same time.
    Memory,
}

/// What a workload came to.
#[derive(Debug, Clone, Copy)]
enum Outcome {
    Did { tasks: u64, wall: Duration },
    Took { tasks: u64, bytes: u64 },
}

impl Outcome {
    fn since(start: Instant, tasks: u64) -> Self {
        Self::Did {
            tasks,
            wall: start.elapsed(),
        }
    }
}

/// Runs something on one thread.
fn block_on(work: impl Future<Output = Result<Outcome>>) -> Result<Outcome> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(work)
}

fn main() -> Result<()> {
    let outcome = match Command::parse() {
        Command::Ours(arguments) => ours::run(&arguments)?,
        Command::Limit(arguments) => limit::run(&arguments)?,
        Command::Fill(arguments) => stock::fill(&arguments)?,
        Command::Hold(arguments) => stock::hold(&arguments)?,
    };
    let figures = match outcome {
        Outcome::Did { tasks, wall } => {
            json!({ "tasks": tasks, "wall_seconds": wall.as_secs_f64() })
        }
        Outcome::Took { tasks, bytes } => json!({ "tasks": tasks, "bytes": bytes }),
    };
    println!("{figures}");
    Ok(())
}
