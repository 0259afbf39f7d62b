//! The link that is not ours: a proxy of the team's Toxiproxy, which does what links of ours do.

use super::State;
use super::opening::Opening;
use super::probe::Probe;
use crate::plan::TOXIC_BYTES;
use crate::toxiproxy::{Proxy, ProxyError, ProxyId, Seen, Stream, Toxic};
use crate::undo::{Journal, Undo};
use firedrill_asynq::broker::redis::RedisBroker;
use firedrill_asynq::broker::redis::address::Way;
use serde_json::json;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// How long a worker may take until it has subscribed again: a client of Go's looks after its subscription every 3 s.
const SUBSCRIBES_WITHIN: Duration = Duration::from_secs(15);
/// How long a proxy may take to break its connections, until what is left is believed to go past it.
const BREAKS_WITHIN: Duration = Duration::from_secs(5);
/// Pause between looks.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// See the module: all worker processes go through it.
pub(crate) struct TeamLink {
    proxy: Proxy,
    opening: Arc<Opening>,
    known: Mutex<Known>,
}

/// What is known of the proxy.
#[derive(Default)]
struct Known {
    /// How it was at the last look, if there was one.
    was: Option<Seen>,
    /// What it was last asked to do, and is not seen to have stopped doing.
    does: State,
    /// How often it was asked to do something.
    pulls: u64,
}

/// What came of having the proxy do something.
pub(super) struct Pulled {
    /// Whether it was seen.
    pub(super) is_so: bool,
    /// What others had done to it before, and was not told of.
    pub(super) others: Vec<String>,
}

/// What was seen of the proxy at a look that nobody had asked for.
#[derive(Debug)]
pub(crate) struct Touched {
    /// What others have done to it, in words.
    pub(crate) saw: Vec<String>,
    /// Whether all that the drill had it do is gone by that, and clients are answered over it: then, how often it had been asked to do
    /// something by then.
    pub(crate) is_free: Option<u64>,
}

impl TeamLink {
    /// That through a proxy, before the Redis at `way`.
    ///
    /// # Errors
    /// When it cannot be reached from here, or leads to another Redis: what it does could not be seen, or would be done to nobody
    /// in the drill.
    pub(super) async fn open(
        proxy: Proxy,
        way: Option<Way>,
        opening: Arc<Opening>,
    ) -> io::Result<Self> {
        // It may be long ago that it was found.
        let known = Known {
            was: Some(proxy.idle().await.map_err(io::Error::other)?),
            ..Known::default()
        };
        let link = Self {
            proxy,
            opening,
            known: Mutex::new(known),
        };
        let Some(Way::Server(server)) = way else {
            return Err(io::Error::other(
                "a proxy leads to one Redis without TLS, and --redis names something else",
            ));
        };
        let meant = link.probe(server.clone()).run_id().await;
        let meant = meant.map_err(|error| io::Error::other(format!("{server}: {error}")))?;
        let (id, place) = (link.proxy.id(), &link.proxy.place);
        let found = link.probe(place.clone()).run_id().await;
        let found = found.map_err(|error| {
            io::Error::other(format!(
                "proxy {id}: no Redis answers at {place}, so what it does could not be seen: {error}"
            ))
        })?;
        match found == meant {
            true => Ok(link),
            false => Err(io::Error::other(format!(
                "proxy {id} leads to another Redis than {server}, which --redis names"
            ))),
        }
    }

    fn probe(&self, place: String) -> Probe {
        Probe::logging_in(place, self.opening.clone())
    }

    /// The proxy.
    pub(crate) fn proxy(&self) -> &ProxyId {
        self.proxy.id()
    }

    /// Makes sure that so many worker processes go through it: it breaks every connection once, before the drill, and Redis is
    /// asked which of the workers' are still the ones of before. Each asynq server is subscribed to one channel, over a connection
    /// of its own, so those stand for the workers.
    ///
    /// # Errors
    /// When a worker goes past the proxy, there are fewer subscriptions than workers, or Redis or Toxiproxy cannot be asked.
    pub(crate) async fn is_taken_by(
        &self,
        workers: usize,
        asks: &RedisBroker,
        journal: &Journal,
    ) -> io::Result<()> {
        let id = self.proxy.id();
        let before = self.subscribed(workers, asks).await?;
        let undo = [Undo::Toxics { proxy: id.clone() }];
        journal.note(None, &undo)?;
        let broken = self.proxy.does(&breaks()).await;
        let left = match broken {
            Ok(()) => past(&before, asks).await,
            Err(error) => Err(io::Error::other(error)),
        };
        // Also when it is not known: nothing of ours stays.
        self.proxy.heal().await.map_err(io::Error::other)?;
        journal.settle(&undo)?;
        let left = left?;
        if !left.is_empty() {
            let places: Vec<&str> = left.values().map(String::as_str).collect();
            return Err(io::Error::other(format!(
                "not all workers go through proxy {id}: it broke its connections, and what is subscribed at Redis from {} was not \
                 hit; give each worker the proxy's address as that of its Redis",
                places.join(", ")
            )));
        }
        self.subscribed(workers, asks).await.map(drop)
    }

