//! The client and the server that programs use, in one process.

use crate::{Job, Outcome, WINDOW, Workload, block_on, stock};
use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use firedrill_asynq::broker::redis::{RedisBroker, RedisOptions};
use firedrill_asynq::server::Running;
use firedrill_asynq::{Client, Config, Context, NewTask, Server, Task};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;

/// Who enqueues at the same time: task by task, and in batches.
const PRODUCERS: (usize, usize) = (50, 4);

#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    job: Job,
    /// Most tasks of one round trip; 1: task by task, as asynq does.
    #[arg(long, default_value_t = 100)]
    batch: u32,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Outcome> {
    block_on(async {
        let url = arguments.job.url();
        let broker = RedisBroker::connect(&url, RedisOptions::at_speed(1.0)).await?;
        let side = Side {
            job: arguments.job,
            batch: arguments.batch,
            broker,
            done: Arc::new(Done::default()),
        };
        match arguments.job.workload {
            Workload::Cycle => side.cycle().await,
            Workload::Drain => side.drain().await,
            Workload::Enqueue => side.enqueue().await,
            Workload::Memory => side.memory().await,
        }
    })
}

struct Side {
    job: Job,
    batch: u32,
    broker: RedisBroker,
    done: Arc<Done>,
}

/// What handlers have done.
#[derive(Default)]
struct Done {
    tasks: AtomicU64,
    /// How many they are to do; 0: it is not known yet.
    wanted: AtomicU64,
    all: Notify,
}

impl Done {
    fn one(&self) {
        let tasks = self.tasks.fetch_add(1, Ordering::Relaxed) + 1;
        if tasks == self.wanted.load(Ordering::Relaxed) {
            self.all.notify_one();
        }
    }

    /// Waits until so many are done.
    async fn wait_for(&self, tasks: u64) {
        self.wanted.store(tasks, Ordering::Relaxed);
        if self.tasks.load(Ordering::Relaxed) < tasks {
            self.all.notified().await;
        }
    }
}

impl Side {
    fn serve(&self, handler: impl firedrill_asynq::Handler) -> Running {
        let config = Config {
            concurrency: self.job.concurrency,
            batch: self.batch as usize,
            task_check_interval: Duration::from_millis(2),
            ..Config::default()
        };
        Server::new(self.broker.anew(), config).start(handler)
    }

    /// Enqueues until the time is over, or the gate holds it up; answers how many.
    async fn produce(&self, gate: Arc<Semaphore>) -> Result<u64> {
        let client = Client::new(self.broker.anew());
        let end = Instant::now() + self.job.length();
        let mut producers = JoinSet::new();
        let (singles, batches) = PRODUCERS;
        let most = self.batch;
        let count = if most == 1 { singles } else { batches };
        for _ in 0..count {
            let (client, gate) = (client.clone(), gate.clone());
            producers.spawn(async move {
                let mut tasks = 0;
                while Instant::now() < end {
                    gate.acquire().await?.forget();
                    let more = gate.available_permits().min(most as usize - 1);
                    let more = u32::try_from(more)?;
                    gate.try_acquire_many(more).context("one thread")?.forget();
                    tasks += u64::from(more) + 1;
                    if most == 1 {
                        client.enqueue(task()).await?;
                        continue;
                    }
                    let batch = (0..=more).map(|_| task()).collect();
                    for answer in client.enqueue_batch(batch).await {
                        answer?;
                    }
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

    async fn cycle(&self) -> Result<Outcome> {
        let gate = Arc::new(Semaphore::new(WINDOW as usize));
        let (done, opened) = (self.done.clone(), gate.clone());
        let server = self.serve(move |_: Task, _: Context| {
            let (done, opened) = (done.clone(), opened.clone());
            async move {
                done.one();
                opened.add_permits(1);
                Ok(())
            }
        });
        let start = Instant::now();
        let produced = self.produce(gate).await?;
        self.done.wait_for(produced).await;
        let outcome = Outcome::since(start, produced);
        server.shutdown().await?;
        Ok(outcome)
    }

    async fn enqueue(&self) -> Result<Outcome> {
        let start = Instant::now();
        let produced = self
            .produce(Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)))
            .await?;
        Ok(Outcome::since(start, produced))
    }

    async fn drain(&self) -> Result<Outcome> {
        ensure!(self.job.tasks > 0, "--tasks says how many there are");
        let start = Instant::now();
        let done = self.done.clone();
        let server = self.serve(move |_: Task, _: Context| {
            let done = done.clone();
            async move {
                done.one();
                Ok(())
            }
        });
        self.done.wait_for(self.job.tasks).await;
        let outcome = Outcome::since(start, self.job.tasks);
        server.shutdown().await?;
        Ok(outcome)
    }

    /// As many tasks as there are slots, none of which returns before all have begun.
    async fn memory(&self) -> Result<Outcome> {
        let slots = self.job.concurrency as u64;
        if self.job.tasks != slots {
            bail!("as many tasks as slots");
        }
        let (done, release) = (self.done.clone(), Arc::new(Notify::new()));
        let held = release.clone();
        let before = resident()?;
        let server = self.serve(move |_: Task, _: Context| {
            let (done, held) = (done.clone(), held.clone());
            async move {
                let released = held.notified();
                done.one();
                released.await;
                Ok(())
            }
        });
        self.done.wait_for(slots).await;
        let bytes = resident()?.saturating_sub(before);
        release.notify_waiters();
        server.shutdown().await?;
        Ok(Outcome::Took {
            tasks: slots,
            bytes,
        })
    }
}

fn task() -> NewTask {
    NewTask::new("email:send", stock::payload())
}

/// Bytes of this process in memory.
fn resident() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|rest| rest.split_whitespace().next());
    Ok(kib.context("no VmRSS")?.parse::<u64>()? * 1_024)
}
