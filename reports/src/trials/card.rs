//! What many drills came to, as plain values.

use crate::record::Wanted;
use crate::score::stats::{Latencies, Latency};
use crate::trials::Trials;
use crate::trials::estimate::{Estimate, Rate, Tally};
use crate::trials::row::{AlertRow, IncidentRow, Row, Sighting};
use crate::waits::Waits;
use std::collections::{BTreeMap, BTreeSet};

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
    /// What each alert that is right for it made of it, in the order of the pack.
    pub alerts: Vec<(String, Detections)>,
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

/// Puts trials together.
pub(super) fn card(trials: &Trials) -> TrialCard {
    let mut rows: Vec<&Row> = Vec::new();
    let mut scenarios = Vec::new();
    for (name, scenario) in &trials.scenarios {
        let mut own: Vec<&Row> = scenario.rows.iter().collect();
        own.sort_unstable();
        let (family, summary) = scenario.about.clone().unwrap_or_default();
        let mut doubts: Vec<(String, u64)> = scenario.doubts.clone().into_iter().collect();
        doubts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        scenarios.push(ScenarioTrials {
            scenario: name.clone(),
            family,
            summary,
            trials: own.len() as u64,
            inconclusive: scenario.inconclusive,
            doubts,
            with_rule_errors: own.iter().filter(|row| row.has_rule_errors).count() as u64,
            passed: passed(&own),
            incidents: incidents(&own),
            alerts: alerts(&own),
            false_pages: false_pages(&own),
            trips: trips(&own),
            waits: scenario.waits.clone(),
        });
        rows.extend(own);
    }
    // A stable sort: names stay in order.
    scenarios.sort_by_key(|scenario| scenario.incidents.is_empty());
    let causes = causes(&rows);
    let macro_mean = |of: fn(&Detections) -> Estimate| {
        let pages = causes.iter().filter(|cause| cause.wanted == Wanted::Page);
        let shares: Vec<f64> = pages.map(|cause| of(&cause.any).value()).collect();
        (!shares.is_empty()).then(|| shares.iter().sum::<f64>() / shares.len() as f64)
    };
    TrialCard {
        trials: rows.len() as u64,
        inconclusive: scenarios.iter().map(|scenario| scenario.inconclusive).sum(),
        seeds: rows
            .iter()
            .map(|row| row.seed)
            .collect::<BTreeSet<_>>()
            .len() as u64,
        passed: passed(&rows),
        macro_recall: macro_mean(|any| any.detected),
        macro_recall_by_deadline: macro_mean(|any| any.by_deadline),
        false_pages: false_pages(&rows),
        trips: trips(&rows),
        alerts: alerts(&rows),
        causes,
        scenarios,
    }
}

fn tally<'r>(rows: &[&'r Row], of: impl Fn(&'r Row) -> (u64, u64)) -> Tally {
    let mut tally = Tally::default();
    for row in rows {
        let (count, all) = of(row);
        tally.add(row.seed, count, all);
    }
    tally
}

fn passed(rows: &[&Row]) -> Option<Estimate> {
    tally(rows, |row| (u64::from(row.passed), 1)).share()
}

fn false_pages(rows: &[&Row]) -> Option<Rate> {
    tally(rows, |row| (row.false_pages, row.quiet_ms)).rate()
}

fn trips(rows: &[&Row]) -> Option<Estimate> {
    tally(rows, |row| (row.trips, row.windows)).share()
}

fn incidents(rows: &[&Row]) -> Vec<IncidentTrials> {
    let mut found: BTreeMap<u32, Vec<(u64, &IncidentRow)>> = BTreeMap::new();
    for row in rows {
        for incident in &row.incidents {
            found
                .entry(incident.id)
                .or_default()
                .push((row.seed, incident));
        }
    }
    let names = names(rows);
    found
        .into_iter()
        .filter_map(|(id, all)| {
            let seen: Vec<_> = all
                .iter()
                .map(|(seed, incident)| (*seed, &incident.sighting))
                .collect();
            let (_, first) = all.first()?;
            let alerts = names.iter().filter_map(|name| {
                let seen = sightings(rows, name, |incident| incident == id);
                Some(((*name).to_owned(), Detections::new(&seen)?))
            });
            Some(IncidentTrials {
                id,
                cause: first.cause.clone(),
                wanted: first.wanted,
                deadline_ms: all.iter().map(|(_, incident)| incident.deadline_ms).min()?,
                any: Detections::new(&seen)?,
                alerts: alerts.collect(),
            })
        })
        .collect()
}

fn causes(rows: &[&Row]) -> Vec<CauseTrials> {
    let mut found: BTreeMap<(&str, Wanted), Vec<(u64, &Sighting)>> = BTreeMap::new();
    for row in rows {
        for incident in &row.incidents {
            found
                .entry((&incident.cause, incident.wanted))
                .or_default()
                .push((row.seed, &incident.sighting));
        }
    }
    found
        .into_iter()
        .filter_map(|((cause, wanted), seen)| {
            Some(CauseTrials {
                cause: cause.to_owned(),
                wanted,
                any: Detections::new(&seen)?,
            })
        })
        .collect()
}

fn alerts(rows: &[&Row]) -> Vec<AlertTrials> {
    names(rows)
        .into_iter()
        .map(|name| {
            let own: Vec<(&Row, &AlertRow)> = each(rows, name).collect();
            let sum = |of: fn(&AlertRow) -> u64| own.iter().map(|(_, alert)| of(alert)).sum();
            let tally = |of: fn(&Row, &AlertRow) -> (u64, u64)| {
                let mut tally = Tally::default();
                for (row, alert) in &own {
                    let (count, all) = of(row, alert);
                    tally.add(row.seed, count, all);
                }
                tally
            };
            AlertTrials {
                alert: name.to_owned(),
                trials: own.len() as u64,
                no_data: sum(|alert| u64::from(alert.no_data)),
                detections: Detections::new(&sightings(rows, name, |_| true)),
                false_pages: sum(|alert| alert.false_pages),
                false_tickets: sum(|alert| alert.false_tickets),
                false_alarms: tally(|row, alert| {
                    (alert.false_pages + alert.false_tickets, row.quiet_ms)
                })
                .rate(),
                trips: tally(|row, alert| (alert.trips, row.windows)).share(),
                misattributed: sum(|alert| alert.misattributed),
                chatter: tally(|_, alert| (u64::from(alert.chatters), 1)).share(),
            }
        })
        .collect()
}

/// The names of all alerts, in the order of the packs.
fn names<'r>(rows: &[&'r Row]) -> Vec<&'r str> {
    let mut known = BTreeSet::new();
    rows.iter()
        .flat_map(|row| &row.alerts)
        .map(|alert| alert.alert.as_str())
        .filter(|name| known.insert(*name))
        .collect()
}

/// One alert in every drill that has it.
fn each<'r>(rows: &[&'r Row], name: &str) -> impl Iterator<Item = (&'r Row, &'r AlertRow)> {
    rows.iter().filter_map(move |row| {
        let alert = row.alerts.iter().find(|alert| alert.alert == name)?;
        Some((*row, alert))
    })
}

/// What an alert made of the incidents that it is right for and that `is_meant`.
fn sightings<'r>(
    rows: &[&'r Row],
    name: &str,
    is_meant: impl Fn(u32) -> bool,
) -> Vec<(u64, &'r Sighting)> {
    each(rows, name)
        .flat_map(|(row, alert)| alert.on.iter().map(move |(id, seen)| (row.seed, *id, seen)))
        .filter(|(_, id, _)| is_meant(*id))
        .map(|(seed, _, seen)| (seed, seen))
        .collect()
}
