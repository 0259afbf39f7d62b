//! Carries an actor's actions out for real: calls to Redis, timers to the runtime, handlers to the host.

mod timers;

use crate::actor::{Actor, Aggregation, RunId};
use crate::broker::redis::RedisBroker;
use crate::clock::{ClockOrigin, Time};
use crate::message::TaskMessage;
use crate::op::BrokerError;
use std::sync::Arc;
use std::time::{Duration, Instant};
use timers::Timers;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{self, error::TryRecvError};

type Event = crate::actor::Event<TaskMessage>;
type Ticket = crate::actor::Ticket<TaskMessage>;
type Action = crate::actor::Action<TaskMessage>;
type Actions = crate::actor::Actions<TaskMessage>;
type Submission = crate::client::Submission<TaskMessage>;
type Answer = crate::op::Answer<TaskMessage>;
type Op = crate::op::Op<TaskMessage>;
/// A call's ticket and answer, and how long which slot was held for it.
type Answered = (Ticket, Answer, Option<(SlotCall, Duration)>);
type Note = crate::note::Note<String>;

/// What only the process around an actor can do.
pub trait Host {
    /// Start a handler; its end is sent as [`Event::HandlerDone`] through the outside channel.
    fn run(&mut self, now: Time, run: RunId, task: TaskMessage);
    /// Append to the ledger.
    fn note(&mut self, entry: Note);
    /// Makes one task of the tasks of a group; an error leaves them to go back to their group.
    ///
    /// # Errors
    /// What the aggregation function says.
    fn aggregate(
        &mut self,
        _now: Time,
        _of: Aggregation<TaskMessage>,
    ) -> Result<Submission, Arc<str>> {
        Err("this process aggregates nothing".into())
    }
    /// A call during which a worker slot is held took so long, in real time.
    fn held(&mut self, _by: SlotCall, _real: Duration) {}
    /// How far the process' clock is ahead of the true time `now`, virtual nanoseconds; negative: behind. What the actor reads,
    /// writes and decides goes by that clock; timers run by themselves, as Go's do, and notes tell the true time.
    fn clock_skew(&mut self, _now: Time) -> i64 {
        0
    }
    /// Redis answered a health check, or did not.
    fn health(&mut self, _health: Result<(), Box<BrokerError>>) {}
}

/// The calls during which a worker slot is held and no handler works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlotCall {
    /// The next task is fetched.
    Fetch,
    /// A task that was worked on is put where it belongs.
    Finish,
}

impl SlotCall {
    fn of(op: &Op) -> Option<Self> {
        match op {
            Op::Dequeue { .. } | Op::DequeueBatch(_) => Some(Self::Fetch),
            Op::Done { .. }
            | Op::DoneBatch { .. }
            | Op::MarkAsComplete { .. }
            | Op::Retry { .. }
            | Op::Archive { .. } => Some(Self::Finish),
            _ => None,
        }
    }
}

/// What reaches an actor from outside.
#[expect(clippy::large_enum_variant, reason = "nearly all of them are events")]
pub enum Outside<A> {
    /// An event.
    Event(Event),
    /// Look at the actor between two events, e.g. to serve its metrics.
    Inspect(Box<dyn FnOnce(&A) + Send>),
}

/// How long a call that Redis refuses takes at least, virtual milliseconds. Quirk: asynq's processor repeats a fetch that
/// failed without a pause, tens of thousands of times a second; here that many times a second it would be all that a
/// compressed drill has time for.
pub const REFUSED_MS: i64 = 20;
/// The same in real time.
const REFUSED: Duration = Duration::from_millis(1);

/// How long an actor without timers is let alone.
const FOREVER: Duration = Duration::from_secs(3_600);

/// Most calls in flight to Redis; more wait their turn in order.
const CALLS_IN_FLIGHT_MAX: usize = 512;

/// Most events of a kind that an actor is told in one turn, so that the other kinds get theirs.
const TURN_MAX: usize = 1_024;

/// An actor and what carries out its actions.
struct Driver<'d, A, H> {
    actor: &'d mut A,
    host: &'d mut H,
    broker: &'d RedisBroker,
    clock: ClockOrigin,
    answer_tx: mpsc::UnboundedSender<Answered>,
    in_flight: Arc<Semaphore>,
    timers: Timers,
    actions: Actions,
    exited: bool,
}

