//! What a live drill leaves behind to be audited: the workers' ledgers, and whether somebody had a hand in them.

use crate::audit::ProcessLedger;
use crate::ledger;
use firedrill_asynq::clock::Time;
use std::fs::{self, File};
use std::io::{Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A process' ledger, open since the process was ready: it is still there when somebody has removed the file.
#[derive(Debug)]
pub(crate) struct HeldLedger {
    pub(crate) path: PathBuf,
    pub(crate) file: File,
    /// Bytes it had at least when its process ended.
    pub(crate) least: u64,
}

/// A ledger of a process that has ended, and when it was ended by the plan.
pub(crate) type Ended = (HeldLedger, Option<Time>);

/// All ledgers, and of each that is not as its process left it, whose it is and what is wrong with it.
pub(crate) fn read(ended: Vec<Ended>) -> (Vec<ProcessLedger>, Vec<(String, String)>) {
    let (mut ledgers, mut damaged) = (Vec::new(), Vec::new());
    for (held, killed_at) in ended {
        let process = process_of(&held.path);
        let (entries, damage) = held.read();
        damaged.extend(damage.map(|damage| (process.clone(), format!("its ledger {damage}"))));
        ledgers.push(ProcessLedger {
            process,
            entries,
            killed_at,
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
    fn read(mut self) -> (Vec<firedrill_asynq::note::Note<String>>, Option<String>) {
        let contents = self
            .file
            .seek(SeekFrom::Start(0))
            .and_then(|_| ledger::contents(&self.file));
        let contents = match contents {
            Ok(contents) => contents,
            Err(error) => return (Vec::new(), Some(format!("cannot be read: {error}"))),
        };
        let damage = self.moved().or_else(|| {
            let damage = contents.damage.as_deref();
            damage.map(|damage| format!("is damaged: {damage}"))
        });
        (contents.entries, damage)
    }

    /// What happened to the file from outside.
    fn moved(&self) -> Option<String> {
        let held = match self.file.metadata() {
            Ok(held) => held,
            Err(error) => return Some(format!("cannot be read: {error}")),
        };
        if held.len() < self.least {
            let (least, length) = (self.least, held.len());
            return Some(format!("was cut from {least} to {length} bytes"));
        }
        match fs::symlink_metadata(&self.path) {
            Ok(found) if (found.dev(), found.ino()) == (held.dev(), held.ino()) => None,
            Ok(_) => Some("was replaced".to_owned()),
            Err(_) => Some("was removed".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::LedgerFile;
    use firedrill_asynq::note::Note;

    /// What is said of a ledger of three lines after `meddle`.
    fn after(meddle: impl FnOnce(&Path)) -> (usize, Vec<(String, String)>) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("w-0.1.ledger");
        let mut file = LedgerFile::create(&path).unwrap();
        for id in ["a", "b", "c"] {
            let id = id.to_owned();
            let (at, retried) = (Time(1), 0);
            file.append(&Note::Started { at, id, retried }).unwrap();
        }
        let held = HeldLedger {
            file: File::open(&path).unwrap(),
            least: fs::metadata(&path).unwrap().len(),
            path: path.clone(),
        };
        meddle(&path);
        let (ledgers, damaged) = read(vec![(held, None)]);
        (ledgers[0].entries.len(), damaged)
    }

    #[test]
    fn whatever_is_done_to_a_ledger_is_noticed() {
        assert_eq!(after(|_| ()), (3, Vec::new()));
        let said = |saw: &str| vec![("w-0".to_owned(), format!("its ledger {saw}"))];
        let removed = after(|path| fs::remove_file(path).unwrap());
        assert_eq!(removed, (3, said("was removed")));
        let replaced = after(|path| {
            fs::remove_file(path).unwrap();
            fs::write(path, "1 S 1 0 a\n").unwrap();
        });
        assert_eq!(replaced, (3, said("was replaced")));
        let cut = after(|path| {
            File::options()
                .write(true)
                .open(path)
                .unwrap()
                .set_len(10)
                .unwrap()
        });
        assert_eq!(cut, (1, said("was cut from 30 to 10 bytes")));
        let forged =
            after(|path| fs::write(path, "1 S 1 0 a\n9 S 1 0 b\n3 S 1 0 cdefgh\n").unwrap());
        assert_eq!(forged, (3, said("is damaged: line 2 has the number 9")));
    }
}
