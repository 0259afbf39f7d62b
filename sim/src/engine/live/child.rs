//! A worker process as its parent sees it: started, told the time, watched, killed.

use crate::engine::live::evidence::{HeldLedger, LeftLedger};
use crate::engine::live::scraper::{Page, Place};
use crate::engine::live::theirs::Crew;
use crate::guard;
use crate::owner::Owner;
use crate::redis_server::docker::guest::Guest;
use crate::signals;
use crate::undo;
use crate::worker::{Report, WorkerSpec};
use firedrill_asynq::clock::{ClockOrigin, Time};
use firedrill_detector::text::printable;
use rustix::process::{Pid, Signal, kill_process};
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::mpsc::UnboundedSender;

/// How long a worker may take to connect and open its port, real time.
const READY_WITHIN: Duration = Duration::from_secs(20);

/// A fault's first effect in a worker process.
#[derive(Debug, Clone)]
pub struct Effect {
    /// Which process.
    pub process: String,
    /// Index of the timeline's step.
    pub step: usize,
    /// When.
    pub at: Time,
}

/// What a worker process tells while it works.
#[derive(Debug, Clone)]
pub enum Told {
    /// A fault's first effect.
    Effect(Effect),
    /// A fault has brought it down, and it waits to be ended.
    Crashes(Effect),
    /// A limit that a remedy of the plan has raised was met, too.
    NotEnough {
        /// Its index among the remedies.
        remedy: usize,
        /// When it was not yet.
        since: Time,
    },
    /// It did not get to run.
    Stalled {
        /// Which process.
        process: String,
        /// Since when.
        at: Time,
        /// For how many virtual milliseconds.
        ms: i64,
    },
}

/// Why a worker could not be started.
#[derive(Debug, thiserror::Error)]
#[error("worker {process}: {reason}")]
pub struct ChildError {
    pub(super) process: String,
    pub(super) reason: String,
}

/// How a process ended that did not boot.
#[derive(Debug)]
pub(crate) struct FailedBoot {
    /// Its exit code; `None`: it was ended by a signal.
    pub(crate) code: Option<i32>,
    /// Its last words.
    pub(crate) said: String,
}

/// A running worker process. Dropping it kills it.
pub struct WorkerChild {
    body: Body,
    process: String,
    /// Where its `/metrics` is, if it has any.
    pub(crate) place: Option<Page>,
    /// What is ours of it; `None`: it is the team's own.
    ours: Option<OfOurs>,
    /// What it has started, if it is a process of the team's. After its body, with which it ends.
    _group: Option<Group>,
}

/// The process group of a worker of the team's, which leads it. Dropping it ends what that has left behind.
pub(super) struct Group(Owner);

impl Group {
    /// Of a child that has just been started.
    pub(super) fn of(child: &Child) -> Option<Self> {
        let leader = child.id().and_then(|pid| Owner::of(pid).ok());
        leader.map(Self)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Ok(this) = Owner::this() {
            // What does not end now is ended by its journal, or told of there.
            let _ = undo::end_group(&self.0, &this);
        }
    }
}

/// What a worker is.
enum Body {
    /// A child of ours.
    Child(Child),
    /// A container of the team's, and whether it was ended by us.
    Guest(Guest, bool),
    /// A pod of the team's by its number among the plan's processes, and whether it was ended by us.
    Pod(Crew, usize, bool),
}

/// What a worker of ours has, and none of the team's.
struct OfOurs {
    /// It is told the time there.
    stdin: ChildStdin,
    ledger: HeldLedger,
}

