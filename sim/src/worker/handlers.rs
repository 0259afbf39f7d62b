//! Handlers as tasks of the worker's runtime: they really take the time, and really deadlock.
//!
//! A task that waits for a lock which nobody gives back is as stuck as a goroutine that does, and costs no thread, and no
//! wake-up of one for every task of asynq's.

use crate::handler::{self, Behaviour, Ending};
use crate::plan::Child;
use crate::producer::Messages;
use crate::worker::resources::{Failed, Resources};
use crate::worker::slot::Held;
use crate::worker::{Ledger, Note, Report, Server, crash, report};
use firedrill_asynq::actor::{Event, RunId};
use firedrill_asynq::broker::redis::RedisBroker;
use firedrill_asynq::clock::{ClockOrigin, Time};
use firedrill_asynq::drive::{Outside, SlotCall};
use firedrill_asynq::note::Intake;
use firedrill_asynq::op::{Accepted, BrokerError, Reply};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::sync::mpsc::UnboundedSender;

/// One execution to carry out.
pub(crate) struct Job {
    pub(crate) run: RunId,
    pub(crate) behaviour: Behaviour,
    /// When its slot was taken.
    pub(crate) started: Time,
    /// Whether that was the last one.
    pub(crate) took_the_last: bool,
}

/// The process' handlers. One that is stuck stays for ever, like a stuck goroutine.
pub(crate) struct Handlers {
    shared: Arc<Shared>,
    /// Executions begun.
    begun: u64,
}

struct Shared {
    decisions: handler::Handlers,
    process: String,
    clock: ClockOrigin,
    outside: UnboundedSender<Outside<Server>>,
    seen: std::sync::Mutex<BTreeSet<usize>>,
    accounts: Lock,
    audit_log: Lock,
    held: Held,
    tools: Tools,
}

/// What handlers work with: they enqueue tasks over their process' own client.
pub(crate) struct Tools {
    pub(crate) messages: Messages,
    pub(crate) broker: RedisBroker,
    pub(crate) ledger: Ledger,
    pub(crate) resources: Arc<Resources>,
    /// Executions that have not returned.
    pub(crate) at_work: Arc<AtomicUsize>,
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
        tools: Tools,
    ) -> Self {
        let shared = Shared {
            decisions,
            process,
            clock,
            outside,
            seen: std::sync::Mutex::default(),
            accounts: Lock::default(),
            audit_log: Lock::default(),
            held: Held::at_speed(clock.speed),
            tools,
        };
        Self {
            shared: Arc::new(shared),
            begun: 0,
        }
    }

    /// Starts an execution.
    pub(crate) fn start(&mut self, job: Job) {
        let (shared, number) = (self.shared.clone(), self.begun);
        self.begun += 1;
        shared.tools.at_work.fetch_add(1, Ordering::Relaxed);
        tokio::spawn(async move {
            shared.handle(job, number).await;
            shared.tools.at_work.fetch_sub(1, Ordering::Relaxed);
        });
    }

    /// A call during which a slot is held took so long.
    pub(crate) fn held(&self, by: SlotCall, real: Duration) {
        let clock = &self.shared.clock;
        let virtual_us = (real.as_secs_f64() * clock.speed * 1e6) as i64;
        let began = clock.now().plus_micros(-virtual_us);
        if let Some(planned_us) = self.planned_round_trip_us(began) {
            self.shared.held.by(by, (virtual_us - planned_us).max(0));
        }
    }

    /// A slot was left at `since` while all others were taken, and was free for so long while a task waited.
    pub(crate) fn turned(&self, since: Time, us: i64) {
        // Its task was finished and the next one fetched.
        if let Some(planned_us) = self.planned_round_trip_us(since) {
            self.shared.held.by_turn((us - 2 * planned_us).max(0));
        }
    }

    /// What the plan makes of a round trip is no cost of the harness.
    fn planned_round_trip_us(&self, began: Time) -> Option<i64> {
        let Shared {
            clock,
            decisions,
            process,
            ..
        } = &*self.shared;
        let began_ms = began.millis() - clock.virtual_start.millis();
        decisions.plan.planned_round_trip_us(process, began_ms)
    }
}

