//! Exit codes: a documented interface, one place.

/// How firedrill ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Exit {
    /// Done; every gate passed, or none was asked for.
    Passed = 0,
    /// A gate failed: an incident was missed or paged late, an alert cried wolf, a rule cannot fire, a figure is not as it must
    /// be or worse than the baseline, two engines differ, a test failed, an asynq operation was not done, or something is wrong with a fleet that was looked at.
    GateFailed = 1,
    /// Bad usage, scenario, rule file or record; nothing was started.
    Usage = 2,
    /// Inconclusive: a fault had no effect, the harness lagged too much, the generator of a load was the limit, no alert had data, a
    /// record is incomplete, or a shard is missing.
    Inconclusive = 3,
    /// Refused by a safety rail; nothing was touched.
    Refused = 4,
    /// A rehearsal was stopped by somebody, a condition or its time limit, after healing.
    Stopped = 5,
    /// Something firedrill started or wrote is still there. Said before all else.
    CleanupIncomplete = 6,
    /// The environment lacks something: no Redis, no port, no disk; or results could not be written.
    Environment = 7,
    /// A fault in firedrill itself.
    Internal = 70,
    /// Stopped by Ctrl-C, after cleaning up.
    Interrupted = 130,
    /// Stopped by SIGTERM, SIGHUP or SIGQUIT, after cleaning up.
    Terminated = 143,
}

impl Exit {
    /// Of what passed, failed, or cannot be told.
    #[must_use]
    pub fn of(passes: Option<bool>) -> Self {
        match passes {
            Some(true) => Self::Passed,
            Some(false) => Self::GateFailed,
            None => Self::Inconclusive,
        }
    }

    /// Of two that are both true, the one to end with: what is left behind is said before all else.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::CleanupIncomplete, _) | (_, Self::CleanupIncomplete) => Self::CleanupIncomplete,
            (one, other) => one.max(other),
        }
    }
}

/// The table printed by `--help`.
pub const HELP: &str = "\
Exit codes:
    0  passed (or --no-gate)
    1  gate failed: incident missed or paged late, false page, a rule without data or that cannot fire,
       a gate of --gate or a scenario that does not hold, a figure worse than the baseline, engines that differ,
       failed test, asynq operation not done, something wrong that `diagnose` saw
    2  bad usage, scenario, rule file or record; nothing was started
    3  inconclusive: a fault had no effect, too much lag, a load whose generator was the limit, no data, an incomplete
       record, or a shard that is missing
    4  refused by a safety rail; nothing was touched
    5  a rehearsal that somebody, a condition or its time limit stopped, after healing
    6  cleanup incomplete, whatever else happened: `firedrill clean` tries again
    7  environment: no Redis to be had, no port, no disk
   70  internal error
  130  stopped by Ctrl-C, 143 by SIGTERM, SIGHUP or SIGQUIT, after cleaning up";

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
