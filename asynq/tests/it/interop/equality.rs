//! Long random sequences of what people do to queues, through Go's client and inspector on one database and through ours
//! on another: every answer, and everything held, compared after each.
//!
//! An operation is a line of [`OPERATIONS`]. What only workers do is nobody's to ask of Go; it is done by our broker on
//! both databases alike, so that there are tasks in every state. Time is a bubble's: Go has the moment we name.

mod held;
mod operations;
mod ours;
mod said;
mod work;

use super::peer::{Peer, behind, need_peers};
use crate::support::{Bench, NOW, Persistence};
use firedrill_asynq::clock::Time;
use firedrill_asynq::message::TaskMessage;
use firedrill_asynq::op::Reply;
use held::Held;
use operations::{OPERATIONS, Operation};
use ours::Ours;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use said::agree;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use work::{Work, work};

const QUEUES: [&str; 2] = ["default", "low"];
const GROUPS: [&str; 2] = ["g", "h"];
/// Few, so that operations meet.
const IDS: [&str; 3] = ["a", "b", "c"];
/// How many sequences, unless the environment says how many.
const CASES: u32 = 100;
const CASES_ARE: &str = "FIREDRILL_EQUALITY_CASES";
const STEPS: std::ops::Range<usize> = 20..120;
const DAY_MS: i64 = 86_400_000;
/// The databases of Go and of us.
const GOS: u8 = 0;
const OURS: u8 = 1;

#[derive(Clone)]
enum Step {
    Wait {
        ms: i64,
    },
    /// By the number of the operation.
    Ask(usize, Value),
    Work(Work),
    /// New processes: what a client remembers is forgotten.
    Restart,
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wait { ms } => write!(f, "wait {ms} ms"),
            Self::Ask(number, with) => write!(f, "{} {with}", OPERATIONS[*number].name),
            Self::Work(work) => write!(f, "{work:?}"),
            Self::Restart => f.write_str("restart"),
        }
    }
}

fn step() -> impl Strategy<Value = Step> {
    let operations = OPERATIONS.iter().enumerate().map(|(number, operation)| {
        let arguments = (operation.arguments)();
        (
            operation.weight,
            arguments
                .prop_map(move |with| Step::Ask(number, with))
                .boxed(),
        )
    });
    let asked = prop::strategy::Union::new_weighted(operations.collect());
    // Moments, seconds, a day, and what an archive remembers.
    let wait = prop_oneof![
        8 => 0..3_000_i64,
        6 => 0..60_000_i64,
        1 => Just(DAY_MS),
    ];
    prop_oneof![
        20 => asked,
        12 => work().prop_map(Step::Work),
        5 => wait.prop_map(|ms| Step::Wait { ms }),
        1 => Just(Step::Restart),
    ]
}

/// Both sides, the time, and the tasks that are in progress on either.
struct Pair {
    bench: Bench,
    go: Peer,
    ours: Ours,
    held: [Held; 2],
    now: Time,
    taken: Vec<TaskMessage>,
    /// How often what was answered, so that it is seen when the sequences come to nothing.
    reached: BTreeMap<String, usize>,
}

impl Pair {
    fn new() -> Self {
        let bench = Bench::new(Persistence::None, 1.0);
        let url = |db| format!("{}?db={db}", bench.server.url());
        Self {
            go: Peer::in_a_bubble(&behind(&bench, GOS), NOW),
            ours: Ours::new(&url(OURS)),
            held: [GOS, OURS].map(|db| Held::of(&url(db))),
            bench,
            now: NOW,
            taken: Vec::new(),
            reached: BTreeMap::new(),
        }
    }

    /// Begins with empty databases, half a minute before midnight UTC. It is always the same time of day, so that a
    /// sequence does the same again when it is made shorter.
    fn begin(&mut self) {
        redis::cmd("FLUSHALL").exec(&mut self.bench.redis).unwrap();
        self.taken.clear();
        self.restart();
        let wait_ms = (DAY_MS - 29_500 - self.now.millis()).rem_euclid(DAY_MS);
        self.wait(wait_ms);
    }

