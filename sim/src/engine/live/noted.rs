//! What the producer notes: in a file that has no name, so that a drill of a day takes no more memory than one of an hour
//! and nobody has a hand in it; what is new is kept until somebody has looked.

use crate::ledger::{self, LedgerFile};
use firedrill_asynq::note::Note as AnyNote;
use std::fs::File;
use std::io::{self, Seek, SeekFrom};

type Note = AnyNote<String>;

/// The producer's ledger.
#[derive(Debug)]
pub(super) struct Noted {
    file: LedgerFile,
    /// The same file, to be read.
    whole: File,
    fresh: Vec<Note>,
    sent: u64,
    answered: u64,
    /// Why it is not whole.
    failed: Option<io::Error>,
}

impl Noted {
    pub(super) fn new() -> io::Result<Self> {
        let whole = tempfile::tempfile()?;
        Ok(Self {
            file: LedgerFile::of(whole.try_clone()?),
            whole,
            fresh: Vec::new(),
            sent: 0,
            answered: 0,
            failed: None,
        })
    }

    pub(super) fn note(&mut self, note: Note) {
        match note {
            Note::Sent { .. } => self.sent += 1,
            Note::Answered { .. } => self.answered += 1,
            Note::Started { .. }
            | Note::Finished { .. }
            | Note::GivenUp { .. }
            | Note::Unhandled { .. } => {}
        }
        if self.failed.is_none() {
            self.failed = self.file.append(&note).err();
        }
        self.fresh.push(note);
    }

    /// What has been noted since somebody took it last.
    ///
    /// # Errors
    /// When something could not be written.
    pub(super) fn take_fresh(&mut self) -> io::Result<Vec<Note>> {
        match self.failed.take() {
            Some(error) => Err(error),
            None => Ok(std::mem::take(&mut self.fresh)),
        }
    }

    /// Whether every task that was sent is answered.
    pub(super) fn is_answered(&self) -> bool {
        self.sent == self.answered
    }

    /// All notes.
    ///
    /// # Errors
    /// When they could not be written, or cannot be read: then nothing is proven of any task.
    pub(super) fn take_all(&mut self) -> io::Result<Vec<Note>> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        self.whole.seek(SeekFrom::Start(0))?;
        let found = ledger::contents(&mut self.whole)?;
        match found.damage {
            None => Ok(found.entries),
            Some(damage) => Err(io::Error::new(io::ErrorKind::InvalidData, damage)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use firedrill_asynq::clock::Time;
    use firedrill_asynq::note::Intake;

    #[test]
    fn what_was_noted_is_told_once_while_it_runs_and_whole_in_the_end() {
        let at = Time(7);
        let sent = |id: &str| Note::Sent {
            at,
            id: id.to_owned(),
            workload: 1,
            intended: Time(5),
        };
        let answered = Note::Answered {
            at,
            id: "a".to_owned(),
            answer: Intake::Accepted,
        };
        let mut noted = Noted::new().unwrap();
        noted.note(sent("a"));
        assert!(!noted.is_answered());
        noted.note(answered.clone());
        assert!(noted.is_answered());
        assert_eq!(noted.take_fresh().unwrap(), [sent("a"), answered.clone()]);
        noted.note(sent("b"));
        assert_eq!(noted.take_fresh().unwrap(), [sent("b")]);
        assert_eq!(noted.take_all().unwrap(), [sent("a"), answered, sent("b")]);
    }
}
