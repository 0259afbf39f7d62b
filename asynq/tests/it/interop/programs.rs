//! The Go programs, built once by whichever test comes first. Go's own cache knows whether anything has changed.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Where the Go module is.
const MODULE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../asynq/tests/interop");

/// Where the built programs are.
#[derive(Debug)]
pub(crate) struct Programs {
    /// Plays asynq's roles.
    pub(crate) peer: PathBuf,
    /// The same client and inspector under a clock of its own.
    pub(crate) bubble: PathBuf,
}

/// The programs, which are there now.
pub(crate) fn programs() -> &'static Programs {
    static BUILT: OnceLock<Programs> = OnceLock::new();
    BUILT.get_or_init(|| {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("interop");
        let programs = Programs {
            peer: dir.join("peer"),
            bubble: dir.join("bubble"),
        };
        go(&["build", "-o"], &programs.peer, "./peer");
        go(&["test", "-c", "-o"], &programs.bubble, "./bubble");
        programs
    })
}

/// Builds a package of the module.
pub(crate) fn go(verb: &[&str], out: &Path, package: &str) {
    let output = Command::new("go")
        .current_dir(MODULE)
        // Nothing of it needs the machine's libraries, and containers have none.
        .env("CGO_ENABLED", "0")
        .args(verb)
        .arg(out)
        .arg(package)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "go {verb:?} {package}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}
