//! Signals to processes that are no children of ours, through a descriptor: looked at after it was opened, it is the
//! process that was looked at, and no other that got its number since.

use crate::owner::raw_pid;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::process::{PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use rustix::time::Timespec;
use std::io;

/// How long a process may take to end after its SIGKILL.
const ENDS_WITHIN: Timespec = Timespec {
    tv_sec: 10,
    tv_nsec: 0,
};

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
    // Readable when it has ended.
    let mut ended = [PollFd::new(&process, PollFlags::IN)];
    if poll(&mut ended, Some(&ENDS_WITHIN))? == 0 {
        return Err(io::Error::other(format!("process {pid} does not end")));
    }
    Ok(())
}
