//! A stand of our own: a Redis, a worker of it that shows metrics, and in each queue a task of every state.

use crate::args;
use crate::failure::Failure;
use crate::inputs::world;
use firedrill_asynq::actor::ErrorKind;
use firedrill_asynq::actor::Outcome;
use firedrill_asynq::actor::server::Meter;
use firedrill_asynq::broker::redis::address::Address;
use firedrill_asynq::broker::redis::{RedisBroker, RedisOptions};
use firedrill_asynq::clock::ClockOrigin;
use firedrill_asynq::inspector::Inspector;
use firedrill_asynq::retry_delay::RetryDelay;
use firedrill_asynq::server::{Config, Context, HandlerError, Running, Server, Task};
use firedrill_asynq::{Client, NewTask};
use firedrill_sim::engine::live::exporter::{serve_asynq, serve_redis};
use firedrill_sim::engine::live::uptime::Uptime;
use firedrill_sim::http;
use firedrill_sim::metrics::{App, WorkerMetrics, exposition};
use firedrill_sim::redis_server::{self, RedisServer, RedisServerError, RedisServerOptions};
use firedrill_sim::world::World;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;

/// How long the worker may take until there are tasks in every state.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often is looked.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long a task waits that is not to be done while commands are tried.
const LATER: Duration = Duration::from_secs(3_600);
const LATER_MS: i64 = 3_600_000;

/// Task types, and what their handlers do.
const WELL: &str = "email:send";
const FAILS: &str = "report:build";
const FAILS_FOR_GOOD: &str = "image:resize";
const TAKES_LONG: &str = "import:run";

/// All of them.
pub(super) const TASK_TYPES: [&str; 4] = [WELL, FAILS, FAILS_FOR_GOOD, TAKES_LONG];

type Counts = Arc<Mutex<WorkerMetrics<(String, String)>>>;

/// All of it; it ends with this.
pub(super) struct Private {
    pub(super) address: Address,
    /// Where the pages are (`host:port`): the worker's, asynq's collector, redis_exporter.
    pub(super) pages: Vec<String>,
    worker: Running,
    _redis: RedisServer,
}

impl Private {
    /// Starts it, and waits until there is something in every state of each queue.
    ///
    /// # Errors
    /// When there is no Redis to be started, or its worker does not work.
    pub(super) async fn start(queues: &[String], world: &args::World) -> Result<Self, Failure> {
        let world = world::named(world)?.unwrap_or_default();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let program = redis_server::find(std::env::split_paths(&path));
        let program = program.ok_or_else(|| Failure::environment(RedisServerError::NotFound))?;
        let exe = std::env::current_exe().map_err(Failure::environment)?;
        let redis = RedisServer::start(RedisServerOptions::new(&exe, &program));
        let redis = redis.map_err(Failure::environment)?;
        let address: Address = redis.url().parse().map_err(Failure::internal)?;
        let broker = RedisBroker::open(&address, RedisOptions::at_speed(1.0)).await;
        let broker = broker.map_err(Failure::environment)?;
        let clock = ClockOrigin::real_time();
        let counts: Counts = Arc::new(Mutex::new(WorkerMetrics::new(&App::of(&world))));
        let mut pages = vec![
            serve(counts.clone(), &world)
                .await
                .map_err(Failure::environment)?,
        ];
        let asynq = serve_asynq(broker.clone(), clock).await;
        pages.push(asynq.map_err(Failure::environment)?.address.to_string());
        let of_redis = serve_redis(broker.clone(), Uptime::new(clock), Arc::new(world)).await;
        pages.push(of_redis.map_err(Failure::environment)?.address.to_string());
        let worker = Server::new(broker.clone(), config(queues)).start(handler(counts));
        let private = Self {
            address,
            pages,
            worker,
            _redis: redis,
        };
        private.fill(&broker, queues).await?;
        Ok(private)
    }

    /// Ends the worker, and with it the rest.
    pub(super) async fn end(self) {
        // Its Redis ends at once, whatever it says.
        let _ = self.worker.shutdown().await;
    }

