//! The record as a file: JSON Lines, out as things happen, back in even when the end is missing.

pub(crate) mod check;
mod checksum;
mod impossible;
mod required;
mod whole;

pub use impossible::Impossible;

use crate::record::{
    Action, Audit, Deed, FORMAT, Header, Heard, Impact, Interference, Lag, Line, Mark, QueueWaits,
    Transition, Value,
};
use checksum::Checksum;
use firedrill_detector::{Labels, Sample, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::{self, BufRead, Read, Write};

/// Longest line that is read, bytes. The longest that are written are headers with the text of every rule file.
const LINE_MAX: u64 = 64 << 20;

/// The first line.
#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum First<H> {
    Header(H),
}

/// What every first line has, whatever its version.
#[derive(Deserialize)]
struct Version {
    format: String,
}

/// Writes a record line by line; each line is flushed, so that what happened before a crash is kept.
#[derive(Debug)]
pub struct RecordWriter<W: Write> {
    out: W,
    /// Lines written so far.
    lines: u64,
    checksum: Checksum,
    series: BTreeMap<Labels, u32>,
}

impl<W: Write> RecordWriter<W> {
    /// Begins a record with its header.
    ///
    /// # Errors
    /// When the header cannot be written.
    pub fn new(out: W, header: &Header) -> io::Result<Self> {
        let mut writer = Self {
            out,
            lines: 0,
            checksum: Checksum::default(),
            series: BTreeMap::new(),
        };
        writer.json(&First::Header(header))?;
        writer.out.flush()?;
        Ok(writer)
    }

    /// Appends a line; the last one is told how many there are, and gets the checksum of all.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&mut self, line: &Line) -> io::Result<()> {
        match line {
            Line::Footer { .. } => self.footer(line.clone())?,
            _ => self.json(line)?,
        }
        self.out.flush()
    }

    fn footer(&mut self, mut line: Line) -> io::Result<()> {
        if let Line::Footer {
            lines, checksum, ..
        } = &mut line
        {
            (*lines, *checksum) = (Some(self.lines + 1), None);
        }
        let mut text = serde_json::to_vec(&line)?;
        // The brace that closes it.
        text.pop();
        self.checksum.take(&text);
        text.extend(checksum::BEFORE);
        let sum = self.checksum.written();
        text.extend(format!("\"{sum}\"}}\n").bytes());
        self.lines += 1;
        self.out.write_all(&text)
    }

    /// Appends a scrape, introducing the series that are new.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn scrape(
        &mut self,
        at_ms: i64,
        target: &str,
        samples: &[(Labels, f64)],
    ) -> io::Result<()> {
        let mut values = Vec::with_capacity(samples.len());
        for (labels, value) in samples {
            let id = match self.series.get(labels) {
                Some(id) => *id,
                None => {
                    let id = u32::try_from(self.series.len())
                        .map_err(|_| io::Error::other("too many series"))?;
                    self.series(id, labels)?;
                    self.series.insert(labels.clone(), id);
                    id
                }
            };
            values.push((id, Value(*value)));
        }
        self.write(&Line::Scrape {
            at_ms,
            target: target.to_owned(),
            values,
        })
    }

    /// Introduces a series under a number of the caller's, for [`Self::numbered`].
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn series(&mut self, id: u32, labels: &Labels) -> io::Result<()> {
        let pairs = labels
            .iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        self.json(&Line::Series {
            id,
            labels: pairs.collect(),
        })
    }

    /// Appends a scrape whose series were introduced before.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn numbered(&mut self, at_ms: i64, target: &str, samples: &[(u32, f64)]) -> io::Result<()> {
        let values = samples
            .iter()
            .map(|(id, value)| (*id, Value(*value)))
            .collect();
        self.write(&Line::Scrape {
            at_ms,
            target: target.to_owned(),
            values,
        })
    }

    /// The output, everything written and flushed.
    pub fn into_inner(self) -> W {
        self.out
    }

    fn json(&mut self, line: &impl Serialize) -> io::Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        self.checksum.take(&text);
        self.lines += 1;
        self.out.write_all(&text)
    }
}

