//! One source as it is heard: whoever asks it, or is posted to, says here what came.

use super::clock::Skew;
use super::teller::{Changes, Instance, Teller};
use super::{Acknowledged, Said};
use firedrill_asynq::clock::ClockOrigin;
use firedrill_detector::text::printable;
use firedrill_reports::record::{Away, Found, Heard, Hearing, Source, SourceKind};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;
use tokio::sync::mpsc::UnboundedSender;

/// A source that has not been heard for longer than this was away. Milliseconds.
const AWAY_MS: i64 = 3_000;
/// What is further in the future than this was told by a clock that is ahead. Milliseconds.
const AHEAD_MS: i64 = 5_000;
/// So many doubts of one source are told, and so many of the times it was away.
const TOLD_MAX: usize = 20;
/// Longest doubt, characters.
const DOUBT_MAX: usize = 300;
/// Earliest time that a record holds: a day before the drill.
const EARLIEST_MS: i64 = -86_400_000;

/// See the module. Clones are the same.
#[derive(Debug, Clone)]
pub(super) struct Listener {
    clock: ClockOrigin,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    teller: Teller,
    hearing: Hearing,
    skew: Skew,
    /// Whether it is asked; who speaks by himself is not away while he is silent.
    is_asked: bool,
    /// When it was heard last; the drill begins right after it was asked first.
    last_ms: i64,
    /// What went wrong since.
    trouble: Option<String>,
    /// When it was started, in its own words.
    runs_since: Option<String>,
    tx: UnboundedSender<Said>,
}

impl Listener {
    pub(super) fn new(
        source: &Source,
        ours: BTreeSet<String>,
        clock: ClockOrigin,
        tx: UnboundedSender<Said>,
    ) -> Self {
        let of = source.of;
        let source = &source.source;
        let state = State {
            teller: Teller::new(source, ours),
            is_asked: of != SourceKind::Webhook,
            hearing: Hearing {
                source: source.to_owned(),
                ..Hearing::default()
            },
            skew: Skew::default(),
            last_ms: 0,
            trouble: None,
            runs_since: None,
            tx,
        };
        Self {
            clock,
            state: Arc::new(Mutex::new(state)),
        }
    }

    fn with<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Milliseconds since the drill's start.
    pub(super) fn now_ms(&self) -> i64 {
        self.clock.now().millis() - self.clock.virtual_start.millis()
    }

    /// A time that the source tells, Unix milliseconds, as milliseconds since the drill's start by our clock.
    pub(super) fn since_start(&self, unix_ms: i64) -> i64 {
        let started_ms = unix_now_ms() - self.now_ms();
        let correction_ms = self.with(|state| state.skew.correction_ms());
        let at_ms = unix_ms
            .saturating_sub(correction_ms)
            .saturating_sub(started_ms);
        let now_ms = self.now_ms();
        let ahead_ms = at_ms.saturating_sub(now_ms);
        if ahead_ms > AHEAD_MS {
            self.doubt("what it tells of begins in the future: its clock is ahead of ours");
        }
        at_ms.clamp(EARLIEST_MS, now_ms.max(EARLIEST_MS))
    }

    /// Whether a rule of the drill's files has this name.
    pub(super) fn is_ours(&self, alert: &str) -> bool {
        self.with(|state| state.teller.is_ours(alert))
    }

    /// It said what time it is, Unix milliseconds; when it was asked, and when the answer was there.
    pub(super) fn clock_told(&self, date_ms: i64, asked: (i64, i64)) {
        self.with(|state| state.skew.take(date_ms, asked));
    }

    /// It said which alerts it has, all of them.
    pub(super) fn answered(&self, instances: Vec<Instance>) {
        let now_ms = self.now_ms();
        self.with(|state| {
            state.was_away_until(now_ms);
            let first = state.hearing.heard == 0;
            let unsaid_ms = (!first).then_some(state.last_ms);
            let changes = state.teller.all(now_ms, unsaid_ms, instances);
            state.heard(now_ms, changes);
        });
    }

