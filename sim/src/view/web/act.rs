//! What people do on the page, if they have the token.

use super::guard::Guard;
use axum::body::to_bytes;
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use std::fmt;
use tokio::sync::mpsc::Sender;
use tokio::sync::mpsc::error::TrySendError;

/// Most bytes of what is sent.
const BODY_MOST: usize = 4 << 10;
/// Most characters of a text.
const TEXT_MOST: usize = 500;
/// Fewest and most characters of a token.
const TOKEN_CHARS: std::ops::RangeInclusive<usize> = 16..=128;

/// Something that somebody does: `{"act":"note","text":"..."}`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "act", rename_all = "snake_case", deny_unknown_fields)]
pub enum Act {
    /// Takes the page: somebody looks after it.
    Ack,
    /// Notes something.
    Note {
        /// What; one to 500 characters.
        text: String,
    },
    /// Says what the cause may be.
    Cause {
        /// What; one to 500 characters.
        text: String,
    },
    /// Says what was done about it.
    Remedy {
        /// What; one to 500 characters.
        text: String,
    },
    /// Says who was told next.
    Escalate {
        /// Who; one to 500 characters.
        text: String,
    },
    /// Ticks an entry of the runbook's checklist.
    Done {
        /// Its number, from 1.
        entry: usize,
    },
    /// Stops all of it.
    Abort,
}

impl Act {
    /// As a line among the notes.
    #[must_use]
    pub fn as_note(&self) -> String {
        match self {
            Self::Ack => "acknowledged".to_owned(),
            Self::Note { text } => text.clone(),
            Self::Cause { text } => format!("suspected cause: {text}"),
            Self::Remedy { text } => format!("remedy: {text}"),
            Self::Escalate { text } => format!("escalated: {text}"),
            Self::Done { entry } => format!("done: {entry}"),
            Self::Abort => "stopped".to_owned(),
        }
    }

    /// As the line that is typed for it in a rehearsal.
    #[must_use]
    pub fn as_typed(&self) -> String {
        let entry;
        let (word, text) = match self {
            Self::Ack => ("ack", ""),
            Self::Note { text } => ("note", text.as_str()),
            Self::Cause { text } => ("cause", text.as_str()),
            Self::Remedy { text } => ("remedy", text.as_str()),
            Self::Escalate { text } => ("escalate", text.as_str()),
            Self::Done { entry: number } => {
                entry = number.to_string();
                ("done", entry.as_str())
            }
            Self::Abort => ("abort", ""),
        };
        let words = text.split_whitespace();
        [word]
            .into_iter()
            .chain(words)
            .collect::<Vec<_>>()
            .join(" ")
    }

    fn is_complete(&self) -> bool {
        match self {
            Self::Ack | Self::Done { .. } | Self::Abort => true,
            Self::Note { text }
            | Self::Cause { text }
            | Self::Remedy { text }
            | Self::Escalate { text } => {
                !text.trim().is_empty() && text.chars().count() <= TEXT_MOST
            }
        }
    }
}

/// What whoever acts must know. It is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(...)")
    }
}

impl std::str::FromStr for Token {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fits = TOKEN_CHARS.contains(&text.len());
        match fits
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte))
        {
            true => Ok(Self(text.to_owned())),
            false => Err("a token is 16 to 128 letters, digits or `-_.~`"),
        }
    }
}

impl Token {
    /// Whether it is this one. How long that takes says nothing of where they differ.
    pub(super) fn is(&self, given: &str) -> bool {
        let pairs = self.0.bytes().zip(given.bytes());
        let differ = pairs.fold(0, |differ, (a, b)| differ | (a ^ b));
        self.0.len() == given.len() && differ == 0
    }
}

/// Hands on what somebody does. `entries`: how many a checklist has, if there is one.
pub(super) async fn take(
    guard: Guard,
    (acts, causes, entries): (Sender<Act>, &[&str], usize),
    request: Request,
) -> Response {
    if !guard.has_token() {
        let why = "this page only shows: no token was given when it began\n";
        return (StatusCode::FORBIDDEN, why).into_response();
    }
    if !guard.knows(request.headers()) {
        return (StatusCode::UNAUTHORIZED, "the token is another one\n").into_response();
    }
    let kind = request.headers().get(header::CONTENT_TYPE);
    if kind.is_none_or(|kind| kind != "application/json") {
        return StatusCode::UNSUPPORTED_MEDIA_TYPE.into_response();
    }
    let Ok(body) = to_bytes(request.into_body(), BODY_MOST).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let act = match serde_json::from_slice::<Act>(&body) {
        Ok(act) if act.is_complete() => act,
        Ok(_) => {
            let why = format!("`text` must have one to {TEXT_MOST} characters\n");
            return (StatusCode::BAD_REQUEST, why).into_response();
        }
        Err(error) => return (StatusCode::BAD_REQUEST, format!("{error}\n")).into_response(),
    };
    if let Act::Cause { text } = &act
        && !causes.is_empty()
        && !causes.contains(&text.trim())
    {
        let why = format!("the cause is one of {}\n", causes.join(", "));
        return (StatusCode::BAD_REQUEST, why).into_response();
    }
    if let Act::Done { entry } = &act
        && !(1..=entries).contains(entry)
    {
        let why = match entries {
            0 => "there is no checklist here\n".to_owned(),
            entries => format!("the checklist has entries 1 to {entries}\n"),
        };
        return (StatusCode::BAD_REQUEST, why).into_response();
    }
    match acts.try_send(act) {
        Ok(()) => StatusCode::ACCEPTED.into_response(),
        Err(TrySendError::Full(_)) => (
            StatusCode::SERVICE_UNAVAILABLE,
            "too much at a time; try again\n",
        )
            .into_response(),
        Err(TrySendError::Closed(_)) => (StatusCode::GONE, "it is over\n").into_response(),
    }
}
