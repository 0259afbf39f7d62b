//! The bytes of asynq's messages, as the Go library writes them.

use crate::support::task;
use firedrill_asynq::message::{ProtoTimestamp, ServerInfo, TaskMessage, WorkerInfo};
use prost::Message;
use std::collections::BTreeMap;
use std::fmt::Debug;

#[track_caller]
fn check<M: Message + Default + PartialEq + Debug>(message: &M, hex: &str) {
    let bytes: Vec<u8> = (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
        .collect();
    assert_eq!(message.encode_to_vec(), bytes);
    assert_eq!(&M::decode(&bytes[..]).unwrap(), message);
}

#[test]
fn a_fresh_task() {
    check(
        &task("id-1"),
        "0a0a656d61696c3a73656e6412087b22746f223a377d1a0469642d31220764656661756c74281940880e",
    );
}

#[test]
fn a_task_with_everything() {
    let message = TaskMessage {
        retried: 2,
        error_msg: "boom".into(),
        last_failed_at: 1_700_000_000,
        timeout: 90,
        deadline: 1_700_003_600,
        unique_key: "asynq:{default}:unique:email:send:b0830eb55b322318d82bb90de3c8e3df".into(),
        group_key: "g1".into(),
        retention: 3600,
        completed_at: 1_700_000_100,
        headers: BTreeMap::from([("k".into(), "v".into())]),
        ..task("id-1")
    };
    check(
        &message,
        "0a0a656d61696c3a73656e6412087b22746f223a377d1a0469642d31220764656661756c74281930023a04626f6f6d405a4890fecfaa\
         0652426173796e713a7b64656661756c747d3a756e697175653a656d61696c3a73656e643a6230383330656235356233323233313864\
         38326262393064653363386533646\
         65880e2cfaa0660901c68e4e2cfaa06720267317a060a016b120176",
    );
}

#[test]
fn a_server_and_a_worker() {
    let start_time = Some(ProtoTimestamp {
        seconds: 1_700_000_000,
        nanos: 500_000_000,
    });
    let server = ServerInfo {
        host: "h1".into(),
        pid: 42,
        server_id: "sid".into(),
        concurrency: 10,
        queues: BTreeMap::from([("default".into(), 3)]),
        strict_priority: true,
        status: "active".into(),
        start_time,
        active_worker_count: 1,
    };
    check(
        &server,
        "0a026831102a1a03736964200a2a0b0a0764656661756c74100330013a06616374697665420c0880e2cfaa061080cab5ee014801",
    );
    let worker = WorkerInfo {
        host: "h1".into(),
        pid: 42,
        server_id: "sid".into(),
        task_id: "id-1".into(),
        task_type: "email:send".into(),
        task_payload: b"p".to_vec(),
        queue: "default".into(),
        start_time,
        deadline: Some(ProtoTimestamp {
            seconds: 1_700_001_800,
            nanos: 0,
        }),
    };
    check(
        &worker,
        "0a026831102a1a03736964220469642d312a0a656d61696c3a73656e643201703a0764656661756c74420c0880e2cfaa061080cab5ee\
         014a060888f0cfaa06",
    );
}
