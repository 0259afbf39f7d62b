//! The lives of all tasks, each closed as soon as nothing more can happen to it.

use crate::audit::{Absences, Audited, Auditor, Leftover, Life};
use crate::engine::virtual_time::token::Number;
use crate::plan::{Child, PRODUCER};
use firedrill_asynq::clock::Time;
use firedrill_asynq::note::Note;
use firedrill_asynq::op::Deed;
use firedrill_asynq::table::{Pages, Table};

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
    auditor: Auditor,
    /// Whether a task may be in Redis although its producer was told otherwise: what was sent may arrive late.
    refused_may_come: bool,
    /// Whether Redis may have a task again that it had forgotten.
    may_return: bool,
}

impl TaskLives {
    pub(crate) fn new(auditor: Auditor, refused_may_come: bool, may_return: bool) -> Self {
        Self {
            open: Pages::default(),
            auditor,
            refused_may_come,
            may_return,
        }
    }

    pub(crate) fn note(&mut self, entry: &Note<Number>) {
        match entry {
            Note::Sent {
                at, id, workload, ..
            } => self.open.insert(
                *id,
                Open {
                    life: Life::sent(*at, *workload),
                    running: 0,
                    gone: false,
                },
            ),
            Note::Answered { at, id, accepted } => {
                if let Some(open) = self.open.get_mut(id) {
                    self.auditor
                        .answered(&mut open.life, *at, *accepted, PRODUCER);
                    // A task that was refused has no other life.
                    if !accepted && !self.refused_may_come {
                        self.close(*id);
                    }
                }
            }
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
                    open.life.finished(*at, *how);
                    open.running = open.running.saturating_sub(1);
                    self.close_if_over(*id);
                }
            }
        }
    }

    /// A handler sends a task to Redis.
    pub(crate) fn is_born(&mut self, id: Number, at: Time, child: &Child) {
        let workload = u32::try_from(child.workload).unwrap_or(u32::MAX);
        let open = Open {
            life: Life::child(at, workload, child.delay_ms),
            running: 0,
            gone: false,
        };
        self.open.insert(id, open);
    }

    /// Redis has answered it, and `process` has heard.
    pub(crate) fn is_answered(&mut self, id: Number, at: Time, accepted: bool, process: &str) {
        if let Some(open) = self.open.get_mut(&id) {
            self.auditor.answered(&mut open.life, at, accepted, process);
            if !accepted && !self.refused_may_come {
                self.close(id);
            }
        }
    }

    /// Who is away by plan, as it happens.
    pub(crate) fn absences(&mut self) -> &mut Absences {
        &mut self.auditor.absences
    }

    /// An execution died with its process.
    pub(crate) fn killed(&mut self, id: Number, at: Time) {
        if let Some(open) = self.open.get_mut(&id) {
            open.life.killed(at);
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

    /// An operator has done something to tasks.
    pub(crate) fn by_hand(&mut self, ids: &[Number], at: Time, what: Deed) {
        for id in ids {
            if let Some(open) = self.open.get_mut(id) {
                open.life.by_hand.push((at, what));
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
        self.auditor.finish()
    }
}
