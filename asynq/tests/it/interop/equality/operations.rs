//! What both sides can be asked to do, one line each, and what it is asked with.

use super::ours::Ours;
use super::said::Said;
use super::{GROUPS, IDS, QUEUES};
use firedrill_asynq::clock::Time;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};
use std::ops::Range;

/// Something both sides can be asked to do.
pub(super) struct Operation {
    /// As Go's peer calls it.
    pub(super) name: &'static str,
    /// How often it comes, beside the others.
    pub(super) weight: u32,
    /// Its arguments, as Go's peer takes them; moments relative to the present end in `_in_ms`.
    pub(super) arguments: fn() -> BoxedStrategy<Value>,
    /// How we do it. Of what Go answers we need only answer a part.
    pub(super) ours: fn(&mut Ours, Time, &Value) -> Said,
}

pub(super) const OPERATIONS: [Operation; 18] = [
    of("enqueue", 30, a_new_task, Ours::enqueue),
    of("queues", 1, nothing, Ours::queues),
    of("queue_info", 2, a_queue, Ours::queue_info),
    of("history", 1, some_days, Ours::history),
    of("groups", 1, a_queue, Ours::groups),
    of("pause_queue", 2, a_queue, Ours::pause_queue),
    of("unpause_queue", 2, a_queue, Ours::unpause_queue),
    of("delete_queue", 1, a_queue_by_force, Ours::delete_queue),
    of("task_info", 2, a_task, Ours::task_info),
    of("list_tasks", 4, a_page, Ours::list_tasks),
    of("run_task", 5, a_task, Ours::run_task),
    of("archive_task", 5, a_task, Ours::archive_task),
    of("delete_task", 3, a_task, Ours::delete_task),
    of(
        "update_task_payload",
        4,
        a_payload,
        Ours::update_task_payload,
    ),
    of("cancel_processing", 1, an_id, Ours::cancel_processing),
    of("run_all_tasks", 3, what_is_run, Ours::run_all_tasks),
    of(
        "archive_all_tasks",
        3,
        what_is_archived,
        Ours::archive_all_tasks,
    ),
    of(
        "delete_all_tasks",
        3,
        what_is_deleted,
        Ours::delete_all_tasks,
    ),
];

const fn of(
    name: &'static str,
    weight: u32,
    arguments: fn() -> BoxedStrategy<Value>,
    ours: fn(&mut Ours, Time, &Value) -> Said,
) -> Operation {
    Operation {
        name,
        weight,
        arguments,
        ours,
    }
}

/// An argument, or none.
type Argument = BoxedStrategy<Option<(&'static str, Value)>>;

/// An argument that is there in a share of the requests.
fn maybe<T: Into<Value> + std::fmt::Debug + 'static>(
    share: f64,
    name: &'static str,
    values: impl Strategy<Value = T> + 'static,
) -> Argument {
    let named = values.prop_map(move |value| (name, value.into()));
    prop::option::weighted(share, named).boxed()
}

fn always<T: Into<Value> + std::fmt::Debug + 'static>(
    name: &'static str,
    values: impl Strategy<Value = T> + 'static,
) -> Argument {
    values
        .prop_map(move |value| Some((name, value.into())))
        .boxed()
}

fn request(arguments: Vec<Argument>) -> BoxedStrategy<Value> {
    let given = arguments.prop_map(|given| {
        let named = given.into_iter().flatten();
        named
            .map(|(name, value)| (name.to_owned(), value))
            .collect::<serde_json::Map<_, _>>()
            .into()
    });
    given.boxed()
}

fn nothing() -> BoxedStrategy<Value> {
    Just(json!({})).boxed()
}

/// Mostly the same, so that operations meet.
pub(super) fn a_known_queue() -> impl Strategy<Value = &'static str> {
    prop_oneof![4 => Just(QUEUES[0]), 1 => Just(QUEUES[1])]
}

/// One of the queues, and now and then one that nobody knows.
fn queue() -> Argument {
    always(
        "queue",
        prop_oneof![30 => a_known_queue(), 1 => Just("unknown")],
    )
}

fn id() -> Argument {
    always("id", select(&IDS[..]))
}

fn a_queue() -> BoxedStrategy<Value> {
    request(vec![queue()])
}

fn a_queue_by_force() -> BoxedStrategy<Value> {
    request(vec![queue(), always("force", any::<bool>())])
}

fn some_days() -> BoxedStrategy<Value> {
    request(vec![queue(), always("days", 0..4_i64)])
}

fn a_task() -> BoxedStrategy<Value> {
    request(vec![queue(), id()])
}

fn an_id() -> BoxedStrategy<Value> {
    request(vec![id()])
}

fn a_payload() -> BoxedStrategy<Value> {
    request(vec![queue(), id(), always("payload", "[a-b]{0,1}")])
}

fn of_states(states: &'static [&'static str]) -> Vec<Argument> {
    let group = prop_oneof![9 => select(&GROUPS[..]), 1 => Just("unknown")];
    vec![
        queue(),
        always("state", select(states)),
        always("group", group),
    ]
}

fn a_page() -> BoxedStrategy<Value> {
    let states = &[
        "pending",
        "active",
        "scheduled",
        "retry",
        "archived",
        "completed",
        "aggregating",
    ];
    let mut arguments = of_states(states);
    arguments.push(maybe(0.3, "page", 1..3_i64));
    arguments.push(maybe(0.3, "size", 1..3_i64));
    request(arguments)
}

fn what_is_run() -> BoxedStrategy<Value> {
    request(of_states(&[
        "scheduled",
        "retry",
        "archived",
        "aggregating",
    ]))
}

fn what_is_archived() -> BoxedStrategy<Value> {
    request(of_states(&["pending", "scheduled", "retry", "aggregating"]))
}

fn what_is_deleted() -> BoxedStrategy<Value> {
    request(of_states(&[
        "pending",
        "scheduled",
        "retry",
        "archived",
        "completed",
        "aggregating",
    ]))
}

/// A task with any of the options there are, and now and then one that is refused.
fn a_new_task() -> BoxedStrategy<Value> {
    let ms = |span: Range<i64>| span;
    let headers = prop::collection::btree_map("[a-c]", "[x-z]{0,2}", 0..3);
    // A lock of a few seconds might go in real time between two looks.
    let unique = prop_oneof![8 => ms(60_000..4_000_000), 1 => ms(0..1_000)];
    request(vec![
        always("queue", prop_oneof![90 => a_known_queue(), 1 => Just(" ")]),
        always(
            "task_id",
            prop_oneof![90 => select(&IDS[..]), 1 => Just("")],
        ),
        always(
            "type",
            prop_oneof![90 => select(&["email:send", "é"][..]), 1 => Just("")],
        ),
        maybe(0.5, "payload", "a{0,1}"),
        maybe(0.5, "headers", headers.prop_map(|headers| json!(headers))),
        maybe(0.5, "max_retry", -1..4_i64),
        maybe(0.3, "timeout_ms", ms(0..5_000)),
        maybe(0.3, "deadline_in_ms", ms(-5_000..60_000)),
        maybe(0.3, "process_in_ms", ms(-5_000..60_000)),
        maybe(0.3, "retention_ms", ms(0..90_000)),
        maybe(0.4, "unique_ms", unique),
        maybe(
            0.3,
            "group",
            prop_oneof![20 => select(&GROUPS[..]), 1 => Just("")],
        ),
    ])
}
