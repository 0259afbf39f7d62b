//! Loads among the directories that a person names.

use crate::failure::Failure;
use firedrill_reports::load::{LOAD_FILE, LoadRecord};
use firedrill_sim::files::{LATEST, shown};
use std::fs;
use std::path::{Path, PathBuf};

/// The load that a directory is of: its own, or that of its `latest` link. `None`: it is of none.
///
/// # Errors
/// Where it is of several, as repetitions and searches leave them, or the load cannot be read.
pub(crate) fn read(dir: &Path) -> Result<Option<LoadRecord>, Failure> {
    let dirs = [dir.to_owned(), dir.join(LATEST)];
    if let Some(dir) = dirs.iter().find(|dir| is_load(dir)) {
        let record = LoadRecord::read(dir).map_err(Failure::usage)?;
        return Ok(Some(record));
    }
    match dirs
        .iter()
        .map(|dir| within(dir))
        .find(|all| !all.is_empty())
    {
        None => Ok(None),
        Some(several) => {
            let names: Vec<String> = several.iter().map(shown).collect();
            Err(Failure::usage(format!(
                "{}: there are several loads in it; name one of them: {}",
                shown(dir),
                names.join(", ")
            )))
        }
    }
}

fn is_load(dir: &Path) -> bool {
    dir.join(LOAD_FILE).is_file()
}

/// The directories in this one that are a load each.
fn within(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let mut loads: Vec<PathBuf> = entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .filter(|path| is_load(path))
        .collect();
    loads.sort();
    loads
}
