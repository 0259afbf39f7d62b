//! What the commands of a runbook are tried on: what was named, or a Redis, a worker and pages of metrics of our own.

mod private;

use crate::args::{Redis, RunbookCheck};
use crate::failure::Failure;
use crate::inputs;
use firedrill_asynq::broker::redis::RedisBroker;
use firedrill_asynq::broker::redis::RedisOptions;
use firedrill_asynq::broker::redis::address::Address;
use firedrill_asynq::clock::ClockOrigin;
use firedrill_asynq::inspector::{Inspector, Page as Listing};
use firedrill_asynq::op::TaskState;
use firedrill_detector::Labels;
use firedrill_sim::http::get::{Client, Url};
use firedrill_sim::metrics::exposition;
use private::Private;
use std::collections::BTreeSet;
use std::time::Duration;

/// How long a page is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// What commands are tried on.
pub(super) struct Stand {
    /// None: no Redis was named.
    pub(super) redis: Option<Queues>,
    pages: Vec<Page>,
    /// Whether the Docker engine that `docker` asks belongs to it.
    pub(super) docker: bool,
    /// Whether the cluster that `kubectl` asks belongs to it.
    pub(super) kube: bool,
    /// Ours; it ends with this.
    private: Option<Private>,
}

/// A Redis with queues.
pub(super) struct Queues {
    pub(super) address: Address,
    pub(super) inspector: Inspector,
    /// Names of its queues.
    pub(super) names: Vec<String>,
}

/// A page of metrics.
struct Page {
    url: Url,
    /// Where runbooks say it is: `host:port`.
    known_as: Option<String>,
    of: Of,
    /// What it shows.
    series: Vec<Labels>,
}

/// Whose page of metrics it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    Application,
    Asynq,
    RedisExporter,
}

/// Ports that a page of this machine may have without being the application's: whose it is then; `None`: of a program that no stand
/// has.
const USUAL_PORTS: [(&str, &str, Option<Of>); 7] = [
    ("9121", "redis_exporter", Some(Of::RedisExporter)),
    ("9876", "asynq's metrics exporter", Some(Of::Asynq)),
    ("9090", "Prometheus", None),
    ("9091", "Pushgateway", None),
    ("9093", "Alertmanager", None),
    ("9100", "node_exporter", None),
    ("3000", "Grafana", None),
];

impl Stand {
    /// Connects to what was named, or starts what is ours, with the queues that the runbook names.
    ///
    /// # Errors
    /// When what was named does not answer, or nothing can be started.
    pub(super) async fn new(args: &RunbookCheck, queues: &[String]) -> Result<Self, Failure> {
        let client = inputs::http_client(args.http_config.as_deref())?;
        let (docker, kube) = (args.docker, args.kube);
        let is_private = args.redis.is_none() && args.metrics.is_empty();
        let mut stand = Self {
            redis: None,
            pages: Vec::new(),
            docker,
            kube,
            private: None,
        };
        if is_private {
            let private = Private::start(queues, &args.world).await?;
            stand.redis = Some(Queues::connect(private.address.clone()).await?);
            let of = [Of::Application, Of::Asynq, Of::RedisExporter];
            for (place, of) in private.pages.iter().zip(of) {
                let url = format!("http://{place}/metrics");
                let url = url.parse().map_err(Failure::internal)?;
                let page = Page::fetched(url, None, of, &client).await?;
                stand.pages.push(page);
            }
            stand.private = Some(private);
            return Ok(stand);
        }
        if let Some(redis) = &args.redis {
            let address = match redis {
                Redis::Given(address) => address,
                Redis::Unreadable(error) => {
                    return Err(Failure::usage(format!("--redis: {error}")));
                }
                Redis::Auto | Redis::Local | Redis::Docker => {
                    return Err(Failure::usage(
                        "--redis: name the Redis to try commands on, such as redis://host:6379/0; without, they are tried on one of ours",
                    ));
                }
            };
            stand.redis = Some(Queues::connect((**address).clone()).await?);
        }
        for named in &args.metrics {
            let known_as = named.known_as.clone();
            let page = Page::fetched(named.url.clone(), known_as, Of::Application, &client).await?;
            stand.pages.push(page);
        }
        Ok(stand)
    }

    /// Ends what is ours.
    pub(super) async fn end(self) {
        if let Some(private) = self.private {
            private.end().await;
        }
    }

    /// Whether all of it is ours, so that nothing in it is the reader's own.
    pub(super) const fn is_ours(&self) -> bool {
        self.private.is_some()
    }

    /// What it is, a phrase for each part.
    pub(super) fn told(&self) -> Vec<String> {
        let mut told = Vec::new();
        if let Some(queues) = &self.redis {
            let own = if self.is_ours() {
                "a Redis of our own"
            } else {
                "the Redis"
            };
            let names = match queues.names.is_empty() {
                true => "no queue".to_owned(),
                false => format!("queues {}", queues.names.join(", ")),
            };
            let place = if self.is_ours() {
                String::new()
            } else {
                format!(" {}", queues.address.place())
            };
            told.push(format!("{own}{place}, {names}"));
        }
        for page in self.pages.iter().filter(|page| page.of == Of::Application) {
            told.push(format!("the metrics of {}", page.url));
        }
        if self.docker {
            told.push("the Docker engine that `docker` asks".to_owned());
        }
        if self.kube {
            told.push("the cluster that `kubectl` asks".to_owned());
        }
        told
    }

