//! Programs of others that are asked, as a person would ask them: `docker`, `kubectl`. They know contexts, hosts and who asks.

use crate::files::shown;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::process::Command;

/// Pause between looks whether it has ended.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// What came of giving back what a drill had done something to, mostly by such programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Undone {
    /// It was done.
    Done,
    /// There was nothing to do: it is so already, or what it was to be done to is gone.
    Needless,
    /// What there is, is not as the drill left it: others have changed it since, and it is left to them. How it is, for people.
    Left(String),
}

/// Why a program did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// It could not be started.
    #[error("{}: {error}", .program.display())]
    NotStarted {
        /// Where it is.
        program: PathBuf,
        /// Why.
        #[source]
        error: io::Error,
    },
    /// It does not end.
    #[error("it took longer than {0:?}")]
    Late(Duration),
    /// It failed, and said why.
    #[error("{0}")]
    Failed(String),
}

impl Trouble {
    /// Why, in a line: what was said last, behind all that was tried.
    #[must_use]
    pub fn reason(&self) -> String {
        let text = self.to_string();
        let last = text.trim().lines().last();
        last.unwrap_or("it failed without a word").to_owned()
    }
}

/// What a program printed, and what it said beside that; its own words when it fails.
///
/// # Errors
/// [`Trouble`].
pub async fn said(
    program: &Path,
    words: &[&str],
    within: Duration,
) -> Result<[String; 2], Trouble> {
    let output = Command::new(program)
        .args(words)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(within, output).await;
    let output = output.map_err(|_| Trouble::Late(within))?;
    let output = output.map_err(|error| Trouble::NotStarted {
        program: program.to_owned(),
        error,
    })?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match output.status.success() {
        true => Ok([text(&output.stdout), text(&output.stderr)]),
        false => Err(Trouble::Failed(text(&output.stderr).trim().to_owned())),
    }
}

/// The same for those who have no runtime: what it printed.
///
/// # Errors
/// [`Trouble`].
pub(crate) fn ran(program: &Path, words: &[&str], within: Duration) -> Result<String, Trouble> {
    let not_started = |error| Trouble::NotStarted {
        program: program.to_owned(),
        error,
    };
    let mut child = std::process::Command::new(program)
        .args(words)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(not_started)?;
    // Beside, for a pipe holds no more than a page or two.
    let (printed, said) = (read(child.stdout.take()), read(child.stderr.take()));
    let deadline = Instant::now() + within;
    while child.try_wait().map_err(not_started)?.is_none() {
        if Instant::now() >= deadline {
            // It may end in this very moment.
            let _ = child.kill();
            let _ = child.wait();
            return Err(Trouble::Late(within));
        }
        std::thread::sleep(LOOK_AGAIN);
    }
    let text = |reader: JoinHandle<Vec<u8>>| {
        let bytes = reader.join().unwrap_or_default();
        String::from_utf8_lossy(&bytes).trim().to_owned()
    };
    match child.wait().map_err(not_started)?.success() {
        true => Ok(text(printed)),
        false => Err(Trouble::Failed(text(said))),
    }
}

/// Reads a pipe to its end.
fn read(pipe: Option<impl Read + Send + 'static>) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        // What was read until then is all there is.
        let _ = pipe.map(|mut pipe| pipe.read_to_end(&mut bytes));
        bytes
    })
}

/// A program on PATH.
///
/// # Errors
/// When it is not there.
pub fn on_path(name: &str) -> io::Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = find(&[name], std::env::split_paths(&path));
    found.ok_or_else(|| io::Error::other(format!("there is no `{name}` on PATH")))
}

/// Sees that a program can be started, as a shell finds it: by its path, or on PATH.
///
/// # Errors
/// When it is not there, or is none.
pub fn is_there(name: &str) -> io::Result<()> {
    if !name.contains('/') {
        return on_path(name).map(drop);
    }
    let why = match std::fs::metadata(name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => "no such file".to_owned(),
        Err(error) => error.to_string(),
        Ok(_) if is_executable(Path::new(name)) => return Ok(()),
        Ok(_) => "not a program that may be started".to_owned(),
    };
    Err(io::Error::other(format!("{}: {why}", shown(name))))
}

/// The first of these programs that is in one of the directories of a search path.
pub(crate) fn find(
    names: &[&str],
    search_path: impl IntoIterator<Item = PathBuf>,
) -> Option<PathBuf> {
    let dirs: Vec<PathBuf> = search_path.into_iter().collect();
    names.iter().find_map(|name| {
        dirs.iter()
            .map(|dir| dir.join(name))
            .find(|path| is_executable(path))
    })
}

fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    let meta = std::fs::metadata(path);
    meta.is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(20);

    #[test]
    fn what_a_program_prints_is_read_however_much_it_is() {
        let shell = on_path("sh").unwrap();
        let ran = |script: &str, within| ran(&shell, &["-c", script], within);
        let long = ran("head -c 300000 /dev/zero | tr '\\0' x", SOON).unwrap();
        assert_eq!(long.len(), 300_000);
        let failed = ran("echo no; echo why >&2; exit 3", SOON).unwrap_err();
        assert_eq!(failed.to_string(), "why");
        let late = ran("exec sleep 60", Duration::from_millis(100)).unwrap_err();
        assert!(matches!(late, Trouble::Late(_)), "{late}");
        let missing = super::ran(Path::new("/nothing"), &[], SOON).unwrap_err();
        assert!(matches!(missing, Trouble::NotStarted { .. }), "{missing}");
    }
}
