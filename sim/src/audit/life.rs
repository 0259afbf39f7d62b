//! What is known of one task: when it was sent, and each execution.

use super::{Hand, cost};
use firedrill_asynq::clock::Time;
use firedrill_asynq::note::{Finish, Intake};
use firedrill_asynq::op::{Deed, TaskState};

/// The life of one task.
#[derive(Debug, Clone)]
pub(crate) struct Life {
    /// When it was sent to Redis.
    pub(crate) sent: Time,
    first_start: Time,
    given_up: Time,
    /// When the latest execution began.
    pub(crate) last_start: Time,
    last_end: Time,
    /// Whether an execution has failed since then.
    pub(crate) failed: bool,
    /// Whether something happened to it that no step of the plan explains.
    pub(crate) unexplained: bool,
    /// How long after it was sent it is due, virtual milliseconds, where that is not its workload entry's to say: a handler has
    /// enqueued it. Negative: it is.
    pub(crate) delay_ms: i64,
    /// Index of its workload entry.
    pub(crate) workload: u32,
    /// Executions begun.
    pub(crate) starts: u32,
    /// Executions that returned an error.
    pub(crate) failures: u32,
    /// Whether a handler wanted it to be forgotten.
    pub(crate) revoked: bool,
    /// Executions that returned nil.
    pub(crate) successes: u32,
    /// Redis' answer; `None` while there is none.
    pub(crate) answer: Option<Intake>,
    /// Whether it may be in Redis although that said otherwise.
    pub(crate) in_doubt: bool,
    /// Whether its uniqueness lock was left behind by a task that there is not.
    pub(crate) meets_left_lock: bool,
    /// Moments at which a fault hurt this task.
    pub(crate) harmed: Vec<Time>,
    /// What operators did to it, in order of time, and by which remedy.
    pub(crate) by_hand: Vec<(Time, Hand, cost::Number)>,
    /// The remedy by which the latest execution began before its time.
    pub(crate) hurried_by: Option<cost::Number>,
}

/// Where a task is in Redis when a drill is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rest {
    pub(crate) state: TaskState,
    /// It is active, and has no lease.
    pub(crate) leaseless: bool,
    /// A process that is there is executing it.
    pub(crate) held: bool,
}

/// Stands for "not yet".
const NEVER: Time = Time(i64::MAX);

impl Life {
    pub(crate) fn sent(at: Time, workload: u32) -> Self {
        Self {
            sent: at,
            first_start: NEVER,
            given_up: NEVER,
            last_start: NEVER,
            last_end: NEVER,
            failed: false,
            unexplained: false,
            delay_ms: -1,
            workload,
            starts: 0,
            failures: 0,
            revoked: false,
            successes: 0,
            answer: None,
            in_doubt: false,
            meets_left_lock: false,
            harmed: Vec::new(),
            by_hand: Vec::new(),
            hurried_by: None,
        }
    }

    /// Whether it came into Redis, as far as its producer was told.
    pub(crate) fn came(&self) -> bool {
        self.answer == Some(Intake::Accepted)
    }

    /// The last that an operator did to it, and when.
    pub(crate) fn last_by_hand(&self) -> Option<(Time, Hand)> {
        self.by_hand.last().map(|(at, what, _)| (*at, *what))
    }

    /// Whether an operator made it pending between `from` and `to`.
    pub(crate) fn was_run_by_hand(&self, from: Time, to: Time) -> bool {
        let mut done = self.by_hand.iter();
        done.any(|(at, what, _)| *what == Hand::Did(Deed::Run) && (from..=to).contains(at))
    }

    /// Place in the plan of the queue that it had been moved to by `at`, if it was.
    pub(crate) fn moved_to(&self, at: Time) -> Option<usize> {
        let done = self.by_hand.iter().rev().filter(|(when, ..)| *when <= at);
        let mut places = done.filter_map(|(_, what, _)| match what {
            Hand::Moved(place) => Some(*place),
            Hand::Did(_) => None,
        });
        places.next()
    }

    /// The last sign of life but for the end of an execution, which may come after it is lost.
    pub(crate) fn last_sign(&self) -> Time {
        match self.starts {
            0 => self.sent,
            _ => self.last_start.max(self.sent),
        }
    }

