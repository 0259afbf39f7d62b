//! What is proposed, and what is said about it.

use super::{SEASON_GRID, drill, found, season, summary, tuner};
use crate::support::RULES;
use firedrill_reports::Record;
use firedrill_reports::document::of_tuning;
use firedrill_reports::render::{self, Style};
use firedrill_reports::tune::{Advice, Figures, TuneParams, Tuning};

#[test]
fn the_proposal_is_best_by_the_stated_rule_and_stands_in_the_middle() {
    let (tuner, found) = found(TuneParams::default(), 12);
    let own = &found.proposal.figures;
    let fewest = found
        .settings
        .iter()
        .map(|figures| figures.false_alarms)
        .min();
    assert_eq!(Some(own.false_alarms), fewest);
    let rivals: Vec<&Figures> = found
        .settings
        .iter()
        .filter(|f| Some(f.false_alarms) == fewest)
        .collect();
    assert_eq!(found.proposal.allowed, rivals.len());
    assert_eq!(Some(own.in_time), rivals.iter().map(|f| f.in_time).max());
    assert!(
        own.in_time > found.before.in_time,
        "the runbook's rule is too slow for these"
    );
    assert_eq!((found.drills, found.seeds), (8, 8));
    let confirmation = found.confirmation.unwrap();
    assert_eq!(confirmation.drills, 4);
    // The figures are those of the rules that would be written.
    let files = tuner.edited(&found.proposal.values).unwrap();
    let held: Vec<Record> = season(12)
        .into_iter()
        .filter(|r| r.header.seed % 3 == 2)
        .collect();
    let detected = held.iter().map(|record| {
        let score = summary(record, &files, Some("JobQueueBacklog"));
        (score.recall_at_deadline.unwrap().count, score.false_pages)
    });
    let sums = detected.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    assert_eq!(
        sums,
        (
            confirmation.proposal.in_time,
            confirmation.proposal.false_alarms
        )
    );
    for file in &files {
        assert_eq!(file.text.lines().count(), RULES.lines().count());
    }
}

#[test]
fn a_budget_buys_speed() {
    let strict = found(TuneParams::default(), 12).1;
    let generous = TuneParams {
        budget_per_week: Some(1e6),
        slack_ms: 0,
        ..TuneParams::default()
    };
    let generous = found(generous, 12).1;
    assert!(generous.proposal.allowed == generous.settings.len());
    let median = |tuning: &Tuning| tuning.proposal.figures.latency_ms.unwrap()[0].unwrap();
    assert!(median(&generous) <= median(&strict));
    assert!(generous.proposal.figures.false_alarms >= strict.proposal.figures.false_alarms);
    assert!(strict.front.len() > 1);
}

#[test]
fn the_same_drills_in_any_order_give_the_same_answer() {
    let tuner = tuner(&SEASON_GRID, TuneParams::default());
    let mut observed: Vec<_> = season(9)
        .iter()
        .map(|record| tuner.observe(record))
        .collect();
    let found = tuner.search(&observed).unwrap();
    assert_eq!(found, tuner.search(&observed).unwrap());
    observed.reverse();
    let again = tuner.search(&observed).unwrap();
    assert_eq!(
        (&found.settings, &found.proposal),
        (&again.settings, &again.proposal)
    );
}

#[test]
fn few_seeds_and_doubtful_drills_are_said() {
    let (_, tuning) = found(TuneParams::default(), 2);
    assert_eq!(tuning.confirmation, None);
    let tuner = tuner(&SEASON_GRID, TuneParams::default());
    let mut records = season(4);
    records[1].complete = false;
    let observed: Vec<_> = records.iter().map(|record| tuner.observe(record)).collect();
    let tuning = tuner.search(&observed).unwrap();
    assert_eq!(tuning.inconclusive.len(), 1);
    assert!(tuner.search(&[]).is_err());
    let quiet = drill(1, &[(60, 10, 0, true)], &[], &[]);
    assert_eq!(
        tuner
            .search(&[tuner.observe(&quiet)])
            .unwrap_err()
            .to_string(),
        "none of the drills has an incident that the varied alerts are expected to see"
    );
}

#[test]
fn a_proposal_that_does_not_hold_or_does_nothing_is_called_so() {
    let advice = |without_symptoms: &dyn Fn(u64) -> bool| {
        let tuner = tuner(&SEASON_GRID, TuneParams::default());
        let calm = [(46, 20, 0, true), (74, 20, 0, true)];
        let observed: Vec<_> = season(12)
            .into_iter()
            .map(|record| match record.header.seed {
                seed if without_symptoms(seed) => drill(seed, &calm, &[("slow-jobs", 46, 20)], &[]),
                _ => record,
            })
            .map(|record| tuner.observe(&record))
            .collect();
        let tuning = tuner.search(&observed).unwrap();
        let style = Style {
            colour: false,
            width: usize::MAX,
        };
        let text = render::terminal(&of_tuning(&tuning), style);
        let last = text.lines().last().map(str::to_owned);
        (tuning.advice(), last.unwrap())
    };
    assert_eq!(advice(&|_| false).0, Advice::Confirmed);
    let (worse, text) = advice(&|seed| seed % 3 == 2);
    assert_eq!(worse, Advice::Worse);
    assert!(
        text.starts_with("WORSE on held-out drills: fewer incidents"),
        "{text}"
    );
    let (useless, text) = advice(&|_| true);
    assert_eq!(useless, Advice::Useless);
    assert!(text.starts_with("NOT USEFUL"), "{text}");
}
