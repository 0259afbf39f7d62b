//! Removes a container when its owner is gone, even an owner that was killed with SIGKILL.
//!
//! A container is no child of ours, so the kernel does not end it with us. A small process of our own waits on a pipe
//! that closes when the owner ends, and then has the container removed.

use std::io::{self, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// The process that waits for our end. Dropping it ends it: its container is removed if it is still there.
#[derive(Debug)]
pub(super) struct Reaper(Child);

impl Reaper {
    /// Starts it for the container `name`. `exe` is the firedrill executable, `docker` the program that removes it.
    pub(super) fn start(exe: &Path, docker: &Path, name: &str) -> io::Result<Self> {
        let mut command = Command::new(exe);
        command.args(["reap", "--container", name, "--docker"]);
        command.arg(docker);
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

/// The process itself: waits until standard input closes, then removes the container `name` with its volumes. One that
/// is gone already is fine.
///
/// # Errors
/// When docker cannot be run.
pub fn run(docker: &Path, name: &str) -> io::Result<()> {
    let mut sink = [0; 64];
    while io::stdin().read(&mut sink)? > 0 {}
    Command::new(docker)
        .args(["rm", "--force", "--volumes", name])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .map(drop)
}
