//! What a process measures of itself, second by second, and tells its parent.

use super::wire::{Second, Word};
use crate::worker::resident_bytes;
use firedrill_asynq::clock::{ClockOrigin, Time};
use firedrill_reports::load::{Counts, Latencies, Stage};
use rustix::time::{ClockId, clock_gettime};
use std::collections::BTreeSet;
use std::io::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Counts and histograms of the second that is going on.
pub(super) struct Meter {
    clock: ClockOrigin,
    /// Nothing that arrived before is measured.
    from: Time,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    counts: Counts,
    latencies: Latencies,
    told: u64,
    cpu_s: f64,
    /// Which kinds of troubles were told.
    troubles: BTreeSet<bool>,
}

impl Meter {
    /// Of a process that begins at the clock's start and measures after the warm-up.
    pub(super) fn new(clock: ClockOrigin, warmup_ms: i64) -> Self {
        Self {
            clock,
            from: clock.virtual_start.plus_millis(warmup_ms),
            state: Mutex::new(State {
                cpu_s: cpu_s(),
                ..State::default()
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the counts.
    pub(super) fn count(&self, change: impl FnOnce(&mut Counts)) {
        change(&mut self.state().counts);
    }

    /// What a task took that arrived then; counted only if that was after the warm-up.
    pub(super) fn took(&self, arrived: Time, stages: &[(Stage, i64)]) {
        if arrived < self.from {
            return;
        }
        let mut state = self.state();
        for (stage, ns) in stages {
            state.latencies[*stage].record(*ns);
        }
    }

    /// Tells that Redis refused a task, or (`silent`) did not answer, once of each.
    pub(super) fn trouble(&self, silent: bool, what: String) {
        let is_new = self.state().troubles.insert(silent);
        if is_new {
            let at_ms = self.clock.now().millis() - self.clock.virtual_start.millis();
            tell(&Word::Trouble {
                at_ms,
                what,
                silent,
            });
        }
    }

    /// Tells of the second that is over.
    pub(super) fn tell(&self) {
        let second = {
            let mut state = self.state();
            let now_s = cpu_s();
            let second = Second {
                number: state.told,
                counts: std::mem::take(&mut state.counts),
                latencies: state.latencies.clone(),
                cpu_s: now_s - state.cpu_s,
                // The kernel has said so before, when the process was started.
                rss_bytes: resident_bytes(std::process::id()).unwrap_or(0),
            };
            state.latencies.clear();
            state.told += 1;
            state.cpu_s = now_s;
            second
        };
        tell(&Word::Second(Box::new(second)));
    }

    /// Tells every second, and never ends.
    pub(super) async fn tell_every_second(&self) {
        loop {
            let next = i64::try_from(self.state().told + 1).unwrap_or(i64::MAX);
            let at = self
                .clock
                .virtual_start
                .plus_millis(next.saturating_mul(1_000));
            tokio::time::sleep(self.clock.until(at)).await;
            self.tell();
        }
    }
}

/// Processor time of this process so far, seconds.
fn cpu_s() -> f64 {
    let spent = clock_gettime(ClockId::ProcessCPUTime);
    spent.tv_sec as f64 + spent.tv_nsec as f64 / 1e9
}

/// Writes a line. A parent that is gone cannot be told anything.
pub(super) fn tell(word: &Word) {
    let mut line = serde_json::to_string(word).expect("a word is plain data");
    line.push('\n');
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(line.as_bytes());
    let _ = out.flush();
}
