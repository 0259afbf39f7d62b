//! The directory of a drill: its journal, and its Redis if it has one of its own. Its name says whose it is.

use super::journal::{Journal, JournalError, Open};
use super::{Undo, Undone};
use crate::files::shown;
use crate::owner::Owner;
use crate::redis_server::{directory, leftovers};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A drill's directory. It outlives the drill only if something could not be undone.
#[derive(Debug)]
pub struct Home {
    owner: Owner,
    dir: PathBuf,
    journal: Journal,
}

impl Home {
    /// Makes one for a drill of this process.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn make() -> io::Result<Self> {
        let owner = Owner::this()?;
        // Not removed by a panic: then somebody else has to undo what is in it.
        let dir = directory::create()?.keep();
        let journal = Journal::create(&dir.join(directory::JOURNAL))?;
        Ok(Self {
            owner,
            dir,
            journal,
        })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.dir
    }

    /// Its journal.
    #[must_use]
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// The drill is over: what is still open is undone, and the directory goes. What was to be undone in a Redis that was
    /// given was done by whoever left that.
    ///
    /// # Errors
    /// When something is still there. Then the directory stays, for `firedrill clean`.
    pub fn close(self) -> Result<(), String> {
        undo_here(&self.dir, &self.owner, &self.journal, &|_| false).removed
    }
}

/// What came of undoing what a journal has open.
#[derive(Debug)]
pub struct Cleared {
    /// What was done to what is the team's.
    pub did: Vec<Undo>,
    /// What was not done because others have changed since what it is about, and how that is.
    pub left: Vec<String>,
    /// Whether the directory is gone; otherwise what is still there. What was undone is marked, and the rest of the journal stays.
    pub removed: Result<(), String>,
}

impl From<Result<(), String>> for Cleared {
    fn from(removed: Result<(), String>) -> Self {
        Self {
            did: Vec::new(),
            left: Vec::new(),
            removed,
        }
    }
}

/// Undoes what the journal in `dir` has open, and removes `dir`. `owner`: whose it was; `is_over` says of the token of a
/// claim whether nothing of its drill is left in the Redis that was given.
pub fn clear(dir: &Path, owner: &Owner, is_over: &dyn Fn(&str) -> bool) -> Cleared {
    let path = dir.join(directory::JOURNAL);
    match Journal::go_on(&path) {
        Ok(journal) => undo_here(dir, owner, &journal, is_over),
        // It ended before it had one, or somebody else is doing the same.
        Err(JournalError::Unreadable { error, .. }) if error.kind() == io::ErrorKind::NotFound => {
            remove(dir).into()
        }
        Err(error) => Err(error.to_string()).into(),
    }
}

/// Ends the processes of a drill whose firedrill, `owner`, is gone, and waits until they are: what they send to a Redis is not to come
/// after that was cleaned. `open`: what its journal has open. Who does not end is told of by [`clear`], which does the rest.
pub fn end_processes(open: &[Open], owner: &Owner) {
    let processes = open
        .iter()
        .filter(|open| matches!(open.undo, Undo::End { .. }));
    for open in processes {
        let _ = open.undo.here(owner);
    }
}

fn undo_here(
    dir: &Path,
    owner: &Owner,
    journal: &Journal,
    is_over: &dyn Fn(&str) -> bool,
) -> Cleared {
    let (mut did, mut left, mut failed) = (Vec::new(), Vec::new(), Vec::new());
    for open in journal.open() {
        let undone = match open.undo.given() {
            Some(token) if !is_over(token) => {
                Err(io::Error::other("that Redis was not cleaned up"))
            }
            _ => open.undo.here(owner),
        };
        let marked = undone.and_then(|undone| {
            journal.settle(std::slice::from_ref(&open.undo))?;
            Ok(undone)
        });
        match marked {
            Ok(Undone::Done) if open.undo.is_for_others() => did.push(open.undo),
            Ok(Undone::Left(why)) if !left.contains(&why) => left.push(why),
            Ok(_) => {}
            Err(error) => failed.push(format!("cannot {}: {error}", open.undo)),
        }
    }
    let removed = match failed.is_empty() {
        true => remove(dir),
        false => Err(format!("{}: {}", shown(dir), failed.join("; "))),
    };
    Cleared { did, left, removed }
}

/// Ends servers at home in a directory and removes it. Somebody else who does so at the same time is welcome.
fn remove(dir: &Path) -> Result<(), String> {
    let removed = leftovers::end_servers(dir).and_then(|()| fs::remove_dir_all(dir));
    match removed {
        Err(error) if fs::symlink_metadata(dir).is_ok() => {
            Err(format!("cannot remove {}: {error}", shown(dir)))
        }
        _ => Ok(()),
    }
}
