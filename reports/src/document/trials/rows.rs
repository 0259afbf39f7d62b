//! The rows of the tables, and the short texts in them.

use crate::document::words;
use crate::document::{Told, Tone};
use crate::record::Wanted;
use crate::score::stats::{Latencies, Latency};
use crate::trials::{
    AlertTrials, Detections, Estimate, IncidentTrials, Rate, ScenarioTrials, TrialCard,
};
use firedrill_detector::text::counted;

/// The name of an incident: its scenario's, with a number where that has several.
pub(super) fn name(scenario: &ScenarioTrials, index: usize) -> String {
    match scenario.incidents.len() {
        1 => scenario.scenario.clone(),
        _ => format!("{} #{}", scenario.scenario, index + 1),
    }
}

/// `page by +3:00`.
pub(super) fn wanted(incident: &IncidentTrials) -> String {
    format!(
        "{} by {}",
        class(incident.wanted),
        words::since(incident.deadline_ms, 0)
    )
}

/// `190 of 200 [91, 97]`.
pub(super) fn share(share: Estimate) -> String {
    format!(
        "{} of {} [{:.0}, {:.0}]",
        share.count,
        share.of,
        share.low * 100.0,
        share.high * 100.0
    )
}

fn quiet(text: impl Into<String>) -> Told {
    (text.into(), Tone::Muted)
}

fn nothing() -> Told {
    quiet("-")
}

fn class(wanted: Wanted) -> &'static str {
    match wanted {
        Wanted::Page => "page",
        Wanted::Ticket => "ticket",
    }
}

/// All right alerts together where there is not exactly one, then each; then those that fired where they must not.
pub(super) fn incidents(scenario: &ScenarioTrials) -> Vec<Vec<Told>> {
    let mut rows = Vec::new();
    for (index, incident) in scenario.incidents.iter().enumerate() {
        let start = |alert: &str| {
            vec![
                quiet(name(scenario, index)),
                quiet(wanted(incident)),
                quiet(alert),
            ]
        };
        if incident.alerts.len() != 1 {
            let mut row = start("any right alert");
            row.extend(detections(Some(&incident.any), &incident.any.until_told));
            row.push(nothing());
            row.extend(habits(Some(&incident.any)));
            rows.push(row);
        }
        for alert in &scenario.alerts {
            let right = incident.alerts.iter().find(|on| on.alert == alert.alert);
            let is_first = index == 0;
            let wolf = alert.false_pages + alert.false_tickets > 0 && is_first;
            let seen = right.map(|on| &on.seen);
            if seen.is_none() && !wolf {
                continue;
            }
            let mut row = start(&alert.alert);
            match seen {
                Some(seen) if alert.no_data == alert.trials => {
                    let mut cells = detections(Some(seen), &seen.until_told);
                    cells[0] = ("no data".into(), Tone::Bad);
                    row.extend(cells);
                }
                Some(seen) => {
                    let cells = detections(Some(seen), &seen.until_told);
                    let by_name = right.is_some_and(|on| on.by_name);
                    row.extend(cells.into_iter().map(|cell| told(cell, by_name)));
                }
                None => row.extend(detections(None, &Latencies::default())),
            }
            // Of several incidents the first row tells of the drill as a whole.
            row.push(if is_first { alarms(alert) } else { nothing() });
            row.extend(habits(seen));
            rows.push(row);
        }
    }
    rows
}

/// How many false alarms; a ticket that was not needed wakes nobody.
fn alarms(alert: &AlertTrials) -> Told {
    match (alert.false_pages, alert.false_tickets) {
        (0, 0) => quiet("0"),
        (0, tickets) => (counted(tickets, "ticket"), Tone::Warn),
        (pages, 0) => (counted(pages, "page"), Tone::Bad),
        (pages, tickets) => (
            format!("{}, {}", counted(pages, "page"), counted(tickets, "ticket")),
            Tone::Bad,
        ),
    }
}

/// Detected, in time, median and 90th percentile.
fn detections(seen: Option<&Detections>, latencies: &Latencies) -> Vec<Told> {
    let Some(seen) = seen else {
        return vec![quiet("not its cause"), nothing(), nothing(), nothing()];
    };
    let late = |latency: Option<Latency>| match latency {
        Some(Latency::Ms(ms)) => quiet(words::since(ms, 0)),
        Some(Latency::Missed) => ("missed".into(), Tone::Bad),
        None => nothing(),
    };
    let mut detected = good(seen.detected);
    if seen.masked > 0 {
        detected.0.push_str(&format!(", {} masked", seen.masked));
    }
    let mut median = late(latencies.quantile(0.5));
    if let Some((low, high)) = seen.median_interval(latencies)
        && low != Latency::Missed
    {
        let [low, high] = [low, high].map(|bound| late(Some(bound)).0);
        median.0.push_str(&format!(" [{low}, {high}]"));
    }
    vec![
        detected,
        good(seen.by_deadline),
        median,
        late(latencies.quantile(0.9)),
    ]
}

