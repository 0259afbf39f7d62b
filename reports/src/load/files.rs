//! The files of a load: written while it runs, read when it is over.

use super::latency::{Latencies, Latency, Stage};
use super::{FORMAT, LoadFacts, LoadHeader, LoadRecord};
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{
    IntervalLogIterator, IntervalLogWriterBuilder, LogEntry, LogIteratorError,
};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// All that is known of a load but its histograms.
pub const LOAD_FILE: &str = "load.json";
/// Its histograms, second by second, in HdrHistogram's log format.
pub const LATENCY_FILE: &str = "latency.hlog";
/// Largest file that is read: those of the longest loads are smaller.
const BYTES_MAX: u64 = 4 << 30;

/// Why a load's files cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum LoadFileError {
    /// The system refuses.
    #[error("{path}: {source}")]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is not what a load leaves.
    #[error("{path}: {why}")]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Another major version wrote it.
    #[error(
        "{path}: written as {found}, this firedrill reads {FORMAT} and what is compatible with it"
    )]
    Version {
        /// Which file.
        path: PathBuf,
        /// Its format.
        found: String,
    },
}

/// Histograms of a stretch of time.
#[derive(Debug, Clone, PartialEq)]
pub struct Interval {
    /// When it begins, seconds since the first possible arrival.
    pub at_s: f64,
    /// How long it is, seconds.
    pub width_s: f64,
    /// Of what.
    pub stage: Stage,
    /// What was measured.
    pub latency: Latency,
}

/// Writes the files of a load, histograms as they come.
#[derive(Debug)]
pub struct LoadWriter {
    dir: PathBuf,
    log: BufWriter<File>,
}

impl LoadWriter {
    /// Begins to write into `dir`, which is there; `started`: when the first task may arrive.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn create(dir: &Path, started: SystemTime) -> io::Result<Self> {
        let mut log = BufWriter::new(File::create_new(dir.join(LATENCY_FILE))?);
        let mut serializer = V2DeflateSerializer::new();
        IntervalLogWriterBuilder::new()
            .add_comment("[Histogram log format version 1.3]")
            .add_comment("firedrill load: nanoseconds, a tag for each stage of a task")
            .with_start_time(started)
            .with_base_time(started)
            .begin_log_with(&mut log, &mut serializer)?;
        Ok(Self {
            dir: dir.to_owned(),
            log,
        })
    }

    /// Adds what was measured in a stretch of time.
    ///
    /// # Errors
    /// When the disk is full, or the system refuses otherwise.
    pub fn interval(&mut self, at_s: f64, width_s: f64, measured: &Latencies) -> io::Result<()> {
        for stage in Stage::ALL {
            let latency = &measured[stage];
            if let Some(max_s) = latency.max() {
                // The longest in milliseconds, as HdrHistogram's own tools have it.
                let (tag, max_ms) = (stage.name(), max_s * 1e3);
                let text = latency.encode();
                writeln!(
                    self.log,
                    "Tag={tag},{at_s:.3},{width_s:.3},{max_ms:.3},{text}"
                )?;
            }
        }
        self.log.flush()
    }

    /// Writes all else; the load is over.
    ///
    /// # Errors
    /// As for [`Self::interval`].
    pub fn finish(mut self, facts: &LoadFacts) -> io::Result<()> {
        self.log.flush()?;
        write_facts(&self.dir, facts)
    }
}

/// Writes [`LOAD_FILE`] as a whole or not at all.
fn write_facts(dir: &Path, facts: &LoadFacts) -> io::Result<()> {
    let path = dir.join(LOAD_FILE);
    let unfinished = path.with_extension("json.tmp");
    let mut text = serde_json::to_vec_pretty(facts)?;
    text.push(b'\n');
    fs::write(&unfinished, text)?;
    fs::rename(unfinished, path)
}

fn read(path: &Path) -> Result<Vec<u8>, LoadFileError> {
    let failed = |source| LoadFileError::Read {
        path: path.to_owned(),
        source,
    };
    let length = fs::metadata(path).map_err(failed)?.len();
    if length > BYTES_MAX {
        let why = format!("it has more than {BYTES_MAX} bytes");
        return Err(failed(io::Error::new(io::ErrorKind::InvalidData, why)));
    }
    fs::read(path).map_err(failed)
}

/// [`LOAD_FILE`] of the load in `dir`, or what of it `T` takes.
fn parsed<T: DeserializeOwned>(
    dir: &Path,
    header: fn(&T) -> &LoadHeader,
) -> Result<T, LoadFileError> {
    let path = dir.join(LOAD_FILE);
    let bytes = read(&path)?;
    let facts: T = serde_json::from_slice(&bytes).map_err(|error| LoadFileError::Damaged {
        path: path.clone(),
        why: format!("this is not what a load leaves: {error}"),
    })?;
    let major = |format: &str| format.split('.').next().map(str::to_owned);
    let found = &header(&facts).format;
    match major(found) == major(FORMAT) {
        true => Ok(facts),
        false => Err(LoadFileError::Version {
            path,
            found: found.clone(),
        }),
    }
}

