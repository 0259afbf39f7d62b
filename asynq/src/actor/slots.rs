//! The worker slots of a server: what each of them is busy with.

use crate::actor::RunId;
use crate::clock::Time;

/// A task in progress.
#[derive(Debug, Clone)]
pub(crate) struct Running<T> {
    pub(crate) task: T,
    pub(crate) started: Time,
    pub(crate) deadline: Time,
    /// Local view of the lease: valid while this is not past.
    pub(crate) lease_expires: Time,
    /// How many had been started before it; set by [`Slots::start`].
    pub(crate) number: u64,
}

#[derive(Debug)]
enum State<T> {
    Free,
    /// Its handler runs, and the outcome is open.
    Running(Running<T>),
    /// The outcome is decided, the finishing write under way.
    Finishing,
    /// Over, but the slot waits for the end of a beat.
    Releasing,
}

#[derive(Debug)]
struct Slot<T> {
    serial: u32,
    state: State<T>,
}

/// As many slots as the server's concurrency.
#[derive(Debug)]
pub(crate) struct Slots<T> {
    slots: Vec<Slot<T>>,
    /// Free slots, the next one to be used last.
    free: Vec<u32>,
    started: u64,
    running: usize,
    finishing: usize,
    releasing: usize,
}

impl<T> Slots<T> {
    pub(crate) fn new(concurrency: usize) -> Self {
        let count = u32::try_from(concurrency.max(1)).unwrap_or(u32::MAX);
        Self {
            slots: (0..count)
                .map(|_| Slot {
                    serial: 0,
                    state: State::Free,
                })
                .collect(),
            free: (0..count).rev().collect(),
            started: 0,
            running: 0,
            finishing: 0,
            releasing: 0,
        }
    }

    /// How many executions are in progress.
    pub(crate) fn running(&self) -> usize {
        self.running
    }

    /// How many slots are free.
    pub(crate) fn free(&self) -> usize {
        self.free.len()
    }

    /// About how many of those in progress were started after this one: never fewer than there are.
    pub(crate) fn started_since(&self, this: &Running<T>) -> u32 {
        let since = self.started - this.number - 1;
        let in_progress = (self.running + self.finishing) as u64;
        u32::try_from(since.min(in_progress)).unwrap_or(u32::MAX)
    }

    pub(crate) fn has_free(&self) -> bool {
        !self.free.is_empty()
    }

    /// Whether no slot waits for anything but the end of a beat.
    pub(crate) fn is_drained(&self) -> bool {
        self.running == 0 && self.finishing == 0
    }

    /// Puts a task into a free slot; `None` when all are taken.
    pub(crate) fn start(&mut self, mut running: Running<T>) -> Option<RunId> {
        let slot = self.free.pop()?;
        let place = &mut self.slots[slot as usize];
        running.number = self.started;
        self.started += 1;
        place.serial = place.serial.wrapping_add(1);
        place.state = State::Running(running);
        self.running += 1;
        Some(RunId {
            slot,
            serial: place.serial,
        })
    }

    fn place(&self, run: RunId) -> Option<&Slot<T>> {
        self.slots
            .get(run.slot as usize)
            .filter(|slot| slot.serial == run.serial)
    }

    fn place_mut(&mut self, run: RunId) -> Option<&mut Slot<T>> {
        self.slots
            .get_mut(run.slot as usize)
            .filter(|slot| slot.serial == run.serial)
    }

    /// The task of a run whose outcome is open.
    pub(crate) fn get(&self, run: RunId) -> Option<&Running<T>> {
        match &self.place(run)?.state {
            State::Running(running) => Some(running),
            _ => None,
        }
    }

    pub(crate) fn get_mut(&mut self, run: RunId) -> Option<&mut Running<T>> {
        match &mut self.place_mut(run)?.state {
            State::Running(running) => Some(running),
            _ => None,
        }
    }

    /// Runs whose outcome is open, in order of their slots.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (RunId, &Running<T>)> {
        self.slots.iter().zip(0..).filter_map(|(place, slot)| {
            let run = RunId {
                slot,
                serial: place.serial,
            };
            match &place.state {
                State::Running(running) => Some((run, running)),
                _ => None,
            }
        })
    }

    /// The outcome of a run is decided, and its finishing write begins. Returns the task.
    pub(crate) fn finish(&mut self, run: RunId) -> Option<Running<T>> {
        let place = self.place_mut(run)?;
        match std::mem::replace(&mut place.state, State::Finishing) {
            State::Running(running) => {
                self.running -= 1;
                self.finishing += 1;
                Some(running)
            }
            other => {
                place.state = other;
                None
            }
        }
    }

    /// The finishing write is over (or there was none): the slot is free, or waits for the end of a beat.
    pub(crate) fn release(&mut self, run: RunId, beating: bool) -> bool {
        let Some(place) = self.place_mut(run) else {
            return false;
        };
        if !matches!(place.state, State::Finishing) {
            return false;
        }
        place.state = if beating {
            State::Releasing
        } else {
            State::Free
        };
        self.finishing -= 1;
        if beating {
            self.releasing += 1;
        } else {
            self.free.push(run.slot);
        }
        true
    }

    /// The beat is over: waiting slots are free.
    pub(crate) fn release_waiting(&mut self) {
        if self.releasing == 0 {
            return;
        }
        for (place, slot) in self.slots.iter_mut().zip(0..) {
            if matches!(place.state, State::Releasing) {
                place.state = State::Free;
                self.free.push(slot);
            }
        }
        self.releasing = 0;
    }
}
