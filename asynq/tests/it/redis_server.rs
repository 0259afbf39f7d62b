//! A `redis-server` of a test's own, behind a socket, gone with the test.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long it may take to answer.
const ANSWERS_WITHIN: Duration = Duration::from_secs(20);

/// Whether data survives a SIGKILL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Persistence {
    None,
    AppendOnly,
}

/// A running Redis. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct RedisServer {
    persistence: Persistence,
    child: Option<Child>,
    dir: TempDir,
}

impl RedisServer {
    /// Starts a server and waits until it answers.
    pub(crate) fn start(persistence: Persistence) -> Self {
        // The path of a socket is short (unix(7): 107 bytes).
        let dir = tempfile::Builder::new()
            .prefix("asynq-")
            .tempdir_in("/tmp")
            .unwrap();
        let mut server = Self {
            persistence,
            child: None,
            dir,
        };
        server.launch();
        server
    }

    /// Starts it anew after [`Self::kill`].
    pub(crate) fn restart(&mut self) {
        self.launch();
    }

    fn launch(&mut self) {
        let kept = self.persistence == Persistence::AppendOnly;
        let child = Command::new("redis-server")
            .args(["--port", "0", "--unixsocket", "redis.sock"])
            .args(["--save", "", "--appendfsync", "no", "--appendonly"])
            .arg(if kept { "yes" } else { "no" })
            .args(["--logfile", "redis.log"])
            .current_dir(self.dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        self.child = Some(child);
        let deadline = Instant::now() + ANSWERS_WITHIN;
        while !self.answers() {
            let log = self.dir.path().join("redis.log");
            assert!(
                Instant::now() < deadline,
                "{}",
                fs::read_to_string(log).unwrap_or_default()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn answers(&self) -> bool {
        let Ok(mut stream) = UnixStream::connect(self.socket()) else {
            return false;
        };
        let mut answer = [0; 7];
        stream.set_read_timeout(Some(ANSWERS_WITHIN)).unwrap();
        stream.write_all(b"PING\r\n").is_ok()
            && stream.read_exact(&mut answer).is_ok()
            && answer == *b"+PONG\r\n"
    }

    /// The path of its socket.
    pub(crate) fn socket(&self) -> PathBuf {
        self.dir.path().join("redis.sock")
    }

    /// Its address.
    pub(crate) fn url(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    /// SIGKILL, and waits until it is gone.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
    }
}