/// The log of a load.
pub(super) struct Log {
    path: PathBuf,
    bytes: Vec<u8>,
}

impl Log {
    /// Of the load in `dir`.
    pub(super) fn open(dir: &Path) -> Result<Self, LoadFileError> {
        let path = dir.join(LATENCY_FILE);
        let bytes = read(&path)?;
        Ok(Self { path, bytes })
    }

    /// The histograms in it, in the order they stand; those of others are passed over.
    pub(super) fn intervals(&self) -> impl Iterator<Item = Result<Interval, LoadFileError>> {
        let damaged = |why: String| LoadFileError::Damaged {
            path: self.path.clone(),
            why,
        };
        let entries = (1..).zip(IntervalLogIterator::new(&self.bytes));
        entries.filter_map(move |(number, entry)| {
            let line = match entry {
                Ok(LogEntry::Interval(line)) => line,
                Ok(_) => return None,
                Err(LogIteratorError::ParseError { offset }) => {
                    return Some(Err(damaged(format!("it is damaged at byte {offset}"))));
                }
            };
            let stage = line.tag().and_then(|tag| Stage::named(tag.as_str()))?;
            let latency = Latency::decode(line.encoded_histogram());
            Some(match latency {
                Ok(latency) => Ok(Interval {
                    at_s: line.start_timestamp().as_secs_f64(),
                    width_s: line.duration().as_secs_f64(),
                    stage,
                    latency,
                }),
                Err(why) => Err(damaged(format!("entry {number}: {why}"))),
            })
        })
    }
}

/// Hands over the histograms that stand in the log of a load in `dir`, in the order they stand; those of others are passed over.
///
/// # Errors
/// When there is no such log, or it is damaged.
pub fn each_interval(dir: &Path, take: &mut dyn FnMut(Interval)) -> Result<(), LoadFileError> {
    let log = Log::open(dir)?;
    for interval in log.intervals() {
        take(interval?);
    }
    Ok(())
}

impl LoadRecord {
    /// Reads the files of a load in `dir`.
    ///
    /// # Errors
    /// [`LoadFileError`].
    pub fn read(dir: &Path) -> Result<Self, LoadFileError> {
        let facts: LoadFacts = parsed(dir, |facts: &LoadFacts| &facts.header)?;
        let mut latencies = Latencies::default();
        each_interval(dir, &mut |interval| {
            latencies[interval.stage].merge(&interval.latency);
        })?;
        let record = Self { facts, latencies };
        match record.disagreement() {
            None => Ok(record),
            Some(why) => Err(LoadFileError::Damaged {
                path: dir.join(LATENCY_FILE),
                why,
            }),
        }
    }

    /// What the histograms have more or less of than was counted second by second: a log that was cut between two lines reads well.
    fn disagreement(&self) -> Option<String> {
        Stage::ALL.into_iter().find_map(|stage| {
            let rows = self.facts.series.rows.iter();
            let told = rows.filter_map(|row| row.stages.get(&stage));
            let counted: u64 = told.map(|brief| brief.count).sum();
            let there = self.latencies[stage].count();
            (there != counted).then(|| {
                format!(
                    "it is not whole: {there} values of `{}`, {LOAD_FILE} has counted {counted}; run the load again",
                    stage.name()
                )
            })
        })
    }

    /// Writes it into `dir`, which is there and has no load in it: the histograms as one stretch of time.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn write(&self, dir: &Path) -> io::Result<()> {
        let mut writer = LoadWriter::create(dir, self.facts.header.started())?;
        writer.interval(
            self.facts.header.warmup_s,
            self.measured_s(),
            &self.latencies,
        )?;
        writer.finish(&self.facts)
    }
}

impl LoadHeader {
    /// Reads what was asked of the load in `dir`, and nothing of what it came to.
    ///
    /// # Errors
    /// [`LoadFileError`].
    pub fn read(dir: &Path) -> Result<Self, LoadFileError> {
        #[derive(Deserialize)]
        struct Headed {
            header: LoadHeader,
        }
        parsed(dir, |headed: &Headed| &headed.header).map(|headed| headed.header)
    }

