//! A search says of every setting what a replay under the edited rules says.

use crate::support::{RULES, Story, pack, record};
use firedrill_detector::{Compat, Holds, RuleFile, RuleSet, SettingValue, Settings, Trial};
use firedrill_reports::record::{
    BenignWindow, Impact, Line, PlannedIncident, Transition, Value, Wanted,
};
use firedrill_reports::render::{Style, tune as render};
use firedrill_reports::score::Summary;
use firedrill_reports::tune::{Advice, Axis, Figures, Grid, Scope, TuneParams, Tuner, Tuning};
use firedrill_reports::{Record, Replay, ScoreParams, Scorecard, Watcher, replay, score_drill};
use proptest::prelude::*;
use std::collections::BTreeMap;

const MINUTE_MS: i64 = 60_000;

/// What the workers do for some minutes: jobs per scrape that succeed and fail, or no workers at all.
type Part = (i64, u32, u32, bool);

/// A drill of these parts with these incidents: cause, start and length in minutes.
pub(crate) fn drill(
    seed: u64,
    parts: &[Part],
    incidents: &[(&str, i64, i64)],
    benign: &[(i64, i64)],
) -> Record {
    let mut record = record(Story::Quiet);
    let minutes: i64 = parts.iter().map(|part| part.0).sum();
    record.header.scenario = "paper".into();
    record.header.seed = seed;
    record.header.duration_ms = minutes * MINUTE_MS;
    record.header.benign = benign
        .iter()
        .map(|(start, length)| BenignWindow {
            what: "a burst".into(),
            starts_ms: start * MINUTE_MS,
            ends_ms: (start + length) * MINUTE_MS,
        })
        .collect();
    record.header.incidents = (0..)
        .zip(incidents)
        .map(|(id, (cause, start, length))| PlannedIncident {
            id,
            cause: (*cause).into(),
            wanted: Wanted::Page,
            starts_ms: start * MINUTE_MS,
            ends_ms: (start + length) * MINUTE_MS,
            deadline_ms: (start + 6) * MINUTE_MS,
        })
        .collect();
    record.lines.clear();
    for (id, (status, instance)) in
        (0..).zip([("success", "w-0"), ("failed", "w-0"), ("success", "w-1")])
    {
        let labels = [
            ("__name__", "job_processed_total"),
            ("status", status),
            ("instance", instance),
        ];
        let labels = labels.map(|(name, value)| (name.to_owned(), value.to_owned()));
        record.lines.push(Line::Series {
            id,
            labels: labels.into(),
        });
    }
    let (mut at_ms, mut there) = (1_000, true);
    let mut totals = [0.0; 3];
    for (length, succeed, fail, present) in parts {
        for _ in 0..length * 4 {
            totals[0] += f64::from(*succeed);
            totals[1] += f64::from(*fail);
            totals[2] += f64::from(*succeed) / 2.0;
            let value = |total: f64| {
                if *present {
                    total
                } else {
                    firedrill_detector::stale_marker()
                }
            };
            if *present || there {
                let values = (0..)
                    .zip(totals)
                    .map(|(id, total)| (id, Value(value(total))));
                record.lines.push(Line::Scrape {
                    at_ms,
                    target: "w".into(),
                    values: values.collect(),
                });
            }
            there = *present;
            at_ms += 15_000;
        }
    }
    for planned in &record.header.incidents {
        record.lines.push(Line::Impact(Impact {
            incident: planned.id,
            first_ms: Some(planned.starts_ms + 2 * MINUTE_MS),
            last_ms: Some(planned.ends_ms),
            harmed_tasks: 10,
        }));
    }
    record.lines.push(Line::Footer {
        at_ms: minutes * MINUTE_MS,
        real_seconds: 1.0,
        aborted: None,
    });
    record
}

fn settings() -> Settings {
    let file = RuleFile {
        name: "runbook.yml".into(),
        text: RULES.into(),
    };
    Settings::load(vec![file], Compat::default()).unwrap()
}

