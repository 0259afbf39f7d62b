//! A scenario with faults under load: the drill itself, in real time, with what its tasks went through measured from its ledgers.

use super::LoadPlan;
use super::redis_side::RedisEye;
use super::run::{LoadError, header};
use crate::drill::{self, DrillError, Event, Rules, Seen};
use crate::engine::live::{LiveOptions, Noted};
use crate::plan::Plan;
use firedrill_asynq::broker::redis::{RedisBroker, RedisOptions};
use firedrill_asynq::clock::Time;
use firedrill_asynq::note::{Finish, Intake, Note};
use firedrill_reports::load::{
    Counts, Latencies, LoadFacts, LoadRecord, LoadWriter, RedisRow, RedisSide, Row, Stage,
};
use firedrill_reports::record::{Audit, Line};
use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, SystemTime};
use tokio::sync::mpsc;

/// How long Redis may take to answer a look.
const ANSWERS_WITHIN: Duration = Duration::from_secs(2);

/// Why there is no record of a scenario under load.
#[derive(Debug, thiserror::Error)]
pub enum DrilledError {
    /// The drill could not be run.
    #[error(transparent)]
    Drill(#[from] DrillError),
    /// Its load could not be written.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// It was stopped so early that nothing is known of its tasks.
    #[error("it was stopped before anything was known of its tasks")]
    Nothing,
}

/// What was seen of Redis in a second.
type Looks = BTreeMap<u64, (RedisRow, Option<u64>)>;

/// Who hears of what happens in the drill, and who looks at all that is seen of it.
pub type Audience<'a> = (
    &'a mut (dyn FnMut(Event) + Send),
    &'a mut (dyn FnMut(Seen<'_>) + Send),
);

/// Runs the load's scenario as a drill in real time; the drill's own record stands beside that of the load.
///
/// # Errors
/// As a drill, or when the load's files cannot be written.
pub async fn run(
    load: &LoadPlan,
    rules: &Rules,
    options: LiveOptions,
    (tell, watch): Audience<'_>,
) -> Result<LoadRecord, DrilledError> {
    let (noted_tx, mut noted) = mpsc::unbounded_channel();
    let options = LiveOptions {
        noted: Some(noted_tx),
        ..options
    };
    let server_of = options.redis.server_of();
    let drilled = async move {
        let mut marks = Vec::new();
        let mut watch = |seen: Seen<'_>| {
            if let Seen::Line(Line::Mark(mark)) = seen {
                marks.push(mark.clone());
            }
            watch(seen);
        };
        let finished = drill::run_live_watched(&load.plan, rules, &options, tell, &mut watch).await;
        // Whoever listens hears that no more comes.
        drop(options);
        (finished, marks)
    };
    let watched = look(&load.plan, server_of, &mut noted);
    let ((finished, marks), watched) = tokio::join!(drilled, watched);
    let finished = finished?;
    let Watched {
        start,
        notes,
        audit,
        looks,
        redis,
        version,
    } = watched.ok_or(DrilledError::Nothing)?;
    let dir = finished.record.parent().unwrap_or(&finished.record);
    let wrote = |source| LoadError::Write {
        path: dir.to_owned(),
        source,
    };
    let since_epoch = Duration::from_nanos(u64::try_from(start.0).unwrap_or(0));
    let writer = LoadWriter::create(dir, SystemTime::UNIX_EPOCH + since_epoch).map_err(wrote)?;
    let mut record = LoadRecord {
        facts: LoadFacts {
            header: header(load, &[], version, start),
            audit: Some(*audit),
            marks,
            redis,
            stopped: finished.aborted,
            ..LoadFacts::default()
        },
        ..LoadRecord::default()
    };
    let facts = &mut record.facts;
    facts.header.drill = true;
    facts.header.producers = 1;
    facts.header.workers = load
        .plan
        .workers
        .iter()
        .map(|worker| worker.processes)
        .sum();
    let told = Told::of(load, start, notes);
    facts.ran_s = match finished.aborted {
        true => told.last_s(),
        false => load.plan.duration_ms as f64 / 1e3,
    };
    told.put(&mut record, looks, writer).map_err(wrote)?;
    Ok(record)
}

