//! `firedrill faults`: what can be done to a system in a drill, and what an operator can do about it.

use crate::args::Faults;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::terminal::Terminal;
use firedrill_detector::yaml::closest;
use firedrill_sim::form::{Presence, Row};
use firedrill_sim::{fault, remedy};
use serde_json::{Value, json};
use std::fmt::Write;

/// Lists the faults and remedies, all or those that are named.
///
/// # Errors
/// When there is none of a name.
pub fn run(args: &Faults, terminal: &Terminal) -> Result<Exit, Failure> {
    let all = || {
        let faults = fault::KINDS.iter().map(|kind| kind.name);
        faults.chain(remedy::KINDS.iter().map(|kind| kind.name))
    };
    for name in &args.names {
        if !all().any(|known| known == name) {
            let close = closest(name, all());
            let hint = close.map_or_else(
                || "`firedrill faults` lists all".to_owned(),
                |close| format!("did you mean `{close}`?"),
            );
            return Err(Failure::usage(format!(
                "there is no fault or remedy `{name}`\n    {hint}"
            )));
        }
    }
    let is_meant = |name: &str| args.names.is_empty() || args.names.iter().any(|one| one == name);
    let faults: Vec<_> = fault::KINDS
        .iter()
        .filter(|kind| is_meant(kind.name))
        .collect();
    let remedies: Vec<_> = remedy::KINDS
        .iter()
        .filter(|kind| is_meant(kind.name))
        .collect();
    let shown = match args.json {
        true => as_json(&faults, &remedies),
        false => as_text(&faults, &remedies),
    };
    terminal.plain_result(&shown);
    Ok(Exit::Passed)
}

fn as_text(faults: &[&fault::Kind], remedies: &[&remedy::Kind]) -> String {
    let mut text = String::new();
    if !faults.is_empty() {
        text.push_str("FAULTS, for `fault:` in a timeline\n");
    }
    for kind in faults {
        let _ = writeln!(text, "\n{}  {}", kind.name, kind.summary.trim());
        let _ = writeln!(
            text,
            "    done to      {}, {}",
            kind.on.name(),
            kind.class.name()
        );
        let _ = writeln!(text, "    ends         {}", ends(kind));
        let _ = writeln!(text, "    can be behind {}", kind.causes.join(", "));
        live_only(kind.live_only, &mut text);
        keys(&(kind.rows)(), &mut text);
    }
    if !remedies.is_empty() {
        let gap = if faults.is_empty() { "" } else { "\n" };
        let _ = writeln!(
            text,
            "{gap}REMEDIES, for `remedy:` in a timeline, or beside the end of a fault"
        );
    }
    for kind in remedies {
        let _ = writeln!(text, "\n{}  {}", kind.name, kind.summary.trim());
        let _ = writeln!(text, "    done to      {}", kind.on.name());
        live_only(kind.live_only, &mut text);
        keys(&(kind.rows)(), &mut text);
    }
    text
}

fn live_only(reason: &str, text: &mut String) {
    if !reason.is_empty() {
        let _ = writeln!(text, "    live only    {reason}");
    }
}

/// The engines that have it.
fn engines(live_only: &str) -> &'static [&'static str] {
    match live_only.is_empty() {
        true => &["live", "virtual"],
        false => &["live"],
    }
}

fn ends(kind: &fault::Kind) -> String {
    let remedies = kind.remedies.join(" or ");
    match (kind.ends_by_itself, kind.remedies.is_empty()) {
        (true, true) => "by itself".to_owned(),
        (true, false) => format!("by itself, or by {remedies}"),
        (false, _) => format!("by {remedies}"),
    }
}

fn keys(rows: &[Row], text: &mut String) {
    for row in rows {
        let range = row
            .range
            .as_ref()
            .map_or(String::new(), |range| format!(", {range}"));
        let left_out = match &row.presence {
            Presence::Required => "; must be there".to_owned(),
            Presence::Optional => String::new(),
            Presence::Default(default) => format!("; default {default}"),
        };
        let _ = writeln!(
            text,
            "    {:<12} {} ({}{range}{left_out})",
            row.key,
            row.sentence.trim(),
            row.words
        );
    }
}

fn as_json(faults: &[&fault::Kind], remedies: &[&remedy::Kind]) -> String {
    let of_rows = |rows: Vec<Row>| -> Vec<Value> {
        let rows = rows.into_iter();
        rows.map(|row| json!({ "key": row.key, "says": row.sentence.trim(), "schema": row.schema }))
            .collect()
    };
    let faults: Vec<Value> = faults
        .iter()
        .map(|kind| {
            json!({
                "name": kind.name,
                "summary": kind.summary.trim(),
                "done_to": kind.on.name(),
                "class": kind.class.name(),
                "ends_by_itself": kind.ends_by_itself,
                "remedies": kind.remedies,
                "causes": kind.causes,
                "engines": engines(kind.live_only),
                "keys": of_rows((kind.rows)()),
                "examples": kind.examples,
            })
        })
        .collect();
    let remedies: Vec<Value> = remedies
        .iter()
        .map(|kind| {
            json!({
                "name": kind.name,
                "summary": kind.summary.trim(),
                "done_to": kind.on.name(),
                "engines": engines(kind.live_only),
                "keys": of_rows((kind.rows)()),
            })
        })
        .collect();
    format!("{:#}\n", json!({ "faults": faults, "remedies": remedies }))
}
