//! Why a command could not do its work.

use crate::exit::Exit;
use firedrill_detector::yaml::Problem;
use std::fmt::Display;

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

    /// The same, each message with what it is about before it.
    #[must_use]
    pub fn about(mut self, what: &str) -> Self {
        for message in &mut self.messages {
            *message = format!("{what}: {message}");
        }
        self
    }

    /// Something is left behind.
    #[must_use]
    pub fn incomplete(error: impl Display) -> Self {
        Self {
            exit: Exit::CleanupIncomplete,
            messages: vec![error.to_string()],
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

/// A word as a shell takes it.
pub(crate) fn pasted(word: &str) -> String {
    shlex::try_quote(word).map_or_else(|_| word.to_owned(), |quoted| quoted.into_owned())
}

/// Two inputs, or all that is wrong with either; the exit code is that of the first.
pub(crate) fn both<A, B>(
    first: Result<A, Failure>,
    second: Result<B, Failure>,
) -> Result<(A, B), Failure> {
    match (first, second) {
        (Ok(first), Ok(second)) => Ok((first, second)),
        (Err(mut failure), Err(more)) => {
            failure.messages.extend(more.messages);
            Err(failure)
        }
        (Err(failure), _) | (_, Err(failure)) => Err(failure),
    }
}
