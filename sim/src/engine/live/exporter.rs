//! The exporters of a drill: asynq's collector and a few of Redis' own numbers, read from Redis at scrape time.

use crate::engine::live::scraper::Place;
use crate::engine::live::uptime::Uptime;
use crate::engine::live::watch::{Roster, Sizes};
use crate::http;
use crate::metrics::{ProducerMetrics, Value, exposition, memory_labels, queue_values};
use crate::redis_server::login::USER;
use firedrill_asynq::broker::redis::RedisBroker;
use firedrill_asynq::clock::{ClockOrigin, Time};
use firedrill_asynq::inspector::Inspector;
use firedrill_asynq::op::{Op, Reply};
use firedrill_detector::Labels;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

/// Connections of the observer and of the director, which no Redis would have by itself.
const OBSERVERS: f64 = 2.0;

/// The exporters of a drill, which may end and come again.
pub(crate) struct Exporters {
    broker: RedisBroker,
    clock: ClockOrigin,
    roster: Roster,
    uptime: Uptime,
    serving: [Option<AbortHandle>; 2],
}

impl Exporters {
    /// None is there yet.
    pub(crate) fn new(
        broker: RedisBroker,
        (clock, uptime): (ClockOrigin, Uptime),
        roster: Roster,
    ) -> Self {
        Self {
            broker,
            clock,
            roster,
            uptime,
            serving: [None, None],
        }
    }

    /// Starts one, by its number among the targets.
    ///
    /// # Errors
    /// When no loopback port can be opened.
    pub(crate) async fn serve(&mut self, number: usize) -> io::Result<Place> {
        let broker = self.broker.clone();
        let (place, serving) = match number {
            0 => asynq_exporter(broker, self.clock, Some(self.roster.clone())).await?,
            _ => redis_exporter(broker, self.uptime.clone()).await?,
        };
        self.serving[number.min(1)] = Some(serving);
        Ok(place)
    }

    /// Ends one: nobody listens on its port any more.
    pub(crate) fn end(&mut self, number: usize) {
        if let Some(serving) = self.serving[number.min(1)].take() {
            serving.abort();
        }
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

/// Serves `redis_up` and, while Redis answers, memory, client counts and its uptime (virtual) under redis_exporter's names.
///
/// # Errors
/// When no loopback port can be opened.
pub async fn serve_redis(broker: RedisBroker, uptime: Uptime) -> io::Result<Place> {
    let (place, _) = redis_exporter(broker, uptime).await?;
    Ok(place)
}

async fn redis_exporter(broker: RedisBroker, uptime: Uptime) -> io::Result<(Place, AbortHandle)> {
    let text = move || {
        let (broker, uptime) = (broker.clone(), uptime.clone());
        async move {
            let info = broker.info().await.ok();
            let mut list = redis::cmd("CLIENT");
            let list = broker.command(list.arg("LIST"), "CLIENT LIST").await;
            let list: Option<String> = list.ok();
            let strangers = list.map_or(0, |list| strangers(&list));
            let values = redis_values(info.as_deref(), strangers, &uptime);
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

/// Real seconds, which mean nothing to a drill.
const UPTIME: &str = "uptime_in_seconds";
const CLIENTS: &str = "connected_clients";

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

fn redis_values(info: Option<&str>, strangers: usize, uptime: &Uptime) -> Vec<Value> {
    info_values(info, |field, value| match field {
        UPTIME => uptime.seconds(value) as f64,
        CLIENTS => value - OBSERVERS - strangers as f64,
        _ => value,
    })
}

/// What redis_exporter exposes of a Redis with this `INFO`, as far as drills have it, or of one that does not answer. `meant`: what a
/// number of a field of `INFO` is exposed as.
pub fn info_values(info: Option<&str>, meant: impl Fn(&str, f64) -> f64) -> Vec<Value> {
    let up = f64::from(u8::from(info.is_some()));
    let mut values = vec![(Labels::metric("redis_up", []), up)];
    let fields = [
        ("used_memory", "redis_memory_used_bytes"),
        ("maxmemory", "redis_memory_max_bytes"),
        (CLIENTS, "redis_connected_clients"),
        ("connected_slaves", "redis_connected_slaves"),
        (UPTIME, "redis_uptime_in_seconds"),
    ];
    for line in info.unwrap_or_default().lines() {
        let Some((field, value)) = line.split_once(':') else {
            continue;
        };
        if let Some((field, name)) = fields.iter().find(|(known, _)| *known == field)
            && let Ok(value) = value.trim().parse::<f64>()
        {
            values.push((Labels::metric(name, []), meant(field, value)));
        }
    }
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
