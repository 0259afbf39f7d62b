//! A load under way: hears its processes, looks at Redis, and sees when it is over.

use super::super::LoadPlan;
use super::super::part::{Heard, Part};
use super::super::redis_side::RedisEye;
use super::super::table::Table;
use super::super::wire::Word;
use super::{ANSWERS_WITHIN, LoadOptions};
use crate::redis_server::private::PrivateRedis;
use firedrill_asynq::clock::ClockOrigin;
use firedrill_asynq::op::BrokerError;
use firedrill_reports::load::{About, LoadRecord, LoadWriter, Role, Row, Trouble};
use std::io;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Pause between looks whether the load is over.
const LOOKS_EVERY: Duration = Duration::from_millis(50);
/// A Redis that does not answer for so long does not come back.
const GONE_AFTER: Duration = Duration::from_secs(10);
/// How long a process may take to end beyond its own patience with handlers.
const ENDS_WITHIN: Duration = Duration::from_secs(3);
/// How long producers may take for what was due before the end.
const SENDS_WITHIN: Duration = Duration::from_secs(5);

/// How long a producer sorts out what it did not send, and waits for answers.
const ANSWERS_LAST: Duration = Duration::from_secs(10);

/// A load under way.
pub(super) struct Going<'a> {
    pub(super) load: &'a LoadPlan,
    pub(super) options: &'a LoadOptions,
    pub(super) clock: ClockOrigin,
    pub(super) redis: &'a PrivateRedis,
    pub(super) parts: Vec<Part>,
    pub(super) heard: mpsc::UnboundedReceiver<Heard>,
    pub(super) eye: RedisEye,
    pub(super) table: Table,
    pub(super) writer: LoadWriter,
    pub(super) record: LoadRecord,
    /// Redis does not answer at the moment.
    pub(super) silence: Option<Silence>,
    /// The trouble that a process has met since Redis answered last, which may be the beginning of that.
    pub(super) met: Option<usize>,
}

/// That Redis does not answer.
pub(super) struct Silence {
    since: Instant,
    /// Which of the troubles says so.
    trouble: usize,
    /// What was met instead of an answer.
    error: String,
}