    /// The subscriptions in the drill's database, as [`subscriptions`] has them, once there is one for each worker.
    async fn subscribed(
        &self,
        workers: usize,
        asks: &RedisBroker,
    ) -> io::Result<BTreeMap<u64, String>> {
        let began = Instant::now();
        loop {
            let found = subscriptions(asks).await?;
            if found.len() >= workers {
                return Ok(found);
            }
            if began.elapsed() >= SUBSCRIBES_WITHIN {
                return Err(io::Error::other(format!(
                    "whether the workers go through proxy {} is not known: of {workers}, {} have subscribed at Redis within {} s",
                    self.proxy.id(),
                    found.len(),
                    SUBSCRIBES_WITHIN.as_secs()
                )));
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Has the proxy do something.
    ///
    /// # Errors
    /// When Toxiproxy cannot be asked, or refuses.
    pub(super) async fn pull(&self, state: State) -> Result<Pulled, ProxyError> {
        let mut known = self.known.lock().await;
        known.pulls += 1;
        let before = self.proxy.look().await?;
        let was = known.was.take();
        let mut others = was.map_or_else(Vec::new, |was| before.differs(&was));
        self.proxy.does(&toxics(state)).await?;
        let now = self.proxy.look().await?;
        others.extend(now.without_ours().differs(&before.without_ours()));
        known.was = Some(now);
        known.does = state;
        drop(known);
        let is_so = self.probe(self.proxy.place.clone()).sees(state).await;
        Ok(Pulled { is_so, others })
    }

    /// What others have done to it since the last look.
    ///
    /// # Errors
    /// When Toxiproxy cannot be asked.
    pub(crate) async fn look(&self) -> Result<Touched, ProxyError> {
        let (saw, pulls, is_lifted) = {
            let mut known = self.known.lock().await;
            let now = self.proxy.look().await?;
            let saw = known.was.as_ref().map(|was| now.differs(was));
            let is_lifted = known.does != State::default() && now.is_free_of_ours();
            known.was = Some(now);
            (saw.unwrap_or_default(), known.pulls, is_lifted)
        };
        // Not while it is held: the plan may have something done meanwhile.
        let greeted = self.probe(self.proxy.place.clone());
        let is_free = is_lifted && greeted.sees(State::default()).await;
        if is_free {
            let mut known = self.known.lock().await;
            if known.pulls == pulls {
                known.does = State::default();
            }
        }
        Ok(Touched {
            saw,
            is_free: is_free.then_some(pulls),
        })
    }

    /// How often it was asked to do something.
    pub(crate) async fn pulls(&self) -> u64 {
        self.known.lock().await.pulls
    }
}

/// Which of these subscriptions are left, when the others have had time to go.
async fn past(
    before: &BTreeMap<u64, String>,
    asks: &RedisBroker,
) -> io::Result<BTreeMap<u64, String>> {
    let began = Instant::now();
    loop {
        let mut left = subscriptions(asks).await?;
        left.retain(|id, _| before.contains_key(id));
        if left.is_empty() || began.elapsed() >= BREAKS_WITHIN {
            return Ok(left);
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// The connections that are subscribed to a channel, in the database of whoever asks: their ids, and where they come from.
async fn subscriptions(asks: &RedisBroker) -> io::Result<BTreeMap<u64, String>> {
    let mut id = redis::cmd("CLIENT");
    let own = asks.command::<u64>(id.arg("ID"), "CLIENT ID").await;
    let own = own.map_err(io::Error::other)?;
    let mut list = redis::cmd("CLIENT");
    let list = asks
        .command::<String>(list.arg("LIST"), "CLIENT LIST")
        .await;
    Ok(subscribed(&list.map_err(io::Error::other)?, own))
}

fn subscribed(list: &str, own: u64) -> BTreeMap<u64, String> {
    fn field<'l>(line: &'l str, name: &str) -> Option<&'l str> {
        let mut fields = line.split(' ').filter_map(|field| field.split_once('='));
        fields.find_map(|(field, value)| (field == name).then_some(value))
    }
    let id = |line| field(line, "id").and_then(|id| id.parse::<u64>().ok());
    let database = list.lines().find(|line| id(line) == Some(own));
    let database = database.and_then(|line| field(line, "db"));
    let meant = list.lines().filter(|line| {
        database.is_some()
            && field(line, "db") == database
            && field(line, "sub").is_some_and(|count| count != "0")
    });
    meant
        .filter_map(|line| Some((id(line)?, field(line, "addr")?.to_owned())))
        .collect()
}

/// What breaks all connections there are, those too over which nothing goes: `reset_peer` waits for something to come.
fn breaks() -> Vec<Toxic> {
    let both = [Stream::Upstream, Stream::Downstream].into_iter();
    let each = both.map(|stream| Toxic {
        kind: "timeout",
        stream,
        attributes: json!({ "timeout": 1 }),
    });
    each.collect()
}

/// What makes a proxy of Toxiproxy's do what a link of ours does. Times in whole milliseconds, those of slices in microseconds,
/// rates in kilobytes a second.
fn toxics(state: State) -> Vec<Toxic> {
    let ways = [Stream::Upstream, Stream::Downstream]
        .into_iter()
        .zip(state.ways);
    let mut all = Vec::new();
    for (stream, way) in ways {
        let mut add = |kind, attributes| {
            all.push(Toxic {
                kind,
                stream,
                attributes,
            });
        };
        if way.delay + way.jitter > Duration::ZERO {
            // Its jitter goes both ways from the latency, and ours is added.
            let half = way.jitter.as_millis().div_ceil(2);
            let latency = way.delay.as_millis() + half;
            add("latency", json!({ "latency": latency, "jitter": half }));
        }
        if let Some(rate) = way.rate {
            add("bandwidth", json!({ "rate": rate as u64 / TOXIC_BYTES }));
        }
        if let Some((bytes, every)) = way.slice {
            let delay = every.as_micros();
            let attributes = json!({ "average_size": bytes, "size_variation": 0, "delay": delay });
            add("slicer", attributes);
        }
        if way.cut {
            // 0: until it is removed.
            add("timeout", json!({ "timeout": 0 }));
        }
        if state.reset {
            add("reset_peer", json!({ "timeout": 0 }));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::super::OneWay;
    use super::*;
    use crate::lever::Ways;

    fn of(way: OneWay, ways: Ways) -> Vec<String> {
        let all = toxics(State::of(way, ways)).into_iter();
        all.map(|toxic| format!("{} {:?} {}", toxic.kind, toxic.stream, toxic.attributes))
            .collect()
    }

    #[test]
    fn a_toxic_says_in_its_own_units_what_a_link_of_ours_does() {
        let ms = Duration::from_millis;
        let late = OneWay {
            delay: ms(50),
            jitter: ms(21),
            ..OneWay::default()
        };
        // From 50 ms to 72 ms: 61 ms, and 11 ms more or less.
        assert_eq!(
            of(late, Ways::ToRedis),
            [r#"latency Upstream {"jitter":11,"latency":61}"#]
        );
        let thin = OneWay {
            rate: Some(5_000.0),
            ..OneWay::default()
        };
        assert_eq!(
            of(thin, Ways::ToClient),
            [r#"bandwidth Downstream {"rate":5}"#]
        );
        let sliced = OneWay {
            slice: Some((200, ms(5))),
            ..OneWay::default()
        };
        assert_eq!(
            of(sliced, Ways::ToClient),
            [r#"slicer Downstream {"average_size":200,"delay":5000,"size_variation":0}"#]
        );
        let cut = OneWay {
            cut: true,
            ..OneWay::default()
        };
        assert_eq!(of(cut, Ways::Both).len(), 2);
        assert_eq!(of(OneWay::default(), Ways::Both), [""; 0]);
    }

    #[test]
    fn a_subscription_counts_in_the_database_of_whoever_asks() {
        let line = |id: u64, db: u64, sub: u64| {
            format!(
                "id={id} addr=10.0.0.{id}:4 fd=8 name= db={db} sub={sub} psub=0 cmd=subscribe\n"
            )
        };
        let list = [line(1, 3, 0), line(2, 3, 1), line(3, 0, 1), line(4, 3, 0)].concat();
        let found: Vec<(u64, String)> = subscribed(&list, 1).into_iter().collect();
        assert_eq!(found, [(2, "10.0.0.2:4".to_owned())]);
        // Whoever is not on the list has no database.
        assert!(subscribed(&list, 9).is_empty());
    }
}
