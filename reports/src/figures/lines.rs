//! Figures in a file: a line of JSON for each drill, so that thousands can be written as they come and read as they are needed.

use crate::figures::{Amount, DrillFigures, Failing, Kind, Metric, Point};
use crate::load::LoadRecord;
use crate::record::Header;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::{self, BufRead, Read};

/// Format version written by this release: readers accept the same major version.
pub const FORMAT: &str = "firedrill-figures/1.0";
/// Longest line, bytes: no drill has as many figures.
const LINE_MAX: u64 = 16 << 20;
/// No drill counts further than that, in tasks or milliseconds, so that all of them add up.
const COUNT_MAX: u64 = 1_000_000_000_000;
/// Keys of a plan that are no part of what a drill is.
const COSMETIC: [&str; 5] = ["seed", "summary", "tags", "gates", "name"];

/// Drills and what they were of.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Results {
    /// Scenarios: what two runs must have in common to be compared.
    pub scenarios: BTreeMap<String, Like>,
    /// The drills, in the order they were run.
    pub drills: Vec<DrillFigures>,
}

/// What drills of one scenario have in common, whatever their seed and rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Like {
    /// `live` or `virtual`.
    pub engine: String,
    /// Kind of Redis; empty on the virtual engine.
    #[serde(default)]
    pub redis: String,
    /// The plan as YAML, without seed and what is for people.
    pub plan: String,
}

impl Like {
    /// Of the drill with this header.
    #[must_use]
    pub fn new(header: &Header) -> Self {
        let redis = header.environment.get("redis").map_or("", String::as_str);
        Self::of(&header.engine, redis, &header.plan)
    }

    /// Of what ran a plan on an engine and a kind of Redis.
    #[must_use]
    pub fn of(engine: &str, redis: &str, whole_plan: &str) -> Self {
        let mut plan = String::new();
        let mut left_out = false;
        for line in whole_plan.lines() {
            if let Some(key) = key(line) {
                left_out = COSMETIC.contains(&key);
            }
            if !left_out {
                plan.push_str(line);
                plan.push('\n');
            }
        }
        Self {
            engine: engine.to_owned(),
            redis: redis.to_owned(),
            plan,
        }
    }

    /// The first way in which another one differs: the field, and what each has.
    #[must_use]
    pub fn differs(&self, other: &Self) -> Option<(String, String, String)> {
        if self.engine != other.engine {
            let engines = (self.engine.clone(), other.engine.clone());
            return Some(("engine".into(), engines.0, engines.1));
        }
        if self.redis != other.redis {
            return Some(("redis".into(), self.redis.clone(), other.redis.clone()));
        }
        let (mut ours, mut theirs) = (self.plan.lines(), other.plan.lines());
        let mut within = "plan";
        loop {
            let (here, there) = (ours.next(), theirs.next());
            if here.is_none() && there.is_none() {
                return None;
            }
            within = here.and_then(key).unwrap_or(within);
            if here != there {
                let said = |line: Option<&str>| line.map_or("nothing", str::trim).to_owned();
                return Some((within.to_owned(), said(here), said(there)));
            }
        }
    }
}

/// The key that a line of a plan begins at its left edge.
fn key(line: &str) -> Option<&str> {
    let is_outermost = line.starts_with(|c: char| c.is_ascii_alphabetic());
    let (key, _) = line.split_once(':').filter(|_| is_outermost)?;
    Some(key)
}

/// A line of the file.
#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Line<'l> {
    Figures {
        format: &'static str,
    },
    Scenario {
        name: &'l str,
        #[serde(flatten)]
        like: &'l Like,
    },
    Drill(&'l DrillFigures),
    End {
        drills: usize,
    },
}

/// The same, as it is read: figures that a later release may have added are left out.
#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Written {
    Figures {
        format: String,
    },
    Scenario {
        name: String,
        #[serde(flatten)]
        like: Like,
    },
    Drill {
        scenario: String,
        seed: u64,
        conclusive: bool,
        points: Vec<WrittenPoint>,
        failings: Vec<Failing>,
    },
    End {
        drills: usize,
    },
    #[serde(other)]
    Other,
}

#[derive(Debug, Deserialize)]
struct WrittenPoint {
    metric: String,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    amount: Amount,
}

