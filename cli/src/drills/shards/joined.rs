//! All shards of one sweep, read side by side.

use super::{FORMAT, Sweep, Written};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::terminal::Terminal;
use firedrill_detector::text::counted;
use firedrill_reports::shard::Shard;
use firedrill_sim::files::{self, shown};
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// Longest line, bytes: no outcome has as much to say.
const LINE_MAX: u64 = 256 << 20;
/// Most of a file's end that is looked at for its last line.
const TAIL_MAX: u64 = 4 << 10;

/// All shards of one sweep, whole.
pub(crate) struct Joined {
    pub(crate) sweep: Sweep,
    shards: Vec<Reader>,
}

/// A shard that is being read.
struct Reader {
    path: PathBuf,
    file: BufReader<File>,
    line: usize,
}

impl Joined {
    /// Sees that of the shards in these files each of one sweep is there, once and whole. What somebody had begun and done again is left
    /// out, and said.
    ///
    /// # Errors
    /// When they are not of one sweep, or there are two of a kind; inconclusive when one is missing.
    pub(crate) fn open(paths: Vec<PathBuf>, terminal: &Terminal) -> Result<Self, Failure> {
        let mut common: Option<(Sweep, PathBuf)> = None;
        let mut whole: BTreeMap<Shard, Reader> = BTreeMap::new();
        let mut cut: Vec<(Shard, PathBuf)> = Vec::new();
        for path in paths {
            let (shard, sweep, reader) = Reader::open(&path)?;
            if let Some((known, first)) = &common {
                if let Some(what) = known.differs(&sweep) {
                    return Err(Failure::usage(format!(
                        "{} and {} are no shards of one command; they differ in {what}",
                        shown(first),
                        shown(&path)
                    )));
                }
            } else {
                common = Some((sweep, path.clone()));
            }
            match is_ended(&path)? {
                false => cut.push((shard, path)),
                true => {
                    if let Some(other) = whole.insert(shard, reader) {
                        return Err(Failure::usage(format!(
                            "shard {shard} is there twice: {} and {}; name the one that counts",
                            shown(&other.path),
                            shown(&path)
                        )));
                    }
                }
            }
        }
        let (sweep, first) = common.ok_or_else(|| Failure::usage("there is no shard"))?;
        let mut numbers = whole.keys().chain(cut.iter().map(|(shard, _)| shard));
        let of = numbers.clone().next().map_or(1, |shard| shard.of());
        if let Some(other) = numbers.find(|shard| shard.of() != of) {
            return Err(Failure::usage(format!(
                "{} has one of {of} shards, another one is {other}: they are not of one command",
                shown(&first)
            )));
        }
        for (shard, path) in &cut {
            if whole.contains_key(shard) {
                terminal.say(format_args!(
                    "{}: shard {shard} did not come to its end there, and is there once more, whole: that one counts",
                    shown(path)
                ));
            }
        }
        let missing =
            (1..=of).filter(|number| !whole.keys().any(|shard| shard.number() == *number));
        let missing: Vec<String> = missing
            .map(|number| {
                let begun = cut.iter().find(|(shard, _)| shard.number() == number);
                begun.map_or(format!("{number}/{of}"), |(shard, path)| {
                    format!("{shard} ({} did not come to its end)", shown(path))
                })
            })
            .collect();
        if !missing.is_empty() {
            return Err(Failure {
                exit: Exit::Inconclusive,
                messages: vec![format!(
                    "inconclusive: of {} there is no {}; run what is missing, and merge all of them",
                    counted(of, "shard"),
                    missing.join(", ")
                )],
            });
        }
        Ok(Self {
            sweep,
            shards: whole.into_values().collect(),
        })
    }

    /// How many shards there are.
    pub(crate) fn len(&self) -> usize {
        self.shards.len()
    }

