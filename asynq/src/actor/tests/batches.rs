//! A server that fetches and finishes in batches: what it asks for, and that no task is lost or done twice whatever becomes of its
//! calls and of itself.

use super::*;
use crate::broker::memory::MemoryBroker;
use crate::op::{Accepted, DequeueBatch, Finished};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use std::collections::BTreeMap;

fn config(concurrency: usize, batch: usize) -> ServerConfig<TaskMessage> {
    ServerConfig {
        batch,
        retry_delay: RetryDelay::Constant { ms: 1_000 },
        ..Paper::config(concurrency)
    }
}

/// A started server in batches of `batch`, whose first beat is answered.
fn started(concurrency: usize, batch: usize) -> Paper {
    let mut paper = Paper::of(&config(concurrency, batch));
    paper.step(Event::Start);
    paper.answer(Ticket::WriteState, Ok(Reply::Done));
    paper
}

fn asked(paper: &Paper) -> Option<u32> {
    let ops = paper.ops();
    let mut batches = ops.iter().filter_map(|op| match op {
        Op::DequeueBatch(batch) => Some(batch.max),
        _ => None,
    });
    let max = batches.next();
    assert_eq!(batches.next(), None, "one that is not whole is alone");
    max
}

fn finished(paper: &Paper) -> Vec<Vec<(String, u32)>> {
    let ops = paper.ops();
    let batches = ops.iter().filter_map(|op| match op {
        Op::DoneBatch { tasks, .. } => Some(tasks),
        _ => None,
    });
    let told = |task: &Finished<TaskMessage>| (task.message.id.clone(), task.younger);
    batches
        .map(|tasks| tasks.iter().map(told).collect())
        .collect()
}

/// The answer to a batch of at most so many.
fn taken(paper: &mut Paper, max: u32, ids: &[&str]) -> Vec<RunId> {
    let tasks = ids.iter().map(|id| Ok(task(id))).collect();
    let actions = paper.answer(Ticket::DequeueBatch(max), Ok(Reply::DequeuedBatch(tasks)));
    let ran = |action: &Action| match action {
        Action::Run { run, .. } => Some(*run),
        _ => None,
    };
    actions.iter().filter_map(ran).collect()
}

#[test]
fn free_slots_are_filled_with_one_call_once_the_turn_is_over() {
    let mut paper = started(5, 3);
    assert_eq!(asked(&paper), None, "not before");
    paper.step(Event::Turn);
    assert_eq!(asked(&paper), Some(3), "no more than a batch");
    let runs = taken(&mut paper, 3, &["a", "b", "c"]);
    assert_eq!(runs.len(), 3);
    paper.step(Event::Turn);
    assert_eq!(asked(&paper), Some(2), "no more than slots");
    taken(&mut paper, 2, &["d", "e"]);
    paper.step(Event::Turn);
    assert_eq!(asked(&paper), None);
}

#[test]
fn a_second_whole_batch_is_fetched_beside_the_first() {
    let mut paper = started(7, 3);
    paper.step(Event::Turn);
    let asked_for = |paper: &Paper| {
        let ops = paper.ops();
        let max = ops.into_iter().filter_map(|op| match op {
            Op::DequeueBatch(batch) => Some(batch.max),
            _ => None,
        });
        max.collect::<Vec<_>>()
    };
    assert_eq!(asked_for(&paper), [3, 3]);
    let empty = || Ok(Reply::DequeuedBatch(Vec::new()));
    paper.answer(Ticket::DequeueBatch(3), empty());
    assert!(matches!(paper.actions[..], [Action::Timer(_, Timer::Poll)]));
    paper.step(Event::Turn);
    assert_eq!(asked_for(&paper), Vec::<u32>::new(), "there is nothing");
    paper.answer(Ticket::DequeueBatch(3), empty());
    assert_eq!(paper.actions, [], "one pause is enough");
    paper.step(Event::Timer(Timer::Poll));
    paper.step(Event::Turn);
    assert_eq!(asked_for(&paper), [3, 3]);
}

