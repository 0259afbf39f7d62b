//! One self-contained HTML file: no network, no script.

use crate::jsonl::Record;
use crate::record::{Audit, Transition, Wanted};
use crate::render::cell::{self, Named, Tone};
use crate::render::{plot, routed};
use crate::score::Did;
use crate::score::judge::Outcome;
use crate::{DrillScore, Replay, Scorecard, Verdict};
use firedrill_detector::text::printable_lines;
use std::fmt::Write;

pub(super) const STYLE: &str = include_str!("html/style.css");

/// A drill to report on: its record, and what the rules made of it.
#[derive(Debug, Clone)]
pub struct Drill<'r> {
    /// The record.
    pub record: &'r Record,
    /// Transitions under the rules reported on.
    pub replay: &'r Replay,
}

/// The report of a set of drills. `drills` hold the records of `card`'s drills, in any order.
#[must_use]
pub fn html(drills: &[Drill<'_>], card: &Scorecard) -> String {
    let mut page = String::new();
    let _ = write!(
        page,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>firedrill report</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n\
         <h1>firedrill report {}</h1>\n",
        badge(card.verdict())
    );
    let named = cell::named(card);
    let (incidents, harmless): (Vec<_>, Vec<_>) = named
        .iter()
        .partition(|named| !named.drill.incidents.is_empty());
    matrix(
        &mut page,
        "Incidents",
        "When somebody was told by each alert, counted from the start of the fault.",
        &incidents,
    );
    matrix(
        &mut page,
        "Harmless events",
        "Every alert must stay silent.",
        &harmless,
    );
    outcomes(&mut page, &incidents);
    page.push_str("<section>\n<h2>Summary</h2>\n<dl>\n");
    for (what, value) in cell::summary(card) {
        let _ = writeln!(page, "<dt>{}</dt><dd>{}</dd>", escape(what), escape(&value));
    }
    page.push_str("</dl>\n<p class=\"note\">Brackets are 95 % intervals (Wilson for shares, exact Poisson for rates).</p>\n</section>\n");
    for named in &named {
        let drill = named.drill;
        let known = drills.iter().find(|known| {
            let header = &known.record.header;
            (&header.scenario, header.seed, header.epoch_ms)
                == (&drill.scenario, drill.seed, drill.epoch_ms)
        });
        if let Some(known) = known {
            section(&mut page, known.record, named, &known.replay.transitions);
        }
    }
    page.push_str("</main>\n</body>\n</html>\n");
    page
}

fn badge(verdict: Verdict) -> String {
    let (text, tone) = match verdict {
        Verdict::Passed => ("passed", Tone::Good),
        Verdict::Failed => ("failed", Tone::Bad),
        Verdict::Inconclusive => ("inconclusive", Tone::Middling),
    };
    format!("<span class=\"badge {}\">{text}</span>", class(tone))
}

pub(super) fn class(tone: Tone) -> &'static str {
    match tone {
        Tone::Good => "good",
        Tone::Bad => "bad",
        Tone::Middling => "middling",
        Tone::Quiet => "quiet",
    }
}

