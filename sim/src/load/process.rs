//! What the two kinds of processes of a load have in common: how they begin, and how they are told to end.

use super::measure::tell;
use super::wire::{PartSpec, STOP, Word};
use super::{producer, worker};
use anyhow::Context;
use firedrill_asynq::broker::redis::{RedisBroker, RedisOptions};
use firedrill_asynq::clock::ClockOrigin;
use firedrill_reports::load::Role;
use std::io::BufRead;
use tokio::sync::{oneshot, watch};

/// Header of a task that says when it was to arrive, microseconds since the first possible arrival.
pub(super) const ARRIVAL_HEADER: &str = "firedrill-load";
/// What stands there in tasks of the backlog, which arrived before.
pub(super) const BACKLOG: &str = "backlog";

/// Is a process of a load until it is told to end, or its parent is gone.
///
/// # Errors
/// When the spec is unreadable, or Redis cannot be reached at the start.
pub fn run() -> anyhow::Result<()> {
    let mut lines = std::io::stdin().lock().lines();
    let spec: PartSpec = serde_json::from_str(&lines.next().context("no spec on stdin")??)?;
    drop(lines);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let options = RedisOptions::at_speed(1.0).to_server_of(spec.server_of);
        let options = match spec.role {
            // A task that is sent twice would be counted as a duplicate, or done twice.
            Role::Producer => options.once(),
            Role::Worker => options,
        };
        let broker = RedisBroker::open(&spec.redis, options)
            .await
            .with_context(|| format!("{} cannot reach Redis", spec.name))?;
        match spec.role {
            Role::Producer => producer::produce(spec, broker).await,
            Role::Worker => worker::work(spec, broker).await,
        }
    })?;
    // Handlers and calls that are still under way end with the process.
    std::process::exit(0)
}

/// Tells the parent that this process is ready, and waits for the clock. What comes with it becomes true when the process is to end.
pub(super) async fn ready(prefilled: u64) -> anyhow::Result<(ClockOrigin, watch::Receiver<bool>)> {
    let (clock_tx, clock) = oneshot::channel();
    let (stop_tx, stop) = watch::channel(false);
    std::thread::spawn(move || {
        let mut lines = std::io::stdin().lock().lines();
        if let Some(Ok(line)) = lines.next()
            && let Ok(clock) = serde_json::from_str::<ClockOrigin>(&line)
        {
            let _ = clock_tx.send(clock);
            for line in lines {
                if line.is_ok_and(|line| line == STOP) {
                    stop_tx.send_replace(true);
                }
            }
        }
        std::process::exit(0);
    });
    tell(&Word::Ready { prefilled });
    let clock = clock.await.context("the parent sent no clock")?;
    Ok((clock, stop))
}

/// Waits until the process is to end.
pub(super) async fn told_to_stop(stop: &mut watch::Receiver<bool>) {
    // A sender that is gone ends the process by itself.
    let _ = stop.wait_for(|stop| *stop).await;
}