#[test]
fn what_succeeded_in_a_turn_is_written_with_one_call() {
    let mut paper = started(4, 3);
    paper.step(Event::Turn);
    let runs = taken(&mut paper, 3, &["a", "b", "c"]);
    for run in [runs[2], runs[0]] {
        paper.done(run, Outcome::Success);
        assert_eq!(paper.ops(), Vec::<&Op>::new());
    }
    // What failed has a call of its own.
    paper.done(runs[1], failure("boom"));
    assert!(matches!(paper.ops()[..], [Op::Retry { .. }]));
    paper.step(Event::Turn);
    let (youngest, oldest) = (("c".to_owned(), 0), ("a".to_owned(), 2));
    assert_eq!(finished(&paper), [vec![youngest, oldest]]);
    assert_eq!(asked(&paper), Some(1), "the others are not free yet");
    let batch = Box::new(super::super::Finishing {
        runs: vec![runs[2], runs[0]],
    });
    taken(&mut paper, 1, &["d"]);
    paper.answer(
        Ticket::FinishBatch(batch),
        Ok(Reply::DoneBatch(vec![Err(BrokerError::NotFound), Ok(())])),
    );
    paper.step(Event::Turn);
    assert_eq!(asked(&paper), Some(2), "also the slot of one that is gone");
}

#[test]
fn an_empty_batch_is_followed_by_a_pause() {
    let mut paper = started(2, 2);
    paper.step(Event::Turn);
    paper.answer(
        Ticket::DequeueBatch(2),
        Ok(Reply::DequeuedBatch(Vec::new())),
    );
    assert!(matches!(paper.actions[..], [Action::Timer(_, Timer::Poll)]));
    paper.step(Event::Turn);
    assert_eq!(asked(&paper), None);
    paper.step(Event::Timer(Timer::Poll));
    paper.step(Event::Turn);
    assert_eq!(asked(&paper), Some(2));
}

#[test]
fn a_batch_that_is_fetched_during_a_beat_starts_after_it() {
    let mut paper = started(2, 2);
    paper.step(Event::Turn);
    paper.step(Event::Timer(Timer::Heartbeat));
    assert_eq!(taken(&mut paper, 2, &["a", "b"]), []);
    paper.step(Event::Turn);
    assert_eq!(asked(&paper), None);
    paper.answer(Ticket::WriteState, Ok(Reply::Done));
    let runs = paper
        .actions
        .iter()
        .filter(|action| matches!(action, Action::Run { .. }));
    assert_eq!(runs.count(), 2);
}

#[test]
fn a_shutdown_waits_for_what_is_still_to_be_written() {
    let mut paper = started(2, 2);
    paper.step(Event::Turn);
    let runs = taken(&mut paper, 2, &["a"]);
    paper.step(Event::Shutdown);
    paper.done(runs[0], Outcome::Success);
    paper.step(Event::Turn);
    assert_eq!(finished(&paper).len(), 1);
    let leaves = |paper: &Paper| {
        let mut ops = paper.ops().into_iter();
        ops.any(|op| matches!(op, Op::ClearServerState { .. }))
    };
    assert!(!leaves(&paper));
    let batch = Box::new(super::super::Finishing { runs });
    paper.answer(
        Ticket::FinishBatch(batch),
        Ok(Reply::DoneBatch(vec![Ok(())])),
    );
    assert!(leaves(&paper));
}

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Answered,
    /// It does not reach Redis.
    Lost,
    /// Redis has done it, and the answer is lost.
    Unheard,
}

#[derive(Debug, Clone)]
enum Step {
    /// Tasks are enqueued.
    Enqueue(u8),
    /// One of the calls under way is over.
    Call(usize, Fate),
    /// One of the handlers returns.
    Return(usize),
    /// A turn of a server ends.
    Turn(usize),
    /// A server is killed, and another is started in its place.
    Kill(usize),
    /// All calls are answered, and time passes.
    Wait(i64),
}

fn step() -> impl Strategy<Value = Step> {
    let fate =
        prop_oneof![8 => Just(Fate::Answered), 1 => Just(Fate::Lost), 1 => Just(Fate::Unheard)];
    prop_oneof![
        3 => (1..9_u8).prop_map(Step::Enqueue),
        10 => (0..8_usize, fate).prop_map(|(which, fate)| Step::Call(which, fate)),
        10 => (0..8_usize).prop_map(Step::Return),
        6 => (0..SERVERS).prop_map(Step::Turn),
        1 => (0..SERVERS).prop_map(Step::Kill),
        3 => (0..3_000_i64).prop_map(Step::Wait),
    ]
}

