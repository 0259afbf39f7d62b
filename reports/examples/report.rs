//! Scores records again and prints the report: `cargo run --example report -- html runs/*/latest/record.jsonl`.

use firedrill_detector::{Compat, RuleFile, RuleSet};
use firedrill_reports::pack::RulePack;
use firedrill_reports::render::{Drill, Style, html, json, markdown, terminal};
use firedrill_reports::{Record, ScoreParams, Scorecard, replay, score_drill};
use std::error::Error;
use std::fs::File;
use std::io::BufReader;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let form = arguments
        .next()
        .ok_or("usage: report text|html|json|markdown RECORD...")?;
    let mut judged = Vec::new();
    for path in arguments {
        let record = Record::read(BufReader::new(File::open(&path)?))?;
        let texts = record.header.rules.clone();
        let files: Vec<RuleFile> = texts
            .iter()
            .map(|rule| RuleFile {
                name: rule.name.clone(),
                text: rule.text.clone(),
            })
            .collect();
        let rules = RuleSet::load(&files, Compat::default()).map_err(|found| listed(&found))?;
        let alerts: Vec<String> = rules.alerts().map(|alert| alert.name.to_owned()).collect();
        let pack = RulePack::parse(&texts, &alerts).map_err(|found| listed(&found))?;
        let replayed = replay(&record, &rules);
        let score = score_drill(&record, &replayed, &pack, &ScoreParams::default());
        judged.push((record, replayed, score));
    }
    let card = Scorecard::new(judged.iter().map(|(_, _, score)| score.clone()).collect());
    let drills: Vec<Drill<'_>> = judged
        .iter()
        .map(|(record, replay, _)| Drill { record, replay })
        .collect();
    let style = Style {
        colour: false,
        width: 100,
    };
    let text = match form.as_str() {
        "text" => terminal(&card, style),
        "html" => html(&drills, &card),
        "json" => json(&card),
        "markdown" => markdown(&card),
        other => return Err(format!("{other}: accepted are text, html, json, markdown").into()),
    };
    print!("{text}");
    Ok(())
}

fn listed(problems: &[impl ToString]) -> String {
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    lines.join("\n")
}
