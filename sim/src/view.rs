//! What is shown of a command while it runs, on a terminal and on a page: how the queues are, what fires, and since when something is wrong.
//!
//! A [`Board`] is shared by whoever tells (a drill, a load, a watch) and whoever shows. What it gives out is a [`Snapshot`]: plain values that any
//! renderer draws as they are. Telling takes no longer than a look at a map, and nobody who looks holds it up; nothing is decided by what is shown.
//!
//! > **Invariant.** A figure that nobody has measured is absent, never guessed. The memory of a view grows with the series there ever were, not with the
//! > time it runs.
//! > **Invariant.** A blind view is never told a cause, a fault or a scenario's name, so no renderer can show one ([`About::blind`]).

mod board;
mod history;
mod lanes;
mod reading;
mod room;
mod telling;
mod tiles;
pub mod web;

pub use board::Board;
pub use room::{Page, Room, Step};
pub use telling::{About, View};

use serde::Serialize;

/// What is shown at a moment. All times are milliseconds since the start, of the drill's clock.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Snapshot {
    /// What is under way.
    pub title: String,
    /// Where it is.
    pub stage: Stage,
    /// The time it is.
    pub at_ms: i64,
    /// The same, as people read clocks.
    pub at: String,
    /// How long it is to last; `None`: until somebody ends it.
    pub lasts: Option<String>,
    /// Virtual seconds per real second.
    pub speed: f64,
    /// What matters most, in a few words each.
    pub tiles: Vec<Tile>,
    /// What is wrong, and since when; `None`: nothing is, or this is a blind view.
    pub incident: Option<Incident>,
    /// When the points of charts are, ascending.
    pub times_ms: Vec<i64>,
    /// The last minutes.
    pub charts: Vec<Chart>,
    /// The alerts that have been on in that time, those that fire first.
    pub lanes: Vec<Lane>,
    /// How many more there are.
    pub lanes_left_out: usize,
    /// The queues, by name.
    pub queues: Vec<Queue>,
    /// How many more there are.
    pub queues_left_out: usize,
    /// What happened, the latest first.
    pub events: Vec<Entry>,
    /// What people noted, the latest first.
    pub notes: Vec<Entry>,
    /// What those who rehearse see beside it; `None`: this is no rehearsal.
    pub room: Option<Room>,
    /// All drills of the command, where it has several.
    pub drills: Vec<Listed>,
    /// Number of the one that is shown.
    pub shown: usize,
}

/// Where something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// It has not begun.
    Waiting,
    /// It is under way.
    Running,
    /// It is over.
    Over,
}

/// A figure of now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tile {
    /// What it is.
    pub name: &'static str,
    /// Its value, with its unit.
    pub value: String,
    /// Whether that is as it should be.
    pub level: Level,
}

/// Whether something is as it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// It is.
    Good,
    /// It is not.
    Bad,
    /// It is a number, and no more; or it is not known.
    Plain,
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Incident {
    /// What was done, and to whom.
    pub what: String,
    /// Since when.
    pub since_ms: i64,
    /// Until when; `None`: it goes on.
    pub until_ms: Option<i64>,
    /// For how long it goes on, or went on, as people read clocks.
    pub lasted: String,
}

/// A chart on the common times.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Chart {
    /// What it shows, and in which unit.
    pub title: &'static str,
    /// Those lines of which something is known.
    pub lines: Vec<Line>,
}

/// A line of a chart.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Line {
    /// What it shows.
    pub name: &'static str,
    /// A value for each time; `None`: nobody knows.
    pub points: Vec<Option<f64>>,
}

/// How an alert has been.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Lane {
    /// Its name.
    pub alert: String,
    /// What it is now: `inactive`, `pending`, `firing`.
    pub state: &'static str,
    /// When it was on, ascending.
    pub spans: Vec<Span>,
    /// When somebody was told, ascending.
    pub delivered_ms: Vec<i64>,
}

/// A time in which an alert was on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Span {
    /// `pending` or `firing`.
    pub state: &'static str,
    /// From when.
    pub from_ms: i64,
    /// Until when; `None`: it still is.
    pub to_ms: Option<i64>,
}

/// A queue.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Queue {
    /// Its name.
    pub name: String,
    /// Tasks by state, in the order of [`STATES`]; `None`: not known.
    pub tasks: [Option<u64>; STATES.len()],
    /// How long its oldest pending task has waited; empty: not known.
    pub oldest: String,
    /// Whether somebody has paused it.
    pub paused: bool,
}

/// The states of tasks, in the order in which they are shown.
pub const STATES: [&str; 6] = [
    "pending",
    "active",
    "scheduled",
    "retry",
    "archived",
    "completed",
];

/// A line with its time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// When.
    pub at: String,
    /// What.
    pub text: String,
}

/// One of several drills.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub stage: Stage,
}

/// A time of the drill's clock as people read clocks: `3:05`, or `1:02:07` from an hour on.
///
/// ```
/// use firedrill_sim::view::clock;
///
/// assert_eq!((clock(185_900), clock(3_727_000), clock(-5)), ("3:05".to_owned(), "1:02:07".to_owned(), "0:00".to_owned()));
/// ```
#[must_use]
pub fn clock(ms: i64) -> String {
    let seconds = ms.max(0) / 1_000;
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("{minutes}:{seconds:02}"),
        _ => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

#[cfg(test)]
pub(crate) mod tests;
