use super::*;

const FILE: &str = r#"# Kept.
groups:
- name: g   # kept, too
  interval: 30s
  rules:
  - record: r
    expr: sum(x) > 1
  - alert: Backlog
    expr: |
      sum(rate(a{b="> 0.5"}[5m]))   # kept
        / sum(rate(a[5m])) < 0.90

    # Above for.
    for: 10m  # ten
    labels: { severity: 'page' }
  - alert: Stalled
    expr: >-
      sum(rate(a[5m]))  == 0
        and sum(increase(a[1h])) >
        0
  - {alert: Flow, expr: 'a{b=''x''} >= -5', for: "5m"}
  - expr: up
      == 0
    alert: Plain
"#;

fn load(text: &str) -> Settings {
    let file = RuleFile {
        name: "r.yml".into(),
        text: text.into(),
    };
    Settings::load(vec![file], Compat::V3).unwrap()
}

/// The file with one value changed, as the lines that are not those of the original.
fn changed_lines(name: &str, value: SettingValue) -> (Vec<String>, Vec<String>) {
    let settings = load(FILE);
    let changed = settings
        .change(settings.find(name).unwrap(), value)
        .unwrap();
    assert_eq!(changed.find(name).unwrap().value, value);
    let text = &changed.files()[0].text;
    let diff = |from: &str, to: &str| {
        let known: Vec<&str> = to.lines().collect();
        let new = from.lines().filter(|line| !known.contains(line));
        new.map(str::to_owned).collect()
    };
    (diff(FILE, text), diff(text, FILE))
}

