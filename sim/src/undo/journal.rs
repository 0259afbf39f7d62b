//! The journal: what is to be undone, a line each, on the disk before it is done; and a line when it was undone.

use super::Undo;
use crate::files::shown;
use crate::owner::read_private;
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Longest journal that is read.
const JOURNAL_MAX: u64 = 16 << 20;

/// A line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum Line {
    /// Is going to be done by a step of the plan, or by the drill itself, and is undone so.
    Owed(Open),
    /// Was undone.
    Undone {
        /// The number of its line.
        id: u64,
    },
}

/// Something that is still to be undone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Open {
    /// Its number.
    pub id: u64,
    /// The step of the plan that does it; `None`: it belongs to the drill.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// How it is undone.
    pub undo: Undo,
}

/// Why a journal cannot be gone by.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// It cannot be read, or is not ours alone.
    #[error("{}: {error}", shown(.path))]
    Unreadable {
        /// The journal.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Nobody of us wrote this.
    #[error("{}:{line}: not a line of an undo journal: {why}; nothing of it was done", shown(.path))]
    Garbled {
        /// The journal.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
        /// What is wrong with it.
        why: String,
    },
}

/// A journal that is written. All clones write the same.
#[derive(Debug, Clone)]
pub struct Journal(Arc<Mutex<Written>>);

#[derive(Debug)]
struct Written {
    file: File,
    next: u64,
    open: Vec<Open>,
}

impl Journal {
    /// Begins one.
    ///
    /// # Errors
    /// When it is there already, or cannot be made.
    pub fn create(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        let file = options.append(true).create_new(true).mode(0o600).open(path);
        let written = Written {
            file: file?,
            next: 1,
            open: Vec::new(),
        };
        Ok(Self(Arc::new(Mutex::new(written))))
    }

    /// Goes on with one that somebody else has left; a line that they did not finish is cut off.
    ///
    /// # Errors
    /// When it cannot be gone by, or not written.
    pub fn go_on(path: &Path) -> Result<Self, JournalError> {
        let unreadable = |error| JournalError::Unreadable {
            path: path.to_path_buf(),
            error,
        };
        let (bytes, _) = read_private(path, JOURNAL_MAX).map_err(unreadable)?;
        let (open, next, whole) = parse(path, &bytes)?;
        let file = OpenOptions::new().append(true).open(path);
        let file = file.map_err(unreadable)?;
        file.set_len(whole as u64).map_err(unreadable)?;
        Ok(Self(Arc::new(Mutex::new(Written { file, next, open }))))
    }

    fn written(&self) -> MutexGuard<'_, Written> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes down what will have to be undone, if that is not open already, and how what is open has changed. When this returns, it
    /// stays even if the power fails.
    ///
    /// # Errors
    /// When it cannot be written. What it is about must not be done then.
    pub fn note(&self, step: Option<&str>, undos: &[Undo]) -> io::Result<()> {
        let mut written = self.written();
        let (mut new, mut replaced) = (Vec::new(), Vec::new());
        for undo in undos {
            let earlier = written.open.iter().find(|open| open.undo.is_as(undo));
            let undo = match earlier {
                None => undo.clone(),
                Some(earlier) => match undo.on_top_of(&earlier.undo) {
                    None => continue,
                    Some(undo) => {
                        replaced.push(earlier.id);
                        undo
                    }
                },
            };
            let id = written.next + new.len() as u64;
            new.push(Open {
                id,
                step: step.map(str::to_owned),
                undo,
            });
        }
        if new.is_empty() {
            return Ok(());
        }
        // Who is cut off between the two has both, and the newer one is undone first.
        let over = replaced.iter().map(|id| Line::Undone { id: *id });
        written.append(new.iter().cloned().map(Line::Owed).chain(over))?;
        written.file.sync_data()?;
        written.next += new.len() as u64;
        written.open.retain(|open| !replaced.contains(&open.id));
        written.open.extend(new);
        Ok(())
    }

    /// Marks these as undone. A mark that gets lost costs no more than undoing it again.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn settle(&self, undos: &[Undo]) -> io::Result<()> {
        let mut written = self.written();
        let (done, open): (Vec<Open>, Vec<Open>) = std::mem::take(&mut written.open)
            .into_iter()
            .partition(|open| undos.iter().any(|undo| open.undo.is_as(undo)));
        written.open = open;
        written.append(done.into_iter().map(|open| Line::Undone { id: open.id }))
    }

    /// What is still to be undone, the newest first.
    #[must_use]
    pub fn open(&self) -> Vec<Open> {
        self.written().open.iter().rev().cloned().collect()
    }
}

impl Written {
    fn append(&mut self, lines: impl Iterator<Item = Line>) -> io::Result<()> {
        let mut text = Vec::new();
        for line in lines {
            serde_json::to_writer(&mut text, &line)?;
            text.push(b'\n');
        }
        self.file.write_all(&text)
    }
}

/// What is still to be undone by the journal at `path`, the newest first. One that is not there asks for nothing, and a last
/// line without an end was not written in time for anything to be done.
///
/// # Errors
/// When it cannot be read, or a line of it is none of ours.
pub fn read(path: &Path) -> Result<Vec<Open>, JournalError> {
    match read_private(path, JOURNAL_MAX) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(JournalError::Unreadable {
            path: path.to_path_buf(),
            error,
        }),
        Ok((bytes, _)) => {
            let (mut open, _, _) = parse(path, &bytes)?;
            open.reverse();
            Ok(open)
        }
    }
}

/// What is open, the next number, and the length of all whole lines.
fn parse(path: &Path, bytes: &[u8]) -> Result<(Vec<Open>, u64, usize), JournalError> {
    let mut open: Vec<Open> = Vec::new();
    let (mut next, mut whole) = (1, 0);
    let lines = bytes.split_inclusive(|byte| *byte == b'\n');
    for (number, line) in lines.enumerate() {
        let Some(text) = line.strip_suffix(b"\n") else {
            break;
        };
        let garbled = |why: String| JournalError::Garbled {
            path: path.to_path_buf(),
            line: number + 1,
            why,
        };
        match serde_json::from_slice(text).map_err(|error| garbled(error.to_string()))? {
            Line::Owed(owed) if owed.id == next => {
                next += 1;
                open.push(owed);
            }
            Line::Owed(owed) => {
                return Err(garbled(format!("its number is {}, not {next}", owed.id)));
            }
            Line::Undone { id } => match open.iter().position(|open| open.id == id) {
                Some(index) => drop(open.remove(index)),
                None => return Err(garbled(format!("nothing with the number {id} is open"))),
            },
        }
        whole += line.len();
    }
    Ok((open, next, whole))
}
