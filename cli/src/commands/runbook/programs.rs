//! Which programs are known, and what their words do.

mod asynq;
mod containers;
mod curl;
mod filters;
mod redis_cli;

use super::finding::Finding;
use super::stand::Stand;
use super::trial::Output;
use containers::Engine;

pub(super) use filters::{Filtered, filter};

/// Programs whose lines are tried.
const KNOWN: [&str; 6] = [
    "asynq",
    "curl",
    "docker",
    "firedrill",
    "kubectl",
    "redis-cli",
];

/// What may stand before a program, and is let go.
const BEFORE: [&str; 2] = ["sudo", "time"];

/// What a source showed, so that what is looked for in it can be judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Shown {
    /// A page of metrics.
    Metrics,
    /// `field:value`, as Redis' `INFO`.
    Fields,
    /// Containers, pods and the like, a line each, under a heading.
    Listing,
    /// What a process said: that something is not in it may be the best of news.
    Logs,
    /// Queues and tasks.
    Tasks,
    /// Anything else.
    Other,
}

/// A command that was tried.
#[derive(Debug)]
pub(super) struct Tried {
    pub(super) output: Output,
    pub(super) shown: Shown,
    /// What is odd about it, although it ended well.
    pub(super) odd: Option<Finding>,
    pub(super) notes: Vec<String>,
}

impl Tried {
    fn new(output: Output, shown: Shown) -> Self {
        Self {
            output,
            shown,
            odd: None,
            notes: Vec::new(),
        }
    }

    fn odd(mut self, finding: Option<Finding>) -> Self {
        self.odd = finding;
        self
    }

    fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }
}

/// Whether a text begins with a program whose lines are tried.
pub(super) fn begins_with_one(text: &str) -> bool {
    let mut words = text
        .split_whitespace()
        .skip_while(|word| BEFORE.contains(word));
    let first = words.next().map(name);
    // Of our own, only what is asynq's is tried.
    first.is_some_and(|first| {
        KNOWN.contains(&first) && (first != "firedrill" || words.next() == Some("asynq"))
    })
}

/// Whether code in running text is a command, and not only the name of one, such as `docker exec`.
pub(super) fn is_whole(text: &str) -> bool {
    let words: Vec<&str> = text.split_whitespace().collect();
    let whole = ["images", "info", "ps", "stats", "version"];
    match words[..] {
        [] | [_] => false,
        ["docker" | "kubectl", command] => whole.contains(&command),
        _ => begins_with_one(text),
    }
}

/// Whether a command is `docker logs`, which keeps what a process says on standard error apart.
pub(super) fn are_logs_of_docker(words: &[String]) -> bool {
    let mut words = words
        .iter()
        .map(String::as_str)
        .skip_while(|word| BEFORE.contains(word));
    let is_docker = words.next().is_some_and(|word| name(word) == "docker");
    let mut words = words.skip_while(|word| *word == "container");
    is_docker && words.next() == Some("logs")
}

/// Whether `tail` does not end by such a word.
fn follows(word: &str) -> bool {
    let letters = word.strip_prefix('-').unwrap_or_default();
    match letters.strip_prefix('-') {
        Some(long) => long.starts_with("follow"),
        None => letters.contains(['f', 'F']),
    }
}

/// The name of a program without its folder.
fn name(word: &str) -> &str {
    word.rsplit('/').next().unwrap_or(word)
}

/// Tries a command, if it only looks; else what is to be said of it.
///
/// # Errors
/// The finding of a command that was not tried, or failed.
pub(super) async fn tried(words: &[String], stand: &Stand) -> Result<Tried, Finding> {
    let skipped = words
        .iter()
        .take_while(|word| BEFORE.contains(&word.as_str()));
    let words = &words[skipped.count()..];
    let Some((program, arguments)) = words.split_first() else {
        return Err(Finding::not_tried("there is no program in it"));
    };
    match name(program) {
        "redis-cli" => redis_cli::tried(words, stand).await,
        "asynq" => asynq::tried(arguments, stand).await,
        "firedrill" => match arguments.split_first() {
            Some((first, rest)) if first == "asynq" => asynq::tried_ours(rest, stand).await,
            _ => Err(Finding::not_tried(
                "of firedrill's own commands only `firedrill asynq` is tried",
            )),
        },
        "curl" => curl::tried(arguments, stand).await,
        "docker" => Box::pin(containers::tried(Engine::Docker, arguments, stand)).await,
        "kubectl" => Box::pin(containers::tried(Engine::Kubernetes, arguments, stand)).await,
        "watch" => Err(Finding::not_tried(
            "`watch` does not end by itself: put the command alone into the runbook",
        )),
        "tail" if arguments.iter().any(|word| follows(word)) => Err(Finding::not_tried(
            "`tail -f` does not end by itself, and it reads a file of another machine",
        )),
        other => Err(Finding::not_tried(format!(
            "nothing is known of `{other}`, so it was not started; tried are {}",
            KNOWN.join(", ")
        ))),
    }
}