impl WorkerChild {
    /// Starts the process and waits until it is connected. It does nothing before [`WorkerChild::begin`].
    ///
    /// # Errors
    /// When it cannot be started, ends at once, or is not ready within 20 s.
    pub async fn start(
        exe: &Path,
        spec: &WorkerSpec,
        told: UnboundedSender<Told>,
    ) -> Result<Self, ChildError> {
        let failed = |reason: String| ChildError {
            process: spec.process.clone(),
            reason,
        };
        let mut command = Command::from(guard::command(exe, exe, [OsStr::new("worker")]));
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command
            .spawn()
            .map_err(|error| failed(format!("cannot start: {error}")))?;
        let (Some(mut stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(failed("no pipes".into()));
        };
        let mut line = serde_json::to_string(spec).map_err(|error| failed(error.to_string()))?;
        line.push('\n');
        stdin
            .write_all(line.as_bytes())
            .await
            .map_err(|error| failed(format!("died at start: {error}")))?;

        let mut lines = BufReader::new(stdout).lines();
        let first = tokio::time::timeout(READY_WITHIN, lines.next_line())
            .await
            .map_err(|_| failed("not ready within 20 s".into()))?
            .map_err(|error| failed(error.to_string()))?
            .ok_or_else(|| failed("ended before it was ready; see its message above".into()))?;
        let Ok(Report::Ready { port }) = serde_json::from_str(&first) else {
            return Err(failed(format!("unexpected first line `{first}`")));
        };
        let process = spec.process.clone();
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                let process = process.clone();
                let word = match serde_json::from_str(&line) {
                    Ok(Report::Effect { step, at }) => Told::Effect(Effect { process, step, at }),
                    Ok(Report::Crashes { step, at }) => Told::Crashes(Effect { process, step, at }),
                    Ok(Report::Stalled { at, ms }) => Told::Stalled { process, at, ms },
                    Ok(Report::Ready { .. }) | Err(_) => continue,
                };
                if told.send(word).is_err() {
                    return;
                }
            }
        });
        let held = HeldLedger::open(&spec.ledger)
            .map_err(|error| failed(format!("has no ledger: {error}")))?;
        let place = Place {
            address: SocketAddr::from(([127, 0, 0, 1], port)),
            token: spec.token.clone(),
        };
        Ok(Self {
            body: Body::Child(child),
            process: spec.process.clone(),
            place: Some(place.into()),
            ours: Some(OfOurs {
                stdin,
                ledger: held,
            }),
            _group: None,
        })
    }

    /// One of the team's own, which works already, and what it has started.
    pub(super) fn of_team(
        (child, group): (Child, Option<Group>),
        process: &str,
        place: Option<Page>,
    ) -> Self {
        Self {
            body: Body::Child(child),
            process: process.to_owned(),
            place,
            ours: None,
            _group: group,
        }
    }

    /// A container of the team's, which works already, and goes on when this is dropped.
    pub(super) fn of_guest(guest: Guest, process: &str, place: Option<Page>) -> Self {
        Self {
            body: Body::Guest(guest, false),
            process: process.to_owned(),
            place,
            ours: None,
            _group: None,
        }
    }

    /// A pod of the team's, which works already, and goes on when this is dropped.
    pub(super) fn of_pod((crew, index): (Crew, usize), process: &str, place: Option<Page>) -> Self {
        Self {
            body: Body::Pod(crew, index, false),
            process: process.to_owned(),
            place,
            ours: None,
            _group: None,
        }
    }

    /// Starts a process of a release that has a mistake in its configuration, and waits until it has ended.
    ///
    /// # Errors
    /// When it cannot be started, or goes on for 20 s.
    pub(crate) async fn start_broken(
        exe: &Path,
        spec: &WorkerSpec,
    ) -> Result<FailedBoot, ChildError> {
        let failed = |reason: String| ChildError {
            process: spec.process.clone(),
            reason,
        };
        let mut command = Command::from(guard::command(exe, exe, [OsStr::new("worker")]));
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command
            .spawn()
            .map_err(|error| failed(format!("cannot start: {error}")))?;
        let mut config = serde_json::to_value(spec).map_err(|error| failed(error.to_string()))?;
        // A key that the release before did not have, and misspelt.
        config["concurency"] = 10.into();
        if let Some(mut stdin) = child.stdin.take() {
            // It may have ended before it has read all of it.
            let _ = stdin.write_all(format!("{config}\n").as_bytes()).await;
        }
        let ended = tokio::time::timeout(READY_WITHIN, child.wait_with_output()).await;
        let ended = ended
            .map_err(|_| failed("a broken release goes on".into()))?
            .map_err(|error| failed(error.to_string()))?;
        let said = String::from_utf8_lossy(&ended.stderr);
        let last = said.lines().rfind(|line| !line.trim().is_empty());
        Ok(FailedBoot {
            code: ended.status.code(),
            said: printable(last.unwrap_or("nothing").trim()).to_string(),
        })
    }

    /// Tells it the time; it starts to work. One of the team's own knows the time, and does so already.
    ///
    /// # Errors
    /// When the process has ended.
    pub async fn begin(&mut self, clock: ClockOrigin) -> Result<(), ChildError> {
        let Some(ours) = &mut self.ours else {
            return Ok(());
        };
        let failed = |reason: String| ChildError {
            process: self.process.clone(),
            reason,
        };
        let mut line = serde_json::to_string(&clock).map_err(|error| failed(error.to_string()))?;
        line.push('\n');
        ours.stdin
            .write_all(line.as_bytes())
            .await
            .map_err(|error| failed(format!("has ended: {error}")))
    }

    /// Its process id, while it runs; none of a container or a pod.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        match &self.body {
            Body::Child(child) => child.id(),
            Body::Guest(..) | Body::Pod(..) => None,
        }
    }

    /// Its name in the plan.
    pub(crate) fn process(&self) -> &str {
        &self.process
    }

    /// Whether it outlives the drill.
    pub(crate) fn is_guest(&self) -> bool {
        matches!(self.body, Body::Guest(..) | Body::Pod(..))
    }

    /// Its open ledger, if it has one.
    #[must_use]
    pub fn ledger(&self) -> Option<&File> {
        self.ours.as_ref().map(|ours| ours.ledger.file())
    }

    /// The ledger of a process that has ended.
    pub(crate) fn into_ledger(self) -> Option<LeftLedger> {
        self.ours.map(|ours| ours.ledger.left())
    }

    /// Whether the process has ended. Of a container or a pod: whether we have ended it; what others do to it is found out in the end.
    pub fn has_ended(&mut self) -> bool {
        match &mut self.body {
            Body::Child(child) => !matches!(child.try_wait(), Ok(None)),
            Body::Guest(_, ended) | Body::Pod(_, _, ended) => *ended,
        }
    }

    /// A container has died of what the plan has done to it.
    pub(crate) fn has_died(&mut self) {
        if let Body::Guest(_, ended) = &mut self.body {
            *ended = true;
        }
    }

    /// SIGKILL, and waits until it is gone.
    ///
    /// # Errors
    /// When the system refuses.
    pub async fn kill(&mut self) -> io::Result<()> {
        match &mut self.body {
            Body::Child(child) => child.kill().await,
            Body::Guest(guest, ended) => {
                *ended = guest.kill().await.map_err(io::Error::other)?;
                Ok(())
            }
            Body::Pod(crew, index, ended) => {
                let left = crew.leave(&[*index], None).await;
                *ended = left.map_err(io::Error::other)?.0 == 1;
                Ok(())
            }
        }
    }

    /// Stops it or lets it go on; answers whether it is seen to be so.
    pub(crate) async fn signal(&self, signal: Signal) -> bool {
        match &self.body {
            Body::Child(child) => match child.id() {
                Some(pid) => signals::send(pid, signal).await,
                None => false,
            },
            Body::Guest(guest, _) => guest.pause(signal == Signal::STOP).await.unwrap_or(false),
            // Refused before the start.
            Body::Pod(..) => false,
        }
    }

    /// SIGTERM and waits for the graceful end; SIGKILL when that takes longer than `patience`. Answers whether the
    /// end was graceful.
    ///
    /// # Errors
    /// When the system refuses.
    pub async fn stop(&mut self, patience: Duration) -> io::Result<bool> {
        let child = match &mut self.body {
            Body::Child(child) => child,
            Body::Guest(guest, ended) => {
                let stopped = guest.stop(patience).await.map_err(io::Error::other);
                *ended = stopped.is_ok();
                return stopped;
            }
            Body::Pod(crew, index, ended) => {
                let left = crew.leave(&[*index], Some(patience)).await;
                *ended = left.is_ok();
                return left.map(|(_, in_time)| in_time).map_err(io::Error::other);
            }
        };
        if let Some(pid) = child
            .id()
            .and_then(|id| Pid::from_raw(i32::try_from(id).ok()?))
        {
            // ESRCH: it has ended already, which `wait` below sees.
            let _ = kill_process(pid, Signal::TERM);
        }
        match tokio::time::timeout(patience, child.wait()).await {
            Ok(ended) => ended.map(|_| true),
            Err(_) => child.kill().await.map(|()| false),
        }
    }
}