    /// When the first task could arrive.
    pub(super) fn started(&self) -> SystemTime {
        let started = self.started.parse::<jiff::Timestamp>();
        let since_epoch = started.map_or(0, |started| started.as_millisecond());
        let since_epoch = Duration::from_millis(u64::try_from(since_epoch).unwrap_or(0));
        SystemTime::UNIX_EPOCH + since_epoch
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::{Row, Series};
    use hdrhistogram::Histogram;
    use hdrhistogram::serialization::Deserializer;

    fn measured(ms: i64) -> Latencies {
        let mut latencies = Latencies::default();
        latencies[Stage::Wait].record(ms * 1_000_000);
        latencies[Stage::EndToEnd].record((ms + 5) * 1_000_000);
        latencies
    }

    fn facts() -> LoadFacts {
        let mut series = Series::default();
        for second in 0..3 {
            let mut row = Row::default();
            row.measured(&measured(10 * second));
            series.push(row);
        }
        LoadFacts {
            series,
            header: LoadHeader {
                format: FORMAT.to_owned(),
                name: "load".into(),
                ..LoadHeader::default()
            },
            ..LoadFacts::default()
        }
    }

    fn written(dir: &Path) -> Latencies {
        let mut writer = LoadWriter::create(dir, SystemTime::UNIX_EPOCH).unwrap();
        let mut all = Latencies::default();
        for second in 0..3 {
            let of_it = measured(10 * second);
            writer.interval(second as f64, 1.0, &of_it).unwrap();
            all.merge(&of_it);
        }
        writer.finish(&facts()).unwrap();
        all
    }

    #[test]
    fn what_is_written_reads_back() {
        let dir = tempfile::tempdir().unwrap();
        let latencies = written(dir.path());
        let facts = facts();
        assert_eq!(
            LoadRecord::read(dir.path()).unwrap(),
            LoadRecord { facts, latencies }
        );
    }

    #[test]
    fn the_log_is_one_that_other_tools_read() {
        let dir = tempfile::tempdir().unwrap();
        written(dir.path());
        let bytes = fs::read(dir.path().join(LATENCY_FILE)).unwrap();
        let text = String::from_utf8(bytes.clone()).unwrap();
        assert!(
            text.contains("#[Histogram log format version 1.3]\n"),
            "{text}"
        );
        let mut lines = Vec::new();
        for entry in IntervalLogIterator::new(&bytes) {
            let Ok(LogEntry::Interval(line)) = entry else {
                assert!(entry.is_ok(), "{entry:?}");
                continue;
            };
            let text =
                base64::Engine::decode(&base64::prelude::BASE64_STANDARD, line.encoded_histogram());
            let read: Histogram<u64> = Deserializer::new()
                .deserialize(&mut text.unwrap().as_slice())
                .unwrap();
            let tag = line.tag().unwrap().as_str().to_owned();
            lines.push((
                tag,
                line.start_timestamp().as_secs(),
                read.len(),
                line.max() as u64,
            ));
        }
        let wait = |second: u64| ("wait".to_owned(), second, 1, 10 * second);
        let mut waits = lines.into_iter().filter(|(tag, ..)| tag == "wait");
        for second in 0..3 {
            assert_eq!(waits.next(), Some(wait(second)));
        }
    }

    #[test]
    fn a_log_that_lacks_lines_is_not_whole() {
        let dir = tempfile::tempdir().unwrap();
        written(dir.path());
        let log = dir.path().join(LATENCY_FILE);
        let whole = fs::read_to_string(&log).unwrap();
        let lines: Vec<&str> = whole.split_inclusive('\n').collect();
        // Without any of its lines that has a histogram, and without all of them.
        let tagged = (0..lines.len()).filter(|at| lines[*at].starts_with("Tag="));
        let mut cuts: Vec<String> = tagged.map(|at| lines[..at].concat()).collect();
        assert_eq!(cuts.len(), 6);
        cuts.push(String::new());
        for cut in cuts {
            fs::write(&log, cut).unwrap();
            let error = LoadRecord::read(dir.path()).unwrap_err().to_string();
            assert!(error.contains("latency.hlog: it is not whole"), "{error}");
        }
    }

    #[test]
    fn what_is_damaged_or_foreign_is_told_with_its_file() {
        let dir = tempfile::tempdir().unwrap();
        let error = |dir: &Path| LoadRecord::read(dir).unwrap_err().to_string();
        assert!(error(dir.path()).contains("load.json: No such file"));
        written(dir.path());
        let log = dir.path().join(LATENCY_FILE);
        let whole = fs::read_to_string(&log).unwrap();
        fs::write(&log, whole.replace("Tag=wait,0.000", "Tag=wait,zero")).unwrap();
        assert!(error(dir.path()).contains("latency.hlog: it is damaged at byte"));
        fs::write(&log, whole.replace("HISTFA", "AISTFA")).unwrap();
        assert!(
            error(dir.path()).contains("latency.hlog: entry"),
            "{}",
            error(dir.path())
        );
        fs::write(dir.path().join(LOAD_FILE), "{}").unwrap();
        assert!(error(dir.path()).contains("not what a load leaves"));
        let mut other = facts();
        other.header.format = "firedrill-load/9.0".into();
        write_facts(dir.path(), &other).unwrap();
        assert!(error(dir.path()).contains("written as firedrill-load/9.0"));
    }
}
