//! What a Prometheus would have scraped of the model.

use crate::engine::virtual_time::pools::Pools;
use crate::engine::virtual_time::process::Process;
use crate::engine::virtual_time::redis::VirtualRedis;
use crate::engine::{EXPORTERS, Observation, Sink, Source};
use crate::metrics::kube::{KubeSeries, Pods};
use crate::metrics::redis::{self, RedisFacts, RedisSeries};
use crate::metrics::{
    App, EnqueueSeries, JobSeries, PoolSeries, ProducerMetrics, counts_as_started, go, queue_labels,
};
use crate::plan::{Plan, TargetPlan};
use crate::scrape::{SeriesTable, Target};
use crate::world::{Exporter, World};
use firedrill_asynq::clock::Time;
use firedrill_asynq::exporter::{QueueSeries, each_of_queue};
use firedrill_asynq::op::{Op, Reply};
use firedrill_detector::Labels;
use std::collections::BTreeMap;
use std::io;

/// A series of a target, without its labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Queue(u16, QueueSeries),
    Job(u16, JobSeries),
    /// Of a kind of task, what the producer tells.
    Enqueued(usize, EnqueueSeries),
    /// Of a pool, by the number of its resource.
    Pool(usize, PoolSeries),
    Redis(RedisSeries),
    Kube(KubeSeries),
    Named(&'static str),
}

/// The numbers of a target's series seen so far.
#[derive(Debug, Default)]
struct Numbers {
    by_key: BTreeMap<Key, u32>,
    /// As they came last: mostly they come like that again, and need not be looked for.
    last: Vec<(Key, u32)>,
}

impl Numbers {
    /// The number of what comes at this place of a scrape; `made` for a series that is new.
    fn of(&mut self, place: usize, key: Key, made: impl FnOnce() -> u32) -> u32 {
        if let Some((known, number)) = self.last.get(place)
            && *known == key
        {
            return *number;
        }
        let number = *self.by_key.entry(key).or_insert_with(made);
        match self.last.get_mut(place) {
            Some(last) => *last = (key, number),
            None => self.last.push((key, number)),
        }
        number
    }
}

/// The targets, with the numbers of the series seen so far.
#[derive(Debug)]
pub(crate) struct Scrapes {
    targets: Vec<(Target, Numbers)>,
    plans: Vec<TargetPlan>,
    app: App,
    world: World,
    shows_memory: bool,
    series: SeriesTable,
    /// Names of the plan's queues, and their numbers in order of names.
    queues: Vec<String>,
    queues_by_name: Vec<u16>,
    kinds: Vec<(String, String)>,
    /// Names of the plan's resources, and how many may hold each.
    resources: Vec<String>,
    slots: Vec<u32>,
    /// When the producer started.
    started: Time,
    /// Whether Prometheus reaches each target.
    reachable: Vec<bool>,
    /// Of each target that is not found, at how many scrapes it was missed; `None`: Prometheus does not know it.
    missed: BTreeMap<usize, Option<u32>>,
}

/// What Prometheus makes of a target when it is due to be scraped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Member {
    /// It is found.
    Found,
    /// It is not, and not scraped.
    Unknown,
    /// It has not been found for long enough: what is known of it ends in a moment.
    LetGo,
}

/// As for real: `endOfRunStaleness`.
const SLOTS_KEPT: u32 = 2;

impl Scrapes {
    pub(crate) fn new(plan: &Plan, kinds: &[(String, String)]) -> Self {
        let mut series = SeriesTable::default();
        let mut targets = Vec::new();
        let plans = crate::engine::targets(plan);
        for plan in &plans {
            let target = Target::new((&plan.job, &plan.instance), &plan.labels, &mut series);
            let target = target.honoring_labels(plan.honors_labels());
            targets.push((target, Numbers::default()));
        }
        let queues: Vec<String> = plan.queues.iter().map(|queue| queue.name.clone()).collect();
        let mut queues_by_name: Vec<u16> = (0..).take(queues.len()).collect();
        queues_by_name.sort_by_key(|queue| &queues[usize::from(*queue)]);
        Self {
            reachable: vec![true; targets.len()],
            missed: BTreeMap::new(),
            targets,
            plans,
            app: App::of(&plan.world),
            world: plan.world.clone(),
            shows_memory: plan.shows_memory(),
            series,
            queues,
            queues_by_name,
            kinds: kinds.to_vec(),
            resources: plan.resources.iter().map(|of| of.name.clone()).collect(),
            slots: plan.resources.iter().map(|of| of.slots()).collect(),
            started: counts_as_started(plan.starts.on_the_calendar(), 0),
        }
    }

