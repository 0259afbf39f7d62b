//! Workers alone on a queue that others have, and fill.

use super::only;
use crate::nodes::Node;
use crate::support::{need, said};
use firedrill_asynq::broker::redis::{RedisBroker, RedisOptions};
use firedrill_asynq::client::{Client, NewTask};
use firedrill_reports::load::{LoadRecord, Stage};
use redis::Commands;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

/// Tasks of somebody's program, 40 in `orders` and one in `mail`.
fn filled() -> Node {
    let node = Node::start(&[]);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let broker = RedisBroker::connect(&node.url(), RedisOptions::at_speed(1.0)).await;
        let client = Client::new(broker.unwrap());
        for number in 0..41 {
            let queue = if number == 0 { "mail" } else { "orders" };
            let task = NewTask {
                queue: Some(queue.into()),
                retention: Some(Duration::from_secs(3_600)),
                ..NewTask::new("order:pay", format!("{{\"order\":{number}}}"))
            };
            client.enqueue(task).await.unwrap();
        }
    });
    node
}

fn keys(node: &Node) -> BTreeSet<String> {
    node.connection().keys("*").unwrap()
}

fn take(dir: &Path, node: &Node, more: &[&str]) -> (Option<i32>, String, String) {
    let url = node.url();
    let args = [
        "load",
        "--consume-only",
        "--take",
        "orders",
        "--duration",
        "3s",
        "--warmup",
        "0s",
        "--service",
        "20ms",
        "--redis",
        &url,
    ];
    said(dir, &[&args[..], more].concat())
}

#[test]
fn a_queue_of_others_is_worked_on_if_they_agree() {
    need!("redis-server");
    let node = filled();
    let before = keys(&node);
    let dir = tempfile::tempdir().unwrap();
    let consent = |text: &str, seconds: u64| {
        let _: () = node
            .connection()
            .set_ex("firedrill:consent", text, seconds)
            .unwrap();
    };
    let (code, _, err) = take(dir.path(), &node, &[]);
    assert_eq!(code, Some(4), "{err}");
    let typed = "SET firedrill:consent \"take orders\" EX 3600";
    assert!(
        err.contains("nobody has agreed") && err.contains(typed),
        "{err}"
    );
    assert_eq!(keys(&node), before, "nothing was touched");
    consent("take mail", 3_600);
    let (code, _, err) = take(dir.path(), &node, &[]);
    assert_eq!(code, Some(4), "{err}");
    consent("take orders", 5);
    let (code, _, err) = take(dir.path(), &node, &[]);
    assert_eq!(code, Some(4), "{err}");
    assert!(err.contains("and the load takes up to 13 s"), "{err}");
    let pending = |queue: &str| -> u64 {
        let key = format!("asynq:{{{queue}}}:pending");
        node.connection().llen(key).unwrap()
    };
    assert_eq!((pending("orders"), pending("mail")), (40, 1));

    consent("take orders mail", 3_600);
    let (code, out, err) = take(dir.path(), &node, &[]);
    assert_eq!(code, Some(0), "{out}{err}");
    assert_eq!((pending("orders"), pending("mail")), (0, 1));
    let kept: u64 = node.connection().zcard("asynq:{orders}:completed").unwrap();
    assert_eq!(kept, 40, "they are done as any worker would have done them");
    let record = LoadRecord::read(&only(dir.path())).unwrap();
    let counts = &record.facts.counts;
    assert_eq!((counts.foreign, counts.succeeded), (40, 40));
    // Handlers take as long as they were told to.
    assert!(record.latencies[Stage::Service].quantile(0.0).unwrap() >= 0.02);
    let ours = |key: &String| {
        key.starts_with("firedrill") || key.starts_with("asynq:servers") || key.contains("load")
    };
    let left: Vec<String> = keys(&node).into_iter().filter(ours).collect();
    assert_eq!(left, ["firedrill:consent"], "nothing of the load is left");
}

#[test]
fn what_does_not_go_with_queues_of_others_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    for (args, words) in [
        (&["--take", "orders"][..], "--consume-only"),
        (
            &["--consume-only", "--take", "orders"],
            "name one with --redis",
        ),
        (
            &["--consume-only", "--take", "orders", "--backlog", "5"],
            "cannot be used with",
        ),
        (
            &["--consume-only", "--take", "orders", "--keep"],
            "cannot be used with",
        ),
        (
            &["--consume-only", "--take", "a", "--take", "a:2"],
            "--take a: it is named twice",
        ),
        (&["--consume-only", "--take", "a b"], "without blanks"),
    ] {
        let (code, _, err) = said(dir.path(), &[&["load"], args].concat());
        assert_eq!(code, Some(2), "{args:?}: {err}");
        let err = err.replace("\n    ", " ");
        assert!(err.contains(words), "{args:?}: {err}");
    }
}
