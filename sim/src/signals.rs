//! Signals to children of ours, and whether they bit.

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use std::time::Duration;

/// The kernel stops a process when it leaves what it is doing there, which takes a moment.
const LOOKS: u32 = 200;
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// SIGSTOP or SIGCONT; answers whether the process was seen to stop or to go on, within a second. What the kernel has to
/// tell of it is taken, so that whoever looks next does not take it for somebody else's doing.
pub(crate) async fn send(pid: u32, signal: Signal) -> bool {
    let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else {
        return false;
    };
    if kill_process(pid, signal).is_err() {
        return false;
    }
    let stops = signal == Signal::STOP;
    let changes = WaitIdOptions::STOPPED | WaitIdOptions::CONTINUED | WaitIdOptions::NOHANG;
    for _ in 0..LOOKS {
        let mut seen = false;
        while let Ok(Some(status)) = waitid(WaitId::Pid(pid), changes) {
            if !(status.stopped() || status.continued()) {
                return false;
            }
            seen = if stops {
                status.stopped()
            } else {
                status.continued()
            };
        }
        if seen {
            return true;
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    false
}

/// What the kernel has to tell of stops and continuations of a process so far is taken: somebody knows of it otherwise.
pub(crate) fn forget(pid: u32) {
    let changes = WaitIdOptions::STOPPED | WaitIdOptions::CONTINUED | WaitIdOptions::NOHANG;
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        while let Ok(Some(_)) = waitid(WaitId::Pid(pid), changes) {}
    }
}

/// SIGCONT, whether it was stopped or not.
pub(crate) fn wake(pid: u32) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        // It may have ended.
        let _ = kill_process(pid, Signal::CONT);
    }
}
