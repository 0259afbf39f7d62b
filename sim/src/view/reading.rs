//! What scrapes say, as figures: depth, rates, waits, who is up.

use super::history::{Figure, Values};
use super::{Queue, STATES, clock};
use crate::metrics::{Value, exposition};
use crate::world::World;
use firedrill_asynq::exporter::QueueSeries;
use firedrill_detector::Labels;
use std::collections::{BTreeMap, BTreeSet};

/// Which targets are workers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Workers {
    /// Those of this job.
    Job(String),
    /// Those with this job and instance.
    These(BTreeSet<(String, String)>),
}

impl Workers {
    fn has(&self, labels: &Labels) -> bool {
        let label = |name| labels.get(name).unwrap_or_default();
        match self {
            Self::Job(job) => label("job") == job,
            Self::These(these) => {
                these.contains(&(label("job").to_owned(), label("instance").to_owned()))
            }
        }
    }
}

/// Tasks that are done and kept.
const COMPLETED: Role = Role::Tasks(STATES.len() - 1);

/// What a series tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Role {
    /// By the number of the state in [`STATES`].
    Tasks(usize),
    Size,
    Oldest,
    Paused,
    Processed,
    Failed,
    Enqueued,
    Worker,
    Redis,
}

impl Role {
    fn of(labels: &Labels, workers: &Workers) -> Option<Self> {
        let name = labels.name();
        if name == QueueSeries::Tasks(0).name() {
            let state = STATES
                .iter()
                .position(|state| Some(*state) == labels.get("state"));
            return state.map(Self::Tasks);
        }
        let of_queue = [
            (QueueSeries::Size, Self::Size),
            (QueueSeries::Latency, Self::Oldest),
            (QueueSeries::Paused, Self::Paused),
            (QueueSeries::Processed, Self::Processed),
            (QueueSeries::Failed, Self::Failed),
        ];
        if let Some((_, role)) = of_queue
            .into_iter()
            .find(|(series, _)| series.name() == name)
        {
            return Some(role);
        }
        match name {
            "job_enqueued_total" if labels.get("result") == Some("ok") => Some(Self::Enqueued),
            "up" if workers.has(labels) => Some(Self::Worker),
            "redis_up" => Some(Self::Redis),
            _ => None,
        }
    }

    fn is_counter(self) -> bool {
        matches!(self, Self::Processed | Self::Failed | Self::Enqueued)
    }

    /// Whether it is told how fast it changes.
    fn is_rated(self) -> bool {
        self.is_counter() || matches!(self, Self::Size | COMPLETED)
    }
}

/// A series and its last sample.
#[derive(Debug)]
struct Series {
    labels: Labels,
    role: Option<Role>,
    at_ms: i64,
    now: Option<f64>,
    /// How much it grew per second, where that tells something.
    per_s: Option<f64>,
}

/// All series that were scraped, as they are now.
#[derive(Debug)]
pub(super) struct Reading {
    workers: Workers,
    world: World,
    series: BTreeMap<u32, Series>,
    /// Those that tell something.
    telling: Vec<u32>,
}

impl Reading {
    pub(super) fn new(workers: Workers, world: World) -> Self {
        Self {
            workers,
            world,
            series: BTreeMap::new(),
            telling: Vec::new(),
        }
    }

    /// A series appears.
    pub(super) fn series(&mut self, id: u32, labels: &Labels) {
        let role = Role::of(labels, &self.workers);
        let series = Series {
            labels: labels.clone(),
            role,
            at_ms: 0,
            now: None,
            per_s: None,
        };
        if self.series.insert(id, series).is_none() && role.is_some() {
            self.telling.push(id);
        }
    }

    /// Samples of a time. A staleness marker, as any NaN, says that a value is not known any more.
    pub(super) fn scrape(&mut self, at_ms: i64, samples: &[(u32, f64)]) {
        for (id, value) in samples {
            let Some(series) = self.series.get_mut(id) else {
                continue;
            };
            let value = (!value.is_nan()).then_some(*value);
            if let Some(role) = series.role.filter(|role| role.is_rated()) {
                series.per_s = match (series.now, value) {
                    // A counter that fell began anew: how much it grew, nobody knows.
                    (Some(before), Some(now)) if now < before && role.is_counter() => None,
                    (Some(before), Some(now)) if at_ms > series.at_ms => {
                        Some((now - before) * 1e3 / (at_ms - series.at_ms) as f64)
                    }
                    _ => None,
                };
            }
            series.now = value;
            series.at_ms = at_ms;
        }
    }

    /// Values by role and queue. Several exporters of one Redis say the same: the one that says most counts.
    fn by_queue(&self, of: impl Fn(&Series) -> Option<f64>) -> BTreeMap<(Role, &str), f64> {
        let mut found = BTreeMap::new();
        for series in self.telling.iter().filter_map(|id| self.series.get(id)) {
            let (Some(role), Some(queue)) = (series.role, series.labels.get("queue")) else {
                continue;
            };
            if let (false, Some(value)) = (role == Role::Enqueued, of(series)) {
                let most = found.entry((role, queue)).or_insert(value);
                *most = value.max(*most);
            }
        }
        found
    }

