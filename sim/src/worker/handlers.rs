//! Handlers on real threads: they really take the time, and really deadlock.

use crate::actor::{Event, RunId};
use crate::clock::ClockOrigin;
use crate::engine::live::interpreter::{Outside, SlotCall};
use crate::handler::{self, Behaviour};
use crate::worker::slot::Held;
use crate::worker::{Report, Server, report};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc::UnboundedSender;

/// One execution to carry out.
pub(crate) struct Job {
    pub(crate) run: RunId,
    pub(crate) behaviour: Behaviour,
}

/// The process' handler threads: one per execution under way, reused when idle. A stuck handler keeps its thread for
/// ever, like a stuck goroutine.
pub(crate) struct Handlers {
    shared: Arc<Shared>,
    queue: Sender<Job>,
    waiting: Arc<Mutex<Receiver<Job>>>,
    /// Threads that exist, and executions that have not returned.
    threads: usize,
    busy: usize,
}

struct Shared {
    decisions: handler::Handlers,
    process: String,
    clock: ClockOrigin,
    outside: UnboundedSender<Outside<Server>>,
    seen: Mutex<BTreeSet<usize>>,
    accounts: Lock,
    audit_log: Lock,
    held: Held,
}

/// A mutex that the application's handlers share.
#[derive(Default)]
struct Lock {
    mutex: Mutex<()>,
    held_for_good: AtomicBool,
}

impl Handlers {
    pub(crate) fn new(
        decisions: handler::Handlers,
        process: String,
        clock: ClockOrigin,
        outside: UnboundedSender<Outside<Server>>,
    ) -> Self {
        let shared = Shared {
            decisions,
            process,
            clock,
            outside,
            seen: Mutex::default(),
            accounts: Lock::default(),
            audit_log: Lock::default(),
            held: Held::default(),
        };
        let (queue, waiting) = channel();
        Self {
            shared: Arc::new(shared),
            queue,
            waiting: Arc::new(Mutex::new(waiting)),
            threads: 0,
            busy: 0,
        }
    }

    /// Starts an execution on an idle thread, or on a new one.
    pub(crate) fn start(&mut self, job: Job) {
        self.busy += 1;
        if self.busy > self.threads {
            let (shared, waiting, number) =
                (self.shared.clone(), self.waiting.clone(), self.threads);
            self.threads += 1;
            std::thread::spawn(move || {
                loop {
                    let job = waiting
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .recv();
                    let Ok(job) = job else { return };
                    shared.handle(job, number);
                }
            });
        }
        // The receiver lives in `self`.
        let _ = self.queue.send(job);
    }

    /// A call during which a slot is held took so long.
    pub(crate) fn held(&self, by: SlotCall, real: Duration) {
        let virtual_us = real.as_secs_f64() * self.shared.clock.speed * 1e6;
        self.shared.held.by(by, virtual_us as i64);
    }

    /// One execution has returned; its thread is idle.
    pub(crate) fn returned(&mut self) {
        self.busy -= 1;
    }
}

impl Shared {
    fn handle(&self, job: Job, thread: usize) {
        let started = self.clock.now();
        for step in &job.behaviour.touched_by {
            self.saw(*step);
        }
        let taken_off_us = self.held.taken_off(job.behaviour.service_us);
        let service_us = job.behaviour.service_us - taken_off_us;
        std::thread::sleep(self.clock.until(started.plus_micros(service_us)));
        let overrun_us = (self.clock.now().0 - started.0) / 1_000 - service_us;
        self.held.by_timer(overrun_us);
        self.book(thread);
        let elapsed_us = (self.clock.now().0 - started.0) / 1_000;
        let event = Event::HandlerDone {
            run: job.run,
            outcome: job.behaviour.outcome,
            result: job.behaviour.result,
            elapsed_us,
            overrun_us: elapsed_us - service_us,
            taken_off_us,
        };
        // A closed channel means the process is about to end.
        let _ = self.outside.send(Outside::Event(event));
    }

    /// What every handler does at its end: two locks, in one order. While the plan's deadlock is on, every second
    /// thread takes them the other way round, and nobody ever comes back.
    fn book(&self, thread: usize) {
        let at_ms = self.clock.now().millis() - self.clock.virtual_start.millis();
        let Some(step) = self.decisions.deadlocked_by(at_ms, &self.process) else {
            return;
        };
        let (first, second) = if thread.is_multiple_of(2) {
            (&self.accounts, &self.audit_log)
        } else {
            (&self.audit_log, &self.accounts)
        };
        let _first = first.mutex.lock().unwrap_or_else(PoisonError::into_inner);
        first.held_for_good.store(true, Ordering::SeqCst);
        // Real code would lose this race now and then; here the window stays open until it is lost.
        while !second.held_for_good.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(1));
        }
        self.saw(step);
        let _second = second.mutex.lock().unwrap_or_else(PoisonError::into_inner);
    }

    /// Tells the parent the first time a step has an effect here.
    fn saw(&self, step: usize) {
        if self
            .seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(step)
        {
            report(&Report::Effect {
                step,
                at: self.clock.now(),
            });
        }
    }
}
