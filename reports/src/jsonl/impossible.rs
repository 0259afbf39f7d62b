//! What no drill writes.

use crate::record::AlertState;

/// Why a record cannot have been written by a drill. Times are virtual milliseconds since its start.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Impossible {
    /// A number is not within its limits.
    #[error("{what} is {value}, not from {least} to {most}")]
    Range {
        /// Of what.
        what: String,
        /// The number.
        value: i64,
        /// Its least.
        least: i64,
        /// Its most.
        most: i64,
    },
    /// A speed or length of real time that is none.
    #[error("{0} is no speed and no length of time")]
    Speed(f64),
    /// Something ends before it begins.
    #[error("{what} lasts from {from_ms} to {to_ms} ms")]
    Reversed {
        /// What.
        what: String,
        /// Its beginning.
        from_ms: i64,
        /// Its end.
        to_ms: i64,
    },
    /// A line of a time stands after one of a later time.
    #[error("{what} at {at_ms} ms stands after {after_ms} ms")]
    Order {
        /// What.
        what: String,
        /// Its time.
        at_ms: i64,
        /// The later time.
        after_ms: i64,
    },
    /// Something is there twice that there can be once.
    #[error("{0} is there twice")]
    Twice(String),
    /// Something is referred to that the header does not have.
    #[error("{0} is not in the header, or not in its place there")]
    Unknown(String),
    /// One of two things that go together is missing.
    #[error("{0} says one half and not the other")]
    Half(String),
    /// Something follows the last line.
    #[error("something follows the last line")]
    AfterFooter,
    /// Something was scraped after the drill's tasks were counted.
    #[error("{0} stands after the audit")]
    AfterAudit(String),
    /// Two targets expose one series.
    #[error("series {series} of {owner} is exposed by {target}")]
    Elsewhere {
        /// Number of the series.
        series: u32,
        /// The target that exposes it here.
        target: String,
        /// The target that did before.
        owner: String,
    },
    /// An alert instance is not in the state that a transition leaves.
    #[error("{alert} goes from {from:?} to {to:?}, and was {state:?}")]
    CannotFollow {
        /// Alert.
        alert: String,
        /// The state it leaves.
        from: AlertState,
        /// The state it goes to.
        to: AlertState,
        /// The state it was in.
        state: AlertState,
    },
    /// Parts do not add up.
    #[error("{what} do not add up to the {whole} that were {of}")]
    Sum {
        /// The parts.
        what: String,
        /// The whole.
        whole: u64,
        /// What the whole is.
        of: &'static str,
    },
    /// More of something than there can be.
    #[error("{what}: {count}, of {most} there are")]
    TooMany {
        /// What.
        what: String,
        /// How many.
        count: u64,
        /// How many there can be.
        most: u64,
    },
    /// A median is above a 99th percentile, or that above the maximum.
    #[error("{0}: median, 99th percentile and maximum do not rise")]
    Quantiles(String),
    /// No engine of ours.
    #[error("there is no engine `{0}`")]
    Engine(String),
    /// A series that has no name.
    #[error("series {0} has no __name__")]
    Nameless(u32),
    /// A target is up or not.
    #[error("`up` of {0} is {1}, neither 0 nor 1")]
    Up(String, f64),
    /// Something was done before it was due.
    #[error("{what} was done at {at_ms} ms, before it was due at {planned_ms} ms")]
    Early {
        /// What.
        what: String,
        /// When it was done.
        at_ms: i64,
        /// When it was due.
        planned_ms: i64,
    },
    /// Two parts of the record say different things of the same.
    #[error("{what} is {found}, and should be {planned}")]
    Differs {
        /// Of what.
        what: String,
        /// What is there.
        found: String,
        /// What another part of the record says.
        planned: String,
    },
    /// A measure is no number, or less than it can be.
    #[error("{what} is {value}, and cannot be below {least}")]
    Measure {
        /// Of what.
        what: String,
        /// The number.
        value: f64,
        /// Its least.
        least: f64,
    },
    /// Lines are missing, or more.
    #[error("{written} lines were written, and here are {found}")]
    Lines {
        /// So many were written.
        written: u64,
        /// So many are there.
        found: u64,
    },
}
