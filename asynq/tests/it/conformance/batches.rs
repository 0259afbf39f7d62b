//! Many tasks with one call: the effects are those of the tasks one after the other.

use super::{Broker, DAY};
use crate::support::{NOW, Op, task};
use firedrill_asynq::message::TaskMessage;
use firedrill_asynq::op::{Accepted, BrokerError, DequeueBatch, Finished, Reply};

/// A task of the queue `low`.
fn low(id: &str) -> TaskMessage {
    TaskMessage {
        queue: "low".into(),
        ..task(id)
    }
}

fn take(broker: &mut impl Broker, queues: &[&str], max: u32) -> Vec<TaskMessage> {
    let batch = Op::DequeueBatch(Box::new(DequeueBatch {
        queues: queues.iter().map(|name| (*name).to_owned()).collect(),
        max,
        lease_expires_s: NOW.secs() + 30,
    }));
    match broker.call(batch) {
        Ok(Reply::DequeuedBatch(taken)) => taken.into_iter().map(Result::unwrap).collect(),
        other => panic!("{other:?}"),
    }
}

fn put(broker: &mut impl Broker, messages: Vec<TaskMessage>) -> Vec<Accepted> {
    let batch = Op::EnqueueBatch { messages, now: NOW };
    match broker.call(batch) {
        Ok(Reply::EnqueuedBatch(answers)) => answers.into_iter().map(Result::unwrap).collect(),
        other => panic!("{other:?}"),
    }
}

fn finish(broker: &mut impl Broker, messages: &[TaskMessage]) -> Vec<Result<(), BrokerError>> {
    let finished = |message: &TaskMessage| Finished {
        message: message.clone(),
        younger: 0,
    };
    let batch = Op::DoneBatch {
        tasks: messages.iter().map(finished).collect(),
        now: NOW,
    };
    match broker.call(batch) {
        Ok(Reply::DoneBatch(answers)) => answers,
        other => panic!("{other:?}"),
    }
}

pub(super) fn a_batch_passes_through_as_its_tasks_would(broker: &mut impl Broker) {
    let [a, b, c] = ["a", "b", "c"].map(task);
    let all = [Accepted::New; 3];
    assert_eq!(put(broker, vec![a.clone(), b.clone(), c.clone()]), all);
    assert_eq!(broker.list("pending"), ["c", "b", "a"]);
    assert_eq!(broker.field("b", "state").as_deref(), Some("pending"));
    assert_eq!(broker.field("b", "pending_since"), Some(NOW.0.to_string()));
    assert_eq!(broker.stored("b"), b);

    let taken = take(broker, &["default"], 2);
    assert_eq!(taken, [a.clone(), b.clone()], "the oldest, and no more");
    assert_eq!(broker.list("active"), ["b", "a"]);
    assert_eq!(broker.list("pending"), ["c"]);
    let until = NOW.secs() + 30;
    assert_eq!(
        broker.set("lease"),
        [("a".into(), until), ("b".into(), until)]
    );
    assert_eq!(broker.field("a", "state").as_deref(), Some("active"));
    assert_eq!(broker.field("a", "pending_since"), None);
    assert_eq!(take(broker, &["default"], 9), std::slice::from_ref(&c));
    assert_eq!(take(broker, &["default"], 9), []);

    assert_eq!(finish(broker, &[c, a]), [Ok(()), Ok(())]);
    assert_eq!(
        (broker.list("active"), broker.set("lease")),
        (vec!["b".into()], vec![("b".into(), until)])
    );
    assert_eq!((broker.hash("a"), broker.hash("c")), (None, None));
    let today = format!("processed:{DAY}");
    assert_eq!(
        (broker.number("processed"), broker.number(&today)),
        (Some(2), Some(2))
    );
    assert_eq!(broker.number("failed"), None);
}