    /// Those series that have this role, and their last values.
    fn of_role(&self, role: Role) -> impl Iterator<Item = &Series> {
        let all = self.telling.iter().filter_map(|id| self.series.get(id));
        all.filter(move |series| series.role == Some(role))
    }

    /// The figures of now.
    pub(super) fn values(&self) -> Values {
        let now = self.by_queue(|series| series.now);
        let rates = self.by_queue(|series| series.per_s);
        let all = |of: &BTreeMap<(Role, &str), f64>, role: Role| {
            let of = of.iter().filter(|((own, _), _)| *own == role);
            of.map(|(_, value)| *value).collect::<Vec<f64>>()
        };
        let sum = |values: Vec<f64>| (!values.is_empty()).then(|| values.iter().sum::<f64>());
        let mut values = Values::default();
        for (state, figure) in [
            Figure::Pending,
            Figure::Active,
            Figure::Scheduled,
            Figure::Retry,
            Figure::Archived,
        ]
        .into_iter()
        .enumerate()
        {
            values.set(figure, sum(all(&now, Role::Tasks(state))));
        }
        let oldest = all(&now, Role::Oldest).into_iter().reduce(f64::max);
        values.set(Figure::Oldest, oldest);
        let processed = sum(all(&rates, Role::Processed));
        let failed = sum(all(&rates, Role::Failed));
        values.set(Figure::Failed, failed);
        // asynq counts every execution as processed.
        let done = processed
            .zip(failed)
            .map(|(all, failed)| (all - failed).max(0.0));
        values.set(Figure::Done, done);
        let enqueued = self
            .of_role(Role::Enqueued)
            .filter_map(|series| series.per_s);
        let arrivals = sum(enqueued.collect());
        values.set(Figure::Arrivals, arrivals);
        // What came is there, or done; what is done and kept is counted already.
        let grew = sum(all(&rates, Role::Size)).zip(sum(all(&rates, COMPLETED)));
        let net = grew.zip(done).filter(|_| arrivals.is_none());
        let net = net.map(|((all, kept), done)| (all - kept + done).max(0.0));
        values.set(Figure::Net, net);
        values
    }

    /// How many workers answer, and of how many.
    pub(super) fn workers(&self) -> Option<(usize, usize)> {
        let known: Vec<f64> = self
            .of_role(Role::Worker)
            .filter_map(|series| series.now)
            .collect();
        let up = known.iter().filter(|up| **up == 1.0).count();
        let was_ever = self.of_role(Role::Worker).next().is_some();
        was_ever.then_some((up, known.len()))
    }

    /// Whether Redis answers; `None`: nobody says.
    pub(super) fn redis_is_up(&self) -> Option<bool> {
        let said: Vec<f64> = self
            .of_role(Role::Redis)
            .filter_map(|series| series.now)
            .collect();
        (!said.is_empty()).then(|| said.contains(&1.0))
    }

    /// The queues, by name.
    pub(super) fn queues(&self) -> Vec<Queue> {
        let now = self.by_queue(|series| series.now);
        let names: BTreeSet<&str> = now.keys().map(|(_, queue)| *queue).collect();
        let queues = names.into_iter().map(|name| {
            let value = |role| now.get(&(role, name)).copied();
            let tasks =
                std::array::from_fn(|state| value(Role::Tasks(state)).map(|count| count as u64));
            let oldest = value(Role::Oldest).map(|seconds| clock((seconds * 1e3) as i64));
            Queue {
                name: name.to_owned(),
                tasks,
                oldest: oldest.unwrap_or_default(),
                paused: value(Role::Paused) == Some(1.0),
            }
        });
        queues.collect()
    }

    /// All that is exposed now, as text, with the labels of the targets; empty: nothing was scraped.
    pub(super) fn exposed(&self) -> String {
        let known = self.series.values();
        let mut values: Vec<Value> = known
            .filter_map(|series| Some((series.labels.clone(), series.now?)))
            .collect();
        // A family stands together, and within it what was seen first.
        values.sort_by_cached_key(|(labels, _)| {
            exposition::family_in(&self.world, labels.name()).to_owned()
        });
        exposition::encode_in(&values, &self.world)
    }

