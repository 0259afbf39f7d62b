//! What became of the tasks of a load, by sums alone: nobody keeps a line per task.

use serde::{Deserialize, Serialize};

/// asynq keeps so many archived tasks of a queue, or one more, and forgets the oldest: beyond that, workers know how many there were.
const ARCHIVE_TRIMMED: u64 = 9_999;

/// What happened to tasks, as the processes have counted it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Counts {
    /// Arrivals that were due.
    pub intended: u64,
    /// Sent to Redis.
    pub sent: u64,
    /// Of these, those that were ready and had to wait, because as many calls as are made at a time had no answer.
    pub held: u64,
    /// Taken by Redis.
    pub enqueued: u64,
    /// Refused, because another task had the lock or the id.
    pub duplicates: u64,
    /// Refused by Redis.
    pub rejected: u64,
    /// Sent, and never answered: each may be there or not.
    pub unanswered: u64,
    /// Handlers that began.
    pub started: u64,
    /// Handlers that succeeded.
    pub succeeded: u64,
    /// Handlers that failed.
    pub failed: u64,
    /// Of these, those after which the task was given up.
    pub archived: u64,
    /// Tasks taken out of groups.
    pub grouped: u64,
    /// Tasks that took their place.
    pub from_groups: u64,
    /// Tasks enqueued before the load, as a backlog.
    pub prefilled: u64,
    /// Executions of tasks that others enqueued.
    pub foreign: u64,
}

impl Counts {
    /// Adds others.
    pub fn add(&mut self, other: &Self) {
        // A field that is new is not forgotten.
        let Self {
            intended,
            sent,
            held,
            enqueued,
            duplicates,
            rejected,
            unanswered,
            started,
            succeeded,
            failed,
            archived,
            grouped,
            from_groups,
            prefilled,
            foreign,
        } = other;
        for (sum, more) in [
            (&mut self.intended, intended),
            (&mut self.sent, sent),
            (&mut self.held, held),
            (&mut self.enqueued, enqueued),
            (&mut self.duplicates, duplicates),
            (&mut self.rejected, rejected),
            (&mut self.unanswered, unanswered),
            (&mut self.started, started),
            (&mut self.succeeded, succeeded),
            (&mut self.failed, failed),
            (&mut self.archived, archived),
            (&mut self.grouped, grouped),
            (&mut self.from_groups, from_groups),
            (&mut self.prefilled, prefilled),
            (&mut self.foreign, foreign),
        ] {
            *sum = sum.saturating_add(*more);
        }
    }
}

/// What is in the queues of a load in the end, and what asynq's own counters say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Left {
    /// Ready.
    pub pending: u64,
    /// In progress.
    pub active: u64,
    /// Waiting for their time.
    pub scheduled: u64,
    /// Waiting for their next attempt.
    pub retry: u64,
    /// Given up.
    pub archived: u64,
    /// Kept after success.
    pub completed: u64,
    /// Waiting in groups.
    pub aggregating: u64,
    /// asynq's counter of attempts that ended.
    pub processed: u64,
    /// asynq's counter of attempts that failed.
    pub failed: u64,
}

impl Left {
    /// Tasks that are still to be worked on.
    #[must_use]
    pub fn waiting(&self) -> u64 {
        self.pending + self.active + self.scheduled + self.retry + self.aggregating
    }

    /// Tasks that were done, by asynq's counters.
    #[must_use]
    pub fn done(&self) -> u64 {
        self.processed.saturating_sub(self.failed)
    }

    /// Adds those of another queue.
    pub fn add(&mut self, other: &Self) {
        for (sum, more) in [
            (&mut self.pending, other.pending),
            (&mut self.active, other.active),
            (&mut self.scheduled, other.scheduled),
            (&mut self.retry, other.retry),
            (&mut self.archived, other.archived),
            (&mut self.completed, other.completed),
            (&mut self.aggregating, other.aggregating),
            (&mut self.processed, other.processed),
            (&mut self.failed, other.failed),
        ] {
            *sum = sum.saturating_add(more);
        }
    }
}

/// The sum over all tasks: what came in against what went out or is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Account {
    /// Enqueued, before and during the load, and put in the place of groups.
    pub came: u64,
    /// Done.
    pub done: u64,
    /// Given up.
    pub archived: u64,
    /// Taken out of groups.
    pub grouped: u64,
    /// Still there.
    pub waiting: u64,
    /// Those of which nobody knows whether they came.
    pub unsure: u64,
}

impl Account {
    /// Of what processes counted and what is in Redis.
    #[must_use]
    pub fn of(counts: &Counts, left: &Left) -> Self {
        Self {
            came: counts.enqueued + counts.prefilled + counts.from_groups,
            done: left.done(),
            archived: match left.archived < ARCHIVE_TRIMMED {
                true => left.archived,
                false => left.archived.max(counts.archived),
            },
            grouped: counts.grouped,
            waiting: left.waiting(),
            unsure: counts.unanswered,
        }
    }

    /// What is missing (more than 0) or too much (less than 0), beyond what nobody can know.
    #[must_use]
    pub fn difference(&self) -> i64 {
        let signed = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        let gone = self.done + self.archived + self.grouped + self.waiting;
        match (signed(self.came) - signed(gone), signed(self.unsure)) {
            (missing @ 1.., _) => missing,
            (surplus, unsure) => (surplus + unsure).min(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_that_asynq_trims_is_counted_by_workers() {
        let mut counts = Counts {
            enqueued: 15_922,
            archived: 15_922,
            ..Counts::default()
        };
        let mut left = Left {
            archived: 10_000,
            processed: 15_922,
            failed: 15_922,
            ..Left::default()
        };
        assert_eq!(Account::of(&counts, &left).difference(), 0);
        // Below the limit Redis' word counts.
        (left.archived, counts.enqueued) = (9_000, 15_922);
        assert_eq!(Account::of(&counts, &left).difference(), 6_922);
    }

    #[test]
    fn what_came_is_done_given_up_or_there() {
        let counts = Counts {
            enqueued: 100,
            prefilled: 5,
            unanswered: 3,
            ..Counts::default()
        };
        let left = |pending| Left {
            pending,
            archived: 4,
            processed: 97,
            failed: 7,
            ..Left::default()
        };
        let difference = |pending| Account::of(&counts, &left(pending)).difference();
        // 90 done, 4 archived, the rest pending.
        assert_eq!(difference(11), 0);
        assert_eq!(difference(14), 0, "those without an answer may be there");
        assert_eq!(difference(10), 1, "one is missing");
        assert_eq!(difference(16), -2, "two are nobody's");
    }
}
