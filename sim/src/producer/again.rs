//! What is sent again where it is not taken.

use super::{Mint, Producer};
use crate::lever::Lever;
use crate::plan::{Plan, Step};
use firedrill_asynq::actor::{Action, Out, Ticket};
use firedrill_asynq::client::Submission;
use firedrill_asynq::clock::Time;
use firedrill_asynq::note::{Intake, Note};
use firedrill_asynq::task::Task;
use std::collections::BTreeMap;

/// From when, until when.
pub(super) type Span = (Time, Option<Time>);

/// What is sent again where it is not taken, while steps have it so.
pub(super) struct Again<T: Task> {
    /// Of each step: its index, when it is on, and how long after a refusal.
    steps: Vec<(usize, Span, i64)>,
    /// What was sent meanwhile and is not answered, or waits.
    pub(super) sent: BTreeMap<T::Id, Submission<T>>,
    /// Those that wait, by the numbers of their timers.
    waiting: BTreeMap<usize, (T::Id, usize)>,
    next: usize,
}

impl<T: Task> Again<T> {
    pub(super) fn of(plan: &Plan, origin: Time) -> Self {
        let steps = plan.timeline.iter().enumerate();
        let steps = steps.filter_map(|(index, step)| match step.fault.begin() {
            Lever::Again { every_ms } => Some((index, span(step, origin), every_ms)),
            _ => None,
        });
        Self {
            steps: steps.collect(),
            sent: BTreeMap::new(),
            waiting: BTreeMap::new(),
            next: 0,
        }
    }

    /// The step that is on, and how long after a refusal something is sent again.
    pub(super) fn on(&self, now: Time) -> Option<(usize, i64)> {
        let mut steps = self.steps.iter();
        let step = steps.find(|(_, span, _)| is_on(span, now));
        step.map(|(index, _, every_ms)| (*index, *every_ms))
    }

    /// A task was not taken; answers when it is sent again, and the number of that, if it is.
    pub(super) fn refused(&mut self, id: &T::Id, now: Time) -> Option<(Time, usize)> {
        let (step, every_ms) = self.on(now).filter(|_| self.sent.contains_key(id))?;
        let number = self.next;
        self.next += 1;
        self.waiting.insert(number, (id.clone(), step));
        Some((now.plus_millis(every_ms), number))
    }
}

/// When a step is on.
pub(super) fn span(step: &Step, origin: Time) -> Span {
    let at = |ms: i64| origin.plus_millis(ms);
    let until = step.until.as_ref().map(|until| at(until.at_ms));
    (at(step.at_ms), until)
}

/// Whether it is then.
pub(super) fn is_on((since, until): &Span, now: Time) -> bool {
    *since <= now && until.is_none_or(|until| now < until)
}

impl<T: Task, M: Mint<T>> Producer<T, M> {
    /// It is time to send a task again that was not taken.
    pub(super) fn send_again(&mut self, now: Time, number: usize, out: &mut impl Out<T>) {
        let Some((id, step)) = self.again.waiting.remove(&number) else {
            return;
        };
        if let Some(submission) = self.again.sent.get(&id) {
            self.felt.by(step, now);
            out.push(Action::Call(
                Ticket::Enqueue(id),
                submission.clone().op(now),
            ));
        }
    }

    /// What waits to be sent again is not.
    pub(super) fn gives_up(&mut self, now: Time, out: &mut impl Out<T>) {
        for (id, _) in std::mem::take(&mut self.again.waiting).into_values() {
            self.again.sent.remove(&id);
            self.forget_name(&id);
            let (at, answer) = (now, Intake::Rejected);
            out.push(Action::Note(Note::Answered { at, id, answer }));
        }
    }
}
