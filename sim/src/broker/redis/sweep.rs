//! Looking through a whole Redis, every master of a cluster included.

use crate::asynq::op::BrokerError;
use crate::broker::redis::RedisBroker;
use crate::broker::redis::address::Host;
use crate::broker::redis::trouble::Trouble;
use redis::aio::MultiplexedConnection;
use redis::{Cmd, FromRedisValue, Value, from_redis_value_ref};

/// Keys looked at by one step of a scan.
const SCAN_STEP: u32 = 1_000;

impl RedisBroker {
    /// How many keys the database holds.
    ///
    /// # Errors
    /// When a master does not answer.
    pub async fn key_count(&self) -> Result<u64, BrokerError> {
        let mut count = 0;
        for mut master in self.every_master().await? {
            count += self.ask::<u64>(&mut master, &redis::cmd("DBSIZE")).await?;
        }
        Ok(count)
    }

    /// Deletes the keys that match one of the patterns (of Redis' `SCAN`), step by step; how many there were.
    ///
    /// # Errors
    /// When a master does not answer.
    pub async fn sweep(&self, patterns: &[String]) -> Result<u64, BrokerError> {
        let mut swept = 0;
        for mut master in self.every_master().await? {
            for pattern in patterns {
                swept += self.sweep_one(&mut master, pattern).await?;
            }
        }
        Ok(swept)
    }

    async fn sweep_one(
        &self,
        master: &mut MultiplexedConnection,
        pattern: &str,
    ) -> Result<u64, BrokerError> {
        let (mut swept, mut cursor) = (0, 0_u64);
        loop {
            let mut scan = redis::cmd("SCAN");
            scan.arg(cursor).arg("MATCH").arg(pattern);
            scan.arg("COUNT").arg(SCAN_STEP);
            let (next, keys): (u64, Vec<Vec<u8>>) = self.ask(master, &scan).await?;
            // One by one: in a cluster they are in different slots.
            for key in keys {
                swept += self
                    .ask::<u64>(master, redis::cmd("UNLINK").arg(key))
                    .await?;
            }
            cursor = next;
            if cursor == 0 {
                return Ok(swept);
            }
        }
    }

    async fn ask<T: FromRedisValue>(
        &self,
        master: &mut MultiplexedConnection,
        command: &Cmd,
    ) -> Result<T, BrokerError> {
        let address = &self.shared.dialer.address;
        command
            .query_async(master)
            .await
            .map_err(|error| Trouble::asking(address, "SCAN", &error).into())
    }

    /// A connection of its own to each master.
    async fn every_master(&self) -> Result<Vec<MultiplexedConnection>, BrokerError> {
        let dialer = &self.shared.dialer;
        if !dialer.address.is_cluster() {
            return Ok(vec![dialer.dial_one(&[], None).await?]);
        }
        let mut connections = Vec::new();
        for master in self.masters().await? {
            connections.push(dialer.server(&master, None).await?);
        }
        Ok(connections)
    }

    /// The masters as the cluster itself knows them, which may be others than the address names.
    pub(super) async fn masters(&self) -> Result<Vec<Host>, BrokerError> {
        let mut command = redis::cmd("CLUSTER");
        command.arg("SLOTS");
        let mut masters = Vec::new();
        if let Value::Array(ranges) = self.ask_one(&command, "CLUSTER SLOTS").await? {
            for master in ranges.iter().filter_map(master) {
                // A master may have several ranges of slots.
                if !masters.contains(&master) {
                    masters.push(master);
                }
            }
        }
        Ok(masters)
    }
}

/// Of a range in `CLUSTER SLOTS`: first slot, last slot, and the nodes, the master first, each host, port and more.
fn master(range: &Value) -> Option<Host> {
    let Value::Array(range) = range else {
        return None;
    };
    let Some(Value::Array(node)) = range.get(2) else {
        return None;
    };
    Some(Host {
        name: from_redis_value_ref(node.first()?).ok()?,
        port: from_redis_value_ref(node.get(1)?).ok()?,
    })
}
