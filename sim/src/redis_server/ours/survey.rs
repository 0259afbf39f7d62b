//! Looks through a whole Redis: what there is of a drill, and what of others.

use super::{Guests, Ours, PROBE_QUEUE, is_presence};
use crate::redis_server::given::claim;
use firedrill_asynq::broker::redis::RedisBroker;
use firedrill_asynq::keys::{self, Queue};
use firedrill_asynq::message::TaskMessage;
use firedrill_asynq::op::BrokerError;
use firedrill_reports::record::{Interference, Meddling};
use futures_util::future::join_all;
use prost::Message;
use redis::{Cmd, FromRedisValue};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// Requests at a time.
const AT_A_TIME: usize = 256;
/// Most things of others that are told one by one.
const TOLD_MAX: usize = 20;

/// What somebody else has put into a drill's Redis.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Foreign {
    /// Whom it touches: a queue of the drill, or `redis`.
    pub subject: String,
    /// What was seen, for people.
    pub saw: String,
}

impl Foreign {
    fn redis(saw: impl Into<String>) -> Self {
        Self {
            subject: "redis".into(),
            saw: saw.into(),
        }
    }

    fn queue(queue: &str, saw: impl Into<String>) -> Self {
        Self {
            subject: queue.into(),
            saw: saw.into(),
        }
    }

    /// As a line of the record; seen at `at_ms`.
    #[must_use]
    pub fn interference(self, at_ms: i64) -> Interference {
        Interference {
            at_ms,
            until_ms: None,
            what: Meddling::ForeignData,
            subject: self.subject,
            saw: self.saw,
        }
    }
}

/// What was found.
#[derive(Debug, Default)]
pub struct Survey {
    /// What others have put there.
    pub foreign: Vec<Foreign>,
    /// What takes the drill's own things out of Redis, in this order; each command touches nothing of others.
    removals: Vec<Cmd>,
}

/// What is found in a queue of the drill.
#[derive(Default)]
struct Found<'k> {
    /// Last parts of its keys, e.g. `t:<id>`.
    parts: BTreeSet<&'k str>,
}

impl Ours {
    /// Looks through the database and tells what is the drill's and what is not. Changes nothing. `alone` says that nobody
    /// used the drill's queues before it did: then what is one key for all who use a queue is the drill's, too.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn survey(&self, broker: &RedisBroker, alone: bool) -> Result<Survey, BrokerError> {
        let keys = broker.keys().await?;
        let (servers, schedulers) = (self.servers(), self.schedulers());
        let mut look = Look {
            ours: self,
            broker,
            alone,
            servers,
            schedulers,
            known: None,
            survey: Survey::default(),
        };
        let mut queues: BTreeMap<&str, Found<'_>> = BTreeMap::new();
        for key in &keys {
            let Ok(text) = std::str::from_utf8(key) else {
                let shown = String::from_utf8_lossy(key);
                look.stranger(Foreign::redis(format!("key {shown:?}")));
                continue;
            };
            match self.queue_of(text) {
                Some((queue, part)) => {
                    queues.entry(queue).or_default().parts.insert(part);
                }
                None => look.single(text).await?,
            }
        }
        let mut shared = BTreeSet::new();
        for (queue, found) in queues {
            if look.queue(queue, &found.parts).await? {
                shared.insert(queue);
            }
        }
        if keys.contains(keys::QUEUES.as_bytes()) {
            look.names(&shared).await?;
        }
        Ok(look.told())
    }

    /// The drill's queue that a key belongs to, and the last part of the key.
    fn queue_of<'k>(&self, key: &'k str) -> Option<(&str, &'k str)> {
        let queues = self.queues.iter().map(String::as_str);
        // A name may hold braces: the longest that fits is meant.
        queues
            .chain([PROBE_QUEUE])
            .filter_map(|queue| Some((queue, key.strip_prefix(&Queue(queue).key(""))?)))
            .max_by_key(|(queue, _)| queue.len())
    }
}

impl Survey {
    /// Whether there is nothing of the drill.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.removals.is_empty()
    }

    /// Removes what there is of the drill.
    ///
    /// # Errors
    /// When Redis does not answer or refuses.
    pub async fn remove(&self, broker: &RedisBroker) -> Result<(), BrokerError> {
        for some in self.removals.chunks(AT_A_TIME) {
            let asked = some.iter().map(|command| ask::<i64>(broker, command));
            for answer in join_all(asked).await {
                answer?;
            }
        }
        Ok(())
    }
}

/// A survey under way.
struct Look<'a> {
    ours: &'a Ours,
    broker: &'a RedisBroker,
    alone: bool,
    servers: BTreeSet<Uuid>,
    schedulers: BTreeSet<Uuid>,
    /// Every id of a task of the drill, once it was needed.
    known: Option<BTreeSet<Uuid>>,
    survey: Survey,
}

