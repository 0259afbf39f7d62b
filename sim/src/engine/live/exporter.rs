//! The exporters of a drill: asynq's collector and a few of Redis' own numbers, read from Redis at scrape time, and stand-ins for
//! those of Kubernetes, which know what was done to the drill's processes.

use crate::engine::Source;
use crate::engine::live::cluster::Cluster;
use crate::engine::live::scraper::Place;
use crate::engine::live::uptime::Uptime;
use crate::engine::live::watch::{Roster, Sizes};
use crate::http;
use crate::metrics::redis::{self as redis_series, RedisFacts};
use crate::metrics::{ProducerMetrics, Value, exposition, memory_labels, queue_values};
use crate::redis_server::login::USER;
use crate::world::World;
use firedrill_asynq::broker::redis::RedisBroker;
use firedrill_asynq::clock::{ClockOrigin, Time};
use firedrill_asynq::inspector::Inspector;
use firedrill_asynq::op::{Op, Reply};
use firedrill_detector::Labels;
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

/// Connections of the observer and of the director, which no Redis would have by itself, and the one over which it is asked.
const OBSERVERS: f64 = 3.0;

/// The exporters of a drill, which may end and come again.
pub(crate) struct Exporters {
    broker: RedisBroker,
    clock: ClockOrigin,
    roster: Roster,
    uptime: Uptime,
    world: Arc<World>,
    cluster: Cluster,
    /// By the number of the target.
    serving: BTreeMap<usize, AbortHandle>,
}

impl Exporters {
    /// None is there yet.
    pub(crate) fn new(
        broker: RedisBroker,
        (clock, uptime): (ClockOrigin, Uptime),
        (roster, cluster): (Roster, Cluster),
        world: &World,
    ) -> Self {
        Self {
            world: Arc::new(world.clone()),
            broker,
            clock,
            roster,
            uptime,
            cluster,
            serving: BTreeMap::new(),
        }
    }

    /// Starts one, by its number among the targets, and what it shows.
    ///
    /// # Errors
    /// When no loopback port can be opened.
    pub(crate) async fn serve(&mut self, number: usize, source: Source) -> io::Result<Place> {
        let broker = self.broker.clone();
        let (place, serving) = match source {
            Source::Redis => {
                redis_exporter(broker, self.uptime.clone(), self.world.clone()).await?
            }
            Source::Kube => self.of_cluster(Cluster::values).await?,
            Source::Cadvisor => self.of_cluster(Cluster::container_values).await?,
            // Workers and the producer serve their own.
            Source::Asynq | Source::Worker(_) | Source::Producer => {
                asynq_exporter(broker, self.clock, Some(self.roster.clone())).await?
            }
        };
        self.serving.insert(number, serving);
        Ok(place)
    }

    /// Ends one: nobody listens on its port any more.
    pub(crate) fn end(&mut self, number: usize) {
        if let Some(serving) = self.serving.remove(&number) {
            serving.abort();
        }
    }

    /// Serves what is known of the drill's pods.
    async fn of_cluster(
        &self,
        values: fn(&Cluster, Time) -> Vec<Value>,
    ) -> io::Result<(Place, AbortHandle)> {
        let (cluster, clock) = (self.cluster.clone(), self.clock);
        let text = move || {
            let values = values(&cluster, clock.now());
            std::future::ready(Some(exposition::encode(&values)))
        };
        serve(text).await
    }
}

/// Serves asynq's collector. As the real one: when any queue cannot be read there is no asynq series at all, and the
/// answer is still 200.
///
/// # Errors
/// When no loopback port can be opened.
pub async fn serve_asynq(broker: RedisBroker, clock: ClockOrigin) -> io::Result<Place> {
    let (place, _) = asynq_exporter(broker, clock, None).await?;
    Ok(place)
}

/// As [`serve_asynq`]; what is served is held against what the drill of the roster has done.
async fn asynq_exporter(
    broker: RedisBroker,
    clock: ClockOrigin,
    roster: Option<Roster>,
) -> io::Result<(Place, AbortHandle)> {
    let text = move || {
        let (broker, roster) = (broker.clone(), roster.clone());
        async move {
            let values = asynq_values(&broker, clock, roster.as_ref()).await;
            Some(exposition::encode(&values.unwrap_or_default()))
        }
    };
    serve(text).await
}

/// Serves `redis_up` and, while Redis answers, what a world has of it (its uptime virtual) under redis_exporter's names.
///
/// # Errors
/// When no loopback port can be opened.
pub async fn serve_redis(
    broker: RedisBroker,
    uptime: Uptime,
    world: Arc<World>,
) -> io::Result<Place> {
    let (place, _) = redis_exporter(broker, uptime, world).await?;
    Ok(place)
}

async fn redis_exporter(
    broker: RedisBroker,
    uptime: Uptime,
    world: Arc<World>,
) -> io::Result<(Place, AbortHandle)> {
    let text = move || {
        // As the real one: each scrape dials, so that a Redis that takes no more clients is down to it.
        let (broker, uptime, world) = (broker.anew(), uptime.clone(), world.clone());
        async move {
            let info = broker.info().await.ok();
            let mut list = redis::cmd("CLIENT");
            let list = broker.command(list.arg("LIST"), "CLIENT LIST").await;
            let list: Option<String> = list.ok();
            let strangers = list.map_or(0, |list| strangers(&list));
            let facts = info.map(|info| {
                let facts = redis_facts(&info);
                RedisFacts {
                    clients: facts.clients - OBSERVERS - strangers as f64,
                    // Real seconds, which mean nothing to a drill.
                    uptime_s: uptime.seconds(facts.uptime_s) as f64,
                    ..facts
                }
            });
            let values = redis_values(&world, facts.as_ref(), uptime.now());
            Some(exposition::encode(&values))
        }
    };
    serve(text).await
}

