//! What lies between the actors and the model's Redis, where a plan does something to it: links that are slow or cut, and a
//! Redis that is stopped. Without such a plan there is no wire, and calls are answered at once.
//!
//! Clients wait and repeat as asynq's do: a read times out after 3 s and takes the connection with it, a new connection is
//! given up after 5 s, and a call fails after four attempts. What was sent arrives when the link heals or Redis goes on,
//! whether its client still waits or not: TCP repeats what was not acknowledged, and the kernel of a stopped process keeps
//! what came.

mod levers;

use crate::engine::points::{At, Hit, Points};
use crate::engine::virtual_time::event_queue::{Happening, Who};
use crate::engine::virtual_time::redis::VirtualRedis;
use crate::engine::virtual_time::stage::Stage;
use crate::engine::virtual_time::token::Token;
use crate::lever::{Lever, PointVerdict, RedisLever};
use crate::plan::{PRODUCER, Plan, Step};
use firedrill_asynq::actor::Ticket;
use firedrill_asynq::call::CallKind;
use firedrill_asynq::clock::Time;
use firedrill_asynq::drive::REFUSED_MS;
use firedrill_asynq::op::{Answer, BrokerError, Op, Reply};
use firedrill_asynq::rng;
use firedrill_asynq::settings::{
    REDIS_DIAL_TIMEOUT_MS, REDIS_RETRIES, REDIS_RETRY_PAUSE_MAX_MS, REDIS_RETRY_PAUSE_MS,
    REDIS_TIMEOUT_MS,
};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;

/// A client: the producer, or a process by its number.
type Client = Option<u16>;

/// What a client is told whose connection is reset.
const RESET: &str = "connection reset by peer";

const READ_ONLY: &str = "READONLY You can't write against a read only replica.";

/// How long a client goes on asking a replica before it gives up, virtual milliseconds.
fn asked_again_ms() -> i64 {
    VirtualRedis::refusal_ms() + REFUSED_MS
}

/// What one is told who would be one client too many.
const CROWDED: &str = "ERR max number of clients reached";

/// There and back.
const ASKING: usize = 0;
const ANSWERING: usize = 1;

/// See the module.
#[derive(Debug)]
pub(crate) struct Wire {
    /// That of the producer, then those of the processes.
    links: Vec<Link>,
    redis_stopped: bool,
    /// When a script began that keeps it from answering.
    script_since: Option<Time>,
    /// Calls whose clients wait, by number.
    calls: BTreeMap<u64, Call>,
    next: u64,
    /// What was sent and is held, in its order.
    held: Vec<Flight>,
    dice: ChaCha8Rng,
    /// Rules about calls.
    points: Points,
    /// The processes, by number.
    names: Vec<String>,
}

/// One client's way to Redis.
#[derive(Debug, Clone)]
struct Link {
    /// Each way.
    delay_ms: [i64; 2],
    jitter_ms: [i64; 2],
    cut: [bool; 2],
    /// Whether connections are reset.
    reset: bool,
    /// Whether it leads to a replica.
    demoted: bool,
    /// Whether there is a connection.
    dialled: bool,
    /// When what was sent last arrives, each way: nothing overtakes it.
    last: [Time; 2],
}

impl Default for Link {
    fn default() -> Self {
        Self {
            delay_ms: [0; 2],
            jitter_ms: [0; 2],
            cut: [false; 2],
            reset: false,
            demoted: false,
            dialled: true,
            last: [Time::default(); 2],
        }
    }
}

/// A call whose client waits for its answer.
#[derive(Debug)]
struct Call {
    who: Who,
    ticket: Ticket<Token>,
    op: Op<Token>,
    attempt: u32,
    /// Whether its present attempt waits for a connection.
    dialling: bool,
}

/// What one attempt of a call has sent.
#[derive(Debug)]
pub(crate) struct Flight {
    client: Client,
    call: u64,
    attempt: u32,
    what: Freight,
}

#[derive(Debug)]
enum Freight {
    Asked(Op<Token>),
    Answered(Answer<Token>),
}

/// What happens on the wire.
#[derive(Debug)]
pub(crate) enum OnWire {
    /// Something arrives, at Redis or at its client.
    Arrives(Flight),
    /// It makes its next attempt.
    Repeats(u64),
    /// The script that has run since then has run for so long that everybody is told.
    Busy(Time),
}