impl Look<'_> {
    fn stranger(&mut self, foreign: Foreign) {
        // Whoever is beside others has nothing to say of them.
        if !self.ours.whole {
            self.survey.foreign.push(foreign);
        }
    }

    fn remove(&mut self, name: &str, args: &[&str]) {
        let mut command = redis::cmd(name);
        command.arg(args);
        self.survey.removals.push(command);
    }

    /// A key that is of no queue of the drill.
    async fn single(&mut self, key: &str) -> Result<(), BrokerError> {
        let braced = |index: &str| -> Option<String> {
            let rest = key.strip_prefix(index)?.strip_prefix(":{")?;
            rest.strip_suffix('}').map(str::to_owned)
        };
        match key {
            _ if self.ours.guests == Guests::Stay && is_presence(key.as_bytes()) => {}
            // The names are looked at last, the claim is removed last of all.
            keys::QUEUES | claim::KEY => {}
            keys::SERVERS | keys::WORKERS | keys::SCHEDULERS => self.index(key).await?,
            _ => {
                let of_server = braced(keys::SERVERS).or_else(|| braced(keys::WORKERS));
                let entry = key.strip_prefix(&keys::scheduler_history(""));
                let ours = if let Some(name) = of_server {
                    self.ours.is_server(&name, &self.servers)
                } else if let Some(name) = braced(keys::SCHEDULERS) {
                    Ours::is_scheduler(&name, &self.schedulers)
                } else {
                    let entry = entry.and_then(|entry| Uuid::parse_str(entry).ok());
                    entry.is_some_and(|entry| self.schedulers.contains(&entry))
                };
                if ours {
                    self.remove("UNLINK", &[key]);
                } else {
                    self.stranger(Foreign::redis(format!("key {key:?}")));
                }
            }
        }
        Ok(())
    }

    /// An index of servers or schedulers: a sorted set of their keys.
    async fn index(&mut self, index: &str) -> Result<(), BrokerError> {
        for member in self.members("ZRANGE", index).await? {
            let name = member
                .strip_prefix(index)
                .and_then(|rest| rest.strip_prefix(":{")?.strip_suffix('}'));
            let ours = name.is_some_and(|name| {
                if index == keys::SCHEDULERS {
                    Ours::is_scheduler(name, &self.schedulers)
                } else {
                    self.ours.is_server(name, &self.servers)
                }
            });
            if ours {
                self.remove("ZREM", &[index, &member]);
            } else {
                self.stranger(Foreign::redis(format!("{member:?} in {index}")));
            }
        }
        Ok(())
    }

    /// The names of queues; those of `shared` hold something of others.
    async fn names(&mut self, shared: &BTreeSet<&str>) -> Result<(), BrokerError> {
        for name in self.members("SMEMBERS", keys::QUEUES).await? {
            let ours = self.ours.queues.contains(&name) || name == PROBE_QUEUE;
            if !ours {
                self.stranger(Foreign::redis(format!("queue {name:?}")));
            } else if name == PROBE_QUEUE
                || (self.ours.whole && self.alone)
                || (self.alone && !shared.contains(name.as_str()))
            {
                self.remove("SREM", &[keys::QUEUES, &name]);
            }
        }
        Ok(())
    }

    /// A queue of the drill; answers whether there is something of others in it.
    async fn queue(&mut self, name: &str, parts: &BTreeSet<&str>) -> Result<bool, BrokerError> {
        if name == PROBE_QUEUE || (self.ours.whole && self.alone) {
            for part in parts {
                self.remove("UNLINK", &[&Queue(name).key(part)]);
            }
            return Ok(false);
        }
        let queue = Queue(name);
        let before = self.survey.foreign.len();
        let tasks: Vec<&str> = parts
            .iter()
            .filter_map(|part| part.strip_prefix("t:"))
            .collect();
        let mut foreign_tasks: BTreeSet<String> = BTreeSet::new();
        let mut own_tasks: BTreeSet<String> = BTreeSet::new();
        let asked = self
            .each(tasks.iter().map(|id| {
                let mut command = redis::cmd("HGET");
                command.arg(queue.task(id)).arg("msg");
                command
            }))
            .await?;
        for (id, message) in tasks.iter().zip(asked) {
            let message = message.and_then(|bytes| TaskMessage::decode(bytes.as_slice()).ok());
            if self.ours.is_task(id, message.as_ref(), &mut self.known) {
                own_tasks.insert((*id).to_owned());
            } else {
                let of_type =
                    message.map_or(String::new(), |task| format!(" of type {}", task.r#type));
                self.stranger(Foreign::queue(name, format!("task {id}{of_type}")));
                foreign_tasks.insert((*id).to_owned());
            }
        }
        let mut tidy = Vec::new();
        for part in parts {
            let key = queue.key(part);
            match *part {
                "pending" | "active" => {
                    for id in self.members("LRANGE", &key).await? {
                        if self.is_own(name, &id, &own_tasks, &mut foreign_tasks) {
                            self.remove("LREM", &[&key, "0", &id]);
                        }
                    }
                }
                "lease" | "scheduled" | "retry" | "archived" | "completed" => {
                    for id in self.members("ZRANGE", &key).await? {
                        if self.is_own(name, &id, &own_tasks, &mut foreign_tasks) {
                            self.remove("ZREM", &[&key, &id]);
                        }
                    }
                }
                "groups" | "aggregation_sets" => tidy.push(key),
                "processed" | "failed" => self.count(&key),
                "paused" => {
                    self.stranger(Foreign::queue(name, "it was paused"));
                    tidy.push(key);
                }
                _ if part.starts_with("t:") => {}
                _ if part.starts_with("processed:") || part.starts_with("failed:") => {
                    self.count(&key);
                }
                _ if part.starts_with("g:") => {
                    for id in self.members("ZRANGE", &key).await? {
                        if self.is_own(name, &id, &own_tasks, &mut foreign_tasks) {
                            self.remove("ZREM", &[&key, &id]);
                        }
                    }
                }
                _ if part.starts_with("unique:") => {
                    let holder = ask(self.broker, redis::cmd("GET").arg(&key)).await;
                    let holder: Option<String> = self.typed(&key, holder)?;
                    // Gone meanwhile: its time was up.
                    if let Some(id) = holder
                        && self.is_own(name, &id, &own_tasks, &mut foreign_tasks)
                    {
                        self.remove("UNLINK", &[&key]);
                    }
                }
                other => self.stranger(Foreign::queue(name, format!("key {:?}", queue.key(other)))),
            }
        }
        for id in &own_tasks {
            self.remove("UNLINK", &[&queue.task(id)]);
        }
        let paused = parts.contains("paused");
        let shared = self.survey.foreign.len() - before > usize::from(paused);
        if self.alone && !shared {
            // One key for all who use the queue: it goes when nobody else does.
            for key in tidy {
                self.remove("UNLINK", &[&key]);
            }
        }
        Ok(shared)
    }

    /// A counter of a queue: it has counted since the drill began, if that was alone.
    fn count(&mut self, key: &str) {
        if self.alone {
            self.remove("UNLINK", &[key]);
        }
    }

    /// What a key holds; one of another type than asynq's is somebody else's.
    fn typed<T: Default>(
        &mut self,
        key: &str,
        answer: Result<T, BrokerError>,
    ) -> Result<T, BrokerError> {
        match answer {
            Err(BrokerError::Refused(text)) if text.contains("WRONGTYPE") => {
                self.stranger(Foreign::redis(format!("key {key:?}")));
                Ok(T::default())
            }
            answer => answer,
        }
    }

    /// Whether a listed id is the drill's; one of others is told, once.
    fn is_own(
        &mut self,
        queue: &str,
        id: &str,
        own: &BTreeSet<String>,
        foreign: &mut BTreeSet<String>,
    ) -> bool {
        if own.contains(id) || self.ours.is_task(id, None, &mut self.known) {
            return true;
        }
        if foreign.insert(id.to_owned()) {
            self.stranger(Foreign::queue(queue, format!("task {id}")));
        }
        false
    }

    /// The members of a list, set or sorted set.
    async fn members(&mut self, command: &str, key: &str) -> Result<Vec<String>, BrokerError> {
        let mut command = redis::cmd(command);
        command.arg(key);
        if command.args_iter().next() != Some(redis::Arg::Simple(b"SMEMBERS")) {
            command.arg(0).arg(-1);
        }
        let members = ask(self.broker, &command).await;
        let members: Vec<Vec<u8>> = self.typed(key, members)?;
        let texts = members.into_iter();
        Ok(texts
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .collect())
    }

    /// The answers to questions of the same kind, some at a time.
    async fn each(
        &self,
        commands: impl Iterator<Item = Cmd>,
    ) -> Result<Vec<Option<Vec<u8>>>, BrokerError> {
        let commands: Vec<Cmd> = commands.collect();
        let mut answers = Vec::new();
        for some in commands.chunks(AT_A_TIME) {
            let asked = some.iter().map(|command| ask(self.broker, command));
            for answer in join_all(asked).await {
                answers.push(match answer {
                    // Of another type, so nobody's task.
                    Err(BrokerError::Refused(text)) if text.contains("WRONGTYPE") => None,
                    answer => answer?,
                });
            }
        }
        Ok(answers)
    }

    /// The survey, with as many strangers told as anybody reads.
    fn told(mut self) -> Survey {
        let foreign = &mut self.survey.foreign;
        foreign.sort();
        foreign.dedup();
        if foreign.len() > TOLD_MAX {
            let more = foreign.len() - TOLD_MAX;
            foreign.truncate(TOLD_MAX);
            foreign.push(Foreign::redis(format!(
                "and {more} more of others' keys and tasks"
            )));
        }
        self.survey
    }
}

async fn ask<T: FromRedisValue>(broker: &RedisBroker, command: &Cmd) -> Result<T, BrokerError> {
    let what = match command.args_iter().next() {
        Some(redis::Arg::Simple(name)) => String::from_utf8_lossy(name).into_owned(),
        _ => String::new(),
    };
    broker.command(command, &what).await
}
