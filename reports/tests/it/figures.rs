//! Figures of drills on paper: what fails a drill stands in them, and no more.

use crate::support::{Story, record, scored};
use firedrill_reports::figures::{DrillFigures, Results};
use firedrill_reports::{Scorecard, Verdict};

#[test]
fn a_drill_fails_exactly_if_something_in_its_figures_does() {
    for story in [Story::Quiet, Story::Crash, Story::Hang, Story::Night] {
        let (_, score) = scored(&record(story));
        let figures = DrillFigures::new(&score);
        assert_eq!(
            figures.failings.is_empty(),
            score.verdict != Verdict::Failed
        );
        assert_eq!(figures.conclusive, score.verdict != Verdict::Inconclusive);
        let card = Scorecard::new(vec![score]);
        assert_eq!(
            card.failings().len(),
            figures.failings.len() + card.dead.len()
        );
    }
}

#[test]
fn figures_of_a_drill_are_those_of_its_scorecard() {
    let mut results = Results::default();
    for story in [Story::Hang, Story::Night] {
        let record = record(story);
        let (_, score) = scored(&record);
        results.add(&record.header, DrillFigures::new(&score));
    }
    insta::assert_snapshot!(results.text());
    assert_eq!(Results::read(results.text().as_bytes()).unwrap(), results);
}

#[test]
fn figures_of_earlier_releases_open() {
    let kept = include_bytes!("records/figures-1.0.jsonl");
    let results = Results::read(kept.as_slice()).unwrap();
    assert_eq!((results.scenarios.len(), results.drills.len()), (2, 2));
    assert!(results.drills.iter().all(|drill| drill.points.len() > 10));
}
