//! Keeps what was typed for a blind rehearsal out of the list of processes: firedrill starts itself anew, and reads from a pipe what
//! it was asked to do.

use crate::args::{Cli, Command, Rehearse};
use crate::failure::Failure;
use crate::terminal::Terminal;
use clap::Parser;
use rustix::io::{FdFlags, fcntl_setfd};
use std::convert::Infallible;
use std::ffi::OsString;
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::process::CommandExt;

/// More than this does not fit into a pipe that nobody reads yet.
const WORDS_MAX: usize = 32 << 10;

/// Takes the place of this process, with nothing on its command line that tells what it does; comes back only when that fails.
pub(super) fn start_anew() -> Failure {
    let words: Vec<u8> = std::env::args_os()
        .flat_map(|word| [word.as_bytes(), b"\0"].concat())
        .collect();
    if words.len() > WORDS_MAX {
        return Failure::usage(
            "--blind: that is too much to type; name fewer scenarios, or a folder",
        );
    }
    let started = || -> io::Result<Infallible> {
        let (read, mut write) = io::pipe()?;
        write.write_all(&words)?;
        drop(write);
        fcntl_setfd(&read, FdFlags::empty())?;
        let mut command = std::process::Command::new(std::env::current_exe()?);
        command.args(["rehearse", "--sealed"]);
        command.arg(read.as_raw_fd().to_string());
        Err(command.exec())
    };
    match started() {
        Ok(never) => match never {},
        Err(error) => Failure::environment(format!("--blind: cannot start anew: {error}")),
    }
}

/// What was typed before this process was started anew, and the terminal as it was asked for.
///
/// # Errors
/// When there is no such pipe, or nothing of the kind in it.
pub(super) fn opened(fd: i32) -> Result<(Box<Rehearse>, Terminal), Failure> {
    let wrong = |why: &dyn std::fmt::Display| Failure::usage(format!("--sealed: {why}"));
    let bytes = std::fs::read(format!("/proc/self/fd/{fd}")).map_err(|error| wrong(&error))?;
    let words = bytes
        .strip_suffix(b"\0")
        .unwrap_or_default()
        .split(|byte| *byte == 0);
    let words = words.map(|word| OsString::from_vec(word.to_vec()));
    let cli = Cli::try_parse_from(words).map_err(|_| wrong(&"it holds no command"))?;
    match cli.command {
        Some(Command::Rehearse(args)) if args.sealed.is_none() => {
            Ok((args, Terminal::new(cli.color, cli.quiet)))
        }
        _ => Err(wrong(&"it holds another command")),
    }
}