pub(crate) fn tuner(vary: &[&str], params: TuneParams) -> Tuner {
    let settings = settings();
    let axes = Axis::parse_all(&settings, vary, 15_000).unwrap();
    Tuner::new(settings, pack(), Grid::new(axes), params).unwrap()
}

fn load(files: &[RuleFile]) -> RuleSet {
    RuleSet::load(files, Compat::default()).unwrap()
}

/// The summary of a full replay; of one alert only, if one is named.
fn summary(record: &Record, files: &[RuleFile], alert: Option<&str>) -> Summary {
    let mut replayed = replay(record, &load(files));
    if let Some(alert) = alert {
        replayed
            .transitions
            .retain(|transition| transition.alert == alert);
    }
    let score = score_drill(record, &replayed, &pack(), &ScoreParams::default());
    Scorecard::new(vec![score]).summary
}

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
            "{} {:?} {:?} {:?} {:?}",
            t.at_ms, t.labels, t.from, t.to, t.value
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

fn state(state: firedrill_detector::AlertState) -> firedrill_reports::record::AlertState {
    use firedrill_reports::record::AlertState as Recorded;
    match state {
        firedrill_detector::AlertState::Inactive => Recorded::Inactive,
        firedrill_detector::AlertState::Pending => Recorded::Pending,
        firedrill_detector::AlertState::Firing => Recorded::Firing,
    }
}

/// Drills in which a share of the jobs fails: during incidents about half, on some quiet days one in twenty for a while.
pub(crate) fn season(count: u64) -> Vec<Record> {
    (0..count)
        .map(|seed| {
            let failing = 6 + (seed % 5) as u32;
            let burst = 4 + (seed % 3) as i64;
            let parts = [
                (20, 20, 0, true),
                (burst, 14, if seed % 4 == 0 { 4 } else { 0 }, true),
                (26 - burst, 20, 0, true),
                (20, 10, failing, true),
                (54, 20, 0, true),
            ];
            drill(seed, &parts, &[("slow-jobs", 46, 20)], &[])
        })
        .collect()
}

pub(crate) const SEASON_GRID: [&str; 2] = [
    "JobQueueBacklog.threshold=0.5..0.98/0.04",
    "JobQueueBacklog.for=0s..12m/1m",
];

pub(crate) fn found(params: TuneParams, drills: u64) -> (Tuner, Tuning) {
    let tuner = tuner(&SEASON_GRID, params);
    let observed: Vec<_> = season(drills)
        .iter()
        .map(|record| tuner.observe(record))
        .collect();
    let found = tuner.search(&observed).unwrap();
    (tuner, found)
}

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
fn axes_are_read_and_all_that_is_wrong_is_said() {
    let settings = settings();
    let values = |argument: &str| {
        let axes = Axis::parse_all(&settings, &[argument], 15_000).unwrap();
        let values = &axes[0].values;
        let text: Vec<String> = values.iter().map(ToString::to_string).collect();
        (
            text.len(),
            text[..2.min(text.len())].join(" "),
            text.last().unwrap().clone(),
        )
    };
    let shows = |count, first: &str, last: &str| (count, first.to_owned(), last.to_owned());
    assert_eq!(
        values("JobQueueBacklog.threshold=0.5..0.99"),
        shows(50, "0.5 0.51", "0.99")
    );
    assert_eq!(
        values("JobQueueBacklog.threshold=50%..99%/7%"),
        shows(8, "0.5 0.57", "0.99")
    );
    assert_eq!(
        values("JobQueueBacklog.threshold=0.95,0.8,0.95"),
        shows(2, "0.8 0.95", "0.95")
    );
    assert_eq!(
        values("JobQueueBacklog.for=1m..15m"),
        shows(15, "1m 2m", "15m")
    );
    assert_eq!(
        values("JobQueueBacklog.for=1m..15m/30s"),
        shows(29, "1m 1m30s", "15m")
    );
    assert_eq!(
        values("JobProcessingStalled.threshold2=0..1000"),
        shows(51, "0 20", "1000")
    );
    assert_eq!(
        values("job-queue/JobFailureRate.threshold=-1"),
        shows(1, "-1", "-1")
    );
    let wrong = Axis::parse_all(
        &settings,
        &[
            "JobQueueBacklog.treshold=0..1",
            "JobProcessingStalled.threshold=0..1",
            "Nothing.for=1m",
            "JobQueueBacklog.for",
            "JobQueueBacklog.for=1..5",
            "JobQueueBacklog.threshold=0.9..0.5",
            "JobQueueBacklog.threshold=0..1/0",
            "JobQueueBacklog.threshold=0..1/0.000000001",
            "JobFailureRate.for=1m",
            "JobFailureRate.for=2m",
        ],
        15_000,
    );
    let text: Vec<String> = wrong.unwrap_err().iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(text.join("\n"));
}