    /// When it went to the archive, last, by itself or by hand.
    pub(crate) fn archived_at(&self) -> Option<Time> {
        let archived = self.by_hand.iter().rev();
        let mut archived = archived.filter(|(_, what, _)| *what == Hand::Did(Deed::Archive));
        let by_hand = archived.next().map(|(at, ..)| *at);
        self.given_up_at().max(by_hand)
    }

    /// When it was taken out of the archive by hand, after it went there last.
    pub(crate) fn left_archive_at(&self) -> Option<Time> {
        let came = self.archived_at()?;
        let mut done = self.by_hand.iter();
        let out = done.find(|(at, what, _)| *at >= came && *what != Hand::Did(Deed::Archive));
        out.map(|(at, ..)| *at)
    }

    /// Since when it is in the archive, as far as is known.
    pub(crate) fn archived_since(&self) -> Option<Time> {
        match self.left_archive_at() {
            Some(_) => None,
            None => self.archived_at(),
        }
    }

    /// Whether it was given up, or an operator found it: it was in Redis.
    pub(crate) fn was_moved(&self) -> bool {
        self.given_up != NEVER || !self.by_hand.is_empty()
    }

    /// One that a handler enqueues, to be due after so long.
    pub(crate) fn child(at: Time, workload: u32, delay_ms: i64) -> Self {
        Self {
            delay_ms,
            ..Self::sent(at, workload)
        }
    }

    /// Whether a handler has enqueued it.
    pub(crate) fn is_child(&self) -> bool {
        self.delay_ms >= 0
    }

    pub(crate) fn first_start(&self) -> Option<Time> {
        (self.first_start != NEVER).then_some(self.first_start)
    }

    /// When it went to the archive, last.
    pub(crate) fn given_up_at(&self) -> Option<Time> {
        (self.given_up != NEVER).then_some(self.given_up)
    }

    /// It goes to the archive. That may fail, and be done again.
    pub(crate) fn given_up(&mut self, at: Time) {
        self.given_up = self.given_up_at().map_or(at, |before| before.max(at));
    }

    pub(crate) fn started(&mut self, at: Time) {
        let before = match self.starts {
            0 => self.sent,
            _ => self.last_start,
        };
        let mut done = self.by_hand.iter().rev();
        let last = done.find(|(when, ..)| *when <= at);
        self.hurried_by = last
            .filter(|(when, what, _)| *when >= before && *what == Hand::Did(Deed::Run))
            .map(|(_, _, by)| *by);
        self.starts += 1;
        self.first_start = self.first_start.min(at);
        self.last_start = at;
        self.failed = false;
    }

    /// The remedy that had it run first, before `due`.
    pub(super) fn run_by_hand(&self, due: Time) -> Option<cost::Number> {
        let mut runs = self.by_hand.iter();
        let run = runs.find(|(_, what, _)| *what == Hand::Did(Deed::Run));
        run.filter(|(when, ..)| *when < due).map(|(_, _, by)| *by)
    }

    /// The last sign of life.
    pub(crate) fn last_seen(&self) -> Time {
        match self.last_end {
            NEVER => self.last_sign(),
            end => self.last_sign().max(end),
        }
    }

    pub(crate) fn finished(&mut self, at: Time, how: Finish) {
        self.last_end = at;
        match how {
            Finish::Ok => self.successes += 1,
            Finish::Failed => self.failed(),
            Finish::Revoked => self.revoked = true,
            Finish::FailedByFault => {
                self.failed();
                self.harmed.push(at);
            }
        }
    }

    fn failed(&mut self) {
        self.failures += 1;
        self.failed = true;
    }

    /// An execution died with its process.
    pub(crate) fn killed(&mut self, at: Time) {
        self.last_end = at;
        self.harmed.push(at);
    }
}

/// The number of the one of these lives, in order of their sending, that is in Redis at a moment: the last one that had come, or,
/// where that one was over, one since then whose answer may be wrong.
pub(crate) fn at(lives: &[Life], at: Time) -> usize {
    if lives.len() == 1 {
        return 0;
    }
    let sent = lives.iter().take_while(|life| life.sent <= at).count();
    let sent = &lives[..sent];
    let last = sent.iter().rposition(Life::came);
    let is_over = last.is_none_or(|last| sent[last].successes > 0 || sent[last].revoked);
    let since = last.map_or(0, |last| last + 1);
    let mut doubtful = sent.iter().skip(since).filter(|_| is_over);
    let doubtful = doubtful.position(|life| life.in_doubt || life.starts > 0);
    doubtful.map(|number| since + number).or(last).unwrap_or(0)
}