    /// Forgets what was scraped.
    pub(super) fn clear(&mut self) {
        self.series.clear();
        self.telling.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use firedrill_detector::sample::stale_marker;

    fn reading(series: &[&str]) -> Reading {
        let mut reading = Reading::new(Workers::Job("worker".into()), World::default());
        for (id, text) in series.iter().enumerate() {
            let (labels, _) = exposition::decode(&format!("{text} 0")).unwrap().remove(0);
            reading.series(u32::try_from(id).unwrap(), &labels);
        }
        reading
    }

    #[test]
    fn figures_are_what_was_scraped_and_nothing_else() {
        let mut reading = reading(&[
            r#"asynq_tasks_enqueued_total{queue="a",state="pending"}"#,
            r#"asynq_tasks_enqueued_total{queue="b",state="pending"}"#,
            r#"asynq_tasks_processed_total{queue="a"}"#,
            r#"asynq_tasks_failed_total{queue="a"}"#,
            r#"asynq_queue_latency_seconds{queue="a"}"#,
            r#"up{job="worker",instance="w-0"}"#,
            r#"up{job="worker",instance="w-1"}"#,
            r#"up{job="other",instance="x"}"#,
            "redis_up",
        ]);
        assert_eq!(reading.values(), Values::default());
        assert_eq!(
            (reading.workers(), reading.redis_is_up()),
            (Some((0, 0)), None)
        );
        reading.scrape(
            0,
            &[
                (0, 3.0),
                (1, 4.0),
                (2, 10.0),
                (3, 1.0),
                (4, 7.5),
                (5, 1.0),
                (6, 0.0),
                (7, 1.0),
                (8, 1.0),
            ],
        );
        let values = reading.values();
        assert_eq!(values.get(Figure::Pending), Some(7.0));
        assert_eq!(values.get(Figure::Active), None);
        assert_eq!(values.get(Figure::Done), None, "one look is no rate");
        assert_eq!(values.get(Figure::Oldest), Some(7.5));
        assert_eq!(
            (reading.workers(), reading.redis_is_up()),
            (Some((1, 2)), Some(true))
        );
        reading.scrape(10_000, &[(2, 60.0), (3, 11.0)]);
        let values = reading.values();
        assert_eq!(values.get(Figure::Done), Some(4.0));
        assert_eq!(values.get(Figure::Failed), Some(1.0));
        assert_eq!(
            values.get(Figure::Arrivals),
            None,
            "nobody counts them here"
        );
        // Redis lost its data: what was counted meanwhile, nobody knows.
        reading.scrape(20_000, &[(2, 0.0), (3, 0.0), (8, 0.0)]);
        assert_eq!(reading.values().get(Figure::Done), None);
        assert_eq!(reading.redis_is_up(), Some(false));
        // The exporter is gone, and so is what it said.
        reading.scrape(30_000, &[(0, stale_marker()), (1, stale_marker())]);
        assert_eq!(reading.values().get(Figure::Pending), None);
        let queues = reading.queues();
        assert_eq!(queues[0].tasks, [None; STATES.len()]);
        assert_eq!(queues[0].oldest, "0:07");
    }

    #[test]
    fn what_comes_is_what_queues_grow_by_and_what_is_done_unless_a_producer_counts() {
        let mut reading = reading(&[
            r#"asynq_queue_size{queue="a"}"#,
            r#"asynq_tasks_enqueued_total{queue="a",state="completed"}"#,
            r#"asynq_tasks_processed_total{queue="a"}"#,
            r#"asynq_tasks_failed_total{queue="a"}"#,
            r#"job_enqueued_total{result="ok"}"#,
        ]);
        reading.scrape(0, &[(0, 100.0), (1, 10.0), (2, 50.0), (3, 5.0)]);
        assert_eq!(reading.values().get(Figure::Net), None);
        // 120 come in ten seconds: 40 are done, 30 of which are kept; 15 fail and stay. 110 are more there, 30 of them done.
        reading.scrape(10_000, &[(0, 210.0), (1, 40.0), (2, 105.0), (3, 20.0)]);
        assert_eq!(reading.values().get(Figure::Net), Some(12.0));
        reading.scrape(10_000, &[(4, 0.0)]);
        reading.scrape(20_000, &[(4, 70.0)]);
        let values = reading.values();
        assert_eq!(
            (values.get(Figure::Arrivals), values.get(Figure::Net)),
            (Some(7.0), None)
        );
    }

    #[test]
    fn what_two_exporters_say_of_one_queue_counts_once() {
        let of = |instance: &str| {
            format!(
                r#"asynq_tasks_enqueued_total{{queue="a",state="retry",instance="{instance}"}}"#
            )
        };
        let mut reading = reading(&[&of("x"), &of("y")]);
        reading.scrape(0, &[(0, 5.0), (1, 4.0)]);
        assert_eq!(reading.values().get(Figure::Retry), Some(5.0));
    }

    #[test]
    fn what_is_exposed_stands_by_family() {
        let mut reading = reading(&[
            r#"job_processed_total{instance="w-0"}"#,
            r#"up{instance="w-0"}"#,
            r#"job_processed_total{instance="w-1"}"#,
        ]);
        assert_eq!(reading.exposed(), "");
        reading.scrape(0, &[(0, 1.0), (1, 1.0), (2, 2.0)]);
        let text = reading.exposed();
        assert_eq!(
            text.matches("# TYPE job_processed_total").count(),
            1,
            "{text}"
        );
        assert_eq!(exposition::decode(&text).unwrap().len(), 3, "{text}");
    }
}