impl Going<'_> {
    pub(super) fn now_ms(&self) -> i64 {
        (self.clock.now().0 - self.clock.virtual_start.0) / 1_000_000
    }

    pub(super) fn trouble(&mut self, at_ms: i64, what: String) {
        self.told(at_ms, what, About::Load);
    }

    /// Notes what went wrong; answers its place among the troubles.
    fn told(&mut self, at_ms: i64, what: String, about: About) -> usize {
        let troubles = &mut self.record.facts.troubles;
        troubles.push(Trouble { at_ms, what, about });
        troubles.len() - 1
    }

    /// A process has met that Redis does not answer.
    fn met_silence(&mut self, at_ms: i64, what: String) {
        match &self.silence {
            // Whoever has met it earlier knows better since when.
            Some(silence) => {
                let told = &mut self.record.facts.troubles[silence.trouble];
                told.at_ms = told.at_ms.min(at_ms);
            }
            // It may be the beginning of that, or Redis is only slow.
            None => self.met = Some(self.told(at_ms, what, About::Calls)),
        }
    }

    /// Redis does not answer us.
    fn falls_silent(&mut self, error: String) {
        if self.silence.is_some() {
            return;
        }
        let met = self.met.take();
        let trouble = met.unwrap_or_else(|| {
            let what = format!("Redis did not answer: {error}");
            self.told(self.now_ms(), what, About::Redis)
        });
        self.record.facts.troubles[trouble].about = About::Redis;
        self.silence = Some(Silence {
            since: Instant::now(),
            trouble,
            error,
        });
    }

    /// Redis answers: that it did not is told with how long.
    fn answers(&mut self) {
        let now_ms = self.now_ms();
        self.met = None;
        if let Some(silence) = self.silence.take() {
            let told = &mut self.record.facts.troubles[silence.trouble];
            let away_s = (now_ms - told.at_ms).max(0) as f64 / 1e3;
            told.what = format!(
                "Redis did not answer for {away_s:.1} s, and then did again ({})",
                silence.error
            );
        }
    }

    /// The load is over, and Redis does not answer.
    fn ends_in_silence(&mut self) {
        let now_ms = self.now_ms();
        if let Some(silence) = &self.silence {
            let told = &mut self.record.facts.troubles[silence.trouble];
            told.what = format!(
                "Redis is gone, and the load ended there, {:.1} s later ({})",
                (now_ms - told.at_ms).max(0) as f64 / 1e3,
                silence.error
            );
        }
    }

    /// Until all is sent and worked on, nobody is left, or somebody asks.
    pub(super) async fn go(&mut self, tell: &mut dyn FnMut(&Row)) -> io::Result<()> {
        let first = self.clock.until(self.clock.virtual_start);
        tokio::time::sleep(first).await;
        // From here on Redis' counters are the load's.
        let _ = self.eye.look().await;
        self.eye.begin();
        let mut second = 0;
        loop {
            let next_ms = (i64::try_from(second).unwrap_or(i64::MAX) + 1) * 1_000;
            let next = self
                .clock
                .until(self.clock.virtual_start.plus_millis(next_ms));
            tokio::select! {
                Some(heard) = self.heard.recv() => self.hear(heard).await,
                () = tokio::time::sleep(next) => {
                    self.look(second).await;
                    second += 1;
                }
                () = tokio::time::sleep(LOOKS_EVERY) => {}
                () = self.options.abort.asked() => {
                    self.record.facts.stopped = true;
                    return Ok(());
                }
            }
            self.write(second, false, tell)?;
            if self.is_over().await {
                match self.silence {
                    // The second that is not whole.
                    None => self.look(second).await,
                    Some(_) => self.ends_in_silence(),
                }
                return Ok(());
            }
        }
    }

    /// Whether there is nothing left to wait for.
    async fn is_over(&mut self) -> bool {
        let now_ms = self.now_ms();
        let end_ms = self.load.plan.duration_ms;
        let gone = match self.redis {
            PrivateRedis::Given(_) => false,
            ours => self.silence.is_some() && !ours.is_listening(),
        };
        let silent = self.silence.as_ref().map(|silence| silence.since.elapsed());
        if gone || silent.is_some_and(|silent| silent > GONE_AFTER) {
            return true;
        }
        if self.parts.iter().all(|part| part.over) {
            return true;
        }
        let mut producers = self
            .parts
            .iter()
            .filter(|part| part.process.role == Role::Producer);
        let sends = !producers.all(|part| part.done || part.over);
        if now_ms < end_ms {
            // A backlog that is worked off is all there is to do for workers alone.
            let drains = !self.load.sides.produces() && self.load.backlog > 0;
            return drains && self.awaited().await == Some(0);
        }
        if self.load.taken {
            // Others go on: there is no last task.
            return true;
        }
        let late_ms = now_ms - end_ms;
        let sends_ms = i64::try_from(SENDS_WITHIN.as_millis()).unwrap_or(0);
        if sends && late_ms < sends_ms.max(self.options.drain_ms) {
            return false;
        }
        if !self.load.sides.consumes() || late_ms >= self.options.drain_ms {
            return true;
        }
        self.awaited().await == Some(0)
    }

    /// Tasks that are worth waiting for: those that are there, and those that are due before workers are told to end.
    async fn awaited(&self) -> Option<u64> {
        let ends_ms = self.load.plan.duration_ms + self.options.drain_ms;
        let until = self.clock.virtual_start.plus_millis(ends_ms);
        let due = tokio::time::timeout(ANSWERS_WITHIN, self.eye.due(until));
        // First those that are due: between the two looks they only become pending.
        let due = due.await.ok()?.ok()?;
        Some(due + self.backlog().await?)
    }

    async fn backlog(&self) -> Option<u64> {
        let asked = tokio::time::timeout(ANSWERS_WITHIN, self.eye.backlog()).await;
        asked.ok()?.ok()
    }

    /// Looks at Redis at the end of a second.
    async fn look(&mut self, second: u64) {
        let looked = tokio::time::timeout(ANSWERS_WITHIN, self.eye.look()).await;
        let looked = looked.unwrap_or_else(|_| {
            let seconds = ANSWERS_WITHIN.as_secs();
            Err(BrokerError::Unreachable(
                format!("no answer within {seconds} s").into(),
            ))
        });
        match looked {
            Ok(row) => {
                self.answers();
                if self.eye.is_another() {
                    let what = "another Redis answers than before: it was started again, or a replica took its place, and what this one does not \
                                have is lost";
                    self.told(self.now_ms(), what.to_owned(), About::Redis);
                }
                let backlog = self.backlog().await;
                self.table.looked(second, Some(row), backlog);
            }
            Err(error) => {
                self.falls_silent(error.to_string());
                self.table.looked(second, None, None);
            }
        }
    }

    async fn hear(&mut self, (number, word): Heard) {
        let part = &mut self.parts[number];
        match word {
            Some(Word::Second(second)) => {
                let header = &self.record.facts.header;
                if header.measures(second.number as f64, 1.0) {
                    part.process.cpu_s += second.cpu_s;
                    part.process.cpu_most = part.process.cpu_most.max(second.cpu_s);
                }
                part.process.rss_bytes = part.process.rss_bytes.max(second.rss_bytes);
                self.table.take(part.process.role, &second);
            }
            Some(Word::Trouble {
                at_ms,
                what,
                silent,
            }) => {
                let what = format!("{}: {what}", part.process.name);
                match silent {
                    true => self.met_silence(at_ms, what),
                    false => {
                        self.told(at_ms, what, About::Calls);
                    }
                }
            }
            Some(Word::Done) => part.done = true,
            Some(Word::Ended) => part.process.ended_well = true,
            Some(Word::Ready { .. }) => {}
            None => {
                part.over = true;
                let status = part.end().await;
                if !part.process.ended_well {
                    let how = status.map_or_else(String::new, |status| format!(" ({status})"));
                    let what = format!("{} has ended{how}", part.process.name);
                    let at_ms = self.now_ms();
                    self.trouble(at_ms, what);
                }
            }
        }
    }

    /// Writes the seconds that are over.
    fn write(&mut self, now: u64, all: bool, tell: &mut dyn FnMut(&Row)) -> io::Result<()> {
        let parts = self.parts.iter().filter(|part| !part.over).count();
        while let Some((row, latencies)) = self.table.next(parts, now, all) {
            self.writer.interval(row.at_s, row.width_s, &latencies)?;
            self.record.latencies.merge(&latencies);
            self.record.facts.counts.add(&row.counts);
            tell(&row);
            self.record.facts.series.push(row);
        }
        Ok(())
    }

    /// Ends every process, producers first, and takes in what they tell at last.
    pub(super) async fn end(&mut self, tell: &mut dyn FnMut(&Row)) -> io::Result<()> {
        for role in [Role::Producer, Role::Worker] {
            let patience = match (&self.silence, self.record.facts.stopped, role) {
                (Some(_), ..) | (_, true, _) => ENDS_WITHIN,
                // It waits for its last answers itself.
                (None, false, Role::Producer) => SENDS_WITHIN + ANSWERS_LAST + ENDS_WITHIN,
                (None, false, Role::Worker) => {
                    let workers = self.load.plan.workers.iter();
                    let most = workers.map(|worker| worker.shutdown_timeout_ms).max();
                    let most = u64::try_from(most.unwrap_or(0)).unwrap_or(0);
                    Duration::from_millis(most) + ENDS_WITHIN
                }
            };
            for part in &mut self.parts {
                if part.process.role == role && !part.over {
                    part.stop().await;
                }
            }
            let deadline = Instant::now() + patience;
            let is_meant = |part: &Part| part.process.role == role && !part.over;
            while self.parts.iter().any(is_meant) {
                let heard = tokio::select! {
                    heard = tokio::time::timeout_at(deadline, self.heard.recv()) => heard,
                    () = self.options.abort.urged() => break,
                };
                let Ok(Some(heard)) = heard else { break };
                self.hear(heard).await;
            }
        }
        let expected = self.silence.is_none() && !self.record.facts.stopped;
        let mut killed = Vec::new();
        for part in &mut self.parts {
            if !part.over {
                part.end().await;
                killed.push(part.process.name.clone());
            }
        }
        for name in killed.into_iter().filter(|_| expected) {
            let what = format!("{name} did not end when it was told to, and was killed");
            self.trouble(self.now_ms(), what);
        }
        self.write(0, true, tell)
    }
}
