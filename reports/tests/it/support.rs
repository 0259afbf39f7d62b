//! A drill on paper: the samples a Prometheus would have scraped, judged by real rules through the real detector.

use firedrill_detector::sample::stale_marker;
use firedrill_detector::{Compat, Labels, RuleFile, RuleSet};
use firedrill_reports::pack::RulePack;
use firedrill_reports::record::{
    Audit, BenignWindow, FORMAT, GROUP_INTERVAL_MS, GROUP_WAIT_MS, Header, Impact, Lag, Line, Mark,
    Phase, PlannedIncident, PlannedStep, RuleText, Wanted,
};
use firedrill_reports::{
    DrillScore, Record, RecordWriter, Replay, ScoreParams, Watcher, score_drill,
};
use std::collections::BTreeMap;

pub(crate) const RULES: &str = include_str!("../../../scenarios/rules/runbook.yml");

pub(crate) fn rules() -> RuleSet {
    let file = RuleFile {
        name: "runbook.yml".into(),
        text: RULES.into(),
    };
    RuleSet::load(&[file], Compat::default()).unwrap()
}

pub(crate) fn pack() -> RulePack {
    let alerts: Vec<String> = rules()
        .alerts()
        .map(|alert| alert.name.to_owned())
        .collect();
    RulePack::parse(
        &[RuleText {
            name: "runbook.yml".into(),
            text: RULES.into(),
        }],
        &alerts,
    )
    .unwrap()
}

/// What the workers' counters do from minute 30 on.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Story {
    /// Nothing special.
    Quiet,
    /// They vanish for 25 minutes.
    Crash,
    /// They stand still for 70 minutes.
    Hang,
    /// Nothing comes any more.
    Night,
}

fn crash() -> PlannedStep {
    PlannedStep {
        id: "crash".into(),
        fault: "worker.kill".into(),
        remedy: None,
        starts_ms: 1_800_000,
        ends_ms: None,
        targets: vec!["w-0".into()],
        is_remedy: false,
    }
}

fn header(story: Story, minutes: i64) -> Header {
    let (scenario, family) = match story {
        Story::Quiet => ("healthy", "benign"),
        Story::Crash => ("worker-crash-all", "worker-crashed"),
        Story::Hang => ("deadlock-all-slots", "deadlock"),
        Story::Night => ("benign-night-zero-traffic", "benign"),
    };
    let incident = |ends: i64| PlannedIncident {
        id: 0,
        cause: family.into(),
        wanted: Wanted::Page,
        starts_ms: 1_800_000,
        ends_ms: ends * 60_000,
        deadline_ms: 1_800_000 + 180_000,
        step: Some("crash".into()),
        queues: vec![],
    };
    let window = |starts_ms| BenignWindow {
        what: "<nothing> & all".into(),
        starts_ms,
        ends_ms: minutes * 60_000,
    };
    Header {
        format: FORMAT.into(),
        tool_version: "0.1.0".into(),
        scenario: scenario.into(),
        family: family.into(),
        summary: "On paper.".into(),
        seed: 7,
        engine: "live".into(),
        speed: 60.0,
        epoch_ms: 1_900_000_000_000,
        began_ms: None,
        rehearsal: None,
        duration_ms: minutes * 60_000,
        warmup_ms: 600_000,
        scrape_interval_ms: 15_000,
        evaluation_interval_ms: 15_000,
        evaluation_phase_ms: 3_000,
        group_wait_ms: GROUP_WAIT_MS,
        group_interval_ms: GROUP_INTERVAL_MS,
        alertmanager: None,
        steps: match story {
            Story::Crash | Story::Hang => vec![crash()],
            _ => Vec::new(),
        },
        reading: Default::default(),
        rules: vec![RuleText {
            name: "runbook.yml".into(),
            text: RULES.into(),
        }],
        plan: "name: paper\n".into(),
        incidents: match story {
            Story::Crash => vec![incident(55)],
            Story::Hang => vec![incident(100)],
            _ => Vec::new(),
        },
        benign: match story {
            Story::Quiet => vec![window(0)],
            Story::Night => vec![window(1_800_000)],
            _ => Vec::new(),
        },
        gates: Vec::new(),
        environment: BTreeMap::from([("redis".to_owned(), "redis-server".to_owned())]),
    }
}

