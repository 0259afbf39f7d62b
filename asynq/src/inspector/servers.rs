//! Worker servers and the tasks they have in progress, as they publish themselves.

use crate::clock::Time;
use crate::inspector::oddity::{KeyType, Odd, Oddity};
use crate::inspector::{InspectError, Inspector};
use crate::keys;
use crate::message::{ServerInfo, WorkerInfo};
use prost::Message;

/// A running server with what it works on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerView {
    /// What it published.
    pub info: ServerInfo,
    /// Its tasks in progress, by task id.
    pub workers: Vec<WorkerInfo>,
}

/// The running servers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServerList {
    /// By host and process id.
    pub servers: Vec<ServerView>,
    /// Keys of servers that have not been heard of since, with the Unix second at which they expired, the latest first.
    /// asynq's own listing forgets them.
    pub silent: Vec<(String, i64)>,
    /// What cannot be read; it is left out.
    pub oddities: Vec<Oddity>,
}

impl Inspector {
    /// The servers that are heard of. Unlike asynq's listing this removes nothing from the indexes, so it works on a
    /// replica, too, and a reader whose clock is wrong does no harm.
    ///
    /// # Errors
    /// When Redis cannot be asked, or an index is of another type.
    pub async fn servers(&self, now: Time) -> Result<ServerList, InspectError> {
        let mut list = ServerList::default();
        for key in self.live(keys::SERVERS, now).await? {
            let stored = self
                .broker
                .command(redis::cmd("GET").arg(&key), "GET")
                .await;
            let stored: Option<Vec<u8>> = match stored {
                Ok(stored) => stored,
                Err(error) => {
                    list.oddities
                        .push(self.odd_key(&key, KeyType::String, error.into()).await?);
                    continue;
                }
            };
            match stored.as_deref().map(ServerInfo::decode) {
                None => list.oddities.push(Oddity {
                    key,
                    what: Odd::Gone,
                }),
                Some(Err(error)) => list.oddities.push(undecodable(key, &error)),
                Some(Ok(info)) => list.servers.push(ServerView {
                    info,
                    workers: Vec::new(),
                }),
            }
        }
        for key in self.live(keys::WORKERS, now).await? {
            self.add_workers(&mut list, key).await?;
        }
        let place = |view: &ServerView| {
            let info = &view.info;
            (info.host.clone(), info.pid, info.server_id.clone())
        };
        list.servers.sort_by_cached_key(place);
        list.silent = self.expired(keys::SERVERS, now).await?;
        Ok(list)
    }

    /// Adds the tasks in progress of the workers key to their server. A server without any has no such key.
    async fn add_workers(&self, list: &mut ServerList, key: String) -> Result<(), InspectError> {
        let stored = self
            .broker
            .command(redis::cmd("HVALS").arg(&key), "HVALS")
            .await;
        let stored: Vec<Vec<u8>> = match stored {
            Ok(stored) => stored,
            Err(error) => {
                list.oddities
                    .push(self.odd_key(&key, KeyType::Hash, error.into()).await?);
                return Ok(());
            }
        };
        for encoded in stored {
            let worker = match WorkerInfo::decode(encoded.as_slice()) {
                Ok(worker) => worker,
                Err(error) => {
                    list.oddities.push(undecodable(key.clone(), &error));
                    continue;
                }
            };
            let mut servers = list.servers.iter_mut();
            if let Some(server) = servers.find(|server| server.info.server_id == worker.server_id) {
                server.workers.push(worker);
                server.workers.sort_by(|a, b| a.task_id.cmp(&b.task_id));
            }
        }
        Ok(())
    }

    /// The members of an index that have not expired by `now`.
    pub(super) async fn live(&self, index: &str, now: Time) -> Result<Vec<String>, InspectError> {
        let mut command = redis::cmd("ZRANGEBYSCORE");
        command.arg(index).arg(now.secs()).arg("+inf");
        let answer: Result<Vec<Vec<u8>>, _> = self.broker.command(&command, "ZRANGEBYSCORE").await;
        match answer {
            Ok(members) => Ok(members.iter().map(|member| lossy(member)).collect()),
            Err(error) => {
                let keys = [(index.to_owned(), KeyType::SortedSet)];
                Err(self.named(error.into(), &keys).await)
            }
        }
    }

    /// The members of an index that have expired, and when, the latest first.
    async fn expired(&self, index: &str, now: Time) -> Result<Vec<(String, i64)>, InspectError> {
        let mut command = redis::cmd("ZREVRANGEBYSCORE");
        command
            .arg(index)
            .arg(format!("({}", now.secs()))
            .arg("-inf");
        command
            .arg("WITHSCORES")
            .arg("LIMIT")
            .arg(0)
            .arg(SILENT_MAX);
        let members: Vec<(Vec<u8>, f64)> =
            self.broker.command(&command, "ZREVRANGEBYSCORE").await?;
        let members = members.into_iter();
        Ok(members
            .map(|(member, score)| (lossy(&member), score as i64))
            .collect())
    }

    /// What is odd about a key that could not be read; the error itself when Redis is the matter, not the key.
    pub(super) async fn odd_key(
        &self,
        key: &str,
        expected: KeyType,
        error: InspectError,
    ) -> Result<Oddity, InspectError> {
        match self.named(error, &[(key.to_owned(), expected)]).await {
            InspectError::Foreign(oddity) => Ok(oddity),
            error => Err(error),
        }
    }
}

/// Most silent servers told of: crashed ones stay in the index until somebody lists servers with asynq.
const SILENT_MAX: usize = 10;

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

pub(super) fn undecodable(key: String, error: &prost::DecodeError) -> Oddity {
    Oddity {
        key,
        what: Odd::Unreadable(format!("no message of asynq's ({error})")),
    }
}
