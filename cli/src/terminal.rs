//! Where results and talk go, and what becomes of results that cannot be written.

use crate::args::Colour;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::view::tui;
use anstream::AutoStream;
use firedrill_detector::text::printable_lines;
use firedrill_reports::render::Style;
use std::collections::VecDeque;
use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What is said while something is drawn on the whole terminal: it is kept until that is over.
#[derive(Debug, Clone, Default)]
pub(crate) struct Talk(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    is_held: bool,
    lines: VecDeque<String>,
}

/// Most lines that are kept; of more, the first are lost.
const KEPT_MOST: usize = 1_000;

impl Talk {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The last lines that were said, at most `most`.
    pub(crate) fn last(&self, most: usize) -> Vec<String> {
        let kept = self.kept();
        let surplus = kept.lines.len().saturating_sub(most);
        kept.lines.iter().skip(surplus).cloned().collect()
    }

    /// Says it on standard error, now or later.
    fn say(&self, text: &str) {
        let mut kept = self.kept();
        if !kept.is_held {
            let _ = writeln!(std::io::stderr(), "{text}");
            return;
        }
        kept.lines.extend(text.lines().map(str::to_owned));
        let surplus = kept.lines.len().saturating_sub(KEPT_MOST);
        kept.lines.drain(..surplus);
    }

    /// From now on it is kept.
    fn hold(&self) {
        self.kept().is_held = true;
    }

    /// Says what was kept.
    fn release(&self) {
        let mut kept = self.kept();
        kept.is_held = false;
        for line in kept.lines.drain(..) {
            let _ = writeln!(std::io::stderr(), "{line}");
        }
    }
}

/// Where results and talk go.
#[derive(Debug)]
pub struct Terminal {
    talk: Talk,
    colour: Colour,
    quiet: bool,
    /// Whether anything was started that a message could be wrong about.
    started: AtomicBool,
    out: Mutex<Out>,
}

/// What became of standard output.
#[derive(Debug)]
enum Out {
    Open,
    /// Its reader went away (`| head`): that is no error, but nothing more is written.
    Left,
    /// Results were lost, and why.
    Lost(io::Error),
}

impl Terminal {
    /// Results on standard output, talk on standard error, colour as asked.
    #[must_use]
    pub fn new(colour: Colour, quiet: bool) -> Self {
        Self {
            talk: Talk::default(),
            colour,
            quiet,
            started: AtomicBool::new(false),
            out: Mutex::new(Out::Open),
        }
    }

    /// How results are laid out: colour and width of standard output.
    #[must_use]
    pub fn style(&self) -> Style {
        let choice = match self.colour {
            Colour::Auto => AutoStream::choice(&std::io::stdout()),
            Colour::Always => anstream::ColorChoice::Always,
            Colour::Never => anstream::ColorChoice::Never,
        };
        // A pipe has no width; what reads it can scroll.
        let width = terminal_size::terminal_size_of(std::io::stdout())
            .map_or(usize::MAX, |(width, _)| usize::from(width.0));
        Style {
            colour: choice != anstream::ColorChoice::Never,
            width,
        }
    }

    /// Whether only results and errors are wanted.
    pub(crate) fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Notes that something was started: from now on no message says that nothing was.
    pub(crate) fn started(&self) {
        self.started.store(true, Ordering::Relaxed);
    }

    /// Keeps what is said, as long as something is drawn on the whole terminal.
    pub(crate) fn hold(&self) -> Talk {
        self.talk.hold();
        self.talk.clone()
    }

    /// Nothing is drawn any more: the terminal is as it was, and what was kept is said.
    pub(crate) fn release(&self) {
        tui::restore();
        self.talk.release();
    }

    /// Prints a result as it was rendered: it may have colours. One that cannot be written is lost, which
    /// [`Self::exit`] tells.
    pub fn result(&self, text: &str) {
        let mut state = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        if !matches!(*state, Out::Open) {
            return;
        }
        self.release();
        let mut out = std::io::stdout().lock();
        let end = if text.ends_with('\n') { "" } else { "\n" };
        let written = out
            .write_all(text.as_bytes())
            .and_then(|()| out.write_all(end.as_bytes()))
            // Otherwise the last of it would be lost at the end of the process, without a word.
            .and_then(|()| out.flush());
        match written {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => *state = Out::Left,
            Err(error) => *state = Out::Lost(error),
        }
    }

    /// Prints a result without colours that holds text of others, such as names and paths.
    pub fn plain_result(&self, text: &str) {
        self.result(&printable_lines(text));
    }

    /// As [`Self::say`], of what was rendered: it may have colours.
    pub(crate) fn say_rendered(&self, text: &str) {
        if !self.quiet {
            self.talk.say(text);
        }
    }

    /// Says something on standard error, unless quiet.
    pub fn say(&self, text: impl Display) {
        if !self.quiet {
            let text = text.to_string();
            self.talk.say(&printable_lines(&text));
        }
    }

    /// Says something to whoever runs firedrill, quiet or not: each line is a command of its own.
    pub(crate) fn command(&self, text: &str) {
        let _ = write!(std::io::stderr(), "{}", printable_lines(text));
    }

    /// Whether progress may be drawn over itself.
    pub(crate) fn is_interactive(&self) -> bool {
        !self.quiet && std::io::stderr().is_terminal()
    }

    /// Prints why a command failed.
    pub fn error(&self, failure: &Failure) {
        self.release();
        let mut err = std::io::stderr().lock();
        for message in &failure.messages {
            let _ = writeln!(err, "error: {}", printable_lines(message));
        }
        if failure.messages.len() > 1 {
            let started = self.started.load(Ordering::Relaxed);
            let nothing = if started { "" } else { "; nothing was started" };
            let _ = writeln!(err, "{} problems{nothing}", failure.messages.len());
        }
    }

    /// The exit code of a command that ended with `exit`: a verdict nobody could read is none. What is worse than lost
    /// results keeps its code.
    pub(crate) fn with_lost(&self, exit: Exit) -> Exit {
        let state = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        match (&*state, exit) {
            (Out::Lost(_), Exit::Passed | Exit::GateFailed | Exit::Inconclusive) => {
                Exit::Environment
            }
            _ => exit,
        }
    }

    /// The same, at the end: says that results were lost.
    #[must_use]
    pub fn exit(&self, exit: Exit) -> Exit {
        let lost = match &*self.out.lock().unwrap_or_else(PoisonError::into_inner) {
            Out::Lost(error) => Some(error.to_string()),
            Out::Open | Out::Left => None,
        };
        if let Some(error) = lost {
            self.error(&Failure::environment(format!(
                "the results cannot be written to standard output: {error}"
            )));
        }
        self.with_lost(exit)
    }
}
