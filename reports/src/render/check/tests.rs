use super::*;
use crate::check::Checked;
use crate::check::{CheckedFile, Kind, Place};
use crate::result::ResultFile;
use firedrill_detector::lint::Surroundings;
use firedrill_detector::yaml::{Position, Problem, Region};
use firedrill_detector::{Compat, RuleFile, RuleSet};
use serde_json::Value;
use std::collections::BTreeSet;

/// A file with a trap, one that is wrong, and one that is not there.
fn checked() -> Checked {
    let file = RuleFile {
        name: "alerts/a b.yml".into(),
        text:
            "groups:\n- name: g\n  rules:\n  - alert: A\n    expr: errors_total > 5\n    for: 1m\n"
                .into(),
    };
    let rules = RuleSet::load(&[file], Compat::V3).unwrap();
    let mut findings = Vec::new();
    for rule in rules.remarks(&Surroundings::default()) {
        findings.extend(Finding::of_remarks(&rule));
    }
    let problem = Problem {
        file: "/etc/ä.yml".into(),
        line: 3,
        column: 7,
        message: "unknown key `exp`".into(),
        hint: Some("did you mean `expr`?".into()),
    };
    findings.push(Finding::of_problem(Kind::Invalid, &problem));
    findings.push(Finding::new(Kind::NoRule, Some("empty.yml"), "no rule"));
    findings.push(Finding::new(Kind::Invalid, None, "gone.yml: No such file"));
    Checked {
        files: vec![CheckedFile {
            file: "alerts/a b.yml".into(),
            what: "1 alerting rule".into(),
        }],
        findings,
        ..Checked::default()
    }
}

#[test]
fn findings_as_json() {
    insta::assert_snapshot!(crate::render::json(&ResultFile::of_check(
        &checked(),
        false
    )));
}

#[test]
fn findings_as_sarif() {
    let mut log: Value = serde_json::from_str(&sarif(&checked(), "1.2.3")).unwrap();
    // The table of kinds is in the documentation, and held there.
    log["runs"][0]["tool"]["driver"]["rules"] = Value::Null;
    insta::assert_snapshot!(format!("{log:#}"));
}

#[test]
fn findings_as_lines() {
    let lines: Vec<String> = checked().findings.iter().map(line).collect();
    insta::assert_snapshot!(lines.join("\n"));
}

/// A finding of every kind, with as much or as little as it may have.
fn all_there_may_be() -> Vec<Finding> {
    let at = |line, column| Position { line, column };
    let part = Region {
        start: at(3, 4),
        end: at(5, 1),
    };
    let places = [
        None,
        Some(Place::file("a b/ä:[1].yml")),
        Some(Place::line("/abs/r.yml", 7)),
        Some(Place::position("../r.yml", at(1, 1))),
        Some(Place::region("r.yml", part)),
    ];
    let severities = [Severity::Error, Severity::Warning, Severity::Note];
    let kinds = Kind::all().into_iter().zip(0..);
    let all = kinds.flat_map(|(kind, number)| {
        places.clone().into_iter().map(move |place| Finding {
            severity: severities[number % severities.len()],
            rule: (number % 2 == 0).then(|| ("g".into(), "A".into())),
            part: (number % 4 == 0).then(|| "up == \u{1b}0".into()),
            hint: (number % 3 == 0).then(|| "do\nthis".into()),
            place,
            ..Finding::new(kind, None, "what is wrong")
        })
    });
    all.collect()
}

#[test]
fn sarif_is_as_its_schema_has_it() {
    let schema = include_str!("../../../tests/sarif/sarif-schema-2.1.0.json");
    let schema: Value = serde_json::from_str(schema).unwrap();
    let (mut schemas, mut compiler) = (boon::Schemas::new(), boon::Compiler::new());
    compiler.enable_format_assertions();
    compiler.add_resource("sarif.json", schema).unwrap();
    let index = compiler.compile("sarif.json", &mut schemas).unwrap();
    let problems = |log: &Value| {
        let refused = schemas.validate(log, index).err();
        refused.map(|refused| refused.to_string())
    };
    let mut checked = checked();
    checked.findings.extend(all_there_may_be());
    for checked in [&checked, &Checked::default()] {
        let log: Value = serde_json::from_str(&sarif(checked, "1.2.3")).unwrap();
        assert_eq!(problems(&log), None, "{log:#}");
        let run = &log["runs"][0];
        let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
        let ids: BTreeSet<&str> = rules
            .iter()
            .filter_map(|rule| rule["id"].as_str())
            .collect();
        assert_eq!(ids.len(), rules.len(), "ids are unique");
        for result in run["results"].as_array().unwrap() {
            let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
            assert_eq!(rules[index]["id"], result["ruleId"]);
        }
    }
    // It would say so if something were wrong.
    let log: Value = serde_json::from_str(&sarif(&checked, "1.2.3")).unwrap();
    let region = "/runs/0/results/0/locations/0/physicalLocation/region";
    for (place, wrong) in [
        ("/runs/0/results/0/level", "fatal".into()),
        (region, Value::from(7)),
        (&format!("{region}/startLine"), 0.into()),
        ("/runs/0/columnKind", "bytes".into()),
        ("/version", "2.0.0".into()),
    ] {
        let mut log = log.clone();
        *log.pointer_mut(place).unwrap() = wrong;
        assert!(problems(&log).is_some(), "{place}");
    }
}

#[test]
fn what_fails_a_check() {
    let mut checked = checked();
    assert!(!checked.is_sound(false));
    checked
        .findings
        .retain(|found| found.severity != Severity::Error);
    assert!(checked.is_sound(false) && !checked.is_sound(true));
    checked.findings.clear();
    assert!(checked.is_sound(true));
    checked.findings.push(Finding {
        place: Some(Place::line("f", 2)),
        ..Finding::new(Kind::UnknownMetric, None, "m")
    });
    assert!(checked.is_sound(true));
    assert_eq!(line(&checked.findings[0]), "note: f:2: m");
}

/// The table of findings in the documentation is this one; `UPDATE_DOCS=1` writes it.
#[test]
fn the_documentation_lists_what_can_be_found() {
    let rows = Kind::all().into_iter().map(|kind| {
        let severity = match kind {
            Kind::Record(_) => "with --against",
            kind => kind.severity().name(),
        };
        format!("| `{}` | {severity} | {} |\n", kind.name(), kind.about())
    });
    let rows: String = rows.collect();
    let table = format!("| kind | severity | what it means |\n| --- | --- | --- |\n{rows}");
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../scenarios/rules/README.md");
    let text = std::fs::read_to_string(path).unwrap();
    let (begin, end) = ("<!-- findings -->\n\n", "\n<!-- end of findings -->");
    let (before, rest) = text.split_once(begin).unwrap();
    let (_, after) = rest.split_once(end).unwrap();
    let renewed = format!("{before}{begin}{table}{end}{after}");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, renewed).unwrap();
    } else {
        assert_eq!(
            text, renewed,
            "UPDATE_DOCS=1 cargo test -p firedrill-reports --lib render::check"
        );
    }
}
