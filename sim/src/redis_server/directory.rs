//! The directory of a drill, or of a private Redis: ours alone, and its name says whose it is.
//!
//! So there is no moment at which a directory is there and nobody knows its owner, and no note in it to be believed.

use crate::owner::Owner;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// What the names of the directories begin with; an [`Owner`] follows, and letters that make it unique.
const PREFIX: &str = "firedrill-";
/// The socket in it.
pub(super) const SOCKET: &str = "redis.sock";
/// The same of a replica.
pub(super) const REPLICA_SOCKET: &str = "replica.sock";
/// What the names of data sets begin with that are kept for later.
pub(super) const KEPT: &str = "kept-";
/// The journal of the drill whose directory it is.
pub(crate) const JOURNAL: &str = "undo.jsonl";
/// The socket of what all workers of the drill share.
pub(crate) const RESOURCES: &str = "shared.sock";
/// Letters that make a name unique.
const UNIQUE: usize = 6;
/// Longest temporary directory in which the path of a socket, at most 67 bytes more, is not too long (unix(7): 107 bytes).
const PLACE_MAX: usize = 40;
/// Where directories go when it is longer.
const SHORT: &str = "/tmp";

/// Where directories of private servers are made, and looked for: the temporary directory, if a socket in it can be
/// reached.
#[must_use]
pub fn place() -> PathBuf {
    let place = std::env::temp_dir();
    // A path that is not UTF-8 is no part of an address.
    if place.is_absolute() && place.to_str().is_some_and(|place| place.len() <= PLACE_MAX) {
        place
    } else {
        SHORT.into()
    }
}

/// Makes one for a server of this process, that only our user may enter.
pub(crate) fn create() -> io::Result<TempDir> {
    tempfile::Builder::new()
        .prefix(&format!("{PREFIX}{}-", Owner::this()?))
        .rand_bytes(UNIQUE)
        .permissions(Permissions::from_mode(0o700))
        .tempdir_in(place())
}

/// Whose directory this is, by its name; `None`: not one of ours.
pub(super) fn owner(path: &Path) -> Option<Owner> {
    let name = path.file_name()?.to_str()?.strip_prefix(PREFIX)?;
    let (owner, unique) = name.rsplit_once('-')?;
    if unique.len() == UNIQUE {
        owner.parse().ok()
    } else {
        None
    }
}

/// Something in it that no Redis of ours puts there, if there is anything.
pub(super) fn stranger(dir: &Path) -> io::Result<Option<PathBuf>> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let is_ours = matches!(
            &*name,
            SOCKET
                | REPLICA_SOCKET
                | RESOURCES
                | JOURNAL
                | "redis.log"
                | "replica.log"
                | "appendonlydir"
                | "dump.rdb"
                | "replica.rdb"
        ) || ((name.starts_with("temp-") || name.starts_with(KEPT))
            && name.ends_with(".rdb"));
        if !is_ours {
            return Ok(Some(entry.path()));
        }
    }
    Ok(None)
}
