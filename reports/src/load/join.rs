//! The shards of one load, joined: counts and histograms are sums, and so are all percentiles those of all tasks.

use super::files::Log;
use super::{
    Interval, Latencies, LoadFileError, LoadHeader, LoadRecord, LoadWriter, Series, Trouble,
};
use crate::shard::Shard;
use std::io;
use std::iter::Peekable;
use std::path::{Path, PathBuf};

/// Why loads are not one.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// The files of one cannot be read.
    #[error(transparent)]
    File(#[from] LoadFileError),
    /// One is all of a load, and no part.
    #[error("{0}: this is a load by itself, and no shard of one")]
    Whole(PathBuf),
    /// They are of different loads.
    #[error("{one} and {other} are no shards of one load; they differ in {what}")]
    Differ {
        /// One.
        one: PathBuf,
        /// The other.
        other: PathBuf,
        /// What differs.
        what: &'static str,
    },
    /// One is there twice.
    #[error("shard {shard} is there twice: {one} and {other}; name the one that counts")]
    Twice {
        /// Which.
        shard: Shard,
        /// One.
        one: PathBuf,
        /// The other.
        other: PathBuf,
    },
    /// Some are missing: the load proves nothing.
    #[error("inconclusive: of {of} shards there is no {}", missing.join(", "))]
    Missing {
        /// How many there should be.
        of: u32,
        /// Which are not there, as `2/4`.
        missing: Vec<String>,
    },
    /// What they come to could not be written.
    #[error("cannot write the load into {path}: {source}")]
    Write {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// A shard of a load.
struct Part {
    dir: PathBuf,
    shard: Shard,
    record: LoadRecord,
}

/// Joins the shards of one load in `dirs`, and writes the load into `into`, which is there and empty. Of what all shards see of their
/// common Redis the first shard's word counts.
///
/// # Errors
/// [`JoinError`].
pub fn join(dirs: &[PathBuf], into: &Path) -> Result<LoadRecord, JoinError> {
    let mut parts = dirs.iter().map(|dir| Part::read(dir));
    let mut parts = parts.by_ref().collect::<Result<Vec<_>, _>>()?;
    parts.sort_by_key(|part| part.shard);
    are_one(&parts)?;
    let mut record = LoadRecord::default();
    for part in &parts {
        take(&mut record, part);
    }
    let facts = &mut record.facts;
    facts.troubles.sort_by_key(|trouble| trouble.at_ms);
    facts.series = beside_each_other(&parts);
    let failed = |source| JoinError::Write {
        path: into.to_owned(),
        source,
    };
    let mut writer = LoadWriter::create(into, facts.header.started()).map_err(failed)?;
    let series = &mut facts.series;
    each_second(&parts, &mut |at_s, width_s, measured| {
        let width = series.width_s().max(1e-3);
        // What was told after the last row belongs to it.
        let index = ((at_s / width) as usize).min(series.rows.len().saturating_sub(1));
        if let Some(row) = series.rows.get_mut(index) {
            row.measured_also(measured);
        }
        writer.interval(at_s, width_s, measured).map_err(failed)
    })?;
    writer.finish(facts).map_err(failed)?;
    Ok(record)
}

/// Of shards that were run again, all of them, those of the last time, and those of before. Where they differ in anything else, all
/// stay: [`join`] says in what.
///
/// # Errors
/// [`LoadFileError`].
pub fn newest(dirs: &[PathBuf]) -> Result<(Vec<PathBuf>, Vec<PathBuf>), LoadFileError> {
    let headed = dirs.iter().map(|dir| Ok((dir, LoadHeader::read(dir)?)));
    let headed = headed.collect::<Result<Vec<_>, LoadFileError>>()?;
    let is_one = |pair: &[(&PathBuf, LoadHeader)]| differ(&pair[0].1, &pair[1].1).is_none();
    let last = headed.iter().map(|(_, header)| header.started()).max();
    let counts = |header: &LoadHeader| Some(header.started()) == last;
    let (new, old): (Vec<_>, Vec<_>) = match headed.windows(2).all(is_one) {
        true => headed.iter().partition(|(_, header)| counts(header)),
        false => (headed.iter().collect(), Vec::new()),
    };
    let dirs = |found: Vec<&(&PathBuf, LoadHeader)>| {
        let dirs = found.into_iter().map(|(dir, _)| (*dir).clone());
        dirs.collect()
    };
    Ok((dirs(new), dirs(old)))
}

impl Part {
    fn read(dir: &Path) -> Result<Self, JoinError> {
        let record = LoadRecord::read(dir)?;
        let shard = record.facts.header.shard;
        Ok(Self {
            shard: shard.ok_or_else(|| JoinError::Whole(dir.to_owned()))?,
            dir: dir.to_owned(),
            record,
        })
    }

    fn header(&self) -> &LoadHeader {
        &self.record.facts.header
    }
}

/// Sees that parts, which are in order, are all shards of one load.
fn are_one(parts: &[Part]) -> Result<(), JoinError> {
    let Some(first) = parts.first() else {
        return Err(JoinError::Missing {
            of: 1,
            missing: vec!["1/1".to_owned()],
        });
    };
    for other in &parts[1..] {
        let (ours, theirs) = (first.header(), other.header());
        let when = (ours.started != theirs.started).then_some("when they began");
        if let Some(what) = differ(ours, theirs).or(when) {
            return Err(JoinError::Differ {
                one: first.dir.clone(),
                other: other.dir.clone(),
                what,
            });
        }
    }
    let twice = parts.windows(2).find(|pair| pair[0].shard == pair[1].shard);
    if let Some([one, other]) = twice {
        return Err(JoinError::Twice {
            shard: one.shard,
            one: one.dir.clone(),
            other: other.dir.clone(),
        });
    }
    let of = first.shard.of();
    let is_there = |number: &u32| parts.iter().any(|part| part.shard.number() == *number);
    let missing = (1..=of).filter(|number| !is_there(number));
    let missing: Vec<String> = missing.map(|number| format!("{number}/{of}")).collect();
    match missing.is_empty() {
        true => Ok(()),
        false => Err(JoinError::Missing { of, missing }),
    }
}

/// What two shards differ in that those of one load have in common, but for when it began.
fn differ(ours: &LoadHeader, theirs: &LoadHeader) -> Option<&'static str> {
    let of = |header: &LoadHeader| header.shard.map(Shard::of);
    let common = [
        (ours.firedrill == theirs.firedrill, "firedrill's version"),
        (of(ours) == of(theirs), "how many shards there are"),
        (ours.name == theirs.name, "the load's name"),
        (ours.seed == theirs.seed, "the seed"),
        (ours.plan == theirs.plan, "the plan"),
        (ours.drive == theirs.drive, "how tasks are enqueued"),
        (ours.sides == theirs.sides, "who is there"),
    ];
    let found = common.into_iter().find(|(same, _)| !same);
    found.map(|(_, what)| what)
}

/// Takes a shard into a load, all but the series.
fn take(load: &mut LoadRecord, part: &Part) {
    let (facts, theirs) = (&mut load.facts, &part.record.facts);
    let header = &mut facts.header;
    if header.format.is_empty() {
        *header = LoadHeader {
            shard: None,
            ..theirs.header.clone()
        };
    } else {
        let sum = |ours: u32, theirs: u32| ours.saturating_add(theirs);
        let theirs = &theirs.header;
        header.producers = sum(header.producers, theirs.producers);
        header.workers = sum(header.workers, theirs.workers);
        header.slots = sum(header.slots, theirs.slots);
        header.cpus = sum(header.cpus, theirs.cpus);
        let both = header.asked_per_s.zip(theirs.asked_per_s);
        header.asked_per_s = both.map(|(ours, theirs)| ours + theirs);
    }
    facts.counts.add(&theirs.counts);
    facts.left = facts.left.or(theirs.left);
    if facts.redis.is_none() {
        facts.redis.clone_from(&theirs.redis);
    }
    let named = |process: &super::Process| super::Process {
        name: format!("{} of shard {}", process.name, part.shard),
        ..process.clone()
    };
    facts.processes.extend(theirs.processes.iter().map(named));
    let told = theirs.troubles.iter().map(|trouble| Trouble {
        what: format!("shard {}: {}", part.shard, trouble.what),
        ..trouble.clone()
    });
    facts.troubles.extend(told);
    facts.stopped |= theirs.stopped;
    facts.ran_s = facts.ran_s.max(theirs.ran_s);
    load.latencies.merge(&part.record.latencies);
}

/// The rows of all shards, each with those of the same time.
fn beside_each_other(parts: &[Part]) -> Series {
    let each = parts.iter().map(|part| &part.record.facts.series);
    let widest = each.clone().map(Series::width_s).fold(0.0, f64::max);
    let mut sum = Series::default();
    for series in each {
        let mut series = series.clone();
        // Their rows are of one second, or of twice as many, and so on.
        while !series.rows.is_empty() && series.width_s() < widest && series.rows.len() > 1 {
            series.halve();
        }
        for (index, mut row) in series.rows.into_iter().enumerate() {
            row.stages.clear();
            match sum.rows.get_mut(index) {
                Some(known) => known.beside(&row),
                None => sum.rows.push(row),
            }
        }
    }
    sum
}

/// Hands over what all shards together have measured, second by second.
fn each_second(
    parts: &[Part],
    take: &mut dyn FnMut(f64, f64, &Latencies) -> Result<(), JoinError>,
) -> Result<(), JoinError> {
    let logs = parts.iter().map(|part| Log::open(&part.dir));
    let logs = logs.collect::<Result<Vec<_>, _>>()?;
    let mut each: Vec<Peekable<_>> = logs.iter().map(|log| log.intervals().peekable()).collect();
    loop {
        let mut first: Option<(f64, f64)> = None;
        for log in &mut each {
            match log.peek() {
                Some(Ok(next)) if first.is_none_or(|(at_s, _)| next.at_s < at_s) => {
                    first = Some((next.at_s, next.width_s));
                }
                Some(Err(_)) => {
                    log.next().transpose()?;
                }
                _ => {}
            }
        }
        let Some((at_s, width_s)) = first else {
            return Ok(());
        };
        let mut measured = Latencies::default();
        let is_then = |next: &Result<Interval, LoadFileError>| match next {
            Ok(next) => next.at_s <= at_s,
            Err(_) => true,
        };
        for log in &mut each {
            while let Some(next) = log.next_if(is_then) {
                let next = next?;
                measured[next.stage].merge(&next.latency);
            }
        }
        take(at_s, width_s, &measured)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::{Counts, FORMAT, Left, LoadFacts, Process, Role, Row, Stage, each_interval};
    use proptest::prelude::*;
    use std::fs;
    use std::time::SystemTime;

    /// Tasks as (second, wait in ms), and which part of them a shard has; `None`: all.
    fn written(dir: &Path, tasks: &[(u64, i64)], shard: Option<Shard>) -> LoadRecord {
        let own = |number: usize| shard.is_none_or(|shard| shard.holds(number as u64));
        let mut writer = LoadWriter::create(dir, SystemTime::UNIX_EPOCH).unwrap();
        let mut series = Series::default();
        let mut counts = Counts::default();
        for second in 0..4 {
            let mut measured = Latencies::default();
            let mut sent = 0;
            for (number, (at, wait)) in tasks.iter().enumerate() {
                if *at == second && own(number) {
                    measured[Stage::Wait].record(wait * 1_000_000);
                    sent += 1;
                }
            }
            writer.interval(second as f64, 1.0, &measured).unwrap();
            let mut row = Row {
                at_s: second as f64,
                width_s: 1.0,
                counts: Counts {
                    sent,
                    ..Counts::default()
                },
                backlog: Some(7),
                ..Row::default()
            };
            counts.add(&row.counts);
            row.measured(&measured);
            series.push(row);
        }
        let facts = LoadFacts {
            header: LoadHeader {
                format: FORMAT.to_owned(),
                name: "load".into(),
                started: "1970-01-01T00:00:00Z".into(),
                slots: if shard.is_some() { 2 } else { 4 },
                shard,
                ..LoadHeader::default()
            },
            counts,
            left: Some(Left {
                pending: 3,
                ..Left::default()
            }),
            series,
            processes: vec![Process {
                name: "producer-0".into(),
                role: Role::Producer,
                cpu_s: 1.0,
                cpu_most: 0.5,
                rss_bytes: 1,
                ended_well: true,
            }],
            ran_s: 4.0,
            ..LoadFacts::default()
        };
        writer.finish(&facts).unwrap();
        LoadRecord::read(dir).unwrap()
    }

    /// Two shards of a load and all of it, each in a directory.
    fn bench(tasks: &[(u64, i64)]) -> (tempfile::TempDir, Vec<PathBuf>, LoadRecord) {
        let dir = tempfile::tempdir().unwrap();
        let sub = |name: &str| {
            let sub = dir.path().join(name);
            fs::create_dir(&sub).unwrap();
            sub
        };
        let whole = written(&sub("whole"), tasks, None);
        let parts = [2, 1].map(|number| {
            let part = sub(&number.to_string());
            written(&part, tasks, Shard::new(number, 2).ok());
            part
        });
        sub("into");
        (dir, parts.to_vec(), whole)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]
        #[test]
        fn two_shards_are_the_whole_second_by_second(
            tasks in prop::collection::vec((0_u64..4, 0_i64..100_000), 0..60),
        ) {
            let (dir, parts, whole) = bench(&tasks);
            let into = dir.path().join("into");
            let joined = join(&parts, &into).unwrap();
            prop_assert_eq!(&LoadRecord::read(&into).unwrap(), &joined);
            prop_assert_eq!(&joined.latencies, &whole.latencies);
            prop_assert_eq!(joined.facts.counts, whole.facts.counts);
            prop_assert_eq!(&joined.facts.series, &whole.facts.series);
            prop_assert_eq!(joined.facts.left, whole.facts.left);
            prop_assert_eq!(&joined.facts.header, &whole.facts.header);
            let log = |dir: &Path| {
                let mut log = Vec::new();
                each_interval(dir, &mut |interval| log.push(interval)).unwrap();
                log
            };
            prop_assert_eq!(log(&into), log(&dir.path().join("whole")));
        }
    }

    #[test]
    fn processes_of_one_name_are_told_apart() {
        let (dir, parts, _) = bench(&[(0, 5)]);
        let joined = join(&parts, &dir.path().join("into")).unwrap();
        let names: Vec<&str> = joined
            .facts
            .processes
            .iter()
            .map(|one| &*one.name)
            .collect();
        assert_eq!(
            names,
            ["producer-0 of shard 1/2", "producer-0 of shard 2/2"]
        );
    }

    #[test]
    fn of_shards_that_were_run_again_the_last_time_counts() {
        let (dir, parts, _) = bench(&[(0, 5)]);
        let (_again, later, _) = bench(&[(0, 5)]);
        for part in &later {
            let path = part.join("load.json");
            let text = fs::read_to_string(&path).unwrap();
            fs::write(&path, text.replace("00:00:00Z", "00:00:00.25Z")).unwrap();
        }
        // One of the first time is lost.
        let all = [&parts[..1], &later[..]].concat();
        assert_eq!(newest(&all).unwrap(), (later.clone(), parts[..1].to_vec()));
        let into = dir.path().join("into");
        assert!(
            join(&all, &into)
                .unwrap_err()
                .to_string()
                .ends_with("when they began")
        );
        join(&later, &into).unwrap();
        // What is of another load is not passed over.
        let path = parts[0].join("load.json");
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replace("\"seed\": 0", "\"seed\": 1")).unwrap();
        assert_eq!(newest(&all).unwrap(), (all, Vec::new()));
    }

    #[test]
    fn what_is_not_all_of_one_load_is_told() {
        let (dir, parts, _) = bench(&[(0, 5), (1, 6)]);
        let into = dir.path().join("into");
        let error = |dirs: &[PathBuf]| join(dirs, &into).unwrap_err().to_string();
        assert_eq!(
            error(&parts[..1]),
            "inconclusive: of 2 shards there is no 1/2"
        );
        let twice = [parts.clone(), parts.clone()].concat();
        assert!(error(&twice).contains("shard 1/2 is there twice"));
        let whole = dir.path().join("whole");
        assert!(error(&[whole]).contains("a load by itself"));
        let path = parts[0].join("load.json");
        let text = fs::read_to_string(&path).unwrap();
        for (from, to, what) in [
            ("\"seed\": 0", "\"seed\": 1", "the seed"),
            ("00:00:00Z", "00:00:01Z", "when they began"),
            ("\"of\": 2", "\"of\": 3", "how many shards there are"),
            (
                "\"firedrill\": \"\"",
                "\"firedrill\": \"0.0.1\"",
                "firedrill's version",
            ),
        ] {
            assert!(text.contains(from), "{from}");
            fs::write(&path, text.replace(from, to)).unwrap();
            assert!(error(&parts).ends_with(what), "{}", error(&parts));
        }
        // Nothing was written of any of it.
        assert!(fs::read_dir(&into).unwrap().next().is_none());
    }
}