impl<A: Actor<TaskMessage>, H: Host> Driver<'_, A, H> {
    /// Lets the actor take an event by its process' clock, and carries out what it wants done.
    fn tell(&mut self, event: Event) {
        let (mut next, mut more) = (Some(event), Vec::new());
        while let Some(event) = next {
            let now = self.clock.now();
            let skew_ns = self.host.clock_skew(now);
            let mut actions = std::mem::take(&mut self.actions);
            let process_now = Time(now.0.saturating_add(skew_ns));
            self.actor.on(process_now, event, &mut actions);
            for action in actions.drain(..) {
                more.extend(self.carry_out(action, skew_ns));
            }
            self.actions = actions;
            next = more.pop();
        }
    }

    /// What comes of it at once, if anything.
    fn carry_out(&mut self, action: Action, skew_ns: i64) -> Option<Event> {
        if self.exited {
            return None;
        }
        match action {
            Action::Call(ticket, op) => self.call(ticket, op),
            Action::Timer(at, timer) => {
                self.timers.set(Time(at.0.saturating_sub(skew_ns)), timer);
            }
            Action::Run { run, task } => self.host.run(self.clock.now(), run, task),
            Action::Note(entry) => self.host.note(entry.moved(-skew_ns)),
            Action::Aggregate(aggregation) => {
                let check = aggregation.check;
                let task = self.host.aggregate(self.clock.now(), *aggregation);
                let task = task.map(Box::new);
                return Some(Event::Aggregated { check, task });
            }
            Action::Health(health) => self.host.health(health),
            Action::Exit => self.exited = true,
        }
        None
    }

    fn call(&self, ticket: Ticket, op: Op) {
        let (broker, clock) = (self.broker.clone(), self.clock);
        let (answer_tx, in_flight) = (self.answer_tx.clone(), self.in_flight.clone());
        let slot = SlotCall::of(&op).map(|call| (call, Instant::now()));
        tokio::spawn(async move {
            // The semaphore is never closed, and a closed answer channel means the actor has ended.
            let _permit = in_flight.acquire().await;
            let answer = broker.call(op).await;
            if matches!(answer, Err(BrokerError::Refused(_))) {
                tokio::time::sleep(clock.real_millis(REFUSED_MS).max(REFUSED)).await;
            }
            let held = slot
                .filter(|_| answer.is_ok())
                .map(|(call, since)| (call, since.elapsed()));
            let _ = answer_tx.send((ticket, answer, held));
        });
    }

    fn answered(&mut self, (ticket, answer, held): Answered) {
        if let Some((by, real)) = held {
            self.host.held(by, real);
        }
        self.tell(Event::Answer(ticket, answer));
    }

    fn hear(&mut self, outside: Outside<A>) {
        match outside {
            Outside::Event(event) => self.tell(event),
            Outside::Inspect(look) => look(self.actor),
        }
    }

    fn timers_due(&mut self) {
        let now = self.clock.now();
        for _ in 0..TURN_MAX {
            let Some(timer) = self.timers.take_due(now) else {
                return;
            };
            self.tell(Event::Timer(timer));
        }
    }
}

/// Runs `actor` until it exits or every outside sender is gone.
pub async fn drive<A: Actor<TaskMessage>, H: Host>(
    actor: &mut A,
    broker: &RedisBroker,
    clock: ClockOrigin,
    host: &mut H,
    mut outside: mpsc::UnboundedReceiver<Outside<A>>,
) {
    let (answer_tx, mut answers) = mpsc::unbounded_channel::<Answered>();
    let takes_turns = actor.takes_turns();
    let mut driver = Driver {
        actor,
        host,
        broker,
        clock,
        answer_tx,
        in_flight: Arc::new(Semaphore::new(CALLS_IN_FLIGHT_MAX)),
        timers: Timers::default(),
        actions: Vec::new(),
        exited: false,
    };
    driver.tell(Event::Start);
    loop {
        if takes_turns {
            // What can return now does: the more is known, the fewer calls it takes.
            tokio::task::yield_now().await;
        }
        driver.timers_due();
        for _ in 0..TURN_MAX {
            let Ok(answered) = answers.try_recv() else {
                break;
            };
            driver.answered(answered);
        }
        for _ in 0..TURN_MAX {
            match outside.try_recv() {
                Ok(heard) => driver.hear(heard),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return,
            }
        }
        if takes_turns {
            driver.tell(Event::Turn);
        }
        if driver.exited {
            return;
        }
        let pause = driver.timers.next().map_or(FOREVER, |at| clock.until(at));
        // Handlers and calls get their turn even when there is always something to tell.
        tokio::select! {
            Some(answered) = answers.recv() => driver.answered(answered),
            heard = outside.recv() => match heard {
                Some(heard) => driver.hear(heard),
                None => return,
            },
            () = tokio::time::sleep(pause) => {}
        }
    }
}