fn matrix(page: &mut String, title: &str, note: &str, drills: &[&Named<'_>]) {
    if drills.is_empty() {
        return;
    }
    let (names, rows) = cell::matrix(drills);
    let _ = write!(
        page,
        "<section>\n<h2>{title}</h2>\n<p class=\"note\">{note}</p>\n<div class=\"wide\"><table>\n<tr><th scope=\"col\">drill</th>"
    );
    for name in names {
        let _ = write!(page, "<th scope=\"col\">{}</th>", escape(name));
    }
    page.push_str("</tr>\n");
    for row in rows {
        let doubt = if row.drill.inconclusive.is_empty() {
            ""
        } else {
            " <span class=\"middling\">(inconclusive)</span>"
        };
        let _ = write!(
            page,
            "<tr><th scope=\"row\"><a href=\"#{}\">{}</a>{doubt}</th>",
            row.anchor,
            escape(&row.name)
        );
        for (text, tone) in &row.cells {
            let _ = write!(page, "<td class=\"{}\">{}</td>", class(*tone), escape(text));
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</table></div>\n</section>\n");
}

fn outcomes(page: &mut String, drills: &[&Named<'_>]) {
    if drills.is_empty() {
        return;
    }
    page.push_str(
        "<section>\n<h2>What the incidents came to</h2>\n<div class=\"wide\"><table>\n<tr><th>drill</th><th>wanted</th><th>outcome</th>\
         <th>first page</th><th>signal + hold + delivery</th><th>after first harm</th><th>over</th><th>first task harmed</th><th>user impact</th><th>before any page</th><th>tasks harmed</th></tr>\n",
    );
    for named in drills {
        for (index, incident) in named.drill.incidents.iter().enumerate() {
            let truth = &incident.truth;
            let (outcome, tone) = cell::outcome(named.drill, incident);
            let at = |ms: i64| cell::since(ms, truth.fault_ms);
            let when = incident
                .detection
                .as_ref()
                .map_or(String::new(), |d| format!(" {}", at(d.delivered_ms)));
            let harm = truth.impact_ms.map(at);
            let of_harm = |text: String| harm.as_ref().map(|_| text);
            let measured = |text, nothing| cell::measured(incident, text, nothing);
            let cells = [
                cell::wanted(incident),
                format!("{outcome}{when}"),
                measured(incident.first_page.clone(), "none"),
                cell::parts(incident),
                match (&incident.detection, truth.impact_ms) {
                    (Some(detection), Some(harm_ms)) => {
                        cell::since(detection.delivered_ms, harm_ms)
                    }
                    _ => "-".into(),
                },
                incident
                    .reset_ms
                    .map_or("-".into(), |ms| at(truth.end_ms + ms)),
                measured(harm.clone(), "none"),
                measured(of_harm(cell::length(incident.impact_ms)), "0:00"),
                measured(of_harm(cell::length(incident.undetected_ms)), "0:00"),
                measured(of_harm(incident.harmed_tasks.to_string()), "0"),
            ];
            let name = escape(&named.incident(index));
            let _ = write!(page, "<tr><th scope=\"row\">{name}</th>");
            for (index, text) in cells.iter().enumerate() {
                let tone = if index == 1 { class(tone) } else { "quiet" };
                let _ = write!(page, "<td class=\"{tone}\">{}</td>", escape(text));
            }
            page.push_str("</tr>\n");
        }
    }
    page.push_str("</table></div>\n</section>\n");
}

/// One drill: findings, timeline, audit.
fn section(page: &mut String, record: &Record, named: &Named<'_>, transitions: &[Transition]) {
    let (header, drill) = (&record.header, named.drill);
    let _ = write!(
        page,
        "<section id=\"{}\">\n<h2>{} {}</h2>\n<p>{}</p>\n<ul class=\"findings\">\n",
        named.anchor,
        escape(&named.name),
        badge(drill.verdict),
        escape(&drill.summary)
    );
    for (text, tone) in findings(drill) {
        let tone = named.judged(tone);
        let _ = writeln!(page, "<li class=\"{}\">{}</li>", class(tone), escape(&text));
    }
    page.push_str("</ul>\n");
    match plot::timeline(record, drill, transitions) {
        Ok(svg) => page.push_str(&svg),
        Err(error) => {
            let _ = writeln!(
                page,
                "<p class=\"bad\">the timeline cannot be drawn: {}</p>",
                escape(&error.to_string())
            );
        }
    }
    if let Some(audit) = &drill.audit {
        audit_table(page, audit);
    }
    remedies_table(page, named);
    page.push_str("<details><summary>How it was run</summary>\n<dl>\n");
    let mut facts = vec![
        ("engine", drill.engine.clone()),
        ("seed", drill.seed.to_string()),
        (
            "scrape and evaluation",
            format!(
                "every {} s and {} s",
                header.scrape_interval_ms / 1000,
                header.evaluation_interval_ms / 1000
            ),
        ),
    ];
    if let Some(lag) = &drill.lag {
        let of = |values: [i64; 3]| format!("{} / {} / {} ms", values[0], values[1], values[2]);
        facts.push(("enqueue lag, p50 / p99 / max (virtual)", of(lag.enqueue_ms)));
        facts.push(("scrape lag", of(lag.scrape_ms)));
        facts.push(("handlers' timer error", of(lag.handler_ms)));
        facts.push(("round trips to Redis", of(lag.redis_ms)));
        facts.push((
            "worker capacity the harness cost",
            format!("{:.1} %", lag.slot_overhead * 100.0),
        ));
        facts.push(("fault lag, max", format!("{} ms", lag.fault_ms_max)));
    }
    for queue in &drill.waits {
        let what = format!("waits in {}, p50 / p90 / p99 / p99.9 / max", queue.queue);
        let waits = cell::waits(&queue.counts).join(" / ");
        let _ = writeln!(page, "<dt>{}</dt><dd>{waits}</dd>", escape(&what));
    }
    for (what, value) in facts {
        let _ = writeln!(page, "<dt>{}</dt><dd>{}</dd>", escape(what), escape(&value));
    }
    for (what, value) in &header.environment {
        let _ = writeln!(page, "<dt>{}</dt><dd>{}</dd>", escape(what), escape(value));
    }
    for mark in record.marks() {
        let _ = writeln!(
            page,
            "<dt>{} {}</dt><dd>{}: {}</dd>",
            escape(&cell::length(mark.at_ms)),
            escape(&mark.what),
            escape(&mark.targets.join(", ")),
            escape(&mark.saw)
        );
    }
    let _ = write!(
        page,
        "</dl>\n<pre>{}</pre>\n</details>\n</section>\n",
        escape(&header.plan)
    );
}

/// The drill in sentences, the worst first.
fn findings(drill: &DrillScore) -> Vec<(String, Tone)> {
    let mut found: Vec<(String, Tone)> = drill
        .inconclusive
        .iter()
        .map(|why| (format!("Inconclusive: {why}."), Tone::Middling))
        .collect();
    for incident in &drill.incidents {
        let (outcome, tone) = cell::outcome(drill, incident);
        let deadline = cell::since(incident.truth.deadline_ms, incident.truth.fault_ms);
        let told = match (&incident.detection, incident.outcome) {
            (Some(d), _) => format!(
                "{} told somebody {} after the fault ({outcome}; wanted by {deadline}): signal, hold and delivery took {}.",
                d.alert,
                cell::since(d.delivered_ms, incident.truth.fault_ms),
                cell::parts(incident)
            ),
            (None, Outcome::Missed) if drill.verdict != Verdict::Inconclusive => format!(
                "Nobody was {} about this {} incident (wanted by {deadline}); {} tasks were harmed for {} minutes.",
                match incident.truth.wanted {
                    Wanted::Page => "paged",
                    Wanted::Ticket => "told",
                },
                incident.truth.cause,
                incident.harmed_tasks,
                incident.impact_ms / 60_000
            ),
            (None, _) => format!("The {} incident: {outcome}.", incident.truth.cause),
        };
        found.push((told, tone));
    }
    for alert in &drill.alerts {
        for (on, incident) in alert.on.iter().zip(&drill.incidents) {
            if let Did::Detected {
                let_go_ms: Some(ms),
                ..
            } = on.did
            {
                let at = cell::since(ms, incident.truth.fault_ms);
                let name = &alert.alert;
                let text =
                    format!("{name} cleared early, at {at}, while the fault and its harm went on.");
                found.push((text, Tone::Bad));
            }
        }
        for alarm in alert.false_alarms.iter().filter(|a| a.since_ms.is_none()) {
            let at = cell::since(alarm.at_ms, drill.zero_ms);
            found.push(if alarm.page {
                let text = format!("{} cried wolf at {at}: nothing was wrong.", alert.alert);
                (text, Tone::Bad)
            } else {
                let text = format!("{} sent a needless ticket at {at}.", alert.alert);
                (text, Tone::Middling)
            });
        }
    }
    found.extend(drill.standing.iter().map(cell::standing));
    let kept_back = routed::kept_back(drill).into_iter();
    found.extend(kept_back.map(|told| (format!("{told}."), Tone::Quiet)));
    for error in &drill.rule_errors {
        found.push((format!("Rule error: {error}."), Tone::Bad));
    }
    if found.is_empty() {
        found.push(("Every alert stayed silent, rightly.".into(), Tone::Good));
    }
    found
}

fn audit_table(page: &mut String, audit: &Audit) {
    page.push_str("<div class=\"wide\"><table class=\"audit\">\n<tr>");
    let mut numbers = vec![
        ("enqueued", audit.enqueued),
        ("rejected", audit.rejected),
        ("duplicates", audit.duplicates),
        ("succeeded", audit.succeeded),
        ("archived", audit.archived),
        ("still queued", audit.still_queued),
        ("lost", audit.lost),
        ("run twice", audit.executed_twice),
        ("late", audit.late),
        ("failed runs", audit.failed_executions),
    ];
    // Most plans have none.
    numbers.retain(|(name, count)| *name != "duplicates" || *count > 0);
    for (name, _) in &numbers {
        let _ = write!(page, "<th scope=\"col\">{name}</th>");
    }
    page.push_str("<th scope=\"col\">wait p50 / p99 / max</th></tr>\n<tr>");
    for (name, number) in numbers {
        let bad = number > 0 && matches!(name, "rejected" | "lost" | "run twice");
        let _ = write!(
            page,
            "<td class=\"{}\">{number}</td>",
            if bad { "bad" } else { "quiet" }
        );
    }
    let [p50, p99, max] = audit.wait_ms.map(|ms| format!("{:.1} s", ms as f64 / 1e3));
    let _ = write!(
        page,
        "<td>{p50} / {p99} / {max}</td></tr>\n</table></div>\n"
    );
    if let Some((classes, tone)) = cell::classes(audit) {
        let class = if tone == Tone::Bad { "bad" } else { "quiet" };
        let _ = writeln!(page, "<p class=\"{class}\">{}</p>", escape(&classes));
    }
}

fn remedies_table(page: &mut String, named: &Named<'_>) {
    let rows = cell::remedies(named.drill);
    if rows.is_empty() {
        return;
    }
    page.push_str("<div class=\"wide\"><table class=\"remedies\">\n<tr>");
    for name in cell::REMEDIES {
        let _ = write!(page, "<th scope=\"col\">{name}</th>");
    }
    page.push_str("</tr>\n");
    for row in rows {
        page.push_str("<tr>");
        for (text, tone) in row {
            let tone = class(named.judged(tone));
            let _ = write!(page, "<td class=\"{tone}\">{}</td>", escape(&text));
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</table></div>\n");
}

/// Text of others for an element or an attribute, in lines where it has some.
pub(super) fn escape(text: &str) -> String {
    let text = printable_lines(text);
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}
