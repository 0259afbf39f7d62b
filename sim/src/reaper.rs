//! The reaper: a small process that undoes what firedrill did when that dies before it could.
//!
//! It holds one end of a pipe whose other end only firedrill has. A firedrill that ends in order says so through it; when
//! the pipe closes without a word, what the journals of that firedrill's drills say is undone, and nothing of another's.
//! It is in a session of its own and deaf to what ends others, and has no terminal and no pipe of whoever started firedrill.

use crate::cleanup::{Scope, Told, clean_up};
use crate::owner::{Fate, Owner};
use crate::redis_server::directory;
use crate::redis_server::given::journal::state_dir;
use firedrill_asynq::broker::redis::address::Address;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, sleep, timeout_at};

/// What firedrill says when it ends in order.
const BYE: &str = "bye";
/// What the reaper says when it is ready.
const READY: &str = "ready";
/// Before an address of a Redis that was given. Not on a command line: there may be a password in it.
const REDIS: &str = "redis ";
/// How long all of it may take.
const REAPS_WITHIN: Duration = Duration::from_secs(60);
/// Pause between tries, e.g. while a Redis does not answer.
const TRY_AGAIN: Duration = Duration::from_secs(1);
/// Pause between looks whether firedrill is gone.
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// Most that is read from the pipe.
const SAID_MAX: u64 = 1 << 20;

/// The reaper of this process. Unless it is [dismissed](Reaper::dismiss), it goes to work when this process has ended.
#[derive(Debug)]
pub struct Reaper(Child);

impl Reaper {
    /// Starts one and waits until nothing but its work ends it. `exe` is the firedrill executable.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(exe: &Path) -> io::Result<Self> {
        let mut child = Command::new(exe)
            .args(["undertake", "--owner", &Owner::this()?.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let mut first = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut first)?;
        }
        if first.trim_end() == READY {
            return Ok(Self(child));
        }
        // It has ended, or is about to.
        let _ = child.kill();
        let _ = child.wait();
        Err(io::Error::other(
            "the process that cleans up after us did not start",
        ))
    }

    /// Tells it how to reach a Redis that was given: notes are without passwords.
    ///
    /// # Errors
    /// When it is gone.
    pub fn knows(&mut self, redis: &Address) -> io::Result<()> {
        self.say(&format!("{REDIS}{}", redis.url()))
    }

    /// All is in order: it ends, and is waited for.
    ///
    /// # Errors
    /// When it was gone before.
    pub fn dismiss(mut self) -> io::Result<()> {
        self.say(BYE)?;
        drop(self.0.stdin.take());
        self.0.wait().map(drop)
    }

    fn say(&mut self, line: &str) -> io::Result<()> {
        match &mut self.0.stdin {
            Some(stdin) => stdin.write_all(format!("{line}\n").as_bytes()),
            None => Ok(()),
        }
    }
}

/// The process itself: waits for the end of `owner`, and undoes what that has left.
///
/// # Errors
/// When it cannot wait.
pub fn run(owner: &Owner) -> io::Result<()> {
    // It fails for the leader of a group, who has one of its own: then that will do.
    let _ = rustix::process::setsid();
    std::env::set_current_dir("/")?;
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build()?;
    let _deaf = {
        let _inside = runtime.enter();
        [
            SignalKind::interrupt(),
            SignalKind::terminate(),
            SignalKind::hangup(),
            SignalKind::quit(),
        ]
        .map(signal)
    };
    let mut stdout = io::stdout();
    stdout.write_all(format!("{READY}\n").as_bytes())?;
    stdout.flush()?;
    let mut known = Vec::new();
    for line in BufReader::new(io::stdin().take(SAID_MAX)).lines() {
        let line = line?;
        if line == BYE {
            return Ok(());
        }
        let address = line.strip_prefix(REDIS).map(str::parse::<Address>);
        known.extend(address.and_then(Result::ok));
    }
    runtime.block_on(reap(owner, known));
    Ok(())
}

async fn reap(owner: &Owner, known: Vec<Address>) {
    let deadline = Instant::now() + REAPS_WITHIN;
    // Its descriptors are closed before it counts as gone, and only then do its children follow.
    while owner.fate(SystemTime::now()) == Fate::Runs && Instant::now() < deadline {
        sleep(LOOK_AGAIN).await;
    }
    let scope = Scope {
        place: directory::place(),
        state: state_dir(),
        only: Some(owner.clone()),
        named: None,
        known,
        only_list: false,
    };
    loop {
        let mut failed = false;
        let mut tell = |told| failed |= matches!(told, Told::Failed(_));
        let tried = timeout_at(deadline, clean_up(&scope, &mut tell)).await;
        // What is not done in time is left to `firedrill clean`.
        if (matches!(tried, Ok(Ok(()))) && !failed) || Instant::now() + TRY_AGAIN >= deadline {
            return;
        }
        sleep(TRY_AGAIN).await;
    }
}
