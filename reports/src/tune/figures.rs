//! What a setting came to over many records.

use super::observe::Observed;
use crate::score::stats::{Latencies, Latency, Share, median_and_p90, per_week};

/// The figures of one setting.
#[derive(Debug, Clone, PartialEq)]
pub struct Figures {
    /// Incidents that count.
    pub incidents: u64,
    /// Of them, detected by their deadline (or before anybody was harmed).
    pub in_time: u64,
    /// Of them, detected at all.
    pub detected: u64,
    /// Fault to notification, median and 90th percentile; a miss counts as infinite (`None`).
    pub latency_ms: Option<[Option<i64>; 2]>,
    /// Alarms while nothing was wrong.
    pub false_alarms: u64,
    /// Alarms on incidents of another cause.
    pub misattributed: u64,
    /// Alarms beyond the first on an incident.
    pub flaps: u64,
    /// Scored time outside of all incidents.
    pub exposure_ms: i64,
}

impl Figures {
    pub(super) fn new<'o>(records: impl IntoIterator<Item = &'o Observed>, setting: usize) -> Self {
        let mut figures = Self {
            incidents: 0,
            in_time: 0,
            detected: 0,
            latency_ms: None,
            false_alarms: 0,
            misattributed: 0,
            flaps: 0,
            exposure_ms: 0,
        };
        let mut latencies_ms = Vec::new();
        for record in records {
            let tally = record.tally(setting);
            figures.incidents += u64::from(record.incidents);
            figures.in_time += u64::from(tally.in_time);
            figures.detected += u64::from(tally.detected);
            figures.false_alarms += u64::from(tally.false_alarms);
            figures.misattributed += u64::from(tally.misattributed);
            figures.flaps += u64::from(tally.repeats);
            figures.exposure_ms += record.exposure_ms;
            latencies_ms.extend_from_slice(&tally.latencies_ms);
        }
        let latencies = latencies_ms
            .into_iter()
            .map(|latency| latency.map_or(Latency::Missed, Latency::Ms));
        figures.latency_ms = median_and_p90(&Latencies::new(latencies));
        figures
    }

    /// The share of incidents that were detected by their deadline; nothing without incidents.
    #[must_use]
    pub fn recall(&self) -> Option<Share> {
        Share::new(self.in_time, self.incidents)
    }

    /// The share of incidents that were detected at all.
    #[must_use]
    pub fn detected_share(&self) -> Option<Share> {
        Share::new(self.detected, self.incidents)
    }

    /// False alarms per week of quiet time with their exact 95 % interval; nothing without quiet time.
    #[must_use]
    pub fn false_per_week(&self) -> Option<(f64, f64, f64)> {
        per_week(self.false_alarms, self.exposure_ms)
    }

    /// The median latency; a miss is later than anything.
    pub(super) fn median_ms(&self) -> i64 {
        let median = self.latency_ms.and_then(|[median, _]| median);
        median.unwrap_or(i64::MAX)
    }

    /// Whether this is at least as good as `other` in false alarms, incidents in time and median latency, and better in
    /// one of them.
    pub(super) fn dominates(&self, other: &Self) -> bool {
        let (ours, theirs) = (self.merits(), other.merits());
        ours.iter()
            .zip(&theirs)
            .all(|(ours, theirs)| ours <= theirs)
            && ours != theirs
    }

    /// What makes a setting good; less is better.
    pub(super) fn merits(&self) -> [i64; 3] {
        let count = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        [
            count(self.false_alarms),
            -count(self.in_time),
            self.median_ms(),
        ]
    }
}
