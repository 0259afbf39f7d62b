//! A search as one self-contained HTML file: no network, no script.

use super::text;
use crate::render::html::{STYLE, class, escape};
use crate::render::plot::tradeoff;
use crate::tune::{Figures, Tuning};
use std::fmt::Write;

/// The page of a search.
#[must_use]
pub fn html(tuning: &Tuning) -> String {
    let mut page = String::new();
    let alerts = escape(&tuning.alerts.join(", "));
    let _ = write!(
        page,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>firedrill tune: {alerts}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n\
         <h1>Threshold search: {alerts}</h1>\n<p>{}</p>\n",
        escape(&text::about(tuning))
    );
    let (verdict, tone) = text::verdict(tuning);
    let _ = write!(
        page,
        "<p class=\"{}\">{}</p>\n<ul class=\"findings\">\n",
        class(tone),
        escape(&verdict)
    );
    for warning in text::warnings(tuning) {
        let _ = writeln!(page, "<li class=\"middling\">{}</li>", escape(&warning));
    }
    page.push_str("</ul>\n<section>\n<h2>Proposal</h2>\n");
    table_head(&mut page, &["setting", "now", "proposed"]);
    for [name, now, proposed] in text::values(tuning) {
        let tone = if now == proposed { "quiet" } else { "good" };
        let _ = writeln!(
            page,
            "<tr><th scope=\"row\">{}</th><td>{}</td><td class=\"{tone}\">{}</td></tr>",
            escape(&name),
            escape(&now),
            escape(&proposed)
        );
    }
    page.push_str("</table></div>\n");
    figures(&mut page, &tuning.before, &tuning.proposal.figures);
    let _ = writeln!(
        page,
        "<p class=\"note\">How it was chosen: {}.</p>",
        escape(&text::rule(tuning))
    );
    page.push_str("<dl>\n");
    for (what, value) in text::confidence(tuning) {
        let _ = writeln!(page, "<dt>{}</dt><dd>{}</dd>", escape(what), escape(&value));
    }
    page.push_str("</dl>\n</section>\n");
    if let Some(confirmation) = &tuning.confirmation {
        let _ = write!(
            page,
            "<section>\n<h2>On held-out drills</h2>\n<p class=\"note\">{} drills that had no part in the choice.</p>\n",
            confirmation.drills
        );
        figures(&mut page, &confirmation.before, &confirmation.proposal);
        page.push_str("</section>\n");
    }
    trade_off(&mut page, tuning);
    page.push_str("</main>\n</body>\n</html>\n");
    page
}

fn table_head(page: &mut String, names: &[&str]) {
    page.push_str("<div class=\"wide\"><table>\n<tr>");
    for name in names {
        let _ = write!(page, "<th scope=\"col\">{}</th>", escape(name));
    }
    page.push_str("</tr>\n");
}

fn figures(page: &mut String, now: &Figures, proposed: &Figures) {
    table_head(page, &["figure", "now", "proposed"]);
    for row in text::compared(now, proposed) {
        let _ = writeln!(
            page,
            "<tr><th scope=\"row\">{}</th><td>{}</td><td class=\"{}\">{}</td></tr>",
            row.what,
            escape(&row.now),
            class(row.tone),
            escape(&row.proposed)
        );
    }
    page.push_str("</table></div>\n<p class=\"note\">Brackets are 95 % intervals (Wilson for shares, exact Poisson for rates).</p>\n");
}

fn trade_off(page: &mut String, tuning: &Tuning) {
    page.push_str(
        "<section>\n<h2>Trade-off</h2>\n<p class=\"note\">Every setting by what it misses and how often it cries wolf; the \
         line joins those that no other beats.</p>\n",
    );
    for drawn in [tradeoff::scatter(tuning), tradeoff::maps(tuning)] {
        match drawn {
            Ok(svg) => page.push_str(&svg),
            Err(error) => {
                let error = escape(&error.to_string());
                let _ = writeln!(
                    page,
                    "<p class=\"bad\">the chart cannot be drawn: {error}</p>"
                );
            }
        }
    }
    let (header, rows, left_out) = text::front(tuning);
    let header: Vec<&str> = header.iter().map(String::as_str).collect();
    table_head(page, &header);
    for row in rows {
        page.push_str("<tr>");
        for value in row {
            let _ = write!(page, "<td>{}</td>", escape(&value));
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</table></div>\n");
    if left_out > 0 {
        let _ = writeln!(
            page,
            "<p class=\"note\">And {left_out} more between them.</p>"
        );
    }
    page.push_str("</section>\n");
}
