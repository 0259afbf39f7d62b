//! The lives of all tasks, each closed as soon as nothing more can happen to it.

use crate::audit::{Absences, Audited, Auditor, End, Hand, Leftover, Life};
use crate::engine::virtual_time::token::Number;
use crate::metrics::ProducerMetrics;
use crate::plan::{Child, PRODUCER};
use firedrill_asynq::clock::Time;
use firedrill_asynq::note::{Intake, Note};
use firedrill_asynq::table::{Pages, Table};
use std::collections::{BTreeMap, VecDeque};

/// A life that may still go on.
#[derive(Debug, Clone)]
struct Open {
    life: Life,
    /// Executions that have not returned.
    running: u32,
    /// Whether Redis has forgotten the task.
    gone: bool,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct TaskLives {
    open: Pages<Open>,
    /// Tasks under way to Redis with the id of one that is known: tasks that are given their id may have the same one.
    namesakes: BTreeMap<Number, VecDeque<Life>>,
    /// What the producer counts.
    pub(crate) sent: ProducerMetrics,
    auditor: Auditor,
    /// Whether a task may be in Redis although its producer was told otherwise: what was sent may arrive late.
    refused_may_come: bool,
    /// Whether Redis may have a task again that it had forgotten.
    may_return: bool,
}

impl TaskLives {
    pub(crate) fn new(
        auditor: Auditor,
        sent: ProducerMetrics,
        refused_may_come: bool,
        may_return: bool,
    ) -> Self {
        Self {
            open: Pages::default(),
            namesakes: BTreeMap::new(),
            sent,
            auditor,
            refused_may_come,
            may_return,
        }
    }

    pub(crate) fn note(&mut self, entry: &Note<Number>) {
        match entry {
            Note::Sent {
                at, id, workload, ..
            } => {
                let life = self.auditor.sent(*at, *workload);
                match self.open.get(id) {
                    None => self.begin(*id, life),
                    Some(_) => self.namesakes.entry(*id).or_default().push_back(life),
                }
            }
            Note::Answered { at, id, answer } => self.answered(*at, *id, *answer),
            Note::GivenUp { at, id, .. } => {
                if let Some(open) = self.open.get_mut(id) {
                    open.life.given_up(*at);
                }
            }
            Note::Started { at, id, .. } => {
                if let Some(open) = self.open.get_mut(id) {
                    self.auditor.started(&mut open.life, *at);
                    open.running += 1;
                }
            }
            Note::Finished { at, id, how, .. } => {
                if let Some(open) = self.open.get_mut(id) {
                    self.auditor.finished(&mut open.life, *at, *how);
                    open.running = open.running.saturating_sub(1);
                    self.close_if_over(*id);
                }
            }
            Note::Unhandled { .. } => {}
        }
    }

    /// A handler sends a task to Redis.
    pub(crate) fn is_born(&mut self, id: Number, at: Time, child: &Child) {
        let workload = u32::try_from(child.workload).unwrap_or(u32::MAX);
        self.begin(id, Life::child(at, workload, child.delay_ms));
    }

    fn begin(&mut self, id: Number, life: Life) {
        let open = Open {
            life,
            running: 0,
            gone: false,
        };
        self.open.insert(id, open);
    }

    #[inline]
    fn answered(&mut self, at: Time, id: Number, answer: Intake) {
        if !self.namesakes.is_empty() && self.namesake_answered(at, id, answer) {
            return;
        }
        let Some(open) = self.open.get_mut(&id) else {
            return;
        };
        self.auditor.answered(&mut open.life, at, answer, PRODUCER);
        open.life.in_doubt &= self.refused_may_come;
        let took = (open.life.sent, at);
        self.sent
            .answered(self.auditor.leg(&open.life), answer, took);
        // A task that was refused has no other life.
        if answer != Intake::Accepted && !self.refused_may_come {
            self.close(id);
        }
    }

