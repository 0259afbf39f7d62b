//! A Redis Cluster of three masters and three replicas: everything a broker does, and errors for people.

use super::nodes::{Cluster, Node};
use super::{connect, enqueue, runtime};
use crate::conformance::state::{self, State};
use crate::conformance::{self, Broker};
use crate::support::{Answer, NOW, Op, need, task};
use firedrill_asynq::broker::redis::RedisBroker;
use firedrill_asynq::message::TaskMessage;
use firedrill_asynq::op::Reply;
use std::collections::BTreeSet;
use tokio::runtime::Runtime;

/// Queues that are on three different masters when three share the slots evenly.
const QUEUES: [&str; 3] = ["default", "low", "mail"];

/// The broker on a cluster, looked into node by node.
struct OnCluster<'a> {
    cluster: &'a Cluster,
    runtime: &'a Runtime,
    broker: RedisBroker,
}

impl Broker for OnCluster<'_> {
    fn call(&mut self, op: Op) -> Answer {
        self.runtime.block_on(self.broker.call(op))
    }

    fn state(&mut self) -> State {
        self.cluster
            .masters()
            .flat_map(|node| state::of_redis(&mut node.connection()))
            .collect()
    }
}

#[test]
fn it_is_all_that_one_server_is() {
    need!("redis-server");
    need!("redis-cli");
    let cluster = Cluster::start();
    let runtime = runtime();
    let broker = connect(&runtime, &cluster.address()).unwrap();
    conformance::every_body(|| {
        cluster.everywhere(&["FLUSHALL"]);
        OnCluster {
            cluster: &cluster,
            runtime: &runtime,
            broker: broker.clone(),
        }
    });
    several_queues(&cluster, &runtime, &broker);
    cluster.everywhere(&["SCRIPT", "FLUSH"]);
    let answer = enqueue(&runtime, &broker, "after the flush");
    assert_eq!(
        answer,
        Ok(Reply::Enqueued(firedrill_asynq::op::Accepted::New))
    );
    let info = runtime.block_on(broker.info()).unwrap();
    assert!(info.contains("redis_version"));
    what_is_said(&cluster, &runtime);
}

/// A task of a queue is sent.
fn send(runtime: &Runtime, broker: &RedisBroker, queue: &str) -> Answer {
    let message = TaskMessage {
        queue: queue.into(),
        ..task("alone")
    };
    runtime.block_on(broker.call(Op::Enqueue { message, now: NOW }))
}

/// Queues on every node, and one dequeue over all of them.
fn several_queues(cluster: &Cluster, runtime: &Runtime, broker: &RedisBroker) {
    cluster.everywhere(&["FLUSHALL"]);
    let on: BTreeSet<usize> = QUEUES.map(|queue| cluster.master_of(queue)).into();
    assert_eq!(on.len(), 3, "a queue on each of the three nodes");
    for queue in QUEUES {
        assert_eq!(
            send(runtime, broker, queue),
            Ok(Reply::Enqueued(firedrill_asynq::op::Accepted::New))
        );
    }
    for queue in QUEUES {
        let op = Op::Dequeue {
            queues: QUEUES.map(str::to_owned).into_iter().collect(),
            lease_expires_s: NOW.secs() + 30,
        };
        match runtime.block_on(broker.call(op)) {
            Ok(Reply::Dequeued(Some(message))) => assert_eq!(message.queue, queue),
            other => panic!("{other:?}"),
        }
    }
}

fn what_is_said(cluster: &Cluster, runtime: &Runtime) {
    let says = |address: &str, words: &str| {
        let Err(text) = connect(runtime, address) else {
            panic!("{address} connects");
        };
        assert!(text.contains(words), "{address}: {text}");
    };
    let port = cluster.nodes[0].port;
    says(
        &format!("redis-cluster://127.0.0.1:{port}/2"),
        "a Redis Cluster has no database but 0",
    );
    says(
        &format!("redis://127.0.0.1:{port}/2"),
        "is a node of a cluster, which has no database but 0",
    );
    let alone = Node::start(&[]);
    says(
        &format!("redis-cluster://127.0.0.1:{}", alone.port),
        "is not part of a cluster: write redis://",
    );
    drop(alone);
    says(
        "redis-cluster://127.0.0.1:1",
        "127.0.0.1:1: nobody listens there",
    );

    // A single node reached as if it were the whole: its own keys work, others are elsewhere.
    let broker = connect(runtime, &format!("redis://127.0.0.1:{port}")).unwrap();
    let elsewhere: Vec<String> = QUEUES
        .iter()
        .filter_map(|queue| send(runtime, &broker, queue).err())
        .map(|error| error.to_string())
        .collect();
    assert_eq!(elsewhere.len(), 2);
    for text in elsewhere {
        assert!(text.contains("write redis-cluster://"), "{text}");
    }
}
