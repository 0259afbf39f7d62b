//! Sums over the rows of all drills.

use super::{
    AlertOn, AlertTrials, CauseTrials, Detections, IncidentTrials, ScenarioTrials, TrialCard,
};
use crate::record::Wanted;
use crate::trials::Trials;
use crate::trials::estimate::{Estimate, Rate, Tally};
use crate::trials::row::{AlertRow, IncidentRow, Row, Sighting};
use std::collections::{BTreeMap, BTreeSet};

/// Puts trials together.
pub(in crate::trials) fn card(trials: &Trials) -> TrialCard {
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
        gated: None,
        shard: None,
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
                let by_name = is_expected(rows, name, |incident| incident == id);
                let seen = Detections::new(&seen)?;
                (by_name || seen.detected.count > 0).then(|| AlertOn {
                    alert: (*name).to_owned(),
                    by_name,
                    seen,
                })
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
                no_data_ok: own.iter().all(|(_, alert)| alert.no_data_ok),
                standing: sum(|alert| u64::from(alert.stands)),
                standing_tickets: sum(|alert| u64::from(alert.stands_as_ticket)),
                by_name: is_expected(rows, name, |_| true),
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
        .flat_map(|(row, alert)| {
            let on = alert.on.iter();
            on.map(move |(id, _, seen)| (row.seed, *id, seen))
        })
        .filter(|(_, id, _)| is_meant(*id))
        .map(|(seed, _, seen)| (seed, seen))
        .collect()
}

/// Whether a pack expects an alert by its name on an incident that `is_meant`.
fn is_expected(rows: &[&Row], name: &str, is_meant: impl Fn(u32) -> bool) -> bool {
    each(rows, name)
        .flat_map(|(_, alert)| &alert.on)
        .any(|(id, by_name, _)| *by_name && is_meant(*id))
}
