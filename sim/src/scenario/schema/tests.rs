//! What is shipped about the format says what the forms say. `UPDATE_DOCS=1 cargo test -p firedrill-sim --lib scenario::schema`
//! renews it.

use super::as_json::as_json;
use super::*;
use crate::scenario::tests::shipped;
use firedrill_detector::yaml::{self, Problems};
use firedrill_reports::gate;
use serde_json::json;
use std::path::{Path, PathBuf};

/// Where a part begins and ends, and what makes it.
type Made = (&'static str, &'static str, fn() -> String);

/// What stands between markers of the format's README, and is made from the source.
const MADE: [Made; 2] = [
    (
        "<!-- keys: made from the source, see `sim/src/scenario.rs` -->\n",
        "<!-- end of keys -->\n",
        table,
    ),
    (
        "<!-- faults: made from the source, see `sim/src/fault.rs` -->\n",
        "<!-- end of faults -->\n",
        tables::tables,
    ),
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios")
}

/// The file must say this, or does from now on.
fn holds(path: &Path, wanted: &str) {
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, wanted).unwrap();
    }
    let found = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        found == wanted,
        "{} is not what the forms say: UPDATE_DOCS=1 cargo test -p firedrill-sim --lib scenario::schema",
        path.display()
    );
}

#[test]
fn the_readme_has_every_key_and_every_fault() {
    let path = folder().join("README.md");
    let mut text = std::fs::read_to_string(&path).unwrap();
    for (begin, end, made) in MADE {
        let from = text.find(begin).unwrap() + begin.len();
        let to = text.find(end).unwrap();
        text.replace_range(from..to, &format!("\n{}\n", made()));
    }
    holds(&path, &text);
}

#[test]
fn the_schema_is_shipped() {
    let wanted = serde_json::to_string_pretty(&schema()).unwrap() + "\n";
    holds(&folder().join("scenario.schema.json"), &wanted);
}

/// What the schema has against a scenario.
pub(crate) fn problems_of(text: &str) -> Vec<String> {
    let node = yaml::parse(text, &mut Problems::new("s.yaml")).unwrap();
    let (mut schemas, mut compiler) = (boon::Schemas::new(), boon::Compiler::new());
    compiler.add_resource("scenario.json", schema()).unwrap();
    let index = compiler.compile("scenario.json", &mut schemas).unwrap();
    let found = as_json(&node);
    let refused = schemas.validate(&found, index).err();
    refused.iter().map(ToString::to_string).collect()
}

#[test]
fn shipped_scenarios_are_valid_by_it_and_point_to_it() {
    for (path, text) in shipped() {
        let problems = problems_of(&text);
        assert!(problems.is_empty(), "{path}: {problems:#?}");
        let first = "# yaml-language-server: $schema=../scenario.schema.json\n";
        assert!(text.starts_with(first), "{path}: begins with {first}");
    }
}

#[test]
fn what_is_refused_is_not_valid_by_it() {
    let whole = "version: firedrill/v1\nname: t\nfamily: benign\nsummary: s\nduration: 60m\nqueues: { default: }\n\
        workload: [{ task: a, queue: default, arrivals: { poisson: 1/s }, service: { constant: 1s } }]\n\
        workers: [{ name: w, concurrency: 10 }]\n";
    assert_eq!(problems_of(whole), Vec::<String>::new());
    for (from, to) in [
        ("firedrill/v1", "firedrill/v2"),
        ("duration: 60m", "duration: 75"),
        ("name: t", "name: a b"),
        ("benign", "bening"),
        ("concurrency: 10", "concurrency: 0"),
        ("concurrency: 10", "processes: 1"),
        ("{ default: }", "{}"),
        ("{ poisson: 1/s }", "{ poisson: 1/s, constant: 1/s }"),
        ("{ poisson: 1/s }", "{ poisson: 10 }"),
        ("workers", "seeed: 3\nworkers"),
    ] {
        let text = whole.replace(from, to);
        assert!(!problems_of(&text).is_empty(), "{text}");
    }
    assert_eq!(schema()["properties"]["seed"]["default"], json!(1));
}

/// What the reader of gates takes the schema takes, and a metric, an aggregation or a comparison that there is not, neither does.
#[test]
fn gates_have_a_schema_that_agrees_with_their_reader() {
    let (mut schemas, mut compiler) = (boon::Schemas::new(), boon::Compiler::new());
    compiler
        .add_resource("gates.json", gate::file_schema())
        .unwrap();
    let index = compiler.compile("gates.json", &mut schemas).unwrap();
    for (text, fits) in [
        ("gates: { jobs_lost: count == 0 }", true),
        ("gates: { jobs_lost: [count==0, 'max<1'] }", true),
        (
            "gates: { 'detect_seconds{alert=~\"A|B\"}': p(99.9) <= baseline * 1.1 }",
            true,
        ),
        (
            "known: [{ alert: X, reason: a, until: '2027-01-31' }]",
            true,
        ),
        ("gates: { jobs_lots: count == 0 }", false),
        ("gates: { jobs_lost: cuont == 0 }", false),
        ("gates: { jobs_lost: count = 0 }", false),
        ("gates: { jobs_lost: [] }", false),
        (
            "known: [{ alert: X, incident: deadlock, reason: a, until: '2027-01-31' }]",
            false,
        ),
        ("known: [{ alert: X, until: '2027-01-31' }]", false),
        ("gate: {}", false),
    ] {
        let mut problems = Problems::new("gate.yml");
        let node = yaml::parse(text, &mut problems).unwrap();
        let is_valid = schemas.validate(&as_json(&node), index).is_ok();
        let is_read = gate::GateFile::parse("gate.yml", text).is_ok();
        assert_eq!((is_valid, is_read), (fits, fits), "{text}");
    }
}
