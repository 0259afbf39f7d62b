//! What `rules/firedrill.yml` promises: every incident is caught in time, and nobody is paged in vain.

use crate::support::project;
use crate::virtual_drills::RECORDS;
use firedrill_detector::{Compat, RuleFile, RuleSet};
use firedrill_reports::pack::RulePack;
use firedrill_reports::record::RuleText;
use firedrill_reports::score::judge::{Class, Outcome};
use firedrill_reports::{DrillScore, Record, ScoreParams, replay, score_drill};
use std::collections::BTreeMap;
use std::fs;
use std::sync::LazyLock;

/// Every shipped scenario, seen by the pack.
pub(crate) static SCORES: LazyLock<BTreeMap<String, DrillScore>> = LazyLock::new(|| {
    let text = RuleText {
        name: "firedrill.yml".into(),
        text: fs::read_to_string(project("scenarios/rules/firedrill.yml")).unwrap(),
    };
    let file = RuleFile {
        name: text.name.clone(),
        text: text.text.clone(),
    };
    let rules = RuleSet::load(&[file], Compat::default()).unwrap();
    let alerts: Vec<String> = rules.alerts().map(|alert| alert.name.to_owned()).collect();
    let pack = RulePack::parse(&[text], &alerts).unwrap();
    let score = |record: &[u8]| {
        let record = Record::read(record).unwrap();
        let seen = replay(&record, &rules);
        assert!(seen.errors.is_empty(), "{:?}", seen.errors);
        score_drill(&record, &seen, &pack, &ScoreParams::default())
    };
    RECORDS
        .iter()
        .map(|(name, record)| (name.clone(), score(record)))
        .collect()
});

#[test]
fn every_incident_is_caught_in_time() {
    let mut late = Vec::new();
    for (name, score) in SCORES.iter() {
        for incident in &score.incidents {
            let in_time = matches!(incident.outcome, Outcome::Early | Outcome::OnTime);
            if !in_time || incident.past_deadline {
                late.push(format!(
                    "{name}: {:?} {:?}",
                    incident.outcome, incident.detection
                ));
            }
        }
    }
    assert!(late.is_empty(), "{late:#?}");
}

#[test]
fn nobody_is_paged_in_vain() {
    let mut wrong = Vec::new();
    for (name, score) in SCORES.iter() {
        for judged in score.episodes.iter().filter(|judged| judged.page) {
            if matches!(
                judged.class,
                Class::Standing | Class::BenignFalse | Class::False | Class::Misattributed
            ) {
                wrong.push(format!("{name}: {:?} {:?}", judged.class, judged.episode));
            }
        }
        assert_eq!(score.benign_trips, 0, "{name}");
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
