//! The tables that all renderers of trials share.

use super::rows::{alert, causes, harmless, incidents, rate, share, waits};
use crate::render::cell::Tone;
use crate::render::terminal::Cell;
use crate::trials::{AlertTrials, TrialCard};

/// A table with a name for its rows.
pub(in crate::render) struct Table {
    /// What it is about.
    pub(in crate::render) title: &'static str,
    /// How to read it.
    pub(in crate::render) note: &'static str,
    /// Heads of the columns; the first says what a row is.
    pub(in crate::render) head: Vec<&'static str>,
    pub(in crate::render) rows: Vec<Vec<Cell>>,
}

/// How to read the brackets.
pub(super) const NOTE: &str = "Brackets are 95 % intervals, of shares in percent: Wilson for one case a seed, exact Poisson for single events, \
     resampled seeds for several (where seeds are few or all alike, each counts as one case), order statistics \
     for medians. A miss is later than any detection.";

/// The tables of a card, without those that would be empty.
pub(super) fn tables(card: &TrialCard) -> Vec<Table> {
    let mut tables = vec![
        Table {
            title: "Incidents",
            note: "What each right alert made of them; times run from the fault until somebody was told.",
            head: vec![
                "incident",
                "wanted",
                "alert",
                "detected",
                "in time",
                "median",
                "p90",
                "false",
                "flaps",
                "cleared early",
            ],
            rows: card.scenarios.iter().flat_map(incidents).collect(),
        },
        Table {
            title: "Harmless",
            note: "Every alert must stay silent.",
            head: vec!["harmless", "trials", "with a page", "false pages", "by"],
            rows: card.scenarios.iter().filter_map(harmless).collect(),
        },
        Table {
            title: "Alerts",
            note: "Over all scenarios; false alarms in a week of quiet time.",
            head: vec![
                "alert",
                "detected",
                "in time",
                "false a week",
                "harmless events",
                "wrong cause",
                "flaps",
                "chatter",
                "cleared early",
            ],
            rows: card.alerts.iter().map(alert).collect(),
        },
        Table {
            title: "Causes",
            note: "What all right alerts together made of them; times run from the fault until somebody was told.",
            head: vec!["cause", "wanted", "detected", "in time", "median", "p90"],
            rows: causes(card),
        },
        Table {
            title: "Waits",
            note: "Of tasks, from enqueue to first start.",
            head: vec![
                "waits", "queue", "started", "p50", "p90", "p99", "p99.9", "max",
            ],
            rows: card.scenarios.iter().flat_map(waits).collect(),
        },
    ];
    tables.retain(|table| !table.rows.is_empty());
    tables
}

/// The lines of the summary: what, and how much.
pub(super) fn summary(card: &TrialCard) -> Vec<(&'static str, String)> {
    let percent = |share: Option<f64>| {
        share.map_or("n/a (no incidents)".to_owned(), |share| {
            format!("{:.0} %", share * 100.0)
        })
    };
    let mut lines = vec![
        (
            "trials",
            format!(
                "{} drills of {} scenarios under {} seeds",
                card.trials,
                card.scenarios.len(),
                card.seeds
            ),
        ),
        (
            "passed",
            card.passed.map_or("n/a (no trials)".into(), share),
        ),
        ("detected, mean over causes", percent(card.macro_recall)),
        (
            "in time, mean over causes",
            percent(card.macro_recall_by_deadline),
        ),
        (
            "false pages in a quiet week",
            card.false_pages
                .map_or("n/a (no quiet time)".into(), |found| {
                    let hours = found.exposure_ms as f64 / 3_600_000.0;
                    format!("{} ({} in {hours:.1} h)", rate(found), found.count)
                }),
        ),
        (
            "harmless events with a page",
            card.trips.map_or("n/a (none rehearsed)".into(), share),
        ),
    ];
    if card.inconclusive > 0 {
        lines.push(("inconclusive, not counted", card.inconclusive.to_string()));
    }
    lines
}

/// Alerts that say nothing, whatever the drills were: those that were on before anything was wrong, and those without data.
pub(super) fn silent_or_standing(card: &TrialCard) -> Vec<Cell> {
    let mut lines = Vec::new();
    for alert in &card.alerts {
        let AlertTrials {
            alert: name,
            trials,
            ..
        } = alert;
        if alert.standing > 0 {
            lines.push((
                format!(
                    "{name} was on before anything was wrong in {} of {trials} drills: it fails the gate",
                    alert.standing
                ),
                Tone::Bad,
            ));
        }
        if alert.standing_tickets > 0 {
            lines.push((
                format!(
                    "{name} was on before anything was wrong in {} of {trials} drills (a ticket, which fails no gate)",
                    alert.standing_tickets
                ),
                Tone::Middling,
            ));
        }
    }
    // Where no alert has data, it is the drills that prove nothing.
    let any_data = card.alerts.iter().any(|alert| alert.no_data < alert.trials);
    let blind = |alert: &&AlertTrials| alert.trials > 0 && alert.no_data == alert.trials;
    for alert in card.alerts.iter().filter(blind) {
        let name = &alert.alert;
        let tone = match any_data && !alert.no_data_ok {
            true => Tone::Bad,
            false => Tone::Middling,
        };
        lines.push((
            format!("{name} had no data in any of {} drills", alert.trials),
            tone,
        ));
    }
    lines
}

/// What must be known before the numbers are believed.
pub(super) fn doubts(card: &TrialCard) -> Vec<String> {
    const SHOWN: usize = 3;
    let mut lines = Vec::new();
    for scenario in &card.scenarios {
        let name = &scenario.scenario;
        let all = scenario.trials + scenario.inconclusive;
        for (why, count) in scenario.doubts.iter().take(SHOWN) {
            lines.push(format!("{name}: {count} of {all} inconclusive: {why}"));
        }
        if scenario.doubts.len() > SHOWN {
            let more = scenario.doubts.len() - SHOWN;
            lines.push(format!("{name}: and {more} more reasons"));
        }
        if scenario.with_rule_errors > 0 {
            lines.push(format!(
                "{name}: rules could not be evaluated in {} of {} drills",
                scenario.with_rule_errors, scenario.trials
            ));
        }
    }
    lines
}
