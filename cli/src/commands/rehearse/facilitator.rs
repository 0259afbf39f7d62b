//! The file that the facilitator reads: what is known from the beginning, and what happens.

use crate::commands::report;
use crate::failure::Failure;
use firedrill_detector::text::printable_lines;
use firedrill_sim::files::shown;
use firedrill_sim::rehearsal::clock;
use rustix::fs::OFlags;
use rustix::io::Errno;
use std::fmt::Display;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// How each such file begins: what begins otherwise, firedrill has not written.
pub(super) const BEGINS: &str = "For the facilitator, and nobody else before the end.";
/// For its owner alone: the live view's token may stand in it.
const MODE: u32 = 0o600;

/// See the module.
#[derive(Debug)]
pub(super) struct Facilitator(File);

impl Facilitator {
    /// It begins with this. Made, with its folder, before anything is started.
    ///
    /// # Errors
    /// When it is one of `inputs`, a link, or something that firedrill has not written, or it cannot be written.
    pub(super) fn told<'i>(
        path: &Path,
        briefing: &str,
        inputs: impl Iterator<Item = &'i PathBuf>,
    ) -> Result<Self, Failure> {
        report::spares(("--facilitator", path), inputs)?;
        let written = opened(path).and_then(|mut file| {
            // It may have been there, readable for all.
            file.set_permissions(Permissions::from_mode(MODE))?;
            file.set_len(0)?;
            file.write_all(briefing.as_bytes())?;
            Ok(Self(file))
        });
        written.map_err(|error| {
            let path = shown(path);
            if error.raw_os_error() == Some(Errno::LOOP.raw_os_error()) {
                return Failure::usage(format!(
                    "--facilitator {path}: it is a link, and what it leads to would be written over; name a file"
                ));
            }
            match error.kind() {
                io::ErrorKind::AlreadyExists => Failure::usage(format!(
                    "--facilitator {path}: there is such a file, and firedrill did not write it; name another one"
                )),
                _ => Failure::environment(format!("--facilitator {path}: {error}")),
            }
        })
    }

    /// Something of the room. A file that cannot be written any more stops nobody.
    pub(super) fn hears(&mut self, what: &dyn Display) {
        let _ = writeln!(self.0, "{}", printable_lines(&what.to_string()));
    }

    /// Something happened in the drill.
    pub(super) fn happened(&mut self, at_ms: i64, what: &str) {
        self.hears(&format_args!("{:>8}  {what}", clock(at_ms)));
    }
}

/// A new file, or one that firedrill has written for a facilitator before, or that is empty; never one at the end of a link.
fn opened(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut options = OpenOptions::new();
    // A pipe without a reader is not waited for.
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits();
    options.custom_flags(flags.cast_signed()).mode(MODE);
    options.read(true).write(true).create(true).truncate(false);
    let mut file = options.open(path)?;
    let there = file.metadata()?;
    let mut begins = Vec::new();
    if there.is_file() {
        (&file).take(BEGINS.len() as u64).read_to_end(&mut begins)?;
        file.rewind()?;
    }
    match there.is_file() && (begins.is_empty() || begins == BEGINS.as_bytes()) {
        true => Ok(file),
        false => Err(io::ErrorKind::AlreadyExists.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn told(path: &Path, inputs: &[PathBuf]) -> Result<Facilitator, Failure> {
        Facilitator::told(path, &format!("{BEGINS}\n"), inputs.iter())
    }

    #[test]
    fn what_firedrill_did_not_write_is_let_be() {
        let dir = tempfile::tempdir().unwrap();
        let (rules, link) = (dir.path().join("r.yml"), dir.path().join("link"));
        fs::write(&rules, "groups: []\n").unwrap();
        symlink(&rules, &link).unwrap();
        for (path, inputs, why) in [
            (&rules, vec![], "firedrill did not write it"),
            (&rules, vec![rules.clone()], "it is made from"),
            (&link, vec![], "it is a link"),
            (&dir.path().to_owned(), vec![], "--facilitator"),
        ] {
            let failure = told(path, &inputs).unwrap_err();
            assert!(failure.messages[0].contains(why), "{failure:?}");
        }
        assert_eq!(fs::read_to_string(&rules).unwrap(), "groups: []\n");
    }

    #[test]
    fn one_of_before_is_written_anew_for_its_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep/told.txt");
        drop(told(&path, &[]).unwrap());
        fs::write(&path, format!("{BEGINS}\nmore of the last time\n")).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        told(&path, &[]).unwrap().hears(&"here");
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text, format!("{BEGINS}\nhere\n"));
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, MODE);
    }
}
