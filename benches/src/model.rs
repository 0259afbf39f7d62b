//! The queue that simulators are compared on: many servers, Poisson arrivals, exponential service, failures and retries.
//!
//! An event is an arrival, the end of a service or a retry coming due. Every contestant counts these and no others,
//! whatever else it has to do, so that events per second mean the same for all.

/// The queue. Arrivals are Poisson, service is exponential, and a task waits first come, first served.
///
/// The k-th retry of a task comes `2^k × U(1, 2)` seconds after the failure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Model {
    /// New tasks per second.
    pub arrivals_per_s: f64,
    /// Mean service time in seconds.
    pub mean_service_s: f64,
    /// Tasks served at a time.
    pub servers: usize,
    /// Share of attempts that fail, 0 to 1.
    pub fail_share: f64,
    /// Retries after which a task that fails is given up.
    pub max_retries: u8,
}

impl Model {
    /// What the peers run: 90 tasks per second on 100 servers of one second, every tenth attempt fails.
    ///
    /// With its retries the load is critical (99.99 %): the queue wanders, so speeds may be compared, but not waits.
    pub const PEERS: Self = Self {
        arrivals_per_s: 90.0,
        mean_service_s: 1.0,
        servers: 100,
        fail_share: 0.1,
        max_retries: 3,
    };
}

/// How a model is run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Run {
    /// Simulated seconds.
    pub simulated_s: f64,
    /// Waits that end before this many seconds are not counted.
    pub warm_up_s: f64,
    /// Tasks that are in the queue already at the beginning; they are not counted as arrivals.
    pub backlog: usize,
    /// Seed of the dice.
    pub seed: u64,
}

/// What happened in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// New tasks.
    pub arrivals: u64,
    /// Attempts that ended, well or not.
    pub service_ends: u64,
    /// Retries that came due.
    pub retries_due: u64,
    /// Attempts that started after the warm-up.
    pub waits: u64,
    /// The sum of their waits, from the arrival or the retry's coming due to the start, in nanoseconds.
    pub waited_ns: u128,
}

impl Tally {
    /// Events, as every contestant counts them.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.arrivals + self.service_ends + self.retries_due
    }

    /// Mean wait of an attempt in seconds, or nothing when none started after the warm-up.
    #[must_use]
    pub fn mean_wait_s(&self) -> Option<f64> {
        (self.waits > 0).then(|| self.waited_ns as f64 / self.waits as f64 / 1e9)
    }
}
