//! Signals to processes that are no children of ours, through a descriptor: looked at after it was opened, it is the
//! process that was looked at, and no other that got its number since.

use crate::owner::raw_pid;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::process::{PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use rustix::time::Timespec;
use std::io;
use std::time::{Duration, Instant};

/// How long a process may take to end after its SIGKILL.
const ENDS_WITHIN: Duration = Duration::from_secs(10);

/// Sends a signal to process `pid`, if `is_it` says so once nobody else can get its number. One that has ended is none.
///
/// # Errors
/// When the system refuses.
pub(crate) fn send(
    pid: u32,
    signal: Signal,
    is_it: impl FnOnce() -> bool,
) -> io::Result<Option<OwnedFd>> {
    let Some(raw) = raw_pid(pid) else {
        return Ok(None);
    };
    let process = match pidfd_open(raw, PidfdFlags::empty()) {
        Err(Errno::SRCH) => return Ok(None),
        other => other?,
    };
    if !is_it() {
        return Ok(None);
    }
    match pidfd_send_signal(&process, signal) {
        Err(Errno::SRCH) => Ok(None),
        other => Ok(other.map(|()| Some(process))?),
    }
}

/// SIGKILL to process `pid`, if `is_it` says so, and waits until it is gone.
///
/// # Errors
/// When the system refuses, or it does not end.
pub(crate) fn end(pid: u32, is_it: impl FnOnce() -> bool) -> io::Result<()> {
    let Some(process) = send(pid, Signal::KILL, is_it)? else {
        return Ok(());
    };
    if !has_ended(&process, ENDS_WITHIN)? {
        return Err(io::Error::other(format!("process {pid} does not end")));
    }
    Ok(())
}

/// Waits for the end of a process. Signals to us do not end the wait: each of our children that ends sends one.
fn has_ended(process: &OwnedFd, within: Duration) -> io::Result<bool> {
    let deadline = Instant::now() + within;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let left = Timespec::try_from(left).map_err(io::Error::other)?;
        // Readable when it has ended.
        match poll(&mut [PollFd::new(process, PollFlags::IN)], Some(&left)) {
            Err(Errno::INTR) => {}
            ready => return Ok(ready? > 0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn a_process_ends_though_others_of_ours_end_meanwhile() {
        // Tokio's handler is there when there is a runtime that waits for children, and does not restart calls.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let _guard = runtime.enter();
        let _ended = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::child()).unwrap();
        let mut sleeper = Command::new("sleep").arg("60").spawn().unwrap();
        let process = pidfd_open(raw_pid(sleeper.id()).unwrap(), PidfdFlags::empty()).unwrap();
        let others = std::thread::spawn(|| {
            for _ in 0..20 {
                let mut short = Command::new("true").stdout(Stdio::null()).spawn().unwrap();
                short.wait().unwrap();
            }
        });
        assert!(!has_ended(&process, Duration::from_millis(300)).unwrap());
        others.join().unwrap();
        end(sleeper.id(), || true).unwrap();
        assert!(has_ended(&process, Duration::ZERO).unwrap());
        sleeper.wait().unwrap();
    }
}
