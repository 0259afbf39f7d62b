//! The private Redis: killed, restarted, and gone with its owner.

use crate::support::{Bench, NOW, need, task};
use firedrill::asynq::op::{BrokerError, Op, Reply};
use firedrill::redis_server::{self, Persistence};

fn is_running(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| {
        !stat
            .rsplit_once(')')
            .unwrap()
            .1
            .trim_start()
            .starts_with('Z')
    })
}

fn pending(bench: &Bench) -> u64 {
    let Ok(Reply::Stats(stats)) = bench.call(Op::QueueStats {
        queue: "default".into(),
        now: NOW,
    }) else {
        panic!()
    };
    stats.pending
}

#[test]
fn an_outage_is_answered_as_one_and_heals() {
    need!("redis-server");
    for (persistence, keep_data, left) in [
        (Persistence::AppendOnly, true, 2),
        (Persistence::AppendOnly, false, 1),
    ] {
        let mut bench = Bench::new(persistence, 60.0);
        bench.enqueue("before");
        bench.server.kill().unwrap();
        let during = bench.call(Op::Enqueue {
            message: task("during"),
            now: NOW,
        });
        assert!(
            matches!(during, Err(BrokerError::Unreachable(_))),
            "{during:?}"
        );
        bench.server.restart(keep_data).unwrap();
        bench.enqueue("after");
        assert_eq!(pending(&bench), left, "keep_data: {keep_data}");
    }
}

#[test]
fn it_is_gone_with_its_owner_even_one_that_panics() {
    need!("redis-server");
    let bench = Bench::new(Persistence::None, 1.0);
    let pid = bench.server.pid().unwrap();
    assert!(is_running(pid));
    drop(bench);
    assert!(!is_running(pid));

    let (tell, told) = std::sync::mpsc::channel();
    let owner = std::thread::spawn(move || {
        let bench = Bench::new(Persistence::None, 1.0);
        tell.send(bench.server.pid().unwrap()).unwrap();
        panic!("on purpose: the owner of a Redis panics");
    });
    let pid = told.recv().unwrap();
    assert!(owner.join().is_err());
    assert!(!is_running(pid));
}

#[test]
fn nothing_is_found_where_nothing_is() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(redis_server::find([dir.path().to_path_buf()]), None);
    std::fs::write(dir.path().join("redis-server"), "not executable").unwrap();
    assert_eq!(redis_server::find([dir.path().to_path_buf()]), None);
}
