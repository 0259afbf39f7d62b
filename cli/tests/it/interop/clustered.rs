//! Our command line on a Redis Cluster.

use super::peer::{Peer, need_peers, time_of_day};
use crate::nodes::Cluster;
use crate::support::{Op, firedrill, need, task};
use firedrill_asynq::broker::redis::{RedisBroker, RedisOptions};
use firedrill_asynq::message::TaskMessage;
use serde_json::json;

#[test]
fn our_command_line_says_where_the_queues_of_a_cluster_are_as_go_does() {
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
    for queue in ["default", "mail", "low"] {
        call(Op::RegisterQueue {
            queue: queue.into(),
        });
        let message = TaskMessage {
            queue: queue.into(),
            ..task("a")
        };
        call(Op::Enqueue {
            message,
            now: time_of_day(),
        });
    }

    let flags = [
        "--cluster",
        "--cluster_addrs",
        &hosts.join(","),
        "queue",
        "ls",
    ];
    let words = ["--redis", &address, "queue", "ls"];
    for arguments in [&flags[..], &words[..]] {
        let output = firedrill().arg("asynq").args(arguments).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        for queue in ["default", "mail", "low"] {
            let asked = json!({ "queue": queue });
            let slot = go.ask("cluster_key_slot", asked).to_string();
            let row = text.lines().find(|row| row.starts_with(queue));
            assert!(
                row.is_some_and(|row| row.contains(&slot)),
                "{queue} {slot}: {text}"
            );
        }
    }
}
