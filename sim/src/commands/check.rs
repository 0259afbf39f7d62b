//! `firedrill check`: scenario and rule files, all problems at once; nothing is started. Rules are held against records.

use crate::cli::Check;
use crate::commands::{Failure, Terminal, inputs};
use crate::drill::Rules;
use crate::exit::Exit;
use firedrill_reports::bounds;
use firedrill_reports::record::RuleText;
use firedrill_reports::{Diagnoser, render};
use std::path::Path;

/// Checks every file and says what it is, and what the rules saw in the records there are.
///
/// # Errors
/// With all problems of all files and records.
pub fn run(args: &Check, terminal: &Terminal) -> Result<Exit, Failure> {
    let mut failure = Failure {
        exit: Exit::Usage,
        messages: Vec::new(),
    };
    let mut texts = Vec::new();
    for path in &args.files {
        match file(path, terminal) {
            Ok((what, rules)) => {
                let line = format!("ok {}: {what}", path.display());
                // Records ask for an answer of its own.
                if args.against.is_empty() {
                    terminal.plain_result(&line);
                } else {
                    terminal.say(line);
                }
                texts.extend(rules.into_iter().flat_map(|rules| rules.texts));
            }
            Err(found) => failure.messages.extend(found.messages),
        }
    }
    if !failure.messages.is_empty() {
        return Err(failure);
    }
    if args.against.is_empty() {
        return Ok(Exit::Passed);
    }
    if texts.is_empty() {
        return Err(Failure::usage(
            "--against: there is no rule file to hold against the records",
        ));
    }
    against(args, texts, terminal)
}

/// What a file is, and its rules if it has some.
fn file(path: &Path, terminal: &Terminal) -> Result<(String, Option<Rules>), Failure> {
    let text = inputs::read(path)?;
    if is_rule_file(&text) {
        let name = path.display().to_string();
        let rules = inputs::rule_file(RuleText { name, text })?;
        for warning in rules.set.warnings() {
            terminal.say(format_args!("warning: {warning}"));
        }
        let what = format!("{} alerting rules", rules.set.alerts().count());
        return Ok((what, Some(rules)));
    }
    let plan = inputs::plan(path, &text, None).map_err(|problems| Failure::problems(&problems))?;
    let minutes = plan.duration_ms / 60_000;
    let mut what = format!(
        "scenario {}, {minutes} min, {} incident(s)",
        plan.name,
        plan.incidents.len()
    );
    let told = plan.incidents.iter().map(|incident| plan.told(incident));
    let told: Vec<String> = told.collect();
    if !told.is_empty() {
        what.push_str(&format!(": {}", told.join("; ")));
    }
    Ok((what, None))
}

/// Holds all rules together against the records, one after the other.
fn against(args: &Check, texts: Vec<RuleText>, terminal: &Terminal) -> Result<Exit, Failure> {
    let rules = inputs::rules(texts).map_err(|problems| Failure::problems(&problems))?;
    let mut diagnoser = Diagnoser::new(&rules.set);
    let records = inputs::records(&args.against)?;
    inputs::each(&records, |record| {
        bounds::check_record(record, &rules.set).map_err(Failure::usage)
    })?;
    for record in records {
        diagnoser.observe(&record);
    }
    let diagnosis = diagnoser.finish();
    if args.json {
        terminal.result(&render::diagnose::json(&diagnosis));
    } else {
        terminal.result(&render::diagnose::terminal(&diagnosis, terminal.style()));
    }
    Ok(if diagnosis.is_sound() {
        Exit::Passed
    } else {
        Exit::GateFailed
    })
}

/// A rule file has `groups:` at its top level, a Kubernetes resource `apiVersion:` and `kind:`; a scenario never has.
fn is_rule_file(text: &str) -> bool {
    let begins = ["groups:", "apiVersion:", "kind:"];
    text.lines()
        .any(|line| begins.iter().any(|begin| line.starts_with(begin)))
}
