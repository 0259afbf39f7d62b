//! The live view on a terminal: a thread that draws, and a screen that is given back however the command ends.

use super::draw::{Moved, Pane, Place, SAID_MOST, Scene, draw};
use super::keyboard::{Keyboard, Meant};
use crate::signals::Stopper;
use crate::terminal::Talk;
use firedrill_sim::view::Board;
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::{Hide, Show};
use ratatui::crossterm::event::{self, Event, KeyEventKind};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use std::io::{self, Stdout, stdout};
use std::panic;
use std::sync::{Mutex, Once, PoisonError, TryLockError};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedSender;

/// How often it is drawn, and keys are looked at.
const EVERY: Duration = Duration::from_millis(200);

/// Whether the terminal is ours now. Whoever draws holds it.
static SCREEN: Mutex<bool> = Mutex::new(false);
/// A panic gives the terminal back before it says anything.
static ON_PANIC: Once = Once::new();

/// Who stops the command, and who reads lines, if somebody does.
type Listeners = (Stopper, Option<UnboundedSender<String>>);

/// What is drawn on a terminal until this is dropped.
pub(super) struct Tui {
    drawing: Option<JoinHandle<()>>,
}

impl Tui {
    /// Takes the terminal.
    ///
    /// # Errors
    /// When it cannot be had; then it is as it was.
    pub(super) fn begin(board: Board, listeners: Listeners, talk: Talk) -> io::Result<Self> {
        ON_PANIC.call_once(|| {
            let before = panic::take_hook();
            panic::set_hook(Box::new(move |info| {
                restore();
                before(info);
            }));
        });
        *SCREEN.lock().unwrap_or_else(PoisonError::into_inner) = true;
        let taken = enable_raw_mode()
            .and_then(|()| execute!(stdout(), EnterAlternateScreen, Hide))
            .and_then(|()| Terminal::new(CrosstermBackend::new(stdout())));
        let terminal = match taken {
            Ok(terminal) => terminal,
            Err(error) => {
                restore();
                return Err(error);
            }
        };
        let drawing = std::thread::Builder::new().name("terminal".into());
        let drawing = drawing.spawn(move || go(terminal, &board, &listeners, &talk));
        match drawing {
            Ok(drawing) => Ok(Self {
                drawing: Some(drawing),
            }),
            Err(error) => {
                restore();
                Err(error)
            }
        }
    }
}

impl Drop for Tui {
    fn drop(&mut self) {
        restore();
        if let Some(drawing) = self.drawing.take() {
            // If it panicked, that was told.
            let _ = drawing.join();
        }
    }
}

/// Gives the terminal back, if it was taken: for any end of the process, and any thread.
pub(crate) fn restore() {
    // Whoever panics while drawing holds it, and will not draw again.
    let mut tries = 100;
    let mut ours = loop {
        match SCREEN.try_lock() {
            Ok(ours) => break Some(ours),
            Err(TryLockError::Poisoned(ours)) => break Some(ours.into_inner()),
            Err(TryLockError::WouldBlock) if tries > 0 => {
                tries -= 1;
                std::thread::sleep(Duration::from_millis(2));
            }
            Err(TryLockError::WouldBlock) => break None,
        }
    };
    let was = ours
        .as_deref_mut()
        .is_none_or(|ours| std::mem::replace(ours, false));
    if was {
        // A terminal that is gone needs nothing.
        let _ = disable_raw_mode();
        let _ = execute!(stdout(), LeaveAlternateScreen, Show);
    }
}

/// Draws until the terminal is no longer ours.
fn go(
    mut terminal: Terminal<CrosstermBackend<Stdout>>,
    board: &Board,
    (stopper, lines): &Listeners,
    talk: &Talk,
) {
    let mut chosen = None;
    let mut keyboard = Keyboard::new(lines.is_some());
    let (mut pane, mut place, mut moved) = (Pane::Figures, Place::Section, Moved::default());
    loop {
        let snapshot = board.snapshot(chosen);
        let ours = SCREEN.lock().unwrap_or_else(PoisonError::into_inner);
        if !*ours {
            return;
        }
        if let Some(snapshot) = &snapshot {
            let (said, runbook) = (talk.last(SAID_MOST), board.runbook());
            let scene = Scene {
                snapshot,
                runbook: runbook.as_deref(),
                pane,
                place,
                said: &said,
                prompt: keyboard.prompt(),
            };
            // One that cannot be drawn now may be again.
            let _ = terminal.draw(|frame| moved = draw(frame, &scene));
        }
        drop(ours);
        // A second time, it goes again.
        let mut shows = |other| {
            pane = if pane == other { Pane::Figures } else { other };
            place = Place::Section;
        };
        match pressed(&mut keyboard) {
            Ok(Some(Meant::Stop)) => stopper.stop(),
            Ok(Some(Meant::Line(line))) => {
                if let Some(lines) = lines {
                    // Nobody listens any more when the rehearsal is over.
                    let _ = lines.send(line);
                }
            }
            Ok(Some(Meant::Next)) => {
                let drills = snapshot
                    .as_ref()
                    .map_or(0, |snapshot| snapshot.drills.len());
                let shown = snapshot.as_ref().map_or(0, |snapshot| snapshot.shown);
                chosen = (shown + 1).checked_rem(drills);
            }
            Ok(Some(Meant::Runbook)) => shows(Pane::Runbook),
            Ok(Some(Meant::Help)) => shows(Pane::Help),
            Ok(Some(Meant::Back)) => pane = Pane::Figures,
            Ok(Some(Meant::Scroll(scroll))) => place = moved.by(scroll),
            Ok(None) => {}
            // Without keys it is still shown.
            Err(_) => std::thread::sleep(EVERY),
        }
    }
}

/// Waits a little for keys, and takes those that are there until one means something.
fn pressed(keyboard: &mut Keyboard) -> io::Result<Option<Meant>> {
    let mut wait = EVERY;
    while event::poll(wait)? {
        wait = Duration::ZERO;
        if let Event::Key(key) = event::read()?
            && key.kind == KeyEventKind::Press
            && let Some(meant) = keyboard.press(key)
        {
            return Ok(Some(meant));
        }
    }
    Ok(None)
}
