//! The server as a machine on paper: events in, actions out, no Redis anywhere.

use super::server::{Meter, Served, Server, ServerConfig};
use super::{Actor, ErrorKind, Outcome, RunId, Timer};
use crate::clock::Time;
use crate::message::TaskMessage;
use crate::note::{Finish, Note};
use crate::op::{BrokerError, Delayed};
use crate::retry_delay::{RetryDelay, RetryDice};
use crate::settings::{LEASE_EXPIRED, TASK_CHECK_INTERVAL_MS};

type Action = super::Action<TaskMessage>;
type Actions = super::Actions<TaskMessage>;
type Answer = crate::op::Answer<TaskMessage>;
type Event = super::Event<TaskMessage>;
type Op = crate::op::Op<TaskMessage>;
type Reply = crate::op::Reply<TaskMessage>;
type Ticket = super::Ticket<TaskMessage>;

/// The first execution in slot 0, the first in slot 1, the second in slot 0.
const FIRST: RunId = RunId { slot: 0, serial: 1 };
const BESIDE: RunId = RunId { slot: 1, serial: 1 };
const SECOND: RunId = RunId { slot: 0, serial: 2 };

const START_MS: i64 = 1_700_000_000_000;

/// Counts handlers that returned.
#[derive(Default)]
struct Counted(u32);

impl<K> Meter<K> for Counted {
    fn handled(&mut self, _: K, _: &Outcome, _: f64) {
        self.0 += 1;
    }
}

/// Steps a server and keeps what it asked for.
struct Paper {
    server: Server<TaskMessage, Counted>,
    now: Time,
    actions: Actions,
}

impl Paper {
    /// A started server whose first beat is answered.
    fn started(concurrency: usize) -> Self {
        let mut paper = Self::new(concurrency);
        paper.step(Event::Start);
        paper.answer(Ticket::WriteState, Ok(Reply::Done));
        paper
    }

    fn new(concurrency: usize) -> Self {
        let config = ServerConfig {
            host: "w-0".into(),
            pid: 1,
            server_id: "s".into(),
            concurrency,
            batch: 1,
            queues: vec![Served {
                queue: "default".into(),
                name: "default".into(),
                priority: 1,
            }],
            strict_priority: false,
            shutdown_timeout_ms: 8_000,
            task_check_interval_ms: TASK_CHECK_INTERVAL_MS,
            retry_delay: RetryDelay::Default,
            retry_dice: RetryDice::default(),
            groups: None,
            health_check_interval_ms: Some(15_000),
        };
        let now = Time::from_millis(START_MS);
        Self {
            server: Server::new(&config, (1, "test"), now, Counted::default()),
            now,
            actions: Vec::new(),
        }
    }

    fn step(&mut self, event: Event) -> &Actions {
        self.actions.clear();
        self.server.on(self.now, event, &mut self.actions);
        &self.actions
    }

    fn answer(&mut self, ticket: Ticket, answer: Answer) -> &Actions {
        self.step(Event::Answer(ticket, answer))
    }

    fn fetched(&mut self, message: &TaskMessage) -> &Actions {
        self.answer(Ticket::Dequeue, Ok(Reply::Dequeued(Some(message.clone()))))
    }

    fn done(&mut self, run: RunId, outcome: Outcome) -> &Actions {
        self.step(Event::HandlerDone {
            run,
            outcome,
            result: None,
            elapsed_us: 500_000,
            overrun_us: 0,
            taken_off_us: 0,
        })
    }

    fn later(&mut self, millis: i64) {
        self.now = self.now.plus_millis(millis);
    }

    fn ops(&self) -> Vec<&Op> {
        self.actions
            .iter()
            .filter_map(|action| {
                if let Action::Call(_, op) = action {
                    Some(op)
                } else {
                    None
                }
            })
            .collect()
    }

    fn ran(&self) -> Option<RunId> {
        self.actions.iter().find_map(|action| {
            if let Action::Run { run, .. } = action {
                Some(*run)
            } else {
                None
            }
        })
    }

    fn dequeues(&self) -> usize {
        self.ops()
            .iter()
            .filter(|op| matches!(op, Op::Dequeue { .. }))
            .count()
    }
}

fn task(id: &str) -> TaskMessage {
    TaskMessage {
        r#type: "email:send".into(),
        id: id.into(),
        queue: "default".into(),
        retry: 25,
        timeout: 1800,
        ..TaskMessage::default()
    }
}