/// What is known of a drill when it is over.
struct Watched {
    start: Time,
    notes: Vec<Note<String>>,
    audit: Box<Audit>,
    looks: Looks,
    redis: Option<RedisSide>,
    version: String,
}

/// Looks at the drill's Redis until the drill has told everything.
async fn look(
    plan: &Plan,
    server_of: Option<u32>,
    noted: &mut mpsc::UnboundedReceiver<Noted>,
) -> Option<Watched> {
    let Some(Noted::Began { redis, clock }) = noted.recv().await else {
        return None;
    };
    let options = RedisOptions::at_speed(1.0).to_server_of(server_of);
    let queues = plan.queues.iter().map(|queue| queue.name.clone()).collect();
    // Without it nothing is known of Redis, and the drill goes on all the same.
    let eye = match RedisBroker::open(&redis, options).await {
        Ok(broker) => RedisEye::open(broker, redis.is_cluster(), queues)
            .await
            .ok(),
        Err(_) => None,
    };
    let (mut eye, mut looks) = (eye, Looks::new());
    let version = match &eye {
        Some(eye) => eye.version().await,
        None => "redis".to_owned(),
    };
    let mut second = 0;
    loop {
        let next_ms = (i64::try_from(second).unwrap_or(i64::MAX) + 1) * 1_000;
        let next = clock.until(clock.virtual_start.plus_millis(next_ms));
        tokio::select! {
            told = noted.recv() => {
                let Some(Noted::Ended { notes, audit }) = told else {
                    return None;
                };
                let redis = match eye {
                    Some(eye) => tokio::time::timeout(ANSWERS_WITHIN, eye.side()).await.ok().flatten(),
                    None => None,
                };
                return Some(Watched { start: clock.virtual_start, notes, audit, looks, redis, version });
            }
            () = tokio::time::sleep(next) => {
                // It may be away by plan.
                if let Some(eye) = &mut eye
                    && let Ok(Ok(row)) = tokio::time::timeout(ANSWERS_WITHIN, eye.look()).await
                {
                    let backlog = tokio::time::timeout(ANSWERS_WITHIN, eye.backlog()).await;
                    looks.insert(second, (row, backlog.ok().and_then(Result::ok)));
                }
                second += 1;
            }
        }
    }
}

/// Something that happened to a task.
struct Happened {
    at: Time,
    /// When the task was to arrive: before the warm-up is over, nothing is measured.
    arrived: Time,
    count: fn(&mut Counts),
    took: Vec<(Stage, i64)>,
}

/// All that happened, in order of time.
struct Told {
    start: Time,
    from: Time,
    all: Vec<Happened>,
}

impl Told {
    fn of(load: &LoadPlan, start: Time, notes: Vec<Note<String>>) -> Self {
        let mut known: HashMap<&str, (Time, Time)> = HashMap::new();
        for note in &notes {
            if let Note::Sent {
                id,
                workload,
                intended,
                ..
            } = note
            {
                let entry = load.plan.workload.get(*workload as usize);
                let due = intended.plus_millis(entry.map_or(0, |entry| entry.delay_ms));
                known.insert(id, (*intended, due));
            }
        }
        let mut began: HashMap<(&str, i32), Time> = HashMap::new();
        for note in &notes {
            if let Note::Started { at, id, retried } = note {
                began.insert((id, *retried), *at);
            }
        }
        let mut all: Vec<Happened> = notes
            .iter()
            .filter_map(|note| happened(note, &known, &began))
            .collect();
        all.sort_by_key(|happened| happened.at);
        Self {
            start,
            from: start.plus_millis(load.warmup_ms),
            all,
        }
    }