    fn wait(&mut self, ms: i64) {
        self.now = self.now.plus_millis(ms);
        let arrived = self.go.ask("advance", json!({ "ms": ms }));
        assert_eq!(arrived.as_i64(), Some(self.now.millis()));
    }

    fn restart(&mut self) {
        self.go.ask("fresh", json!({}));
        self.ours.restart();
    }

    fn take(&mut self, step: &Step) -> Result<(), TestCaseError> {
        match step {
            Step::Wait { ms } => {
                self.wait(*ms);
                return Ok(());
            }
            Step::Restart => self.restart(),
            Step::Work(work) => self.work(*work)?,
            Step::Ask(number, with) => self.ask(&OPERATIONS[*number], with)?,
        }
        let [go, ours] = &mut self.held;
        let (go, ours) = (go.look(), ours.look());
        prop_assert_eq!(&go.state, &ours.state, "Go's, and ours, after {:?}", step);
        prop_assert!(
            go.lives_like(&ours),
            "{:?} {:?} after {:?}",
            go.ttl_ms,
            ours.ttl_ms,
            step
        );
        Ok(())
    }

    fn ask(&mut self, operation: &Operation, with: &Value) -> Result<(), TestCaseError> {
        let with = self.absolute(with.clone());
        let go = self.go.try_ask(operation.name, with.clone());
        let ours = (operation.ours)(&mut self.ours, self.now, &with);
        prop_assert!(
            agree(&go, &ours),
            "{} {with}: Go says {go:?}, we say {ours:?}",
            operation.name
        );
        let outcome = go.map_or_else(|error| error, |_| "done".into());
        *self
            .reached
            .entry(format!("{}: {outcome}", operation.name))
            .or_default() += 1;
        Ok(())
    }

    /// Moments are given relative to the present.
    fn absolute(&self, mut with: Value) -> Value {
        let fields = with.as_object_mut().expect("arguments are an object");
        for (relative, absolute) in [
            ("deadline_in_ms", "deadline_ms"),
            ("process_in_ms", "process_at_ms"),
        ] {
            if let Some(ms) = fields.remove(relative) {
                let at = self.now.plus_millis(ms.as_i64().expect("a number"));
                fields.insert(absolute.into(), at.millis().into());
            }
        }
        with
    }

    /// Does the same to both databases.
    fn work(&mut self, work: Work) -> Result<(), TestCaseError> {
        let Some(op) = work.op(self.now, &mut self.taken) else {
            return Ok(());
        };
        let on_gos = self.bench.call(op.clone());
        let on_ours = self.ours.call(op);
        prop_assert_eq!(&on_gos, &on_ours);
        if let Ok(Reply::Dequeued(Some(message))) = on_ours {
            self.taken.push(message);
        }
        Ok(())
    }
}

#[test]
fn both_databases_hold_the_same_after_every_operation() {
    need_peers!();
    let pair = RefCell::new(Pair::new());
    let config = Config {
        cases: std::env::var(CASES_ARE).map_or(CASES, |cases| cases.parse().unwrap()),
        failure_persistence: None,
        ..Config::default()
    };
    let sequences = prop::collection::vec(step(), STEPS);
    let outcome = TestRunner::new(config).run(&sequences, |steps| {
        let mut pair = pair.borrow_mut();
        pair.begin();
        steps.iter().try_for_each(|step| pair.take(step))
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
    let reached = pair.into_inner().reached;
    let done = OPERATIONS.map(|operation| format!("{}: done", operation.name));
    let refused = [
        "enqueue: task ID conflicts with another task",
        "enqueue: task already exists",
        "pause_queue: queue \"default\" is already paused",
        "run_task: asynq: FAILED_PRECONDITION: task is already running",
        "archive_task: asynq: FAILED_PRECONDITION: cannot archive task in active state. use CancelProcessing instead.",
        "list_tasks: asynq: queue not found",
    ];
    for what in done.iter().map(String::as_str).chain(refused) {
        assert!(reached.contains_key(what), "{what}: {reached:#?}");
    }
}
