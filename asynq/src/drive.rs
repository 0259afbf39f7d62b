//! Carries an actor's actions out for real: calls to Redis, timers to the runtime, handlers to the host.

use crate::actor::{Action, Actor, Aggregation, RunId, Timer};
use crate::broker::redis::RedisBroker;
use crate::clock::{ClockOrigin, Time};
use crate::message::TaskMessage;
use crate::op::BrokerError;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

type Event = crate::actor::Event<TaskMessage>;
type Ticket = crate::actor::Ticket<TaskMessage>;
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
            Op::Dequeue { .. } => Some(Self::Fetch),
            Op::Done { .. } | Op::MarkAsComplete { .. } | Op::Retry { .. } | Op::Archive { .. } => {
                Some(Self::Finish)
            }
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

fn tell_held(host: &mut impl Host, held: Option<(SlotCall, Duration)>) {
    if let Some((by, real)) = held {
        host.held(by, real);
    }
}

/// How long a call that Redis refuses takes at least, virtual milliseconds. Quirk: asynq's processor repeats a fetch that
/// failed without a pause, tens of thousands of times a second; here that many times a second it would be all that a
/// compressed drill has time for.
pub const REFUSED_MS: i64 = 20;
/// The same in real time.
const REFUSED: Duration = Duration::from_millis(1);

/// Most calls in flight to Redis; more wait their turn in order.
const CALLS_IN_FLIGHT_MAX: usize = 512;

/// Lets the actor take an event by its process' clock; answers how far that is ahead.
fn tell<A: Actor<TaskMessage>>(
    actor: &mut A,
    host: &mut impl Host,
    clock: ClockOrigin,
    event: Event,
    actions: &mut Actions,
) -> i64 {
    let now = clock.now();
    let skew_ns = host.clock_skew(now);
    actor.on(Time(now.0.saturating_add(skew_ns)), event, actions);
    skew_ns
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
    let in_flight = std::sync::Arc::new(tokio::sync::Semaphore::new(CALLS_IN_FLIGHT_MAX));
    let mut timers: BinaryHeap<Reverse<(Time, u64, Timer)>> = BinaryHeap::new();
    let mut timer_seq = 0;
    let mut actions: Actions = Vec::new();
    let mut aggregated: Vec<Event> = Vec::new();
    let mut skew_ns = tell(actor, host, clock, Event::Start, &mut actions);
    loop {
        for action in actions.drain(..) {
            match action {
                Action::Call(ticket, op) => {
                    let (broker, answer_tx, in_flight) =
                        (broker.clone(), answer_tx.clone(), in_flight.clone());
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
                Action::Timer(at, timer) => {
                    timer_seq += 1;
                    timers.push(Reverse((
                        Time(at.0.saturating_sub(skew_ns)),
                        timer_seq,
                        timer,
                    )));
                }
                Action::Run { run, task } => host.run(clock.now(), run, task),
                Action::Note(entry) => host.note(entry.moved(-skew_ns)),
                Action::Aggregate(aggregation) => {
                    let check = aggregation.check;
                    let task = host.aggregate(clock.now(), *aggregation).map(Box::new);
                    aggregated.push(Event::Aggregated { check, task });
                }
                Action::Health(health) => host.health(health),
                Action::Exit => return,
            }
        }
        if let Some(event) = aggregated.pop() {
            skew_ns = tell(actor, host, clock, event, &mut actions);
            continue;
        }
        let now = clock.now();
        if let Some(Reverse((at, _, timer))) = timers.peek()
            && *at <= now
        {
            let timer = *timer;
            timers.pop();
            skew_ns = tell(actor, host, clock, Event::Timer(timer), &mut actions);
            // Calls and answers must get their turn even when timers are always due.
            tokio::task::yield_now().await;
            while let Ok((ticket, answer, held)) = answers.try_recv() {
                tell_held(host, held);
                skew_ns = tell(
                    actor,
                    host,
                    clock,
                    Event::Answer(ticket, answer),
                    &mut actions,
                );
            }
            continue;
        }
        let pause = timers
            .peek()
            .map_or(Duration::from_secs(3600), |Reverse((at, ..))| {
                clock.until(*at)
            });
        tokio::select! {
            Some((ticket, answer, held)) = answers.recv() => {
                tell_held(host, held);
                skew_ns = tell(actor, host, clock, Event::Answer(ticket, answer), &mut actions);
            }
            outside = outside.recv() => match outside {
                Some(Outside::Event(event)) => {
                    skew_ns = tell(actor, host, clock, event, &mut actions);
                }
                Some(Outside::Inspect(look)) => look(actor),
                None => return,
            },
            () = tokio::time::sleep(pause) => {}
        }
    }
}