/// Flaps per detection, and how often it let go.
fn habits(seen: Option<&Detections>) -> [Told; 2] {
    let flaps = seen.and_then(Detections::flaps_per_detection);
    [
        flaps.map_or_else(nothing, |flaps| {
            let tone = if flaps > 0.0 { Tone::Warn } else { Tone::Muted };
            (number(flaps), tone)
        }),
        seen.and_then(|seen| seen.let_go).map_or_else(nothing, bad),
    ]
}

/// A share that should be whole.
fn good(found: Estimate) -> Told {
    let tone = if found.count == found.of {
        Tone::Good
    } else if found.value() >= 0.5 {
        Tone::Warn
    } else {
        Tone::Bad
    };
    (share(found), tone)
}

/// An alert that nobody asked for by its name need not have seen anything.
fn told((text, tone): Told, by_name: bool) -> Told {
    (text, if by_name { tone } else { Tone::Muted })
}

/// A share that should be nothing.
fn bad(found: Estimate) -> Told {
    let tone = if found.count == 0 {
        Tone::Muted
    } else {
        Tone::Bad
    };
    (share(found), tone)
}

pub(super) fn harmless(scenario: &ScenarioTrials) -> Option<Vec<Told>> {
    let trips = scenario.trips?;
    let by: Vec<String> = scenario
        .alerts
        .iter()
        .filter_map(|alert| {
            let trips = alert.trips.filter(|trips| trips.count > 0)?;
            Some(format!("{} {} of {}", alert.alert, trips.count, trips.of))
        })
        .collect();
    let pages = scenario.false_pages.map_or(0, |rate| rate.count);
    let tone = if pages > 0 { Tone::Bad } else { Tone::Muted };
    Some(vec![
        quiet(&scenario.scenario),
        quiet(scenario.trials.to_string()),
        bad(trips),
        (pages.to_string(), tone),
        quiet(if by.is_empty() {
            "-".to_owned()
        } else {
            by.join(", ")
        }),
    ])
}

pub(super) fn alert(alert: &AlertTrials) -> Vec<Told> {
    let seen = alert.detections.as_ref();
    let mut row = vec![quiet(&alert.alert)];
    row.extend(match seen {
        _ if alert.no_data == alert.trials => [("no data".into(), Tone::Warn), nothing()],
        Some(seen) => {
            [good(seen.detected), good(seen.by_deadline)].map(|cell| told(cell, alert.by_name))
        }
        None => [quiet("no incident"), nothing()],
    });
    row.push(alert.false_alarms.map_or_else(nothing, |found| {
        let tone = match (alert.false_pages, alert.false_tickets) {
            (0, 0) => Tone::Muted,
            (0, _) => Tone::Warn,
            _ => Tone::Bad,
        };
        (rate(found), tone)
    }));
    row.push(alert.trips.map_or_else(nothing, bad));
    let tone = if alert.misattributed > 0 {
        Tone::Warn
    } else {
        Tone::Muted
    };
    row.push((alert.misattributed.to_string(), tone));
    let [flaps, let_go] = habits(seen);
    row.extend([flaps, alert.chatter.map_or_else(nothing, bad), let_go]);
    row
}

pub(super) fn causes(card: &TrialCard) -> Vec<Vec<Told>> {
    card.causes
        .iter()
        .map(|cause| {
            let mut row = vec![quiet(&cause.cause), quiet(class(cause.wanted))];
            row.extend(detections(Some(&cause.any), &cause.any.until_told));
            row
        })
        .collect()
}

pub(super) fn waits(scenario: &ScenarioTrials) -> Vec<Vec<Told>> {
    scenario
        .waits
        .iter()
        .map(|(queue, waits)| {
            let mut row = vec![
                quiet(&scenario.scenario),
                quiet(queue),
                quiet(waits.count().to_string()),
            ];
            row.extend(words::waits(waits).map(quiet));
            row
        })
        .collect()
}

/// `12.6 [3.4, 32]` per week.
pub(super) fn rate(found: Rate) -> String {
    format!(
        "{} [{}, {}]",
        number(found.per_week()),
        number(found.low_per_week),
        number(found.high_per_week)
    )
}

/// Two digits that count, or all before the point.
fn number(value: f64) -> String {
    if value == 0.0 {
        "0".into()
    } else if value < 1.0 {
        format!("{value:.2}")
    } else if value < 10.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.0}")
    }
}
