//! The private Redis: killed, restarted, and gone with its owner.

use crate::support::{Bench, NOW, need, task};
use crate::wait::until;
use firedrill_asynq::op::{BrokerError, Op, Reply};
use firedrill_sim::redis_server::{self, Persistence};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

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

#[test]
fn it_is_reached_by_its_owner_alone_and_nobody_is_taken_for_it() {
    need!("redis-server");
    let mut bench = Bench::new(Persistence::AppendOnly, 60.0);
    let socket = bench.server.socket();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(socket.parent().unwrap()), 0o700);
    assert_eq!(mode(&socket), 0o700);
    let port: (String, u16) = redis::cmd("CONFIG")
        .arg(&["GET", "port"])
        .query(&mut bench.redis)
        .unwrap();
    assert_eq!(port.1, 0, "no port that somebody else could take");

    bench.enqueue("ours");
    let before = bench.server.identity().unwrap();
    assert_eq!(Some(before.process_id), bench.server.pid());
    let answering = bench.block_on(bench.broker.identities()).unwrap();
    assert_eq!(answering, std::slice::from_ref(&before));
    bench.server.kill().unwrap();
    assert!(!bench.server.is_listening());

    // Who takes its place while it is down answers as well as any Redis, and is not it.
    let stranger = std::process::Command::new("redis-server")
        .args(["--port", "0", "--save", "", "--unixsocket"])
        .arg(&socket)
        .current_dir("/")
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let mut stranger = Bystander(stranger);
    let client = redis::Client::open(bench.server.url()).unwrap();
    until("the stranger answers", Duration::from_secs(10), || {
        let pong = client
            .get_connection()
            .and_then(|mut at| redis::cmd("PING").query::<String>(&mut at));
        pong.is_ok()
    });
    assert_eq!(bench.server.identity(), None);
    assert!(!bench.server.is_listening());
    stranger.0.kill().unwrap();

    bench.server.restart(true).unwrap();
    let after = bench.server.identity().unwrap();
    assert_ne!(after, before);
    assert_eq!(bench.block_on(bench.broker.identities()).unwrap(), [after]);
    assert_eq!(pending(&bench), 1);
}

/// A process that ends with the test.
struct Bystander(std::process::Child);

impl Drop for Bystander {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