/// Why a file has no figures to go by.
#[derive(Debug, thiserror::Error)]
pub enum ResultsError {
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Read(#[from] io::Error),
    /// It is something else.
    #[error("this is no file of figures: it does not begin with {FORMAT}")]
    Foreign,
    /// Another major version wrote it.
    #[error("written as {found}, this firedrill reads {FORMAT} and what is compatible with it")]
    Version {
        /// Its format.
        found: String,
    },
    /// A line is not as anybody wrote it.
    #[error("line {line} is damaged: {why}")]
    Damaged {
        /// Line, from 1.
        line: usize,
        /// What is wrong with it.
        why: String,
    },
    /// The end is missing.
    #[error("it is cut off after {drills} drills: run them again")]
    Cut {
        /// How many there are.
        drills: usize,
    },
}

fn line(line: &Line<'_>) -> String {
    let mut text = serde_json::to_string(line).expect("figures are plain values");
    text.push('\n');
    text
}

/// What a file of figures begins with.
#[must_use]
pub fn begin() -> String {
    line(&Line::Figures { format: FORMAT })
}

/// A scenario; it stands before its drills.
#[must_use]
pub fn scenario(name: &str, like: &Like) -> String {
    line(&Line::Scenario { name, like })
}

/// A drill.
#[must_use]
pub fn drill(drill: &DrillFigures) -> String {
    line(&Line::Drill(drill))
}

/// What such a file ends with.
#[must_use]
pub fn end(drills: usize) -> String {
    line(&Line::End { drills })
}

impl Results {
    /// Adds a drill.
    pub fn add(&mut self, header: &Header, drill: DrillFigures) {
        let name = header.scenario.clone();
        self.scenarios
            .entry(name)
            .or_insert_with(|| Like::new(header));
        self.drills.push(drill);
    }

    /// Adds a load.
    pub fn add_load(&mut self, load: &LoadRecord) {
        let name = load.facts.header.name.clone();
        self.scenarios.entry(name).or_insert_with(|| load.like());
        self.drills.push(load.figures());
    }

    /// The file.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = begin();
        for (name, like) in &self.scenarios {
            text.push_str(&scenario(name, like));
        }
        self.drills
            .iter()
            .for_each(|one| text.push_str(&drill(one)));
        text.push_str(&end(self.drills.len()));
        text
    }

    /// Reads such a file.
    ///
    /// # Errors
    /// When it is something else, of another version, damaged or cut off.
    pub fn read(mut file: impl BufRead) -> Result<Self, ResultsError> {
        let mut results = Self::default();
        let mut bytes = Vec::new();
        for number in 1.. {
            bytes.clear();
            let length = file.by_ref().take(LINE_MAX).read_until(b'\n', &mut bytes)?;
            let damaged = |why: String| ResultsError::Damaged { line: number, why };
            let is_whole = bytes.last() == Some(&b'\n');
            if length as u64 == LINE_MAX && !is_whole {
                return Err(damaged(format!("it has more than {LINE_MAX} bytes")));
            }
            // Half a line is the end of a file that was cut.
            let found = match is_whole {
                true => serde_json::from_slice::<Written>(&bytes),
                false if number > 1 => {
                    let drills = results.drills.len();
                    return Err(ResultsError::Cut { drills });
                }
                false => return Err(ResultsError::Foreign),
            };
            match (number, found) {
                (1, Ok(Written::Figures { format })) => is_readable(&format)?,
                (1, _) => return Err(ResultsError::Foreign),
                (_, Err(error)) => return Err(damaged(error.to_string())),
                (_, Ok(Written::Scenario { name, like })) => {
                    results.scenarios.insert(name, like);
                }
                (
                    _,
                    Ok(Written::Drill {
                        scenario,
                        seed,
                        conclusive,
                        points,
                        failings,
                    }),
                ) => {
                    if !results.scenarios.contains_key(&scenario) {
                        return Err(damaged("its scenario is not told before it".into()));
                    }
                    let points = points
                        .into_iter()
                        .filter_map(|point| point.known().transpose());
                    results.drills.push(DrillFigures {
                        points: points.collect::<Result<_, _>>().map_err(damaged)?,
                        scenario,
                        seed,
                        conclusive,
                        failings,
                    });
                }
                (_, Ok(Written::End { drills })) if drills == results.drills.len() => break,
                (_, Ok(Written::End { drills })) => {
                    let found = results.drills.len();
                    return Err(damaged(format!(
                        "there should be {drills} drills, and there are {found}"
                    )));
                }
                (_, Ok(Written::Figures { .. })) => {
                    return Err(damaged("a second beginning".into()));
                }
                (_, Ok(Written::Other)) => {}
            }
        }
        Ok(results)
    }
}

fn is_readable(format: &str) -> Result<(), ResultsError> {
    let major = |format: &str| format.split('.').next().map(str::to_owned);
    match major(format) == major(FORMAT) {
        true => Ok(()),
        false if format.starts_with("firedrill-figures/") => Err(ResultsError::Version {
            found: format.to_owned(),
        }),
        false => Err(ResultsError::Foreign),
    }
}

