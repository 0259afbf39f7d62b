//! A program, started with a bounded time and a bounded output, and nothing of ours on its standard input.

use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;

/// How long a program may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// Most bytes of what a program prints that are kept.
const BYTES_MOST: u64 = 16 << 20;

/// What a program printed, and how it ended.
#[derive(Debug, Clone, Default)]
pub(super) struct Output {
    pub(super) out: Vec<u8>,
    pub(super) err: Vec<u8>,
    /// Its exit code; `None`: a signal ended it.
    pub(super) code: Option<i32>,
}

impl Output {
    /// The first line that it printed and that is not blank.
    pub(super) fn first_line(&self) -> String {
        line_of(&self.out)
    }

    /// What it says is wrong: the first line on standard error, else the first one it printed.
    pub(super) fn complaint(&self) -> String {
        let said = line_of(&self.err);
        match said.is_empty() {
            true => self.first_line(),
            false => said,
        }
    }
}

/// The first line that is not blank.
fn line_of(bytes: &[u8]) -> String {
    const SHOWN: usize = 160;
    let text = String::from_utf8_lossy(bytes);
    let lines = text.lines().map(str::trim);
    let line = lines
        .filter(|line| !line.is_empty())
        .find(|line| !is_log(line));
    line.unwrap_or_default().chars().take(SHOWN).collect()
}

/// Whether a line is one of kubectl's own log (klog), such as `E1130 02:07:02.100542 ...`.
fn is_log(line: &str) -> bool {
    let (kind, rest) = line.split_at_checked(1).unwrap_or_default();
    let day = rest.split(' ').next().unwrap_or_default();
    matches!(kind, "E" | "I" | "W") && day.len() == 4 && day.chars().all(|c| c.is_ascii_digit())
}

/// Why a program has no output.
#[derive(Debug, thiserror::Error)]
pub(super) enum TrialError {
    /// It is not on this machine, or may not be started.
    #[error("{program}: {reason}")]
    NotStarted {
        /// Which.
        program: String,
        /// What the system says.
        reason: String,
    },
    /// It was ended for taking too long.
    #[error("{program} was ended after {} s", PATIENCE.as_secs())]
    Slow {
        /// Which.
        program: String,
    },
}

/// Starts a program and waits for its end. `input` is what it reads.
///
/// # Errors
/// When it cannot be started, or does not end in time.
pub(super) async fn run(
    program: &str,
    arguments: &[String],
    settings: &[(&str, &str)],
    input: &[u8],
) -> Result<Output, TrialError> {
    let not_started = |error: std::io::Error| TrialError::NotStarted {
        program: program.to_owned(),
        reason: error.to_string(),
    };
    let mut child = Command::new(program)
        .args(arguments)
        .envs(settings.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(not_started)?;
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let work = async {
        let feed = async {
            if let Some(mut stdin) = stdin {
                // One that has read enough hangs up, as `head` does.
                let _ = stdin.write_all(input).await;
            }
        };
        let ((), out, err) = tokio::join!(feed, read(stdout), read(stderr));
        let status = child.wait().await;
        let code = status.ok().and_then(|status| status.code());
        Output { out, err, code }
    };
    let ended = tokio::time::timeout(PATIENCE, work).await;
    ended.map_err(|_| TrialError::Slow {
        program: program.to_owned(),
    })
}

/// The beginning of a stream; what is beyond the bound is read and let go, so that the writer can end.
async fn read(stream: Option<impl AsyncRead + Unpin>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let Some(mut stream) = stream else {
        return bytes;
    };
    let _ = (&mut stream).take(BYTES_MOST).read_to_end(&mut bytes).await;
    let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ran(program: &str, arguments: &[&str], input: &[u8]) -> Result<Output, TrialError> {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let arguments: Vec<String> = arguments.iter().map(|word| (*word).to_owned()).collect();
        let run = run(program, &arguments, &[], input);
        runtime.enable_all().build().unwrap().block_on(run)
    }

    #[test]
    fn what_a_program_reads_and_prints() {
        let output = ran("grep", &["b"], b"a\nbc\n").unwrap();
        assert_eq!((output.first_line().as_str(), output.code), ("bc", Some(0)));
        let output = ran("grep", &["--no-such-flag"], b"").unwrap();
        assert_eq!(output.code, Some(2));
        assert!(output.complaint().contains("no-such-flag"), "{output:?}");
        // More than a pipe holds, of which nothing is read.
        let output = ran("true", &[], &vec![b'x'; 1 << 20]).unwrap();
        assert_eq!(output.code, Some(0));
        let missing = ran("firedrill-has-no-such-program", &[], b"").unwrap_err();
        assert!(missing.to_string().contains("No such file"), "{missing}");
    }
}