#[test]
fn settings_have_names_and_values() {
    let settings = load(FILE);
    let listed: Vec<String> = settings
        .iter()
        .map(|s| format!("{}={} at {}:{}", s.name(), s.value, s.at.line, s.at.column))
        .collect();
    insta::assert_snapshot!(listed.join("\n"), @r"
    Backlog.threshold=0.9 at 11:30
    Backlog.for=10m at 14:10
    Backlog.keep_firing_for=0s at 10:7
    Stalled.threshold1=0 at 18:28
    Stalled.threshold2=0 at 20:9
    Stalled.for=0s at 18:7
    Stalled.keep_firing_for=0s at 18:7
    Flow.threshold=-5 at 21:40
    Flow.for=5m at 21:51
    Flow.keep_firing_for=0s at 21:25
    Plain.threshold=0 at 23:10
    Plain.for=0s at 22:11
    Plain.keep_firing_for=0s at 22:11
    ");
}

#[test]
fn one_value_changes_and_every_other_byte_stays() {
    use SettingValue::{Milliseconds, Number};
    let check = |name: &str, value, gone: &[&str], new: &[&str]| {
        let (old_lines, new_lines) = changed_lines(name, value);
        assert_eq!((old_lines, new_lines), (owned(gone), owned(new)), "{name}");
    };
    check(
        "Backlog.threshold",
        Number(0.57),
        &["        / sum(rate(a[5m])) < 0.90"],
        &["        / sum(rate(a[5m])) < 0.57"],
    );
    check(
        "Backlog.for",
        Milliseconds(90_000),
        &["    for: 10m  # ten"],
        &["    for: 1m30s  # ten"],
    );
    check(
        "Backlog.keep_firing_for",
        Milliseconds(60_000),
        &[],
        &["    keep_firing_for: 1m"],
    );
    check(
        "Stalled.threshold1",
        Number(2.0),
        &["      sum(rate(a[5m]))  == 0"],
        &["      sum(rate(a[5m]))  == 2"],
    );
    check(
        "Stalled.threshold2",
        Number(2.5),
        &["        0"],
        &["        2.5"],
    );
    check("Stalled.for", Milliseconds(1000), &[], &["    for: 1s"]);
    check(
        "Flow.threshold",
        Number(3.0),
        &["  - {alert: Flow, expr: 'a{b=''x''} >= -5', for: \"5m\"}"],
        &["  - {alert: Flow, expr: 'a{b=''x''} >= 3', for: \"5m\"}"],
    );
    check(
        "g/Flow.keep_firing_for",
        Milliseconds(60_000),
        &["  - {alert: Flow, expr: 'a{b=''x''} >= -5', for: \"5m\"}"],
        &["  - {alert: Flow, expr: 'a{b=''x''} >= -5', for: \"5m\", keep_firing_for: 1m}"],
    );
    check(
        "Plain.threshold",
        Number(1.0),
        &["      == 0"],
        &["      == 1"],
    );
    check("Plain.for", Milliseconds(60_000), &[], &["    for: 1m"]);
}

fn owned(lines: &[&str]) -> Vec<String> {
    lines.iter().map(|line| (*line).to_owned()).collect()
}

#[test]
fn line_ends_and_a_missing_last_one_are_respected() {
    let text = "groups:\r\n- name: g\r\n  rules:\r\n  - alert: A\r\n    expr: \u{e9} > 5";
    let text = text.replace('\u{e9}', "a{b=\"\u{e9}\"}");
    let settings = load(&text);
    let set = |settings: &Settings, name: &str, value| {
        settings
            .change(settings.find(name).unwrap(), value)
            .unwrap()
    };
    let changed = set(&settings, "A.for", SettingValue::Milliseconds(60_000));
    let changed = set(&changed, "A.threshold", SettingValue::Number(0.1));
    let changed = set(&changed, "A.keep_firing_for", SettingValue::Milliseconds(1));
    assert_eq!(
        changed.files()[0].text,
        text.replace("> 5", "> 0.1\r\n    for: 1m\r\n    keep_firing_for: 1ms")
    );
}

#[test]
fn escapes_around_a_number_stay() {
    let text =
        "groups: [{ name: g, rules: [{ alert: A, expr: \"a{b=\\\"\\u00e9\\\"} > \\\n  5\" }] }]";
    let settings = load(text);
    let threshold = settings.find("A.threshold").unwrap();
    let changed = settings.change(threshold, SettingValue::Number(7.0));
    assert_eq!(changed.unwrap().files()[0].text, text.replace("  5", "  7"));
}

#[test]
fn what_cannot_be_located_is_refused_with_its_place() {
    let refused = |rule: &str, name: &str| {
        let settings = load(&format!("groups:\n- name: g\n  rules:\n  - {rule}\n"));
        match settings.find(name) {
            Err(FindError::Refused(problem)) => problem.to_string(),
            other => panic!("{rule}: {other:?}"),
        }
    };
    insta::assert_snapshot!([
        refused("{ alert: A, expr: &five a > 5 }", "A.threshold"),
        refused("{ alert: A, expr: a > 5, for: !!str 5m }", "A.for"),
        refused("{ alert: A, expr: a > 5, for: }", "A.for"),
        refused("{ alert: A, expr: 'quantile_over_time(scalar(a > 1), (b > 2)[5m:])' }", "A.threshold"),
    ].join("\n"), @r"
    r.yml:4:23: cannot change A.threshold: it has an anchor or a tag
        write the value out plainly, or change it by hand
    r.yml:4:35: cannot change A.for: it has an anchor or a tag
        write the value out plainly, or change it by hand
    r.yml:4:34: cannot change A.for: `for` is there, but has no value
        write the value out plainly, or change it by hand
    r.yml:4:23: cannot change A.threshold: the numbers it compares with cannot be told apart in its text
        write the value out plainly, or change it by hand
    ");
}

#[test]
fn names_that_fit_several_or_none_are_refused() {
    let twice = "groups: [{ name: g, rules: [{ alert: A, expr: a > 5 }, { alert: B, expr: b }] }, \
                 { name: h, rules: [{ alert: A, expr: a > 6 }] }]";
    let settings = load(twice);
    assert_eq!(
        settings.find("A.threshold").unwrap_err().to_string(),
        "several alerts have a setting `A.threshold`: g/A.threshold, h/A.threshold"
    );
    let found = settings.find("h/A.threshold").unwrap();
    assert_eq!(found.value, SettingValue::Number(6.0));
    assert_eq!(
        settings.find("B.threshold"),
        Err(FindError::Unknown {
            name: "B.threshold".into(),
            closest: None,
            accepted: vec!["B.for".into(), "B.keep_firing_for".into()],
        })
    );
    let unknown = load(FILE).find("Backlog.treshold").unwrap_err();
    assert!(
        matches!(&unknown, FindError::Unknown { closest: Some(name), .. } if name == "Backlog.threshold"),
        "{unknown:?}"
    );
}

#[test]
fn a_value_of_the_wrong_kind_is_refused() {
    let settings = load(FILE);
    let change = |name: &str, value| settings.change(settings.find(name).unwrap(), value);
    assert!(change("Backlog.for", SettingValue::Number(5.0)).is_err());
    assert!(change("Backlog.for", SettingValue::Milliseconds(-1)).is_err());
    assert!(change("Backlog.threshold", SettingValue::Number(f64::NAN)).is_err());
}

/// Numbers that lengths of time are computed from are no thresholds, and stay.
#[test]
fn computed_durations_are_left_alone() {
    let text = "groups: [{ name: g, rules: [{ alert: A, expr: 'rate(a[5m * 2] offset (1h - 60)) > 0.5 < 7' }] }]";
    let settings = load(text);
    let names: Vec<String> = settings
        .iter()
        .map(|s| format!("{}={}", s.name(), s.value))
        .collect();
    assert_eq!(names[..2], ["A.threshold1=0.5", "A.threshold2=7"]);
    let threshold = settings.find("A.threshold1").unwrap();
    let changed = settings
        .change(threshold, SettingValue::Number(2.0))
        .unwrap();
    assert_eq!(changed.files()[0].text, text.replace("> 0.5", "> 2"));
}
