//! Files and directories that firedrill writes: whole or not at all, and never in the place of what is not a file.

use firedrill_detector::text::printable;
use rustix::fs::{Mode, OFlags};
use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, fchown, symlink};
use std::path::{Path, PathBuf};

/// Name of the link beside results to the newest of them that are whole.
pub const LATEST: &str = "latest";

/// Of a new file, before the umask.
const MODE: u32 = 0o666;
/// How often somebody else may come first with a file or a name before that is an error.
const TURNS_MAX: u32 = 1_000;

/// Writes a file so that it is there whole or not at all; missing directories are made.
///
/// A file that was there keeps its mode and, where we may give files away, its owner. A symbolic link stays one: what it
/// points at is written. A device, a pipe or a terminal is written to like by any other program: putting a file in its
/// place would destroy it.
///
/// # Errors
/// When it cannot be written; the error names the path.
pub fn write(path: &Path, text: &str) -> io::Result<()> {
    write_binary(path, text.as_bytes())
}

/// As [`write()`], what is no text.
///
/// # Errors
/// As [`write()`].
pub fn write_binary(path: &Path, content: &[u8]) -> io::Result<()> {
    write_bytes(path, content).map_err(|error| named(path, &error))
}

/// Adds text to the end of a file, which several may do; one that is not there, and missing directories, are made.
///
/// # Errors
/// As [`write()`].
pub fn append(path: &Path, text: &str) -> io::Result<()> {
    let append = || {
        fs::create_dir_all(folder(path))?;
        let mut file = OpenOptions::new().append(true).create(true).open(path)?;
        file.write_all(text.as_bytes())
    };
    append().map_err(|error| named(path, &error))
}

/// A path as messages show it, on one line: a name may hold line ends, and what a terminal would obey.
#[must_use]
pub fn shown(path: impl AsRef<Path>) -> String {
    printable(&path.as_ref().to_string_lossy()).into_owned()
}

/// Opens a file that a person named, to be read. A pipe by name is refused and not waited for: whoever would write to it
/// may never come. One that is open already, as `/dev/stdin` and `<(...)` are, is read.
///
/// # Errors
/// When it cannot be opened, or is such a pipe.
pub fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    let kind = file.metadata()?.file_type();
    if kind.is_file() || kind.is_dir() {
        return Ok(file);
    }
    let is_open = ["/dev/stdin", "/dev/fd", "/proc/self/fd"];
    if kind.is_fifo() && !is_open.iter().any(|open| path.starts_with(open)) {
        return Err(io::Error::other(
            "is a named pipe, which is not waited for; name a file, or read it with `< FILE` as /dev/stdin",
        ));
    }
    // Its writer may take its time.
    rustix::fs::fcntl_setfl(&file, OFlags::empty())?;
    Ok(file)
}

/// An error with the path it is about.
fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", shown(path)))
}

