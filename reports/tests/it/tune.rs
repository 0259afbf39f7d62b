//! Threshold searches over drills on paper.

mod axes;
mod exact;
mod search;
mod shown;

use crate::support::{RULES, Story, pack, record};
use firedrill_detector::tuning::Settings;
use firedrill_detector::{Compat, RuleFile, RuleSet};
use firedrill_reports::pack::RulePack;
use firedrill_reports::record::{BenignWindow, Impact, Line, PlannedIncident, Value, Wanted};
use firedrill_reports::score::Summary;
use firedrill_reports::tune::{Axis, Grid, TuneParams, Tuner, Tuning};
use firedrill_reports::{Record, ScoreParams, Scorecard, Verdict, replay, score_drill};

const MINUTE_MS: i64 = 60_000;

/// What the workers do for some minutes: jobs per scrape that succeed and fail, or no workers at all.
type Part = (i64, u32, u32, bool);

/// A drill of these parts with these incidents: cause, start and length in minutes.
fn drill(
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
            step: None,
            queues: vec![],
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
                    firedrill_detector::sample::stale_marker()
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
            queues: Vec::new(),
            unmet: false,
        }));
    }
    record.lines.push(Line::Footer {
        at_ms: minutes * MINUTE_MS,
        real_seconds: 1.0,
        aborted: None,
        lines: None,
        checksum: None,
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

fn tuner(vary: &[&str], params: TuneParams) -> Tuner {
    let settings = settings();
    let axes = Axis::parse_all(&settings, vary, 15_000).unwrap();
    Tuner::new(settings, pack(), Grid::new(axes), params).unwrap()
}

fn load(files: &[RuleFile]) -> RuleSet {
    RuleSet::load(files, Compat::default()).unwrap()
}

/// The summary of a full replay; of one alert only, if one is named.
fn summary(record: &Record, files: &[RuleFile], alert: Option<&str>) -> Summary {
    summary_by(&pack(), record, files, alert)
}

/// The same, as a pack has it.
fn summary_by(
    pack: &RulePack,
    record: &Record,
    files: &[RuleFile],
    alert: Option<&str>,
) -> Summary {
    let mut replayed = replay(record, &load(files));
    if let Some(alert) = alert {
        replayed
            .transitions
            .retain(|transition| transition.alert == alert);
    }
    let mut score = score_drill(record, &replayed, pack, &ScoreParams::default());
    // What depends on the rules makes no drill inconclusive in a search: it counts as missed there.
    score
        .inconclusive
        .retain(|why| !why.contains("was pending already"));
    if score.inconclusive.is_empty() && score.verdict == Verdict::Inconclusive {
        score.verdict = Verdict::Failed;
    }
    Scorecard::new(vec![score]).summary
}

/// Drills in which a share of the jobs fails: during incidents about half, on some quiet days one in twenty for a while.
fn season(count: u64) -> Vec<Record> {
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

const SEASON_GRID: [&str; 2] = [
    "JobQueueBacklog.threshold=0.5..0.98/0.04",
    "JobQueueBacklog.for=0s..12m/1m",
];

fn found(params: TuneParams, drills: u64) -> (Tuner, Tuning) {
    let tuner = tuner(&SEASON_GRID, params);
    let observed: Vec<_> = season(drills)
        .iter()
        .map(|record| tuner.observe(record))
        .collect();
    let found = tuner.search(&observed).unwrap();
    (tuner, found)
}
