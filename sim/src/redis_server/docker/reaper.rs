//! Removes a container when its owner is gone, even an owner that was killed with SIGKILL.
//!
//! A container is no child of ours, so the kernel does not end it with us. A small process of our own waits on a pipe
//! that closes when the owner ends, and then asks the daemon to remove the container.

use http_body_util::Empty;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use std::io::{self, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use tokio::net::UnixStream;

/// Where the daemon listens.
pub(super) const SOCKET: &str = "/var/run/docker.sock";

/// The process that waits for our end. Dropping it ends it: its container is removed if it is still there.
#[derive(Debug)]
pub(super) struct Reaper(Child);

impl Reaper {
    /// Starts it for the container `id`. `exe` is the firedrill executable.
    pub(super) fn start(exe: &Path, id: &str) -> io::Result<Self> {
        let mut command = Command::new(exe);
        command.args(["reap", "--container", id]);
        // A signal to our process group (Ctrl-C) must not end the one that cleans up after us.
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .map(Self)
    }
}

impl Drop for Reaper {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        // It removes what is there and ends; nobody is left to be told otherwise.
        let _ = self.0.wait();
    }
}

/// The process itself: waits until standard input closes, then removes the container.
///
/// # Errors
/// When the daemon cannot be asked.
pub fn run(id: &str) -> io::Result<()> {
    let mut sink = [0; 64];
    while io::stdin().read(&mut sink)? > 0 {}
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(remove(id))
}

/// `DELETE /containers/{id}` of the Docker Engine API; a container that is gone already is fine.
async fn remove(id: &str) -> io::Result<()> {
    let stream = UnixStream::connect(SOCKET).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(io::Error::other)?;
    tokio::spawn(connection);
    let request = hyper::Request::delete(format!("/containers/{id}?force=true&v=true"))
        .header(hyper::header::HOST, "docker")
        .body(Empty::<Bytes>::new())
        .map_err(io::Error::other)?;
    sender
        .send_request(request)
        .await
        .map(drop)
        .map_err(io::Error::other)
}