/// The file such a drill leaves.
pub(crate) fn file(story: Story) -> Vec<u8> {
    let minutes = if story == Story::Quiet { 40 } else { 110 };
    let header = header(story, minutes);
    let mut watcher = Watcher::new(rules(), &header);
    let mut writer = RecordWriter::new(Vec::new(), &header).unwrap();
    let counter = Labels::metric(
        "job_processed_total",
        [("status", "success"), ("instance", "w-0")],
    );
    let pending = Labels::metric(
        "asynq_tasks_enqueued_total",
        [("queue", "default"), ("state", "pending")],
    );
    let (mut total, mut waiting, mut gone) = (0.0, 0.0, false);
    for step in 0..minutes * 4 {
        let minute = step as f64 / 4.0;
        let hurt = match story {
            Story::Quiet => false,
            Story::Crash => (30.0..55.0).contains(&minute),
            Story::Hang => (30.0..100.0).contains(&minute),
            Story::Night => minute >= 30.0,
        };
        let vanished = hurt && story == Story::Crash;
        total += if hurt { 0.0 } else { 150.0 };
        waiting = if hurt && story != Story::Night {
            waiting + 150.0
        } else {
            0.0
        };
        let mut samples = vec![(pending.clone(), waiting)];
        match (vanished, gone) {
            (false, _) => samples.push((counter.clone(), total)),
            (true, false) => samples.push((counter.clone(), stale_marker())),
            (true, true) => {}
        }
        gone = vanished;
        let at_ms = step * 15_000 + 1_000;
        for line in watcher.scrape(at_ms, &samples) {
            writer.write(&line).unwrap();
        }
        writer.scrape(at_ms, "worker/w-0", &samples).unwrap();
    }
    let end_ms = minutes * 60_000;
    let mut lines = watcher.finish(end_ms);
    if !header.incidents.is_empty() {
        lines.push(Line::Mark(Mark {
            step: Some("crash".into()),
            phase: Some(Phase::Begin),
            planned_ms: 1_800_000,
            at_ms: 1_800_100,
            what: "worker.kill".into(),
            targets: vec!["w-0".into()],
            verified: true,
            saw: "SIGKILL".into(),
        }));
        let last_ms = Some(header.incidents[0].ends_ms + 120_000);
        lines.push(Line::Impact(Impact {
            incident: 0,
            first_ms: Some(1_860_000),
            last_ms,
            harmed_tasks: 15_000,
            queues: Vec::new(),
            unmet: false,
        }));
    }
    let audit = Audit {
        intended: 15_400,
        enqueued: 400,
        rejected: 15_000,
        succeeded: 400,
        executed_twice: 4,
        ..Audit::default()
    };
    lines.extend([Line::Audit(audit), Line::Lag(Lag::default())]);
    lines.push(Line::Footer {
        at_ms: end_ms,
        real_seconds: 1.5,
        aborted: None,
        lines: None,
        checksum: None,
    });
    lines.iter().for_each(|line| writer.write(line).unwrap());
    writer.into_inner()
}

/// The text of a record that somebody has edited, with its count of lines made right, and without its checksum.
pub(crate) fn counted(text: &str) -> String {
    let count = text.lines().count();
    let is_end = |line: &&str| line.contains("\"kind\":\"footer\"");
    let counted = text.lines().map(|line| {
        let end = Some(line)
            .filter(is_end)
            .and_then(|line| line.rfind(",\"lines\":"));
        end.map_or(line.to_owned(), |end| {
            format!("{},\"lines\":{count}}}", &line[..end])
        })
    });
    counted.collect::<Vec<_>>().join("\n") + "\n"
}

pub(crate) fn record(story: Story) -> Record {
    Record::read(&file(story)[..]).unwrap()
}

pub(crate) fn scored(record: &Record) -> (Replay, DrillScore) {
    let replay = Replay::recorded(record);
    let score = score_drill(record, &replay, &pack(), &ScoreParams::default());
    (replay, score)
}