/// Everything one drill left behind.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// What was meant.
    pub header: Header,
    /// What happened, in the order written.
    pub lines: Vec<Line>,
    /// Whether everything is there that the end of a drill leaves: what happened to every task and in every incident, how
    /// well time was kept, and the last line. Otherwise it was cut short.
    pub complete: bool,
}

/// Why a file is no record.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Read(#[from] io::Error),
    /// A line that nothing wrote as a record: reading it would take all memory.
    #[error("line {line} has more than {LINE_MAX} bytes: this is no record")]
    LongLine {
        /// Line, from 1.
        line: usize,
    },
    /// It is empty.
    #[error("the record is empty")]
    Empty,
    /// Another major version wrote it.
    #[error("written as {found}, this firedrill reads {FORMAT} and what is compatible with it")]
    Version {
        /// Its format.
        found: String,
    },
    /// A line other than the last is damaged.
    #[error("line {line} is damaged: {source}")]
    Damaged {
        /// Line, from 1.
        line: usize,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A time that no drill reaches: judging it would take for ever.
    #[error(
        "line {line}: {ms} ms is no time of a drill; they last at most {} ms, and intervals at least 1",
        check::DRILL_MS_MAX
    )]
    Time {
        /// Line, from 1.
        line: usize,
        /// The time.
        ms: i64,
    },
    /// A series does not have the number that is due: scrapes would mean another one.
    #[error("line {line}: series are numbered in order, {expected} is due, found {id}")]
    SeriesOutOfOrder {
        /// Line, from 1.
        line: usize,
        /// Its number.
        id: u32,
        /// The number that is due.
        expected: u32,
    },
    /// A line that contradicts those before it: no drill has written this record.
    #[error("line {line}: {what}: no drill writes such a record")]
    Impossible {
        /// Line, from 1.
        line: usize,
        /// What is wrong with it.
        what: Impossible,
    },
    /// Something is missing that its version has.
    #[error(
        "line {line}: `{field}` is missing, and {format} has it: no drill writes such a record"
    )]
    Missing {
        /// Line, from 1.
        line: usize,
        /// Its path in the line.
        field: &'static str,
        /// Format of the record.
        format: String,
    },
    /// Its bytes do not come to the checksum in the last line.
    #[error(
        "the record was changed after it was written: its checksum says {written}, and it comes to {found}"
    )]
    Changed {
        /// The checksum in the record.
        written: String,
        /// That of what is there.
        found: String,
    },
    /// A scrape names a series nobody introduced.
    #[error("line {line}: there is no series {id}")]
    UnknownSeries {
        /// Line, from 1.
        line: usize,
        /// Its number.
        id: u32,
    },
}

/// Lines with their numbers from 1, none of them longer than [`LINE_MAX`]. Bytes, not text: a cut may go through a
/// character.
struct Lines<R> {
    input: R,
    line: usize,
}

impl<R: BufRead> Iterator for Lines<R> {
    type Item = Result<(usize, Vec<u8>), RecordError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.line += 1;
        let mut text = Vec::new();
        let mut bounded = self.input.by_ref().take(LINE_MAX + 1);
        match bounded.read_until(b'\n', &mut text) {
            Ok(0) => return None,
            Ok(_) => {}
            Err(error) => return Some(Err(error.into())),
        }
        if text.last() == Some(&b'\n') {
            text.pop();
        } else if text.len() as u64 > LINE_MAX {
            return Some(Err(RecordError::LongLine { line: self.line }));
        }
        Some(Ok((self.line, text)))
    }
}

