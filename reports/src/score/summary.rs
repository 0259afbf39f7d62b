//! All drills together: shares from sums, intervals on every number.

use crate::score::judge::{Class, Outcome};
use crate::score::stats::{Share, garwood};
use crate::score::{DrillScore, Verdict};

/// Milliseconds of a week.
const WEEK_MS: f64 = 7.0 * 24.0 * 3_600_000.0;

/// The scores of a set of drills.
#[derive(Debug, Clone, PartialEq)]
pub struct Scorecard {
    /// The drills: incidents before harmless ones, by name.
    pub drills: Vec<DrillScore>,
    /// All together. Inconclusive drills have no part in it.
    pub summary: Summary,
}

/// What all conclusive drills came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// Incidents scored, and detected at all.
    pub recall: Option<Share>,
    /// Detected by the deadline.
    pub recall_at_deadline: Option<Share>,
    /// Pages that were right, of those that were right or wrong.
    pub precision: Option<Share>,
    /// Incidents detected per page sent.
    pub useful_pages: Option<Share>,
    /// Harmless windows with at least one page.
    pub benign_trips: Option<Share>,
    /// Fault start to notification, median and 90th percentile; a miss counts as infinite (`None`).
    pub latency_ms: Option<[Option<i64>; 2]>,
    /// Undetected share of all user impact: milliseconds of each.
    pub undetected_ms: (i64, i64),
    /// False pages.
    pub false_pages: u64,
    /// Scored time outside of incidents.
    pub exposure_ms: i64,
    /// Drills that prove nothing.
    pub inconclusive: u64,
}

impl Scorecard {
    /// Puts drills together.
    #[must_use]
    pub fn new(mut drills: Vec<DrillScore>) -> Self {
        drills.sort_by(|a, b| {
            (a.incidents.is_empty(), &a.scenario, a.seed).cmp(&(
                b.incidents.is_empty(),
                &b.scenario,
                b.seed,
            ))
        });
        let summary = Summary::new(&drills);
        Self { drills, summary }
    }

    /// Failed if any drill failed; else inconclusive if any was.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let any = |verdict| self.drills.iter().any(|drill| drill.verdict == verdict);
        if any(Verdict::Failed) {
            Verdict::Failed
        } else if any(Verdict::Inconclusive) {
            Verdict::Inconclusive
        } else {
            Verdict::Passed
        }
    }
}

impl Summary {
    fn new(all: &[DrillScore]) -> Self {
        let drills: Vec<&DrillScore> = all
            .iter()
            .filter(|drill| drill.verdict != Verdict::Inconclusive)
            .collect();
        let incidents: Vec<_> = drills
            .iter()
            .flat_map(|drill| &drill.incidents)
            .filter(|incident| incident.outcome != Outcome::Censored)
            .collect();
        let count = |outcomes: &[Outcome]| {
            incidents
                .iter()
                .filter(|incident| outcomes.contains(&incident.outcome))
                .count() as u64
        };
        let pages: Vec<Class> = drills
            .iter()
            .flat_map(|drill| &drill.episodes)
            .filter(|judged| judged.page && judged.class != Class::Ignored)
            .map(|judged| judged.class)
            .collect();
        let of =
            |classes: &[Class]| pages.iter().filter(|class| classes.contains(class)).count() as u64;
        let total = incidents.len() as u64;
        let detected = count(&[Outcome::Early, Outcome::OnTime, Outcome::Late]);
        let (right, wrong) = (
            of(&[Class::Hit]),
            of(&[Class::False, Class::BenignFalse, Class::Misattributed]),
        );
        let mut latencies: Vec<Option<i64>> = incidents
            .iter()
            .map(|incident| {
                incident
                    .detection
                    .as_ref()
                    .map(|d| d.delivered_ms - incident.truth.fault_ms)
            })
            .collect();
        // A miss is later than anything.
        latencies.sort_by_key(|latency| latency.unwrap_or(i64::MAX));
        let rank = |q: f64| latencies[((latencies.len() as f64 * q).ceil() as usize).max(1) - 1];
        Self {
            recall: Share::new(detected, total),
            recall_at_deadline: Share::new(count(&[Outcome::Early, Outcome::OnTime]), total),
            precision: Share::new(right, right + wrong),
            useful_pages: Share::new(detected.min(pages.len() as u64), pages.len() as u64),
            benign_trips: Share::new(
                drills.iter().map(|drill| drill.benign_trips).sum(),
                drills.iter().map(|drill| drill.benign_windows).sum(),
            ),
            latency_ms: (!latencies.is_empty()).then(|| [rank(0.5), rank(0.9)]),
            undetected_ms: (
                incidents
                    .iter()
                    .map(|incident| incident.undetected_ms)
                    .sum(),
                incidents.iter().map(|incident| incident.impact_ms).sum(),
            ),
            false_pages: of(&[Class::False, Class::BenignFalse]),
            exposure_ms: drills.iter().map(|drill| drill.exposure_ms).sum(),
            inconclusive: (all.len() - drills.len()) as u64,
        }
    }

    /// False pages per week with the exact 95 % interval; nothing without exposure.
    #[must_use]
    pub fn false_pages_per_week(&self) -> Option<(f64, f64, f64)> {
        (self.exposure_ms > 0).then(|| {
            let weeks = self.exposure_ms as f64 / WEEK_MS;
            let (low, high) = garwood(self.false_pages);
            (self.false_pages as f64 / weeks, low / weeks, high / weeks)
        })
    }
}