    /// A message came.
    pub(super) fn posted(&self, instances: Vec<Instance>) {
        let now_ms = self.now_ms();
        self.with(|state| {
            let changes = state.teller.message(now_ms, instances);
            state.heard(now_ms, changes);
        });
    }

    /// Somebody says that he is on it.
    pub(super) fn acknowledged(&self, by: Acknowledged) {
        self.with(|state| {
            // As for what it tells.
            let _ = state.tx.send(Said::Acknowledged(by));
        });
    }

    /// It said when it was started. What one that was restarted meanwhile had seen, and was about to tell, is not known.
    pub(super) fn runs_since(&self, since: String) {
        let now_s = self.now_ms() / 1_000;
        self.with(|state| {
            let before = state.runs_since.replace(since.clone());
            if before.is_some_and(|before| before != since) {
                state.doubt(&format!(
                    "it was restarted by {}:{:02}, or another one answers in its place: what it would have told without that is not known",
                    now_s / 60,
                    now_s % 60
                ));
            }
        });
    }

    /// It could not be asked.
    pub(super) fn failed(&self, why: &str) {
        self.with(|state| state.trouble = Some(short(why)));
    }

    /// Something makes doubtful what it tells.
    pub(super) fn doubt(&self, why: &str) {
        self.with(|state| state.doubt(why));
    }

    /// So many of the drill's targets it scrapes.
    pub(super) fn targets(&self, found: usize, of: usize) {
        let now_ms = self.now_ms();
        self.with(|state| {
            let before = state.hearing.targets;
            let known = before.map_or(0, |before| before.found);
            state.hearing.targets = Some(Found {
                of: of as u64,
                found: known.max(found as u64),
                all_ms: (found == of).then_some(now_ms),
            });
        });
    }

    /// Whether all of the drill's targets were found at a time.
    pub(super) fn has_all_targets(&self) -> bool {
        let targets = self.with(|state| state.hearing.targets);
        targets.is_some_and(|found| found.all_ms.is_some())
    }

    /// How well it was heard by the end of the drill.
    pub(super) fn finished(&self, end_ms: i64) -> Hearing {
        self.with(|state| {
            state.was_away_until(end_ms);
            if state.skew.jumped {
                state.doubt("its clock was set while the drill ran");
            }
            let mut hearing = state.hearing.clone();
            hearing.ahead_ms = state.skew.ahead_ms();
            hearing.foreign = state
                .teller
                .foreign
                .iter()
                .map(|name| short(name))
                .collect();
            hearing
        })
    }
}

impl State {
    fn heard(&mut self, now_ms: i64, changes: Changes) {
        self.hearing.heard += 1;
        self.last_ms = self.last_ms.max(now_ms);
        changes.doubts.iter().for_each(|doubt| self.doubt(doubt));
        for told in changes.told {
            // Whoever listened may be gone: the drill is over.
            let _ = self.tx.send(Said::Heard(Heard::Told(told)));
        }
    }

    fn was_away_until(&mut self, now_ms: i64) {
        let why = self.trouble.take();
        let is_away = self.is_asked && now_ms.saturating_sub(self.last_ms) > AWAY_MS;
        if is_away && self.hearing.away.len() < TOLD_MAX {
            self.hearing.away.push(Away {
                from_ms: self.last_ms,
                until_ms: now_ms,
                why: why.unwrap_or_else(|| "its answer took too long".to_owned()),
            });
        } else if let (true, Some(last)) = (is_away, self.hearing.away.last_mut()) {
            // Too many to name each: the last goes on.
            last.until_ms = now_ms;
        }
    }

    fn doubt(&mut self, why: &str) {
        let why = short(why);
        let doubts = &mut self.hearing.doubts;
        if doubts.len() < TOLD_MAX && !doubts.contains(&why) {
            doubts.push(why);
        }
    }
}

/// What others wrote, as it can be shown.
fn short(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let short: String = line.chars().take(DOUBT_MAX).collect();
    printable(&short).to_string()
}

/// Our own clock, Unix milliseconds.
pub(super) fn unix_now_ms() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(0))
}