fn write_bytes(path: &Path, bytes: &[u8]) -> io::Result<()> {
    for _ in 0..TURNS_MAX {
        match fs::metadata(path) {
            Ok(there) if there.is_file() => {
                return replace(&fs::canonicalize(path)?, &there, bytes);
            }
            Ok(_) => return OpenOptions::new().write(true).open(path)?.write_all(bytes),
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Err(_) => {}
        }
        // A link that points at nothing is a name for the file to come.
        let target = match fs::read_link(path) {
            Ok(target) => folder(path).join(target),
            Err(_) => path.to_path_buf(),
        };
        match create(&target, bytes) {
            // Somebody else made it meanwhile; whatever it is, it is looked at again.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            done => return done,
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// Puts a new file in the place of one.
fn replace(path: &Path, there: &Metadata, bytes: &[u8]) -> io::Result<()> {
    // A file that may not be written to is not replaced either.
    OpenOptions::new().write(true).open(path)?;
    let mut file = tempfile::NamedTempFile::new_in(folder(path))?;
    file.write_all(bytes)?;
    // Only root may give files away; anybody else's new file is their own, as from any editor.
    let _ = fchown(file.as_file(), Some(there.uid()), Some(there.gid()));
    let mode = Permissions::from_mode(there.mode() & 0o7777);
    file.as_file().set_permissions(mode)?;
    file.persist(path)?;
    Ok(())
}

/// Makes a file where there is nothing.
fn create(path: &Path, bytes: &[u8]) -> io::Result<()> {
    fs::create_dir_all(folder(path))?;
    let mut file = tempfile::Builder::new()
        .permissions(Permissions::from_mode(MODE))
        .tempfile_in(folder(path))?;
    file.write_all(bytes)?;
    file.persist_noclobber(path)?;
    Ok(())
}

/// Whether a file could be written at `path`, without leaving anything there; for what is written only at the end of
/// long work.
///
/// # Errors
/// When it could not; the error names the path.
pub fn check_writable(path: &Path) -> io::Result<()> {
    let named = |error: io::Error| named(path, &error);
    match fs::metadata(path) {
        // Opening a pipe would wait for its reader.
        Ok(there) if there.is_file() => {
            OpenOptions::new().write(true).open(path).map_err(named)?;
            let canonical = fs::canonicalize(path).map_err(named)?;
            tempfile::tempfile_in(folder(&canonical)).map_err(named)?;
            Ok(())
        }
        Ok(there) if there.is_dir() => Err(named(io::ErrorKind::IsADirectory.into())),
        Ok(_) => Ok(()),
        Err(_) => {
            let made = Fresh::parents(folder(path)).map_err(named)?;
            tempfile::tempfile_in(folder(path)).map_err(named)?;
            drop(made);
            Ok(())
        }
    }
}

/// The directory a path is in.
fn folder(path: &Path) -> &Path {
    let parent = path.parent().filter(|dir| !dir.as_os_str().is_empty());
    parent.unwrap_or(Path::new("."))
}

/// Points a symbolic link at `target`, replacing an older one at once: whoever looks sees one of them, and several
/// processes may do this at a time.
///
/// # Errors
/// When it cannot be made, or something that is no link is in its place; the error names the path.
pub fn link(at: &Path, target: &Path) -> io::Result<()> {
    let make = || {
        match fs::symlink_metadata(at) {
            Ok(there) if !there.is_symlink() => return Err(io::ErrorKind::AlreadyExists.into()),
            _ => {}
        }
        let fresh = tempfile::Builder::new()
            .prefix(".latest-")
            .make_in(folder(at), |path| symlink(target, path))?;
        fresh.persist(at)?;
        Ok(())
    };
    make().map_err(|error: io::Error| named(at, &error))
}

/// Removes what is in a directory of our own.
///
/// # Errors
/// When it cannot be removed; the error names the path.
pub fn empty(dir: &Path) -> io::Result<()> {
    let remove = || {
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                fs::remove_dir_all(entry.path())?;
            } else {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    };
    remove().map_err(|error: io::Error| named(dir, &error))
}

/// A directory nobody else has, for what is about to be written. If nothing is put into it, it goes again.
#[derive(Debug)]
pub struct Fresh {
    /// Directories that were made, outermost first.
    made: Vec<PathBuf>,
    path: PathBuf,
}

impl Fresh {
    /// Makes the directory `name` in `parent`, which is made too; or `name-2`, `name-3` and so on where that is taken. Two
    /// processes at once get one each.
    ///
    /// # Errors
    /// When it cannot be made; the error names the path.
    pub fn new(parent: &Path, name: &str) -> io::Result<Self> {
        let mut fresh = Self::parents(parent).map_err(|error| named(parent, &error))?;
        for turn in 1..=TURNS_MAX {
            let path = match turn {
                1 => parent.join(name),
                _ => parent.join(format!("{name}-{turn}")),
            };
            match fs::create_dir(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                // Another process made the parent, found no use for it, and took it away.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    fresh.make(parent).map_err(|error| named(parent, &error))?;
                }
                Err(error) => return Err(named(&path, &error)),
                Ok(()) => {
                    fresh.made.push(path.clone());
                    fresh.path = path;
                    return Ok(fresh);
                }
            }
        }
        let path = parent.join(name);
        Err(named(&path, &io::ErrorKind::AlreadyExists.into()))
    }

    /// Makes the directories that are missing on the way to `path`.
    fn parents(path: &Path) -> io::Result<Self> {
        let mut fresh = Self {
            made: Vec::new(),
            path: path.to_path_buf(),
        };
        fresh.make(path)?;
        Ok(fresh)
    }

    fn make(&mut self, path: &Path) -> io::Result<()> {
        let missing: Vec<&Path> = path
            .ancestors()
            .filter(|dir| !dir.as_os_str().is_empty())
            .take_while(|dir| !dir.is_dir())
            .collect();
        for dir in missing.into_iter().rev() {
            match fs::create_dir(dir) {
                Ok(()) => self.made.push(dir.to_path_buf()),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && dir.is_dir() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its name in its parent, as a link beside it would say.
    #[must_use]
    pub fn name(&self) -> &Path {
        self.path.file_name().map_or(&self.path, Path::new)
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        // Directories with something in them stay.
        for dir in self.made.iter().rev() {
            if fs::remove_dir(dir).is_err() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::sync::Barrier;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o7777
    }

    #[test]
    fn a_file_that_was_there_keeps_its_mode_and_a_link_stays_one() {
        let dir = tempfile::tempdir().unwrap();
        let (file, at) = (dir.path().join("a.html"), dir.path().join("link"));
        write(&file, "one").unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
        symlink("a.html", &at).unwrap();
        write(&at, "two").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "two");
        assert_eq!(mode(&file), 0o640);
        assert!(fs::symlink_metadata(&at).unwrap().is_symlink());
        let dangling = dir.path().join("dangling");
        symlink("sub/b.html", &dangling).unwrap();
        write(&dangling, "three").unwrap();
        assert_eq!(
            fs::read_to_string(dir.path().join("sub/b.html")).unwrap(),
            "three"
        );
        assert!(fs::symlink_metadata(&dangling).unwrap().is_symlink());
        // Nothing else is left: no temporary files.
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 4);
    }

    #[test]
    fn what_is_no_file_is_written_to_and_stays() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.unwrap().success());
        let reader = {
            let pipe = pipe.clone();
            std::thread::spawn(move || {
                let mut text = String::new();
                File::open(pipe).unwrap().read_to_string(&mut text).unwrap();
                text
            })
        };
        write(&pipe, "through").unwrap();
        assert_eq!(reader.join().unwrap(), "through");
        assert!(fs::metadata(&pipe).unwrap().file_type().is_fifo());

        write(Path::new("/dev/null"), "gone").unwrap();
        assert!(
            fs::metadata("/dev/null")
                .unwrap()
                .file_type()
                .is_char_device()
        );
        let error = write(Path::new("/dev/full"), "lost").unwrap_err();
        assert!(error.to_string().starts_with("/dev/full: "), "{error}");
        assert!(write(dir.path(), "no").is_err());
        assert!(check_writable(dir.path()).is_err());
        assert!(check_writable(Path::new("/dev/null/x")).is_err());
        check_writable(&dir.path().join("not/yet/there")).unwrap();
        assert!(!dir.path().join("not").exists());
    }

    #[test]
    fn directories_are_fresh_for_everybody_and_go_when_they_are_not_used() {
        let dir = tempfile::tempdir().unwrap();
        let parent = dir.path().join("runs/healthy");
        let together = Barrier::new(8);
        let mut all: Vec<Fresh> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        together.wait();
                        Fresh::new(&parent, "20261124T134501Z-42").unwrap()
                    })
                })
                .collect();
            threads.into_iter().map(|t| t.join().unwrap()).collect()
        });
        let mut names: Vec<String> = all.iter().map(|f| f.name().display().to_string()).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), 8);
        assert!(
            names.contains(&"20261124T134501Z-42".to_owned())
                && names.contains(&"20261124T134501Z-42-8".to_owned())
        );
        let used = all.pop().unwrap();
        fs::write(used.path().join("record.jsonl"), "").unwrap();
        let path = used.path().to_path_buf();
        drop((all, used));
        let left: Vec<PathBuf> = fs::read_dir(&parent)
            .unwrap()
            .map(|e| e.unwrap().path())
            .collect();
        assert_eq!(left, [path]);
        drop(Fresh::new(&dir.path().join("other/place"), "x").unwrap());
        assert!(!dir.path().join("other").exists());
    }

    #[test]
    fn a_link_is_always_there_while_others_replace_it() {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path().join("latest");
        link(&at, Path::new("0")).unwrap();
        std::thread::scope(|scope| {
            for name in ["1", "2", "3"] {
                let at = &at;
                scope.spawn(move || {
                    for _ in 0..200 {
                        link(at, Path::new(name)).unwrap();
                        fs::read_link(at).unwrap();
                    }
                });
            }
        });
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        let taken = dir.path().join("taken");
        fs::create_dir(&taken).unwrap();
        assert!(link(&taken, Path::new("1")).is_err());
        assert!(taken.is_dir());
    }
}
