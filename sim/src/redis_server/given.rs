//! A Redis that somebody gave us for a drill: not started by us, so never stopped, and left as it was found.

use crate::asynq::keys::{self, Queue};
use crate::asynq::op::BrokerError;
use crate::broker::redis::address::Address;
use crate::broker::redis::{RedisBroker, RedisOptions};
use crate::redis_server::RedisServerError;

/// A Redis that is not ours, with an empty database for us.
#[derive(Debug, Clone)]
pub struct GivenRedis {
    address: Address,
}

impl GivenRedis {
    /// Sees whether a drill may use it.
    ///
    /// # Errors
    /// When it does not answer, or its database holds anything: a drill counts what is in its queues, and removes it.
    pub async fn take(address: &Address) -> Result<Self, RedisServerError> {
        let unusable = |error: BrokerError| RedisServerError::Given(error.to_string());
        let broker = RedisBroker::open(address, RedisOptions::at_speed(1.0))
            .await
            .map_err(unusable)?;
        let keys = broker.key_count().await.map_err(unusable)?;
        if keys > 0 {
            return Err(RedisServerError::NotEmpty {
                address: address.to_string(),
                keys,
            });
        }
        Ok(Self {
            address: address.clone(),
        })
    }

    /// Where it is.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Removes what a drill on these queues has left.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn clean<'a>(
        &self,
        queues: impl Iterator<Item = &'a str>,
    ) -> Result<(), RedisServerError> {
        let mut patterns = vec![
            keys::QUEUES.to_owned(),
            format!("{}*", keys::SERVERS),
            format!("{}*", keys::WORKERS),
        ];
        // A plan's queue names have no letter that means something in a pattern.
        patterns.extend(queues.map(|queue| format!("{}*", Queue(queue).key(""))));
        let left = |error: BrokerError| {
            RedisServerError::Given(format!("the drill's keys are still there: {error}"))
        };
        let broker = RedisBroker::open(&self.address, RedisOptions::at_speed(1.0))
            .await
            .map_err(left)?;
        broker.sweep(&patterns).await.map_err(left)?;
        Ok(())
    }
}
