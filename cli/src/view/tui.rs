//! The live view on a terminal: a thread that draws, and a screen that is given back however the command ends.

use super::draw::draw;
use crate::signals::Stopper;
use crate::terminal::Talk;
use firedrill_sim::view::Board;
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::{Hide, Show};
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use std::io::{self, Stdout, stdout};
use std::panic;
use std::sync::{Mutex, Once, PoisonError, TryLockError};
use std::thread::JoinHandle;
use std::time::Duration;

/// How often it is drawn, and keys are looked at.
const EVERY: Duration = Duration::from_millis(200);

/// Whether the terminal is ours now. Whoever draws holds it.
static SCREEN: Mutex<bool> = Mutex::new(false);
/// A panic gives the terminal back before it says anything.
static ON_PANIC: Once = Once::new();

/// What is drawn on a terminal until this is dropped.
pub(super) struct Tui {
    drawing: Option<JoinHandle<()>>,
}

impl Tui {
    /// Takes the terminal.
    ///
    /// # Errors
    /// When it cannot be had; then it is as it was.
    pub(super) fn begin(board: Board, stopper: Stopper, talk: Talk) -> io::Result<Self> {
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
        let drawing = drawing.spawn(move || go(terminal, &board, &stopper, &talk));
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
    stopper: &Stopper,
    talk: &Talk,
) {
    let mut chosen = None;
    loop {
        let snapshot = board.snapshot(chosen);
        let ours = SCREEN.lock().unwrap_or_else(PoisonError::into_inner);
        if !*ours {
            return;
        }
        if let Some(snapshot) = &snapshot {
            // One that cannot be drawn now may be again.
            let _ = terminal.draw(|frame| draw(frame, snapshot, &talk.last()));
        }
        drop(ours);
        match pressed() {
            Ok(Some(Key::Stop)) => stopper.stop(),
            Ok(Some(Key::Next)) => {
                let drills = snapshot
                    .as_ref()
                    .map_or(0, |snapshot| snapshot.drills.len());
                let shown = snapshot.as_ref().map_or(0, |snapshot| snapshot.shown);
                chosen = (shown + 1).checked_rem(drills);
            }
            Ok(None) => {}
            // Without keys it is still shown.
            Err(_) => std::thread::sleep(EVERY),
        }
    }
}

/// What keys mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Key {
    Stop,
    Next,
}

/// Waits a little for a key that means something.
fn pressed() -> io::Result<Option<Key>> {
    if !event::poll(EVERY)? {
        return Ok(None);
    }
    Ok(match event::read()? {
        Event::Key(key) if key.kind == KeyEventKind::Press => meaning(key),
        _ => None,
    })
}

fn meaning(key: KeyEvent) -> Option<Key> {
    match key.code {
        KeyCode::Char('q') => Some(Key::Stop),
        KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => Some(Key::Stop),
        KeyCode::Tab => Some(Key::Next),
        _ => None,
    }
}