fn failure(error: &str) -> Outcome {
    Outcome::Failure {
        error: error.into(),
        kind: ErrorKind::Failure,
        by_fault: true,
    }
}

#[test]
fn start_beats_recovers_and_fetches_at_once() {
    let mut paper = Paper::new(2);
    paper.step(Event::Start);
    let ops = paper.ops();
    assert!(matches!(ops[0], Op::WriteServerState(state) if state.ttl_s == 10));
    assert!(
        matches!(ops[1], Op::ListLeaseExpired { cutoff_s, .. } if *cutoff_s == START_MS / 1000 - 30)
    );
    assert!(
        matches!(ops[2], Op::Dequeue { lease_expires_s, .. } if *lease_expires_s == START_MS / 1000 + 30)
    );
}

#[test]
fn one_dequeue_at_a_time_until_the_slots_are_full() {
    let mut paper = Paper::started(2);
    paper.fetched(&task("a"));
    assert_eq!((paper.ran(), paper.dequeues()), (Some(FIRST), 1));
    paper.fetched(&task("b"));
    assert_eq!(
        (paper.ran(), paper.dequeues()),
        (Some(BESIDE), 0),
        "no slot left"
    );
    paper.done(FIRST, Outcome::Success);
    assert!(
        matches!(paper.ops()[..], [Op::Done { .. }]),
        "the slot is taken until the write is answered"
    );
    paper.answer(Ticket::Finish(FIRST), Ok(Reply::Done));
    assert_eq!(paper.dequeues(), 1);
}

#[test]
fn an_empty_queue_is_polled_after_half_to_one_and_a_half_seconds() {
    let mut paper = Paper::started(1);
    paper.answer(Ticket::Dequeue, Ok(Reply::Dequeued(None)));
    let [Action::Timer(at, Timer::Poll)] = paper.actions[..] else {
        panic!("{:?}", paper.actions)
    };
    assert!((500..1500).contains(&(at.millis() - START_MS)));
}

#[test]
fn quirk_a_failed_dequeue_is_repeated_without_a_pause() {
    let mut paper = Paper::started(1);
    paper.answer(
        Ticket::Dequeue,
        Err(BrokerError::Unreachable("refused".into())),
    );
    assert_eq!(paper.dequeues(), 1);
}

#[test]
fn a_failure_is_retried_until_the_retries_are_used_up() {
    let mut paper = Paper::started(1);
    paper.fetched(&task("a"));
    paper.done(FIRST, failure("503"));
    let Op::Retry {
        message,
        retry_at_s,
        is_failure: true,
        ..
    } = paper.ops()[0]
    else {
        panic!("{:?}", paper.actions)
    };
    assert_eq!((message.retried, message.error_msg.as_str()), (1, "503"));
    assert!((15..=44).contains(&(retry_at_s - START_MS / 1000)));
    let note = Note::Finished {
        at: paper.now,
        id: "a".into(),
        retried: 0,
        how: Finish::FailedByFault,
        overrun_us: 0,
        taken_off_us: 0,
    };
    assert!(paper.actions.contains(&Action::Note(note)));

    paper.answer(Ticket::Finish(FIRST), Ok(Reply::Done));
    paper.fetched(&TaskMessage {
        retried: 25,
        ..task("a")
    });
    paper.done(SECOND, failure("503"));
    assert!(matches!(paper.ops()[..], [Op::Archive { message, .. }] if message.retried == 25));
}

#[test]
fn quirk_a_beat_under_way_holds_up_starts_and_slots() {
    let mut paper = Paper::started(1);
    paper.later(5_000);
    paper.step(Event::Timer(Timer::Heartbeat));
    paper.fetched(&task("a"));
    assert_eq!(paper.ran(), None);
    paper.answer(
        Ticket::WriteState,
        Err(BrokerError::Unreachable("slow".into())),
    );
    assert_eq!(paper.ran(), Some(FIRST), "a failed beat is over, too");
}

#[test]
fn beats_extend_leases_and_tell_lost_ones_once() {
    let mut paper = Paper::started(1);
    paper.fetched(&task("a"));
    paper.later(5_000);
    paper.step(Event::Timer(Timer::Heartbeat));
    paper.answer(Ticket::WriteState, Ok(Reply::Done));
    let Action::Call(ticket @ Ticket::ExtendLease(_), Op::ExtendLease { ids, .. }) =
        &paper.actions[0]
    else {
        panic!("{:?}", paper.actions)
    };
    assert_eq!(ids, &["a"]);
    let ticket = ticket.clone();
    // The extension fails for longer than the lease lasts.
    paper.answer(ticket, Err(BrokerError::Unreachable("gone".into())));
    paper.later(30_000);
    paper.step(Event::Timer(Timer::Heartbeat));
    paper.answer(
        Ticket::WriteState,
        Err(BrokerError::Unreachable("gone".into())),
    );
    assert_eq!(
        paper.dequeues(),
        1,
        "the slot is free although the handler still runs"
    );
    paper.done(FIRST, Outcome::Success);
    assert!(
        paper.ops().is_empty(),
        "quirk: nothing is written with a lost lease"
    );
    assert_eq!(
        paper.server.meter().0,
        1,
        "the middleware has counted it all the same"
    );
}