impl Record {
    /// Reads a record back, and checks it as a whole. A last line that was cut short is left out, and the record is
    /// incomplete then.
    ///
    /// # Errors
    /// See [`RecordError`].
    pub fn read(input: impl BufRead) -> Result<Self, RecordError> {
        let mut input = Lines { input, line: 0 };
        let first = input.next().ok_or(RecordError::Empty)??.1;
        let damaged = |line| move |source| RecordError::Damaged { line, source };
        let version: Version = serde_json::from_slice(&first).map_err(damaged(1))?;
        if major(&version.format) != major(FORMAT) {
            return Err(RecordError::Version {
                found: version.format,
            });
        }
        let is_newer = minor(&version.format) > minor(FORMAT);
        let First::Header(header) =
            serde_json::from_slice::<First<Header>>(&first).map_err(damaged(1))?;
        check::header(&header)?;
        let has_steps = minor(&header.format) >= 2;
        if has_steps {
            required::check(1, &first, required::OF_HEADER, &header.format)?;
        }
        let mut checksum = Checksum::default();
        checksum.take(&first);
        checksum.take(b"\n");
        let mut changed = None;
        let mut record = Self {
            header,
            lines: Vec::new(),
            complete: false,
        };
        let mut series = 0_u32;
        let mut numbers = Vec::new();
        let mut broken: Option<RecordError> = None;
        for line in input {
            // A damaged line is forgiven only where nothing follows it.
            if let Some(error) = broken {
                return Err(error);
            }
            let (number, text) = line?;
            match serde_json::from_slice::<Line>(&text) {
                Ok(line) => {
                    check::line(number, &line, &mut series)?;
                    if has_steps {
                        let fields = required::of(&line);
                        required::check(number, &text, fields, &record.header.format)?;
                    }
                    if let Line::Footer {
                        checksum: Some(written),
                        ..
                    } = &line
                    {
                        let found = checksum.with_last(&text);
                        changed = (found.as_ref() != Some(written)).then(|| RecordError::Changed {
                            written: written.clone(),
                            found: found.unwrap_or_else(|| "nothing".to_owned()),
                        });
                    }
                    record.lines.push(line);
                    numbers.push(number);
                }
                Err(_) if is_newer && check::is_foreign(&text) => {}
                Err(source) => {
                    broken = Some(RecordError::Damaged {
                        line: number,
                        source,
                    });
                }
            }
            checksum.take(&text);
            checksum.take(b"\n");
        }
        // What a line says against others tells more than that something was changed somewhere.
        record.complete = whole::check(&record, &numbers)? && broken.is_none();
        match changed {
            Some(changed) => Err(changed),
            None => Ok(record),
        }
    }

    /// The samples in order, at absolute times, as the detector takes them.
    pub fn samples(&self) -> impl Iterator<Item = Sample> {
        let epoch_ms = self.header.epoch_ms;
        self.scrapes().flat_map(move |(at_ms, _, values)| {
            values.into_iter().map(move |(labels, value)| Sample {
                labels,
                at: Timestamp(epoch_ms + at_ms),
                value,
            })
        })
    }

    /// The scrapes in order: time, target, and each series with its value.
    pub fn scrapes(&self) -> impl Iterator<Item = (i64, &str, Vec<(Labels, f64)>)> {
        let mut series: Vec<Labels> = Vec::new();
        self.lines.iter().filter_map(move |line| match line {
            Line::Series { labels, .. } => {
                series.push(to_labels(labels));
                None
            }
            Line::Scrape {
                at_ms,
                target,
                values,
            } => {
                let values = values
                    .iter()
                    .filter_map(|(id, value)| Some((series.get(*id as usize)?.clone(), value.0)));
                Some((*at_ms, target.as_str(), values.collect()))
            }
            _ => None,
        })
    }

    /// The recorded transitions.
    pub fn transitions(&self) -> impl Iterator<Item = &Transition> {
        self.lines.iter().filter_map(|line| {
            if let Line::Transition(transition) = line {
                Some(transition)
            } else {
                None
            }
        })
    }