const SERVERS: usize = 2;

/// Servers on one model of a Redis.
struct Fleet {
    broker: MemoryBroker<TaskMessage>,
    now: Time,
    servers: Vec<Server<TaskMessage, ()>>,
    started: u64,
    calls: Vec<(usize, Ticket, Op)>,
    timers: Vec<(Time, usize, Timer)>,
    handlers: Vec<(usize, RunId, String)>,
    enqueued: u32,
    faults: u32,
    /// By id: how often its handler was called, it was finished, and a recoverer took it.
    called: BTreeMap<String, u32>,
    finished: BTreeMap<String, u32>,
    recovered: BTreeMap<String, u32>,
}

impl Fleet {
    fn new() -> Self {
        let mut fleet = Self {
            broker: MemoryBroker::default(),
            now: Time::from_millis(START_MS),
            servers: Vec::new(),
            started: 0,
            calls: Vec::new(),
            timers: Vec::new(),
            handlers: Vec::new(),
            enqueued: 0,
            faults: 0,
            called: BTreeMap::new(),
            finished: BTreeMap::new(),
            recovered: BTreeMap::new(),
        };
        for which in 0..SERVERS {
            let server = fleet.server();
            fleet.servers.push(server);
            fleet.tell(which, Event::Start);
        }
        fleet
    }

    fn server(&mut self) -> Server<TaskMessage, ()> {
        self.started += 1;
        Server::new(&config(5, 3), (self.started, "test"), self.now, ())
    }

    fn tell(&mut self, which: usize, event: Event) {
        let mut actions = Vec::new();
        self.servers[which].on(self.now, event, &mut actions);
        for action in actions {
            match action {
                Action::Call(ticket, op) => self.calls.push((which, ticket, op)),
                Action::Timer(at, timer) => self.timers.push((at, which, timer)),
                Action::Run { run, task } => {
                    *self.called.entry(task.id.clone()).or_default() += 1;
                    self.handlers.push((which, run, task.id));
                }
                _ => {}
            }
        }
    }

    /// What Redis does.
    fn done_by_redis(&mut self, op: Op) -> Answer {
        let answer = self.broker.call(op.clone());
        match (&op, &answer) {
            (Op::DoneBatch { tasks, .. }, Ok(Reply::DoneBatch(each))) => {
                for (task, _) in tasks.iter().zip(each).filter(|(_, one)| one.is_ok()) {
                    *self.finished.entry(task.message.id.clone()).or_default() += 1;
                }
            }
            (Op::Retry { message, .. }, Ok(_)) => {
                *self.recovered.entry(message.id.clone()).or_default() += 1;
            }
            _ => {}
        }
        answer
    }

    fn call(&mut self, which: usize, fate: Fate) {
        if self.calls.is_empty() {
            return;
        }
        let (server, ticket, op) = self.calls.remove(which % self.calls.len());
        let lost = || Err(BrokerError::Unreachable("a fault".into()));
        let answer = match fate {
            Fate::Answered => self.done_by_redis(op),
            Fate::Lost => lost(),
            Fate::Unheard => {
                let _ = self.done_by_redis(op);
                lost()
            }
        };
        self.faults += u32::from(fate != Fate::Answered);
        self.tell(server, Event::Answer(ticket, answer));
    }

    fn done(&mut self, which: usize) {
        if self.handlers.is_empty() {
            return;
        }
        let (server, run, _) = self.handlers.remove(which % self.handlers.len());
        let done = Event::HandlerDone {
            run,
            outcome: Outcome::Success,
            result: None,
            elapsed_us: 1,
            overrun_us: 0,
            taken_off_us: 0,
        };
        self.tell(server, done);
    }

    fn wait(&mut self, ms: i64) {
        while !self.calls.is_empty() {
            self.call(0, Fate::Answered);
        }
        self.now = self.now.plus_millis(ms);
        let now = self.now;
        let (due, later) = self.timers.drain(..).partition(|(at, ..)| *at <= now);
        self.timers = later;
        let due: Vec<(Time, usize, Timer)> = due;
        for (_, which, timer) in due {
            self.tell(which, Event::Timer(timer));
        }
    }

