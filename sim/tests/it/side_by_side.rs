//! The two rule packs side by side in the README: what the scorecards of both say of all scenarios, line for line.
//!
//! `UPDATE_DOCS=1 cargo test -p firedrill-sim --test it side_by_side` writes it.

use crate::rule_pack::SCORES;
use crate::support::project;
use crate::virtual_drills::{RECORDS, pack_of, runbook};
use firedrill_reports::document::of_scorecard;
use firedrill_reports::render::{Style, terminal};
use firedrill_reports::{Record, ScoreParams, Scorecard, score_recorded};
use std::fmt::Write;
use std::fs;

const BEGINS: &str = "<!-- packs: made by `sim/tests/it/side_by_side.rs` -->\n";
const ENDS: &str = "<!-- end of packs -->\n";

/// The scorecard of the runbook's rules, and of firedrill's.
fn cards() -> [String; 2] {
    let pack = pack_of(&runbook());
    let score = |record: &Vec<u8>| {
        let record = Record::read(record.as_slice()).unwrap();
        score_recorded(&record, &pack, &ScoreParams::default())
    };
    let runbooks = Scorecard::new(RECORDS.values().map(score).collect());
    let ours = Scorecard::new(SCORES.values().cloned().collect());
    // Wide enough that no line is broken.
    let style = Style {
        colour: false,
        width: 1_000,
    };
    [runbooks, ours].map(|card| terminal(&of_scorecard(&card, &[]), style))
}

/// The cells of a table of the scorecard: from the line that begins so to the next empty one.
fn rows(card: &str, head: &[&str]) -> Vec<Vec<String>> {
    let cells = |line: &str| -> Vec<String> {
        let cells = line
            .split("  ")
            .map(str::trim)
            .filter(|cell| !cell.is_empty());
        cells.map(str::to_owned).collect()
    };
    let mut lines = card.lines().skip_while(|line| {
        let found = cells(line);
        !head
            .iter()
            .enumerate()
            .all(|(at, cell)| found.get(at).is_some_and(|own| own == cell))
    });
    assert!(lines.next().is_some(), "no {head:?} in\n{card}");
    lines
        .take_while(|line| !line.is_empty())
        .map(cells)
        .collect()
}

#[test]
fn the_readme_shows_both_packs_as_their_scorecards_do() {
    let [runbooks, ours] = cards();
    let mut made =
        String::from("\n| | the runbook's four rules | `firedrill` |\n| --- | --- | --- |\n");
    let head = ["SUMMARY (95 % intervals)"];
    let not_shown = ["delivery (Alertmanager)", "verdict"];
    for (one, other) in rows(&runbooks, &head).iter().zip(rows(&ours, &head)) {
        assert_eq!(one[0], other[0]);
        if !not_shown.contains(&one[0].as_str()) {
            let _ = writeln!(made, "| {} | {} | {} |", one[0], one[1], other[1]);
        }
    }
    made.push_str("\n| incident | wanted | the runbook's four rules | `firedrill` |\n| --- | --- | --- | --- |\n");
    let head = ["INCIDENT", "wanted", "outcome"];
    let (theirs, ours) = (rows(&runbooks, &head), rows(&ours, &head));
    assert_eq!(theirs.len(), ours.len());
    for (one, other) in theirs.iter().zip(&ours) {
        assert_eq!(one[..2], other[..2]);
        let _ = writeln!(
            made,
            "| {} | {} | {} | {} |",
            one[0], one[1], one[2], other[2]
        );
    }
    made.push('\n');
    let path = project("README.md");
    let text = fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(BEGINS).unwrap();
    let (shown, after) = rest.split_once(ENDS).unwrap();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, format!("{before}{BEGINS}{made}{ENDS}{after}")).unwrap();
    } else {
        assert_eq!(
            shown, made,
            "UPDATE_DOCS=1 cargo test -p firedrill-sim --test it side_by_side"
        );
    }
}