#[test]
fn a_deadline_fails_the_attempt_and_leaves_the_handler_alone() {
    let mut paper = Paper::started(1);
    paper.fetched(&TaskMessage {
        timeout: 10,
        ..task("a")
    });
    paper.later(10_000);
    paper.step(Event::Timer(Timer::Deadline(FIRST)));
    assert!(
        matches!(paper.ops()[..], [Op::Retry { message, .. }] if message.error_msg == "context deadline exceeded")
    );
    paper.done(FIRST, Outcome::Success);
    assert!(paper.ops().is_empty(), "the late return changes nothing");
}

#[test]
fn the_recoverer_retries_or_archives_what_vanished_workers_held() {
    let mut paper = Paper::started(1);
    let exhausted = TaskMessage {
        retried: 25,
        ..task("b")
    };
    paper.answer(
        Ticket::ListExpired,
        Ok(Reply::Messages(vec![task("a"), exhausted])),
    );
    assert!(
        matches!(paper.ops()[..], [Op::Retry { message, .. }] if message.error_msg == LEASE_EXPIRED)
    );
    paper.answer(Ticket::Recover, Err(BrokerError::NotFound));
    assert!(matches!(paper.ops()[..], [Op::Archive { message, .. }] if message.id == "b"));
    paper.answer(Ticket::Recover, Ok(Reply::Done));
    assert!(matches!(
        paper.ops()[..],
        [Op::ReclaimAggregationSets { .. }]
    ));
    paper.answer(Ticket::Reclaim, Ok(Reply::Done));
    assert_eq!(
        paper.actions,
        [Action::Timer(paper.now.plus_millis(60_000), Timer::Recover)]
    );
}

#[test]
fn the_forwarder_empties_scheduled_before_retry_and_rests_after_a_failure() {
    let mut paper = Paper::started(1);
    paper.step(Event::Timer(Timer::Forward));
    assert!(matches!(
        paper.ops()[..],
        [Op::Forward {
            from: Delayed::Scheduled,
            ..
        }]
    ));
    paper.answer(Ticket::Forward, Ok(Reply::Count(100)));
    assert!(matches!(
        paper.ops()[..],
        [Op::Forward {
            from: Delayed::Scheduled,
            ..
        }]
    ));
    paper.answer(Ticket::Forward, Ok(Reply::Count(0)));
    assert!(matches!(
        paper.ops()[..],
        [Op::Forward {
            from: Delayed::Retry,
            ..
        }]
    ));
    paper.answer(
        Ticket::Forward,
        Err(BrokerError::Unreachable("gone".into())),
    );
    assert_eq!(
        paper.actions,
        [Action::Timer(paper.now.plus_millis(5_000), Timer::Forward)]
    );
}

#[test]
fn a_graceful_shutdown_waits_then_gives_tasks_back() {
    let mut paper = Paper::started(2);
    paper.fetched(&task("a"));
    paper.answer(Ticket::Dequeue, Ok(Reply::Dequeued(None)));
    paper.step(Event::Shutdown);
    assert_eq!(
        paper.actions,
        [Action::Timer(
            paper.now.plus_millis(8_000),
            Timer::ShutdownTimeout
        )]
    );
    paper.step(Event::Timer(Timer::Poll));
    assert!(paper.ops().is_empty(), "nothing is fetched any more");
    paper.later(8_000);
    paper.step(Event::Timer(Timer::ShutdownTimeout));
    assert!(matches!(paper.ops()[..], [Op::Requeue { message }] if message.id == "a"));
    paper.answer(Ticket::Finish(FIRST), Ok(Reply::Done));
    assert!(matches!(paper.ops()[..], [Op::ClearServerState { .. }]));
    paper.answer(Ticket::ClearState, Ok(Reply::Done));
    assert_eq!(paper.actions, [Action::Exit]);
}

