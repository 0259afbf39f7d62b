//! `firedrill check`: scenario, rule and world files, all problems at once; nothing is started. Rules are held against records.

use crate::args::Check;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::inputs;
use crate::inputs::{Kind, Named, Place, Source};
use crate::terminal::Terminal;
use firedrill_detector::lint::Remark;
use firedrill_detector::text::{counted, printable};
use firedrill_reports::bounds;
use firedrill_reports::record::RuleText;
use firedrill_reports::{Diagnoser, render};
use firedrill_sim::drill::Rules;
use firedrill_sim::files::shown;
use firedrill_sim::metrics::catalogue;
use firedrill_sim::scenario::Scenario;
use firedrill_sim::world::World;
use std::collections::BTreeSet;

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
    let named = Named::new(&[(Place::ScenariosAndRules, &args.files)]).in_world(&args.world);
    for record in &named.records {
        let path = shown(record);
        failure.messages.push(format!(
            "{path}: this is {}; name rule files, and hold them against it with --against {path}",
            Kind::Record.name()
        ));
    }
    let world = match named.wrong.is_empty() {
        true => inputs::world::named(&args.world)?,
        false => None,
    };
    failure.messages.extend(named.wrong);
    let ok = |line: String| {
        // Records ask for an answer of its own.
        if args.against.is_empty() {
            terminal.plain_result(&line);
        } else {
            terminal.say(line);
        }
    };
    let mut warned = 0;
    let gauges = inputs::world::gauges(&world.clone().unwrap_or_default());
    for source in &named.rules {
        match rules(source, &gauges, terminal) {
            Ok((what, rules, warnings)) => {
                warned += warnings;
                let missing = world.iter();
                for note in missing.flat_map(|world| inputs::world::missing(&rules.set, world)) {
                    terminal.say(format_args!("note: {note}"));
                }
                ok(format!("ok {}: {what}", shown(&source.name)));
                texts.extend(rules.texts);
            }
            Err(found) => failure.messages.extend(found.messages),
        }
    }
    for source in &named.scenarios {
        match scenario(source, terminal) {
            Ok(what) => ok(format!("ok {}: {what}", shown(&source.name))),
            Err(found) => failure.messages.extend(found.messages),
        }
    }
    for source in &named.worlds {
        match World::parse(&source.name, &source.text) {
            Ok(world) => ok(format!(
                "ok {}: world {}, {}",
                shown(&source.name),
                world.name,
                counted(catalogue::rows(&world).len(), "metric")
            )),
            Err(found) => failure.messages.extend(Failure::problems(&found).messages),
        }
    }
    for test in &named.tests {
        let path = test.display();
        terminal.say(format_args!(
            "{path}: {}, not checked here; `firedrill test rules {path}` runs it",
            Kind::RuleTest.name()
        ));
    }
    if !failure.messages.is_empty() {
        return Err(failure);
    }
    let strict = match args.strict && warned > 0 {
        true => Exit::GateFailed,
        false => Exit::Passed,
    };
    if args.against.is_empty() {
        return Ok(strict);
    }
    if texts.is_empty() {
        return Err(Failure::usage(
            "--against: there is no rule file to hold against the records",
        ));
    }
    let found = against(args, texts, terminal)?;
    Ok(if found == Exit::Passed { strict } else { found })
}

/// What a rule file is, its rules, and how many warnings there are.
fn rules(
    source: &Source,
    gauges: &BTreeSet<String>,
    terminal: &Terminal,
) -> Result<(String, Rules, usize), Failure> {
    let (name, text) = (source.name.clone(), source.text.clone());
    let rules = inputs::rule_file(RuleText { name, text })?;
    let mut warned = 0;
    let mut warn = |text: String| {
        warned += 1;
        terminal.say(format_args!("warning: {text}"));
    };
    for warning in rules.set.warnings() {
        warn(warning.to_string());
    }
    for rule in rules.set.anatomies() {
        let is_known = |remark: &&Remark| {
            let metric = remark.metric.as_ref();
            metric.is_some_and(|metric| gauges.contains(metric))
        };
        for remark in rule.remarks.iter().filter(|remark| !is_known(remark)) {
            let place = format!("{}:{}", printable(&rule.file), rule.line);
            let (name, part) = (printable(&rule.name), printable(&remark.part));
            let (message, hint) = (printable(&remark.message), printable(&remark.hint));
            warn(format!("{place}: {name}: `{part}` {message}\n    {hint}"));
        }
    }
    if rules.set.rule_count() == 0 {
        warn(format!(
            "{}: there is no rule in it",
            printable(&source.name)
        ));
    }
    let what = counted(rules.set.alerts().count(), "alerting rule");
    Ok((what, rules, warned))
}

/// What a scenario is.
fn scenario(source: &Source, terminal: &Terminal) -> Result<String, Failure> {
    let plan = inputs::plan(source, None)?;
    // One that has become a plan can be read.
    let notes = Scenario::parse(&source.name, &source.text).map(|scenario| scenario.notes(&plan));
    for note in notes.unwrap_or_default() {
        terminal.say(format_args!("note: {note}"));
    }
    let minutes = plan.duration_ms / 60_000;
    let mut what = format!(
        "scenario {}, {minutes} min, {}",
        plan.name,
        counted(plan.incidents.len(), "incident")
    );
    let told = plan.incidents.iter().map(|incident| plan.told(incident));
    let told: Vec<String> = told.collect();
    if !told.is_empty() {
        what.push_str(&format!(": {}", told.join("; ")));
    }
    Ok(what)
}

/// Holds all rules together against the records, one after the other.
fn against(args: &Check, texts: Vec<RuleText>, terminal: &Terminal) -> Result<Exit, Failure> {
    let rules = inputs::rules(texts).map_err(|problems| Failure::problems(&problems))?;
    let mut diagnoser = Diagnoser::new(&rules.set);
    let records = inputs::records(&inputs::without_copies(&args.against, terminal))?;
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
