//! Trials as a document: what every alert did to every incident and to what is harmless, how tasks waited, and the summary.

mod rows;

use super::{Block, Document, Facts, Figure, Finding, Part, Step, Table, Told, Tone, gates, words};
use crate::plot;
use crate::shard::Shard;
use crate::trials::{AlertTrials, IncidentTrials, ScenarioTrials, TrialCard};
use rows::{alert, causes, harmless, incidents, rate, share, waits};

/// How to read the brackets.
const NOTE: &str = "Brackets are 95 % intervals, of shares in percent: Wilson for one case a seed, exact Poisson for single events, \
     resampled seeds for several (where seeds are few or all alike, each counts as one case), order statistics \
     for medians. A miss is later than any detection.";

/// Trials for people.
#[must_use]
pub fn of_trials(card: &TrialCard) -> Document {
    let mut blocks: Vec<Block> = tables(card).into_iter().filter_map(Table::block).collect();
    let lines = silent_or_standing(card).into_iter();
    let doubts = doubts(card).into_iter().map(|line| (line, Tone::Warn));
    let findings: Vec<Finding> = lines
        .chain(doubts)
        .map(|told| Finding::new("", told))
        .collect();
    if !findings.is_empty() {
        blocks.push(Block::Findings(findings));
    }
    blocks.push(Block::Facts(Facts {
        note: NOTE.to_owned(),
        ..Facts::new("Summary (95 % intervals)", summary(card))
    }));
    let with_incidents = card
        .scenarios
        .iter()
        .filter(|one| !one.incidents.is_empty());
    blocks.extend(
        with_incidents
            .enumerate()
            .map(|(index, one)| detections(one, index)),
    );
    let mut document = Document {
        title: "firedrill trials".to_owned(),
        verdict: None,
        next: card.shard.iter().map(next_of_shard).collect(),
        blocks,
    };
    gates::put(card.gated.as_ref(), &mut document);
    document
}

/// What to do with one of several shards.
fn next_of_shard(shard: &Shard) -> Step {
    Step {
        text: format!(
            "This is shard {} of {}, which passes and fails nothing by itself: join it with the others, and judge them together.",
            shard.number(),
            shard.of()
        ),
        command: Some("firedrill merge SHARD...".to_owned()),
    }
}

/// A scenario's charts, one for each incident: how soon how many of its drills were detected.
fn detections(scenario: &ScenarioTrials, index: usize) -> Block {
    let figure = |(number, incident): (usize, &IncidentTrials)| {
        let name = rows::name(scenario, number);
        let title = format!("{name}: {}, {}", incident.cause, rows::wanted(incident));
        Block::Figure(Figure {
            description: description(incident),
            picture: plot::latency(incident).map_err(|error| error.to_string()),
            title,
        })
    };
    let mut blocks = vec![Block::Note(scenario.summary.clone())];
    blocks.extend(scenario.incidents.iter().enumerate().map(figure));
    Block::Part(Part {
        anchor: format!("scenario-{}", index + 1),
        title: scenario.scenario.clone(),
        badge: None,
        folded: false,
        blocks,
    })
}

/// What the chart of an incident shows.
fn description(incident: &IncidentTrials) -> String {
    let any = &incident.any;
    let median = any
        .until_told
        .quantile(0.5)
        .and_then(|latency| latency.ms());
    format!(
        "Share of drills in which somebody was told, over the time since the fault. {} of {} were detected, {} of them by the deadline; median {}.",
        any.detected.count,
        any.detected.of,
        any.by_deadline.count,
        median.map_or("missed".to_owned(), |ms| words::since(ms, 0))
    )
}

/// The tables of a card; some may be empty.
fn tables(card: &TrialCard) -> Vec<Table> {
    vec![
        Table::new(
            "Incidents",
            "What each right alert made of them; times run from the fault until somebody was told.",
            [
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
            card.scenarios.iter().flat_map(incidents).collect(),
        ),
        Table::new(
            "Harmless",
            "Every alert must stay silent.",
            ["harmless", "trials", "with a page", "false pages", "by"],
            card.scenarios.iter().filter_map(harmless).collect(),
        ),
        Table::new(
            "Alerts",
            "Over all scenarios; false alarms in a week of quiet time.",
            [
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
            card.alerts.iter().map(alert).collect(),
        ),
        Table::new(
            "Causes",
            "What all right alerts together made of them; times run from the fault until somebody was told.",
            ["cause", "wanted", "detected", "in time", "median", "p90"],
            causes(card),
        ),
        Table::new(
            "Waits",
            "Of tasks, from enqueue to first start.",
            [
                "waits", "queue", "started", "p50", "p90", "p99", "p99.9", "max",
            ],
            card.scenarios.iter().flat_map(waits).collect(),
        ),
    ]
}

/// The lines of the summary: what, and how much.
fn summary(card: &TrialCard) -> Vec<(&'static str, String)> {
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
fn silent_or_standing(card: &TrialCard) -> Vec<Told> {
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
                Tone::Warn,
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
            false => Tone::Warn,
        };
        lines.push((
            format!("{name} had no data in any of {} drills", alert.trials),
            tone,
        ));
    }
    lines
}

/// What must be known before the numbers are believed.
fn doubts(card: &TrialCard) -> Vec<String> {
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