fn wants(kind: ErrorKind) -> Outcome {
    Outcome::Failure {
        error: "no".into(),
        kind,
        by_fault: false,
    }
}

/// What a handler's error leads to, for a task with `retried` of 2 retries done, kept for an hour if it succeeds.
fn led_to(kind: ErrorKind, retried: i32) -> Op {
    let mut paper = Paper::started(1);
    paper.fetched(&TaskMessage {
        retry: 2,
        retried,
        retention: 3600,
        ..task("a")
    });
    paper.done(FIRST, wants(kind));
    paper.ops()[0].clone()
}

#[test]
fn an_error_says_what_it_wants() {
    for retried in [0, 2] {
        assert!(matches!(
            led_to(ErrorKind::Revoke, retried),
            Op::Done { .. }
        ));
        let Op::Archive { message, .. } = led_to(ErrorKind::SkipRetry, retried) else {
            panic!("skipped");
        };
        assert_eq!((message.retried, &*message.error_msg), (retried, "no"));
    }
    let Op::Retry {
        message,
        is_failure: false,
        ..
    } = led_to(ErrorKind::NotAFailure, 0)
    else {
        panic!("not counted");
    };
    assert_eq!(message.retried, 0, "no retry is used up");
    let exhausted = led_to(ErrorKind::NotAFailure, 2);
    assert!(
        matches!(exhausted, Op::Archive { .. }),
        "a quirk: nobody asks IsFailure then"
    );
}

#[test]
fn a_result_is_written_before_the_task_is_finished() {
    let returned = || Event::HandlerDone {
        run: FIRST,
        outcome: Outcome::Success,
        result: Some(b"42".to_vec().into()),
        elapsed_us: 1,
        overrun_us: 0,
        taken_off_us: 0,
    };
    let mut paper = Paper::started(1);
    paper.fetched(&task("a"));
    paper.step(returned());
    assert!(matches!(paper.ops()[..], [Op::WriteResult { .. }]));
    paper.answer(Ticket::WriteResult(FIRST), Ok(Reply::Done));
    assert!(matches!(paper.ops()[..], [Op::Done { .. }]));

    let mut paper = Paper::started(1);
    paper.fetched(&task("a"));
    paper.step(returned());
    let full = BrokerError::Refused("OOM".into());
    paper.answer(Ticket::WriteResult(FIRST), Err(full));
    let [Op::Retry { message, .. }] = paper.ops()[..] else {
        panic!("{:?}", paper.actions);
    };
    assert!(
        message
            .error_msg
            .starts_with("failed to write task result: "),
        "{message:?}"
    );
}

#[test]
fn a_cancelled_task_has_failed_and_its_handler_goes_on() {
    let mut paper = Paper::started(1);
    paper.fetched(&task("a"));
    paper.step(Event::Cancel("somebody else's".into()));
    assert!(paper.actions.is_empty());
    paper.step(Event::Cancel("a".into()));
    let [Op::Retry { message, .. }] = paper.ops()[..] else {
        panic!("{:?}", paper.actions);
    };
    assert_eq!(
        (&*message.error_msg, message.retried),
        ("context canceled", 1)
    );
    paper.done(FIRST, Outcome::Success);
    assert!(
        paper.ops().is_empty(),
        "its return comes too late: {:?}",
        paper.actions
    );
}

#[test]
fn a_stopped_server_beats_on_and_fetches_nothing() {
    let mut paper = Paper::started(2);
    paper.step(Event::Stop);
    paper.fetched(&task("a"));
    assert_eq!(
        (paper.ran(), paper.dequeues()),
        (Some(FIRST), 0),
        "one was under way"
    );
    paper.done(FIRST, Outcome::Success);
    paper.answer(Ticket::Finish(FIRST), Ok(Reply::Done));
    assert_eq!(paper.dequeues(), 0);
    paper.step(Event::Timer(Timer::Heartbeat));
    let [Op::WriteServerState(state)] = paper.ops()[..] else {
        panic!("{:?}", paper.actions);
    };
    assert_eq!(state.info.status, "stopped");
}

#[test]
fn redis_is_asked_how_it_is() {
    let mut paper = Paper::started(1);
    paper.step(Event::Timer(Timer::Ping));
    assert!(matches!(paper.ops()[..], [Op::Ping]));
    let gone = BrokerError::Unreachable("gone".into());
    let actions = paper.answer(Ticket::Ping, Err(gone));
    assert!(matches!(
        actions[..],
        [Action::Health(Err(_)), Action::Timer(_, Timer::Ping)]
    ));
}
