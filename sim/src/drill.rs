//! One drill: plan → engine → detector → record. The one-way street.

mod events;
mod header;

pub(crate) use events::Instances;
pub use events::{Event, What};

use crate::audit::Audited;
use crate::engine::live::{self, HARNESS, LiveError, LiveOptions};
use crate::engine::virtual_time::{self, VirtualOptions};
use crate::engine::{Ended, Observation};
use crate::plan::Plan;
use crate::redis_server::RedisServerError;
use crate::rehearsal::Rails;
use events::Events;
use firedrill_asynq::clock::Time;
use firedrill_detector::RuleSet;
use firedrill_reports::record::{
    Action, Deed, Header, Heard, Interference, Lag, Line, Meddling, RuleReading, RuleText, Value,
};
use firedrill_reports::score::Delivery;
use firedrill_reports::{Annotations, Record, RecordWriter, Watcher};
use header::{EngineFacts, header};
use std::fs::{self, File};
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// The rules a drill is judged by.
#[derive(Debug, Clone)]
pub struct Rules {
    /// The files as they were.
    pub texts: Vec<RuleText>,
    /// How they were read.
    pub reading: RuleReading,
    /// The same, loaded.
    pub set: RuleSet,
    /// How what fires is delivered.
    pub delivery: Delivery,
    /// An Alertmanager file that says it instead, as records have it ([`Config::reduced`]).
    ///
    /// [`Config::reduced`]: firedrill_reports::alertmanager::Config::reduced
    pub alertmanager: Option<RuleText>,
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
    /// The record could not be written on, as when the disk is full.
    #[error("cannot write {path}: {source}; the drill was stopped, and its record is incomplete")]
    Cut {
        /// The record, or what it is made from.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Something of the drill is still there, however else it ended.
    #[error("{left}")]
    NotCleaned {
        /// What, and what to do about it.
        left: RedisServerError,
        /// What else went wrong.
        also: Option<Box<Self>>,
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

/// What is seen of a live drill while it runs, whole: for whoever shows more of it than [`Event`]s.
#[derive(Debug, Clone, Copy)]
pub enum Seen<'s> {
    /// By the engine.
    Observation(&'s Observation),
    /// In what is written of it, such as marks and what rules make of scrapes.
    Line(&'s Line),
}

/// Name of the record inside a run's directory.
pub const RECORD_FILE: &str = "record.jsonl";

/// Runs one drill live and writes its record into `options.dir`, line by line as it happens; `tell` hears of what a person
/// would want to know by then.
///
/// # Errors
/// When the engine cannot run or the record cannot be written. What was recorded until then stays.
pub async fn run_live(
    plan: &Plan,
    rules: &Rules,
    options: &LiveOptions,
    tell: &mut (dyn FnMut(Event) + Send),
) -> Result<Finished, DrillError> {
    run_live_watched(plan, rules, options, tell, &mut |_| {}).await
}

/// The same, with somebody who looks at all that is seen as well.
///
/// # Errors
/// As [`run_live`].
pub async fn run_live_watched(
    plan: &Plan,
    rules: &Rules,
    options: &LiveOptions,
    tell: &mut (dyn FnMut(Event) + Send),
    watch: &mut (dyn FnMut(Seen<'_>) + Send),
) -> Result<Finished, DrillError> {
    let started = Instant::now();
    let ledgers = options.dir.join("ledgers");
    fs::create_dir_all(&ledgers).map_err(cannot_write(&ledgers))?;
    let header = header(plan, Some(rules), &EngineFacts::live(plan, options));
    let mut recording = Recording::create(&options.dir, plan.duration_ms, rules, &header)?;
    recording.told = Some(Told {
        events: Events::new(plan),
        tell,
        watch,
    });
    match options.rehearsal.as_ref().is_some_and(|of| of.terms.blind) {
        true => recording.kept_back = Some(plan.to_yaml()),
        false => write_resolved(&options.dir, &plan.to_yaml())?,
    }
    recording.rails = options
        .rehearsal
        .as_ref()
        .map(|rehearsal| Rails::new(plan, &header, &rehearsal.abort_when));
    let live = LiveOptions {
        dir: ledgers,
        ..options.clone()
    };
    let record = recording.path.clone();
    let ran = live::run(plan, &live, &mut |observation| recording.take(observation)).await;
    let finished = match ran.ended {
        Ok(ended) => recording.finished(&ended, started.elapsed().as_secs_f64()),
        Err(LiveError::Sink(source)) => Err(was_cut(&record)(source)),
        Err(LiveError::Ledger(source)) => Err(was_cut(Path::new("the producer's ledger"))(source)),
        Err(error) => Err(error.into()),
    };
    match ran.left {
        None => finished,
        Some(left) => Err(DrillError::NotCleaned {
            left,
            also: finished.err().map(Box::new),
        }),
    }
}

/// Runs one drill on the virtual engine and writes its record into `dir`: the same bytes for the same plan and rules.
///
/// # Errors
/// When the record cannot be written.
pub fn run_virtual(
    plan: &Plan,
    rules: &Rules,
    options: VirtualOptions<'_>,
    dir: &Path,
) -> Result<Finished, DrillError> {
    fs::create_dir_all(dir).map_err(cannot_write(dir))?;
    let header = virtual_header(plan, Some(rules));
    let mut recording = Recording::create(dir, plan.duration_ms, rules, &header)?;
    write_resolved(dir, &plan.to_yaml())?;
    let record = recording.path.clone();
    let ended = virtual_time::run(plan, options, &mut |observation| {
        recording.take(observation)
    });
    let (ended, _) = ended.map_err(was_cut(&record))?;
    recording.finished(&ended, 0.0)
}

/// Runs one drill on the virtual engine and keeps its record in memory; `samples`: whether the scrapes are part of it.
/// Without them it can be scored, but not judged by other rules.
#[must_use]
pub fn simulate(plan: &Plan, rules: &Rules, options: VirtualOptions<'_>, samples: bool) -> Record {
    simulate_watched(plan, rules, options, samples, &mut |_| {})
}

/// The same, with somebody who looks at what is observed as well.
#[must_use]
pub fn simulate_watched(
    plan: &Plan,
    rules: &Rules,
    options: VirtualOptions<'_>,
    samples: bool,
    watch: &mut dyn FnMut(&Observation),
) -> Record {
    let header = virtual_header(plan, Some(rules));
    let mut watcher = Watcher::new(rules.set.clone(), &header);
    let mut lines = Vec::new();
    let ended = virtual_time::run(plan, options, &mut |observation| {
        watch(&observation);
        match observation {
            Observation::Series { id, labels } => {
                if samples {
                    let pairs = labels.iter().map(|(n, v)| (n.to_owned(), v.to_owned()));
                    lines.push(Line::Series {
                        id,
                        labels: pairs.collect(),
                    });
                }
                watcher.series(id, &labels);
            }
            Observation::Scrape {
                at_ms,
                target,
                values,
            } => {
                lines.extend(watcher.numbered(at_ms, &values));
                if samples {
                    let values = values.into_iter().map(|(id, value)| (id, Value(value)));
                    lines.push(Line::Scrape {
                        at_ms,
                        target,
                        values: values.collect(),
                    });
                }
            }
            Observation::Mark(mark) => lines.push(Line::Mark(mark)),
            Observation::Action(action) => lines.push(Line::Action(action)),
            Observation::Interference(found) => lines.push(Line::Interference(found)),
            Observation::Heard(heard) => lines.push(Line::Heard(heard)),
            Observation::Ledger { audited, lag } => lines.extend(ledger_lines(*audited, lag)),
        }
        Ok(())
    });
    let (ended, _) = ended.expect("the sink never fails");
    lines.extend(watcher.finish(ended.at_ms));
    lines.push(footer(&ended, None, 0.0));
    Record {
        header,
        lines,
        complete: true,
    }
}

/// The header of a plan's virtual record under these rules, or without any: what a [`Watcher`] needs to know of the drill.
#[must_use]
pub fn virtual_header(plan: &Plan, rules: Option<&Rules>) -> Header {
    header(plan, rules, &EngineFacts::virtual_time(plan))
}

/// A record being written, with the detector that watches it.
struct Recording<'t> {
    path: PathBuf,
    duration_ms: i64,
    writer: RecordWriter<BufWriter<File>>,
    watcher: Watcher,
    /// Who hears of what happens.
    told: Option<Told<'t>>,
    /// Whether it may begin to break something, and must end, where it is a rehearsal.
    rails: Option<Rails>,
    /// The plan as text, where nobody is to read it before the end.
    kept_back: Option<String>,
    /// Why it is stopped, where somebody has said so.
    stopped: Option<String>,
}

/// Who hears of what happens.
struct Told<'t> {
    events: Events,
    tell: &'t mut (dyn FnMut(Event) + Send),
    watch: &'t mut (dyn FnMut(Seen<'_>) + Send),
}

impl Recording<'_> {
    /// Begins the record of a drill in its own directory.
    fn create(
        dir: &Path,
        duration_ms: i64,
        rules: &Rules,
        header: &Header,
    ) -> Result<Self, DrillError> {
        let path = dir.join(RECORD_FILE);
        let file = File::create_new(&path).map_err(cannot_write(&path))?;
        Ok(Self {
            writer: RecordWriter::new(BufWriter::new(file), header).map_err(cannot_write(&path))?,
            watcher: Watcher::new(rules.set.clone(), header),
            duration_ms,
            path,
            told: None,
            rails: None,
            kept_back: None,
            stopped: None,
        })
    }

    /// Writes an observation, and what the detector makes of it.
    fn take(&mut self, observation: Observation) -> io::Result<()> {
        if let Some(told) = &mut self.told {
            (told.watch)(Seen::Observation(&observation));
            let events = told.events.seen(&observation);
            events.into_iter().for_each(&mut *told.tell);
        }
        match observation {
            Observation::Series { id, labels } => {
                self.writer.series(id, &labels)?;
                if let Some(rails) = &mut self.rails {
                    rails.series(id, &labels);
                }
                self.watcher.series(id, &labels);
            }
            Observation::Scrape {
                at_ms,
                target,
                values,
            } => {
                // One that began as the drill ended is no part of it.
                if at_ms > self.duration_ms {
                    return Ok(());
                }
                let lines = self.watcher.annotated(at_ms, &values);
                self.write_annotated(lines)?;
                self.writer.numbered(at_ms, &target, &values)?;
                if let (Some(rails), Some(told)) = (&mut self.rails, &mut self.told) {
                    let found = rails.scraped(at_ms, &values).into_iter();
                    found.for_each(|found| {
                        let what = What::Rail(found);
                        (told.tell)(Event { at_ms, what });
                    });
                }
            }
            Observation::Mark(mark) => self.write([Line::Mark(mark)])?,
            Observation::Action(action) => {
                if action.what == Deed::Stopped {
                    self.stopped.get_or_insert_with(|| action.text.clone());
                }
                self.write([Line::Action(action)])?;
            }
            Observation::Interference(found) => self.write([match self.rails {
                Some(_) => seen(found),
                None => Line::Interference(found),
            }])?,
            Observation::Heard(heard) => {
                if let (Some(rails), Heard::Told(told)) = (&mut self.rails, &heard) {
                    rails.heard(told);
                }
                self.write([Line::Heard(heard)])?;
            }
            Observation::Ledger { audited, lag } => self.write(ledger_lines(*audited, lag))?,
        }
        Ok(())
    }

    fn write(&mut self, lines: impl IntoIterator<Item = Line>) -> io::Result<()> {
        let lines = lines.into_iter().map(|line| (line, Annotations::new()));
        self.write_annotated(lines)
    }

    /// The same, of transitions with what their alerts say, which is told and not written.
    fn write_annotated(
        &mut self,
        lines: impl IntoIterator<Item = (Line, Annotations)>,
    ) -> io::Result<()> {
        lines.into_iter().try_for_each(|(line, annotations)| {
            if let Some(told) = &mut self.told {
                (told.watch)(Seen::Line(&line));
                let event = told.events.recorded(&line, &annotations);
                event.into_iter().for_each(&mut *told.tell);
            }
            if let (Some(rails), Line::Transition(transition)) = (&mut self.rails, &line) {
                rails.transition(transition);
            }
            self.writer.write(&line)
        })
    }

    fn finished(mut self, ended: &Ended, real_seconds: f64) -> Result<Finished, DrillError> {
        let record = self.path.clone();
        if let (Some(text), Some(dir)) = (self.kept_back.take(), record.parent()) {
            write_resolved(dir, &text)?;
        }
        self.finish(ended, real_seconds).map_err(was_cut(&record))?;
        Ok(Finished {
            record,
            aborted: ended.aborted,
        })
    }

    fn finish(mut self, ended: &Ended, real_seconds: f64) -> io::Result<()> {
        let lines = self.watcher.finish(ended.at_ms);
        self.write(lines)?;
        let why = self.stopped.take();
        self.write([footer(ended, why, real_seconds)])
    }
}

/// What no step of the plan did, in a rehearsal: somebody's hand, unless it is about the harness or its evidence, or something did not
/// answer, which may be the machine.
fn seen(found: Interference) -> Line {
    let is_ours =
        found.subject == HARNESS || matches!(found.what, Meddling::Ledger | Meddling::Unreachable);
    match is_ours {
        true => Line::Interference(found),
        false => Line::Action(Action {
            at_ms: found.at_ms,
            what: Deed::Seen,
            subject: found.subject,
            text: found.saw,
            step: None,
        }),
    }
}

/// Writes the plan beside its record, for people.
fn write_resolved(dir: &Path, text: &str) -> Result<(), DrillError> {
    let path = dir.join("scenario.resolved.yaml");
    fs::write(&path, text).map_err(cannot_write(&path))
}

fn cannot_write(path: &Path) -> impl FnOnce(io::Error) -> DrillError + use<> {
    let path = path.to_path_buf();
    move |source| DrillError::Write { path, source }
}

fn was_cut(path: &Path) -> impl FnOnce(io::Error) -> DrillError + use<> {
    let path = path.to_path_buf();
    move |source| DrillError::Cut { path, source }
}

fn ledger_lines(audited: Audited, lag: Lag) -> impl Iterator<Item = Line> {
    let impacts = audited.impacts.into_iter().map(Line::Impact);
    let waits = audited.waits.into_iter().map(Line::Waits);
    impacts
        .chain([Line::Audit(audited.audit)])
        .chain(waits)
        .chain([Line::Lag(lag)])
}

/// The last line of a record. `why`: what was said when it was stopped; otherwise it was by a signal.
fn footer(ended: &Ended, why: Option<String>, real_seconds: f64) -> Line {
    let stopped = |why| match why {
        Some(why) => format!("stopped: {why}"),
        None => "stopped by a signal".to_owned(),
    };
    Line::Footer {
        at_ms: ended.at_ms,
        real_seconds,
        aborted: ended.aborted.then(|| stopped(why)),
        lines: None,
        checksum: None,
    }
}

/// Whether a drill at this speed runs on the real time of day: whoever takes part from outside (workers, a Prometheus)
/// knows no other.
#[must_use]
pub fn is_in_real_time(speed: f64) -> bool {
    speed == 1.0
}

/// The virtual start of a live drill: the plan's minute of the week, the next one there is, so that all that Redis' own
/// clock is to expire lies in its future. At speed 1 it is the real time, to the second.
#[must_use]
pub fn live_epoch(now: std::time::SystemTime, plan: &Plan, speed: f64) -> Time {
    let since = now
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    let now = Time::from_millis(i64::try_from(since.as_secs()).unwrap_or(0) * 1_000);
    if is_in_real_time(speed) {
        now
    } else {
        plan.starts.next_from(now)
    }
}
