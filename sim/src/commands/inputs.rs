//! Reads what people wrote: scenarios, rule files, records. All problems of all files at once.

use crate::commands::Failure;
use crate::drill::{RECORD_FILE, Rules};
use crate::exit::Exit;
use crate::plan::Plan;
use crate::scenario::{PlanOptions, Scenario};
use firedrill_detector::yaml::Problem;
use firedrill_detector::{Compat, RuleFile, RuleSet};
use firedrill_reports::Record;
use firedrill_reports::pack::RulePack;
use firedrill_reports::record::RuleText;
use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};

/// Reads a file a person named.
pub(crate) fn read(path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path).map_err(|error| Failure::usage(format!("{}: {error}", path.display())))
}

/// Loads one scenario file as a plan.
pub(crate) fn plan(path: &Path, text: &str, seed: Option<u64>) -> Result<Plan, Vec<Problem>> {
    let scenario = Scenario::parse(&path.display().to_string(), text)?;
    Plan::resolve(&scenario, &PlanOptions { seed })
}

/// Loads every scenario, or tells all that is wrong with any of them.
pub(crate) fn plans(paths: &[PathBuf], seed: Option<u64>) -> Result<Vec<Plan>, Failure> {
    let mut plans = Vec::new();
    let mut failure = Failure {
        exit: Exit::Usage,
        messages: Vec::new(),
    };
    for path in paths {
        let loaded = read(path)
            .and_then(|text| plan(path, &text, seed).map_err(|found| Failure::problems(&found)));
        match loaded {
            Ok(plan) => plans.push(plan),
            Err(found) => failure.messages.extend(found.messages),
        }
    }
    if failure.messages.is_empty() {
        Ok(plans)
    } else {
        Err(failure)
    }
}

/// Loads rule texts.
pub(crate) fn rules(texts: Vec<RuleText>) -> Result<Rules, Vec<Problem>> {
    let files: Vec<RuleFile> = texts
        .iter()
        .map(|rule| RuleFile {
            name: rule.name.clone(),
            text: rule.text.clone(),
        })
        .collect();
    let set = RuleSet::load(&files, Compat::default())?;
    Ok(Rules { texts, set })
}

/// Reads and loads rule files with what their comments say about scoring.
pub(crate) fn rule_pack(paths: &[PathBuf], pages: &[String]) -> Result<(Rules, RulePack), Failure> {
    let mut texts = Vec::new();
    for path in paths {
        texts.push(RuleText {
            name: path.display().to_string(),
            text: read(path)?,
        });
    }
    pack(texts, pages)
}

/// Loads rule texts with what their comments say about scoring.
pub(crate) fn pack(texts: Vec<RuleText>, pages: &[String]) -> Result<(Rules, RulePack), Failure> {
    let rules = rules(texts).map_err(|problems| Failure::problems(&problems))?;
    let alerts: Vec<String> = rules
        .set
        .alerts()
        .map(|alert| alert.name.to_owned())
        .collect();
    let mut pack =
        RulePack::parse(&rules.texts, &alerts).map_err(|problems| Failure::problems(&problems))?;
    if !pages.is_empty() {
        pack.pages = pages.iter().cloned().collect();
    }
    Ok((rules, pack))
}

/// Opens records, each named by its file or its directory.
pub(crate) fn records(paths: &[PathBuf]) -> Result<Vec<Record>, Failure> {
    paths
        .iter()
        .map(|path| {
            let file = if path.is_dir() {
                path.join(RECORD_FILE)
            } else {
                path.clone()
            };
            let open = File::open(&file)
                .map_err(|error| Failure::usage(format!("{}: {error}", file.display())))?;
            Record::read(BufReader::new(open))
                .map_err(|error| Failure::usage(format!("{}: {error}", file.display())))
        })
        .collect()
}
