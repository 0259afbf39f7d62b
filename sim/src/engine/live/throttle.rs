//! Worker processes that get a share of their time: stopped and let go on again and again, by a thread of their own.

use crate::owner::raw_pid;
use firedrill_asynq::clock::{ClockOrigin, Time};
use rustix::fd::OwnedFd;
use rustix::process::{
    PidfdFlags, Signal, WaitId, WaitIdOptions, pidfd_open, pidfd_send_signal, waitid,
};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// How long a look at a process that was told to stop may take, and how often it is looked at.
const LOOKS: u32 = 1_000;
const LOOK_AGAIN: Duration = Duration::from_micros(50);

/// A share of the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Quota {
    /// Virtual milliseconds.
    pub(crate) run_ms: i64,
    /// Virtual milliseconds.
    pub(crate) period_ms: i64,
}

/// A process that is throttled. Dropping it lets the process go on.
pub(super) struct Throttle {
    state: Arc<State>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct State {
    over: AtomicBool,
    /// Periods begun, and in how many of them it was seen to stop.
    periods: AtomicU32,
    stops: AtomicU32,
}

/// What was seen of a throttled process so far: periods, and those in which it was seen to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Throttled {
    pub(crate) periods: u32,
    pub(crate) stops: u32,
}

impl Throttle {
    /// Begins to throttle a child of ours, with a stop.
    ///
    /// # Errors
    /// When it is gone, or there is no thread to be had.
    pub(super) fn start(pid: u32, quota: Quota, clock: ClockOrigin) -> io::Result<Self> {
        let raw = raw_pid(pid).ok_or(io::ErrorKind::NotFound)?;
        let process = pidfd_open(raw, PidfdFlags::empty())?;
        let state = Arc::new(State::default());
        let of_thread = state.clone();
        let thread = std::thread::Builder::new()
            .name("throttle".to_owned())
            .spawn(move || throttle(&process, raw, quota, clock, &of_thread))?;
        Ok(Self {
            state,
            thread: Some(thread),
        })
    }

    /// What was seen so far.
    pub(super) fn seen(&self) -> Throttled {
        Throttled {
            periods: self.state.periods.load(Ordering::Acquire),
            stops: self.state.stops.load(Ordering::Acquire),
        }
    }

    /// It is over: the process is left stopped, for whoever lets it go on and looks whether it does.
    pub(super) fn end(mut self) -> Throttled {
        self.quit();
        self.seen()
    }

    fn quit(&mut self) {
        self.state.over.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // A panic there is printed; what it has seen until then counts.
            let _ = thread.join();
        }
    }
}

impl Drop for Throttle {
    fn drop(&mut self) {
        self.quit();
    }
}

fn throttle(
    process: &OwnedFd,
    pid: rustix::process::Pid,
    quota: Quota,
    clock: ClockOrigin,
    state: &State,
) {
    let is_over = || state.over.load(Ordering::Acquire);
    let sleep_until = |at: Time| {
        loop {
            let left = clock.until(at);
            if left.is_zero() || is_over() {
                return;
            }
            std::thread::park_timeout(left);
        }
    };
    let mut from = clock.now();
    while !is_over() {
        state.periods.fetch_add(1, Ordering::AcqRel);
        if pidfd_send_signal(process, Signal::STOP).is_err() {
            return;
        }
        if stops(pid) {
            state.stops.fetch_add(1, Ordering::AcqRel);
        }
        sleep_until(from.plus_millis(quota.period_ms - quota.run_ms));
        if is_over() {
            return;
        }
        if pidfd_send_signal(process, Signal::CONT).is_err() {
            return;
        }
        // It runs for as long as it should, even when it was let go on late: what came late is not taken off.
        sleep_until(clock.now().plus_millis(quota.run_ms));
        from = clock.now();
    }
    // Whoever lets it go on finds it stopped.
    if pidfd_send_signal(process, Signal::STOP).is_ok() {
        stops(pid);
    }
}

/// Whether a process is seen to stop. What the kernel has to tell of it is taken.
fn stops(pid: rustix::process::Pid) -> bool {
    let changes = WaitIdOptions::STOPPED | WaitIdOptions::CONTINUED | WaitIdOptions::NOHANG;
    for _ in 0..LOOKS {
        let mut stopped = false;
        while let Ok(Some(status)) = waitid(WaitId::Pid(pid), changes) {
            stopped = status.stopped();
        }
        if stopped {
            return true;
        }
        std::thread::sleep(LOOK_AGAIN);
    }
    false
}
