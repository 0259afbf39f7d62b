//! What a Prometheus would scrape of a fleet that is running: Redis, as asynq's collector and redis_exporter show it, and the
//! processes that were named. Nothing is written.

use crate::args::MetricsPage;
use firedrill_asynq::broker::redis::address::Address;
use firedrill_asynq::broker::redis::{RedisBroker, RedisOptions};
use firedrill_asynq::clock::ClockOrigin;
use firedrill_asynq::inspector::Inspector;
use firedrill_asynq::op::BrokerError;
use firedrill_detector::Labels;
use firedrill_detector::sample::stale_marker;
use firedrill_sim::engine::live::exporter::{asynq_now, redis_facts, redis_values};
use firedrill_sim::http::get::{Client, Url};
use firedrill_sim::metrics::{Value, exposition};
use firedrill_sim::scrape::{SeriesTable, Target};
use firedrill_sim::world::World;
use futures_util::future::join_all;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// How long an answer is waited for, as Prometheus does unless it is told otherwise (`scrape_timeout`).
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// The jobs under which Prometheus has Redis and asynq's queues.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Jobs {
    pub(crate) redis: String,
    pub(crate) asynq: String,
}

/// A process that was named by `--metrics`.
pub(crate) struct Page {
    pub(crate) url: Url,
    is_worker: bool,
    target: Target,
    /// How often it was asked, how often it answered, and what was wrong last.
    pub(crate) asked: u64,
    pub(crate) answered: u64,
    pub(crate) trouble: Option<String>,
}

/// What one scrape of all of it came to.
#[derive(Debug, Default)]
pub(crate) struct Scraped {
    /// Series that were not there before, with their numbers.
    pub(crate) new: Vec<(u32, Labels)>,
    /// Samples by number.
    pub(crate) samples: Vec<(u32, f64)>,
    /// What asynq's collector shows, without labels of its target; none where Redis does not answer.
    pub(crate) asynq: Vec<Value>,
    /// What redis_exporter shows, likewise.
    pub(crate) redis: Vec<Value>,
}

/// Where the queues are.
#[derive(Clone)]
pub(crate) enum Queues {
    /// In a Redis that has answered.
    In(RedisBroker),
    /// In one that is asked at the next scrape.
    At(Box<Address>),
    /// In one that did not answer and is not asked again.
    Nowhere,
}

/// What all that is scraped has answered, each by itself; `None`: it failed, or took too long.
#[derive(Default)]
pub(crate) struct Answers {
    /// The Redis, if it answers.
    broker: Option<RedisBroker>,
    /// Why it does not let us look, if it does not.
    pub(crate) refused: Option<BrokerError>,
    /// What Redis says of itself.
    info: Option<String>,
    asynq: Option<Vec<Value>>,
    /// Workers by their heartbeats, as `host:pid`.
    beating: Vec<String>,
    /// In the order in which pages were named.
    pages: Vec<Result<Vec<Value>, String>>,
}

/// All that is scraped.
pub(crate) struct Targets {
    queues: Queues,
    series: SeriesTable,
    redis: Target,
    asynq: Target,
    pub(crate) pages: Vec<Page>,
    /// Who asks for them.
    client: Arc<Client>,
    world: World,
    /// Series of workers that are known by their heartbeats.
    beating: BTreeSet<u32>,
}

impl Targets {
    /// Of a Redis that is called `shown`, and these pages.
    pub(crate) fn new(
        (shown, queues): (&str, Queues),
        pages: &[MetricsPage],
        client: Arc<Client>,
        jobs: &Jobs,
        world: World,
    ) -> Self {
        let mut series = SeriesTable::default();
        let mut target = |job: &str, instance: &str| Target::new((job, instance), &[], &mut series);
        let pages = pages.iter().map(|page| Page {
            target: target(&page.job, &page.url.place()),
            is_worker: page.job == "worker",
            url: page.url.clone(),
            asked: 0,
            answered: 0,
            trouble: None,
        });
        let pages = pages.collect();
        Self {
            redis: target(&jobs.redis, shown),
            asynq: target(&jobs.asynq, shown),
            queues,
            series,
            pages,
            client,
            world,
            beating: BTreeSet::new(),
        }
    }

    /// Asks all of it at once, at the time of `clock`; who has not answered within `patience` has failed.
    pub(crate) fn ask(
        &self,
        clock: ClockOrigin,
        patience: Duration,
    ) -> impl Future<Output = Answers> + use<> {
        let queues = self.queues.clone();
        let client = self.client.clone();
        let urls: Vec<Url> = self.pages.iter().map(|page| page.url.clone()).collect();
        async move {
            let pages = urls.iter().map(|url| fetched(&client, url, patience));
            let (redis, pages) = tokio::join!(queues.ask(clock, patience), join_all(pages));
            Answers { pages, ..redis }
        }
    }

