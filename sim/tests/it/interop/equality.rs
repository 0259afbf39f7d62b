//! Long random sequences of what people do to queues, through Go's client and inspector on one database and through ours
//! on another: every answer, and everything held, compared after each.
//!
//! An operation is a line of [`OPERATIONS`]. What only workers do is nobody's to ask of Go; it is done by our broker on
//! both databases alike, so that there are tasks in every state. Time is a bubble's: Go has the moment we name.

mod held;
mod ours;

use super::need_peers;
use super::peer::{Peer, single};
use crate::support::{Bench, NOW, Op};
use firedrill::asynq::message::TaskMessage;
use firedrill::asynq::op::{Answer, Delayed, Reply};
use firedrill::asynq::task::Task;
use firedrill::clock::Time;
use firedrill::redis_server::Persistence;
use held::Held;
use ours::Ours;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};
use smallvec::smallvec;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;

const QUEUES: [&str; 2] = ["default", "low"];
/// Few, so that operations meet.
const IDS: [&str; 4] = ["a", "b", "c", "d"];
const CASES: u32 = 120;
const STEPS: usize = 50;
/// The databases of Go and of us.
const GOS: u8 = 0;
const OURS: u8 = 1;

/// What either side says: an answer, or an error's text.
type Said = Result<Value, String>;

/// Something both sides can be asked to do.
struct Operation {
    /// As Go's peer calls it.
    name: &'static str,
    /// How often it comes, beside the others.
    weight: u32,
    /// Its arguments, as Go's peer takes them.
    arguments: fn() -> BoxedStrategy<Value>,
    /// How we do it. Of what Go answers we need only answer a part.
    ours: fn(&mut Ours, Time, &Value) -> Said,
}

const OPERATIONS: [Operation; 3] = [
    Operation {
        name: "enqueue",
        weight: 12,
        arguments: a_new_task,
        ours: Ours::enqueue,
    },
    Operation {
        name: "queue_info",
        weight: 2,
        arguments: a_queue,
        ours: Ours::queue_info,
    },
    Operation {
        name: "queues",
        weight: 1,
        arguments: nothing,
        ours: Ours::queues,
    },
];

fn nothing() -> BoxedStrategy<Value> {
    Just(json!({})).boxed()
}

fn a_queue() -> BoxedStrategy<Value> {
    select(&QUEUES[..])
        .prop_map(|queue| json!({ "queue": queue }))
        .boxed()
}

/// A task with any of the options there are.
fn a_new_task() -> BoxedStrategy<Value> {
    let ms = |span: std::ops::Range<i64>| prop::option::weighted(0.3, span);
    let headers = prop::collection::btree_map("[a-c]", "[x-z]{0,2}", 0..3);
    // Relative to the moment of the operation, which only the test knows.
    let moment = || prop::option::weighted(0.3, -5_000..60_000_i64);
    (
        (
            select(&QUEUES[..]),
            select(&IDS[..]),
            select(&["email:send", "é"][..]),
        ),
        (
            prop::option::of("[a-b]{0,1}"),
            headers,
            prop::option::of(-1..4_i32),
        ),
        (ms(0..5_000), ms(0..90_000), moment(), moment()),
    )
        .prop_map(
            |(
                (queue, id, kind),
                (payload, headers, max_retry),
                (timeout, retention, deadline, process),
            )| {
                let mut task = json!({ "type": kind, "queue": queue, "task_id": id });
                let mut put = |name: &str, value: Option<Value>| {
                    if let Some(value) = value {
                        task[name] = value;
                    }
                };
                put("payload", payload.map(Value::from));
                put("headers", (!headers.is_empty()).then(|| json!(headers)));
                put("max_retry", max_retry.map(Value::from));
                put("timeout_ms", timeout.map(Value::from));
                put("retention_ms", retention.map(Value::from));
                put("deadline_in_ms", deadline.map(Value::from));
                put("process_in_ms", process.map(Value::from));
                task
            },
        )
        .boxed()
}

/// What workers do.
#[derive(Debug, Clone, Copy)]
enum Work {
    Take { queue: &'static str },
    Done,
    Fail { retry_in_s: i64 },
    GiveUp,
    GiveBack,
    Forward { queue: &'static str, from: Delayed },
}

fn work() -> impl Strategy<Value = Work> {
    let queue = || select(&QUEUES[..]);
    let from = select(&[Delayed::Scheduled, Delayed::Retry][..]);
    prop_oneof![
        6 => queue().prop_map(|queue| Work::Take { queue }),
        2 => Just(Work::Done),
        2 => (0..40_i64).prop_map(|retry_in_s| Work::Fail { retry_in_s }),
        1 => Just(Work::GiveUp),
        1 => Just(Work::GiveBack),
        2 => (queue(), from).prop_map(|(queue, from)| Work::Forward { queue, from }),
    ]
}

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
        1 => Just(86_400_000_i64),
    ];
    prop_oneof![
        10 => asked,
        4 => work().prop_map(Step::Work),
        3 => wait.prop_map(|ms| Step::Wait { ms }),
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
        let port = bench.server.port();
        let url = |db| format!("redis://127.0.0.1:{port}/{db}");
        Self {
            go: Peer::in_a_bubble(&single(port, GOS), NOW),
            ours: Ours::new(&url(OURS)),
            held: [GOS, OURS].map(|db| Held::of(&url(db))),
            bench,
            now: NOW,
            taken: Vec::new(),
            reached: BTreeMap::new(),
        }
    }

