//! Searches settings on records: `cargo run --release --example tune -- text rules.yml ALERT.for=1m..15m -- RECORD...`.
//!
//! With `--copies 100` each record is judged so many times under seeds of its own, to see what that takes.

use firedrill_detector::tuning::Settings;
use firedrill_detector::{Compat, RuleFile};
use firedrill_reports::Record;
use firedrill_reports::pack::RulePack;
use firedrill_reports::record::RuleText;
use firedrill_reports::render::Style;
use firedrill_reports::render::tune::{html, json, terminal};
use firedrill_reports::tune::{Axis, Grid, JUDGEMENTS_MAX, TuneParams, Tuner};
use std::error::Error;
use std::fs::File;
use std::io::BufReader;
use std::time::Instant;

fn main() -> Result<(), Box<dyn Error>> {
    let usage = "usage: tune text|html|json RULES AXIS... [--copies N] -- RECORD...";
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let end = arguments.iter().position(|a| a == "--").ok_or(usage)?;
    let records = arguments.split_off(end).split_off(1);
    let mut copies = 1;
    if let Some(at) = arguments.iter().position(|a| a == "--copies") {
        copies = arguments.get(at + 1).ok_or(usage)?.parse()?;
        arguments.drain(at..at + 2);
    }
    let [form, rules, axes @ ..] = arguments.as_slice() else {
        return Err(usage.into());
    };
    let text = std::fs::read_to_string(rules)?;
    let file = RuleFile {
        name: rules.clone(),
        text: text.clone(),
    };
    let settings = Settings::load(vec![file], Compat::default()).map_err(|found| listed(&found))?;
    let alerts: Vec<String> = settings
        .rules()
        .alerts()
        .map(|a| a.name.to_owned())
        .collect();
    let name = rules.clone();
    let pack =
        RulePack::parse(&[RuleText { name, text }], &alerts).map_err(|found| listed(&found))?;

    let opened: Result<Vec<Record>, Box<dyn Error>> = records
        .iter()
        .map(|path| Ok(Record::read(BufReader::new(File::open(path)?))?))
        .collect();
    let opened = opened?;
    let interval_ms = opened
        .first()
        .map_or(15_000, |record| record.header.evaluation_interval_ms);
    let axes = Axis::parse_all(&settings, axes, interval_ms).map_err(|found| listed(&found))?;
    let grid = Grid::new(axes);
    grid.check(opened.len() * copies, JUDGEMENTS_MAX)?;
    let settings_count = grid.settings();
    let tuner = Tuner::new(settings, pack, grid, TuneParams::default())?;

    let started = Instant::now();
    let mut observed = Vec::new();
    for mut record in opened {
        for _ in 0..copies {
            record.header.seed += 1_000;
            observed.push(tuner.observe(&record));
        }
    }
    let observing = started.elapsed();
    let found = tuner.search(&observed)?;
    eprintln!(
        "{} records under {settings_count} settings: observed in {:.2} s, searched in {:.2} s",
        observed.len(),
        observing.as_secs_f64(),
        (started.elapsed() - observing).as_secs_f64()
    );
    let style = Style {
        colour: false,
        width: 110,
    };
    let text = match form.as_str() {
        "text" => terminal(&found, style),
        "html" => html(&found),
        "json" => json(&found),
        other => return Err(format!("{other}: accepted are text, html, json").into()),
    };
    print!("{text}");
    Ok(())
}

fn listed(problems: &[impl ToString]) -> String {
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    lines.join("\n")
}