    /// An answer that is not for the first of its id; answers whether it was none.
    #[cold]
    fn namesake_answered(&mut self, at: Time, id: Number, answer: Intake) -> bool {
        let is_first = |open: &Open| open.life.answer.is_none();
        if self.open.get(&id).is_some_and(is_first) {
            return false;
        }
        let Some(waiting) = self.namesakes.get_mut(&id) else {
            return false;
        };
        let Some(mut life) = waiting.pop_front() else {
            return false;
        };
        if waiting.is_empty() {
            self.namesakes.remove(&id);
        }
        self.auditor.answered(&mut life, at, answer, PRODUCER);
        life.in_doubt &= self.refused_may_come;
        let took = (life.sent, at);
        self.sent.answered(self.auditor.leg(&life), answer, took);
        let keeps_place = |open: &Open| open.life.came() || open.life.starts > 0;
        let is_kept = answer == Intake::Accepted
            || self.refused_may_come && !self.open.get(&id).is_some_and(keeps_place);
        if is_kept {
            // Redis has forgotten the one before.
            self.close(id);
            self.begin(id, life);
        } else {
            self.auditor.close(&life, None, String::new);
        }
        true
    }

    /// Redis has answered it, and `process` has heard.
    pub(crate) fn is_answered(&mut self, id: Number, at: Time, accepted: bool, process: &str) {
        let answer = match accepted {
            true => Intake::Accepted,
            false => Intake::Rejected,
        };
        if let Some(open) = self.open.get_mut(&id) {
            self.auditor.answered(&mut open.life, at, answer, process);
            open.life.in_doubt &= self.refused_may_come;
            if !accepted && !self.refused_may_come {
                self.close(id);
            }
        }
    }

    /// Who is away by plan, as it happens.
    pub(crate) fn absences(&mut self) -> &mut Absences {
        &mut self.auditor.absences
    }

    /// An execution died with its process; `in_time`: it was one that somebody still waited for.
    pub(crate) fn killed(&mut self, id: Number, in_time: bool, end: End<'_>) {
        if let Some(open) = self.open.get_mut(&id) {
            match in_time {
                true => self.auditor.killed(&mut open.life, end),
                false => open.life.killed(end.at),
            }
            open.running = open.running.saturating_sub(1);
            self.close_if_over(id);
        }
    }

    /// Redis has deleted the task, because it succeeded.
    pub(crate) fn gone(&mut self, id: Number) {
        if let Some(open) = self.open.get_mut(&id) {
            open.gone = true;
            self.close_if_over(id);
        }
    }

    fn close_if_over(&mut self, id: Number) {
        if !self.may_return
            && self
                .open
                .get(&id)
                .is_some_and(|open| open.gone && open.running == 0)
        {
            self.close(id);
        }
    }

    fn close(&mut self, id: Number) {
        if let Some(open) = self.open.remove(&id) {
            // Lost is what succeeded nowhere; a task that Redis deleted because it succeeded never is.
            self.auditor.close(&open.life, None, String::new);
        }
    }

    /// An operator has done something to tasks; `by`: the step.
    pub(crate) fn by_hand(&mut self, ids: &[Number], done: (Time, Hand), by: &str) {
        for id in ids {
            if let Some(open) = self.open.get_mut(id) {
                self.auditor.by_hand(&mut open.life, done, by);
            }
        }
    }

    /// The drill is over: closes what is still open.
    pub(crate) fn finish(mut self, left: &Leftover<Number>) -> Audited {
        self.auditor.halt(&left.halted);
        for (id, open) in self.open.entries() {
            let rest = left.rest(&id, open.running > 0);
            self.auditor.close(&open.life, rest, || id.to_string());
        }
        for (id, waiting) in &self.namesakes {
            for life in waiting {
                self.auditor.close(life, None, || id.to_string());
            }
        }
        self.auditor.finish()
    }
}
