//! The file that the facilitator reads: what is known from the beginning, and what happens.

use crate::failure::Failure;
use firedrill_detector::text::printable_lines;
use firedrill_sim::files::shown;
use firedrill_sim::rehearsal::clock;
use std::fmt::Display;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// See the module.
#[derive(Debug)]
pub(super) struct Facilitator(File);

impl Facilitator {
    /// It begins with this. Made, with its folder, before anything is started, for its owner alone: the live view's token may stand in it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn told(path: &Path, briefing: &str) -> Result<Self, Failure> {
        let mut options = OpenOptions::new();
        options.create(true).write(true).truncate(true).mode(0o600);
        let folder = path.parent().unwrap_or(path);
        let made = fs::create_dir_all(folder).and_then(|()| {
            let mut file = options.open(path)?;
            file.write_all(briefing.as_bytes())?;
            Ok(Self(file))
        });
        made.map_err(|error| Failure::environment(format!("{}: {error}", shown(path))))
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
