//! A master with a replica and three sentinels that watch them.

use super::failover::{Mill, a_master_dies};
use super::nodes::Node;
use super::{connect, enqueue, runtime};
use crate::support::need;
use crate::wait::until;
use firedrill_asynq::op::{BrokerError, Reply};
use redis::{Commands, Value};
use std::time::Duration;

const NAME: &str = "main";
/// A user of the servers, as options of redis-server.
const USER: [&str; 7] = ["--user", "ann", "on", ">hunter2", "~*", "&*", "+@all"];

struct Watched {
    master: Node,
    replica: Node,
    sentinels: Vec<Node>,
}

impl Watched {
    fn start() -> Self {
        let master = Node::start(&[&USER, &["--repl-diskless-sync-delay", "0"][..]].concat());
        let port = master.port.to_string();
        let replica = Node::start(&[&USER, &["--replicaof", "127.0.0.1", &port][..]].concat());
        let configuration = format!(
            "sentinel monitor {NAME} 127.0.0.1 {port} 2\n\
             sentinel down-after-milliseconds {NAME} 500\n\
             sentinel failover-timeout {NAME} 3000\n\
             user sam on >hunter3 ~* &* +@all\n"
        );
        let sentinels = (0..3).map(|_| Node::sentinel(&configuration)).collect();
        let watched = Self {
            master,
            replica,
            sentinels,
        };
        until("the sentinels see all", Duration::from_secs(20), || {
            watched.replica.info("master_link_status") == "up"
                && watched.sentinels.iter().all(sees_all)
        });
        watched
    }

    fn address(&self) -> String {
        let hosts: Vec<String> = self
            .sentinels
            .iter()
            .map(|node| format!("127.0.0.1:{}", node.port))
            .collect();
        format!("redis-sentinel://{}/{NAME}", hosts.join(","))
    }
}

/// Whether a sentinel knows the replica and both other sentinels.
fn sees_all(sentinel: &Node) -> bool {
    let masters: Vec<Vec<String>> = redis::cmd("SENTINEL")
        .arg("MASTERS")
        .query(&mut sentinel.connection())
        .unwrap();
    let has = |field: &str, value: &str| {
        masters[0]
            .windows(2)
            .any(|pair| pair[0] == field && pair[1] == value)
    };
    has("num-slaves", "1") && has("num-other-sentinels", "2")
}

#[test]
fn the_master_is_found_and_found_again() {
    need!("redis-server");
    let mut watched = Watched::start();
    what_is_said(&watched);

    // One sentinel is gone for good: the others know as much.
    watched.sentinels[0].kill();
    let address = format!(
        "{}/3?sentinel_user=sam&sentinel_password=hunter3",
        watched.address().replace("://", "://ann:hunter2@")
    );
    let mut mill = Mill::start(&address);
    a_master_dies(&mut mill, &mut watched.master, &watched.replica, 3);
    assert_eq!(watched.replica.info("role"), "master");
}

fn what_is_said(watched: &Watched) {
    let runtime = runtime();
    let says = |address: &str, words: &str| {
        let Err(text) = connect(&runtime, address) else {
            panic!("{address} connects");
        };
        assert!(text.contains(words), "{address}: {text}");
    };
    let sentinel = watched.sentinels[0].port;
    says(
        &format!("redis-sentinel://127.0.0.1:{sentinel}/mian"),
        &format!("the sentinel 127.0.0.1:{sentinel} knows no master named mian; it knows: {NAME}"),
    );
    says(
        &format!("redis-sentinel://127.0.0.1:{sentinel}/{NAME}?sentinel_password=wrong"),
        "add ?sentinel_password=...",
    );
    says(
        &format!("redis-sentinel://ann:wrong@127.0.0.1:{sentinel}/{NAME}"),
        "refuses this user or password",
    );
    let master = watched.master.port;
    says(
        &format!("redis-sentinel://127.0.0.1:{master}/{NAME}"),
        &format!("127.0.0.1:{master} is no sentinel: is it the Redis itself?"),
    );
    says(
        &format!("redis-sentinel://127.0.0.1:1/{NAME}"),
        "the sentinel 127.0.0.1:1 does not answer",
    );

    // A replica takes no writes, says so after asynq's repetitions, and answers what only reads.
    let replica = connect(&runtime, &watched.replica.url()).unwrap();
    match enqueue(&runtime, &replica, "on the replica") {
        Err(BrokerError::Refused(text)) => assert!(text.contains("READONLY"), "{text}"),
        other => panic!("{other:?}"),
    }
    let calls: Value = redis::cmd("INFO")
        .arg("commandstats")
        .query(&mut watched.replica.connection())
        .unwrap();
    let calls = format!("{calls:?}");
    assert!(
        calls.contains("cmdstat_evalsha:calls=4,"),
        "four attempts: {calls}"
    );
    let queues = runtime.block_on(replica.call(crate::support::Op::Queues));
    assert_eq!(queues, Ok(Reply::Names(Vec::new())));
}

#[test]
fn a_master_that_became_a_replica_is_left_for_the_new_one() {
    need!("redis-server");
    let (old, new) = (Node::start(&[]), Node::start(&[]));
    let sentinel = Node::sentinel(&format!(
        "sentinel monitor {NAME} 127.0.0.1 {} 1\n",
        old.port
    ));
    let runtime = runtime();
    let address = format!("redis-sentinel://127.0.0.1:{}/{NAME}", sentinel.port);
    let broker = connect(&runtime, &address).unwrap();
    assert_eq!(
        enqueue(&runtime, &broker, "before"),
        Ok(Reply::Enqueued(firedrill_asynq::op::Accepted::New))
    );

    // The sentinel is told of another master, and the old one to follow it. Its connections stay, and are of no use.
    let mut to_sentinel = sentinel.connection();
    let port = new.port.to_string();
    for command in [
        &["REMOVE", NAME][..],
        &["MONITOR", NAME, "127.0.0.1", &port, "1"][..],
    ] {
        redis::cmd("SENTINEL")
            .arg(command)
            .exec(&mut to_sentinel)
            .unwrap();
    }
    redis::cmd("REPLICAOF")
        .arg("127.0.0.1")
        .arg(&port)
        .exec(&mut old.connection())
        .unwrap();
    assert_eq!(
        enqueue(&runtime, &broker, "after"),
        Ok(Reply::Enqueued(firedrill_asynq::op::Accepted::New)),
        "READONLY, and again elsewhere"
    );
    let there: bool = new.connection().exists("asynq:{default}:t:after").unwrap();
    assert!(there);
}
