//! `firedrill report`: what it takes the place of, and what it says of records that are not whole.

use crate::support::said;
use std::fs;
use std::path::Path;

/// Simulates a scenario under the runbook's rules.
fn simulated(dir: &Path, scenario: &str) {
    let run = ["run", "--engine", "virtual", "--rules", "runbook"];
    let run = [&run[..], &["--no-gate", "--quiet", scenario]].concat();
    let (code, _, err) = said(dir, &run);
    assert_eq!(code, Some(0), "{err}");
}

#[test]
fn a_file_that_is_no_report_is_written_over_only_if_it_was_named() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    simulated(dir, "healthy");
    let page = dir.join("report.html");
    let report = |more: &[&str]| said(dir, &[&["report", "runs/healthy"], more].concat());
    // What nobody else has written is taken without a word, an empty file as well.
    fs::write(&page, "").unwrap();
    assert_eq!(
        report(&[]),
        (Some(0), String::new(), "wrote report.html\n".to_owned())
    );
    let first = fs::read_to_string(&page).unwrap();
    // The same report again is the same file.
    let (_, _, err) = report(&[]);
    assert_eq!(err, "wrote report.html\n");
    assert_eq!(fs::read_to_string(&page).unwrap(), first);
    // One of other drills is told of.
    simulated(dir, "benign-burst-drains");
    let (code, _, err) = said(dir, &["report", "runs/benign-burst-drains"]);
    assert_eq!(code, Some(0), "{err}");
    assert_eq!(
        err,
        "wrote report.html, in the place of a report that said something else\n"
    );
    let theirs = "<!DOCTYPE html><title>Coverage</title>";
    fs::write(&page, theirs).unwrap();
    let (code, _, err) = report(&[]);
    assert_eq!(code, Some(2), "{err}");
    assert!(
        err.contains("report.html: there is such a file, and firedrill did not write it; name another one with -o FILE"),
        "{err}"
    );
    assert_eq!(fs::read_to_string(&page).unwrap(), theirs);
    let (code, _, err) = report(&["-o", "report.html"]);
    assert_eq!(code, Some(0), "{err}");
    assert_eq!(
        err,
        "wrote report.html, in the place of a file that was no report\n"
    );
    assert_eq!(fs::read_to_string(&page).unwrap(), first);
}

#[test]
fn of_a_record_that_was_cut_it_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    simulated(dir, "healthy");
    let record = fs::read_to_string(dir.join("runs/healthy/latest/record.jsonl")).unwrap();
    let lines: Vec<&str> = record.split_inclusive('\n').collect();
    fs::write(dir.join("cut.jsonl"), lines[..lines.len() / 2].concat()).unwrap();
    let (code, _, err) = said(dir, &["report", "cut.jsonl"]);
    assert_eq!(code, Some(0), "{err}");
    assert!(
        err.contains("healthy: its record is incomplete: it ends after ")
            && err.contains("the report calls the drill inconclusive"),
        "{err}"
    );
    let page = fs::read_to_string(dir.join("report.html")).unwrap();
    assert!(page.contains("the record is incomplete: the drill was cut short"));
}

#[test]
fn a_place_for_charts_is_answered_with_where_they_go() {
    let dir = tempfile::tempdir().unwrap();
    for verb in ["run", "tune", "fidelity", "merge"] {
        let (code, _, err) = said(dir.path(), &[verb, "--plots", "charts/", "healthy"]);
        assert_eq!(code, Some(2));
        assert!(
            err.contains("the charts go into `plots` beside the report"),
            "{verb}: {err}"
        );
        let (_, help, _) = said(dir.path(), &[verb, "--help"]);
        assert!(
            help.contains("[possible values: svg, png]") || help.contains("Possible values"),
            "{help}"
        );
    }
}
