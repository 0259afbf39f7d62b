//! The ledger: what was sent and answered, and each execution's start and finish; a worker's is a file that survives
//! SIGKILL. Its lines are numbered, so that one that is gone is missed.

use firedrill_asynq::clock::Time;
use firedrill_asynq::note::{Finish, Intake, Note, Unhandled};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;

/// A note as a line of a ledger, without its number.
fn line(note: &Note<String>) -> String {
    match note {
        Note::Sent {
            at,
            id,
            workload,
            intended,
        } => format!("P {} {workload} {} {id}\n", at.0, intended.0),
        Note::Answered { at, id, answer } => {
            let answer = match answer {
                Intake::Rejected => 0,
                Intake::Accepted => 1,
                Intake::Duplicate => 2,
            };
            format!("A {} {answer} {id}\n", at.0)
        }
        Note::Started { at, id, retried } => format!("S {} {retried} {id}\n", at.0),
        Note::GivenUp { at, id, retried } => format!("G {} {retried} {id}\n", at.0),
        Note::Unhandled {
            at,
            id,
            retried,
            why,
        } => {
            let why = match why {
                Unhandled::TooLate => 'L',
                Unhandled::Recovered => 'V',
            };
            format!("{why} {} {retried} {id}\n", at.0)
        }
        Note::Finished {
            at,
            id,
            retried,
            how,
            overrun_us,
            taken_off_us,
        } => {
            let how = match how {
                Finish::Ok => 'O',
                Finish::Failed => 'E',
                Finish::FailedByFault => 'X',
                Finish::Revoked => 'R',
            };
            format!(
                "{how} {} {retried} {overrun_us} {taken_off_us} {id}\n",
                at.0
            )
        }
    }
}

fn parse(line: &str) -> Option<Note<String>> {
    let mut parts = line.splitn(4, ' ');
    let (kind, at, number, rest) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let at = Time(at.parse().ok()?);
    let how = match kind {
        "P" => {
            let (intended, id) = rest.split_once(' ')?;
            return Some(Note::Sent {
                at,
                id: id.to_owned(),
                workload: number.parse().ok()?,
                intended: Time(intended.parse().ok()?),
            });
        }
        "A" => {
            return Some(Note::Answered {
                at,
                id: rest.to_owned(),
                answer: match number {
                    "0" => Intake::Rejected,
                    "1" => Intake::Accepted,
                    "2" => Intake::Duplicate,
                    _ => return None,
                },
            });
        }
        "S" => {
            return Some(Note::Started {
                at,
                id: rest.to_owned(),
                retried: number.parse().ok()?,
            });
        }
        "G" => {
            return Some(Note::GivenUp {
                at,
                id: rest.to_owned(),
                retried: number.parse().ok()?,
            });
        }
        "L" | "V" => {
            return Some(Note::Unhandled {
                at,
                id: rest.to_owned(),
                retried: number.parse().ok()?,
                why: match kind {
                    "L" => Unhandled::TooLate,
                    _ => Unhandled::Recovered,
                },
            });
        }
        "O" => Finish::Ok,
        "E" => Finish::Failed,
        "X" => Finish::FailedByFault,
        "R" => Finish::Revoked,
        _ => return None,
    };
    let (overrun_us, rest) = rest.split_once(' ')?;
    let (taken_off_us, id) = rest.split_once(' ')?;
    Some(Note::Finished {
        at,
        id: id.to_owned(),
        retried: number.parse().ok()?,
        how,
        overrun_us: overrun_us.parse().ok()?,
        taken_off_us: taken_off_us.parse().ok()?,
    })
}

/// Appends entries to a file, each with one unbuffered write: what was written stays when the process is killed.
#[derive(Debug)]
pub struct LedgerFile {
    file: File,
    /// Lines written.
    count: u64,
}

impl LedgerFile {
    /// Makes the file.
    ///
    /// # Errors
    /// When it cannot be made, e.g. because it is there already.
    pub fn create(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new()
            .append(true)
            .create_new(true)
            .open(path)?;
        Ok(Self::of(file))
    }

