//! What is found in rules that are held against drills on paper.

use crate::support::{RULES, Story, record};
use firedrill_detector::{Compat, RuleFile, RuleSet};
use firedrill_reports::check::Checked;
use firedrill_reports::document;
use firedrill_reports::render::{self, Style};
use firedrill_reports::result::ResultFile;
use firedrill_reports::why::{FindingKind, RuleState};
use firedrill_reports::{Explainer, Explanation};

const PLAIN: Style = Style {
    colour: false,
    width: 120,
};

fn diagnosis(text: &str, stories: &[Story]) -> Explanation {
    let file = RuleFile {
        name: "rules.yml".into(),
        text: text.into(),
    };
    let rules = RuleSet::load(&[file], Compat::default()).unwrap_or_else(|e| panic!("{e:#?}"));
    let mut explainer = Explainer::new(&rules);
    for story in stories {
        explainer.observe(&record(*story));
    }
    explainer.finish()
}

/// The findings of one alert's expression.
fn findings(expr: &str, more: &str, stories: &[Story]) -> (RuleState, Vec<(FindingKind, String)>) {
    let text = format!("groups:\n- name: g\n  rules:\n  - alert: A\n    expr: {expr}\n{more}");
    let found = diagnosis(&text, stories).rules.remove(0);
    let kinds = found.findings.into_iter();
    (
        found.state,
        kinds
            .filter(|finding| finding.kind != FindingKind::NeverHeld)
            .map(|finding| {
                (
                    finding.kind,
                    finding.message + &finding.hint.unwrap_or_default(),
                )
            })
            .collect(),
    )
}

#[test]
fn the_runbook_waits_for_a_zero_that_never_comes() {
    let found = diagnosis(RULES, &[Story::Crash]);
    let stalled = found
        .rules
        .iter()
        .find(|rule| rule.name == "JobProcessingStalled");
    let stalled = stalled.expect("it is in the file");
    assert_eq!(stalled.state, RuleState::Trap);
    assert_eq!(stalled.findings[0].kind, FindingKind::Vanished);
    assert_eq!(
        stalled.findings[0].part,
        "sum(rate(job_processed_total[5m])) == 0"
    );
    // There is no failed job on paper.
    assert!(!found.is_sound());
    insta::assert_snapshot!(render::terminal(&document::of_explanation(&found), PLAIN));
    let checked = Checked {
        explanation: Some(found),
        ..Checked::default()
    };
    insta::assert_snapshot!(render::json(&ResultFile::of_check(&checked, false)));
    // Workers that stand still keep their series: there the alert fires.
    let found = diagnosis(RULES, &[Story::Hang]);
    assert!(found.rules[3].fired_in == 1 && found.rules[3].state == RuleState::Fine);
}

#[test]
fn an_alert_that_fires_all_the_same_has_no_trap() {
    let expr = "sum(rate(job_processed_total[5m])) == 0 or absent(job_processed_total)";
    assert_eq!(
        findings(expr, "", &[Story::Crash]),
        (RuleState::Fine, vec![])
    );
    let low = "sum(rate(job_processed_total[5m])) < 1";
    let (state, found) = findings(low, "    for: 10m", &[Story::Crash]);
    assert_eq!(
        (state, found[0].0),
        (RuleState::Trap, FindingKind::Vanished)
    );
}

#[test]
fn what_cannot_fire_is_told_with_what_was_meant() {
    let (state, found) = findings(
        "sum(rate(job_processed_total{status=\"sucess\"}[5m])) > 1",
        "",
        &[Story::Quiet],
    );
    assert_eq!(state, RuleState::NoData);
    assert!(found[0].1.ends_with("Did you mean success?"), "{found:?}");
    for (expr, kind) in [
        (
            "job_processed_total / job_processd_total > 1",
            FindingKind::NothingMatched,
        ),
        (
            "job_processed_total / asynq_tasks_enqueued_total > 1",
            FindingKind::NothingInCommon,
        ),
        ("deriv(job_processed_total[5s]) > 1", FindingKind::EmptySide),
        (
            "job_processed_total > 1 and missing > 1",
            FindingKind::NothingMatched,
        ),
    ] {
        let (state, found) = findings(expr, "", &[Story::Quiet]);
        assert_eq!(state, RuleState::CannotFire, "{expr}: {found:?}");
        assert_eq!((found.len(), found[0].0), (1, kind), "{expr}: {found:?}");
    }
    // A branch that is missing does not keep the other from firing.
    let (state, found) = findings(
        "missing > 1 or job_processed_total > 1e9",
        "",
        &[Story::Quiet],
    );
    assert_eq!(
        (state, found[0].0),
        (RuleState::Trap, FindingKind::NothingMatched)
    );
}

