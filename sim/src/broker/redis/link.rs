//! The connection that heals, and how a request goes over it.

use crate::asynq::op::{BrokerError, Reply};
use crate::asynq::settings::{
    REDIS_RETRIES, REDIS_RETRY_PAUSE_MAX_MS, REDIS_RETRY_PAUSE_MS, REDIS_TIMEOUT_MS,
};
use crate::broker::redis::Answer;
use crate::broker::redis::script::Call;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Cmd, FromRedisValue, RedisError, Value};
use std::sync::Arc;
use std::time::Duration;
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
}

impl RedisOptions {
    /// asynq's defaults at a speed.
    #[must_use]
    pub fn at_speed(speed: f64) -> Self {
        let timeout = Duration::from_secs_f64(REDIS_TIMEOUT_MS as f64 / 1e3 / speed);
        Self {
            speed,
            timeout: timeout.max(TIMEOUT_FLOOR),
        }
    }
}

/// A connection to Redis that heals: a call that finds it broken fails, a later one connects anew. Cheap to clone.
#[derive(Clone)]
pub struct RedisBroker {
    shared: Arc<Shared>,
}

struct Shared {
    client: Client,
    options: RedisOptions,
    connection: Mutex<Option<MultiplexedConnection>>,
}

impl RedisBroker {
    /// Connects to `redis://host:port[/db]`.
    ///
    /// # Errors
    /// When the address is malformed or nobody answers there. The address, which may hold a password, is in no error.
    pub async fn connect(url: &str, options: RedisOptions) -> Result<Self, BrokerError> {
        let client = Client::open(url)
            .map_err(|error| BrokerError::Refused(format!("bad Redis address: {error}").into()))?;
        let broker = Self {
            shared: Arc::new(Shared {
                client,
                options,
                connection: Mutex::new(None),
            }),
        };
        broker.ping().await?;
        Ok(broker)
    }

    /// `PING`.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn ping(&self) -> Result<(), BrokerError> {
        self.command(&redis::cmd("PING"), "PING").await
    }

    /// `INFO`, the default sections.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn info(&self) -> Result<String, BrokerError> {
        self.command(&redis::cmd("INFO"), "INFO").await
    }

    async fn connection(&self) -> Result<MultiplexedConnection, RedisError> {
        let mut slot = self.shared.connection.lock().await;
        if let Some(connection) = &*slot {
            return Ok(connection.clone());
        }
        let timeout = Some(self.shared.options.timeout);
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(timeout)
            .set_response_timeout(timeout);
        let connection = self
            .shared
            .client
            .get_multiplexed_async_connection_with_config(&config)
            .await?;
        *slot = Some(connection.clone());
        Ok(connection)
    }

    /// Runs a request, repeating it as asynq's client does when it did not get through.
    async fn attempt<T, F, R>(&self, what: &str, request: F) -> Result<T, BrokerError>
    where
        F: Fn(MultiplexedConnection) -> R,
        R: Future<Output = Result<T, RedisError>>,
    {
        let mut pause_ms = REDIS_RETRY_PAUSE_MS;
        let mut tries = 0;
        loop {
            let outcome = match self.connection().await {
                Ok(connection) => request(connection).await,
                Err(error) => Err(error),
            };
            let error = match outcome {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            if !is_unreachable(&error) {
                return Err(refused(what, &error));
            }
            // A timeout leaves the connection usable; anything else means it is gone.
            if !error.is_timeout() {
                *self.shared.connection.lock().await = None;
            }
            if tries == REDIS_RETRIES {
                return Err(BrokerError::Unreachable(reason(&error).into()));
            }
            tries += 1;
            tokio::time::sleep(Duration::from_secs_f64(
                pause_ms as f64 / 1e3 / self.shared.options.speed,
            ))
            .await;
            pause_ms = (pause_ms * 2).min(REDIS_RETRY_PAUSE_MAX_MS);
        }
    }

    /// Runs one command, named `what` in errors.
    pub(crate) async fn command<T: FromRedisValue>(
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
    pub(crate) async fn script(&self, call: Call) -> Result<Value, BrokerError> {
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
}

fn is_unreachable(error: &RedisError) -> bool {
    error.is_io_error()
        || error.is_timeout()
        || error.is_connection_dropped()
        || error.is_connection_refusal()
        || matches!(
            error.code(),
            Some("LOADING" | "MASTERDOWN" | "CLUSTERDOWN" | "TRYAGAIN")
        )
}

fn reason(error: &RedisError) -> String {
    if error.is_timeout() {
        "timed out".into()
    } else {
        error.to_string()
    }
}

fn refused(what: &str, error: &RedisError) -> BrokerError {
    let text = error.to_string();
    if text.contains("NOT FOUND")
        || (error.code() == Some("NOT") && error.detail() == Some("FOUND"))
    {
        BrokerError::NotFound
    } else {
        BrokerError::Refused(format!("{what}: {text}").into())
    }
}