pub(super) fn each_task_of_a_batch_has_its_own_answer(broker: &mut impl Broker) {
    let known = broker.enqueue("a");
    let messages = vec![task("b"), task("a"), low("a"), task("b"), low("b")];
    let (new, taken) = (Accepted::New, Accepted::IdConflict);
    assert_eq!(put(broker, messages), [new, taken, new, taken, new]);
    assert_eq!(broker.list("pending"), ["b", "a"]);
    assert_eq!(broker.stored("a"), known);

    let ours = take(broker, &["default"], 9);
    let theirs = take(broker, &["low"], 9);
    assert_eq!(theirs, [low("a"), low("b")]);
    broker.enqueue("c");
    let gone = Err(BrokerError::NotFound);
    let mixed = [
        ours[0].clone(),
        task("c"),
        theirs[1].clone(),
        ours[0].clone(),
        task("unknown"),
        ours[1].clone(),
    ];
    assert_eq!(
        finish(broker, &mixed),
        [Ok(()), gone.clone(), Ok(()), gone.clone(), gone, Ok(())]
    );
    assert_eq!(broker.list("pending"), ["c"], "it was not in progress");
    assert_eq!(broker.number("processed"), Some(2), "a queue has its own");
    assert_eq!(broker.list("active"), Vec::<String>::new());
}

pub(super) fn a_batch_is_of_the_first_queue_that_has_tasks(broker: &mut impl Broker) {
    put(broker, vec![task("a"), low("a"), low("b")]);
    let order = ["empty", "low", "default"];
    assert_eq!(take(broker, &order, 9), [low("a"), low("b")]);
    let pause = Op::Pause {
        queue: "default".into(),
        now: NOW,
    };
    broker.call(pause).unwrap();
    assert_eq!(take(broker, &order, 9), []);
    assert_eq!(broker.list("pending"), ["a"]);
    let unpause = Op::Unpause {
        queue: "default".into(),
    };
    broker.call(unpause).unwrap();
    assert_eq!(take(broker, &order, 9), [task("a")]);
}

pub(super) fn locks_are_released_by_a_batch(broker: &mut impl Broker) {
    let unique = |id: &str, lock: &str| TaskMessage {
        unique_key: format!("asynq:{{default}}:unique:{lock}"),
        ..task(id)
    };
    let enqueue = |broker: &mut dyn FnMut(Op) -> crate::support::Answer, message| {
        broker(Op::EnqueueUnique {
            message,
            lock_ttl_s: 60,
            now: NOW,
        })
    };
    for id in ["a", "b"] {
        let accepted = enqueue(&mut |op| broker.call(op), unique(id, id));
        assert_eq!(accepted, Ok(Reply::Enqueued(Accepted::New)));
    }
    let taken = take(broker, &["default"], 9);
    assert_eq!(finish(broker, &taken[..1]), [Ok(())]);
    // One that is not in progress any more releases nothing.
    assert_eq!(
        finish(broker, &[unique("z", "b")]),
        [Err(BrokerError::NotFound)]
    );
    let again = |lock| unique(&format!("again {lock}"), lock);
    let free = enqueue(&mut |op| broker.call(op), again("a"));
    assert_eq!(free, Ok(Reply::Enqueued(Accepted::New)));
    let held = enqueue(&mut |op| broker.call(op), again("b"));
    assert_eq!(held, Ok(Reply::Enqueued(Accepted::Duplicate)));
}

/// More than one script takes.
pub(super) fn large_batches_keep_their_order(broker: &mut impl Broker) {
    let messages: Vec<TaskMessage> = (0..250)
        .map(|number| match number % 3 {
            0 => low(&number.to_string()),
            _ => task(&number.to_string()),
        })
        .collect();
    assert_eq!(put(broker, messages.clone()), vec![Accepted::New; 250]);
    let of = |queue: &str| -> Vec<TaskMessage> {
        let of_queue = messages.iter().filter(|message| message.queue == queue);
        of_queue.cloned().collect()
    };
    for queue in ["default", "low"] {
        let mut taken = Vec::new();
        while taken.len() < of(queue).len() {
            let more = take(broker, &[queue], 30);
            assert!(!more.is_empty());
            taken.extend(more);
        }
        assert_eq!(taken, of(queue));
    }
    assert_eq!(finish(broker, &messages), vec![Ok(()); 250]);
    assert_eq!(broker.number("processed"), Some(166));
}
