//! The live view of a command: the board that its drills tell, and who shows it.

mod draw;
mod keyboard;
pub(crate) mod tui;

use crate::args;
use crate::failure::Failure;
use crate::signals::{Signals, Stopper};
use crate::terminal::Terminal;
use firedrill_sim::drill::{Event, Seen};
use firedrill_sim::http::{Pages, no_pages};
use firedrill_sim::scenario::FAMILIES;
use firedrill_sim::view::web::{Act, Token, Web, WebError, WebOptions};
use firedrill_sim::view::{About, Board, View};
use std::io::{IsTerminal, stdout};
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use tokio::sync::mpsc;
use tui::Tui;

/// So many things that people do may wait to be taken.
const ACTS_WAITING: usize = 32;

/// Who shows a command while it runs; nobody, unless that was asked for. When it is dropped, it is over.
pub(crate) struct Showing<'t> {
    board: Option<Board>,
    web: Option<Web>,
    tui: Option<Tui>,
    terminal: &'t Terminal,
}

impl Drop for Showing<'_> {
    fn drop(&mut self) {
        if self.tui.take().is_some() {
            self.terminal.release();
        }
    }
}

impl<'t> Showing<'t> {
    /// Begins to show what was asked for.
    ///
    /// # Errors
    /// When the page cannot be had as it was asked for.
    pub(crate) fn begin(
        args: &args::View,
        abouts: impl IntoIterator<Item = About>,
        signals: &Signals,
        terminal: &'t Terminal,
    ) -> Result<Self, Failure> {
        if args.http.is_none() && !args.tui {
            return Ok(Self {
                board: None,
                web: None,
                tui: None,
                terminal,
            });
        }
        Self::with(args, abouts, no_pages(), (signals, terminal))
    }

