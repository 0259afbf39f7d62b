//! What people did in a rehearsal, and what they were told.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What a rehearsal asked of the people who took part. Times are the drill's, as all in a record. Since 1.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rehearsed {
    /// From the first page to the first thing that is done about it, at most, milliseconds.
    pub respond_within_ms: i64,
    /// From the first page until it is escalated, if it is not over by then, milliseconds.
    pub escalate_after_ms: i64,
    /// Whether the team was not told what would happen.
    pub blind: bool,
}

/// Something that somebody did in a rehearsal, or was told. Since 1.2.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Action {
    /// When: when it was said or seen.
    pub at_ms: i64,
    /// What.
    pub what: Deed,
    /// To whom or what, e.g. `w-0`, a queue, a cause; may be empty.
    #[serde(default)]
    pub subject: String,
    /// In words: theirs, or what was seen.
    #[serde(default)]
    pub text: String,
    /// The step that it is about, where it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
}

impl Action {
    /// Whether somebody had a hand in the system, or says so: what alerts do from then on may be about that.
    #[must_use]
    pub fn is_hand(&self) -> bool {
        matches!(self.what, Deed::Seen | Deed::Mended | Deed::Remedied)
    }
}

impl fmt::Display for Action {
    /// What, and what it is about.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.what.words())?;
        let about = [&self.subject, &self.text].into_iter();
        about
            .filter(|text| !text.is_empty())
            .try_for_each(|text| write!(f, ": {text}"))
    }
}

impl Deed {
    /// For people, before what it is about.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Acknowledged => "acknowledged",
            Self::Noted => "note",
            Self::Suspected => "suspected cause",
            Self::Remedied => "remedy",
            Self::Ticked => "done",
            Self::Escalated => "escalated",
            Self::Seen => "seen",
            Self::Mended => "mended",
            Self::Reminded => "due",
            Self::Stopped => "stopped",
            Self::Other => "something",
        }
    }
}

/// What somebody did, or was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deed {
    /// Somebody says that he is on it.
    Acknowledged,
    /// Somebody notes something.
    Noted,
    /// Somebody says what he takes for the cause: the subject.
    Suspected,
    /// Somebody says that he has done something about it, or has us do it.
    Remedied,
    /// Somebody ticks an entry of the runbook's checklist: the subject is its number, the text what it says.
    Ticked,
    /// Somebody tells the next in line: the subject.
    Escalated,
    /// It was seen that somebody outside had a hand in the system.
    Seen,
    /// Somebody ended the step's fault, or did what the step was to do: it was looked at.
    Mended,
    /// People were told that a response or an escalation is due: the subject.
    Reminded,
    /// Somebody, or a condition, stopped the rehearsal.
    Stopped,
    /// What a newer firedrill may add.
    #[serde(other)]
    Other,
}
