//! The two examples, together on a Redis.

use crate::redis_server::{Persistence, RedisServer};
use crate::support::need;
use crate::wait::eventually;
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// Builds the examples, unless they are, and gives the directory they are in.
pub(crate) fn examples() -> PathBuf {
    // target/debug/deps/it-...
    let exe = std::env::current_exe().unwrap();
    let dir = exe.ancestors().nth(2).unwrap();
    let status = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--offline", "--locked", "--examples"])
        .args(["-p", env!("CARGO_PKG_NAME"), "--target-dir"])
        .arg(dir.parent().unwrap())
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()
        .unwrap();
    assert!(status.success());
    dir.join("examples")
}

/// A process that ends with the test.
pub(crate) struct Killed(pub(crate) Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_server_does_what_the_client_enqueues_and_ends_by_sigterm() {
    need!("redis-server");
    let redis = RedisServer::start(Persistence::None);
    let dir = examples();
    let client = || {
        let output = Command::new(dir.join("client"))
            .arg(redis.url())
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(client().ends_with(" is pending in default\n"));
    assert_eq!(client(), "it was enqueued less than a minute ago\n");

    let child = Command::new(dir.join("server"))
        .arg(redis.url())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut server = Killed(child);
    let mut lines = BufReader::new(server.0.stdout.take().unwrap()).lines();
    assert_eq!(
        lines.next().unwrap().unwrap(),
        "sent to ada@example.org, attempt 1"
    );
    let mut connection = redis::Client::open(redis.url())
        .unwrap()
        .get_connection()
        .unwrap();
    let completed = eventually("the task is kept", || {
        let key = "asynq:{default}:completed";
        let ids: Vec<String> = redis::cmd("ZRANGE")
            .arg(key)
            .arg(0)
            .arg(-1)
            .query(&mut connection)
            .unwrap();
        ids.into_iter().next()
    });
    let result: String = redis::cmd("HGET")
        .arg(format!("asynq:{{default}}:t:{completed}"))
        .arg("result")
        .query(&mut connection)
        .unwrap();
    assert_eq!(result, "sent");
    kill_process(Pid::from_child(&server.0), Signal::TERM).unwrap();
    assert!(server.0.wait().unwrap().success());
    let listed: u64 = redis::cmd("ZCARD")
        .arg("asynq:servers")
        .query(&mut connection)
        .unwrap();
    assert_eq!(listed, 0, "it left the listings");
}
