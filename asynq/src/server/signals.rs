//! What signals mean to a server, as in asynq: SIGTERM and SIGINT end it, SIGTSTP stops fetching.

use super::Ear;
use crate::actor::Event;
use crate::drive::Outside;
use std::io;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;

/// Signals that are heard.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    suspend: Signal,
}

impl Signals {
    /// From now on they are heard.
    pub(super) fn new() -> io::Result<Self> {
        let suspend = rustix::process::Signal::TSTP.as_raw();
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            suspend: signal(SignalKind::from_raw(suspend))?,
        })
    }

    /// Tells the server of each. Those after the first SIGTERM change nothing.
    pub(super) fn tell(mut self, ear: Ear) -> JoinHandle<()> {
        tokio::spawn(async move {
            loop {
                let event = tokio::select! {
                    Some(()) = self.terminate.recv() => Event::Shutdown,
                    Some(()) = self.interrupt.recv() => Event::Shutdown,
                    Some(()) = self.suspend.recv() => Event::Stop,
                    else => return,
                };
                if ear.send(Outside::Event(event)).is_err() {
                    return;
                }
            }
        })
    }
}
