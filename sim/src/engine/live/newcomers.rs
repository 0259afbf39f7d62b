//! Workers that are not the drill's on the Redis of a drill whose workers are the team's own: whoever takes its tasks has a hand in
//! all that is measured. One that is there before refuses the drill, one that joins makes it prove nothing. In a rehearsal people
//! may do so: [`hands`](super::hands) tells of it.

use super::LiveError;
use super::fleet::{Fleet, Meddled};
use super::stand::{AtWork, Stand};
use crate::plan::Plan;
use crate::redis_server::RedisServerError;
use firedrill_asynq::broker::redis::RedisBroker;
use firedrill_asynq::clock::ClockOrigin;
use firedrill_asynq::inspector::Inspector;
use firedrill_asynq::message::ServerInfo;
use firedrill_detector::text::printable;
use firedrill_reports::record::Meddling;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// Real time between questions who works.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// How long a Redis may take to answer when the drill is over: it may be away by plan.
const ANSWERS_WITHIN: Duration = Duration::from_millis(300);
/// As long as asynq lists a server that was killed, and a little more.
const LISTED_FOR: Duration = Duration::from_secs(11);
/// Pause between looks whether one is still listed.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// Who works on the drill's Redis, asked again and again.
pub(super) struct Newcomers {
    lists: watch::Receiver<Vec<ServerInfo>>,
    /// Ids of servers that were told of.
    told: BTreeSet<String>,
    _asks: AtWork,
}

impl Newcomers {
    /// Begins to ask. Where Redis does not say, nothing is told.
    pub(super) fn watch(redis: RedisBroker) -> Self {
        let (lists_tx, lists) = watch::channel(Vec::new());
        let asks = tokio::spawn(async move {
            loop {
                tokio::time::sleep(ASK_EVERY).await;
                if let Some(list) = listed(&redis).await
                    && lists_tx.send(list).is_err()
                {
                    return;
                }
            }
        });
        Self {
            lists,
            told: BTreeSet::new(),
            _asks: AtWork(asks),
        }
    }

    /// Who works, when that was asked again; never, where nobody asks.
    pub(super) async fn next(newcomers: &mut Option<Self>) -> Vec<ServerInfo> {
        if let Some(newcomers) = newcomers
            && newcomers.lists.changed().await.is_ok()
        {
            return newcomers.lists.borrow_and_update().clone();
        }
        std::future::pending().await
    }
}

/// `host:pid` of a server, for people.
pub(super) fn name(info: &ServerInfo) -> String {
    printable(&format!("{}:{}", info.host, info.pid)).into_owned()
}

/// The queues that a server serves, for people.
pub(super) fn serves(info: &ServerInfo) -> String {
    let queues: Vec<&str> = info.queues.keys().map(String::as_str).collect();
    printable(&queues.join(", ")).into_owned()
}

/// What is said of one that has come.
pub(super) fn has_joined(info: &ServerInfo) -> String {
    format!(
        "a worker that the drill did not start has joined; it serves {}",
        serves(info)
    )
}

/// The servers that are heard of; `None`: Redis does not say.
async fn listed(redis: &RedisBroker) -> Option<Vec<ServerInfo>> {
    let inspector = Inspector::new(redis.clone());
    let list = inspector.servers(ClockOrigin::real_time().now()).await;
    let servers = list.ok()?.servers.into_iter();
    Some(servers.map(|server| server.info).collect())
}

/// Whether a server takes tasks of a plan.
fn takes_of(info: &ServerInfo, plan: &Plan) -> bool {
    let mut queues = plan.queues.iter();
    queues.any(|queue| info.queues.contains_key(&queue.name))
}

/// Those of these servers that take tasks of the drill and are none of its workers'.
async fn strangers(fleet: &mut Fleet, plan: &Plan, list: Vec<ServerInfo>) -> Vec<ServerInfo> {
    let mut strangers = list;
    strangers.retain(|info| takes_of(info, plan) && !fleet.knows(info));
    if !strangers.is_empty() {
        fleet.learn_hosts().await;
        strangers.retain(|info| !fleet.knows(info));
    }
    strangers
}

/// Sees that nobody but the drill's workers serves its queues. One that was killed is listed for a while.
///
/// # Errors
/// When somebody else does.
pub(super) async fn refuse(
    fleet: &mut Fleet,
    plan: &Plan,
    redis: &RedisBroker,
) -> Result<(), LiveError> {
    let began = Instant::now();
    loop {
        let list = listed(redis).await.unwrap_or_default();
        let strangers = strangers(fleet, plan, list).await;
        let Some(first) = strangers.first() else {
            return Ok(());
        };
        if began.elapsed() >= LISTED_FOR {
            let more = match strangers.len() {
                1 => String::new(),
                count => format!(", and so do {} more", count - 1),
            };
            let said = format!(
                "{} serves {} on the drill's Redis, and is none of its workers{more}: it would take tasks of the drill; stop it, or name \
                 another database",
                name(first),
                serves(first)
            );
            return Err(RedisServerError::Refused(said).into());
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

impl Stand {
    /// Tells of workers that have joined and are not the drill's.
    pub(super) async fn look_at_newcomers(&mut self, list: Vec<ServerInfo>) {
        for of in self.new_strangers(list).await {
            let now = self.clock.now();
            self.roster.tell(of.what, &of.subject, now, None, of.saw);
        }
    }

    /// Those that are there at the end of the drill and were not told of.
    pub(super) async fn last_newcomers(&mut self) -> Vec<Meddled> {
        if self.newcomers.is_none() {
            return Vec::new();
        }
        let list = tokio::time::timeout(ANSWERS_WITHIN, listed(&self.control)).await;
        match list.ok().flatten() {
            Some(list) => self.new_strangers(list).await,
            None => Vec::new(),
        }
    }

    /// Those of these servers that are none of the drill's workers', each once.
    async fn new_strangers(&mut self, list: Vec<ServerInfo>) -> Vec<Meddled> {
        let strangers = strangers(&mut self.fleet, &self.plan, list).await;
        let Some(newcomers) = &mut self.newcomers else {
            return Vec::new();
        };
        let new = strangers
            .into_iter()
            .filter(|info| newcomers.told.insert(info.server_id.clone()));
        let told = new.map(|info| Meddled {
            subject: name(&info),
            what: Meddling::ForeignData,
            saw: has_joined(&info),
            at: None,
        });
        told.collect()
    }
}
