//! What Go's client says of a real worker of asynq's, and what ours says of one in its place.

use super::peer::{Peer, bench_and_go, need_peers};
use crate::wait::eventually;
use firedrill_sim::metrics::{exposition, go};
use serde_json::json;

/// `go_goroutines` of the peer.
fn of_theirs(go: &mut Peer) -> usize {
    let text = go.ask("go_metrics", json!({}));
    let values = exposition::decode(text.as_str().unwrap()).unwrap();
    let mut values = values.into_iter();
    let found = values.find(|(labels, _)| labels.name() == go::NAME);
    found.unwrap().1 as usize
}

/// Waits until the peer has so many more goroutines than at rest.
fn has_more(go: &mut Peer, at_rest: usize, more: usize, when: &str) {
    eventually(when, || (of_theirs(go) == at_rest + more).then_some(()));
}

#[test]
fn a_worker_has_the_goroutines_that_we_say_it_has() {
    need_peers!();
    let (_bench, mut go) = bench_and_go();
    go.ask("serve", json!({ "concurrency": 4, "task_check_ms": 20 }));
    // It has dialled for all that it does when it has done something.
    go.ask("enqueue", json!({ "type": "anything", "task_id": "first" }));
    go.wait_for("finished", "first");
    // Beside, it has one that reads what we ask, and none of the three that serve `/metrics`.
    let at_rest = go::AT_REST + 1 - 3;
    has_more(&mut go, at_rest, 0, "nothing to do");
    let more = |slots, handlers| go::goroutines(slots, handlers) - go::AT_REST;
    for number in 1..=3 {
        let id = number.to_string();
        go.ask("enqueue", json!({ "type": "hang", "task_id": id }));
        go.wait_for("started", &id);
        has_more(&mut go, at_rest, more(number, number), "handlers at work");
    }
    // Its slot is free again after its time is up, and its handler is there for ever.
    let late = json!({ "type": "hang", "task_id": "late", "timeout_ms": 1_000, "max_retry": 0 });
    go.ask("enqueue", late);
    go.wait_for("started", "late");
    has_more(&mut go, at_rest, more(3, 4), "a handler without a slot");
    go.kill();
}