    /// Each target with the time of its first scrape, milliseconds.
    pub(crate) fn phases(&self) -> Vec<(usize, i64)> {
        let first = self.plans.iter().map(|target| target.first_ms);
        first.enumerate().collect()
    }

    /// How often a target is scraped, milliseconds.
    pub(crate) fn interval_ms(&self, target: usize) -> i64 {
        self.plans[target].interval_ms
    }

    /// From now on Prometheus finds a process, by its number, or no longer.
    pub(crate) fn find(&mut self, process: usize, found: bool) {
        let target = process + EXPORTERS.len();
        let was_scraped = !self.targets[target].1.by_key.is_empty();
        match found {
            true => self.missed.remove(&target),
            false => {
                let missed = self.missed.entry(target);
                Some(*missed.or_insert(was_scraped.then_some(0)))
            }
        };
    }

    /// What becomes of a target that is due to be scraped.
    pub(crate) fn member(&mut self, target: usize) -> Member {
        let Some(missed) = self.missed.get_mut(&target) else {
            return Member::Found;
        };
        let Some(times) = missed else {
            return Member::Unknown;
        };
        *times += 1;
        if *times < SLOTS_KEPT {
            return Member::Unknown;
        }
        *missed = None;
        Member::LetGo
    }

    /// What was known of a target ends.
    pub(crate) fn ended(&mut self, number: usize, at_ms: i64, sink: Sink<'_>) -> io::Result<()> {
        let (target, _) = &mut self.targets[number];
        let values = target.ended();
        let target = target.name();
        sink(Observation::Scrape {
            at_ms,
            target,
            values,
        })
    }

    /// Targets cannot be scraped from now on, or can be again; answers how many of them there are.
    pub(crate) fn reach(&mut self, instances: &[String], reachable: bool) -> usize {
        let mut hit = 0;
        for (target, reached) in self.plans.iter().zip(&mut self.reachable) {
            if instances.contains(&target.member) {
                *reached = reachable;
                hit += 1;
            }
        }
        hit
    }

    pub(crate) fn scrape(
        &mut self,
        number: usize,
        (now, at_ms): (Time, i64),
        (redis, redis_stopped): (&mut VirtualRedis, bool),
        (processes, pods): (&[Process], &mut Pods),
        (pools, sent): (Option<&Pools>, &ProducerMetrics),
        sink: Sink<'_>,
    ) -> io::Result<()> {
        let mut exposed = Vec::new();
        let timeout_ms = self.plans[number].timeout_ms;
        let answered = match self.plans[number].source {
            _ if !self.reachable[number] => false,
            // An exporter that waits for Redis waits longer than Prometheus does.
            Source::Asynq | Source::Redis if redis_stopped => false,
            Source::Asynq => {
                self.asynq(now, redis, &mut exposed);
                true
            }
            Source::Redis => {
                let alive = processes.iter().filter(|process| process.life.is_some());
                let clients = CONNECTED + alive.count();
                // It dials at each scrape.
                let facts = match redis.is_crowded() {
                    true => None,
                    false => redis_facts(now, redis, clients),
                };
                let now_s = now.secs() as f64;
                redis::each(&self.world, facts.as_ref(), now_s, |series, value| {
                    exposed.push((Key::Redis(series), value));
                });
                true
            }
            Source::Worker(worker) => {
                let process = &processes[worker];
                let of = (process, self.kinds.as_slice());
                let answered = worker_values(of, (now, timeout_ms), &mut exposed);
                let own = pools.filter(|_| answered).into_iter();
                for (resource, slots) in own.flat_map(|of| of.own(worker)) {
                    let counts = (self.slots[resource], slots.held(), slots.waits());
                    PoolSeries::each(counts, |series, value| {
                        exposed.push((Key::Pool(resource, series), value));
                    });
                }
                if let Some(life) = process.life.as_ref().filter(|_| answered)
                    && self.world.exposes(Exporter::GoClient)
                {
                    let handlers = life.handlers.at_work().count();
                    let count = go::goroutines(life.server.in_progress(), handlers);
                    exposed.push((Key::Named(go::NAME), count as f64));
                }
                if answered && self.shows_memory {
                    let resident = process.resident_bytes(at_ms) as f64;
                    exposed.push((Key::Named("process_resident_memory_bytes"), resident));
                }
                answered
            }
            Source::Producer => {
                sent.each(|kind, series, value| {
                    exposed.push((Key::Enqueued(kind, series), value));
                });
                let started = self.started.millis() as f64 / 1e3;
                exposed.push((Key::Named("process_start_time_seconds"), started));
                true
            }
            Source::Kube => {
                pods.each(now, |series, value| {
                    exposed.push((Key::Kube(series), value))
                });
                true
            }
            Source::Cadvisor => {
                let resident = |name: &str| {
                    let mut processes = processes.iter();
                    let process = processes.find(|process| process.name == name)?;
                    Some(process.resident_bytes(at_ms))
                };
                pods.each_container(now, resident, |series, value| {
                    exposed.push((Key::Kube(series), value));
                });
                true
            }
        };
        let (target, known) = &mut self.targets[number];
        let (series, queues, kinds) = (&mut self.series, &self.queues, &self.kinds);
        let (resources, app) = (&self.resources, &self.app);
        let numbered = exposed
            .into_iter()
            .enumerate()
            .map(|(place, (key, value))| {
                let number = known.of(place, key, || {
                    let labels = match key {
                        Key::Queue(queue, of) => queue_labels(of, &queues[usize::from(queue)]),
                        Key::Job(kind, of) => {
                            let (task_type, queue) = &kinds[usize::from(kind)];
                            app.labels(of, task_type, queue)
                        }
                        Key::Enqueued(kind, of) => sent.labels(kind, of),
                        Key::Pool(resource, of) => of.labels(&resources[resource]),
                        Key::Redis(of) => of.labels(),
                        Key::Kube(of) => pods.labels(of),
                        Key::Named(name) => Labels::metric(name, []),
                    };
                    target.number(&labels, series)
                });
                (number, value)
            });
        let numbered: Vec<(u32, f64)> = numbered.collect();
        let values = target.scraped(answered.then_some(numbered));
        for (id, labels) in series.take_new() {
            sink(Observation::Series { id, labels })?;
        }
        let target = target.name();
        sink(Observation::Scrape {
            at_ms,
            target,
            values,
        })
    }