/// Serves what a producer counts.
///
/// # Errors
/// When no loopback port can be opened.
pub(crate) async fn serve_producer(
    metrics: Arc<Mutex<ProducerMetrics>>,
    started: Time,
) -> io::Result<Place> {
    let text = move || {
        let mut values = metrics
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .values();
        let started = started.millis() as f64 / 1e3;
        values.push((Labels::metric("process_start_time_seconds", []), started));
        std::future::ready(Some(exposition::encode(&values)))
    };
    serve(text).await.map(|(place, _)| place)
}

async fn serve<F, R>(text: F) -> io::Result<(Place, AbortHandle)>
where
    F: Fn() -> R + Clone + Send + Sync + 'static,
    R: Future<Output = Option<String>> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let token = http::new_token();
    let pages = http::signed(http::page("/metrics", text), &token);
    let serving = tokio::spawn(http::serve(listener, pages));
    Ok((Place { address, token }, serving.abort_handle()))
}

/// What asynq's collector exposes of the queues of a Redis now; `None` when any of them cannot be read.
pub async fn asynq_now(broker: &RedisBroker, clock: ClockOrigin) -> Option<Vec<Value>> {
    asynq_values(broker, clock, None).await
}

async fn asynq_values(
    broker: &RedisBroker,
    clock: ClockOrigin,
    roster: Option<&Roster>,
) -> Option<Vec<Value>> {
    let Ok(Reply::Names(mut queues)) = broker.call(Op::Queues).await else {
        return None;
    };
    queues.sort();
    let inspector = Inspector::new(broker.clone());
    let mut values = Vec::new();
    for queue in queues {
        let op = Op::QueueStats {
            queue: queue.clone(),
            now: clock.now(),
        };
        let before = roster.map(|roster| roster.before(&queue));
        let Ok(Reply::Stats(stats)) = broker.call(op).await else {
            return None;
        };
        if let (Some(roster), Some(before)) = (roster, before) {
            roster.check(&queue, before, Sizes::from(&*stats));
            roster.check_age(&queue, stats.latency_seconds);
        }
        values.extend(queue_values(&queue, &stats));
        let memory_bytes = inspector.queue_memory_bytes(&queue).await.ok()?;
        values.push((memory_labels(&queue), memory_bytes as f64));
    }
    // As Go's client: metric by metric, so that each is announced once.
    values.sort_by(|(labels, _), (other, _)| labels.name().cmp(other.name()));
    Some(values)
}

/// How many of the clients of a Redis of ours (as `CLIENT LIST` has them) are none of the drill's: who looks on is no
/// part of the incident. Where the drill has no user of its own, nobody can tell.
fn strangers(list: &str) -> usize {
    let is_ours = |line: &&str| {
        line.split(' ')
            .any(|field| field.strip_prefix("user=") == Some(USER))
    };
    match list.lines().filter(is_ours).count() {
        0 => 0,
        ours => list.lines().count() - ours,
    }
}

/// What a Redis says of itself in `INFO`; what an old one does not say is as by default.
#[must_use]
pub fn redis_facts(info: &str) -> RedisFacts {
    let mut facts = RedisFacts {
        saved: true,
        appended: true,
        ..RedisFacts::default()
    };
    for line in info.lines() {
        let Some((field, value)) = line.split_once(':') else {
            continue;
        };
        let value = value.trim();
        let number = || value.parse::<f64>().unwrap_or_default();
        match field {
            "used_memory" => facts.used_bytes = number(),
            "maxmemory" => facts.max_bytes = number(),
            "connected_clients" => facts.clients = number(),
            "blocked_clients" => facts.blocked = number(),
            "maxclients" => facts.max_clients = number(),
            "connected_slaves" => facts.replicas = number(),
            "evicted_keys" => facts.evicted = number(),
            "loading" => facts.loading = value == "1",
            "rdb_last_bgsave_status" => facts.saved = value == "ok",
            "aof_last_write_status" => facts.appended = value == "ok",
            "role" => facts.is_replica = value == "slave",
            "uptime_in_seconds" => facts.uptime_s = number(),
            _ => {}
        }
    }
    facts
}

/// What redis_exporter exposes of a Redis, as far as a world has it; `facts`: `None`: it does not answer.
#[must_use]
pub fn redis_values(world: &World, facts: Option<&RedisFacts>, now: Time) -> Vec<Value> {
    let mut values = Vec::new();
    redis_series::each(world, facts, now.secs() as f64, |series, value| {
        values.push((series.labels(), value));
    });
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_looks_on_is_no_client_of_the_drill() {
        let ours = "id=3 addr=r.sock:0 name= db=0 cmd=evalsha user=firedrill lib-name=x";
        let theirs = "id=4 addr=r.sock:0 name=user=firedrill db=0 cmd=get user=default lib-name=x";
        assert_eq!(strangers(&format!("{ours}\n{ours}\n")), 0);
        assert_eq!(strangers(&format!("{ours}\n{theirs}\n{theirs}\n")), 2);
        // A Redis that was given.
        assert_eq!(strangers(&format!("{theirs}\n{theirs}\n")), 0);
    }
}