impl Shared {
    async fn handle(&self, job: Job, number: u64) {
        let started = job.started;
        for step in &job.behaviour.touched_by {
            self.saw(*step);
        }
        let mut job = job;
        let mut needed_us = 0;
        for held in std::mem::take(&mut job.behaviour.uses) {
            match self.tools.resources.hold(held, |step| self.saw(step)).await {
                Ok(us) => needed_us += us,
                Err(failed) => {
                    self.goes_without(&mut job.behaviour, held.0, failed);
                    // It waited as long as the plan has it wait.
                    needed_us = (self.clock.now().0 - started.0) / 1_000;
                    break;
                }
            }
        }
        let works = match needed_us {
            0 => started,
            _ => self.clock.now(),
        };
        let taken_off_us = self
            .held
            .taken_off(job.behaviour.service_us, job.took_the_last);
        let service_us = job.behaviour.service_us - taken_off_us;
        tokio::time::sleep(self.clock.until(works.plus_micros(service_us))).await;
        let overrun_us = (self.clock.now().0 - works.0) / 1_000 - service_us;
        let at_ms = started.millis() - self.clock.virtual_start.millis();
        let plan = &self.decisions.plan;
        // A process that is stopped by plan returns late, which is no cost of the harness.
        if plan.planned_round_trip_us(&self.process, at_ms).is_some() {
            self.held.by_timer(overrun_us);
        }
        let service_us = service_us + needed_us;
        match job.behaviour.ending {
            Ending::Returns => self.book(number).await,
            Ending::Hangs(step) => {
                self.saw(step);
                return std::future::pending().await;
            }
            Ending::Crashes(step) => crash(step, self.clock.now()),
        }
        let mut outcome = job.behaviour.outcome;
        for child in &job.behaviour.children {
            match self.enqueue(child).await {
                Ok(()) => job
                    .behaviour
                    .requeued_by
                    .iter()
                    .for_each(|step| self.saw(*step)),
                Err(error) => {
                    outcome = handler::cannot_enqueue(&error);
                    break;
                }
            }
        }
        let elapsed_us = (self.clock.now().0 - started.0) / 1_000;
        let event = Event::HandlerDone {
            run: job.run,
            outcome,
            result: job.behaviour.result,
            elapsed_us,
            overrun_us: elapsed_us - service_us,
            taken_off_us,
        };
        // A closed channel means the process is about to end.
        let _ = self.outside.send(Outside::Event(event));
    }

    /// A handler returns at once that did not get what it needs.
    fn goes_without(&self, behaviour: &mut Behaviour, resource: usize, failed: Failed) {
        let why = match failed {
            Failed::Without(why) => why,
            // Then nothing is known of what is to be tried: better no worker than a wrong one.
            Failed::Broken(error) => {
                eprintln!("firedrill worker: what the fleet shares does not answer: {error}");
                std::process::exit(1);
            }
        };
        behaviour.outcome = self.decisions.without(resource, why);
        behaviour.ending = Ending::Returns;
        behaviour.children.clear();
        behaviour.service_us = 0;
    }

    /// Enqueues a task, as a handler does that has a client of asynq's, and notes it as a producer does.
    async fn enqueue(&self, child: &Child) -> Result<(), BrokerError> {
        let now = self.clock.now();
        let Tools {
            messages,
            broker,
            ledger,
            ..
        } = &self.tools;
        let submission = messages.child(child, now);
        let id = submission.message.id.clone();
        ledger.append(&Note::Sent {
            at: now,
            id: id.clone(),
            workload: u32::try_from(child.workload).unwrap_or(u32::MAX),
            intended: now.plus_millis(child.delay_ms),
        });
        let answer = broker.call(submission.op(now)).await;
        // Who finds its own task there has been heard before: the reply was lost, and the call repeated.
        let heard = match answer {
            Ok(Reply::Enqueued(Accepted::New | Accepted::IdConflict)) => Intake::Accepted,
            _ => Intake::Rejected,
        };
        ledger.append(&Note::Answered {
            at: self.clock.now(),
            id,
            answer: heard,
        });
        answer.map(drop)
    }

    /// What every handler does at its end: two locks, in one order. While the plan's deadlock is on, every second
    /// execution takes them the other way round, and nobody ever comes back.
    async fn book(&self, number: u64) {
        let at_ms = self.clock.now().millis() - self.clock.virtual_start.millis();
        let Some(step) = self.decisions.deadlocked_by(at_ms, &self.process) else {
            return;
        };
        let (first, second) = if number.is_multiple_of(2) {
            (&self.accounts, &self.audit_log)
        } else {
            (&self.audit_log, &self.accounts)
        };
        let _first = first.mutex.lock().await;
        first.held_for_good.store(true, Ordering::SeqCst);
        // Real code would lose this race now and then; here the window stays open until it is lost.
        while !second.held_for_good.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        self.saw(step);
        let _second = second.mutex.lock().await;
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