    /// Faults and remedies as they happened.
    pub fn marks(&self) -> impl Iterator<Item = &Mark> {
        self.lines.iter().filter_map(|line| {
            if let Line::Mark(mark) = line {
                Some(mark)
            } else {
                None
            }
        })
    }

    /// Whether marks and incidents refer to steps, as they do since 1.2.
    #[must_use]
    pub fn has_steps(&self) -> bool {
        minor(&self.header.format) >= 2
    }

    /// What was done from outside.
    pub fn interference(&self) -> impl Iterator<Item = &Interference> {
        self.lines.iter().filter_map(|line| {
            if let Line::Interference(interference) = line {
                Some(interference)
            } else {
                None
            }
        })
    }

    /// What sources of alerts beside our detector told, and how well they were heard.
    pub fn heard(&self) -> impl Iterator<Item = &Heard> {
        self.lines.iter().filter_map(|line| {
            if let Line::Heard(heard) = line {
                Some(heard)
            } else {
                None
            }
        })
    }

    /// What people did in a rehearsal, and were told.
    pub fn actions(&self) -> impl Iterator<Item = &Action> {
        self.lines.iter().filter_map(|line| match line {
            Line::Action(action) => Some(action),
            _ => None,
        })
    }

    /// When people ended the fault of a step, or did what it was to do.
    #[must_use]
    pub fn mended_ms(&self, step: &str) -> Option<i64> {
        let mut actions = self.actions();
        let mended = actions
            .find(|action| action.what == Deed::Mended && action.step.as_deref() == Some(step));
        mended.map(|action| action.at_ms)
    }

    /// What users felt of an incident.
    #[must_use]
    pub fn impact(&self, incident: u32) -> Option<&Impact> {
        self.lines.iter().find_map(|line| match line {
            Line::Impact(impact) if impact.incident == incident => Some(impact),
            _ => None,
        })
    }

    /// What happened to every task, if the drill got that far.
    #[must_use]
    pub fn audit(&self) -> Option<&Audit> {
        self.lines.iter().find_map(|line| {
            if let Line::Audit(audit) = line {
                Some(audit)
            } else {
                None
            }
        })
    }

    /// How long tasks waited, queue by queue; nothing in records from before 1.1.
    pub fn waits(&self) -> impl Iterator<Item = &QueueWaits> {
        self.lines.iter().filter_map(|line| {
            if let Line::Waits(waits) = line {
                Some(waits)
            } else {
                None
            }
        })
    }

    /// How well time was kept, if the drill got that far.
    #[must_use]
    pub fn lag(&self) -> Option<&Lag> {
        self.lines.iter().find_map(|line| {
            if let Line::Lag(lag) = line {
                Some(lag)
            } else {
                None
            }
        })
    }

    /// Virtual milliseconds the drill reached.
    #[must_use]
    pub fn end_ms(&self) -> i64 {
        let of = |line: &Line| match line {
            Line::Scrape { at_ms, .. } | Line::Footer { at_ms, .. } => Some(*at_ms),
            _ => None,
        };
        self.lines.iter().rev().find_map(of).unwrap_or(0)
    }

    /// Why the drill ended before its time, if it did.
    #[must_use]
    pub fn aborted(&self) -> Option<&str> {
        self.lines.iter().find_map(|line| match line {
            Line::Footer {
                aborted: Some(why), ..
            } => Some(why.as_str()),
            _ => None,
        })
    }
}

/// The labels of a series as the detector has them.
pub(crate) fn to_labels(labels: &BTreeMap<String, String>) -> Labels {
    let pairs = labels
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()));
    Labels::from_pairs(pairs)
}

/// `firedrill-record/1` of `firedrill-record/1.0`.
fn major(format: &str) -> &str {
    format.split_once('.').map_or(format, |(major, _)| major)
}

/// `0` of `firedrill-record/1.0`.
fn minor(format: &str) -> u32 {
    format
        .split_once('.')
        .and_then(|(_, minor)| minor.parse().ok())
        .unwrap_or(0)
}
