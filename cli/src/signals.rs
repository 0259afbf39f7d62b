//! What a signal does to a command: the first stops its drills where they are, a second spares them what they wait for.
//!
//! SIGHUP and SIGQUIT are a SIGTERM: whoever closes the terminal wants the same as whoever kills from another one, and
//! neither wants anything left behind.

use crate::exit::Exit;
use crate::failure::Failure;
use crate::view::tui;
use firedrill_sim::abort::Abort;
use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};

/// How long a command without drills to clean up after may take to end by itself.
const ENDS_WITHIN: Duration = Duration::from_millis(800);
/// How long one may take to write down what it has when its drills have been cleaned up after.
const FINISHES_WITHIN: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The signals of a command, heard from the moment this is made to the end of the process.
pub(crate) struct Signals {
    shared: Arc<Shared>,
    /// How many have come.
    count: watch::Receiver<u32>,
    stopper: Stopper,
}

/// Stops a command as Ctrl-C does, once or more often.
#[derive(Debug, Clone)]
pub(crate) struct Stopper(mpsc::UnboundedSender<()>);

impl Stopper {
    pub(crate) fn stop(&self) {
        // Nobody listens any more only when the process ends.
        let _ = self.0.send(());
    }
}

#[derive(Default)]
struct Shared {
    /// Becomes true when virtual drills are to be stopped.
    abort: Arc<AtomicBool>,
    /// Whether the first was not a SIGINT.
    terminated: AtomicBool,
    /// How many drills have to be cleaned up after.
    held: AtomicUsize,
    /// Whether clean-up failed.
    incomplete: AtomicBool,
}

impl Shared {
    fn exit(&self) -> Exit {
        if self.incomplete.load(Ordering::Acquire) {
            Exit::CleanupIncomplete
        } else if self.terminated.load(Ordering::Acquire) {
            Exit::Terminated
        } else {
            Exit::Interrupted
        }
    }
}

/// Says that there is something to clean up: until it is dropped, no signal ends the process.
pub(crate) struct Hold(Arc<Shared>);

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.held.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Signals {
    /// Begins to listen.
    ///
    /// # Errors
    /// When signals cannot be listened for.
    pub(crate) fn listen() -> Result<Self, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(Failure::environment)?;
        let shared = Arc::new(Shared::default());
        let (count_tx, count) = watch::channel(0);
        let (ready_tx, ready) = std::sync::mpsc::channel();
        let (stop, stops) = mpsc::unbounded_channel();
        let of_thread = shared.clone();
        std::thread::spawn(move || {
            runtime.block_on(async move {
                match heard() {
                    Ok(signals) => {
                        // Nobody waits any more only when the command has ended.
                        let _ = ready_tx.send(Ok(()));
                        watch_over((signals, stops), &of_thread, &count_tx).await;
                    }
                    Err(error) => {
                        let _ = ready_tx.send(Err(error));
                    }
                }
            });
        });
        let listening = ready.recv().map_err(Failure::internal)?;
        listening.map_err(Failure::environment)?;
        Ok(Self {
            shared,
            count,
            stopper: Stopper(stop),
        })
    }

    /// For virtual drills, which look now and then.
    pub(crate) fn flag(&self) -> Arc<AtomicBool> {
        self.shared.abort.clone()
    }

    /// For live drills, which are woken.
    pub(crate) fn abort(&self) -> Abort {
        Abort::new(self.count.clone())
    }

    /// For those who stop it in another way.
    pub(crate) fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }

    /// Until the end of what this returns, only the command itself ends the process.
    pub(crate) fn hold(&self) -> Hold {
        self.shared.held.fetch_add(1, Ordering::AcqRel);
        Hold(self.shared.clone())
    }

    /// Something of a drill is still there: that is what the exit code has to say.
    pub(crate) fn left_something(&self) {
        self.shared.incomplete.store(true, Ordering::Release);
    }

    /// The exit code, if a signal has come.
    pub(crate) fn exit(&self) -> Option<Exit> {
        (*self.count.borrow() > 0).then(|| self.shared.exit())
    }
}

/// The signals that stop a command. One that whoever started us had ignored, as `nohup` does, stays ignored.
fn heard() -> io::Result<Vec<(bool, Signal)>> {
    let mut signals = vec![
        (false, signal(SignalKind::interrupt())?),
        (true, signal(SignalKind::terminate())?),
    ];
    for kind in [SignalKind::hangup(), SignalKind::quit()] {
        if !is_ignored(kind) {
            signals.push((true, signal(kind)?));
        }
    }
    Ok(signals)
}

/// Whether a signal is ignored (proc(5), `SigIgn` in `/proc/pid/status`).
fn is_ignored(kind: SignalKind) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0);
    let bit = u32::try_from(kind.as_raw_value() - 1).unwrap_or(0);
    mask.checked_shr(bit).unwrap_or(0) & 1 == 1
}

/// Counts signals, and ends a process that does not end by itself and has nothing to clean up.
async fn watch_over(
    (mut signals, mut stops): (Vec<(bool, Signal)>, mpsc::UnboundedReceiver<()>),
    shared: &Shared,
    count: &watch::Sender<u32>,
) {
    let mut free_since: Option<Instant> = None;
    let mut within = ENDS_WITHIN;
    let mut tick = tokio::time::interval(LOOK_EVERY);
    loop {
        let any = poll_fn(|context| {
            for (terminates, signal) in &mut signals {
                if signal.poll_recv(context).is_ready() {
                    return Poll::Ready(*terminates);
                }
            }
            // It is a SIGINT that somebody gives in another way.
            match stops.poll_recv(context) {
                Poll::Ready(Some(())) => Poll::Ready(false),
                Poll::Ready(None) | Poll::Pending => Poll::Pending,
            }
        });
        tokio::select! {
            terminates = any => {
                let held = shared.held.load(Ordering::Acquire) > 0;
                if *count.borrow() == 0 {
                    if held {
                        within = FINISHES_WITHIN;
                    }
                    shared.terminated.store(terminates, Ordering::Release);
                    shared.abort.store(true, Ordering::Release);
                } else if !held {
                    end(shared);
                }
                count.send_modify(|count| *count += 1);
            }
            _ = tick.tick() => {}
        }
        if *count.borrow() == 0 || shared.held.load(Ordering::Acquire) > 0 {
            free_since = None;
            continue;
        }
        if free_since.get_or_insert_with(Instant::now).elapsed() > within {
            end(shared);
        }
    }
}

fn end(shared: &Shared) -> ! {
    tui::restore();
    std::process::exit(i32::from(shared.exit() as u8))
}