fn client_of(who: Who) -> Client {
    match who {
        Who::Producer => None,
        Who::Process(number, _) => Some(number),
    }
}

/// Where its link is.
fn place_of(client: Client) -> usize {
    client.map_or(0, |number| usize::from(number) + 1)
}

impl Wire {
    /// Of a plan that does something to links or stops Redis.
    pub(crate) fn of(plan: &Plan) -> Option<Self> {
        let needs = |step: &Step| {
            let stops = matches!(
                step.fault.begin(),
                Lever::Redis(RedisLever::Stop | RedisLever::RunScript)
            );
            stops || step.fault.needs_links()
        };
        if !plan.timeline.iter().any(needs) {
            return None;
        }
        let processes = plan.processes().into_iter();
        let names: Vec<String> = processes.map(|(name, _)| name).collect();
        Some(Self {
            links: vec![Link::default(); names.len() + 1],
            redis_stopped: false,
            script_since: None,
            calls: BTreeMap::new(),
            next: 0,
            held: Vec::new(),
            dice: rng::stream(plan.seed, "links"),
            points: Points::default(),
            names,
        })
    }

    pub(crate) fn is_redis_stopped(&self) -> bool {
        self.redis_stopped
    }

    pub(super) fn stop_redis(&mut self) {
        self.redis_stopped = true;
    }

    /// A script begins that does not end: nobody is answered.
    pub(super) fn run_script(&mut self, now: Time) {
        self.redis_stopped = true;
        self.script_since = Some(now);
    }

    /// A new Redis knows nothing of what the one before had not read.
    pub(super) fn redis_started(&mut self) {
        self.redis_stopped = false;
        self.script_since = None;
        let links = &self.links;
        self.held
            .retain(|flight| links[place_of(flight.client)].cut[ASKING]);
    }

    /// What becomes of a call of a client.
    fn verdict(&mut self, client: Client, op: Option<CallKind>, at: At) -> Option<Hit> {
        let name = client.map_or(PRODUCER, |number| &self.names[usize::from(number)]);
        self.points.verdict(name, op?, at)
    }

    /// A process is gone: it waits for nothing any more.
    pub(super) fn gone(&mut self, process: u16) {
        let of = |call: &Call| client_of(call.who) == Some(process);
        self.calls.retain(|_, call| !of(call));
        self.link(Some(process)).dialled = true;
    }

    fn link(&mut self, client: Client) -> &mut Link {
        &mut self.links[place_of(client)]
    }

    /// Whether what is under way that way gets through now.
    fn passes(&self, client: Client, way: usize) -> bool {
        let stopped = self.redis_stopped && way == ASKING;
        !stopped && !self.links[place_of(client)].cut[way]
    }

    /// When what is sent now arrives.
    fn arrival(&mut self, client: Client, way: usize, now: Time) -> Time {
        let jitter_ms = match self.link(client).jitter_ms[way] {
            0 => 0,
            most => self.dice.random_range(0..=most),
        };
        let link = self.link(client);
        let at = now.plus_millis(link.delay_ms[way] + jitter_ms);
        link.last[way] = at.max(link.last[way]);
        link.last[way]
    }

    /// Whether a client still waits for this attempt of its call.
    fn waits_for(&self, call: u64, attempt: u32) -> bool {
        let call = self.calls.get(&call);
        call.is_some_and(|call| call.attempt == attempt)
    }
}

