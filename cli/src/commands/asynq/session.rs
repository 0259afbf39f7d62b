//! One command being carried out: whom it asks, and what it has said so far.

use crate::commands::asynq::connect::{Place, quoted};
use crate::commands::asynq::shown::safe;
use crate::commands::asynq::{Answer, Setting};
use crate::exit::Exit;
use firedrill_asynq::clock::Time;
use firedrill_asynq::inspector::{InspectError, Inspector, Oddity, TaskInfo};
use firedrill_asynq::op::BrokerError;
use firedrill_detector::yaml::closest;
use serde::Serialize;

/// What is between the parts about several queues or entries.
pub(super) const SEPARATOR: &str = "=================================================";

/// A command being carried out.
pub(super) struct Session<'s> {
    pub(super) inspector: Inspector,
    pub(super) place: Place,
    pub(super) setting: &'s Setting,
    /// Whether one JSON value is wanted instead of text.
    pub(super) json: bool,
    answer: Answer,
}

/// What a failed operation was about, so that the answer can say what to type.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct About<'a> {
    /// The command, e.g. `task run`.
    pub(super) command: &'a str,
    /// Task id, if it was about a task.
    pub(super) id: &'a str,
}

impl<'s> Session<'s> {
    pub(super) fn new(
        inspector: Inspector,
        place: Place,
        setting: &'s Setting,
        json: bool,
    ) -> Self {
        Self {
            inspector,
            place,
            setting,
            json,
            answer: Answer::result(String::new()),
        }
    }

    pub(super) fn finish(self) -> Answer {
        self.answer
    }

    pub(super) const fn now(&self) -> Time {
        self.setting.now
    }

    /// Adds a line to the result.
    pub(super) fn line(&mut self, text: &str) {
        self.answer.out.push_str(text);
        self.answer.out.push('\n');
    }

    /// Adds lines that end by themselves to the result.
    pub(super) fn text(&mut self, text: &str) {
        self.answer.out.push_str(text);
    }

    /// Adds a heading to the result.
    pub(super) fn heading(&mut self, text: &str) {
        match self.setting.bold {
            true => self.line(&format!("\u{1b}[1m{text}\u{1b}[22m")),
            false => self.line(text),
        }
    }

    /// Adds a blank line and a heading to the result.
    pub(super) fn heading_after_gap(&mut self, text: &str) {
        self.line("");
        self.heading(text);
    }

    /// Makes a JSON value the result.
    pub(super) fn value(&mut self, value: &impl Serialize) {
        match serde_json::to_string(value) {
            Ok(text) => self.line(&text),
            Err(error) => {
                self.answer.exit = Exit::Internal;
                self.answer.errors.push(format!("internal error: {error}"));
            }
        }
    }

    /// Says something beside the result.
    pub(super) fn note(&mut self, text: String) {
        self.answer.notes.push(text);
    }

    /// Says what is odd.
    pub(super) fn oddities(&mut self, oddities: &[Oddity]) {
        for oddity in oddities {
            self.note(oddity.to_string());
        }
    }

    /// Says that something was not done.
    pub(super) fn fail(&mut self, exit: Exit, message: String) {
        self.answer.errors.push(message);
        self.answer.exit = self.answer.exit.max(exit);
    }

    /// Says that an operation failed, why, and what to type instead where that is known.
    pub(super) async fn failed(&mut self, lead: &str, error: &InspectError, about: About<'_>) {
        self.failed_as(format!("{lead}{}", worded(error)), error, about)
            .await;
    }

    /// As [`Self::failed`], with all the words.
    pub(super) async fn failed_as(
        &mut self,
        mut message: String,
        error: &InspectError,
        about: About<'_>,
    ) {
        if let InspectError::Broker(BrokerError::Unreachable(_)) = error {
            message = format!("{}: {message}", self.place.shown);
        }
        append_meaning(&mut message, error);
        for hint in self.hints(error, about).await {
            message.push_str("\n    ");
            message.push_str(&hint);
        }
        let exit = match error {
            InspectError::Broker(BrokerError::Unreachable(_)) => Exit::Environment,
            _ => Exit::GateFailed,
        };
        self.fail(exit, message);
    }

