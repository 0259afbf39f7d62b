//! `Client` and `Server` on a real Redis, in one process.

use crate::support::{Bench, Persistence, need};
use crate::wait::PATIENCE;
use firedrill_asynq::inspector::TaskInfo;
use firedrill_asynq::op::TaskState;
use firedrill_asynq::retry_delay::RetryDelay;
use firedrill_asynq::server::{Cause, GroupConfig};
use firedrill_asynq::{
    Client, Config, Context, EnqueueError, HandlerError, Inspector, NewTask, ServeMux, Server, Task,
};
use std::sync::mpsc;
use std::time::{Duration, Instant};

fn config() -> Config {
    Config {
        concurrency: 4,
        task_check_interval: Duration::from_millis(20),
        retry_delay: RetryDelay::Constant { ms: 3_600_000 },
        shutdown_timeout: Duration::from_millis(200),
        ..Config::default()
    }
}

async fn info(inspector: &Inspector, id: &str) -> Option<TaskInfo> {
    inspector
        .task_info(
            "default",
            id,
            firedrill_asynq::clock::ClockOrigin::real_time().now(),
        )
        .await
        .ok()
}

/// Waits until the task is in a state.
async fn in_state(inspector: &Inspector, id: &str, state: TaskState) -> TaskInfo {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let found = info(inspector, id).await;
        match found {
            Some(task) if task.state == state => return task,
            found => assert!(Instant::now() < deadline, "{id}: {found:?}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[test]
fn what_handlers_say_is_what_becomes_of_their_tasks() {
    need!("redis-server");
    let bench = Bench::new(Persistence::None, 1.0);
    bench.block_on(async {
        let client = Client::new(bench.broker.clone());
        let inspector = Inspector::new(bench.broker.clone());
        let mux = ServeMux::new()
            .handle("ok", |_: Task, context: Context| async move {
                context.write_result("42");
                Ok(())
            })
            .handle("fails", |_: Task, _: Context| async {
                Err("x".parse::<u32>().unwrap_err().into())
            })
            .handle("waits", |_: Task, _: Context| async {
                Err(HandlerError::not_a_failure("later"))
            })
            .handle("skips", |_: Task, _: Context| async {
                Err(HandlerError::skip_retry("never"))
            })
            .handle("revokes", |_: Task, _: Context| async {
                Err(HandlerError::revoke("forget it"))
            })
            .handle("panics", |_: Task, _: Context| async {
                panic!("on purpose: a handler panics")
            });
        for name in [
            "ok", "fails", "waits", "skips", "revokes", "panics", "unknown",
        ] {
            let task = NewTask {
                task_id: Some(name.into()),
                retention: Some(Duration::from_secs(600)),
                ..NewTask::new(name, "{}")
            };
            let enqueued = client.enqueue(task.clone()).await.unwrap();
            assert_eq!((enqueued.state, &*enqueued.id), (TaskState::Pending, name));
            let again = client.enqueue(task).await;
            assert_eq!(again.unwrap_err(), EnqueueError::IdConflict);
        }
        let running = Server::new(bench.broker.clone(), config()).start(mux);
        let done = in_state(&inspector, "ok", TaskState::Completed).await;
        assert_eq!(done.result, b"42");
        for (id, state, retried, error) in [
            (
                "fails",
                TaskState::Retry,
                1,
                "invalid digit found in string",
            ),
            ("waits", TaskState::Retry, 0, "later"),
            ("skips", TaskState::Archived, 1, "never"),
            (
                "panics",
                TaskState::Retry,
                1,
                "panic error cause by: panic: on purpose: a handler panics",
            ),
            (
                "unknown",
                TaskState::Retry,
                1,
                "handler not found for task \"unknown\"",
            ),
        ] {
            let task = in_state(&inspector, id, state).await;
            // asynq counts no retry of a task that it archives.
            let retried = if state == TaskState::Archived {
                0
            } else {
                retried
            };
            assert_eq!(
                (&*task.message.error_msg, task.message.retried),
                (error, retried),
                "{id}"
            );
        }
        running.shutdown().await.unwrap();
        assert!(info(&inspector, "revokes").await.is_none());
    });
}

#[test]
fn a_handler_hears_that_nobody_waits_for_it() {
    need!("redis-server");
    let bench = Bench::new(Persistence::None, 1.0);
    let (tell, told) = mpsc::channel();
    bench.block_on(async {
        let client = Client::new(bench.broker.clone());
        let inspector = Inspector::new(bench.broker.clone());
        let handler = move |_: Task, context: Context| {
            let tell = tell.clone();
            async move {
                let cause = context.cancelled().await;
                tell.send((context.task_id().to_owned(), cause)).unwrap();
                Ok(())
            }
        };
        let hangs = |id: &str, timeout| NewTask {
            task_id: Some(id.into()),
            timeout: Some(Duration::from_secs(timeout)),
            ..NewTask::new("hangs", "")
        };
        let running = Server::new(bench.broker.clone(), config()).start(handler);
        client.enqueue(hangs("late", 1)).await.unwrap();
        let late = in_state(&inspector, "late", TaskState::Retry).await;
        assert_eq!(late.message.error_msg, "context deadline exceeded");
        client.enqueue(hangs("unwanted", 600)).await.unwrap();
        in_state(&inspector, "unwanted", TaskState::Active).await;
        // A request that comes before the server has subscribed is lost, as in asynq.
        let deadline = Instant::now() + PATIENCE;
        while info(&inspector, "unwanted").await.unwrap().state != TaskState::Retry {
            assert!(Instant::now() < deadline);
            inspector.cancel_processing("unwanted").await.unwrap();
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        client.enqueue(hangs("left", 600)).await.unwrap();
        in_state(&inspector, "left", TaskState::Active).await;
        running.shutdown().await.unwrap();
        in_state(&inspector, "left", TaskState::Pending).await;
        // The handlers of the runtime get their turn.
        tokio::time::sleep(Duration::from_millis(50)).await;
    });
    let told: Vec<(String, Cause)> = told.try_iter().collect();
    let expected = [
        ("late", Cause::DeadlineExceeded),
        ("unwanted", Cause::Canceled),
        ("left", Cause::Shutdown),
    ];
    assert_eq!(told, expected.map(|(id, cause)| (id.to_owned(), cause)));
}

#[test]
fn a_group_becomes_one_task_and_a_unique_one_is_refused() {
    need!("redis-server");
    let bench = Bench::new(Persistence::None, 1.0);
    let (tell, told) = mpsc::channel();
    bench.block_on(async {
        let client = Client::new(bench.broker.clone());
        let unique = NewTask {
            unique_for: Some(Duration::from_secs(60)),
            process_at: Some(
                firedrill_asynq::clock::ClockOrigin::real_time()
                    .now()
                    .plus_millis(3_600_000),
            ),
            ..NewTask::new("later", "")
        };
        let first = client.enqueue(unique.clone()).await.unwrap();
        assert_eq!(first.state, TaskState::Scheduled);
        let second = client.enqueue(unique).await;
        assert_eq!(second.unwrap_err(), EnqueueError::Duplicate);
        for payload in ["a", "b"] {
            let task = NewTask {
                group: Some("g".into()),
                // Tasks of the same second are in the order of their ids.
                task_id: Some(payload.into()),
                ..NewTask::new("line", payload)
            };
            let task = client.enqueue(task).await.unwrap();
            assert_eq!(task.state, TaskState::Aggregating);
        }
        let groups = GroupConfig {
            grace_period: Duration::from_secs(1),
            ..GroupConfig::new(|group, tasks| {
                let lines: Vec<&[u8]> = tasks.iter().map(Task::payload).collect();
                NewTask::new(format!("digest:{group}"), lines.concat())
            })
        };
        let config = Config {
            groups: Some(groups),
            ..config()
        };
        let handler = move |task: Task, _: Context| {
            let said = (task.task_type().to_owned(), task.payload().to_vec());
            tell.send(said).unwrap();
            async { Ok(()) }
        };
        let running = Server::new(bench.broker.clone(), config).start(handler);
        let deadline = Instant::now() + PATIENCE;
        let digest = loop {
            if let Ok(digest) = told.try_recv() {
                break digest;
            }
            assert!(Instant::now() < deadline);
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        assert_eq!(digest, ("digest:g".to_owned(), b"ab".to_vec()));
        running.shutdown().await.unwrap();
    });
}
