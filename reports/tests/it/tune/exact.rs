//! A search says of every setting what a replay under the edited rules says.

use super::{drill, load, settings, summary, summary_by, tuner};
use crate::support::pack;
use firedrill_detector::tuning::{Holds, SettingValue, Settings, Trial};
use firedrill_detector::{Compat, RuleFile};
use firedrill_reports::alertmanager::Config;
use firedrill_reports::record::{Transition, Value};
use firedrill_reports::score::Summary;
use firedrill_reports::tune::{Axis, Figures, Grid, Scope, TuneParams, Tuner};
use firedrill_reports::{Record, Replay, ScoreParams, Scorecard, Watcher, replay, score_drill};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

fn assert_same(figures: &Figures, summary: &Summary) -> Result<(), TestCaseError> {
    prop_assert_eq!(figures.recall(), summary.recall_at_deadline);
    prop_assert_eq!(figures.detected_share(), summary.recall);
    prop_assert_eq!(figures.latency_ms, summary.latency_ms);
    prop_assert_eq!(figures.false_alarms, summary.false_pages);
    prop_assert_eq!(figures.exposure_ms, summary.exposure_ms);
    prop_assert_eq!(figures.false_per_week(), summary.false_pages_per_week());
    Ok(())
}

prop_compose! {
    fn drills()(
        parts in prop::collection::vec((2..25_i64, 0..20_u32, 0..20_u32, prop::bool::weighted(0.85)), 3..8),
        starts in prop::collection::vec((12..30_i64, 5..25_i64, 0..4_usize), 1..3),
        benign in prop::collection::vec((5..60_i64, 1..20_i64), 0..2),
    ) -> Record {
        let causes = ["slow-jobs", "retry-storm", "deadlock", "worker-crashed"];
        let incidents: Vec<(&str, i64, i64)> =
            starts.iter().map(|(start, length, cause)| (causes[*cause], *start, *length)).collect();
        // Long enough that no incident is cut short.
        let mut parts = parts;
        parts.push((60, 10, 0, true));
        drill(1, &parts, &incidents, &benign)
    }
}

