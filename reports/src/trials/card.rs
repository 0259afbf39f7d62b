//! What many drills came to, as plain values.

mod sums;

pub(super) use sums::card;

use crate::gate::Gated;
use crate::record::Wanted;
use crate::score::stats::{Latencies, Latency};
use crate::shard::Shard;
use crate::trials::estimate::{Estimate, Method, Rate, Tally};
use crate::trials::row::Sighting;
use crate::waits::Waits;
use std::collections::BTreeMap;

/// Many drills: per scenario, per alert, and per cause.
#[derive(Debug, Clone, PartialEq)]
pub struct TrialCard {
    /// Scenarios with incidents before harmless ones, by name.
    pub scenarios: Vec<ScenarioTrials>,
    /// Every alert over all scenarios, in the order of the pack.
    pub alerts: Vec<AlertTrials>,
    /// Incidents by cause and what they deserve.
    pub causes: Vec<CauseTrials>,
    /// Conclusive drills.
    pub trials: u64,
    /// Drills that prove nothing, and have no part in anything else.
    pub inconclusive: u64,
    /// Different seeds among the conclusive drills.
    pub seeds: u64,
    /// Drills in which every incident was detected by its deadline and nothing cried wolf.
    pub passed: Option<Estimate>,
    /// Mean over causes of the share of incidents detected that deserve a page: a common cause does not hide a rare one.
    pub macro_recall: Option<f64>,
    /// The same for those detected by their deadline.
    pub macro_recall_by_deadline: Option<f64>,
    /// False pages per week of quiet time.
    pub false_pages: Option<Rate>,
    /// Harmless windows with a page.
    pub trips: Option<Estimate>,
    /// What gates came to, if there are any.
    pub gated: Option<Gated>,
    /// Of drills that are only a part of what was asked for: which. It passes and fails nothing by itself.
    pub shard: Option<Shard>,
}

/// The drills of one scenario.
#[derive(Debug, Clone, PartialEq)]
pub struct ScenarioTrials {
    /// Name.
    pub scenario: String,
    /// Family.
    pub family: String,
    /// One sentence.
    pub summary: String,
    /// Conclusive drills.
    pub trials: u64,
    /// Drills that prove nothing.
    pub inconclusive: u64,
    /// Why they prove nothing, and how many for that reason; the most frequent first.
    pub doubts: Vec<(String, u64)>,
    /// Drills in which rules could not be evaluated at times.
    pub with_rule_errors: u64,
    /// Drills that passed.
    pub passed: Option<Estimate>,
    /// Incidents, in the order of the plan.
    pub incidents: Vec<IncidentTrials>,
    /// Alerts, in the order of the pack.
    pub alerts: Vec<AlertTrials>,
    /// False pages per week of quiet time.
    pub false_pages: Option<Rate>,
    /// Harmless windows with a page; a drill in which nothing happens is one.
    pub trips: Option<Estimate>,
    /// How long tasks waited, by queue, all drills together.
    pub waits: BTreeMap<String, Waits>,
}

/// One incident of a scenario.
#[derive(Debug, Clone, PartialEq)]
pub struct IncidentTrials {
    /// Number in the plan.
    pub id: u32,
    /// Cause.
    pub cause: String,
    /// Which class of alert it deserves.
    pub wanted: Wanted,
    /// Latest good detection, counted from the fault; the earliest one where drills differ.
    pub deadline_ms: i64,
    /// What all right alerts together made of it.
    pub any: Detections,
    /// What each alert made of it that the pack expects there by its name, or that detected it; in the order of the pack.
    pub alerts: Vec<AlertOn>,
}

/// One alert on one incident.
#[derive(Debug, Clone, PartialEq)]
pub struct AlertOn {
    /// Alert name.
    pub alert: String,
    /// Whether the pack expects it there by its name; where not, any other alert would do.
    pub by_name: bool,
    /// What it made of it.
    pub seen: Detections,
}

