//! The connection that heals, and how a request goes over it.

use crate::broker::redis::Answer;
use crate::broker::redis::address::Address;
use crate::broker::redis::connection::Connection;
use crate::broker::redis::dial::Dialer;
use crate::broker::redis::script::Call;
use crate::broker::redis::trouble::{Kind, Trouble};
use crate::op::{BrokerError, Reply};
use crate::settings::{
    REDIS_RETRIES, REDIS_RETRY_PAUSE_MAX_MS, REDIS_RETRY_PAUSE_MS, REDIS_TIMEOUT_MS,
};
use redis::{Cmd, FromRedisValue, RedisError, Value, from_redis_value_ref};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// Least real time a call may take before it counts as failed: at a high speed asynq's 3 s would be shorter than a
/// hiccup of the machine.
const TIMEOUT_FLOOR: Duration = Duration::from_secs(1);

/// How a broker talks to Redis.
#[derive(Debug, Clone)]
pub struct RedisOptions {
    /// Virtual seconds per real second: Redis' own TTLs and the client's pauses are divided by it.
    pub speed: f64,
    /// Real time after which a call has failed.
    pub timeout: Duration,
    /// How often a request is repeated that did not get through, or whose answer did not come in time (go-redis' `MaxRetries`). A task that
    /// is sent again may be there already, or done by then.
    pub max_retries: u32,
    /// On a socket, only a server that this process has started is talked to: whoever puts another in its place is nobody.
    pub server_of: Option<u32>,
}

impl RedisOptions {
    /// asynq's defaults at a speed.
    #[must_use]
    pub fn at_speed(speed: f64) -> Self {
        let timeout = Duration::from_secs_f64(REDIS_TIMEOUT_MS as f64 / 1e3 / speed);
        Self {
            speed,
            timeout: timeout.max(TIMEOUT_FLOOR),
            max_retries: REDIS_RETRIES,
            server_of: None,
        }
    }

    /// Another least real time before a call counts as failed; 1 s if nobody says otherwise.
    #[must_use]
    pub fn patient_for(mut self, floor: Duration) -> Self {
        let timeout = Duration::from_secs_f64(REDIS_TIMEOUT_MS as f64 / 1e3 / self.speed);
        self.timeout = timeout.max(floor);
        self
    }

    /// Sends every request once.
    #[must_use]
    pub fn once(mut self) -> Self {
        self.max_retries = 0;
        self
    }

    /// Talks on sockets to a server that the process `parent` has started, and to no other.
    #[must_use]
    pub fn to_server_of(mut self, parent: Option<u32>) -> Self {
        self.server_of = parent;
        self
    }
}

/// A connection to Redis that heals: a call that finds it broken fails, a later one connects anew, by way of the sentinels
/// if there are some. Cheap to clone.
#[derive(Clone)]
pub struct RedisBroker {
    pub(super) shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub(super) dialer: Dialer,
    pub(super) options: RedisOptions,
    slot: Mutex<Slot>,
    /// Nothing is asked any more.
    closed: AtomicBool,
}

/// The connection all calls share.
#[derive(Default)]
struct Slot {
    connection: Option<Connection>,
    /// Counts connections, so that a call gives up only the one it used.
    number: u64,
    /// When connecting failed last, and why: whoever waited for it shares the outcome.
    failed: Option<(Instant, Trouble)>,
}

impl RedisBroker {
    /// Connects to an address as people write it; see [`Address`].
    ///
    /// # Errors
    /// When the address is malformed or nobody answers there. The address, which may hold a password, is in no error.
    pub async fn connect(address: &str, options: RedisOptions) -> Result<Self, BrokerError> {
        let address: Address = address
            .parse()
            .map_err(|error| BrokerError::Refused(format!("bad Redis address: {error}").into()))?;
        Self::open(&address, options).await
    }

    /// Connects to an address.
    ///
    /// # Errors
    /// When a certificate cannot be read or nobody answers there; the text says what to do about it.
    pub async fn open(address: &Address, options: RedisOptions) -> Result<Self, BrokerError> {
        let broker = Self {
            shared: Arc::new(Shared {
                dialer: Dialer::new(address.clone(), &options)?,
                options,
                slot: Mutex::default(),
                closed: AtomicBool::new(false),
            }),
        };
        // A host that keeps silent does so every time, and people wait.
        if let Err(trouble) = broker.shared.connection().await
            && trouble.kind == Kind::Silent
        {
            return Err(trouble.into());
        }
        broker.ping().await?;
        Ok(broker)
    }

    /// Another to the same address, with a connection of its own, which its first call makes.
    #[must_use]
    pub fn anew(&self) -> Self {
        let Shared {
            dialer,
            options,
            closed,
            ..
        } = &*self.shared;
        Self {
            shared: Arc::new(Shared {
                dialer: dialer.clone(),
                options: options.clone(),
                slot: Mutex::default(),
                closed: AtomicBool::new(closed.load(Ordering::Acquire)),
            }),
        }
    }