    /// Names of everything its pages show; `None`: it has no page.
    pub(super) fn exposed(&self) -> Option<BTreeSet<&str>> {
        let series = self.pages.iter().flat_map(|page| &page.series);
        (!self.pages.is_empty()).then(|| series.map(Labels::name).collect())
    }

    /// Values of a label, of all series of a metric.
    pub(super) fn values_of(&self, metric: &str, label: &str) -> BTreeSet<&str> {
        let series = self.pages.iter().flat_map(|page| &page.series);
        let own = series.filter(|labels| labels.name() == metric);
        own.filter_map(|labels| labels.get(label)).collect()
    }

    /// Whether a value is one that a stand of ours has made up: a queue or a task type.
    pub(super) fn has_made_up(&self, value: &str) -> bool {
        let queues = self.redis.iter().flat_map(|queues| &queues.names);
        let mut made_up = private::TASK_TYPES
            .into_iter()
            .chain(queues.map(String::as_str));
        self.is_ours() && made_up.any(|own| own == value)
    }

    /// Where an address of a runbook is asked here: itself if it is part of the stand; else, if it is one of this machine or one
    /// that was named, the page that stands for it.
    ///
    /// # Errors
    /// Why nothing of the stand can answer for it.
    pub(super) fn place_of(&self, url: &Url) -> Result<Url, String> {
        let place = url.place();
        let is_page = |page: &&Page| page.url.place() == place;
        if self.pages.iter().any(|page| is_page(&page)) {
            return Ok(url.clone());
        }
        let named = self
            .pages
            .iter()
            .find(|page| page.known_as.as_ref() == Some(&place));
        if let Some(page) = named {
            let asked = format!("{}{}", origin(&page.url), path(url));
            return asked.parse().map_err(|error| format!("{asked}: {error}"));
        }
        let name_it = format!("name it with --metrics {place}=URL");
        if !is_loopback(&place) {
            return Err(format!(
                "{place} is neither this machine nor a part of the stand; {name_it}"
            ));
        }
        let port = place.rsplit_once(':').map_or("", |(_, port)| port);
        let usual = USUAL_PORTS.iter().find(|(usual, ..)| *usual == port);
        let (program, of) = match usual {
            Some((_, program, of)) => (*program, *of),
            None => ("the application", Some(Of::Application)),
        };
        let same_path = |page: &&Page| Some(page.of) == of && path(&page.url) == path(url);
        let mut stand_in = self
            .pages
            .iter()
            .filter(|page| page.known_as.is_none())
            .filter(same_path);
        match (stand_in.next(), stand_in.next()) {
            (Some(page), None) => Ok(page.url.clone()),
            (Some(_), Some(_)) => Err(format!(
                "several pages of this stand could stand for {place}; {name_it}"
            )),
            (None, _) => Err(format!(
                "this stand has no page {} of {program}, which {place} is taken for; {name_it}",
                path(url)
            )),
        }
    }
}

/// The beginning of an address: scheme, host and port.
fn origin(url: &Url) -> String {
    let shown = url.to_string();
    let length = shown.find(&url.place()).map(|at| at + url.place().len());
    shown[..length.unwrap_or(shown.len())].to_owned()
}

/// The rest of it.
fn path(url: &Url) -> String {
    url.to_string()[origin(url).len()..].to_owned()
}

/// Whether `host:port` is this machine.
fn is_loopback(place: &str) -> bool {
    let host = place.rsplit_once(':').map_or(place, |(host, _)| host);
    matches!(host, "localhost" | "127.0.0.1" | "[::1]")
}

impl Queues {
    async fn connect(address: Address) -> Result<Self, Failure> {
        let shown = address.place();
        let refused =
            |error: &dyn std::fmt::Display| Failure::environment(format!("{shown}: {error}"));
        let broker = RedisBroker::open(&address, RedisOptions::at_speed(1.0)).await;
        let inspector = Inspector::new(broker.map_err(|error| refused(&error))?);
        let names = inspector.queues().await.map_err(|error| refused(&error))?;
        Ok(Self {
            address,
            inspector,
            names,
        })
    }

    /// The id of a task of a queue, whichever can be had.
    pub(super) async fn any_task(&self, queue: &str) -> Option<String> {
        let now = ClockOrigin::real_time().now();
        let one = Listing { number: 1, size: 1 };
        let states = [
            TaskState::Retry,
            TaskState::Archived,
            TaskState::Pending,
            TaskState::Active,
            TaskState::Scheduled,
        ];
        for state in states {
            let listed = self.inspector.list_tasks(queue, state, "", one, now).await;
            if let Some(task) = listed.ok().and_then(|list| list.tasks.into_iter().next()) {
                return Some(task.message.id);
            }
        }
        None
    }
}

impl Page {
    async fn fetched(
        url: Url,
        known_as: Option<String>,
        of: Of,
        client: &Client,
    ) -> Result<Self, Failure> {
        let text = client
            .get(&url, PATIENCE)
            .await
            .map_err(Failure::environment)?;
        let values = exposition::decode(&text);
        let values = values.map_err(|error| Failure::environment(format!("{url}: {error}")))?;
        Ok(Self {
            url,
            known_as,
            of,
            series: values.into_iter().map(|(labels, _)| labels).collect(),
        })
    }
}
