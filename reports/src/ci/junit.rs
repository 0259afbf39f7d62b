//! JUnit: a suite for each scenario, and one for the gates.

use super::{Finding, Places, findings};
use crate::document::gate_check;
use crate::figures::Wrong;
use crate::gate::{Gated, Scenario, Status};
use quick_junit::{NonSuccessKind, Report, SerializeError, TestCase, TestCaseStatus, TestSuite};

/// The report. Known failures and what proves nothing are skipped tests, with why.
///
/// # Errors
/// None that is known: it is written to memory.
pub fn junit(gated: &Gated, places: &Places) -> Result<String, SerializeError> {
    let mut report = Report::new("firedrill");
    for (name, scenario) in &gated.scenarios {
        report.add_test_suite(suite(gated, name, scenario));
    }
    let mut gates = TestSuite::new("gates");
    for check in &gated.checks {
        let found = gate_check(gated, check);
        let excused = gated.is_excused(check.known);
        let status = match check.status {
            Status::Passed => TestCaseStatus::success(),
            Status::Unproven => skipped(&found),
            Status::Failed | Status::NoData if excused => skipped(&found),
            Status::Failed | Status::NoData => failure(&found, "gate"),
        };
        gates.add_test_case(TestCase::new(check.gate.to_string(), status));
    }
    let other = |finding: &&Finding| finding.fails && finding.kind == "worse than the baseline";
    for finding in findings(gated, places).iter().filter(other) {
        let status = failure(&finding.message, finding.kind);
        gates.add_test_case(TestCase::new(
            format!("not worse: {}", finding.message),
            status,
        ));
    }
    for (failing, _, known) in &gated.failings {
        if failing.wrong == Wrong::Unfit {
            let status = match gated.excused || gated.is_excused(*known) {
                true => skipped(&failing.to_string()),
                false => failure(&failing.to_string(), "rule that cannot fire"),
            };
            gates.add_test_case(TestCase::new(format!("{} can fire", failing.name), status));
        }
    }
    if !gates.test_cases.is_empty() {
        report.add_test_suite(gates);
    }
    report.to_string()
}

fn suite(gated: &Gated, name: &str, scenario: &Scenario) -> TestSuite {
    let mut suite = TestSuite::new(name);
    suite.add_property(("drills", scenario.drills.to_string().as_str()));
    let unproven = format!(
        "{} of {} drills prove nothing",
        scenario.inconclusive, scenario.drills
    );
    if scenario.inconclusive == scenario.drills {
        suite.add_test_case(TestCase::new("conclusive", skipped(&unproven)));
        return suite;
    }
    let told = scenario
        .causes
        .iter()
        .map(|cause| (format!("somebody is told of {cause} in time"), Some(cause)));
    for (case, cause) in told.chain([("no false page".to_owned(), None)]) {
        let own = gated.failings.iter().filter(|(failing, ..)| {
            failing.scenario == name
                && match cause {
                    Some(cause) => failing.wrong.is_of_incident() && failing.name == *cause,
                    None => failing.wrong == Wrong::FalsePage,
                }
        });
        let own: Vec<_> = own.collect();
        let message: Vec<String> = own
            .iter()
            .map(|(failing, drills, _)| {
                format!("{failing} ({drills} of {} drills)", scenario.drills)
            })
            .collect();
        let message = message.join("\n");
        let is_excused = |known: Option<usize>| gated.excused || gated.is_excused(known);
        let status = match own.iter().all(|(_, _, known)| is_excused(*known)) {
            _ if own.is_empty() => TestCaseStatus::success(),
            true => skipped(&message),
            false => failure(&message, "alerts"),
        };
        suite.add_test_case(TestCase::new(case, status));
    }
    if scenario.inconclusive > 0 {
        suite.add_test_case(TestCase::new("conclusive", skipped(&unproven)));
    }
    suite
}

fn failure(message: &str, kind: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
    status.set_message(message).set_type(kind);
    status
}

fn skipped(message: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::skipped();
    status.set_message(message);
    status
}
