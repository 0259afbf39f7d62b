use super::*;
use crate::check::{CheckedFile, Kind, Place};
use firedrill_detector::lint::Surroundings;
use firedrill_detector::yaml::Problem;
use firedrill_detector::{Compat, RuleFile, RuleSet};
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
    insta::assert_snapshot!(json(&checked(), false));
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

/// What the schema of SARIF 2.1.0 demands of what we write.
#[test]
fn sarif_is_as_its_schema_has_it() {
    let log: Value = serde_json::from_str(&sarif(&checked(), "1.2.3")).unwrap();
    let keys = |value: &Value| -> BTreeSet<String> {
        value.as_object().unwrap().keys().cloned().collect()
    };
    let only = |value: &Value, required: &[&str], optional: &[&str]| {
        let keys = keys(value);
        for key in required {
            assert!(keys.contains(*key), "{key} is missing in {value}");
        }
        for key in &keys {
            let known = required.iter().chain(optional).any(|known| known == key);
            assert!(known, "{key} in {value}");
        }
    };
    only(&log, &["version", "runs"], &["$schema"]);
    assert_eq!(log["version"], "2.1.0");
    let run = &log["runs"][0];
    only(run, &["tool"], &["results", "columnKind"]);
    assert_eq!(run["columnKind"], "unicodeCodePoints");
    let driver = &run["tool"]["driver"];
    only(driver, &["name"], &["semanticVersion", "rules"]);
    let rules = driver["rules"].as_array().unwrap();
    let levels = ["none", "note", "warning", "error"].map(Value::from);
    let ids: BTreeSet<&str> = rules
        .iter()
        .map(|rule| rule["id"].as_str().unwrap())
        .collect();
    assert_eq!(ids.len(), rules.len(), "ids are unique");
    for rule in rules {
        only(
            rule,
            &["id"],
            &["shortDescription", "help", "defaultConfiguration"],
        );
        assert!(levels.contains(&rule["defaultConfiguration"]["level"]));
        for text in ["shortDescription", "help"] {
            only(&rule[text], &["text"], &["markdown"]);
        }
    }
    for result in run["results"].as_array().unwrap() {
        only(
            result,
            &["message"],
            &["ruleId", "ruleIndex", "level", "locations"],
        );
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(rules[index]["id"], result["ruleId"]);
        assert!(levels.contains(&result["level"]));
        for location in result["locations"].as_array().into_iter().flatten() {
            only(location, &[], &["physicalLocation", "logicalLocations"]);
            let physical = &location["physicalLocation"];
            only(physical, &["artifactLocation"], &["region"]);
            let uri = physical["artifactLocation"]["uri"].as_str().unwrap();
            assert!(uri.is_ascii() && !uri.contains(' '), "{uri}");
            if let Some(region) = physical.get("region") {
                only(
                    region,
                    &["startLine"],
                    &["startColumn", "endLine", "endColumn"],
                );
                assert!(region["startLine"].as_u64() >= Some(1));
            }
        }
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
