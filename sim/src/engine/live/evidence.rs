//! What a live drill leaves behind to be audited: the workers' ledgers, and whether somebody had a hand in them.

use crate::audit::ProcessLedger;
use crate::ledger::{self, Contents};
use firedrill_asynq::clock::Time;
use std::fs::{self, File, Metadata};
use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The ledger of a process that runs, open since the process was ready: it is still there when somebody has removed the
/// file.
#[derive(Debug)]
pub(crate) struct HeldLedger {
    path: PathBuf,
    file: File,
}

/// The ledger of a process that has ended. It is closed, so that a drill with many lives holds no more files than one with
/// few; unless somebody has taken it away by then.
#[derive(Debug)]
pub(crate) struct LeftLedger {
    path: PathBuf,
    file: Option<File>,
    /// What it was when its process had ended; `None`: nobody could tell.
    was: Option<Stamp>,
}

/// Which file, and what tells whether somebody has written to it since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    /// Device and inode.
    inode: (u64, u64),
    /// Bytes.
    length: u64,
    /// When it was written to last: seconds and nanoseconds.
    written: (i64, i64),
}

impl From<&Metadata> for Stamp {
    fn from(meta: &Metadata) -> Self {
        Self {
            inode: (meta.dev(), meta.ino()),
            length: meta.len(),
            written: (meta.mtime(), meta.mtime_nsec()),
        }
    }
}

/// A process that has ended.
pub(crate) struct Ended {
    /// Its ledger.
    pub(crate) ledger: LeftLedger,
    /// When it was ended by the plan.
    pub(crate) at: Option<Time>,
    /// The step whose remedy did that; `None`: none did.
    pub(crate) by: Option<String>,
}

impl Ended {
    /// One that no remedy has ended, as far as is known yet.
    pub(crate) fn new(ledger: LeftLedger, at: Option<Time>) -> Self {
        let by = None;
        Self { ledger, at, by }
    }
}

/// All ledgers, and of each that is not as its process left it, whose it is and what is wrong with it.
pub(crate) fn read(ended: Vec<Ended>) -> (Vec<ProcessLedger>, Vec<(String, String)>) {
    let (mut ledgers, mut damaged) = (Vec::new(), Vec::new());
    for Ended { ledger, at, by } in ended {
        let process = process_of(&ledger.path);
        let Contents { entries, damage } = ledger.read();
        damaged.extend(damage.map(|damage| (process.clone(), format!("its ledger {damage}"))));
        ledgers.push(ProcessLedger {
            process,
            entries,
            killed_at: at,
            ended_by: by,
        });
    }
    (ledgers, damaged)
}

/// `w-0.1.ledger` is of the second life of `w-0`.
fn process_of(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.split('.').next().unwrap_or_default().to_owned()
}

impl HeldLedger {
    /// Opens a ledger that a process has just made.
    ///
    /// # Errors
    /// When it is not there, or cannot be read.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self {
            path: path.to_owned(),
            file: File::open(path)?,
        })
    }

    /// The file.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Its process has ended: what is in it now stays in it.
    pub(crate) fn left(self) -> LeftLedger {
        let was = self.file.metadata().ok().map(|meta| Stamp::from(&meta));
        let found = fs::symlink_metadata(&self.path).ok();
        let found = found.map(|meta| Stamp::from(&meta).inode);
        let is_there = found.is_some() && found == was.map(|was| was.inode);
        LeftLedger {
            path: self.path,
            file: Some(self.file).filter(|_| !is_there),
            was,
        }
    }
}

impl LeftLedger {
    fn read(self) -> Contents {
        let was_moved = self.moved();
        let nothing = |damage: String| Contents {
            entries: Vec::new(),
            damage: Some(damage),
        };
        let file = match (self.file, &was_moved) {
            (Some(file), _) => Ok(file),
            // What is there now is not what the process wrote.
            (None, Some(damage)) => return nothing(damage.clone()),
            (None, None) => File::open(&self.path),
        };
        let read = file.and_then(|mut file| {
            file.seek(SeekFrom::Start(0))?;
            let now = Stamp::from(&file.metadata()?);
            Ok((ledger::contents(file)?, now))
        });
        let (found, now) = match read {
            Ok(read) => read,
            Err(error) => return nothing(format!("cannot be read: {error}")),
        };
        let damage = was_moved
            .or_else(|| self.was.and_then(|was| cut(was, now)))
            .or_else(|| {
                let damage = found.damage.as_deref();
                damage.map(|damage| format!("is damaged: {damage}"))
            })
            .or_else(|| written_to(self.was, now));
        Contents { damage, ..found }
    }

