//! A form like those of faults: it shares its mapping with the form of the step.

use super::*;
use firedrill_detector::yaml::parse;
use serde::{Deserialize, Serialize};

form! {
    /// What every step says.
    #[derive(Debug, PartialEq)]
    struct StepForm: "timeline entry" {
        /// When it begins.
        at: At<i64> = placed(duration()), required;
        /// What it is called.
        id: Option<At<String>> = placed(name()), optional;
    }
}

form! {
    /// Handlers take longer.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct HandlerSlow: "handler.slow" {
        /// Task type; left out: all.
        task: Option<String> = text(), optional;
        /// How many times longer.
        factor: f64 = number(1.0..=10_000.0)
            .saying("a number above 1, up to 10000")
            .but_not(1.0, "factor: 1 changes nothing, so there is no fault", "accepted: above 1, up to 10000"), required;
        /// Share of executions
        /// that are slow.
        share: f64 = share(), default 1.0;
        /// Not told of when it is as ever.
        lasts_ms as "lasts": i64 = positive(), quiet 60_000;
    }
}

form! {
    /// SIGKILL of worker processes.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct WorkerKill: "worker.kill" {}
}

/// As faults are kept in records.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", deny_unknown_fields)]
enum Fault {
    #[serde(rename = "worker.kill")]
    WorkerKill(WorkerKill),
    #[serde(rename = "handler.slow")]
    HandlerSlow(HandlerSlow),
}

#[test]
fn forms_are_variants_of_what_is_kept_in_records() {
    let json = r#"{"kind":"handler.slow","task":null,"factor":6.0,"share":1.0,"lasts_ms":1}"#;
    for json in [r#"{"kind":"worker.kill"}"#, json] {
        let fault: Fault = serde_json::from_str(json).unwrap();
        assert_eq!(serde_json::to_string(&fault).unwrap(), json);
    }
    assert_eq!(WorkerKill {}.write().flow(), "{}");
    assert!(WorkerKill::rows().is_empty());
}

fn read(text: &str) -> (Option<(StepForm, HandlerSlow)>, Vec<String>) {
    let mut problems = Problems::new("f.yml");
    let node = parse(text, &mut problems).unwrap();
    let mut fields = Fields::new(&node, StepForm::WHAT, &mut problems).unwrap();
    let step = StepForm::take(&mut fields, &mut problems);
    let fault = HandlerSlow::take(&mut fields, &mut problems);
    fields.finish(&mut problems);
    let problems = problems
        .into_vec()
        .iter()
        .map(ToString::to_string)
        .collect();
    (step.zip(fault), problems)
}

#[test]
fn two_forms_share_a_mapping_and_report_everything_at_once() {
    let (forms, problems) = read("{ at: 3m, factor: 6, id: slow }");
    assert!(problems.is_empty(), "{problems:?}");
    let (step, fault) = forms.unwrap();
    assert_eq!(step.at.value, 180_000);
    assert_eq!(
        fault.write().flow(),
        "{ factor: 6, share: 100% }",
        "what was written, and defaults"
    );
    assert_eq!(
        serde_json::to_string(&fault).unwrap(),
        r#"{"task":null,"factor":6.0,"share":1.0,"lasts_ms":60000}"#
    );

    let (forms, problems) = read("{ id: a b, factor: 1, lasts: 0, factr: 3 }");
    assert!(forms.is_none());
    insta::assert_snapshot!(problems.join("\n"), @r"
    f.yml:1:1: timeline entry: `at` is missing
    f.yml:1:7: id: expected 1 to 64 letters, digits or `-_.:`, found `a b`
    f.yml:1:20: factor: 1 changes nothing, so there is no fault
        accepted: above 1, up to 10000
    f.yml:1:30: lasts: expected a duration above zero, found `0`
    f.yml:1:33: unknown key `factr` in timeline entry
        did you mean `factor`? accepted: at, id, task, factor, share, lasts
    ");
}

#[test]
fn a_form_describes_itself() {
    assert_eq!(HandlerSlow::SENTENCE.trim(), "Handlers take longer.");
    insta::assert_snapshot!(table(&HandlerSlow::rows()), @r"
    | key | type | left out | meaning |
    | --- | --- | --- | --- |
    | `task` | text |  | Task type; left out: all. |
    | `factor` | number, 1 to 10000, not `1` | required | How many times longer. |
    | `share` | share, 0% to 100% | `100%` | Share of executions that are slow. |
    | `lasts` | duration, above 0 | `1m` | Not told of when it is as ever. |
    ");
    let schema = schema::<HandlerSlow>();
    assert_eq!(schema["required"], serde_json::json!(["factor"]));
    assert_eq!(schema["properties"]["factor"]["maximum"], 10_000.0);
    assert_eq!(schema["additionalProperties"], false);
}