    fn take(&mut self, step: &Step) {
        match *step {
            Step::Enqueue(count) => {
                let ids = self.enqueued..self.enqueued + u32::from(count);
                self.enqueued = ids.end;
                let op = Op::EnqueueBatch {
                    messages: ids.map(|id| task(&id.to_string())).collect(),
                    now: self.now,
                };
                let new = vec![Ok(Accepted::New); count.into()];
                assert_eq!(self.broker.call(op), Ok(Reply::EnqueuedBatch(new)));
            }
            Step::Call(which, fate) => self.call(which, fate),
            Step::Return(which) => self.done(which),
            Step::Turn(which) => self.tell(which, Event::Turn),
            Step::Kill(which) => {
                self.faults += 1;
                self.calls.retain(|(server, ..)| *server != which);
                self.timers.retain(|(_, server, _)| *server != which);
                self.handlers.retain(|(server, ..)| *server != which);
                self.servers[which] = self.server();
                self.tell(which, Event::Start);
            }
            Step::Wait(ms) => self.wait(ms),
        }
    }

    /// Nothing goes wrong any more, for longer than leases, recoverers and retries take.
    fn rest(&mut self) {
        for _ in 0..300 {
            while !self.handlers.is_empty() {
                self.done(0);
            }
            for which in 0..SERVERS {
                self.tell(which, Event::Turn);
            }
            self.wait(1_000);
        }
    }
}

#[test]
fn no_task_is_lost_or_done_twice_whatever_happens() {
    let config = ProptestConfig {
        cases: 300,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    // What the sequences came to, so that it is seen when they come to nothing.
    let recovered_ever = std::cell::Cell::new(0);
    let sequences = prop::collection::vec(step(), 1..120);
    let outcome = TestRunner::new(config).run(&sequences, |steps| {
        let mut fleet = Fleet::new();
        for step in &steps {
            fleet.take(step);
        }
        fleet.rest();
        let state = fleet.broker.dump(&"default".to_owned());
        prop_assert!(fleet.broker.is_empty(), "left: {state:?}");
        for id in (0..fleet.enqueued).map(|id| id.to_string()) {
            let of = |counts: &BTreeMap<String, u32>| counts.get(&id).copied().unwrap_or(0);
            let (called, recovered) = (of(&fleet.called), of(&fleet.recovered));
            prop_assert_eq!(of(&fleet.finished), 1, "finished once");
            let possible = 1..=1 + recovered;
            prop_assert!(
                possible.contains(&called),
                "{called} calls, {recovered} recoveries"
            );
            prop_assert!(
                fleet.faults > 0 || recovered == 0,
                "recovered without a fault"
            );
            recovered_ever.set(recovered_ever.get() + recovered);
        }
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
    assert!(recovered_ever.get() > 100, "{recovered_ever:?}");
}

/// Shares of weighted queues are those of single fetches: of batches, where all queues have tasks.
#[test]
fn batches_are_spread_over_queues_by_their_priorities() {
    let mut weighted = config(10, 10);
    weighted.queues = [("high", 3), ("low", 1)]
        .map(|(name, priority)| Served {
            queue: name.to_owned(),
            name: name.to_owned(),
            priority,
        })
        .to_vec();
    let mut paper = Paper::of(&weighted);
    paper.step(Event::Start);
    paper.answer(Ticket::WriteState, Ok(Reply::Done));
    let rounds = 4_000;
    let mut high = 0;
    for _ in 0..rounds {
        paper.step(Event::Turn);
        let first = paper.ops().into_iter().find_map(|op| match op {
            Op::DequeueBatch(batch) => {
                let DequeueBatch { queues, .. } = &**batch;
                assert_eq!(queues.len(), 2, "each is tried");
                Some(queues[0] == "high")
            }
            _ => None,
        });
        high += u32::from(first.unwrap());
        // One that nobody can decode fills no slot, and the next is fetched at once.
        let bad = BrokerError::Refused("garbled".into());
        paper.answer(
            Ticket::DequeueBatch(10),
            Ok(Reply::DequeuedBatch(vec![Err(bad)])),
        );
    }
    // Six standard deviations.
    let slack = 6.0 * (f64::from(rounds) * 0.75 * 0.25).sqrt();
    assert!(
        (f64::from(high) - 0.75 * f64::from(rounds)).abs() < slack,
        "{high}"
    );
}
