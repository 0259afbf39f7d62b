//! What a Prometheus would scrape of a fleet that is running: Redis, as asynq's collector and redis_exporter show it, and the
//! processes that were named. Nothing is written.

use crate::args::MetricsPage;
use firedrill_asynq::broker::redis::RedisBroker;
use firedrill_asynq::clock::ClockOrigin;
use firedrill_asynq::inspector::Inspector;
use firedrill_detector::Labels;
use firedrill_detector::sample::stale_marker;
use firedrill_sim::engine::live::exporter::{asynq_now, redis_facts, redis_values};
use firedrill_sim::http::get::{Client, Url};
use firedrill_sim::metrics::{Value, exposition};
use firedrill_sim::scrape::{SeriesTable, Target};
use firedrill_sim::world::World;
use std::collections::BTreeSet;
use std::time::Duration;

/// How long a page is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

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

/// All that is scraped.
pub(crate) struct Targets<'c> {
    /// Where the queues are; `None`: there is none by now.
    pub(crate) broker: Option<RedisBroker>,
    series: SeriesTable,
    redis: Target,
    asynq: Target,
    pub(crate) pages: Vec<Page>,
    /// Who asks for them.
    client: &'c Client,
    world: World,
    /// Series of workers that are known by their heartbeats.
    beating: BTreeSet<u32>,
}

impl<'c> Targets<'c> {
    /// Of a Redis that is called `shown`, and these pages.
    pub(crate) fn new(
        (shown, broker): (&str, Option<RedisBroker>),
        pages: &[MetricsPage],
        client: &'c Client,
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
            broker,
            series,
            pages,
            client,
            world,
            beating: BTreeSet::new(),
        }
    }

    /// Scrapes all of it once, at the time of `clock`. `beside`: what else is known of the queues where they can be read.
    pub(crate) async fn scrape(&mut self, clock: ClockOrigin, beside: Vec<Value>) -> Scraped {
        let (mut info, mut asynq) = (None, None);
        if let Some(broker) = &self.broker {
            info = broker.info().await.ok();
            asynq = asynq_now(broker, clock).await;
        }
        let facts = info.as_deref().map(redis_facts);
        let redis = redis_values(&self.world, facts.as_ref(), clock.now());
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
        for page in &mut self.pages {
            let values = page.fetch(self.client).await;
            worker_answers |= page.is_worker && values.is_some();
            samples.extend(page.target.scraped_values(values, &mut self.series));
        }
        samples.extend(self.heartbeats(clock, worker_answers).await);
        scraped.new = self.series.take_new();
        scraped
    }

    /// Workers as Redis knows them, in the place of those that no page was named of.
    async fn heartbeats(&mut self, clock: ClockOrigin, worker_answers: bool) -> Vec<(u32, f64)> {
        let mut beating = BTreeSet::new();
        if let (Some(broker), false) = (&self.broker, worker_answers) {
            let inspector = Inspector::new(broker.clone());
            let servers = inspector.servers(clock.now()).await.unwrap_or_default();
            for server in servers.servers {
                let info = server.info;
                let name = format!("{}:{}", info.host, info.pid);
                let labels = [("job", "worker"), ("instance", name.as_str())];
                beating.insert(self.series.number(&Labels::metric("up", labels)));
            }
        }
        let gone = self.beating.difference(&beating);
        let mut samples: Vec<(u32, f64)> = gone.map(|gone| (*gone, stale_marker())).collect();
        samples.extend(beating.iter().map(|number| (*number, 1.0)));
        self.beating = beating;
        samples
    }
}

impl Page {
    async fn fetch(&mut self, client: &Client) -> Option<Vec<Value>> {
        self.asked += 1;
        let fetched = client.get(&self.url, PATIENCE).await;
        let values = fetched.map_err(|error| error.to_string()).and_then(|text| {
            exposition::decode(&text).map_err(|error| format!("{}: {error}", self.url))
        });
        match values {
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
