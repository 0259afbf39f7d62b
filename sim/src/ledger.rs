//! The ledger: what was sent and answered, and each execution's start and finish; a worker's is a file that survives
//! SIGKILL.

use crate::clock::Time;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

/// What a producer or a worker notes of a task: one line of a ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry<I> {
    /// A task was sent to Redis.
    Sent {
        /// When.
        at: Time,
        /// Task id.
        id: I,
        /// Index of the workload entry.
        workload: u32,
        /// When the plan wanted it.
        intended: Time,
    },
    /// Redis answered.
    Answered {
        /// When.
        at: Time,
        /// Task id.
        id: I,
        /// Whether the task is in a queue now.
        accepted: bool,
    },
    /// A handler was started.
    Started {
        /// When.
        at: Time,
        /// Task id.
        id: I,
        /// `retried` of the message: 0 for the first attempt.
        retried: i32,
    },
    /// A handler returned.
    Finished {
        /// When.
        at: Time,
        /// Task id.
        id: I,
        /// `retried` of the message.
        retried: i32,
        /// How.
        how: Finish,
        /// How much longer the handler took than the plan wanted, virtual microseconds.
        overrun_us: i64,
    },
    /// A task was given up: it goes to the archive, whether a handler ever saw it or not.
    GivenUp {
        /// When.
        at: Time,
        /// Task id.
        id: I,
        /// `retried` of the message.
        retried: i32,
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
    /// The handler wants the task to be forgotten.
    Revoked,
}

impl Entry<String> {
    fn line(&self) -> String {
        match self {
            Self::Sent {
                at,
                id,
                workload,
                intended,
            } => format!("P {} {workload} {} {id}\n", at.0, intended.0),
            Self::Answered { at, id, accepted } => {
                format!("A {} {} {id}\n", at.0, u8::from(*accepted))
            }
            Self::Started { at, id, retried } => format!("S {} {retried} {id}\n", at.0),
            Self::GivenUp { at, id, retried } => format!("G {} {retried} {id}\n", at.0),
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
                    Finish::Revoked => 'R',
                };
                format!("{how} {} {retried} {overrun_us} {id}\n", at.0)
            }
        }
    }

    fn parse(line: &str) -> Option<Self> {
        let mut parts = line.splitn(4, ' ');
        let (kind, at, number, rest) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let at = Time(at.parse().ok()?);
        let how = match kind {
            "P" => {
                let (intended, id) = rest.split_once(' ')?;
                return Some(Self::Sent {
                    at,
                    id: id.to_owned(),
                    workload: number.parse().ok()?,
                    intended: Time(intended.parse().ok()?),
                });
            }
            "A" => {
                return Some(Self::Answered {
                    at,
                    id: rest.to_owned(),
                    accepted: number == "1",
                });
            }
            "S" => {
                return Some(Self::Started {
                    at,
                    id: rest.to_owned(),
                    retried: number.parse().ok()?,
                });
            }
            "G" => {
                return Some(Self::GivenUp {
                    at,
                    id: rest.to_owned(),
                    retried: number.parse().ok()?,
                });
            }
            "O" => Finish::Ok,
            "E" => Finish::Failed,
            "X" => Finish::FailedByFault,
            "R" => Finish::Revoked,
            _ => return None,
        };
        let (overrun_us, id) = rest.split_once(' ')?;
        Some(Self::Finished {
            at,
            id: id.to_owned(),
            retried: number.parse().ok()?,
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
    pub fn append(&mut self, entry: &Entry<String>) -> io::Result<()> {
        self.0.write_all(entry.line().as_bytes())
    }
}

/// Reads a ledger back. A last line cut short by a crash is left out.
///
/// # Errors
/// When the file cannot be read, or a line other than the last is damaged.
pub fn read(path: &Path) -> io::Result<Vec<Entry<String>>> {
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
            Entry::Sent {
                at: Time(3),
                id: "a b".into(),
                workload: 2,
                intended: Time(1),
            },
            Entry::Answered {
                at: Time(4),
                id: "a b".into(),
                accepted: true,
            },
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
            Entry::GivenUp {
                at: Time(10),
                id: "a b".into(),
                retried: 25,
            },
        ];
        let mut file = LedgerFile::open(&path).unwrap();
        entries.iter().for_each(|entry| file.append(entry).unwrap());
        file.0.write_all(b"S 77 0 cu").unwrap();
        assert_eq!(read(&path).unwrap(), entries);
    }
}
