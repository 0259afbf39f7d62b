//! What is known of one task: when it was sent, and each execution.

use firedrill_asynq::clock::Time;
use firedrill_asynq::note::{Finish, Intake};

/// The life of one task.
#[derive(Debug, Clone)]
pub(crate) struct Life {
    /// When it was sent to Redis.
    pub(crate) sent: Time,
    first_start: Time,
    given_up: Time,
    /// When the latest execution began.
    pub(crate) last_start: Time,
    /// Whether an execution has failed since then.
    pub(crate) failed: bool,
    /// Whether something happened to it that no step of the plan explains.
    pub(crate) unexplained: bool,
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
    /// Moments at which a fault hurt this task.
    pub(crate) harmed: Vec<Time>,
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
            failed: false,
            unexplained: false,
            workload,
            starts: 0,
            failures: 0,
            revoked: false,
            successes: 0,
            answer: None,
            in_doubt: false,
            harmed: Vec::new(),
        }
    }

    /// Whether it came into Redis, as far as its producer was told.
    pub(crate) fn came(&self) -> bool {
        self.answer == Some(Intake::Accepted)
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
        self.starts += 1;
        self.first_start = self.first_start.min(at);
        self.last_start = at;
        self.failed = false;
    }

    pub(crate) fn finished(&mut self, at: Time, how: Finish) {
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
