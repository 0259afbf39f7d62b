//! The `asynq` crate in the comparison of throughputs (`benches/peers/throughput`): one workload against a Redis that is there,
//! one line of JSON. Its own client and server, as a program has them.

use anyhow::{Result, bail};
use asynq::backend::RedisConnectionType;
use asynq::client::Client;
use asynq::config::ServerConfig;
use asynq::server::{HandlerFunc, ServerBuilder};
use asynq::task::Task;
use clap::{Parser, ValueEnum};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// Tasks that are enqueued and not worked on yet, at most, where both are done at once.
const WINDOW: usize = 1_000;
/// Who enqueues at the same time.
const PRODUCERS: usize = 50;
const PAYLOAD: &[u8] =
    br#"{"user":1234567890,"template":"welcome","locale":"en-GB","campaign":"----------------------------x"}"#;

#[derive(Parser)]
struct Arguments {
    workload: Workload,
    /// Port of the Redis, on loopback.
    #[arg(long)]
    port: u16,
    /// How long tasks are produced.
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// How many are in the queue, where none are produced.
    #[arg(long, default_value_t = 0)]
    tasks: u64,
    /// Most tasks worked on at a time.
    #[arg(long, default_value_t = 100)]
    concurrency: usize,
}

#[derive(Clone, Copy, ValueEnum)]
enum Workload {
    Cycle,
    Drain,
    Enqueue,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (tasks, wall) = runtime.block_on(run(&arguments))?;
    println!(
        r#"{{"tasks":{tasks},"wall_seconds":{}}}"#,
        wall.as_secs_f64()
    );
    // Its server waits for a signal, and nothing else ends it.
    std::process::exit(0)
}

async fn run(arguments: &Arguments) -> Result<(u64, Duration)> {
    let redis = RedisConnectionType::single(format!("redis://127.0.0.1:{}", arguments.port))?;
    let done = Arc::new(AtomicU64::new(0));
    let start = Instant::now();
    let gate = Arc::new(Semaphore::new(match arguments.workload {
        Workload::Cycle => WINDOW,
        _ => Semaphore::MAX_PERMITS,
    }));
    if !matches!(arguments.workload, Workload::Enqueue) {
        let config = ServerConfig::new()
            .concurrency(arguments.concurrency)
            .task_check_interval(Duration::from_millis(2));
        let mut server = ServerBuilder::new()
            .redis_config(redis.clone())
            .server_config(config)
            .build()
            .await?;
        let (done, gate) = (done.clone(), gate.clone());
        let open = matches!(arguments.workload, Workload::Cycle);
        tokio::spawn(async move {
            let handler = HandlerFunc::new(move |_: Task| {
                done.fetch_add(1, Ordering::Relaxed);
                if open {
                    gate.add_permits(1);
                }
                Ok(())
            });
            if let Err(error) = server.start(handler).await {
                eprintln!("the server ended: {error}");
                std::process::exit(1);
            }
        });
    }
    let tasks = match arguments.workload {
        Workload::Drain if arguments.tasks == 0 => bail!("--tasks says how many there are"),
        Workload::Drain => arguments.tasks,
        _ => produce(arguments, redis, gate).await?,
    };
    if !matches!(arguments.workload, Workload::Enqueue) {
        while done.load(Ordering::Relaxed) < tasks {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    Ok((tasks, start.elapsed()))
}

/// Enqueues until the time is over, or the gate holds it up; answers how many.
async fn produce(
    arguments: &Arguments,
    redis: RedisConnectionType,
    gate: Arc<Semaphore>,
) -> Result<u64> {
    let client = Arc::new(Client::new(redis).await?);
    let end = Instant::now() + Duration::from_secs_f64(arguments.seconds);
    let mut producers = tokio::task::JoinSet::new();
    for _ in 0..PRODUCERS {
        let (client, gate) = (client.clone(), gate.clone());
        producers.spawn(async move {
            let mut tasks = 0;
            while Instant::now() < end {
                gate.acquire().await?.forget();
                client.enqueue(Task::new("email:send", PAYLOAD)?).await?;
                tasks += 1;
            }
            anyhow::Ok(tasks)
        });
    }
    let mut tasks = 0;
    while let Some(produced) = producers.join_next().await {
        tasks += produced??;
    }
    Ok(tasks)
}
