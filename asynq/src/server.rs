//! A worker server to build programs on: asynq's `Server`, with handlers that are async functions.
//!
//! The decisions are the actor's ([`crate::actor::server`]), and [`crate::drive`] carries them out; here are the handlers
//! around them, their contexts, and the process' signals.

mod config;
mod context;
mod handler;
mod host;
mod mux;
mod signals;

pub use config::{AggregationFn, Config, GroupConfig, HealthFn};
pub use context::{Cause, Context};
pub use handler::{Handler, HandlerError, HandlerFuture, Task};
pub use mux::ServeMux;

use crate::actor::Event;
use crate::actor::server::Server as Actor;
use crate::broker::redis::{RedisBroker, RedisOptions};
use crate::clock::ClockOrigin;
use crate::drive::{Outside, drive};
use crate::keys;
use crate::message::TaskMessage;
use crate::op::BrokerError;
use host::{Runs, ServerHost};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::{self, UnboundedSender};
use tokio::task::JoinHandle;

/// The actor behind a server.
type ServerActor = Actor<TaskMessage>;
/// Where the actor hears from outside.
type Ear = UnboundedSender<Outside<ServerActor>>;

/// How often handlers are looked for whose lease is lost, real time.
const LOOK_FOR_LOST: Duration = Duration::from_secs(1);

/// Why a server does not run.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// Redis cannot be reached.
    #[error(transparent)]
    Redis(#[from] BrokerError),
    /// The process cannot listen for signals.
    #[error("cannot listen for signals: {0}")]
    Signals(#[from] io::Error),
    /// It stopped by a panic outside of handlers.
    #[error("the server panicked: {0}")]
    Panicked(String),
}

/// A worker server that is not running yet.
pub struct Server {
    broker: RedisBroker,
    config: Config,
}

impl Server {
    /// A server on the Redis at `address`, e.g. `redis://127.0.0.1:6379/0`; see
    /// [`Address`](crate::broker::redis::address::Address) for sockets, TLS, clusters and sentinels.
    ///
    /// # Errors
    /// When the address is malformed or nobody answers there.
    pub async fn connect(address: &str, config: Config) -> Result<Self, ServerError> {
        let speed = config.clock.map_or(1.0, |clock| clock.speed);
        let broker = RedisBroker::connect(address, RedisOptions::at_speed(speed)).await?;
        Ok(Self::new(broker, config))
    }

    /// A server on a Redis that is connected already.
    #[must_use]
    pub fn new(broker: RedisBroker, config: Config) -> Self {
        Self { broker, config }
    }

    /// Works until the process is told to end: SIGTERM and SIGINT shut the server down, SIGTSTP stops fetching.
    /// Handlers that have not returned by then go on until the runtime ends.
    ///
    /// # Errors
    /// When the process cannot listen for signals, or the server panicked.
    pub async fn run(self, handler: impl Handler) -> Result<(), ServerError> {
        // Signals are heard before the first task is taken.
        let signals = signals::Signals::new()?;
        let running = self.start(handler);
        let listener = signals.tell(running.ear.clone());
        let ended = running.ended().await;
        listener.abort();
        ended
    }

    /// Starts working in the background. Must be called within a tokio runtime.
    pub fn start(self, handler: impl Handler) -> Running {
        let Self { broker, config } = self;
        let clock = config.clock.unwrap_or_else(ClockOrigin::real_time);
        let (ear, outside) = mpsc::unbounded_channel();
        let runs = Arc::new(Runs::default());
        let cancels = cancel_on_request(&broker, ear.clone(), runs.clone());
        let lost = look_for_lost(ear.clone(), runs.clone());
        let mut actor = ServerActor::new(
            &config.of_actor(),
            (rand::random(), "server"),
            clock.now(),
            (),
        );
        let mut host = ServerHost::new(Arc::new(handler), config, clock, ear.clone(), runs.clone());
        let task = tokio::spawn(async move {
            // They end with this task, even one that panics.
            let _helpers = [AbortOnDrop(cancels), AbortOnDrop(lost)];
            drive(&mut actor, &broker, clock, &mut host, outside).await;
            runs.cancel_all(Cause::Shutdown);
        });
        Running { ear, task }
    }
}

/// A server at work. One that is dropped works on.
#[derive(Debug)]
pub struct Running {
    ear: Ear,
    task: JoinHandle<()>,
}

impl Running {
    /// Stops fetching tasks; those in progress go on (asynq: `Stop`).
    pub fn stop(&self) {
        self.tell(Event::Stop);
    }

    /// Stops fetching, waits for handlers as long as [`Config::shutdown_timeout`] says, gives the tasks of the others
    /// back to their queues, and leaves the listings (asynq: `Shutdown`).
    ///
    /// # Errors
    /// When the server panicked.
    pub async fn shutdown(self) -> Result<(), ServerError> {
        self.tell(Event::Shutdown);
        self.ended().await
    }

    /// Waits until the server has ended.
    ///
    /// # Errors
    /// When it panicked.
    pub async fn ended(self) -> Result<(), ServerError> {
        self.task
            .await
            .map_err(|error| ServerError::Panicked(error.to_string()))
    }

    fn tell(&self, event: Event<TaskMessage>) {
        // A server that has ended has nothing left to do.
        let _ = self.ear.send(Outside::Event(event));
    }
}

struct AbortOnDrop(JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Hands the ids of tasks to be cancelled to the actor, and cancels the contexts of their handlers.
fn cancel_on_request(broker: &RedisBroker, ear: Ear, runs: Arc<Runs>) -> JoinHandle<()> {
    let mut requests = broker.subscribe(keys::CANCEL);
    tokio::spawn(async move {
        loop {
            let Ok(id) = String::from_utf8(requests.next().await) else {
                continue;
            };
            // The actor hears of it before a handler that returns at once.
            let event = Event::Cancel(id.clone());
            if ear.send(Outside::Event(event)).is_err() {
                return;
            }
            runs.cancel_task(&id);
        }
    })
}

/// Cancels the contexts of handlers whose tasks the actor has given up, because their leases were lost.
fn look_for_lost(ear: Ear, runs: Arc<Runs>) -> JoinHandle<()> {
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(LOOK_FOR_LOST).await;
            let runs = runs.clone();
            let look = Box::new(move |actor: &ServerActor| {
                runs.cancel_lost(|run| actor.is_running(run));
            });
            if ear.send(Outside::Inspect(look)).is_err() {
                return;
            }
        }
    })
}
