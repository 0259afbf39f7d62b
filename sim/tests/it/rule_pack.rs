//! What the rule pack `firedrill` promises: every incident is caught in time, and nobody is told in vain, whatever the world.

use crate::virtual_drills::{RECORDS, pack_of};
use firedrill_detector::{Compat, RuleFile, RuleSet};
use firedrill_reports::pack::RulePack;
use firedrill_reports::record::RuleText;
use firedrill_reports::score::judge::{Class, Outcome};
use firedrill_reports::{DrillScore, Record, ScoreParams, replay, score_drill, score_recorded};
use firedrill_sim::builtin;
use firedrill_sim::drill::{self, Rules};
use firedrill_sim::engine::virtual_time::VirtualOptions;
use firedrill_sim::plan::Plan;
use firedrill_sim::scenario::{PlanOptions, Scenario};
use firedrill_sim::world::{PRESETS, Preset, World};
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// A pack inside the binary, with what its comments say.
fn pack(name: &str) -> (Rules, RulePack) {
    let file = builtin::rules(name).unwrap();
    let text = RuleText {
        name: format!("{name}.yml"),
        text: file.text.to_owned(),
    };
    let loaded = RuleFile {
        name: text.name.clone(),
        text: text.text.clone(),
    };
    let rules = Rules {
        set: RuleSet::load(&[loaded], Compat::default()).unwrap(),
        texts: vec![text],
        reading: Default::default(),
        delivery: Default::default(),
        alertmanager: None,
    };
    let pack = pack_of(&rules);
    (rules, pack)
}

/// Every shipped scenario, seen by the pack.
pub(crate) static SCORES: LazyLock<BTreeMap<String, DrillScore>> = LazyLock::new(|| {
    let (rules, pack) = pack("firedrill");
    let score = |record: &[u8]| {
        let record = Record::read(record).unwrap();
        let seen = replay(&record, &rules.set);
        assert!(seen.errors.is_empty(), "{:?}", seen.errors);
        score_drill(&record, &seen, &pack, &ScoreParams::default())
    };
    RECORDS
        .iter()
        .map(|(name, record)| (name.clone(), score(record)))
        .collect()
});

/// What was not caught in time.
fn late(score: &DrillScore) -> Vec<String> {
    let late = score.incidents.iter().filter(|incident| {
        let in_time = matches!(incident.outcome, Outcome::Early | Outcome::OnTime);
        !in_time || incident.past_deadline
    });
    late.map(|incident| format!("{:?} {:?}", incident.outcome, incident.detection))
        .collect()
}

/// What somebody was told of in vain; tickets too, where `tickets`.
fn in_vain(score: &DrillScore, tickets: bool) -> Vec<String> {
    let wrong = score.episodes.iter().filter(|judged| {
        let is_wrong = matches!(
            judged.class,
            Class::Standing | Class::BenignFalse | Class::False | Class::Misattributed
        );
        is_wrong && (judged.page || tickets)
    });
    wrong
        .map(|judged| format!("{:?} {:?}", judged.class, judged.episode))
        .collect()
}

/// Drills about what the worlds tell in different ways: types of tasks, slots, restarts; and what is harmless about those.
const TELLING: [&str; 8] = [
    "minority-type-dead",
    "orphaned-active-unique-lock",
    "retry-hot-loop-swallowed",
    "slot-leak-gradual",
    "worker-crashloop-poison",
    "worker-oom-sawtooth",
    "benign-flaky-type",
    "benign-rolling-deploy",
];

#[test]
fn every_incident_is_caught_in_time() {
    for (name, score) in SCORES.iter() {
        assert_eq!(late(score), [""; 0], "{name}");
    }
}

#[test]
fn nobody_is_told_in_vain() {
    for (name, score) in SCORES.iter() {
        assert_eq!(in_vain(score, true), [""; 0], "{name}");
        assert_eq!(score.benign_trips, 0, "{name}");
    }
}

#[test]
fn each_variant_does_so_in_its_world() {
    let drills = |preset: Preset| {
        let world = World::parse(preset.name, preset.text).unwrap();
        let (rules, pack) = pack(&builtin::variant("firedrill", preset.name));
        for name in TELLING {
            let file = builtin::scenario(name).unwrap();
            let scenario = Scenario::parse(name, file.text).unwrap().seen_in(&world);
            let plan = Plan::resolve(&scenario, &PlanOptions::default()).unwrap();
            let record = drill::simulate(&plan, &rules, VirtualOptions::default(), false);
            let score = score_recorded(&record, &pack, &ScoreParams::default());
            let what = format!("{name} in {}", preset.name);
            assert_eq!(late(&score), [""; 0], "{what}");
            assert_eq!(in_vain(&score, true), [""; 0], "{what}");
            let wanted = usize::from(!name.starts_with("benign"));
            assert!(score.incidents.len() >= wanted, "{what}");
        }
    };
    std::thread::scope(|scope| {
        let running = PRESETS.map(|preset| scope.spawn(move || drills(preset)));
        for world in running {
            world.join().unwrap();
        }
    });
}
