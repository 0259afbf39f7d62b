//! Which records a person means who names files and directories.

use crate::exit::Exit;
use crate::failure::Failure;
use firedrill_sim::drill::RECORD_FILE;
use firedrill_sim::files::{LATEST, shown};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};

/// Where commands put what they made of drills; the drills themselves are elsewhere.
const NOT_DRILLS: [&str; 4] = ["sets", "trials", "tune", "fidelity"];
/// Names the records of a set's drills, a line each, from the directory of all results on.
pub(crate) const SET_FILE: &str = "records.txt";
/// How deep directories are looked through: `runs/<scenario>/<drill>`, and two more.
const DEPTH_MAX: u32 = 5;
/// Most records of one command; each is read into memory.
const RECORDS_MAX: usize = 10_000;

/// The records that are meant, each once, in the order of `paths` and below a directory by name.
///
/// A file is a record. A directory is the drill it holds the record of; or that of its `latest` link, like
/// `runs/healthy`; or the drills of a set, like `runs/sets/latest`; or the latest of every directory below it, like `runs`.
///
/// # Errors
/// With every path that does not exist or has no record.
pub(super) fn records(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    those(Which::Latest, paths)
}

/// All records below what is named, not only the latest of each directory.
///
/// # Errors
/// As for [`records`].
pub(super) fn all_records(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    those(Which::All, paths)
}

/// Whether this is a directory of what commands made of drills, such as `runs/sets/latest`, which a pattern names with the others.
pub(super) fn is_made_of_drills(path: &Path) -> bool {
    let parent = path.components().rev().nth(1);
    let parent = parent.map(Component::as_os_str);
    let is_known = NOT_DRILLS
        .iter()
        .any(|name| parent == Some((*name).as_ref()));
    if !is_known || !path.is_dir() {
        return false;
    }
    let mut found = Vec::new();
    below(Which::Latest, path, 0, &mut found);
    found.is_empty()
}

/// Which drills of a directory are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    /// That of its `latest` link, if it has one.
    Latest,
    /// Each.
    All,
}

fn those(which: Which, paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut failure = Failure {
        exit: Exit::Usage,
        messages: Vec::new(),
    };
    let mut known = BTreeSet::new();
    let mut records = Vec::new();
    for path in paths {
        let mut found = Vec::new();
        match fs::metadata(path) {
            Ok(there) if there.is_dir() => {
                below(which, path, 0, &mut found);
                if found.is_empty() {
                    found = of_set(path);
                }
            }
            Ok(_) => found.push(path.clone()),
            Err(error) => {
                let message = format!("{}: {error}", shown(path));
                failure.messages.push(message);
                continue;
            }
        }
        if found.is_empty() {
            failure.messages.push(match is_made_of_drills(path) {
                true => format!(
                    "{}: it is what was made of drills, and their records are not in it; name those, such as runs/*/{LATEST}",
                    shown(path)
                ),
                false => format!(
                    "{}: no record in this directory: neither {RECORD_FILE} nor a `{LATEST}` drill that ran to its end, here \
                     or in the directories below",
                    shown(path)
                ),
            });
        }
        for record in found {
            let real = fs::canonicalize(&record).unwrap_or_else(|_| record.clone());
            if known.insert(real) {
                records.push(record);
            }
        }
    }
    if records.len() > RECORDS_MAX {
        let count = records.len();
        failure.messages.push(format!(
            "{count} records are meant; the limit is {RECORDS_MAX}, so name fewer"
        ));
    }
    match failure.messages.is_empty() {
        true => Ok(records),
        false => Err(failure),
    }
}

/// The records of the drills of a set, or of the latest of several.
fn of_set(dir: &Path) -> Vec<PathBuf> {
    let dirs = [dir.to_owned(), dir.join(LATEST)];
    let read = |dir: &PathBuf| Some((dir.clone(), fs::read_to_string(dir.join(SET_FILE)).ok()?));
    let Some((dir, list)) = dirs.iter().find_map(read) else {
        return Vec::new();
    };
    // `runs/sets/latest` is a link: `runs` is above it by name, and what is above where it leads by `..`.
    let above = dir.parent().and_then(Path::parent);
    let above = above.filter(|above| !above.as_os_str().is_empty());
    let above = above.map_or_else(|| dir.join("../.."), Path::to_owned);
    let names = list.lines().map(Path::new).filter(|name| {
        let mut parts = name.components();
        !name.as_os_str().is_empty() && parts.all(|part| matches!(part, Component::Normal(_)))
    });
    names
        .map(|name| above.join(name))
        .take(RECORDS_MAX)
        .collect()
}

