//! Both sides on one Redis Cluster, with queues on different nodes.

use super::peer::{Peer, need_peers, time_of_day};
use super::worker::OurWorker;
use crate::connections::nodes::Cluster;
use crate::support::{Op, need, task};
use firedrill_asynq::broker::redis::{RedisBroker, RedisOptions};
use firedrill_asynq::message::TaskMessage;
use firedrill_asynq::op::{Accepted, Reply};
use serde_json::json;

#[test]
fn ours_and_go_share_the_queues_of_a_cluster() {
    need_peers!();
    need!("redis-cli");
    let cluster = Cluster::start();
    let hosts: Vec<String> = cluster.nodes[..3]
        .iter()
        .map(|node| format!("127.0.0.1:{}", node.port))
        .collect();
    let mut go = Peer::start(&json!({ "kind": "cluster", "addrs": hosts }));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let address = cluster.address();
    let connecting = RedisBroker::connect(&address, RedisOptions::at_speed(1.0));
    let broker = runtime.block_on(connecting).unwrap();
    let call = |op| runtime.block_on(broker.call(op)).unwrap();

    // Ours to Go: two queues that are on different nodes, and a third that only our tools look at.
    for queue in ["default", "mail", "low"] {
        call(Op::RegisterQueue {
            queue: queue.into(),
        });
        let message = TaskMessage {
            queue: queue.into(),
            ..task(&format!("to go by {queue}"))
        };
        let accepted = call(Op::Enqueue {
            message,
            now: time_of_day(),
        });
        assert_eq!(accepted, Reply::Enqueued(Accepted::New));
    }
    go.ask(
        "serve",
        json!({ "concurrency": 4, "task_check_ms": 20, "queues": { "default": 2, "mail": 1 } }),
    );
    go.wait_for("finished", "to go by default");
    go.wait_for("finished", "to go by mail");

    // Go to ours: our worker serves the queues `default` and `low`.
    let mut ours = OurWorker::start(&address);
    assert_eq!(ours.wait_for_start("to go by low"), 0);
    go.ask(
        "enqueue",
        json!({ "type": "t", "queue": "low", "task_id": "to us", "unique_ms": 60_000 }),
    );
    ours.wait_for_start("to us");
}