    async fn hints(&self, error: &InspectError, about: About<'_>) -> Vec<String> {
        match error {
            InspectError::QueueNotFound(queue) => self.known_queues(queue).await,
            InspectError::TaskNotFound { id, .. } => {
                let found = self.inspector.find_task(id).await.unwrap_or_default();
                let found = found.into_iter().flat_map(|found| {
                    [
                        format!("it is in queue {:?}, state {}", found.queue, found.state),
                        self.typed(about.command, &found.queue, id),
                    ]
                });
                found.collect()
            }
            InspectError::QueueNotEmpty(queue) => vec![format!(
                "If you are sure you want to delete it, run '{} queue rm --force {}'",
                self.place.typed,
                quoted(queue)
            )],
            InspectError::QueueActive(_) => {
                vec!["stop its workers, or wait until they have finished, and recovery has taken what dead ones left".into()]
            }
            InspectError::ArchiveActive | InspectError::DeleteActive | InspectError::Running => {
                vec![format!(
                    "type: {} task cancel {}",
                    self.place.typed,
                    quoted(about.id)
                )]
            }
            _ => Vec::new(),
        }
    }

    fn typed(&self, command: &str, queue: &str, id: &str) -> String {
        format!(
            "type: {} {command} --queue={} --id={}",
            self.place.typed,
            quoted(queue),
            quoted(id)
        )
    }

    /// What to say to a queue that is not there.
    async fn known_queues(&self, queue: &str) -> Vec<String> {
        let Ok(queues) = self.inspector.queues().await else {
            return Vec::new();
        };
        if queues.is_empty() {
            return vec![format!(
                "no queue is published on {}; if Redis has lost its data, a queue is published again when one of its \
                 producers starts",
                self.place.shown
            )];
        }
        let mut hints = Vec::new();
        if let Some(close) = closest(queue, queues.iter().map(String::as_str)) {
            hints.push(format!("did you mean {close:?}?"));
        }
        let shown: Vec<String> = queues.iter().take(20).map(|name| safe(name)).collect();
        let more = if queues.len() > 20 { ", ..." } else { "" };
        hints.push(format!(
            "queues on {}: {}{more}",
            self.place.shown,
            shown.join(", ")
        ));
        hints
    }

    /// Says which of the tasks listed are orphaned; asynq's command line does not.
    pub(super) fn orphans(&mut self, tasks: &[TaskInfo]) {
        for task in tasks.iter().filter(|task| task.orphaned) {
            self.note(format!(
                "{}: orphaned: its worker has not been heard of since its lease ended; recovery takes it 30 s after that",
                safe(&task.message.id)
            ));
        }
    }
}

/// An error as asynq's command line words it.
pub(super) fn worded(error: &InspectError) -> String {
    match error {
        InspectError::Foreign(_) | InspectError::Broker(_) => error.to_string(),
        _ => match error.code() {
            Some(code) => format!("{code}: {error}"),
            None => error.to_string(),
        },
    }
}

/// An error of an operation on tasks, as asynq's library words it.
pub(super) fn library_words(error: &InspectError) -> String {
    match error {
        InspectError::QueueNotFound(_) => "asynq: queue not found".to_owned(),
        InspectError::TaskNotFound { .. } => "asynq: task not found".to_owned(),
        InspectError::Foreign(_) | InspectError::Broker(_) => error.to_string(),
        _ => format!("asynq: {}", worded(error)),
    }
}

/// Adds what a refusal of Redis means.
pub(super) fn append_meaning(message: &mut String, error: &InspectError) {
    if let (Some(refusal), InspectError::Broker(_)) = (error.refusal(), error) {
        message.push_str("\n    ");
        message.push_str(refusal.meaning());
    }
}