    /// Enqueues tasks of every kind, and waits until they are where they are meant to be.
    async fn fill(&self, broker: &RedisBroker, queues: &[String]) -> Result<(), Failure> {
        let client = Client::new(broker.clone());
        let inspector = Inspector::new(broker.clone());
        let clock = ClockOrigin::real_time();
        let later = clock.now().plus_millis(LATER_MS);
        for queue in queues {
            let task = |task_type: &str| NewTask {
                queue: Some(queue.clone()),
                retention: Some(LATER),
                ..NewTask::new(task_type, "{}")
            };
            for task_type in TASK_TYPES {
                enqueue(&client, task(task_type)).await?;
            }
            let scheduled = NewTask {
                process_at: Some(later),
                ..task(WELL)
            };
            enqueue(&client, scheduled).await?;
            let grouped = NewTask {
                group: Some("by-user".into()),
                ..task(WELL)
            };
            enqueue(&client, grouped).await?;
        }
        let begun = Instant::now();
        let mut filled = false;
        loop {
            let mut wanting = Vec::new();
            for queue in queues {
                let info = inspector.queue_info(queue, clock.now()).await;
                let info = info.map_err(Failure::environment)?;
                let well = info.completed > 0 && info.retry > 0 && info.archived > 0;
                if !(well && info.active > 0 && (!filled || info.pending > 0)) {
                    wanting.push(queue.as_str());
                }
            }
            if wanting.is_empty() {
                if filled {
                    return Ok(());
                }
                // More than the worker can begin, so that some of them wait.
                for queue in queues {
                    for _ in 0..concurrency(queues) + 1 {
                        let task = NewTask {
                            queue: Some(queue.clone()),
                            ..NewTask::new(TAKES_LONG, "{}")
                        };
                        enqueue(&client, task).await?;
                    }
                }
                filled = true;
            } else if begun.elapsed() > PATIENCE {
                return Err(Failure::environment(format!(
                    "the worker of the stand did not get its tasks done within {} s: {}",
                    PATIENCE.as_secs(),
                    wanting.join(", ")
                )));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

fn concurrency(queues: &[String]) -> usize {
    queues.len() + 4
}

fn config(queues: &[String]) -> Config {
    let served: BTreeMap<String, u32> = queues.iter().map(|queue| (queue.clone(), 1)).collect();
    Config {
        concurrency: concurrency(queues),
        queues: served,
        shutdown_timeout: Duration::ZERO,
        // What has failed is to be found among what waits for a retry.
        retry_delay: RetryDelay::Constant { ms: LATER_MS },
        ..Config::default()
    }
}

async fn enqueue(client: &Client, task: NewTask) -> Result<(), Failure> {
    let enqueued = client.enqueue(task).await;
    enqueued.map(drop).map_err(Failure::environment)
}

/// Does what a task's type says, and counts it.
fn handler(
    counts: Counts,
) -> impl Fn(Task, Context) -> std::pin::Pin<Box<dyn Future<Output = Result<(), HandlerError>> + Send>>
+ Send
+ Sync
+ 'static {
    move |task, context| {
        let counts = counts.clone();
        Box::pin(async move {
            let begun = Instant::now();
            let kind = (task.task_type().to_owned(), context.queue().to_owned());
            let failed = match task.task_type() {
                FAILS => Some(ErrorKind::Failure),
                FAILS_FOR_GOOD => Some(ErrorKind::SkipRetry),
                TAKES_LONG => {
                    context.cancelled().await;
                    Some(ErrorKind::Failure)
                }
                _ => None,
            };
            let error = "the handler of the stand fails such tasks";
            let outcome = match failed {
                None => Outcome::Success,
                Some(kind) => Outcome::Failure {
                    error: error.into(),
                    kind,
                    by_fault: false,
                },
            };
            let seconds = begun.elapsed().as_secs_f64();
            let mut counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
            counts.started(kind.clone());
            counts.handled(kind, &outcome, seconds);
            match failed {
                None => Ok(()),
                Some(kind) => Err(HandlerError::new(kind, error)),
            }
        })
    }
}

/// Serves what the worker counts; says where.
async fn serve(counts: Counts, world: &World) -> std::io::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let place = listener.local_addr()?.to_string();
    let world = world.clone();
    let page = http::page("/metrics", move || {
        let counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
        std::future::ready(Some(exposition::encode_in(&counts.values(), &world)))
    });
    tokio::spawn(http::serve(listener, page));
    Ok(place)
}
