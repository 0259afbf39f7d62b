//! Waits until a rehearsal begins, and answers what is typed meanwhile: nothing of it is for the rehearsal itself.

use super::window::until;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::signals::Signals;
use crate::terminal::Terminal;
use firedrill_sim::rehearsal::{Word, help, said};
use firedrill_sim::scenario::FAMILIES;
use jiff::ZonedDateTime;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use tokio::sync::mpsc;

/// How long it is looked for something typed before it is looked whether that is over.
const LOOK_FOR: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 100_000_000,
};

/// Waits until that moment, of which people are told so; answers how to end where somebody did not want to wait.
///
/// # Errors
/// When nothing can be waited for.
pub(super) fn wait(
    (at, told): &(ZonedDateTime, String),
    signals: &Signals,
    terminal: &Terminal,
) -> Result<Option<Exit>, Failure> {
    terminal.say(format_args!("{told}; `abort` or Ctrl-C lets it be"));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::environment)?;
    let (typed, mut lines) = mpsc::unbounded_channel();
    let _listener = Listener::begin(typed).map_err(Failure::environment)?;
    let abort = signals.abort();
    Ok(runtime.block_on(async {
        loop {
            tokio::select! {
                biased;
                () = abort.asked() => return signals.exit(),
                () = until(at) => return None,
                Some(line) = lines.recv() => match said(&line, &FAMILIES) {
                    Ok(Some(Word::Abort)) => {
                        terminal.say("nothing has begun, and nothing will");
                        return Some(Exit::Stopped);
                    }
                    Ok(Some(Word::Help)) => terminal.say(help(&FAMILIES)),
                    Ok(None) => {}
                    Ok(Some(_)) | Err(_) => terminal.say(format_args!("not begun; {told}")),
                },
            }
        }
    }))
}

/// Reads lines from stdin until it is dropped, and takes none after that: they are for whoever listens then.
struct Listener {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Listener {
    fn begin(typed: mpsc::UnboundedSender<String>) -> io::Result<Self> {
        let over = Arc::new(AtomicBool::new(false));
        let is_over = over.clone();
        let thread = std::thread::Builder::new()
            .name("waiting".to_owned())
            .spawn(move || listens(&is_over, &typed))?;
        Ok(Self {
            over,
            thread: Some(thread),
        })
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            // A panic there is printed.
            let _ = thread.join();
        }
    }
}

fn listens(over: &AtomicBool, typed: &mpsc::UnboundedSender<String>) {
    let stdin = io::stdin();
    let mut line = Vec::new();
    while !over.load(Ordering::Acquire) {
        let mut looked = [PollFd::new(&stdin, PollFlags::IN)];
        match poll(&mut looked, Some(&LOOK_FOR)) {
            Ok(0) => continue,
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(_) => return,
        }
        // One at a time: what follows the line may be for the rehearsal.
        let mut byte = [0];
        match rustix::io::read(&stdin, &mut byte) {
            Ok(0) => return,
            Ok(_) if byte[0] == b'\n' => {
                let text = String::from_utf8_lossy(&line).into_owned();
                line.clear();
                if typed.send(text).is_err() {
                    return;
                }
            }
            Ok(_) => line.push(byte[0]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}
