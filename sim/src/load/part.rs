//! A process of a load as its parent sees it.

use super::wire::{PartSpec, STOP, Word};
use crate::guard;
use firedrill_asynq::clock::ClockOrigin;
use firedrill_reports::load::Process;
use std::ffi::OsStr;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::mpsc::UnboundedSender;

/// How long a process may take to connect, real time.
const READY_WITHIN: Duration = Duration::from_secs(20);
/// Tasks of a backlog that a process enqueues a second at least; more slowly, and it is given up.
const PREFILL_PER_S: u64 = 500;

/// Why a process of a load could not be started.
#[derive(Debug, thiserror::Error)]
#[error("{process}: {reason}")]
pub struct PartError {
    process: String,
    reason: String,
}

/// A running process. Dropping it kills it.
pub(super) struct Part {
    child: Child,
    stdin: ChildStdin,
    /// What is known of it.
    pub(super) process: Process,
    /// Whether it has sent all it has to send.
    pub(super) done: bool,
    /// Whether it is no longer heard.
    pub(super) over: bool,
}

/// What is heard of a process: its number and what it says; `None`: it says no more.
pub(super) type Heard = (usize, Option<Word>);

impl Part {
    /// Starts it and waits until it is ready; answers how many tasks of the backlog it has enqueued.
    pub(super) async fn start(
        exe: &Path,
        spec: &PartSpec,
        number: usize,
        heard: UnboundedSender<Heard>,
    ) -> Result<(Self, u64), PartError> {
        let failed = |reason: String| PartError {
            process: spec.name.clone(),
            reason,
        };
        let mut command = Command::from(guard::command(exe, exe, [OsStr::new("load-part")]));
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        let spawned = command.spawn();
        let mut child = spawned.map_err(|error| failed(format!("cannot start: {error}")))?;
        let (Some(mut stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(failed("no pipes".into()));
        };
        let mut line = serde_json::to_string(spec).map_err(|error| failed(error.to_string()))?;
        line.push('\n');
        let written = stdin.write_all(line.as_bytes()).await;
        written.map_err(|error| failed(format!("died at start: {error}")))?;
        let mut lines = BufReader::new(stdout).lines();
        let within = READY_WITHIN + Duration::from_secs(spec.load.backlog / PREFILL_PER_S);
        let first = tokio::time::timeout(within, lines.next_line())
            .await
            .map_err(|_| failed(format!("not ready within {} s", within.as_secs())))?
            .map_err(|error| failed(error.to_string()))?
            .ok_or_else(|| failed("ended before it was ready; see its message above".into()))?;
        let Ok(Word::Ready { prefilled }) = serde_json::from_str(&first) else {
            return Err(failed(format!("unexpected first line `{first}`")));
        };
        tokio::spawn(listen(lines, number, heard));
        let process = Process {
            name: spec.name.clone(),
            role: spec.role,
            cpu_s: 0.0,
            cpu_most: 0.0,
            rss_bytes: 0,
            ended_well: false,
        };
        let part = Self {
            child,
            stdin,
            process,
            done: false,
            over: false,
        };
        Ok((part, prefilled))
    }

    async fn say(&mut self, line: &str) {
        // One that is gone is heard to be.
        let _ = self.stdin.write_all(format!("{line}\n").as_bytes()).await;
    }

    /// Tells it the time.
    pub(super) async fn begin(&mut self, clock: ClockOrigin) {
        let line = serde_json::to_string(&clock).expect("a clock is plain data");
        self.say(&line).await;
    }

    /// Asks it to end.
    pub(super) async fn stop(&mut self) {
        self.say(STOP).await;
    }

    /// Ends it if it has not ended, and waits.
    pub(super) async fn end(&mut self) -> Option<ExitStatus> {
        // It may have ended by itself.
        let _ = self.child.start_kill();
        self.child.wait().await.ok()
    }
}

async fn listen(
    mut lines: Lines<BufReader<ChildStdout>>,
    number: usize,
    heard: UnboundedSender<Heard>,
) {
    while let Ok(Some(line)) = lines.next_line().await {
        // A line that is none of ours says nothing.
        if let Ok(word) = serde_json::from_str(&line)
            && heard.send((number, Some(word))).is_err()
        {
            return;
        }
    }
    // Nobody listens any more when the load is over.
    let _ = heard.send((number, None));
}
