//! Every way to a Redis: sockets, TLS, users, clusters, sentinels, and what happens when a master dies.

mod addresses;
mod certificates;
mod cluster;
mod failover;
pub(crate) mod nodes;
mod sentinel;

use crate::support::{Answer, NOW, Op, task};
use firedrill_asynq::broker::redis::{RedisBroker, RedisOptions};
use firedrill_asynq::op::BrokerError;
use tokio::runtime::Runtime;

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

/// A broker, or what people are told.
fn connect(runtime: &Runtime, address: &str) -> Result<RedisBroker, String> {
    runtime
        .block_on(RedisBroker::connect(address, RedisOptions::at_speed(60.0)))
        .map_err(|error| match error {
            BrokerError::Refused(text) | BrokerError::Unreachable(text) => text.into(),
            other => panic!("{other}"),
        })
}

fn enqueue(runtime: &Runtime, broker: &RedisBroker, id: &str) -> Answer {
    let op = Op::Enqueue {
        message: task(id),
        now: NOW,
    };
    runtime.block_on(broker.call(op))
}