#[test]
fn traps_are_told_with_their_figures() {
    let ratio = "sum(rate(job_processed_total[5m])) / sum(rate(job_processed_total[5m])) < 0.5";
    let (_, found) = findings(ratio, "", &[Story::Hang]);
    assert_eq!(found[0].0, FindingKind::ZeroByZero);
    // 70 minutes without progress, less the five that the rate still sees some: 65 x 4 evaluations.
    assert!(found[0].1.starts_with("was 0/0 at 26"), "{found:?}");
    let (_, found) = findings("absent(job_processed_total)", "", &[Story::Hang]);
    assert_eq!(found[0].0, FindingKind::NeverAbsent);
    let (_, found) = findings("absent(job_processed_total)", "", &[Story::Crash]);
    assert_eq!(found, []);
    let (state, found) = findings("absent(missing)", "", &[Story::Quiet]);
    assert_eq!(state, RuleState::AlwaysHolds);
    assert!(
        found
            .iter()
            .any(|(kind, _)| *kind == FindingKind::AlwaysAbsent),
        "{found:?}"
    );
    let still = "rate(job_processed_total[5m]) == 0";
    let (state, found) = findings(still, "    for: 2h", &[Story::Hang]);
    assert_eq!(state, RuleState::Trap);
    assert_eq!(found[0].0, FindingKind::ForTooLong);
    assert!(
        found[0].1.starts_with("held for 1h5m") && found[0].1.contains("asks for 2h"),
        "{found:?}"
    );
    let short = findings(still, "    for: 30m", &[Story::Hang]);
    assert_eq!(short, (RuleState::Fine, vec![]));
}

#[test]
fn an_alert_that_always_holds_is_named_with_what_to_look_at() {
    for (expr, hint) in [
        ("job_processed_total >= bool 0", "leave out `bool`"),
        ("vector(1)", "it compares nothing"),
        ("rate(job_processed_total[5m])", "it compares nothing"),
        (
            "job_processed_total / (job_processed_total * 0) > 0.9",
            "+Inf",
        ),
        ("job_processed_total >= 0", "is the threshold right?"),
        ("absent(missing)", "was never there outside of incidents"),
    ] {
        let (state, found) = findings(expr, "", &[Story::Quiet]);
        assert_eq!(state, RuleState::AlwaysHolds, "{expr}: {found:?}");
        let always = found
            .iter()
            .find(|(kind, _)| *kind == FindingKind::AlwaysHeld);
        let (_, text) = always.unwrap_or_else(|| panic!("{expr}: {found:?}"));
        assert!(
            text.starts_with("held at all of the ") && text.contains(hint),
            "{expr}: {text}"
        );
        let text = format!("groups: [{{ name: g, rules: [{{ alert: A, expr: '{expr}' }}] }}]");
        let found = diagnosis(&text, &[Story::Quiet]);
        assert!(!found.is_sound(), "{expr}");
        // A recorded series may always have a value.
        let text = format!("groups: [{{ name: g, rules: [{{ record: a, expr: '{expr}' }}] }}]");
        assert_ne!(
            diagnosis(&text, &[Story::Quiet]).rules[0].state,
            RuleState::AlwaysHolds
        );
    }
    // What holds in an incident only, or not in every drill, does not always hold.
    for stories in [&[Story::Hang][..], &[Story::Quiet, Story::Hang]] {
        let (state, _) = findings("sum(rate(job_processed_total[5m])) == 0", "", stories);
        assert_ne!(state, RuleState::AlwaysHolds);
    }
    // Away with its process, in the incident only.
    let (state, _) = findings("job_processed_total >= bool 0", "", &[Story::Crash]);
    assert_eq!(state, RuleState::AlwaysHolds);
}

#[test]
fn recorded_series_count_as_data() {
    let text = "groups:\n- name: g\n  rules:\n  - record: job:rate\n    expr: sum by (status) (rate(job_processed_total[5m]))\n  - { alert: A, expr: 'job:rate{status=\"success\"} > 1e9' }\n  - { alert: B, expr: 'count(ALERTS{alertname=\"A\"}) > 5' }\n  - { alert: C, expr: 'job:rate > 1' }\n  - { alert: D, expr: 'count(ALERTS{alertname=\"C\"}) > 5' }\n";
    let found = diagnosis(text, &[Story::Quiet]);
    let states: Vec<_> = found
        .rules
        .iter()
        .map(|rule| (rule.name.as_str(), rule.state))
        .collect();
    assert_eq!(
        states,
        [
            ("job:rate", RuleState::Fine),
            ("A", RuleState::Fine),
            ("B", RuleState::NoData),
            ("C", RuleState::AlwaysHolds),
            ("D", RuleState::Fine)
        ]
    );
}

#[test]
fn records_add_up() {
    let expr = "absent(job_processed_total)";
    let both = findings(expr, "", &[Story::Quiet, Story::Crash]);
    assert_eq!(both, (RuleState::Fine, vec![]));
    let text = format!("groups: [{{ name: g, rules: [{{ alert: A, expr: '{expr}' }}] }}]");
    let found = diagnosis(&text, &[Story::Quiet, Story::Crash]);
    let sight = &found.rules[0].selectors[0];
    assert_eq!(
        (sight.series, sight.records, found.records.len()),
        (1, 2, 2)
    );
    assert_eq!(found, diagnosis(&text, &[Story::Quiet, Story::Crash]));
}
