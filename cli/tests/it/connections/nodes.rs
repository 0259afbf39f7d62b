//! `redis-server` processes of the tests: servers, replicas, cluster nodes, sentinels; gone with whoever holds them.

use super::until;
use redis::Connection;
use rustix::process::{Pid, Signal, kill_process};
use std::net::TcpListener;
use std::path::PathBuf;
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

    pub(crate) fn send(&self, signal: Signal) {
        let child = self.child.as_ref().unwrap();
        kill_process(Pid::from_child(child), signal).unwrap();
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

/// A certificate of its own authority for 127.0.0.1 and `redis.test`: paths of authority, certificate and key.
pub(super) struct Certificates {
    dir: TempDir,
}

impl Certificates {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut of_authority = rcgen::CertificateParams::new(Vec::new()).unwrap();
        of_authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        of_authority
            .distinguished_name
            .push(rcgen::DnType::CommonName, "authority of a test");
        let authority_key = rcgen::KeyPair::generate().unwrap();
        let authority = of_authority.self_signed(&authority_key).unwrap();
        let issuer = rcgen::Issuer::new(of_authority, authority_key);
        let write = |name: &str, text: String| std::fs::write(dir.path().join(name), text).unwrap();
        write("ca.pem", authority.pem());
        for (file, name) in [("ip", "127.0.0.1"), ("name", "redis.test")] {
            let key = rcgen::KeyPair::generate().unwrap();
            let mut of_server = rcgen::CertificateParams::new(vec![name.into()]).unwrap();
            of_server
                .distinguished_name
                .push(rcgen::DnType::CommonName, name);
            let certificate = of_server.signed_by(&key, &issuer).unwrap();
            write(&format!("{file}.pem"), certificate.pem());
            write(&format!("{file}.key"), key.serialize_pem());
        }
        Self { dir }
    }

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.dir.path().join(file)
    }

    /// A server that speaks TLS on a port of its own, beside its plain one. The certificate is for `file`; `clients` says
    /// whether ours is asked for.
    pub(crate) fn server(&self, file: &str, clients: &str, more: &[&str]) -> (Node, u16) {
        let port = free_port();
        let path = |name: String| self.path(&name).display().to_string();
        let node = Node::start(
            &[
                &[
                    "--tls-port",
                    &port.to_string(),
                    "--tls-ca-cert-file",
                    &path("ca.pem".into()),
                    "--tls-cert-file",
                    &path(format!("{file}.pem")),
                    "--tls-key-file",
                    &path(format!("{file}.key")),
                    "--tls-auth-clients",
                    clients,
                ][..],
                more,
            ]
            .concat(),
        );
        (node, port)
    }
}