    /// Hands all outcomes over, in the order in which one command has them.
    ///
    /// # Errors
    /// When a file is damaged, or whoever takes them finds one that does not do.
    pub(crate) fn outcomes<T: DeserializeOwned>(
        mut self,
        take: &mut dyn FnMut(usize, T) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let count = self.shards.len();
        for number in 0..self.sweep.outcomes {
            let reader = &mut self.shards[number % count];
            match reader.next()? {
                Written::Outcome {
                    number: own,
                    outcome,
                } if own == number => take(number, outcome)?,
                _ => return Err(reader.damaged(format!("outcome {number} should stand here"))),
            }
        }
        for reader in &mut self.shards {
            let found = reader.line - 1;
            match reader.next::<T>()? {
                Written::End { outcomes } if outcomes == found => {}
                _ => return Err(reader.damaged("this should be its end".to_owned())),
            }
        }
        Ok(())
    }
}

impl Reader {
    fn open(path: &Path) -> Result<(Shard, Sweep, Self), Failure> {
        let file = files::open(path)
            .map_err(|error| Failure::usage(format!("{}: {error}", shown(path))))?;
        let mut reader = Self {
            path: path.to_owned(),
            file: BufReader::new(file),
            line: 0,
        };
        // What a shard of another release holds is not known, but what it is.
        let first = reader.text()?;
        let foreign = |why: &str| Failure::usage(format!("{}: {why}", shown(path)));
        let head: serde_json::Value = serde_json::from_slice(&first)
            .map_err(|_| foreign("this is no shard, or it was cut off at its beginning"))?;
        let version = head["sweep"]["version"].as_str().unwrap_or_default();
        let ours = env!("CARGO_PKG_VERSION");
        match head["format"].as_str() {
            Some(FORMAT) if version == ours => {}
            Some(format) if format.starts_with("firedrill-shard/") => {
                return Err(foreign(&format!(
                    "firedrill {version} wrote this shard, and this is {ours}: join shards with what wrote them"
                )));
            }
            _ => return Err(foreign("this is no shard")),
        }
        match serde_json::from_value(head) {
            Ok(Written::<()>::Shard { shard, sweep, .. }) if sweep.trials > 0 => {
                Ok((shard, *sweep, reader))
            }
            Ok(_) => Err(reader.damaged("this should be its beginning".to_owned())),
            Err(error) => Err(reader.damaged(error.to_string())),
        }
    }

    /// The next line.
    fn next<T: DeserializeOwned>(&mut self) -> Result<Written<T>, Failure> {
        let text = self.text()?;
        serde_json::from_slice(&text).map_err(|error| self.damaged(error.to_string()))
    }

    fn text(&mut self) -> Result<Vec<u8>, Failure> {
        let mut bytes = Vec::new();
        self.line += 1;
        let read = self
            .file
            .by_ref()
            .take(LINE_MAX)
            .read_until(b'\n', &mut bytes);
        read.map_err(|error| Failure::usage(format!("{}: {error}", shown(&self.path))))?;
        if bytes.len() as u64 == LINE_MAX {
            return Err(self.damaged(format!("it has more than {LINE_MAX} bytes")));
        }
        Ok(bytes)
    }

    fn damaged(&self, why: String) -> Failure {
        let (path, line) = (shown(&self.path), self.line);
        Failure::usage(format!("{path}: line {line} is damaged: {why}"))
    }
}

/// Whether a file has its last line.
fn is_ended(path: &Path) -> Result<bool, Failure> {
    let tail = || {
        let mut file = files::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL_MAX)))?;
        let mut tail = Vec::new();
        file.take(TAIL_MAX).read_to_end(&mut tail)?;
        Ok(tail)
    };
    let tail = tail()
        .map_err(|error: std::io::Error| Failure::usage(format!("{}: {error}", shown(path))))?;
    let Some(whole) = tail.strip_suffix(b"\n") else {
        return Ok(false);
    };
    let last = whole.rsplit(|byte| *byte == b'\n').next();
    let last = last.map(serde_json::from_slice::<Written<serde_json::Value>>);
    Ok(matches!(last, Some(Ok(Written::End { .. }))))
}
