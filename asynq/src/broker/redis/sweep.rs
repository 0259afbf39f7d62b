//! Looking through a whole Redis, every master of a cluster included.

use crate::broker::redis::RedisBroker;
use crate::broker::redis::address::Host;
use crate::broker::redis::identity::Identity;
use crate::broker::redis::trouble::Trouble;
use crate::op::BrokerError;
use redis::aio::MultiplexedConnection;
use redis::{Cmd, FromRedisValue, Value, from_redis_value_ref};
use std::collections::BTreeSet;

/// Keys looked at by one step of a scan.
const SCAN_STEP: u32 = 1_000;

/// A walk through keys, a page at a time, so that nobody has to hold all of them.
pub struct Scan {
    broker: RedisBroker,
    /// Those that are not done, the one under way last.
    masters: Vec<MultiplexedConnection>,
    cursor: u64,
    pattern: String,
    step: u32,
}

impl Scan {
    /// The next keys, maybe none of them; `None`: there are no more. A key that was there all the time comes once or more often.
    ///
    /// # Errors
    /// When a master does not answer.
    pub async fn next_page(&mut self) -> Result<Option<Vec<Vec<u8>>>, BrokerError> {
        let Some(master) = self.masters.last_mut() else {
            return Ok(None);
        };
        let mut scan = redis::cmd("SCAN");
        scan.arg(self.cursor).arg("MATCH").arg(&self.pattern);
        scan.arg("COUNT").arg(self.step);
        let (next, keys) = self.broker.ask(master, &scan).await?;
        self.cursor = next;
        if next == 0 {
            self.masters.pop();
        }
        Ok(Some(keys))
    }
}

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

    /// Every key of the database, step by step: what comes or goes meanwhile may be among them or not.
    ///
    /// # Errors
    /// When a master does not answer.
    pub async fn keys(&self) -> Result<BTreeSet<Vec<u8>>, BrokerError> {
        let mut found = BTreeSet::new();
        let mut scan = self.scan("*", SCAN_STEP).await?;
        while let Some(keys) = scan.next_page().await? {
            found.extend(keys);
        }
        Ok(found)
    }

    /// A walk through the keys that are like `pattern`, of which Redis looks at `step` at a time.
    ///
    /// # Errors
    /// When a master does not answer.
    pub async fn scan(&self, pattern: &str, step: u32) -> Result<Scan, BrokerError> {
        Ok(Scan {
            broker: self.clone(),
            masters: self.every_master().await?,
            cursor: 0,
            pattern: pattern.to_owned(),
            step,
        })
    }

    /// `INFO` of every master, all sections.
    ///
    /// # Errors
    /// When a master does not answer.
    pub async fn infos(&self) -> Result<Vec<String>, BrokerError> {
        let mut infos = Vec::new();
        for mut master in self.every_master().await? {
            let mut info = redis::cmd("INFO");
            info.arg("everything");
            infos.push(self.ask(&mut master, &info).await?);
        }
        Ok(infos)
    }

    /// Which servers answer: every master, in a fixed order. Another answer later says that one was restarted or replaced.
    ///
    /// # Errors
    /// When a master does not answer, or says nothing of itself.
    pub async fn identities(&self) -> Result<Vec<Identity>, BrokerError> {
        let infos = self.infos().await?;
        let identities = infos.iter().map(|info| Identity::of(info));
        let mut identities: Vec<Identity> = identities.collect::<Option<_>>().ok_or_else(|| {
            BrokerError::Refused("INFO: no run_id and process_id in the reply".into())
        })?;
        identities.sort();
        Ok(identities)
    }

    async fn ask<T: FromRedisValue>(
        &self,
        master: &mut MultiplexedConnection,
        command: &Cmd,
    ) -> Result<T, BrokerError> {
        let address = &self.shared.dialer.address;
        command.query_async(master).await.map_err(|error| {
            let what = command.args_iter().next();
            let what = match &what {
                Some(redis::Arg::Simple(name)) => String::from_utf8_lossy(name),
                _ => "".into(),
            };
            Trouble::asking(address, &what, &error).into()
        })
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