    fn since_start_s(&self, at: Time) -> f64 {
        (at.0 - self.start.0).max(0) as f64 / 1e9
    }

    fn last_s(&self) -> f64 {
        self.all
            .last()
            .map_or(0.0, |happened| self.since_start_s(happened.at))
    }

    /// Writes it second by second into a record.
    fn put(
        self,
        record: &mut LoadRecord,
        mut looks: Looks,
        mut writer: LoadWriter,
    ) -> std::io::Result<()> {
        let seconds = record.facts.ran_s.max(self.last_s()).ceil() as u64;
        let mut all = self.all.iter().peekable();
        let mut measured = Latencies::default();
        for second in 0..seconds {
            let mut counts = Counts::default();
            measured.clear();
            let end = second as f64 + 1.0;
            while let Some(happened) = all.next_if(|one| self.since_start_s(one.at) < end) {
                (happened.count)(&mut counts);
                if happened.arrived >= self.from {
                    for (stage, ns) in &happened.took {
                        measured[*stage].record(*ns);
                    }
                }
            }
            let look = looks.remove(&second);
            let mut row = Row {
                at_s: second as f64,
                width_s: 1.0,
                counts,
                backlog: look.and_then(|(_, backlog)| backlog),
                redis: look.map(|(redis, _)| redis),
                ..Row::default()
            };
            row.measured(&measured);
            writer.interval(row.at_s, row.width_s, &measured)?;
            record.latencies.merge(&measured);
            record.facts.counts.add(&counts);
            record.facts.series.push(row);
        }
        let counts = &mut record.facts.counts;
        let answered = counts.enqueued + counts.duplicates + counts.rejected;
        counts.unanswered = counts.sent.saturating_sub(answered);
        writer.finish(&record.facts)
    }
}

/// `known`: when each task was to arrive and due; `began`: when each of its executions began.
fn happened(
    note: &Note<String>,
    known: &HashMap<&str, (Time, Time)>,
    began: &HashMap<(&str, i32), Time>,
) -> Option<Happened> {
    let (Note::Sent { at, id, .. }
    | Note::Answered { at, id, .. }
    | Note::Started { at, id, .. }
    | Note::Finished { at, id, .. }
    | Note::GivenUp { at, id, .. }
    | Note::Unhandled { at, id, .. }) = note;
    let (at, (arrived, due)) = (*at, *known.get(id.as_str())?);
    let since = |from: Time| at.0 - from.0;
    let (count, took): (fn(&mut Counts), _) = match note {
        Note::Sent { .. } => (
            |counts| {
                counts.intended += 1;
                counts.sent += 1;
            },
            vec![(Stage::Lateness, since(arrived))],
        ),
        Note::Answered { answer, .. } => match answer {
            Intake::Accepted => (
                |counts| counts.enqueued += 1,
                vec![(Stage::Enqueue, since(arrived))],
            ),
            Intake::Duplicate => (|counts| counts.duplicates += 1, Vec::new()),
            Intake::Rejected => (|counts| counts.rejected += 1, Vec::new()),
        },
        Note::Started { retried: 0, .. } => (
            |counts| counts.started += 1,
            vec![(Stage::Wait, since(due))],
        ),
        Note::Started { .. } => (|counts| counts.started += 1, Vec::new()),
        Note::Finished { how, retried, .. } => {
            let began = began.get(&(id.as_str(), *retried)).copied();
            let mut took: Vec<_> = began
                .map(|began| (Stage::Service, since(began)))
                .into_iter()
                .collect();
            match how {
                Finish::Ok => {
                    took.push((Stage::EndToEnd, since(due)));
                    (|counts| counts.succeeded += 1, took)
                }
                Finish::Failed | Finish::FailedByFault | Finish::Revoked => {
                    (|counts| counts.failed += 1, took)
                }
            }
        }
        Note::GivenUp { .. } | Note::Unhandled { .. } => return None,
    };
    Some(Happened {
        at,
        arrived,
        count,
        took,
    })
}
