//! The ledger: one line for each execution's start and finish, in a file per process that survives SIGKILL.

use crate::clock::Time;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

/// One line of a worker's ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A handler was started.
    Started {
        /// When.
        at: Time,
        /// Task id.
        id: String,
        /// `retried` of the message: 0 for the first attempt.
        retried: i32,
    },
    /// A handler returned.
    Finished {
        /// When.
        at: Time,
        /// Task id.
        id: String,
        /// `retried` of the message.
        retried: i32,
        /// How.
        how: Finish,
        /// How much longer the handler took than the plan wanted, virtual microseconds.
        overrun_us: i64,
    },
}

/// How an execution ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finish {
    /// Success.
    Ok,
    /// Failure by the task's own failure share.
    Failed,
    /// Failure caused by a fault of the plan.
    FailedByFault,
}

impl Entry {
    fn line(&self) -> String {
        match self {
            Self::Started { at, id, retried } => format!("S {} {retried} {id}\n", at.0),
            Self::Finished {
                at,
                id,
                retried,
                how,
                overrun_us,
            } => {
                let how = match how {
                    Finish::Ok => 'O',
                    Finish::Failed => 'E',
                    Finish::FailedByFault => 'X',
                };
                format!("{how} {} {retried} {overrun_us} {id}\n", at.0)
            }
        }
    }

    fn parse(line: &str) -> Option<Self> {
        let mut parts = line.splitn(4, ' ');
        let (kind, at, retried, rest) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let (at, retried) = (Time(at.parse().ok()?), retried.parse().ok()?);
        let how = match kind {
            "S" => {
                return Some(Self::Started {
                    at,
                    id: rest.to_owned(),
                    retried,
                });
            }
            "O" => Finish::Ok,
            "E" => Finish::Failed,
            "X" => Finish::FailedByFault,
            _ => return None,
        };
        let (overrun_us, id) = rest.split_once(' ')?;
        Some(Self::Finished {
            at,
            id: id.to_owned(),
            retried,
            how,
            overrun_us: overrun_us.parse().ok()?,
        })
    }
}

/// Appends entries to a file, each with one unbuffered write: what was written stays when the process is killed.
#[derive(Debug)]
pub struct LedgerFile(File);

impl LedgerFile {
    /// Opens (or creates) the file for appending.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self(
            OpenOptions::new().create(true).append(true).open(path)?,
        ))
    }

    /// Appends one entry.
    ///
    /// # Errors
    /// When the write fails, e.g. because the disk is full.
    pub fn append(&mut self, entry: &Entry) -> io::Result<()> {
        self.0.write_all(entry.line().as_bytes())
    }
}

/// Reads a ledger back. A last line cut short by a crash is left out.
///
/// # Errors
/// When the file cannot be read, or a line other than the last is damaged.
pub fn read(path: &Path) -> io::Result<Vec<Entry>> {
    let text = std::fs::read_to_string(path)?;
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole
        .lines()
        .enumerate()
        .map(|(index, line)| {
            Entry::parse(line).ok_or_else(|| {
                io::Error::new(
                    io::ErrorKind::InvalidData,
                    format!(
                        "{}:{}: damaged ledger line `{line}`",
                        path.display(),
                        index + 1
                    ),
                )
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_survive_a_cut_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("w-0.ledger");
        let entries = vec![
            Entry::Started {
                at: Time(5),
                id: "a b".into(),
                retried: 0,
            },
            Entry::Finished {
                at: Time(9),
                id: "a b".into(),
                retried: 0,
                how: Finish::FailedByFault,
                overrun_us: -3,
            },
        ];
        let mut file = LedgerFile::open(&path).unwrap();
        entries.iter().for_each(|entry| file.append(entry).unwrap());
        file.0.write_all(b"S 77 0 cu").unwrap();
        assert_eq!(read(&path).unwrap(), entries);
    }
}