    fn begin(&mut self) {
        redis::cmd("FLUSHALL").exec(&mut self.bench.redis).unwrap();
        self.taken.clear();
        self.restart();
    }

    fn restart(&mut self) {
        self.go.ask("fresh", json!({}));
        self.ours.restart();
    }

    fn take(&mut self, step: &Step) -> Result<(), TestCaseError> {
        match step {
            Step::Wait { ms } => {
                self.now = self.now.plus_millis(*ms);
                let arrived = self.go.ask("advance", json!({ "ms": ms }));
                prop_assert_eq!(arrived.as_i64(), Some(self.now.millis()));
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
        let agree = match (&go, &ours) {
            (Ok(go), Ok(ours)) => says_as_much(go, ours),
            (Err(go), Err(ours)) => go == ours,
            _ => false,
        };
        prop_assert!(
            agree,
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
        let now = self.now;
        let op = match work {
            Work::Take { queue } => Op::Dequeue {
                queues: smallvec![queue.to_owned()],
                lease_expires_s: now.secs() + 30,
            },
            Work::Forward { queue, from } => Op::Forward {
                queue: queue.to_owned(),
                from,
                now,
            },
            Work::Done | Work::Fail { .. } | Work::GiveUp | Work::GiveBack => {
                let Some(message) = self.taken.pop() else {
                    return Ok(());
                };
                finish(message, work, now)
            }
        };
        let on_gos = self.bench.call(op.clone());
        let on_ours: Answer<TaskMessage> = self.ours.call(op);
        prop_assert_eq!(&on_gos, &on_ours);
        if let Ok(Reply::Dequeued(Some(message))) = on_ours {
            self.taken.push(message);
        }
        *self
            .reached
            .entry(
                format!("{work:?}")
                    .split(' ')
                    .next()
                    .unwrap_or_default()
                    .to_owned(),
            )
            .or_default() += 1;
        Ok(())
    }
}

fn finish(mut message: TaskMessage, work: Work, now: Time) -> Op {
    match work {
        Work::Fail { retry_in_s } => {
            message.failed("boom", now.secs(), true);
            let retry_at_s = now.secs() + retry_in_s;
            Op::Retry {
                message,
                retry_at_s,
                is_failure: true,
                now,
            }
        }
        Work::GiveUp => {
            message.failed("gave up", now.secs(), false);
            Op::Archive { message, now }
        }
        Work::GiveBack => Op::Requeue { message },
        _ if message.retention > 0 => Op::MarkAsComplete { message, now },
        _ => Op::Done { message, now },
    }
}

/// Whether Go says at least what we say. A set of names has no order.
fn says_as_much(go: &Value, ours: &Value) -> bool {
    match (go, ours) {
        (Value::Object(go), Value::Object(ours)) => ours
            .iter()
            .all(|(name, ours)| go.get(name).is_some_and(|go| says_as_much(go, ours))),
        (Value::Array(go), Value::Array(ours)) if go.iter().all(Value::is_string) => {
            let sorted = |names: &[Value]| {
                let mut names: Vec<String> = names.iter().map(Value::to_string).collect();
                names.sort();
                names
            };
            sorted(go) == sorted(ours)
        }
        (Value::Array(go), Value::Array(ours)) => {
            go.len() == ours.len() && go.iter().zip(ours).all(|(go, ours)| says_as_much(go, ours))
        }
        (go, ours) => go == ours,
    }
}

#[test]
fn both_databases_hold_the_same_after_every_operation() {
    need_peers!();
    let pair = RefCell::new(Pair::new());
    let config = Config {
        cases: CASES,
        failure_persistence: None,
        ..Config::default()
    };
    let sequences = prop::collection::vec(step(), 1..STEPS);
    let outcome = TestRunner::new(config).run(&sequences, |steps| {
        let mut pair = pair.borrow_mut();
        pair.begin();
        steps.iter().try_for_each(|step| pair.take(step))
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
    let reached = pair.into_inner().reached;
    for operation in OPERATIONS {
        let done = reached.get(&format!("{}: done", operation.name));
        assert!(
            done.is_some_and(|count| *count > 20),
            "{}: {reached:?}",
            operation.name
        );
    }
    let conflicts = reached.get("enqueue: task ID conflicts with another task");
    assert!(conflicts.is_some_and(|count| *count > 20), "{reached:?}");
}
