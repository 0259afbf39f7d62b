//! Looks at the drill's processes and their ledgers, and at the harness' own pulse.

use crate::engine::live::watch::{HARNESS, Roster};
use crate::pulse::Pulse;
use firedrill_asynq::clock::Time;
use firedrill_reports::record::{GapKind, Meddling};
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
use std::fs::File;
use tokio::signal::unix::{SignalKind, signal};

/// A process that should be there, and run.
pub(super) struct Followed {
    pid: u32,
    ended: bool,
    /// Since when it is stopped.
    stopped: Option<Time>,
    ledger: Option<File>,
    /// Length of the ledger when it was last looked at.
    length: u64,
}

impl Followed {
    pub(super) fn new(pid: u32, ledger: Option<File>) -> Self {
        Self {
            pid,
            ended: false,
            stopped: None,
            ledger,
            length: 0,
        }
    }
}

/// Something that was seen of a process.
struct Seen {
    what: Meddling,
    from: Time,
    until: Option<Time>,
    saw: String,
}

/// Looks again and again, and never ends.
pub(super) async fn look_after(roster: &Roster) {
    let mut continued = signal(SignalKind::from_raw(rustix::process::Signal::CONT.as_raw())).ok();
    let mut pulse = Pulse::new(roster.clock);
    // Somewhere after this look a stop of the harness began.
    let mut before = roster.clock.now();
    loop {
        let went_on = async {
            match &mut continued {
                Some(continued) => continued.recv().await.is_some(),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            (since, late_ms) = pulse.beat() => {
                roster.gap(GapKind::Stall, HARNESS, since, late_ms);
                before = since;
                look(roster);
            }
            // Whoever ends a process may send it, stopped or not, as coreutils' timeout does.
            true = went_on => if pulse.was_held() {
                let saw = "was stopped and went on (SIGCONT)".to_owned();
                roster.tell(Meddling::Stopped, HARNESS, before, Some(roster.clock.now()), saw);
            }
        }
    }
}

/// One look at everybody.
pub(super) fn look(roster: &Roster) {
    let now = roster.clock.now();
    let mut seen = Vec::new();
    {
        // Who acts on a process says so first, and waits for this lock: what is seen here, the plan did not do.
        let mut state = roster.state();
        for (who, followed) in &mut state.followed {
            let found = followed.look(now).into_iter();
            seen.extend(found.map(|found| (who.clone(), found)));
        }
    }
    tell(roster, seen);
}

/// The last look is over: who is still stopped stays so.
pub(super) fn close(roster: &Roster) {
    let mut seen = Vec::new();
    for (who, followed) in &mut roster.state().followed {
        seen.extend(
            followed
                .stopped
                .take()
                .map(|from| (who.clone(), stopped(from, None))),
        );
    }
    tell(roster, seen);
}

fn tell(roster: &Roster, seen: Vec<(String, Seen)>) {
    for (who, seen) in seen {
        roster.tell(seen.what, &who, seen.from, seen.until, seen.saw);
    }
}

fn stopped(from: Time, until: Option<Time>) -> Seen {
    let saw = match until {
        Some(_) => "was stopped (SIGSTOP) and went on",
        None => "was stopped (SIGSTOP)",
    };
    Seen {
        what: Meddling::Stopped,
        from,
        until,
        saw: saw.to_owned(),
    }
}

impl Followed {
    fn look(&mut self, now: Time) -> Vec<Seen> {
        let mut seen = Vec::new();
        if !self.ended {
            self.look_at_process(now, &mut seen);
        }
        let length = self.ledger.as_ref().and_then(|file| file.metadata().ok());
        if let Some(length) = length.map(|meta| meta.len()) {
            if length < self.length {
                seen.push(Seen {
                    what: Meddling::Ledger,
                    from: now,
                    until: None,
                    saw: format!("its ledger was cut from {} to {length} bytes", self.length),
                });
            }
            self.length = length;
        }
        seen
    }

    /// The process, if it is one.
    pub(super) fn pid(&self) -> Option<Pid> {
        i32::try_from(self.pid).ok().and_then(Pid::from_raw)
    }

    fn look_at_process(&mut self, now: Time, seen: &mut Vec<Seen>) {
        let Some(pid) = self.pid() else {
            return;
        };
        // Taken, so that the next look sees the next stop; the end is left for whoever waits for the process.
        let changes = WaitIdOptions::STOPPED | WaitIdOptions::CONTINUED | WaitIdOptions::NOHANG;
        while let Ok(Some(status)) = waitid(WaitId::Pid(pid), changes) {
            if status.stopped() {
                self.stopped.get_or_insert(now);
            } else if status.continued() {
                let from = self.stopped.take().unwrap_or(now);
                seen.push(stopped(from, Some(now)));
            } else {
                break;
            }
        }
        let end = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        let saw = match waitid(WaitId::Pid(pid), end) {
            Ok(None) => return,
            Ok(Some(status)) => match (status.terminating_signal(), status.exit_status()) {
                (Some(signal), _) => format!("was ended by signal {signal}"),
                (_, Some(code)) => format!("ended with exit code {code}"),
                _ => "ended".to_owned(),
            },
            Err(_) => "is gone".to_owned(),
        };
        self.ended = true;
        seen.extend(self.stopped.take().map(|from| stopped(from, None)));
        seen.push(Seen {
            what: Meddling::Ended,
            from: now,
            until: None,
            saw,
        });
    }
}
