//! When tasks are enqueued, as meant.

use crate::form::{duration, form, positive, rate};
use crate::plan::{Recording, TimeOfDay};
use serde::{Deserialize, Serialize};

/// When tasks are enqueued: always open loop, whatever the system does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Arrivals {
    /// None: others enqueue it, if anybody does.
    None,
    /// Independent arrivals at a mean rate.
    Poisson {
        /// Tasks per second.
        rate_per_sec: f64,
        /// First possible arrival.
        from_ms: i64,
        /// No arrivals from here on.
        until_ms: i64,
    },
    /// Equal gaps.
    Constant {
        /// Tasks per second.
        rate_per_sec: f64,
        /// First arrival.
        from_ms: i64,
        /// No arrivals from here on.
        until_ms: i64,
    },
    /// When a periodic task is due, as asynq's scheduler knows it.
    Cron {
        /// Five fields or a descriptor, in UTC or in the time zone before it.
        spec: String,
    },
    /// At a rate that goes from one to the next, and then no more.
    Stages {
        /// Tasks per second at the beginning.
        start_per_sec: f64,
        /// One after the other.
        stages: Vec<Stage>,
        /// When the first begins.
        from_ms: i64,
        /// At equal parts of the rate, instead of independently.
        evenly: bool,
    },
    /// Independent arrivals at a rate that goes up and down once a day.
    Diurnal {
        /// Mean of a day, tasks per second.
        mean_per_sec: f64,
        /// The highest rate, as a multiple of the lowest.
        peak_to_trough: f64,
        /// When it is highest.
        peak_at: TimeOfDay,
    },
    /// Independent arrivals at a rate that jumps from state to state (a Markov-modulated Poisson process).
    Mmpp {
        /// They begin in the first, and go on to any of the others.
        states: Vec<State>,
    },
    /// As they were.
    Trace {
        /// When the recording begins.
        at_ms: i64,
        /// What it is read from; `None`: it has been.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        file: Option<TraceFile>,
        /// What arrived.
        recording: Recording,
    },
    /// Many at once.
    Burst {
        /// How many.
        count: u64,
        /// The first.
        at_ms: i64,
        /// Evenly spread over this long.
        over_ms: i64,
    },
}

form! {
    /// The rate goes evenly to another.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct Stage: "stage" {
        /// How long that takes.
        pub duration_ms as "duration": i64 = duration(), required;
        /// The rate in the end.
        pub per_sec as "target": f64 = rate().or_none(), required;
    }
}

form! {
    /// A state with a rate of its own.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct State: "state" {
        /// Its rate.
        pub per_sec as "rate": f64 = rate().or_none(), required;
        /// How long it lasts on average: exponentially distributed.
        // Shorter ones are Poisson arrivals to whoever looks at them.
        pub mean_stay_ms as "mean_stay": i64 = positive().at_least(1_000, "1s"), required;
    }
}

/// A file with arrivals as they were.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TraceFile {
    /// Beside the scenario.
    pub path: String,
    /// So many seconds of it are one of the drill.
    pub scale: f64,
    /// Name of the counter, in a dump of several.
    pub metric: Option<String>,
}

impl Arrivals {
    /// Whether there can be more or less of them.
    #[must_use]
    pub fn has_rate(&self) -> bool {
        match self {
            Self::Poisson { .. }
            | Self::Constant { .. }
            | Self::Stages { .. }
            | Self::Diurnal { .. }
            | Self::Mmpp { .. } => true,
            Self::None | Self::Cron { .. } | Self::Trace { .. } | Self::Burst { .. } => false,
        }
    }
}
