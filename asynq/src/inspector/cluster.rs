//! Where a queue lives in a Redis Cluster.

use crate::inspector::reply::{array, int, text};
use crate::inspector::{InspectError, Inspector};
use crate::keys::Queue;
use redis::Value;

/// A node of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its id; empty if the cluster does not tell.
    pub id: String,
    /// `host:port`.
    pub address: String,
}

impl Inspector {
    /// The hash slot of a queue's keys.
    ///
    /// # Errors
    /// When Redis cannot be asked or is no cluster.
    pub async fn cluster_key_slot(&self, name: &str) -> Result<u16, InspectError> {
        let mut command = redis::cmd("CLUSTER");
        command.arg("KEYSLOT").arg(Queue(name).key("pending"));
        Ok(self.broker.command(&command, "CLUSTER KEYSLOT").await?)
    }

    /// The nodes that hold a queue, its master first.
    ///
    /// # Errors
    /// When Redis cannot be asked or is no cluster.
    pub async fn cluster_nodes(&self, name: &str) -> Result<Vec<Node>, InspectError> {
        let slot = i64::from(self.cluster_key_slot(name).await?);
        let mut command = redis::cmd("CLUSTER");
        command.arg("SLOTS");
        let what = "CLUSTER SLOTS";
        let answer: Value = self.broker.command(&command, what).await?;
        for range in array(&answer, 0, what)? {
            let range = array(range, 2, what)?;
            if (int(&range[0])..=int(&range[1])).contains(&slot) {
                return range[2..]
                    .iter()
                    .map(|node| self::node(node, what))
                    .collect();
            }
        }
        Ok(Vec::new())
    }

    /// Redis' `CLUSTER INFO`.
    ///
    /// # Errors
    /// When Redis cannot be asked or is no cluster.
    pub async fn cluster_info(&self) -> Result<String, InspectError> {
        let mut command = redis::cmd("CLUSTER");
        command.arg("INFO");
        Ok(self.broker.command(&command, "CLUSTER INFO").await?)
    }
}

fn node(node: &Value, what: &str) -> Result<Node, InspectError> {
    let node = array(node, 2, what)?;
    let host = text(&node[0]).unwrap_or_default();
    Ok(Node {
        id: node.get(2).and_then(text).unwrap_or_default(),
        address: format!("{host}:{}", int(&node[1])),
    })
}