    /// The same, with `more` pages, and shown in any case.
    ///
    /// # Errors
    /// As [`Self::begin`].
    pub(crate) fn with(
        args: &args::View,
        abouts: impl IntoIterator<Item = About>,
        more: Pages,
        (signals, terminal): (&Signals, &'t Terminal),
    ) -> Result<Self, Failure> {
        let stopper = signals.stopper();
        let acts = |board: &Board| taken(board, stopper);
        Self::taking(args, abouts, (more, acts, None), (signals, terminal))
    }

    /// The same for a rehearsal: what people do on the page, and lines that they type below what is drawn on the terminal, go to
    /// `typed`.
    ///
    /// # Errors
    /// As [`Self::begin`].
    pub(crate) fn in_room(
        args: &args::View,
        about: About,
        typed: mpsc::UnboundedSender<String>,
        (signals, terminal): (&Signals, &'t Terminal),
    ) -> Result<Self, Failure> {
        if args.http.is_none() && !args.tui {
            return Self::begin(args, [about], signals, terminal);
        }
        let lines = Some(typed.clone());
        let acts = |_: &Board| passed_on(typed);
        Self::taking(
            args,
            [about],
            (no_pages(), acts, lines),
            (signals, terminal),
        )
    }

    fn taking(
        args: &args::View,
        abouts: impl IntoIterator<Item = About>,
        (more, acts, lines): (
            Pages,
            impl FnOnce(&Board) -> mpsc::Sender<Act>,
            Option<mpsc::UnboundedSender<String>>,
        ),
        (signals, terminal): (&Signals, &'t Terminal),
    ) -> Result<Self, Failure> {
        let board = Board::new(abouts);
        // Where people rehearse, it is known what may have been the cause.
        let causes = match lines {
            Some(_) => &FAMILIES[..],
            None => &[],
        };
        let options = page(args, causes)?;
        let served = options.map(|options| Web::serve(&options, &board, more, acts(&board)));
        let web = served.transpose().map_err(failed)?;
        if let Some(web) = &web {
            terminal.say(format_args!("live view: {}", web.url()));
        }
        let tui = match args.tui {
            true => on_terminal(&board, signals.stopper(), lines, terminal)?,
            false => None,
        };
        Ok(Self {
            board: Some(board),
            web,
            tui,
            terminal,
        })
    }

    /// Whether the whole terminal is drawn on.
    pub(crate) fn has_terminal(&self) -> bool {
        self.tui.is_some()
    }

    /// Where the page is, if there is one.
    pub(crate) fn url(&self) -> Option<&str> {
        self.web.as_ref().map(Web::url)
    }

    /// Who is told of view `number`.
    pub(crate) fn ear(&self, number: usize) -> Ear {
        Ear {
            board: self.board.clone(),
            number,
        }
    }
}

/// Hears of one drill, load or watch, for those who show it, if anybody does.
#[derive(Debug, Clone)]
pub(crate) struct Ear {
    board: Option<Board>,
    number: usize,
}

impl Ear {
    /// It begins, perhaps anew.
    pub(crate) fn begins(&self, speed: f64, reached_ms: Arc<AtomicI64>) {
        self.tell(|view| view.begin(speed, reached_ms));
    }

    /// Something happened in it.
    pub(crate) fn happened(&self, event: &Event) {
        self.tell(|view| view.happened(event));
    }

    /// Something of it was seen.
    pub(crate) fn saw(&self, seen: Seen<'_>) {
        self.tell(|view| view.saw(seen));
    }

    /// It is over.
    pub(crate) fn over(&self) {
        self.tell(View::over);
    }

    /// People said something.
    pub(crate) fn notes(&self, text: &str) {
        if let Some(board) = &self.board {
            board.note(text);
        }
    }

    /// Tells the view something.
    pub(crate) fn tell(&self, tell: impl FnOnce(&mut View)) {
        if let Some(board) = &self.board {
            board.tell(self.number, tell);
        }
    }

    /// What `/metrics` shows from now on.
    pub(crate) fn exposes(&self, text: impl FnOnce() -> String) {
        if let Some(board) = &self.board {
            board.expose(text());
        }
    }
}

/// How the page is served, if one was asked for.
///
/// # Errors
/// When it cannot be had as it was asked for.
pub(crate) fn page(
    args: &args::View,
    causes: &'static [&'static str],
) -> Result<Option<WebOptions>, Failure> {
    let token = args.http_token.as_deref().map(str::parse::<Token>);
    let token = token.transpose();
    let token = token.map_err(|error| Failure::usage(format!("--http-token: {error}")))?;
    let options = args.http.map(|address| WebOptions {
        address,
        token,
        causes,
    });
    let checked = options.as_ref().map_or(Ok(()), WebOptions::check);
    checked.map_err(failed)?;
    Ok(options)
}

fn failed(error: WebError) -> Failure {
    match error {
        WebError::Open(_) => Failure::refused(error),
        WebError::Taken(..) | WebError::System(_) => Failure::environment(error),
    }
}

/// Draws on the terminal, if there is one.
fn on_terminal(
    board: &Board,
    stopper: Stopper,
    lines: Option<mpsc::UnboundedSender<String>>,
    terminal: &Terminal,
) -> Result<Option<Tui>, Failure> {
    let is_dumb = std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
    if is_dumb || !stdout().is_terminal() {
        terminal.say(
            "--tui: standard output is no terminal that can be drawn on, so it goes on without; --http shows the same on a page",
        );
        return Ok(None);
    }
    let talk = terminal.hold();
    let tui = Tui::begin(board.clone(), (stopper, lines), talk).map_err(|error| {
        terminal.release();
        Failure::environment(format!("--tui: {error}"))
    });
    tui.map(Some)
}

/// Takes what people do on the page down as notes, and stops the command when somebody wants that.
fn taken(board: &Board, stopper: Stopper) -> mpsc::Sender<Act> {
    let (acts, mut done) = mpsc::channel::<Act>(ACTS_WAITING);
    let board = board.clone();
    // It ends with the page.
    std::thread::spawn(move || {
        while let Some(act) = done.blocking_recv() {
            board.note(&act.as_note());
            if act == Act::Abort {
                stopper.stop();
            }
        }
    });
    acts
}

/// Passes on what people do on the page, in the words that are typed in a rehearsal.
fn passed_on(typed: mpsc::UnboundedSender<String>) -> mpsc::Sender<Act> {
    let (acts, mut done) = mpsc::channel::<Act>(ACTS_WAITING);
    // It ends with the page, or with the rehearsal.
    std::thread::spawn(move || {
        while let Some(act) = done.blocking_recv() {
            if typed.send(act.as_typed()).is_err() {
                break;
            }
        }
    });
    acts
}
