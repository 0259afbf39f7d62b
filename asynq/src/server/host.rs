//! Runs handlers for the actor, and knows which are under way.

use super::config::Config;
use super::context::{Cause, Context};
use super::handler::{Handler, Task};
use super::{Ear, ServerActor};
use crate::actor::processor::processing_deadline;
use crate::actor::{Aggregation, ErrorKind, Event, Outcome, RunId};
use crate::client::{Submission, new_id};
use crate::clock::{ClockOrigin, Time};
use crate::drive::{Host, Outside};
use crate::message::TaskMessage;
use crate::note::Note;
use crate::op::BrokerError;
use crate::settings::DEADLINE_EXCEEDED;
use futures_util::FutureExt;
use std::any::Any;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// The process around the actor.
pub(super) struct ServerHost {
    handler: Arc<dyn Handler>,
    config: Config,
    clock: ClockOrigin,
    ear: Ear,
    runs: Arc<Runs>,
}

impl ServerHost {
    pub(super) fn new(
        handler: Arc<dyn Handler>,
        config: Config,
        clock: ClockOrigin,
        ear: Ear,
        runs: Arc<Runs>,
    ) -> Self {
        Self {
            handler,
            config,
            clock,
            ear,
            runs,
        }
    }
}

impl Host for ServerHost {
    fn run(&mut self, now: Time, run: RunId, task: TaskMessage) {
        let (handler, ear) = (self.handler.clone(), self.ear.clone());
        let (clock, runs) = (self.clock, self.runs.clone());
        let deadline = processing_deadline(&task, now);
        let context = Context::new(&task, deadline, clock, self.runs.add(run, &task.id));
        tokio::spawn(async move {
            let given = context.clone();
            let work = AssertUnwindSafe(async { handler.process(Task::new(task), given).await });
            let outcome = match work.catch_unwind().await {
                Ok(Ok(())) => Outcome::Success,
                Ok(Err(error)) => error.outcome(),
                Err(panic) => panicked(&*panic),
            };
            runs.remove(run);
            // It may have heard of its deadline before the actor has.
            let outcome = match context.cause() {
                Some(Cause::DeadlineExceeded) => late(),
                _ => outcome,
            };
            let event = Event::HandlerDone {
                run,
                outcome,
                result: context.take_result(),
                elapsed_us: (clock.now().0 - now.0) / 1_000,
                overrun_us: 0,
                taken_off_us: 0,
            };
            // A server that has ended does not wait for it.
            let _ = ear.send(Outside::<ServerActor>::Event(event));
        });
    }

    fn note(&mut self, _: Note<String>) {}

    fn aggregate(
        &mut self,
        now: Time,
        of: Aggregation<TaskMessage>,
    ) -> Result<Submission<TaskMessage>, Arc<str>> {
        let groups = self.config.groups.as_ref();
        let groups = groups.ok_or("no aggregation function")?;
        let tasks = of.tasks.into_iter().map(Task::new).collect();
        let work = AssertUnwindSafe(|| (groups.aggregate)(&of.group, tasks));
        let mut task = catch_unwind(work).map_err(|panic| text_of(&*panic))?;
        task.queue = Some(of.queue);
        task.submission(now, new_id)
            .map_err(|error| error.to_string().into())
    }

    fn health(&mut self, health: Result<(), Box<BrokerError>>) {
        if let Some(tell) = &self.config.health_check {
            match &health {
                Ok(()) => tell(Ok(())),
                Err(error) => tell(Err(error)),
            }
        }
    }
}

/// What an attempt comes to that returns after its deadline.
fn late() -> Outcome {
    Outcome::Failure {
        error: DEADLINE_EXCEEDED.into(),
        kind: ErrorKind::Failure,
        by_fault: false,
    }
}

/// What a panic of a handler comes to. asynq adds file and line where it knows them.
fn panicked(panic: &(dyn Any + Send)) -> Outcome {
    Outcome::Failure {
        error: format!("panic error cause by: {}", text_of(panic)).into(),
        kind: ErrorKind::Failure,
        by_fault: false,
    }
}

fn text_of(panic: &(dyn Any + Send)) -> String {
    let said = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("panic: {}", said.unwrap_or("of an unknown kind"))
}

/// Executions under way, and how they are told that nobody waits for them any more.
#[derive(Debug, Default)]
pub(super) struct Runs {
    under_way: Mutex<BTreeMap<RunId, UnderWay>>,
}

#[derive(Debug)]
struct UnderWay {
    task: String,
    cause: watch::Sender<Option<Cause>>,
}

impl UnderWay {
    fn cancel(&self, cause: Cause) {
        // The first cause stays.
        self.cause
            .send_if_modified(|known| known.is_none() && known.replace(cause).is_none());
    }
}

impl Runs {
    fn add(&self, run: RunId, task: &str) -> watch::Receiver<Option<Cause>> {
        let (cause, told) = watch::channel(None);
        let task = task.to_owned();
        self.lock().insert(run, UnderWay { task, cause });
        told
    }

    fn remove(&self, run: RunId) {
        self.lock().remove(&run);
    }

    /// Somebody asks to cancel a task.
    pub(super) fn cancel_task(&self, id: &str) {
        for of in self.lock().values().filter(|of| of.task == id) {
            of.cancel(Cause::Canceled);
        }
    }

    /// Cancels those that the server does not know any more.
    pub(super) fn cancel_lost(&self, is_running: impl Fn(RunId) -> bool) {
        for (_, of) in self.lock().iter().filter(|(run, _)| !is_running(**run)) {
            of.cancel(Cause::LeaseExpired);
        }
    }

    /// Cancels all.
    pub(super) fn cancel_all(&self, cause: Cause) {
        for of in self.lock().values() {
            of.cancel(cause);
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<RunId, UnderWay>> {
        // Every change is one insertion or removal.
        self.under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