#[test]
fn a_grid_of_a_billion_is_refused_before_anything_runs() {
    let vary = [
        "JobQueueBacklog.threshold=0.5..0.99/0.0005",
        "JobQueueBacklog.for=1m..20m/1s",
        "JobQueueBacklog.keep_firing_for=0s..15m/1s",
    ];
    let axes = Axis::parse_all(&settings(), &vary, 15_000).unwrap();
    let refused = Grid::new(axes).check(800, firedrill_reports::tune::JUDGEMENTS_MAX);
    insta::assert_snapshot!(refused.unwrap_err().to_string());
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

#[test]
fn a_search_on_a_terminal() {
    let (_, tuning) = found(TuneParams::default(), 24);
    let style = Style {
        colour: false,
        width: 120,
    };
    insta::assert_snapshot!(render::terminal(&tuning, style));
    let coloured = Style {
        colour: true,
        ..style
    };
    assert!(render::terminal(&tuning, coloured).contains("\u{1b}[32m"));
}

#[test]
fn a_search_for_machines_says_the_same() {
    let (_, tuning) = found(TuneParams::default(), 24);
    let value: serde_json::Value = serde_json::from_str(&render::json(&tuning)).unwrap();
    assert_eq!(value["schema_version"], "1.0");
    assert_eq!(value["settings"].as_array().unwrap().len(), 13 * 13);
    let proposal = &value["proposal"];
    let at = proposal["setting"].as_u64().unwrap() as usize;
    assert_eq!(value["settings"][at]["values"], proposal["values"]);
    assert_eq!(
        value["settings"][at]["recall_at_deadline"],
        proposal["figures"]["recall_at_deadline"]
    );
    assert_eq!(value["axes"][1]["now"], 600.0);
    assert_eq!(value["held_out"]["drills"], 8);
}

#[test]
fn the_page_of_a_search_needs_nothing_from_elsewhere() {
    let (_, mut tuning) = found(TuneParams::default(), 24);
    tuning.alerts = vec!["<b>Evil</b>".into()];
    tuning.inconclusive = vec![("<i>".into(), 1, vec!["\"why\"".into()])];
    let page = render::html(&tuning);
    assert_eq!(page, render::html(&tuning));
    crate::render::assert_balanced(&page);
    assert_eq!(page.matches("<svg").count(), 3);
    assert!(!page.contains("http://") && !page.contains("https://") && !page.contains("<script"));
    assert!(!page.contains("<b>") && !page.contains("<i>"));
    assert!(!page.contains("cannot be drawn"));
}

#[test]
fn one_axis_and_three_axes_are_drawn_as_well() {
    for vary in [
        vec!["JobQueueBacklog.for=0s..12m/1m"],
        vec![
            "JobQueueBacklog.threshold=0.7,0.9",
            "JobQueueBacklog.for=0s..4m/1m",
            "JobFailureRate.threshold=0.2..0.4/0.1",
        ],
    ] {
        let tuner = tuner(&vary, TuneParams::default());
        let observed: Vec<_> = season(3)
            .iter()
            .map(|record| tuner.observe(record))
            .collect();
        let page = render::html(&tuner.search(&observed).unwrap());
        assert_eq!(page.matches("<svg").count(), 3, "{vary:?}");
        assert!(!page.contains("cannot be drawn"));
    }
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
            width: 120,
        };
        let text = render::terminal(&tuning, style);
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
