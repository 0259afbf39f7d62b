//! Fetching and finishing in batches, which asynq does not have: one call for as many tasks as there are, turn by turn.

use crate::actor::processor::Processor;
use crate::actor::server::Shared;
use crate::actor::{Action, Finishing, Out, Ticket};
use crate::clock::Time;
use crate::op::{Answer, DequeueBatch, Op, Reply};
use crate::settings::LEASE_MS;
use crate::task::Task;

/// Most batches that are being fetched, and that are being written, at a time: one that Redis works on, and one that is on its way,
/// so that it need not wait for us.
const BATCHES_MAX: usize = 2;

impl<T: Task> Processor<T> {
    /// Whether it fetches and finishes in batches.
    pub(crate) fn takes_turns(&self) -> bool {
        self.batch > 1
    }

    /// Everything that has happened by now is known: what succeeded is written, and free slots are filled.
    pub(crate) fn turn(&mut self, now: Time, shared: &Shared<T>, out: &mut impl Out<T>) {
        if !self.takes_turns() {
            return;
        }
        while !self.to_finish.is_empty() && self.batches < BATCHES_MAX {
            self.batches += 1;
            let most = self.to_finish.len().min(self.batch);
            let (runs, tasks) = self.to_finish.drain(..most).unzip();
            out.push(Action::Call(
                Ticket::FinishBatch(Box::new(Finishing { runs })),
                Op::DoneBatch { tasks, now },
            ));
        }
        while let Some(max) = self.next_batch(shared) {
            self.fetches += 1;
            self.reserved += max as usize;
            let batch = Box::new(DequeueBatch {
                queues: self.order.next(&mut self.rng),
                max,
                lease_expires_s: now.plus_millis(LEASE_MS).secs(),
            });
            out.push(Action::Call(
                Ticket::DequeueBatch(max),
                Op::DequeueBatch(batch),
            ));
        }
    }

    /// How many tasks are fetched next: a second batch beside one that is under way only if it is a whole one, or many small calls
    /// would take the place of a large one.
    fn next_batch(&self, shared: &Shared<T>) -> Option<u32> {
        let rests = self.stopping || self.resting || !self.to_start.is_empty();
        if rests || self.fetches == BATCHES_MAX {
            return None;
        }
        let free = shared.slots.free().saturating_sub(self.reserved);
        let max = free.min(self.batch);
        let enough = if self.fetches == 0 { 1 } else { self.batch };
        (max >= enough).then_some(u32::try_from(max).unwrap_or(u32::MAX))
    }

    /// A batch of so many tasks at most was fetched, or nothing was.
    pub(crate) fn batch_dequeued(
        &mut self,
        now: Time,
        max: u32,
        answer: Answer<T>,
        shared: &mut Shared<T>,
        out: &mut impl Out<T>,
    ) {
        self.fetches -= 1;
        self.reserved -= max as usize;
        match answer {
            Ok(Reply::DequeuedBatch(tasks)) if !tasks.is_empty() => {
                // One that cannot be decoded stays active until its lease is over, as when it is fetched alone.
                for task in tasks.into_iter().flatten() {
                    self.taken(now, task, shared, out);
                }
            }
            // Of two that come back empty, one is enough for a pause.
            Ok(_) if self.resting => {}
            Ok(_) => {
                self.resting = true;
                self.rest(now, out);
            }
            // Without a pause, as with a single task.
            Err(_) => {}
        }
    }

    /// A batch was written. As with a single task, one that failed is not repeated.
    pub(crate) fn batch_finished(
        &mut self,
        now: Time,
        batch: &Finishing,
        shared: &mut Shared<T>,
        out: &mut impl Out<T>,
    ) {
        self.batches -= 1;
        for run in &batch.runs {
            self.finished(now, *run, shared, out);
        }
    }
}
