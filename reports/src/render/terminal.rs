//! The scorecard for a terminal.

use crate::render::cell::{self, Tone};
use crate::score::judge::Outcome;
use crate::{DrillScore, Scorecard, Verdict};

/// How to lay out text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Whether to use ANSI colours.
    pub colour: bool,
    /// Columns available.
    pub width: usize,
}

/// A text and how it should look.
type Cell = (String, Tone);

/// The scorecard: what every alert did on every drill, what the incidents came to, what happened to the tasks.
#[must_use]
pub fn terminal(card: &Scorecard, style: Style) -> String {
    let mut text = String::new();
    let (incidents, harmless): (Vec<_>, Vec<_>) = card
        .drills
        .iter()
        .partition(|drill| !drill.incidents.is_empty());
    if !incidents.is_empty() {
        text.push_str(&matrix("INCIDENT", &incidents, style));
        text.push_str(&outcomes(&incidents, style));
    }
    if !harmless.is_empty() {
        text.push_str(&matrix("HARMLESS", &harmless, style));
    }
    text.push_str(&audits(&card.drills, style));
    for drill in card
        .drills
        .iter()
        .filter(|drill| !drill.inconclusive.is_empty())
    {
        for why in &drill.inconclusive {
            text.push_str(&paint(
                &format!("{}: inconclusive: {why}\n", drill.scenario),
                Tone::Middling,
                style,
            ));
        }
    }
    for drill in &card.drills {
        for error in &drill.rule_errors {
            text.push_str(&paint(
                &format!("{}: rule error: {error}\n", drill.scenario),
                Tone::Bad,
                style,
            ));
        }
    }
    text.push_str("SUMMARY (95 % intervals)\n");
    for (what, value) in cell::summary(card) {
        text.push_str(&format!("  {what:<37}{value}\n"));
    }
    let (verdict, tone) = match card.verdict() {
        Verdict::Passed => (
            "PASSED: every incident paged in time, nothing cried wolf",
            Tone::Good,
        ),
        Verdict::Failed => (
            "FAILED: an incident was missed or paged late, or an alert cried wolf",
            Tone::Bad,
        ),
        Verdict::Inconclusive => (
            "INCONCLUSIVE: a drill proves nothing, see above",
            Tone::Middling,
        ),
    };
    text.push_str(&format!(
        "  {:<37}{}\n",
        "verdict",
        paint(verdict, tone, style)
    ));
    text
}

fn quiet(text: impl Into<String>) -> Cell {
    (text.into(), Tone::Quiet)
}

/// Rows are drills, columns are alerts.
fn matrix(title: &str, drills: &[&DrillScore], style: Style) -> String {
    let alerts: Vec<String> = drills[0]
        .alerts
        .iter()
        .map(|alert| alert.alert.clone())
        .collect();
    let mut rows = vec![
        std::iter::once(quiet(title))
            .chain(alerts.into_iter().map(quiet))
            .collect::<Vec<Cell>>(),
    ];
    for drill in drills {
        let name = if drill.inconclusive.is_empty() {
            drill.scenario.clone()
        } else {
            format!("{} (?)", drill.scenario)
        };
        let cells = drill.alerts.iter().map(|alert| cell::alert(drill, alert));
        rows.push(std::iter::once(quiet(name)).chain(cells).collect());
    }
    table(&rows, style)
}

fn outcomes(drills: &[&DrillScore], style: Style) -> String {
    let header = [
        "INCIDENT",
        "wanted",
        "outcome",
        "first page",
        "first harm",
        "impact, of it untold",
        "harmed",
        "reset",
    ];
    let mut rows = vec![header.map(quiet).to_vec()];
    for drill in drills {
        for incident in &drill.incidents {
            let truth = &incident.truth;
            let (outcome, tone) = cell::outcome(incident);
            let wanted = format!(
                "{} by {}",
                format!("{:?}", truth.wanted).to_lowercase(),
                cell::since(truth.deadline_ms, truth.fault_ms)
            );
            let when = match (&incident.detection, incident.outcome) {
                (Some(detection), _) => format!(
                    "{outcome} {}",
                    cell::since(detection.fired_ms, truth.fault_ms)
                ),
                (None, Outcome::Missed) => outcome.to_owned(),
                (None, _) => outcome.to_owned(),
            };
            rows.push(vec![
                quiet(drill.scenario.clone()),
                quiet(wanted),
                (when, tone),
                quiet(incident.first_page.clone().unwrap_or_else(|| "none".into())),
                quiet(
                    truth
                        .impact_ms
                        .map_or("none".into(), |at| cell::since(at, truth.fault_ms)),
                ),
                quiet(format!(
                    "{}, {}",
                    cell::length(incident.impact_ms),
                    cell::length(incident.undetected_ms)
                )),
                quiet(incident.harmed_tasks.to_string()),
                quiet(
                    incident
                        .reset_ms
                        .map_or("-".into(), |ms| cell::since(ms, 0)),
                ),
            ]);
        }
    }
    table(&rows, style)
}

fn audits(drills: &[DrillScore], style: Style) -> String {
    let header = [
        "TASKS",
        "enqueued",
        "rejected",
        "succeeded",
        "archived",
        "queued",
        "lost",
        "run twice",
        "late",
    ];
    let mut rows = vec![header.map(quiet).to_vec()];
    for drill in drills {
        let Some(audit) = &drill.audit else { continue };
        let bad = |count: u64| {
            (
                count.to_string(),
                if count > 0 { Tone::Bad } else { Tone::Quiet },
            )
        };
        rows.push(vec![
            quiet(drill.scenario.clone()),
            quiet(audit.enqueued.to_string()),
            bad(audit.rejected),
            quiet(audit.succeeded.to_string()),
            quiet(audit.archived.to_string()),
            quiet(audit.still_queued.to_string()),
            bad(audit.lost),
            bad(audit.executed_twice),
            quiet(audit.late.to_string()),
        ]);
    }
    if rows.len() == 1 {
        String::new()
    } else {
        table(&rows, style)
    }
}

/// Columns side by side; where they do not fit, one line per cell.
fn table(rows: &[Vec<Cell>], style: Style) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns)
        .map(|c| {
            rows.iter()
                .filter_map(|row| row.get(c))
                .map(|cell| width(&cell.0))
                .max()
                .unwrap_or(0)
        })
        .collect();
    let mut text = String::new();
    if widths.iter().sum::<usize>() + 2 * columns.saturating_sub(1) <= style.width {
        for (index, row) in rows.iter().enumerate() {
            let mut line = String::new();
            for ((content, tone), width_max) in row.iter().zip(&widths) {
                let padding = " ".repeat(width_max - width(content) + 2);
                line.push_str(&paint(
                    content,
                    if index == 0 { Tone::Quiet } else { *tone },
                    style,
                ));
                line.push_str(&padding);
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
    } else if let Some((header, rows)) = rows.split_first() {
        for row in rows {
            text.push_str(&format!("{} {}\n", header[0].0, row[0].0));
            for ((name, _), (content, tone)) in header.iter().zip(row).skip(1) {
                text.push_str(&format!("  {name}: {}\n", paint(content, *tone, style)));
            }
        }
    }
    text.push('\n');
    text
}

fn width(text: &str) -> usize {
    text.chars().count()
}

fn paint(text: &str, tone: Tone, style: Style) -> String {
    let code = match tone {
        Tone::Good => "32",
        Tone::Bad => "1;31",
        Tone::Middling => "33",
        Tone::Quiet => return text.to_owned(),
    };
    if style.colour {
        format!("\x1b[{code}m{text}\x1b[0m")
    } else {
        text.to_owned()
    }
}