/// Transitions as text, since a NaN value differs from itself.
fn shown(transitions: &[Transition], alert: &str) -> Vec<String> {
    let own = transitions
        .iter()
        .filter(|transition| transition.alert == alert);
    own.map(|t| {
        format!(
            "{} {:?} {:?} {:?} {:?} {} {}",
            t.at_ms, t.labels, t.from, t.to, t.value, t.data_gone, t.data_back
        )
    })
    .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_setting_equals_its_replay(record in drills(), which in 0..4_usize) {
        let (alert, vary): (&str, &[&str]) = [
            ("JobQueueBacklog", ["JobQueueBacklog.threshold=0.3,0.6,0.9", "JobQueueBacklog.for=0s,2m,10m"].as_slice()),
            ("JobFailureRateCritical", &["JobFailureRateCritical.threshold=25%,0.4", "JobFailureRateCritical.keep_firing_for=0s..5m/150s"]),
            ("JobProcessingStalled", &["JobProcessingStalled.threshold1=0,5", "JobProcessingStalled.threshold2=0,50", "JobProcessingStalled.for=1m,4m"]),
            ("JobFailureRate", &["JobFailureRate.for=0s..3m/45s"]),
        ][which];
        for scope in [Scope::Pack, Scope::Varied] {
            let tuner = tuner(vary, TuneParams { scope, ..TuneParams::default() });
            let observed = tuner.observe(&record);
            prop_assert!(observed.inconclusive.is_empty(), "{:?}", observed.inconclusive);
            let Ok(found) = tuner.search(&[observed]) else {
                // Only where no incident counts.
                prop_assert_eq!(scope, Scope::Varied);
                continue;
            };
            for (setting, figures) in found.settings.iter().enumerate() {
                let files = tuner.edited(&tuner.grid().values(setting)).unwrap();
                match scope {
                    Scope::Pack => assert_same(figures, &summary(&record, &files, None))?,
                    Scope::Varied => {
                        let mut record = record.clone();
                        let expected = |cause: &str| pack().role(cause, alert) == firedrill_reports::pack::Role::Expected;
                        let score = summary(&record, &files, Some(alert));
                        prop_assert_eq!(figures.false_alarms, score.false_pages);
                        prop_assert_eq!(figures.exposure_ms, score.exposure_ms);
                        // Incidents that the alert is not meant for have no part in the rest.
                        if record.header.incidents.iter().all(|incident| expected(&incident.cause)) {
                            assert_same(figures, &score)?;
                        } else {
                            record.header.incidents.retain(|incident| expected(&incident.cause));
                            let score = summary(&record, &files, Some(alert));
                            prop_assert_eq!(figures.incidents, score.recall.map_or(0, |share| share.of));
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn every_transition_equals_the_replays(record in drills(), threshold in 0..100_u32, for_steps in 0..60_i64, keep_steps in 0..30_i64) {
        let settings = settings();
        for (rule, alert) in settings.rules().alerts().enumerate() {
            let threshold = f64::from(threshold) / 100.0;
            let holds = Holds { for_ms: for_steps * 10_000, keep_firing_for_ms: keep_steps * 10_000 };
            let trial = Trial::new(settings.rules(), rule, &[vec![(0, threshold)]]).unwrap();
            let mut watcher = Watcher::trying(settings.rules().clone(), &record.header, &[trial]);
            for (at_ms, _, samples) in record.scrapes() {
                watcher.scrape(at_ms, &samples);
            }
            watcher.finish(record.end_ms());
            let tried = &watcher.into_tried()[0];
            let transitions: Vec<Transition> = tried.presence(0).unwrap().steps(holds).iter().map(|step| Transition {
                at_ms: step.at.0 - record.header.epoch_ms,
                group: tried.group().to_owned(),
                alert: tried.alert().to_owned(),
                labels: tried.instances()[step.instance].iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect(),
                from: state(step.from),
                to: state(step.to),
                value: step.value.map(Value),
                data_gone: step.data_gone,
                data_back: step.data_back,
            }).collect();
            let mut changed = settings.clone();
            for (key, value) in [
                (if alert.name == "JobProcessingStalled" { "threshold1" } else { "threshold" }, SettingValue::Number(threshold)),
                ("for", SettingValue::Milliseconds(holds.for_ms)),
                ("keep_firing_for", SettingValue::Milliseconds(holds.keep_firing_for_ms)),
            ] {
                let setting = changed.find(&format!("{}.{key}", alert.name)).unwrap().clone();
                changed = changed.change(&setting, value).unwrap();
            }
            let replayed: Replay = replay(&record, changed.rules());
            prop_assert_eq!(shown(&transitions, alert.name), shown(&replayed.transitions, alert.name));
        }
    }
}

/// Groups of several alerts, an inhibition rule, a receiver that does not page.
const ROUTES: &str = "
# firedrill: pages = phone
receivers: [{ name: phone, pagerduty_configs: [{}] }, { name: chat, slack_configs: [{}] }]
route:
  receiver: chat
  group_by: [severity]
  group_wait: 1m
  routes: [{ receiver: phone, matchers: ['severity=~\"page|critical\"'], group_interval: 2m }]
inhibit_rules: [{ source_matchers: [alertname=JobFailureRateCritical], target_matchers: [alertname=JobQueueBacklog] }]
";

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_setting_that_an_alertmanager_delivers_equals_its_replay(record in drills(), which in 0..2_usize) {
        let vary: &[&str] = [
            ["JobQueueBacklog.threshold=0.3,0.6,0.9", "JobFailureRateCritical.threshold=25%,0.4", "JobQueueBacklog.for=0s,2m"].as_slice(),
            &["JobFailureRateCritical.for=0s,3m", "JobProcessingStalled.for=1m,4m"],
        ][which];
        let config = Config::parse("am.yml", ROUTES).unwrap();
        let pack = pack().delivered_by(Arc::new(config));
        let settings = settings();
        let axes = Axis::parse_all(&settings, vary, 15_000).unwrap();
        let params = TuneParams { scope: Scope::Pack, ..TuneParams::default() };
        let tuner = Tuner::new(settings, pack.clone(), Grid::new(axes), params).unwrap();
        let found = tuner.search(&[tuner.observe(&record)]).unwrap();
        for (setting, figures) in found.settings.iter().enumerate() {
            let files = tuner.edited(&tuner.grid().values(setting)).unwrap();
            assert_same(figures, &summary_by(&pack, &record, &files, None))?;
        }
    }
}

fn state(state: firedrill_detector::AlertState) -> firedrill_reports::record::AlertState {
    use firedrill_reports::record::AlertState as Recorded;
    match state {
        firedrill_detector::AlertState::Inactive => Recorded::Inactive,
        firedrill_detector::AlertState::Pending => Recorded::Pending,
        firedrill_detector::AlertState::Firing => Recorded::Firing,
    }
}

/// Rules of one name make episodes together, in whatever group they are.
#[test]
fn two_rules_of_one_name_are_judged_together() {
    let text = "groups:\n- name: a\n  rules:\n  - { alert: Twin, expr: 'sum(rate(job_processed_total[5m])) < 0.3', labels: { severity: page } }\n\
                - name: b\n  interval: 30s\n  rules:\n  - { alert: Twin, expr: 'sum by (status) (rate(job_processed_total[5m])) < 0.02', for: 1m, labels: { severity: page } }\n";
    let file = RuleFile {
        name: "twins.yml".into(),
        text: text.into(),
    };
    let settings = Settings::load(vec![file], Compat::default()).unwrap();
    let axes = Axis::parse_all(
        &settings,
        &["a/Twin.threshold=0.1..1/0.1", "a/Twin.for=0s,90s"],
        15_000,
    )
    .unwrap();
    let pack = firedrill_reports::pack::RulePack::parse(&[], &["Twin".into()]).unwrap();
    let tuner = Tuner::new(
        settings,
        pack.clone(),
        Grid::new(axes),
        TuneParams::default(),
    )
    .unwrap();
    let parts = [
        (20, 10, 1, true),
        (3, 1, 1, true),
        (30, 8, 1, true),
        (8, 1, 1, true),
        (12, 1, 0, true),
        (50, 9, 2, true),
    ];
    let record = drill(3, &parts, &[("slow-jobs", 53, 20)], &[]);
    let found = tuner.search(&[tuner.observe(&record)]).unwrap();
    let mut distinct = BTreeMap::new();
    for (setting, figures) in found.settings.iter().enumerate() {
        let files = tuner.edited(&tuner.grid().values(setting)).unwrap();
        let replayed = replay(&record, &load(&files));
        let score = score_drill(&record, &replayed, &pack, &ScoreParams::default());
        let summary = Scorecard::new(vec![score]).summary;
        assert_same(figures, &summary).unwrap();
        distinct.insert((figures.false_alarms, figures.latency_ms), setting);
    }
    assert!(distinct.len() > 2, "{distinct:?}");
}
