//! A rehearsal: a drill in real time that people take part in. What they say, what is due of them, and when it must not begin or
//! go on. Values in, values out: who waits, reads and prints is the command.

mod conditions;
mod desk;
mod duty;
mod rails;
mod runbook;
mod words;

pub use conditions::AbortWhen;
pub use desk::{Desk, Page};
pub use duty::{Due, Duty, Hand, Stands, clock};
pub use rails::{Found, Rails};
pub use runbook::{Runbook, Section};
pub use words::{Word, help, said};

use firedrill_reports::record::{Deed, Rehearsed};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// Whom a note is by that nobody has typed: its subject.
pub use firedrill_reports::rehearsal::OURS;

/// What makes a live drill a rehearsal.
#[derive(Debug, Clone)]
pub struct Rehearsal {
    /// What is asked of people.
    pub terms: Rehearsed,
    /// Where what they say comes from.
    pub people: People,
    /// What ends it, whoever sees it.
    pub abort_when: AbortWhen,
}

/// Something that was said, or is to be noted; the engine says when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// What.
    pub what: Deed,
    /// About what; may be empty.
    pub subject: String,
    /// In words.
    pub text: String,
}

/// Where people are heard: one end for who asks them, one for the engine. Cheap to clone.
#[derive(Debug, Clone)]
pub struct People(Arc<Mutex<Option<UnboundedReceiver<Said>>>>);

impl People {
    /// Both ends.
    #[must_use]
    pub fn new() -> (UnboundedSender<Said>, Self) {
        let (say, heard) = unbounded_channel();
        (say, Self(Arc::new(Mutex::new(Some(heard)))))
    }

    /// The engine's end; `None`: somebody listens already.
    pub(crate) fn listen(&self) -> Option<UnboundedReceiver<Said>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
