//! `redis-server` processes of the tests: servers, replicas, clusters, sentinels; gone with whoever holds them.

use crate::wait::until;
use redis::{Commands, Connection};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;
use tempfile::TempDir;

/// The bus of a cluster's node is on its port + 10000, so ports stay below this.
const PORT_END: u16 = 55_000;
const PORT_BEGIN: u16 = 21_000;

/// One process in a directory of its own.
pub(crate) struct Node {
    child: Option<Child>,
    pub(crate) port: u16,
    /// Removed after the process has ended.
    _dir: TempDir,
}

impl Node {
    /// Starts a server on a free port and waits until it answers; `options` are redis-server's.
    pub(crate) fn start(options: &[&str]) -> Self {
        let node = Self::launch(None, options);
        node.wait();
        node
    }

    /// Starts a sentinel with a configuration file, which it rewrites.
    pub(crate) fn sentinel(configuration: &str) -> Self {
        let node = Self::launch(Some(configuration), &[]);
        node.wait();
        node
    }

    /// As [`Self::start`] with a plain port or none; does not wait.
    fn launch(sentinel: Option<&str>, options: &[&str]) -> Self {
        let dir = tempfile::Builder::new()
            .prefix("firedrill-it-")
            .tempdir()
            .unwrap();
        let port = free_port();
        let mut command = Command::new("redis-server");
        if let Some(text) = sentinel {
            let file = dir.path().join("sentinel.conf");
            std::fs::write(&file, text).unwrap();
            command.arg(file).arg("--sentinel");
        }
        let child = command
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
            .args(["--dir", &dir.path().display().to_string()])
            .args(["--logfile", "log", "--daemonize", "no", "--save", ""])
            .args(options)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Self {
            child: Some(child),
            port,
            _dir: dir,
        }
    }

    fn wait(&self) {
        let ready = || {
            let client = redis::Client::open(self.url()).unwrap();
            let within = Duration::from_millis(500);
            client
                .get_connection_with_timeout(within)
                .is_ok_and(|mut connection| {
                    let pong = redis::cmd("PING").query::<String>(&mut connection);
                    pong.is_ok_and(|pong| pong == "PONG")
                })
        };
        until("redis-server answers", Duration::from_secs(10), ready);
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub(crate) fn connection(&self) -> Connection {
        redis::Client::open(self.url())
            .unwrap()
            .get_connection()
            .unwrap()
    }

    /// A field of `INFO`.
    pub(crate) fn info(&self, field: &str) -> String {
        let info: String = redis::cmd("INFO").query(&mut self.connection()).unwrap();
        let prefix = format!("{field}:");
        let line = info.lines().find_map(|line| line.strip_prefix(&prefix));
        line.unwrap_or_default().trim().to_owned()
    }

    /// SIGKILL, and waits until it is gone.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    pub(crate) fn is_running(&self) -> bool {
        self.child.is_some()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // Also while a test panics; there is nobody to be told.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A port that is free now, and so is the one of the cluster's bus. Tests of one process never get the same.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let span = PORT_END - PORT_BEGIN;
    let own = u16::try_from(std::process::id() % u32::from(span)).unwrap();
    loop {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let offset = (u32::from(own) + u32::from(step) * 7) % u32::from(span);
        let port = PORT_BEGIN + u16::try_from(offset).unwrap();
        let is_free = |port| TcpListener::bind(("127.0.0.1", port)).is_ok();
        if is_free(port) && is_free(port + 10_000) {
            return port;
        }
    }
}

/// Three masters, then the rest as their replicas.
pub(crate) struct Cluster {
    pub(crate) nodes: Vec<Node>,
}

impl Cluster {
    /// Six nodes, joined by `redis-cli --cluster create`.
    pub(crate) fn start() -> Self {
        let nodes: Vec<Node> = (0..6)
            .map(|_| {
                Node::start(&[
                    "--cluster-enabled",
                    "yes",
                    "--cluster-node-timeout",
                    "1000",
                    "--repl-diskless-sync-delay",
                    "0",
                ])
            })
            .collect();
        let made = Command::new("redis-cli")
            .args(["--cluster", "create"])
            .args(nodes.iter().map(|node| format!("127.0.0.1:{}", node.port)))
            .args(["--cluster-replicas", "1", "--cluster-yes"])
            .output()
            .unwrap();
        assert!(
            made.status.success(),
            "{}",
            String::from_utf8_lossy(&made.stdout)
        );
        let cluster = Self { nodes };
        until("the cluster is whole", Duration::from_secs(20), || {
            cluster.is_whole()
        });
        cluster
    }

    fn is_whole(&self) -> bool {
        let (mut masters, mut linked) = (0, 0);
        for node in &self.nodes {
            let info: String = redis::cmd("CLUSTER")
                .arg("INFO")
                .query(&mut node.connection())
                .unwrap();
            if !info.contains("cluster_state:ok") {
                return false;
            }
            match node.info("role").as_str() {
                "master" => masters += 1,
                _ if node.info("master_link_status") == "up" => linked += 1,
                _ => return false,
            }
        }
        (masters, linked) == (3, 3)
    }

    pub(crate) fn address(&self) -> String {
        let hosts: Vec<String> = self.nodes[..3]
            .iter()
            .map(|node| format!("127.0.0.1:{}", node.port))
            .collect();
        format!("redis-cluster://{}", hosts.join(","))
    }

    /// The masters that run.
    pub(crate) fn masters(&self) -> impl Iterator<Item = &Node> {
        self.nodes
            .iter()
            .filter(|node| node.is_running() && node.info("role") == "master")
    }

    /// Has every master do something.
    pub(crate) fn everywhere(&self, command: &[&str]) {
        for node in self.masters() {
            redis::cmd(command[0])
                .arg(&command[1..])
                .exec(&mut node.connection())
                .unwrap();
        }
    }

    /// The number of the master that has a queue.
    pub(crate) fn master_of(&self, queue: &str) -> usize {
        let key = format!("asynq:{{{queue}}}:pending");
        self.nodes
            .iter()
            .position(|node| {
                node.is_running()
                    && node.info("role") == "master"
                    && node.connection().exists::<_, bool>(&key).is_ok()
            })
            .unwrap()
    }
}
