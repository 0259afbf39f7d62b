//! `firedrill list` and `firedrill show`: what is inside the binary.

use crate::args::{List, Show};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::inputs::{self, Source};
use crate::terminal::Terminal;
use firedrill_detector::yaml::closest;
use firedrill_reports::record::{RuleReading, RuleText};
use firedrill_reports::runbooks::PAGE;
use firedrill_sim::builtin::{self, Builtin};
use firedrill_sim::plan::Plan;
use firedrill_sim::scenario::Scenario;
use firedrill_sim::units;
use serde_json::json;

/// A scenario of the list.
struct Entry {
    file: Builtin,
    plan: Plan,
    tags: Vec<String>,
}

impl Entry {
    fn new(file: Builtin) -> Result<Self, Failure> {
        let source = Source::new(file.shown(), file.text.to_owned());
        let scenario = Scenario::parse(&source.name, &source.text);
        let scenario = scenario.map_err(|found| Failure::problems(&found))?;
        Ok(Self {
            file,
            plan: inputs::plan(&source, None)?,
            tags: scenario.tags(),
        })
    }

    fn causes(&self) -> Vec<&str> {
        let mut causes: Vec<&str> = Vec::new();
        for incident in &self.plan.incidents {
            if !causes.contains(&incident.cause.as_str()) {
                causes.push(&incident.cause);
            }
        }
        causes
    }
}

/// Lists the scenarios and rule packs that are built in.
///
/// # Errors
/// None, unless what is built in is broken.
pub fn list(args: &List, terminal: &Terminal) -> Result<Exit, Failure> {
    let entries: Result<Vec<Entry>, Failure> =
        builtin::scenarios().into_iter().map(Entry::new).collect();
    let entries = entries?;
    let mut packs = Vec::new();
    for pack in builtin::rule_packs() {
        let (name, text) = (pack.shown(), pack.text.to_owned());
        let (rules, _) = inputs::rule_file(RuleText { name, text }, RuleReading::default())
            .map_err(|found| Failure::problems(&found))?;
        let alerts: Vec<String> = rules
            .set
            .alerts()
            .map(|alert| alert.name.to_owned())
            .collect();
        packs.push((pack.name, alerts));
    }
    let shown = match args.json {
        true => as_json(&entries, &packs),
        false => as_text(&entries, &packs),
    };
    terminal.plain_result(&shown);
    Ok(Exit::Passed)
}

fn as_json(entries: &[Entry], packs: &[(&str, Vec<String>)]) -> String {
    let scenarios: Vec<serde_json::Value> = entries
        .iter()
        .map(|entry| {
            json!({
                "name": entry.file.name,
                "family": entry.plan.family,
                "causes": entry.causes(),
                "tags": entry.tags,
                "flagship": entry.file.is_flagship(),
                "duration_seconds": entry.plan.duration_ms as f64 / 1e3,
                "summary": entry.plan.summary,
            })
        })
        .collect();
    let rules: Vec<serde_json::Value> = packs
        .iter()
        .map(|(name, alerts)| json!({ "name": name, "alerts": alerts }))
        .collect();
    let all = json!({ "scenarios": scenarios, "rules": rules });
    serde_json::to_string_pretty(&all).expect("plain data")
}

fn as_text(entries: &[Entry], packs: &[(&str, Vec<String>)]) -> String {
    let mut rows = vec![["SCENARIO", "TAGS", "LENGTH", "WHAT HAPPENS"].map(str::to_owned)];
    for entry in entries {
        rows.push([
            entry.file.name.to_owned(),
            format!("@{}", entry.tags.join(" @")),
            units::format(entry.plan.duration_ms),
            entry.plan.summary.clone(),
        ]);
    }
    let mut text = aligned(&rows);
    let mut rows = vec![["RULES", "ALERTS"].map(str::to_owned)];
    rows.extend(
        packs
            .iter()
            .map(|(name, alerts)| [(*name).to_owned(), listed(alerts)]),
    );
    text.push('\n');
    text.push_str(&aligned(&rows));
    text.push_str(
        "\nfiredrill run NAME or @TAG runs them; firedrill show NAME prints one as it is written\n",
    );
    text
}

/// The first alerts of a pack, and how many there are beside them.
fn listed(alerts: &[String]) -> String {
    const MOST: usize = 4;
    match alerts.split_at_checked(MOST) {
        Some((first, rest)) if !rest.is_empty() => {
            format!("{} and {} more", first.join(", "), rest.len())
        }
        _ => alerts.join(", "),
    }
}

/// Columns two spaces apart.
fn aligned<const N: usize>(rows: &[[String; N]]) -> String {
    let widths: [usize; N] = std::array::from_fn(|column| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.max().unwrap_or(0)
    });
    let mut text = String::new();
    for row in rows {
        let cells: Vec<String> = row
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// Prints a scenario or rule pack as it is written, but for where its alerts lead.
///
/// # Errors
/// When nothing of that name is built in, or it has no alerts that lead anywhere.
pub fn show(args: &Show, terminal: &Terminal) -> Result<Exit, Failure> {
    let name = args.name.as_str();
    if let Some(file) = builtin::scenario(name).or_else(|| builtin::rules(name)) {
        let has_links = file.text.contains(PAGE);
        match &args.base_url {
            Some(runbooks) if has_links => terminal.plain_result(&runbooks.linked(file.text)),
            Some(_) => {
                return Err(Failure::usage(format!(
                    "--base-url: `{name}` has no `runbook_url` that could lead there"
                )));
            }
            None => terminal.plain_result(file.text),
        }
        if has_links && args.base_url.is_none() {
            terminal.say(format_args!(
                "its `runbook_url`s are no links yet: `firedrill help alerts` prints the page to put where your team reads, and \
                 `--base-url URL` has them lead there"
            ));
        }
        return Ok(Exit::Passed);
    }
    let known = [builtin::scenarios(), builtin::rule_packs()].concat();
    let close = closest(name, known.iter().map(|file| file.name));
    let close = close.map_or(String::new(), |close| format!("did you mean `{close}`? "));
    Err(Failure::usage(format!(
        "`{name}` is neither a built-in scenario nor a built-in rule pack\n    {close}`firedrill list` shows what there is"
    )))
}
