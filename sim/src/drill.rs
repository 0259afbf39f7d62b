//! One drill: plan → engine → detector → record. The one-way street.

use crate::clock::Time;
use crate::engine::Observation;
use crate::engine::live::{self, LiveError, LiveOptions};
use crate::plan::Plan;
use firedrill_detector::RuleSet;
use firedrill_reports::record::{BenignWindow, FORMAT, Header, Line, PlannedIncident, RuleText};
use firedrill_reports::{RecordWriter, Watcher};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// The rules a drill is judged by.
#[derive(Debug, Clone)]
pub struct Rules {
    /// The files as they were.
    pub texts: Vec<RuleText>,
    /// The same, loaded.
    pub set: RuleSet,
}

/// Why a drill has no complete record.
#[derive(Debug, thiserror::Error)]
pub enum DrillError {
    /// The engine could not run.
    #[error(transparent)]
    Live(#[from] LiveError),
    /// The run's directory or files could not be written.
    #[error("cannot write {path}: {source}")]
    Write {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// A finished drill.
#[derive(Debug)]
pub struct Finished {
    /// Its record.
    pub record: PathBuf,
    /// Whether it was stopped before its time.
    pub aborted: bool,
}

/// Name of the record inside a run's directory.
pub const RECORD_FILE: &str = "record.jsonl";

/// Runs one drill live and writes its record into `options.dir`, line by line as it happens.
///
/// # Errors
/// When the engine cannot run or the record cannot be written. What was recorded until then stays.
pub async fn run_live(
    plan: &Plan,
    rules: &Rules,
    options: &LiveOptions,
) -> Result<Finished, DrillError> {
    let started = Instant::now();
    let ledgers = options.dir.join("ledgers");
    let write = |path: &Path| {
        let path = path.to_path_buf();
        move |source| DrillError::Write { path, source }
    };
    fs::create_dir_all(&ledgers).map_err(write(&ledgers))?;
    let resolved = options.dir.join("scenario.resolved.yaml");
    fs::write(&resolved, plan.to_yaml()).map_err(write(&resolved))?;
    let record = options.dir.join(RECORD_FILE);
    let file = File::create_new(&record).map_err(write(&record))?;

    let header = header(plan, rules, options);
    let mut writer = RecordWriter::new(BufWriter::new(file), &header).map_err(write(&record))?;
    let mut watcher = Watcher::new(rules.set.clone(), &header);
    let live = LiveOptions {
        dir: ledgers,
        ..options.clone()
    };
    let ended = live::run(plan, &live, &mut |observation| {
        for line in take(&mut writer, &mut watcher, observation)? {
            writer.write(&line)?;
        }
        Ok(())
    })
    .await?;
    let lines = watcher.finish(ended.at_ms);
    let footer = Line::Footer {
        at_ms: ended.at_ms,
        real_seconds: started.elapsed().as_secs_f64(),
        aborted: ended.aborted.then(|| "stopped by signal".to_owned()),
    };
    for line in lines.iter().chain([&footer]) {
        writer.write(line).map_err(write(&record))?;
    }
    Ok(Finished {
        record,
        aborted: ended.aborted,
    })
}

/// Writes an observation; returns what the detector made of it.
fn take<W: io::Write>(
    writer: &mut RecordWriter<W>,
    watcher: &mut Watcher,
    observation: Observation,
) -> io::Result<Vec<Line>> {
    Ok(match observation {
        Observation::Series { id, labels } => {
            writer.series(id, &labels)?;
            watcher.series(id, labels);
            Vec::new()
        }
        Observation::Scrape {
            at_ms,
            target,
            values,
        } => {
            let lines = watcher.numbered(at_ms, &values);
            for line in &lines {
                writer.write(line)?;
            }
            writer.numbered(at_ms, &target, &values)?;
            Vec::new()
        }
        Observation::Mark(mark) => vec![Line::Mark(mark)],
        Observation::Ledger {
            audit,
            impacts,
            lag,
        } => impacts
            .into_iter()
            .map(Line::Impact)
            .chain([Line::Audit(audit), Line::Lag(lag)])
            .collect(),
    })
}

fn header(plan: &Plan, rules: &Rules, options: &LiveOptions) -> Header {
    let incidents = plan
        .incidents
        .iter()
        .enumerate()
        .map(|(index, incident)| PlannedIncident {
            id: u32::try_from(index).unwrap_or(u32::MAX),
            cause: incident.cause.clone(),
            wanted: incident.wanted,
            starts_ms: incident.at_ms,
            ends_ms: incident.until_ms,
            deadline_ms: incident.deadline_ms,
        });
    let benign = plan.benign.iter().map(|window| BenignWindow {
        what: window.what.clone(),
        starts_ms: window.at_ms,
        ends_ms: window.until_ms,
    });
    let environment = [
        ("os", std::env::consts::OS.to_owned()),
        ("arch", std::env::consts::ARCH.to_owned()),
        (
            "cpus",
            std::thread::available_parallelism()
                .map_or(0, usize::from)
                .to_string(),
        ),
        ("redis", options.redis.describe()),
    ];
    Header {
        format: FORMAT.to_owned(),
        tool_version: env!("CARGO_PKG_VERSION").to_owned(),
        scenario: plan.name.clone(),
        family: plan.family.clone(),
        summary: plan.summary.clone(),
        seed: plan.seed,
        engine: "live".to_owned(),
        speed: options.speed,
        epoch_ms: options.epoch.millis(),
        duration_ms: plan.duration_ms,
        warmup_ms: plan.warmup_ms,
        scrape_interval_ms: plan.scrape_interval_ms,
        evaluation_interval_ms: plan.evaluation_interval_ms,
        evaluation_phase_ms: plan.evaluation_phase_ms,
        rules: rules.texts.clone(),
        plan: plan.to_yaml(),
        incidents: incidents.collect(),
        benign: benign.collect(),
        environment: environment
            .map(|(key, value)| (key.to_owned(), value))
            .into_iter()
            .collect::<BTreeMap<_, _>>(),
    }
}

/// The virtual start of a live drill: a whole second of real time, so that Redis' own clock and the drill's agree.
#[must_use]
pub fn live_epoch(now: std::time::SystemTime) -> Time {
    let since = now
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    Time::from_millis(i64::try_from(since.as_secs()).unwrap_or(0) * 1_000)
}