    /// `PING`, of one node if it is a cluster.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn ping(&self) -> Result<(), BrokerError> {
        self.ask_one(&redis::cmd("PING"), "PING").await.map(|_| ())
    }

    /// `INFO`, the default sections; of one node if it is a cluster.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn info(&self) -> Result<String, BrokerError> {
        let value = self.ask_one(&redis::cmd("INFO"), "INFO").await?;
        from_redis_value_ref(&value)
            .map_err(|_| BrokerError::Refused("INFO: unexpected reply".into()))
    }

    /// No more: what is asked from now on, or would be asked again, fails. What is under way may still reach Redis.
    pub fn close(&self) {
        self.shared.closed.store(true, Ordering::Release);
    }

    /// `PUBLISH`: how many have received it, as far as the node that was asked knows.
    ///
    /// # Errors
    /// When Redis does not answer or refuses.
    pub async fn publish(&self, channel: &str, payload: &[u8]) -> Result<u64, BrokerError> {
        let mut command = redis::cmd("PUBLISH");
        command.arg(channel).arg(payload);
        self.command(&command, "PUBLISH").await
    }

    pub(super) async fn ask_one(&self, command: &Cmd, what: &str) -> Result<Value, BrokerError> {
        self.attempt(what, |mut connection| async move {
            connection.ask_one(command).await
        })
        .await
    }

    /// Runs one command, named `what` in errors.
    ///
    /// # Errors
    /// When Redis does not answer or refuses, or the answer is not a `T`.
    pub async fn command<T: FromRedisValue>(
        &self,
        command: &Cmd,
        what: &str,
    ) -> Result<T, BrokerError> {
        self.attempt(what, |mut connection| async move {
            command.query_async(&mut connection).await
        })
        .await
    }

    /// Runs one script.
    ///
    /// # Errors
    /// When Redis does not answer or refuses.
    pub async fn script(&self, call: Call) -> Result<Value, BrokerError> {
        let call = &call;
        self.attempt(call.name, |mut connection| async move {
            call.invoke(&mut connection).await
        })
        .await
    }

    pub(super) async fn script_done(&self, call: Call) -> Answer {
        self.script(call).await.map(|_| Reply::Done)
    }

    /// A virtual time to live as real milliseconds for Redis' own clock, at least 1.
    pub(super) fn real_ttl_ms(&self, ttl_s: i64) -> i64 {
        ((ttl_s as f64 * 1e3 / self.shared.options.speed) as i64).max(1)
    }

    /// Runs a request, repeating it as its options say when it did not get through.
    async fn attempt<T, F, R>(&self, what: &str, request: F) -> Result<T, BrokerError>
    where
        F: Fn(Connection) -> R,
        R: Future<Output = Result<T, RedisError>>,
    {
        let mut pause_ms = REDIS_RETRY_PAUSE_MS;
        let mut tries = 0;
        loop {
            if self.shared.closed.load(Ordering::Acquire) {
                return Err(BrokerError::Unreachable("the connection was closed".into()));
            }
            let trouble = match self.shared.connection().await {
                Ok((number, connection)) => match request(connection).await {
                    Ok(value) => return Ok(value),
                    Err(error) => {
                        let address = &self.shared.dialer.address;
                        let trouble = Trouble::asking(address, what, &error);
                        if trouble.kind.is_of_connection() {
                            self.shared.give_up(number).await;
                        }
                        trouble
                    }
                },
                Err(trouble) => trouble,
            };
            if !trouble.kind.is_passing() || tries == self.shared.options.max_retries {
                return Err(trouble.into());
            }
            tries += 1;
            tokio::time::sleep(Duration::from_secs_f64(
                pause_ms as f64 / 1e3 / self.shared.options.speed,
            ))
            .await;
            pause_ms = (pause_ms * 2).min(REDIS_RETRY_PAUSE_MAX_MS);
        }
    }
}

impl Shared {
    /// The connection with its number, made now if there is none.
    async fn connection(&self) -> Result<(u64, Connection), Trouble> {
        let asked = Instant::now();
        let mut slot = self.slot.lock().await;
        if let Some(connection) = &slot.connection {
            return Ok((slot.number, connection.clone()));
        }
        match &slot.failed {
            Some((at, trouble)) if *at >= asked => return Err(trouble.clone()),
            _ => {}
        }
        // Rarely done, and large: every call would carry the room for it.
        match Box::pin(self.dialer.dial()).await {
            Ok(connection) => {
                slot.number += 1;
                slot.connection = Some(connection.clone());
                Ok((slot.number, connection))
            }
            Err(trouble) => {
                slot.failed = Some((Instant::now(), trouble.clone()));
                Err(trouble)
            }
        }
    }

    /// Gives a connection up, so that the next call makes another. A cluster's finds its way by itself, and knows nodes
    /// that the address does not name.
    async fn give_up(&self, number: u64) {
        let mut slot = self.slot.lock().await;
        if slot.number == number && !matches!(slot.connection, Some(Connection::Cluster(_))) {
            slot.connection = None;
        }
    }
}
