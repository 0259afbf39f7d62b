//! What the verbs do: arguments in, files and text out, an exit code at the end.

pub mod asynq;
pub mod check;
pub mod clean;
pub mod fidelity;
pub mod plan;
pub mod report;
pub mod run;
pub mod score;
pub mod test_rules;
pub mod tune;

mod inputs;
mod live;
mod progress;
mod simulate;
mod whatif;

use crate::cli::Colour;
use crate::exit::Exit;
use anstream::AutoStream;
use firedrill_detector::yaml::Problem;
use firedrill_reports::render::Style;
use std::fmt::Display;
use std::io::{IsTerminal, Write};

/// Why a command could not do its work; ends as one clear message and an exit code.
#[derive(Debug)]
pub struct Failure {
    /// The code.
    pub exit: Exit,
    /// What was wrong and what to do, one entry a problem.
    pub messages: Vec<String>,
}

impl Failure {
    /// Bad usage or a bad file.
    #[must_use]
    pub fn usage(message: impl Display) -> Self {
        Self {
            exit: Exit::Usage,
            messages: vec![message.to_string()],
        }
    }

    /// All the problems of the files a person wrote.
    #[must_use]
    pub fn problems(problems: &[Problem]) -> Self {
        Self {
            exit: Exit::Usage,
            messages: problems.iter().map(ToString::to_string).collect(),
        }
    }

    /// Refused for safety's sake.
    #[must_use]
    pub fn refused(message: impl Display) -> Self {
        Self {
            exit: Exit::Refused,
            messages: vec![message.to_string()],
        }
    }

    /// Something the environment lacks.
    #[must_use]
    pub fn environment(error: impl Display) -> Self {
        Self {
            exit: Exit::Environment,
            messages: vec![format!("{error:#}")],
        }
    }

    /// A fault of firedrill's own.
    #[must_use]
    pub fn internal(message: impl Display) -> Self {
        Self {
            exit: Exit::Internal,
            messages: vec![format!("internal error: {message}")],
        }
    }
}

/// Where results and talk go.
#[derive(Debug)]
pub struct Terminal {
    colour: Colour,
    quiet: bool,
}

impl Terminal {
    /// Results on standard output, talk on standard error, colour as asked.
    #[must_use]
    pub fn new(colour: Colour, quiet: bool) -> Self {
        Self { colour, quiet }
    }

    /// How results are laid out: colour and width of standard output.
    #[must_use]
    pub fn style(&self) -> Style {
        let choice = match self.colour {
            Colour::Auto => AutoStream::choice(&std::io::stdout()),
            Colour::Always => anstream::ColorChoice::Always,
            Colour::Never => anstream::ColorChoice::Never,
        };
        // A pipe has no width; what reads it can scroll.
        let width = terminal_size::terminal_size_of(std::io::stdout())
            .map_or(usize::MAX, |(width, _)| usize::from(width.0));
        Style {
            colour: choice != anstream::ColorChoice::Never,
            width,
        }
    }

    /// Whether only results and errors are wanted.
    pub(crate) fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Prints a result. A reader that went away (`| head`) is no error.
    pub fn result(&self, text: &str) {
        let mut out = std::io::stdout().lock();
        let _ = out.write_all(text.as_bytes()).and_then(|()| {
            if text.ends_with('\n') {
                Ok(())
            } else {
                out.write_all(b"\n")
            }
        });
    }

    /// Says something on standard error, unless quiet.
    pub fn say(&self, text: impl Display) {
        if !self.quiet {
            let _ = writeln!(std::io::stderr(), "{text}");
        }
    }

    /// Whether progress may be drawn over itself.
    fn is_interactive(&self) -> bool {
        !self.quiet && std::io::stderr().is_terminal()
    }

    /// Prints why a command failed.
    pub fn error(&self, failure: &Failure) {
        let mut err = std::io::stderr().lock();
        for message in &failure.messages {
            let _ = writeln!(err, "error: {message}");
        }
        if failure.messages.len() > 1 {
            let _ = writeln!(
                err,
                "{} problems; nothing was started",
                failure.messages.len()
            );
        }
    }
}