    /// Whether it is no longer where it was.
    fn moved(&self) -> Option<String> {
        let was = self.was?;
        match fs::symlink_metadata(&self.path) {
            Ok(found) if Stamp::from(&found).inode == was.inode => None,
            Ok(_) => Some("was replaced".to_owned()),
            Err(_) => Some("was removed".to_owned()),
        }
    }
}

fn cut(was: Stamp, now: Stamp) -> Option<String> {
    let (least, length) = (was.length, now.length);
    (length < least).then(|| format!("was cut from {least} to {length} bytes"))
}

fn written_to(was: Option<Stamp>, now: Stamp) -> Option<String> {
    (was != Some(now)).then(|| "was written to after its process had ended".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::LedgerFile;
    use firedrill_asynq::note::Note;

    fn ledger(dir: &Path, life: u32) -> HeldLedger {
        let path = dir.join(format!("w-0.{life}.ledger"));
        let mut file = LedgerFile::create(&path).unwrap();
        for id in ["a", "b", "c"] {
            let id = id.to_owned();
            let (at, retried) = (Time(1), 0);
            file.append(&Note::Started { at, id, retried }).unwrap();
        }
        HeldLedger::open(&path).unwrap()
    }

    /// How many entries are found, and what is said of a ledger of three lines after `meddle`, done while its process was
    /// there or when that had ended.
    fn after(meddle: impl Fn(&Path)) -> [(usize, Vec<(String, String)>); 2] {
        [true, false].map(|before| {
            let dir = tempfile::tempdir().unwrap();
            let held = ledger(dir.path(), 1);
            let path = held.path.clone();
            let mut left = None;
            if before {
                meddle(&path);
                left = Some(held.left());
            } else {
                left.get_or_insert(held.left());
                meddle(&path);
            }
            let (ledgers, damaged) = read(
                left.into_iter()
                    .map(|left| Ended::new(left, None))
                    .collect(),
            );
            (ledgers[0].entries.len(), damaged)
        })
    }

    #[test]
    fn whatever_is_done_to_a_ledger_is_noticed() {
        let whole = || (3, Vec::new());
        let said = |count: usize, saw: &str| {
            let told = ("w-0".to_owned(), format!("its ledger {saw}"));
            (count, vec![told])
        };
        assert_eq!(after(|_| ()), [whole(), whole()]);
        // What was open is still there; what was closed is gone, and nobody reads another's in its place.
        let removed = after(|path| fs::remove_file(path).unwrap());
        assert_eq!(removed, [3, 0].map(|count| said(count, "was removed")));
        let replaced = after(|path| {
            let other = path.with_extension("other");
            fs::write(&other, "1 S 1 0 a\n").unwrap();
            fs::rename(other, path).unwrap();
        });
        assert_eq!(replaced, [3, 0].map(|count| said(count, "was replaced")));
        let cut = after(|path| {
            let file = File::options().write(true).open(path).unwrap();
            file.set_len(10).unwrap();
        });
        // While the process is there, whoever looks after it sees that.
        let closed = said(1, "was cut from 30 to 10 bytes");
        assert_eq!(cut, [(1, Vec::new()), closed]);
        let forged =
            after(|path| fs::write(path, "1 S 1 0 a\n9 S 1 0 b\n3 S 1 0 cdefgh\n").unwrap());
        let damaged = "is damaged: line 2 has the number 9";
        assert_eq!(forged, [3, 3].map(|count| said(count, damaged)));
        let swapped = after(|path| {
            // Longer than the system's clock for files stands still.
            std::thread::sleep(std::time::Duration::from_millis(30));
            fs::write(path, "1 S 1 0 a\n2 S 1 0 b\n3 S 1 0 d\n").unwrap();
        });
        let written = said(3, "was written to after its process had ended");
        assert_eq!(swapped, [whole(), written]);
    }

    /// Ledgers of processes that have ended are closed: of many lives no more files are open than of one.
    #[test]
    fn lives_that_are_over_hold_no_file() {
        let dir = tempfile::tempdir().unwrap();
        let mut ended = Vec::new();
        for life in 0..100 {
            ended.push(Ended::new(ledger(dir.path(), life).left(), None));
        }
        let open = fs::read_dir("/proc/self/fd").unwrap().flatten();
        let open = open.filter_map(|entry| fs::read_link(entry.path()).ok());
        let ours = open.filter(|path| path.starts_with(dir.path()));
        assert_eq!(ours.count(), 0);
        let (ledgers, damaged) = read(ended);
        let entries = ledgers.iter().map(|ledger| ledger.entries.len());
        assert_eq!((entries.sum::<usize>(), damaged), (300, Vec::new()));
    }
}
