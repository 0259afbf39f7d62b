//! Trials as one self-contained page: no network, no script.

use super::rows;
use super::tables::{self, NOTE, Table};
use crate::render::cell::Tone;
use crate::render::html::{STYLE, class, escape};
use crate::render::plot;
use crate::trials::{ScenarioTrials, TrialCard};
use std::fmt::Write;

/// The trials as a page: the tables, and for each incident how soon how many of its drills were detected.
#[must_use]
pub fn html(card: &TrialCard) -> String {
    let mut page = String::new();
    let _ = write!(
        page,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>firedrill trials</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n\
         <h1>firedrill trials</h1>\n<section>\n<h2>Summary</h2>\n<dl>\n"
    );
    for (what, value) in tables::summary(card) {
        let _ = writeln!(page, "<dt>{}</dt><dd>{}</dd>", escape(what), escape(&value));
    }
    let _ = write!(page, "</dl>\n<p class=\"note\">{}</p>\n", escape(NOTE));
    let mut doubts = tables::silent_or_standing(card);
    let middling = |line| (line, Tone::Middling);
    doubts.extend(tables::doubts(card).into_iter().map(middling));
    if !doubts.is_empty() {
        page.push_str("<ul class=\"findings\">\n");
        for (line, tone) in doubts {
            let _ = writeln!(page, "<li class=\"{}\">{}</li>", class(tone), escape(&line));
        }
        page.push_str("</ul>\n");
    }
    page.push_str("</section>\n");
    for table in tables::tables(card) {
        section(&mut page, &table);
    }
    for scenario in &card.scenarios {
        if !scenario.incidents.is_empty() {
            detections(&mut page, scenario);
        }
    }
    page.push_str("</main>\n</body>\n</html>\n");
    page
}

pub(in crate::render) fn section(page: &mut String, table: &Table) {
    let _ = write!(
        page,
        "<section>\n<h2>{}</h2>\n<p class=\"note\">{}</p>\n<div class=\"wide\"><table class=\"trials\">\n<tr>",
        escape(table.title),
        escape(table.note)
    );
    for column in &table.head {
        let _ = write!(page, "<th scope=\"col\">{}</th>", escape(column));
    }
    page.push_str("</tr>\n");
    for row in &table.rows {
        page.push_str("<tr>");
        for (index, (text, tone)) in row.iter().enumerate() {
            let _ = if index == 0 {
                write!(page, "<th scope=\"row\">{}</th>", escape(text))
            } else {
                write!(page, "<td class=\"{}\">{}</td>", class(*tone), escape(text))
            };
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</table></div>\n</section>\n");
}

/// A scenario's charts, one for each incident.
fn detections(page: &mut String, scenario: &ScenarioTrials) {
    let _ = write!(
        page,
        "<section>\n<h2>{}</h2>\n<p>{}</p>\n",
        escape(&scenario.scenario),
        escape(&scenario.summary)
    );
    for (index, incident) in scenario.incidents.iter().enumerate() {
        let _ = writeln!(
            page,
            "<p class=\"note\">{}: {}, {}</p>",
            escape(&rows::name(scenario, index)),
            escape(&incident.cause),
            rows::wanted(incident)
        );
        match plot::latency(incident) {
            Ok(svg) => page.push_str(&svg),
            Err(error) => {
                let _ = writeln!(
                    page,
                    "<p class=\"bad\">the detections cannot be drawn: {}</p>",
                    escape(&error.to_string())
                );
            }
        }
    }
    page.push_str("</section>\n");
}
