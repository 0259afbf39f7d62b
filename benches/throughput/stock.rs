//! What a Redis holds before a workload begins.

use crate::{Outcome, QUEUE, block_on};
use anyhow::{Result, ensure};
use clap::Args;
use firedrill_asynq::broker::redis::{RedisBroker, RedisOptions};
use firedrill_asynq::client::Submission;
use firedrill_asynq::clock::ClockOrigin;
use firedrill_asynq::message::TaskMessage;
use firedrill_asynq::op::{Accepted, DequeueBatch, Op, Reply};
use std::time::Instant;

/// Most tasks of one call.
const BATCH: u64 = 100;
/// How long what is held stays so: longer than any workload, or a server would recover it.
const HELD_S: i64 = 86_400;

#[derive(Args)]
pub(crate) struct Arguments {
    tasks: u64,
    /// Port of the Redis, on loopback.
    #[arg(long)]
    port: u16,
}

pub(crate) fn fill(arguments: &Arguments) -> Result<Outcome> {
    block_on(async {
        let broker = connect(arguments).await?;
        let start = Instant::now();
        let now = ClockOrigin::real_time().now();
        for batch in batches(arguments.tasks) {
            let tasks = (0..batch).map(|_| Submission::now(task())).collect();
            for answer in broker.enqueue_batch(tasks, now).await? {
                ensure!(answer? == Accepted::New, "an id was drawn twice");
            }
        }
        Ok(Outcome::since(start, arguments.tasks))
    })
}

pub(crate) fn hold(arguments: &Arguments) -> Result<Outcome> {
    fill(arguments)?;
    block_on(async {
        let broker = connect(arguments).await?;
        let start = Instant::now();
        let now = ClockOrigin::real_time().now();
        for batch in batches(arguments.tasks) {
            let take = DequeueBatch {
                queues: std::iter::once(QUEUE.to_owned()).collect(),
                max: u32::try_from(batch)?,
                lease_expires_s: now.secs() + HELD_S,
            };
            let Reply::DequeuedBatch(taken) = broker.call(Op::DequeueBatch(take.into())).await?
            else {
                anyhow::bail!("an unexpected reply");
            };
            ensure!(taken.len() as u64 == batch, "somebody else took some");
        }
        Ok(Outcome::since(start, arguments.tasks))
    })
}

async fn connect(arguments: &Arguments) -> Result<RedisBroker> {
    let url = format!("redis://127.0.0.1:{}", arguments.port);
    Ok(RedisBroker::connect(&url, RedisOptions::at_speed(1.0)).await?)
}

fn batches(tasks: u64) -> impl Iterator<Item = u64> {
    (0..tasks)
        .step_by(BATCH as usize)
        .map(move |from| (tasks - from).min(BATCH))
}

/// A task as a team's producer would send it: a 100-byte JSON payload and a UUID.
pub(crate) fn task() -> TaskMessage {
    TaskMessage {
        r#type: "email:send".into(),
        payload: payload(),
        id: uuid::Uuid::new_v4().to_string(),
        queue: QUEUE.into(),
        retry: 25,
        timeout: 1800,
        ..TaskMessage::default()
    }
}

/// 100 bytes of JSON.
pub(crate) fn payload() -> Vec<u8> {
    br#"{"user":1234567890,"template":"welcome","locale":"en-GB","campaign":"----------------------------x"}"#.to_vec()
}
