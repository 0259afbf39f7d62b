//! Shards in the directories that somebody named.

use super::SHARD_FILE;
use crate::failure::Failure;
use firedrill_reports::load::{LOAD_FILE, LoadHeader};
use firedrill_sim::files::shown;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// How far below a folder shards are looked for.
const DEPTH_MAX: u32 = 3;

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Files of shards of sweeps.
    pub(crate) sweeps: Vec<PathBuf>,
    /// Directories of loads.
    pub(crate) loads: Vec<PathBuf>,
}

impl Found {
    /// In these directories, or below them; each once, though it may be named twice.
    ///
    /// # Errors
    /// When one of them cannot be read, or has none.
    pub(crate) fn below(dirs: &[PathBuf]) -> Result<Self, Failure> {
        let mut found = Self::default();
        for dir in dirs {
            let before = found.len();
            found
                .look(dir, DEPTH_MAX)
                .map_err(|error| Failure::usage(format!("{}: {error}", shown(dir))))?;
            if found.len() == before {
                return Err(Failure::usage(format!(
                    "{}: there is no shard in it: shards are what `--shard I/N` leaves, each a directory with a {SHARD_FILE} or a {LOAD_FILE}",
                    shown(dir)
                )));
            }
        }
        for paths in [&mut found.sweeps, &mut found.loads] {
            paths.sort();
            let mut known = Vec::new();
            paths.retain(|path| {
                let real = fs::canonicalize(path).unwrap_or_else(|_| path.clone());
                let is_new = !known.contains(&real);
                known.push(real);
                is_new
            });
        }
        Ok(found)
    }

    fn len(&self) -> usize {
        self.sweeps.len() + self.loads.len()
    }

    fn look(&mut self, dir: &Path, depth: u32) -> io::Result<()> {
        let sweep = dir.join(SHARD_FILE);
        if sweep.is_file() {
            self.sweeps.push(sweep);
            return Ok(());
        }
        if dir.join(LOAD_FILE).is_file() {
            // A folder of results may have whole loads beside shards. One that was named, or cannot be read, is told of when it is joined.
            let header = LoadHeader::read(dir);
            let is_whole = header.is_ok_and(|header| header.shard.is_none());
            if !is_whole || depth == DEPTH_MAX {
                self.loads.push(dir.to_owned());
            }
            return Ok(());
        }
        let mut below: Vec<PathBuf> = Vec::new();
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            // Links, such as `latest`, name what is there anyway.
            if entry.file_type()?.is_dir() {
                below.push(entry.path());
            }
        }
        match depth {
            0 => Ok(()),
            _ => below.iter().try_for_each(|dir| self.look(dir, depth - 1)),
        }
    }
}
