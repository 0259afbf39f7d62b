//! The JSON Schema of results: all kinds of results keep to it, and it changes only on purpose.

use crate::support::{RULES, Story, record, rules, scored};
use firedrill_reports::check::{Checked, CheckedFile, Finding, Kind};
use firedrill_reports::result::{self, ResultFile};
use firedrill_reports::trials::Trials;
use firedrill_reports::{Explainer, Scorecard, render};
use serde_json::Value;

/// Holds a result against the schema.
#[track_caller]
pub(crate) fn keeps_to_the_schema(result: &ResultFile, kind: &str) {
    let value: Value = serde_json::from_str(&render::json(result)).unwrap();
    assert_eq!(value["kind"], kind);
    assert_eq!(value["version"], result::VERSION);
    let mut compiler = boon::Compiler::new();
    let mut schemas = boon::Schemas::new();
    let place = "mem:///result.schema.json";
    compiler.add_resource(place, result::schema()).unwrap();
    let schema = compiler.compile(place, &mut schemas).unwrap();
    if let Err(error) = schemas.validate(&value, schema) {
        panic!("{error:#}\n{value:#}");
    }
}

#[test]
fn every_kind_of_result_keeps_to_its_schema() {
    let stories = [Story::Quiet, Story::Crash, Story::Hang, Story::Night];
    let mut trials = Trials::new();
    let mut explainer = Explainer::new(&rules());
    let scores = stories.map(|story| {
        let record = record(story);
        explainer.observe(&record);
        let (_, score) = scored(&record);
        trials.add(&score);
        score
    });
    let explanation = explainer.finish();
    let mut card = Scorecard::new(scores.into());
    card.judge_rules(explanation.clone());
    keeps_to_the_schema(&(&card).into(), "scorecard");
    keeps_to_the_schema(&(&trials.card()).into(), "trials");
    let checked = Checked {
        files: vec![CheckedFile {
            file: "runbook.yml".into(),
            what: RULES.lines().count().to_string(),
        }],
        findings: vec![Finding::new(Kind::NoRule, Some("empty.yml"), "no rule")],
        explanation: Some(explanation),
        ..Checked::default()
    };
    keeps_to_the_schema(&ResultFile::of_check(&checked, true), "check");
    // What is left out of the schema would not be missed otherwise.
    let schema = result::schema().to_string();
    for word in ["in_time", "cut_short", "made_it_worse", "not_confirmed"] {
        assert!(schema.contains(&format!("{word:?}")), "{word}");
    }
}

#[test]
fn the_schema_changes_only_on_purpose() {
    insta::assert_snapshot!(format!("{:#}", result::schema()));
}
