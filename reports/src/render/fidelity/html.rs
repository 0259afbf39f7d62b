//! Comparisons as one self-contained page: no network, no script.

use super::tables;
use crate::fidelity::{Fidelity, Instance};
use crate::render::cell;
use crate::render::html::{STYLE, class, escape};
use crate::render::plot;
use crate::render::trials::html::section;
use std::fmt::Write;

/// The tables, and for each scenario the curves of both engines over each other and every transition.
#[must_use]
pub fn html(pairs: &[Fidelity]) -> String {
    let (verdict, tone) = tables::verdict(pairs);
    let word = verdict.split(':').next().unwrap_or_default().to_lowercase();
    let mut page = String::new();
    let _ = write!(
        page,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>firedrill fidelity</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n\
         <h1>firedrill fidelity <span class=\"badge {}\">{word}</span></h1>\n<p>{}</p>\n<ul class=\"findings\">\n",
        class(tone),
        escape(verdict),
    );
    for (line, tone) in tables::causes(pairs) {
        let _ = writeln!(page, "<li class=\"{}\">{}</li>", class(tone), escape(&line));
    }
    let _ = write!(
        page,
        "</ul>\n<p class=\"note\">{}</p>\n",
        escape(tables::DIFFERENT)
    );
    for table in tables::tables(pairs) {
        section(&mut page, &table);
    }
    for pair in pairs {
        scenario(&mut page, pair);
    }
    page.push_str("</main>\n</body>\n</html>\n");
    page
}

/// A scenario's curves and transitions.
fn scenario(page: &mut String, pair: &Fidelity) {
    let _ = write!(
        page,
        "<section>\n<h2>{}</h2>\n<p>{}</p>\n",
        escape(&pair.scenario),
        escape(&pair.summary)
    );
    for curve in &pair.curves {
        match plot::overlay(pair, curve) {
            Ok(svg) => page.push_str(&svg),
            Err(error) => {
                let _ = writeln!(
                    page,
                    "<p class=\"bad\">{} cannot be drawn: {}</p>",
                    escape(&curve.what),
                    escape(&error.to_string())
                );
            }
        }
    }
    if !pair.instances.is_empty() {
        page.push_str("<details><summary>Every transition</summary>\n<div class=\"wide\"><table class=\"trials\">\n<tr>");
        for column in ["alert", "change", "live", "virtual", "live later by"] {
            let _ = write!(page, "<th scope=\"col\">{column}</th>");
        }
        page.push_str("</tr>\n");
        pair.instances.iter().for_each(|found| changes(page, found));
        page.push_str("</table></div>\n</details>\n");
    }
    page.push_str("</section>\n");
}

fn changes(page: &mut String, found: &Instance) {
    let at = |ms: Option<i64>| ms.map_or("-".into(), cell::length);
    for change in &found.changes {
        let apart = change.live_ms.zip(change.model_ms);
        let cells = [
            tables::change(change.from, change.to).to_owned(),
            at(change.live_ms),
            at(change.model_ms),
            apart.map_or("-".into(), |(live_ms, model_ms)| {
                cell::since(live_ms, model_ms)
            }),
        ];
        let name = escape(&format!("{}{}", found.alert, found.labels));
        let _ = write!(page, "<tr><th scope=\"row\">{name}</th>");
        for text in cells {
            let _ = write!(page, "<td>{}</td>", escape(&text));
        }
        page.push_str("</tr>\n");
    }
}