    /// Takes in what was answered, at the time of `clock`. `beside`: what else is known of the queues where they can be read.
    pub(crate) fn take(
        &mut self,
        answers: Answers,
        clock: ClockOrigin,
        beside: Vec<Value>,
    ) -> Scraped {
        if let Some(broker) = answers.broker {
            self.queues = Queues::In(broker);
        }
        let facts = answers.info.as_deref().map(redis_facts);
        let redis = redis_values(&self.world, facts.as_ref(), clock.now());
        let asynq = answers.asynq;
        let mut scraped = Scraped {
            asynq: asynq.clone().unwrap_or_default(),
            redis: redis.clone(),
            ..Scraped::default()
        };
        let samples = &mut scraped.samples;
        samples.extend(self.redis.scraped_values(Some(redis), &mut self.series));
        let asynq = asynq.map(|values| values.into_iter().chain(beside).collect());
        samples.extend(self.asynq.scraped_values(asynq, &mut self.series));
        let mut worker_answers = false;
        for (page, answer) in self.pages.iter_mut().zip(answers.pages) {
            let values = page.note(answer);
            worker_answers |= page.is_worker && values.is_some();
            samples.extend(page.target.scraped_values(values, &mut self.series));
        }
        // Workers as Redis knows them, in the place of those that no page was named of.
        let beating = match worker_answers {
            true => Vec::new(),
            false => answers.beating,
        };
        samples.extend(self.heartbeats(&beating));
        scraped.new = self.series.take_new();
        scraped
    }

    fn heartbeats(&mut self, names: &[String]) -> Vec<(u32, f64)> {
        let up = |name: &String| {
            let labels = [("job", "worker"), ("instance", name.as_str())];
            self.series.number(&Labels::metric("up", labels))
        };
        let beating: BTreeSet<u32> = names.iter().map(up).collect();
        let gone = self.beating.difference(&beating);
        let mut samples: Vec<(u32, f64)> = gone.map(|gone| (*gone, stale_marker())).collect();
        samples.extend(beating.iter().map(|number| (*number, 1.0)));
        self.beating = beating;
        samples
    }
}

impl Queues {
    /// Asks Redis, which is opened first if it is not.
    async fn ask(self, clock: ClockOrigin, patience: Duration) -> Answers {
        let deadline = Instant::now() + patience;
        let mut answers = Answers::default();
        match self {
            Self::In(broker) => answers.broker = Some(broker),
            Self::At(address) => {
                let opening = RedisBroker::open(&address, RedisOptions::at_speed(1.0));
                match timeout_at(deadline, opening).await {
                    Ok(Ok(broker)) => answers.broker = Some(broker),
                    Ok(Err(BrokerError::Unreachable(_))) | Err(_) => {}
                    Ok(Err(error)) => answers.refused = Some(error),
                }
            }
            Self::Nowhere => {}
        }
        if let Some(broker) = &answers.broker {
            let info = timeout_at(deadline, broker.info());
            let asynq = timeout_at(deadline, asynq_now(broker, clock));
            let beating = timeout_at(deadline, beating(broker, clock));
            let (info, asynq, beating) = tokio::join!(info, asynq, beating);
            answers.info = info.ok().and_then(Result::ok);
            answers.asynq = asynq.ok().flatten();
            answers.beating = beating.unwrap_or_default();
        }
        answers
    }
}

/// The workers whose heartbeats Redis has, as `host:pid`.
async fn beating(broker: &RedisBroker, clock: ClockOrigin) -> Vec<String> {
    let inspector = Inspector::new(broker.clone());
    let servers = inspector.servers(clock.now()).await.unwrap_or_default();
    let names = servers.servers.iter();
    names
        .map(|server| format!("{}:{}", server.info.host, server.info.pid))
        .collect()
}

async fn fetched(client: &Client, url: &Url, patience: Duration) -> Result<Vec<Value>, String> {
    let text = client.get(url, patience).await;
    let text = text.map_err(|error| error.to_string())?;
    exposition::decode(&text).map_err(|error| format!("{url}: {error}"))
}

impl Page {
    /// Notes what came of asking for it.
    fn note(&mut self, answer: Result<Vec<Value>, String>) -> Option<Vec<Value>> {
        self.asked += 1;
        match answer {
            Ok(values) => {
                self.answered += 1;
                Some(values)
            }
            Err(error) => {
                self.trouble = Some(error);
                None
            }
        }
    }
}