fn below(which: Which, dir: &Path, depth: u32, found: &mut Vec<PathBuf>) {
    let record = dir.join(RECORD_FILE);
    if record.is_file() {
        found.push(record);
        return;
    }
    if depth == DEPTH_MAX || found.len() > RECORDS_MAX {
        return;
    }
    let latest = dir.join(LATEST);
    if which == Which::Latest && latest.is_dir() {
        return below(which, &latest, depth + 1, found);
    }
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = entries
        // Links to directories are not followed, but for `latest`.
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .filter(|entry| !NOT_DRILLS.iter().any(|name| entry.file_name() == *name))
        .map(|entry| entry.path())
        .collect();
    folders.sort();
    for folder in folders {
        below(which, &folder, depth + 1, found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn drill(runs: &Path, scenario: &str, name: &str) {
        let dir = runs.join(scenario).join(name);
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join(RECORD_FILE), "").unwrap();
    }

    fn shown(runs: &Path, names: &[&str]) -> Vec<String> {
        let paths: Vec<PathBuf> = names.iter().map(|name| runs.join(name)).collect();
        let found = records(&paths).unwrap().into_iter();
        found
            .map(|path| path.strip_prefix(runs).unwrap().display().to_string())
            .collect()
    }

    #[test]
    fn directories_stand_for_their_latest_drills_each_once_and_in_order() {
        let temp = tempfile::tempdir().unwrap();
        let runs = temp.path();
        for scenario in ["outage", "healthy", "burst"] {
            drill(runs, scenario, "1-42");
            drill(runs, scenario, "2-42");
            symlink("2-42", runs.join(scenario).join(LATEST)).unwrap();
        }
        drill(runs, "fidelity", "1/healthy/live");
        drill(runs, "sets", "1");
        symlink(".", runs.join("burst/1-42/loop")).unwrap();
        let latest = |scenario| format!("{scenario}/latest/{RECORD_FILE}");
        assert_eq!(shown(runs, &["healthy"]), [latest("healthy")]);
        assert_eq!(
            shown(runs, &["."]),
            ["burst", "healthy", "outage"].map(latest)
        );
        let named = [
            "outage/1-42",
            "healthy/latest",
            "healthy/2-42/record.jsonl",
            "healthy",
        ];
        assert_eq!(
            shown(runs, &named),
            [format!("outage/1-42/{RECORD_FILE}"), latest("healthy")]
        );
        assert_eq!(shown(runs, &["fidelity"]).len(), 1);
        assert_eq!(all_records(&[runs.to_path_buf()]).unwrap().len(), 6);
    }

    #[test]
    fn a_set_stands_for_its_drills() {
        let temp = tempfile::tempdir().unwrap();
        let runs = temp.path();
        for scenario in ["outage", "healthy"] {
            drill(runs, scenario, "1-42");
        }
        let set = runs.join("sets/1");
        fs::create_dir_all(&set).unwrap();
        symlink("1", runs.join("sets/latest")).unwrap();
        let failure = records(&[runs.join("sets/latest")]).unwrap_err();
        assert!(
            failure.messages[0].contains("made of drills"),
            "{failure:?}"
        );
        // What leads elsewhere is none of its drills.
        let list = format!(
            "outage/1-42/{RECORD_FILE}\n../secret\n/etc/passwd\nhealthy/1-42/{RECORD_FILE}\n"
        );
        fs::write(set.join(SET_FILE), list).unwrap();
        let drills = ["outage", "healthy"].map(|scenario| format!("{scenario}/1-42/{RECORD_FILE}"));
        for name in ["sets/latest", "sets/1", "sets"] {
            assert_eq!(shown(runs, &[name]), drills, "{name}");
        }
        // Beside drills it adds nothing.
        assert!(is_made_of_drills(&runs.join("sets/latest")));
    }

    #[test]
    fn all_that_is_not_there_is_told_at_once() {
        let temp = tempfile::tempdir().unwrap();
        fs::create_dir(temp.path().join("empty")).unwrap();
        symlink("latest", temp.path().join("empty/latest")).unwrap();
        let paths = ["empty", "missing"].map(|name| temp.path().join(name));
        let failure = records(&paths).unwrap_err();
        assert_eq!(failure.messages.len(), 2, "{failure:?}");
        assert!(failure.messages[0].contains("no record in this directory"));
        assert!(failure.messages[1].contains("missing: No such file"));
    }
}
