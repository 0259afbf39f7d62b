//! Every shipped scenario in virtual time: its record is pinned to the byte, and its scorecard is the story we tell.
//!
//! `UPDATE_PINS=1 cargo test -p firedrill-sim --test it virtual_drills` renews `pins.txt` after a change that is meant to move
//! records. A difference nobody meant is a broken promise: the same plan and seed leave the same bytes, on every machine.

use crate::support::{plan_of, project};
use firedrill_detector::{Compat, RuleFile, RuleSet};
use firedrill_reports::document::of_scorecard;
use firedrill_reports::pack::RulePack;
use firedrill_reports::record::RuleText;
use firedrill_reports::render::{Style, terminal};
use firedrill_reports::{Record, RecordWriter, ScoreParams, Scorecard, score_recorded};
use firedrill_sim::builtin;
use firedrill_sim::drill::{self, Rules};
use firedrill_sim::engine::virtual_time::VirtualOptions;
use firedrill_sim::plan::Plan;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

/// Names of the shipped scenarios with their texts.
fn scenarios() -> BTreeMap<String, String> {
    let all = builtin::scenarios().into_iter();
    all.map(|file| (file.name.to_owned(), file.text.to_owned()))
        .collect()
}

/// The runbook's rules, under a name that does not depend on the machine.
pub(crate) fn runbook() -> Rules {
    let text = RuleText {
        name: "runbook.yml".into(),
        text: fs::read_to_string(project("scenarios/rules/runbook.yml")).unwrap(),
    };
    let file = RuleFile {
        name: text.name.clone(),
        text: text.text.clone(),
    };
    Rules {
        reading: Default::default(),
        set: RuleSet::load(&[file], Compat::default()).unwrap(),
        texts: vec![text],
        delivery: Default::default(),
        alertmanager: None,
    }
}

/// What is said of rules in their files.
pub(crate) fn pack_of(rules: &Rules) -> RulePack {
    let alerts = rules.set.alerts().map(|alert| alert.name.to_owned());
    let alerts: Vec<String> = alerts.collect();
    RulePack::parse(&rules.texts, &alerts).unwrap()
}

/// The bytes of the record of a virtual drill.
fn recorded(plan: &Plan, rules: &Rules) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let options = VirtualOptions::default();
    let finished = drill::run_virtual(plan, rules, options, dir.path()).unwrap();
    assert!(!finished.aborted);
    fs::read(finished.record).unwrap()
}

/// One record per shipped scenario, made once for all tests.
pub(crate) static RECORDS: LazyLock<BTreeMap<String, Vec<u8>>> = LazyLock::new(|| {
    let rules = &runbook();
    std::thread::scope(|scope| {
        let drills: Vec<_> = scenarios()
            .into_iter()
            .map(|(name, text)| (name, scope.spawn(move || recorded(&plan_of(&text), rules))))
            .collect();
        let ended = drills.into_iter();
        ended
            .map(|(name, drill)| (name, drill.join().unwrap()))
            .collect()
    })
});

/// 64-bit FNV-1a of all but the header's `tool_version`, which changes when nothing else does.
fn fingerprint(record: &[u8]) -> String {
    let version = format!("\"tool_version\":\"{}\"", env!("CARGO_PKG_VERSION"));
    let at = record
        .windows(version.len())
        .position(|window| window == version.as_bytes())
        .unwrap();
    let rest = record[..at].iter().chain(&record[at + version.len()..]);
    let hash = rest.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x} {:>8} bytes", record.len() - version.len())
}

#[test]
fn records_are_pinned() {
    let pins: String = RECORDS
        .iter()
        .map(|(name, record)| format!("{} {name}\n", fingerprint(record)))
        .collect();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/pins.txt");
    if std::env::var_os("UPDATE_PINS").is_some() {
        fs::write(&path, &pins).unwrap();
    }
    let pinned = fs::read_to_string(&path).unwrap();
    assert_eq!(
        pins, pinned,
        "records have changed; if they were meant to: UPDATE_PINS=1 cargo test -p firedrill-sim --test it virtual_drills"
    );
}

#[test]
fn the_same_drill_leaves_the_same_bytes() {
    let (rules, texts) = (runbook(), scenarios());
    for name in ["deadlock-all-slots", "redis-outage"] {
        let again = recorded(&plan_of(&texts[name]), &rules);
        assert!(again == RECORDS[name], "{name}: a second run differs");
    }
}

#[test]
fn other_seeds_are_other_drills() {
    let (rules, text) = (runbook(), &scenarios()["healthy"]);
    let mut plan = plan_of(text);
    plan.duration_ms = 300_000;
    let fingerprints: Vec<String> = (0..4)
        .map(|seed| {
            plan.seed = seed;
            fingerprint(&recorded(&plan, &rules))
        })
        .collect();
    for (index, one) in fingerprints.iter().enumerate() {
        assert!(!fingerprints[..index].contains(one), "seed {index}");
    }
}

/// What is kept in memory is what would have been written.
#[test]
fn a_simulated_record_is_the_written_one() {
    let plan = plan_of(&scenarios()["worker-crash-all"]);
    let simulated = drill::simulate(&plan, &runbook(), VirtualOptions::default(), true);
    let mut writer = RecordWriter::new(Vec::new(), &simulated.header).unwrap();
    for line in &simulated.lines {
        writer.write(line).unwrap();
    }
    assert!(writer.into_inner() == RECORDS["worker-crash-all"]);
}

/// What the README tells: `JobProcessingStalled` misses the crash, sees the deadlock after a quarter of an hour, lets go
/// of it after an hour, and cries wolf at night.
#[test]
fn the_runbooks_scorecard() {
    let pack = pack_of(&runbook());
    let scores = RECORDS.values().map(|record| {
        let record = Record::read(&**record).unwrap();
        assert!(record.complete);
        score_recorded(&record, &pack, &ScoreParams::default())
    });
    let card = Scorecard::new(scores.collect());
    let style = Style {
        colour: false,
        width: 140,
    };
    insta::assert_snapshot!(terminal(&of_scorecard(&card, &[]), style));
}