impl WrittenPoint {
    /// As a figure; `None`: it is one that this release does not know.
    fn known(self) -> Result<Option<Point>, String> {
        let Some(metric) = Metric::named(&self.metric) else {
            return Ok(None);
        };
        let fits = match (&self.amount, metric.kind) {
            (Amount::Count(count), Kind::Count) => *count <= COUNT_MAX,
            (Amount::Share(count, of), Kind::Share) => count <= of && (1..=COUNT_MAX).contains(of),
            (Amount::Rate(count, of), Kind::PerWeek) => {
                *count <= COUNT_MAX && (1..=COUNT_MAX).contains(of)
            }
            (Amount::Seconds(seconds), Kind::Seconds) => seconds
                .is_none_or(|seconds| seconds.is_finite() && seconds.abs() <= COUNT_MAX as f64),
            (Amount::Waits(_) | Amount::Micros(_), Kind::Seconds) => true,
            (Amount::PerSecond(rate), Kind::PerSecond) => {
                rate.is_finite() && (0.0..=COUNT_MAX as f64).contains(rate)
            }
            _ => false,
        };
        match fits {
            true => Ok(Some(Point {
                metric,
                labels: self.labels,
                amount: self.amount,
            })),
            false => Err(format!("no drill has such a {}", self.metric)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::Wrong;
    use proptest::prelude::*;

    fn like(plan: &str) -> Like {
        Like {
            engine: "virtual".into(),
            redis: String::new(),
            plan: plan.into(),
        }
    }

    fn results() -> Results {
        let point = |metric, labels: &[(&str, &str)], amount| Point {
            metric: Metric::named(metric).unwrap(),
            labels: labels
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            amount,
        };
        let drill = |seed| DrillFigures {
            scenario: "a".into(),
            seed,
            conclusive: true,
            points: vec![
                point("jobs_lost", &[], Amount::Count(seed)),
                point(
                    "alert_recall",
                    &[("alert", "<b>\u{1b}")],
                    Amount::Share(1, 2),
                ),
                point("detect_seconds", &[], Amount::Seconds(None)),
            ],
            failings: vec![Failing {
                wrong: Wrong::Missed,
                name: "deadlock".into(),
                scenario: "a".into(),
                alert: None,
            }],
        };
        Results {
            scenarios: [("a".to_owned(), like("duration: 1h\n"))].into(),
            drills: vec![drill(1), drill(2)],
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let text = results().text();
        assert_eq!(Results::read(text.as_bytes()).unwrap(), results());
        // A later release may tell more.
        let more = text.replacen(
            "{\"kind\":\"end\"",
            "{\"kind\":\"weather\",\"rain\":true}\n{\"kind\":\"end\"",
            1,
        );
        let more = more.replace("\"metric\":\"jobs_lost\"", "\"metric\":\"jobs_found\"");
        let read = Results::read(more.as_bytes()).unwrap();
        assert_eq!(read.drills[0].points.len(), 2);
    }

    #[test]
    fn a_file_cut_anywhere_is_refused() {
        let text = results().text();
        for length in 0..text.len() {
            let cut = Results::read(&text.as_bytes()[..length]);
            assert!(cut.is_err(), "{length}");
        }
    }

    #[test]
    fn what_no_drill_has_is_refused() {
        let text = results().text();
        for (from, to) in [
            ("{\"share\":[1,2]}", "{\"share\":[1,0]}"),
            ("{\"share\":[1,2]}", "{\"share\":[3,2]}"),
            ("{\"share\":[1,2]}", "{\"count\":1}"),
            ("{\"count\":1}", "{\"count\":18446744073709551615}"),
            ("{\"seconds\":null}", "{\"seconds\":1e300}"),
            ("\"drills\":2", "\"drills\":3"),
            ("figures/1.0", "figures/2.0"),
            ("\"name\":\"a\"", "\"name\":\"b\""),
        ] {
            assert!(text.contains(from), "{from}");
            let changed = text.replacen(from, to, 1);
            let error = Results::read(changed.as_bytes()).unwrap_err();
            assert!(!error.to_string().is_empty(), "{to}: {error}");
        }
    }

    #[test]
    fn drills_are_alike_whatever_their_seed_and_it_is_said_what_differs() {
        let one = like("duration: 1h\nworkers:\n  - name: w\n    processes: 2\n");
        let other = like("duration: 1h\nworkers:\n  - name: w\n    processes: 3\n");
        assert_eq!(one.differs(&one), None);
        let (field, ours, theirs) = one.differs(&other).unwrap();
        assert_eq!(
            [field.as_str(), &ours, &theirs],
            ["workers", "processes: 2", "processes: 3"]
        );
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut file = begin().into_bytes();
            file.extend(bytes);
            let _ = Results::read(file.as_slice());
        }
    }
}