    /// Goes on in an empty file.
    #[must_use]
    pub fn of(file: File) -> Self {
        Self { file, count: 0 }
    }

    /// Appends one entry.
    ///
    /// # Errors
    /// When the write fails, e.g. because the disk is full.
    pub fn append(&mut self, entry: &Note<String>) -> io::Result<()> {
        self.count += 1;
        let line = format!("{} {}", self.count, line(entry));
        self.file.write_all(line.as_bytes())
    }
}

/// What a ledger says, as far as it can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    /// All entries that can be read. A last line cut short by a crash is left out.
    pub entries: Vec<Note<String>>,
    /// What is wrong with it, if something is: then it is not known what else was in it.
    pub damage: Option<String>,
}

/// Reads a ledger back, however damaged it is.
///
/// # Errors
/// When the file cannot be read.
pub fn contents(mut file: impl Read) -> io::Result<Contents> {
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let mut found = Contents {
        entries: Vec::new(),
        damage: None,
    };
    for (expected, line) in (1..).zip(whole.lines()) {
        let entry = line
            .split_once(' ')
            .and_then(|(number, rest)| Some((number.parse::<u64>().ok()?, parse(rest)?)));
        let damage = match entry {
            Some((number, entry)) => {
                found.entries.push(entry);
                (number != expected).then(|| format!("line {expected} has the number {number}"))
            }
            None => Some(format!("line {expected} is `{}`", line.escape_debug())),
        };
        found.damage = found.damage.or(damage);
    }
    Ok(found)
}

/// Reads an undamaged ledger back.
///
/// # Errors
/// When the file cannot be read, or is damaged.
pub fn read(path: &Path) -> io::Result<Vec<Note<String>>> {
    let found = contents(File::open(path)?)?;
    match found.damage {
        None => Ok(found.entries),
        Some(damage) => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("{}: damaged ledger: {damage}", path.display()),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_survive_a_cut_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("w-0.ledger");
        let entries = vec![
            Note::Sent {
                at: Time(3),
                id: "a b".into(),
                workload: 2,
                intended: Time(1),
            },
            Note::Answered {
                at: Time(4),
                id: "a b".into(),
                answer: Intake::Accepted,
            },
            Note::Answered {
                at: Time(4),
                id: "a b".into(),
                answer: Intake::Duplicate,
            },
            Note::Started {
                at: Time(5),
                id: "a b".into(),
                retried: 0,
            },
            Note::Finished {
                at: Time(9),
                id: "a b".into(),
                retried: 0,
                how: Finish::FailedByFault,
                overrun_us: -3,
                taken_off_us: 7,
            },
            Note::GivenUp {
                at: Time(10),
                id: "a b".into(),
                retried: 25,
            },
            Note::Unhandled {
                at: Time(11),
                id: "a b".into(),
                retried: 0,
                why: Unhandled::TooLate,
            },
            Note::Unhandled {
                at: Time(12),
                id: "a b".into(),
                retried: 1,
                why: Unhandled::Recovered,
            },
        ];
        let mut file = LedgerFile::create(&path).unwrap();
        entries.iter().for_each(|entry| file.append(entry).unwrap());
        file.file.write_all(b"5 S 77 0 cu").unwrap();
        assert_eq!(read(&path).unwrap(), entries);

        // Whatever is taken out of it is missed, and the rest is still told.
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let without = |gone: usize| {
            let mut left = lines.clone();
            left.remove(gone);
            contents(left.join("\n").as_bytes()).unwrap()
        };
        for gone in 0..3 {
            let found = without(gone);
            assert_eq!(found.entries.len(), entries.len() - 1);
            let expected = format!("line {} has the number {}", gone + 1, gone + 2);
            assert_eq!(found.damage, Some(expected));
        }
        let torn = text.replace("3 A 4", "3 ? 4");
        let found = contents(torn.as_bytes()).unwrap();
        assert_eq!(found.entries.len(), entries.len() - 1);
        assert_eq!(found.damage.as_deref(), Some("line 3 is `3 ? 4 2 a b`"));
        assert!(
            LedgerFile::create(&path).is_err(),
            "another's is not gone on with"
        );
    }
}