    /// As the real exporter: without Redis there is no asynq series at all, and the scrape succeeds all the same.
    fn asynq(&self, now: Time, redis: &mut VirtualRedis, exposed: &mut Vec<(Key, f64)>) {
        let Ok(Reply::Names(published)) = redis.call(Op::Queues) else {
            return;
        };
        for queue in &self.queues_by_name {
            if !published.contains(queue) {
                continue;
            }
            let op = Op::QueueStats { queue: *queue, now };
            if let Ok(Reply::Stats(stats)) = redis.call(op) {
                each_of_queue(&stats, |series, value| {
                    exposed.push((Key::Queue(*queue, series), value));
                });
            }
        }
    }
}

/// Connections to Redis beside one of each process, as for real: the producer's, and that of the exporters.
pub(super) const CONNECTED: usize = 2;

/// What is known of Redis while it answers.
fn redis_facts(now: Time, redis: &VirtualRedis, clients: usize) -> Option<RedisFacts> {
    let uptime_s = redis.uptime_s(now).filter(|_| !redis.is_busy())?;
    Some(RedisFacts {
        used_bytes: redis.used_memory_bytes() as f64,
        max_bytes: redis.max_memory_bytes() as f64,
        clients: clients as f64,
        // None of asynq's calls waits, and what would evict keys is not for the model.
        blocked: 0.0,
        max_clients: f64::from(redis.max_clients()),
        replicas: f64::from(redis.replicas()),
        uptime_s: uptime_s as f64,
        evicted: 0.0,
        loading: false,
        saved: true,
        appended: true,
        is_replica: redis.is_read_only(),
    })
}

/// What a worker's `/metrics` shows; answers whether there is a worker.
fn worker_values(
    (process, kinds): (&Process, &[(String, String)]),
    (now, timeout_ms): (Time, i64),
    exposed: &mut Vec<(Key, f64)>,
) -> bool {
    // One that goes on soon enough answers then, much as it would now.
    let in_time = |goes_on: Time| goes_on <= now.plus_millis(timeout_ms);
    let answers = !process.is_frozen() || process.goes_on.is_some_and(in_time);
    let Some(life) = process.life.as_ref().filter(|_| answers) else {
        return false;
    };
    let names = |kind: &u16| {
        let (task_type, queue) = &kinds[usize::from(*kind)];
        (task_type.as_str(), queue.as_str())
    };
    let meter = life.server.meter();
    meter.each(names, |kind, series, value| {
        exposed.push((Key::Job(*kind, series), value))
    });
    let started = life.started.millis() as f64 / 1e3;
    exposed.push((Key::Named("process_start_time_seconds"), started));
    true
}
