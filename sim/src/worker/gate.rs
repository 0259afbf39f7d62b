//! A pool whose holders are tasks of the runtime: who finds nothing free waits, first come, first served.

use crate::handler::Handlers;
use crate::resource::Slots;
use firedrill_asynq::clock::ClockOrigin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// A resource of the plan, by its number, where it is granted.
pub(crate) struct Gate {
    decisions: Handlers,
    resource: usize,
    clock: ClockOrigin,
    slots: Mutex<Slots<oneshot::Sender<()>>>,
}

impl Gate {
    /// A pool of its own for each resource of the plan that `is_here`, by their numbers.
    pub(crate) fn all(
        decisions: &Handlers,
        clock: ClockOrigin,
        is_here: impl Fn(usize) -> bool,
    ) -> Vec<Option<Arc<Self>>> {
        let numbers = 0..decisions.plan.resources.len();
        let gate = |resource: usize| {
            is_here(resource).then(|| {
                Arc::new(Self {
                    decisions: decisions.clone(),
                    resource,
                    clock,
                    slots: Mutex::default(),
                })
            })
        };
        let gates: Vec<Option<Arc<Self>>> = numbers.map(gate).collect();
        for (resource, at_ms) in decisions.grow() {
            if let Some(gate) = gates[resource].clone() {
                // More may hold it again: whoever waits is let in.
                tokio::spawn(async move {
                    let at = clock.virtual_start.plus_millis(at_ms);
                    tokio::time::sleep(clock.until(at)).await;
                    gate.pass_on();
                });
            }
        }
        gates
    }

    fn slots(&self) -> MutexGuard<'_, Slots<oneshot::Sender<()>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now_ms(&self) -> i64 {
        self.clock.now().millis() - self.clock.virtual_start.millis()
    }

    fn capacity(&self) -> (u32, Option<usize>) {
        self.decisions.capacity(self.resource, self.now_ms())
    }

    /// Takes one, and waits for it if there is none; `None`: not in time. `waits` is told of the step that has made somebody wait.
    pub(crate) async fn take(&self, waits: impl Fn(usize)) -> Option<Held<'_>> {
        let plan = &self.decisions.plan.resources[self.resource];
        let mut turn = {
            let (capacity, by) = self.capacity();
            let mut slots = self.slots();
            if slots.take(capacity) {
                return Some(Held(self));
            }
            if let Some(step) = by.filter(|_| slots.held() < plan.slots()) {
                waits(step);
            }
            let (turn_tx, turn) = oneshot::channel();
            slots.wait(turn_tx);
            turn
        };
        let granted = match plan.wait_timeout_ms {
            None => (&mut turn).await.is_ok(),
            Some(ms) => {
                let patience = self.clock.real_millis(ms);
                match tokio::time::timeout(patience, &mut turn).await {
                    Ok(granted) => granted.is_ok(),
                    Err(_) => {
                        // It may have come at this very moment.
                        turn.close();
                        turn.try_recv().is_ok()
                    }
                }
            }
        };
        granted.then_some(Held(self))
    }

    /// Those who waited have what is free now; who no longer waits is passed over.
    fn pass_on(&self) {
        let (capacity, _) = self.capacity();
        let mut slots = self.slots();
        while let Some(turn) = slots.next(capacity) {
            if turn.send(()).is_err() {
                slots.give_back();
            }
        }
    }

    /// How many are held, and how many ever had to wait.
    pub(crate) fn counts(&self) -> (u32, u64) {
        let slots = self.slots();
        (slots.held(), slots.waits())
    }
}

/// One that is held; dropping it gives it back.
pub(crate) struct Held<'g>(&'g Gate);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.slots().give_back();
        self.0.pass_on();
    }
}