impl Stage<'_> {
    /// A call over the wire.
    #[cold]
    pub(crate) fn send(&mut self, who: Who, ticket: Ticket<Token>, op: Op<Token>) {
        let Some(wire) = &mut self.wire else { return };
        let number = wire.next;
        wire.next += 1;
        let call = Call {
            who,
            ticket,
            op,
            attempt: 0,
            dialling: false,
        };
        wire.calls.insert(number, call);
        self.attempt(number);
    }

    /// Makes the present attempt of a call: over the connection there is, or a new one.
    fn attempt(&mut self, number: u64) {
        let now = self.now;
        let Some(wire) = &mut self.wire else { return };
        let Some(call) = wire.calls.get(&number) else {
            return;
        };
        let (who, client) = (call.who, client_of(call.who));
        let (attempt, op) = (call.attempt, call.op.clone());
        if wire.link(client).reset {
            return self.fails(number, attempt, RESET);
        }
        let crowded = self.redis.is_crowded();
        let Some(wire) = &mut self.wire else { return };
        if crowded && !wire.link(client).dialled && wire.passes(client, ASKING) {
            return self.fails(number, attempt, CROWDED);
        }
        // A new connection is one when it has been answered.
        let is_answered = wire.passes(client, ASKING) && wire.passes(client, ANSWERING);
        let dialling = !wire.link(client).dialled && !is_answered;
        if let Some(call) = wire.calls.get_mut(&number) {
            call.dialling = dialling;
        }
        if !dialling && let Some(hit) = wire.verdict(client, CallKind::of(&op), At::Client) {
            self.hit(hit, who);
            if hit.then == PointVerdict::Lose {
                self.fails(number, attempt, "EOF");
            }
            return;
        }
        let Some(wire) = &mut self.wire else { return };
        let patience_ms = if dialling {
            REDIS_DIAL_TIMEOUT_MS
        } else {
            wire.link(client).dialled = true;
            let flight = Flight {
                client,
                call: number,
                attempt,
                what: Freight::Asked(op),
            };
            let at = wire.arrival(client, ASKING, now);
            let arrives = Happening::Wire(Box::new(OnWire::Arrives(flight)));
            self.events.push(at, arrives);
            REDIS_TIMEOUT_MS
        };
        // Most calls are answered before.
        let over = Happening::TimesOut(number, attempt);
        self.events
            .push_in_order(now.plus_millis(patience_ms), over);
    }

    pub(crate) fn on_wire(&mut self, what: OnWire) {
        match what {
            OnWire::Arrives(flight) => self.arrives(flight),
            OnWire::Repeats(call) => self.attempt(call),
            OnWire::Busy(since) => {
                let runs = |wire: &Wire| wire.script_since == Some(since);
                if self.wire.as_ref().is_some_and(runs) {
                    // Whoever has waited is told, too.
                    self.redis.set_busy(true);
                    self.goes_on();
                }
            }
        }
    }

    fn arrives(&mut self, flight: Flight) {
        let now = self.now;
        let Some(wire) = &mut self.wire else { return };
        let way = match flight.what {
            Freight::Asked(_) => ASKING,
            Freight::Answered(_) => ANSWERING,
        };
        if wire.link(flight.client).reset {
            return;
        }
        if !wire.passes(flight.client, way) {
            wire.held.push(flight);
            return;
        }
        match flight.what {
            Freight::Asked(op) => {
                let kind = CallKind::of(&op);
                let again = kind.map(|_| op.clone());
                let refused = wire.link(flight.client).demoted && self.redis.data().writes(&op);
                let (answer, wait_ms) = match refused {
                    // Clients look for the primary for a while, and give up.
                    true => (
                        Err(BrokerError::Refused(READ_ONLY.into())),
                        asked_again_ms(),
                    ),
                    false => {
                        let answer = self.apply(op);
                        let wait_ms = self.refusal_ms(&answer);
                        (answer, wait_ms)
                    }
                };
                let Some(wire) = &mut self.wire else { return };
                let acted = !matches!(answer, Err(_) | Ok(Reply::Dequeued(None)));
                let hit = wire.verdict(flight.client, kind.filter(|_| acted), At::Redis);
                if let Some(hit) = hit {
                    let who = wire.calls.get(&flight.call).map(|call| call.who);
                    if let Some(who) = who {
                        self.hit(hit, who);
                    }
                    match hit.then {
                        PointVerdict::DieBefore | PointVerdict::DieAfter | PointVerdict::Lose => {
                            return;
                        }
                        // The client sees its connection break, and tries again.
                        PointVerdict::LoseReply => {
                            return self.fails(flight.call, flight.attempt, "EOF");
                        }
                        PointVerdict::Repeat => drop(again.map(|op| self.apply(op))),
                    }
                }
                let round_trip_us = match &answer {
                    Ok(_) => self.options.harness.round_trip_us,
                    Err(_) => 0,
                };
                let Some(wire) = &mut self.wire else { return };
                let sent = now.plus_millis(wait_ms).plus_micros(round_trip_us);
                let at = wire.arrival(flight.client, ANSWERING, sent);
                let back = Flight {
                    what: Freight::Answered(answer),
                    ..flight
                };
                let back = Happening::Wire(Box::new(OnWire::Arrives(back)));
                self.events.push(at, back);
            }
            Freight::Answered(answer) => {
                if wire.waits_for(flight.call, flight.attempt)
                    && let Some(call) = wire.calls.remove(&flight.call)
                {
                    self.deliver(call, answer);
                }
            }
        }
    }

    fn deliver(&mut self, call: Call, answer: Answer<Token>) {
        let answered = Box::new((call.who, call.ticket, answer));
        self.events.push(self.now, Happening::Answer(answered));
    }

    /// A rule has hit a call of `who`.
    fn hit(&mut self, hit: Hit, who: Who) {
        let name = match (who, &self.wire) {
            (Who::Process(number, _), Some(wire)) => wire.names[usize::from(number)].clone(),
            _ => PRODUCER.to_owned(),
        };
        self.saw(hit.step, &name);
        if let (true, Who::Process(number, incarnation)) = (hit.then.kills(), who) {
            self.events
                .push(self.now, Happening::Dies(number, incarnation));
        }
    }

    pub(crate) fn times_out(&mut self, number: u64, attempt: u32) {
        self.fails(number, attempt, "i/o timeout");
    }

    /// An attempt of a call has failed; its client tries again, or gives up.
    fn fails(&mut self, number: u64, attempt: u32, why: &str) {
        let now = self.now;
        let Some(wire) = &mut self.wire else { return };
        if !wire.waits_for(number, attempt) {
            return;
        }
        let Some(mut call) = wire.calls.remove(&number) else {
            return;
        };
        // A connection on which nothing comes is closed.
        wire.link(client_of(call.who)).dialled = false;
        call.attempt += 1;
        if call.attempt > REDIS_RETRIES {
            return self.deliver(call, Err(BrokerError::Unreachable(why.into())));
        }
        call.dialling = false;
        wire.calls.insert(number, call);
        let pause_ms = (REDIS_RETRY_PAUSE_MS << attempt).min(REDIS_RETRY_PAUSE_MAX_MS);
        let again = Happening::Wire(Box::new(OnWire::Repeats(number)));
        self.events.push(now.plus_millis(pause_ms), again);
    }

    /// The connections of these clients are gone, and with them what they wait for. What has reached Redis is done.
    fn reset(&mut self, clients: &[Client]) {
        let Some(wire) = &mut self.wire else { return };
        wire.held.retain(|flight| !clients.contains(&flight.client));
        let waiting = wire.calls.iter();
        let waiting: Vec<(u64, u32)> = waiting
            .filter(|(_, call)| clients.contains(&client_of(call.who)))
            .map(|(number, call)| (*number, call.attempt))
            .collect();
        for (number, attempt) in waiting {
            self.fails(number, attempt, RESET);
        }
    }

    /// Redis goes on.
    pub(super) fn continue_redis(&mut self) {
        if let Some(wire) = &mut self.wire {
            wire.script_since = None;
        }
        self.goes_on();
    }

    fn goes_on(&mut self) {
        if let Some(wire) = &mut self.wire {
            wire.redis_stopped = false;
        }
        self.flow();
    }

    /// What was held and gets through now flows on, in its order; clients that wait for a connection get it.
    fn flow(&mut self) {
        let now = self.now;
        let Some(wire) = &mut self.wire else { return };
        for flight in std::mem::take(&mut wire.held) {
            let way = match flight.what {
                Freight::Asked(_) => ASKING,
                Freight::Answered(_) => ANSWERING,
            };
            let at = wire.arrival(flight.client, way, now);
            let arrives = Happening::Wire(Box::new(OnWire::Arrives(flight)));
            self.events.push(at, arrives);
        }
        let dialling = wire.calls.iter().filter(|(_, call)| call.dialling);
        let dialling: Vec<(u64, Client)> = dialling
            .map(|(number, call)| (*number, client_of(call.who)))
            .collect();
        for (number, client) in dialling {
            let passes = self
                .wire
                .as_ref()
                .is_some_and(|wire| wire.passes(client, ASKING) && wire.passes(client, ANSWERING));
            if passes {
                self.attempt(number);
            }
        }
    }
}