/// Incidents of one cause.
#[derive(Debug, Clone, PartialEq)]
pub struct CauseTrials {
    /// Cause.
    pub cause: String,
    /// Which class of alert they deserve.
    pub wanted: Wanted,
    /// What the right alerts made of them.
    pub any: Detections,
}

/// What was seen of incidents that should have been.
#[derive(Debug, Clone, PartialEq)]
pub struct Detections {
    /// Detected while they were on.
    pub detected: Estimate,
    /// Detected by their deadline.
    pub by_deadline: Estimate,
    /// Not detected because an alert was firing before they began; counted as missed.
    pub masked: u64,
    /// From the fault until an alert fired, misses included.
    pub until_firing: Latencies,
    /// From the fault until somebody was told, misses included.
    pub until_told: Latencies,
    /// Of those detected: let go while they went on.
    pub let_go: Option<Estimate>,
    /// Firings of single alert instances beyond their first, all together.
    pub flaps: u64,
}

/// One alert.
#[derive(Debug, Clone, PartialEq)]
pub struct AlertTrials {
    /// Alert name.
    pub alert: String,
    /// Conclusive drills judged by a pack that has it.
    pub trials: u64,
    /// Drills in which none of its selectors matched any series.
    pub no_data: u64,
    /// Whether the pack says that it may be without data.
    pub no_data_ok: bool,
    /// Drills in which it was on before anything was wrong and paged.
    pub standing: u64,
    /// The same of tickets, which fail no gate.
    pub standing_tickets: u64,
    /// Whether the pack expects it by its name on any of the incidents.
    pub by_name: bool,
    /// What it made of the incidents it is right for; nothing where there are none.
    pub detections: Option<Detections>,
    /// Pages where it must be silent, in quiet time.
    pub false_pages: u64,
    /// Tickets where it must be silent, in quiet time.
    pub false_tickets: u64,
    /// Both, per week of quiet time.
    pub false_alarms: Option<Rate>,
    /// Harmless windows in which it fired.
    pub trips: Option<Estimate>,
    /// Incidents it is not right for, and during which it fired.
    pub misattributed: u64,
    /// Drills in which one of its instances fired three times or more within half an hour.
    pub chatter: Option<Estimate>,
}

impl Detections {
    /// Flaps per detected incident; nothing when none was detected.
    #[must_use]
    pub fn flaps_per_detection(&self) -> Option<f64> {
        (self.detected.count > 0).then(|| self.flaps as f64 / self.detected.count as f64)
    }

    /// The 95 % interval of the median of some of its latencies; nothing where several share a seed, for then they are
    /// not independent.
    #[must_use]
    pub fn median_interval(&self, latencies: &Latencies) -> Option<(Latency, Latency)> {
        (self.detected.method == Method::Wilson).then(|| latencies.interval(0.5))
    }

    /// Of what was seen under each seed; nothing when there was nothing to be seen.
    fn new(seen: &[(u64, &Sighting)]) -> Option<Self> {
        let share = |counts: &dyn Fn(&Sighting) -> bool, of: &dyn Fn(&Sighting) -> bool| {
            let mut tally = Tally::default();
            for (seed, sighting) in seen.iter().filter(|(_, sighting)| of(sighting)) {
                tally.add(*seed, u64::from(counts(sighting)), 1);
            }
            tally.share()
        };
        let latencies = |of: &dyn Fn(&Sighting) -> Latency| {
            Latencies::new(seen.iter().map(|(_, sighting)| of(sighting)))
        };
        let is_detected = |sighting: &Sighting| sighting.until_firing != Latency::Missed;
        let any = |_: &Sighting| true;
        let flaps = seen.iter().map(|(_, sighting)| u64::from(sighting.flaps));
        Some(Self {
            detected: share(&is_detected, &any)?,
            by_deadline: share(&|sighting| sighting.in_time, &any)?,
            masked: seen.iter().filter(|(_, sighting)| sighting.masked).count() as u64,
            until_firing: latencies(&|sighting| sighting.until_firing),
            until_told: latencies(&|sighting| sighting.until_told),
            let_go: share(&|sighting| sighting.let_go, &is_detected),
            flaps: flaps.sum(),
        })
    }
}
