//! Scrapes are of the plan's targets, as Prometheus takes them.

use super::ran_to_its_end;
use crate::agenda::Phase;
use crate::engine;
use crate::metrics::exposition::is_counter;
use crate::plan::{Plan, Source, TargetPlan};
use firedrill_detector::sample::{METRIC_NAME, is_stale};
use firedrill_reports::Record;
use firedrill_reports::record::{Action, Line, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Contradictions of one kind that are told; there may be one in every line.
const TOLD_MAX: usize = 3;

/// A target of the plan, and how far it was scraped.
struct Target {
    /// What steps call it.
    member: String,
    shows: Shows,
    first_ms: i64,
    interval_ms: i64,
    was_scraped: bool,
}

/// What has a target's counters set back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shows {
    /// Its own process.
    Process,
    /// Redis.
    Redis,
    /// All worker processes.
    Fleet,
}

/// A series as its line has it.
struct Series<'r> {
    name: &'r str,
    target: String,
    /// When a counter was scraped last, and what it was.
    last: Option<(i64, f64)>,
}

struct Scrapes<'r, 'p> {
    record: &'r Record,
    plan: &'p Plan,
    targets: BTreeMap<String, Target>,
    series: Vec<Series<'r>>,
    /// Of each step: whom it hits (nobody by name: Redis), and when that was; by plan, and as its marks have it.
    spans: Vec<(&'r [String], i64, i64)>,
    /// Of each step of which processes die at times of their own: whom it hits (nobody by name: any), from when to when.
    dying: Vec<(&'p [String], i64, i64)>,
    /// Of each step that kills processes: whom, when that was done, and when they are to be started again.
    deaths: Vec<(&'r [String], i64, i64)>,
    /// How long a scrape may take, virtual milliseconds.
    takes_ms: i64,
    /// Whether what happened was not the plan's doing alone.
    is_disturbed: bool,
}

/// Everything about a record's scrapes that no drill of the plan writes.
pub(super) fn check(record: &Record, plan: &Plan) -> Vec<String> {
    let mut scrapes = Scrapes::new(record, plan);
    let mut found = Vec::new();
    for line in &record.lines {
        match line {
            Line::Series { labels, .. } => found.extend(scrapes.introduce(labels)),
            Line::Scrape {
                at_ms,
                target,
                values,
            } => found.extend(scrapes.take(*at_ms, target, values)),
            _ => {}
        }
        if found.len() >= TOLD_MAX {
            return found;
        }
    }
    if ran_to_its_end(record) {
        found.extend(scrapes.never_scraped());
    }
    found
}

/// When processes were dead by plan, as the marks have it.
fn deaths<'r>(record: &'r Record, plan: &Plan) -> Vec<(&'r [String], i64, i64)> {
    let begun = record.marks().filter(|mark| mark.verified);
    let begun = begun.filter(|mark| mark.phase == Some(Phase::Begin));
    begun
        .filter_map(|mark| {
            let step = plan.step(mark.step.as_deref()?)?;
            let until_ms = step.until.as_ref().map_or(i64::MAX, |until| until.at_ms);
            // People may have started them again.
            let hands = record.actions().filter(|action| action.is_hand());
            let hands = hands.map(|action| action.at_ms);
            let until_ms = hands
                .filter(|at_ms| *at_ms > mark.at_ms)
                .fold(until_ms, i64::min);
            step.fault
                .takes_processes()
                .then_some((mark.targets.as_slice(), mark.at_ms, until_ms))
        })
        .collect()
}

/// When processes die at times of their own, by plan, and are started again.
fn dying(plan: &Plan) -> Vec<(&[String], i64, i64)> {
    let restarts = plan.workers.iter().filter_map(|worker| worker.restart);
    let longest_ms = restarts.map(|restart| restart.max_ms.max(restart.backoff_ms));
    let longest_ms = longest_ms.max().unwrap_or(0);
    let steps = plan.timeline.iter();
    let dying = steps.filter(|step| step.fault.has_processes_die());
    dying
        .map(|step| {
            let until_ms = step.until.as_ref().map_or(i64::MAX, |until| until.at_ms);
            let until_ms = until_ms.saturating_add(longest_ms);
            (step.targets.as_slice(), step.at_ms, until_ms)
        })
        .collect()
}

impl<'r, 'p> Scrapes<'r, 'p> {
    fn new(record: &'r Record, plan: &'p Plan) -> Self {
        let targets = engine::targets(plan);
        let longest_ms = |of: fn(&TargetPlan) -> i64| targets.iter().map(of).max().unwrap_or(0);
        // A scrape fails after its timeout, but not before a second of real time is over.
        let takes_ms = longest_ms(|target| target.timeout_ms)
            .max((1e3 * record.header.speed) as i64)
            + longest_ms(|target| target.interval_ms);
        let removes_dead = plan.removes_dead_targets();
        let of_others = !record.header.has_our_workers();
        let targets = targets.into_iter();
        let targets = targets.map(|it| {
            let name = it.name();
            let target = Target {
                shows: match (it.is_exporter(), it.asks_redis()) {
                    (false, _) => Shows::Process,
                    (true, true) => Shows::Redis,
                    (true, false) => Shows::Fleet,
                },
                first_ms: it.first_ms,
                interval_ms: it.interval_ms,
                // One that comes later, or goes early, may never be; nor one of others of which nobody has said where it is.
                was_scraped: (matches!(it.source, Source::Worker(_)) && of_others)
                    || plan
                        .remedies
                        .iter()
                        .any(|step| step.targets.contains(&it.member))
                    || removes_dead
                        && plan
                            .timeline
                            .iter()
                            .any(|step| step.targets.contains(&it.member)),
                member: it.member,
            };
            (name, target)
        });
        let header = &record.header;
        let spans = header.steps.iter().flat_map(|step| {
            let marks = record
                .marks()
                .filter(|mark| mark.step.as_ref() == Some(&step.id));
            marks.map(|mark| (step.targets.as_slice(), mark.planned_ms, mark.at_ms))
        });
        Self {
            record,
            plan,
            targets: targets.collect(),
            series: Vec::new(),
            spans: spans.collect(),
            dying: dying(plan),
            deaths: deaths(record, plan),
            takes_ms,
            is_disturbed: record.interference().next().is_some()
                || record.actions().any(Action::is_hand),
        }
    }

    fn introduce(&mut self, labels: &'r BTreeMap<String, String>) -> Option<String> {
        let of = |name: &str| labels.get(name).map_or("", String::as_str);
        let target = format!("{}/{}", of("job"), of("instance"));
        let name = of(METRIC_NAME);
        let wrong = (!self.targets.contains_key(&target))
            .then(|| format!("a series {name} of the target {target}, which there is not"));
        self.series.push(Series {
            name,
            target,
            last: None,
        });
        wrong
    }

    fn take(&mut self, at_ms: i64, name: &str, values: &[(u32, Value)]) -> Option<String> {
        let scrape = || format!("the scrape of {name} at {at_ms} ms");
        let Some(target) = self.targets.get_mut(name) else {
            return Some(format!("{}, which is no target,", scrape()));
        };
        target.was_scraped = true;
        let is_up = |(id, _): &&(u32, Value)| {
            let series = self.series.get(*id as usize);
            series.is_some_and(|series| series.name == "up")
        };
        let [(_, up)] = values.iter().filter(is_up).collect::<Vec<_>>()[..] else {
            return Some(format!("{} does not say once whether it is up", scrape()));
        };
        let is_up = up.0 == 1.0;
        let (mut went_back, mut exposed, mut foreign) = (Vec::new(), false, false);
        for (id, Value(value)) in values {
            let Some(series) = self.series.get_mut(*id as usize) else {
                continue;
            };
            foreign |= series.target != name;
            exposed |= series.name != "up" && !is_stale(*value);
            let own = self.plan.world.is_counter(series.name);
            if !own.unwrap_or_else(|| is_counter(series.name)) {
                continue;
            }
            let last = (!is_stale(*value)).then_some((at_ms, *value));
            if let (Some((last_ms, before)), Some((_, now))) = (series.last, last)
                && now < before
            {
                went_back.push((last_ms, series.name));
            }
            series.last = last;
        }
        if foreign {
            return Some(format!("{} holds series of another", scrape()));
        }
        if exposed && !is_up {
            return Some(format!("{} failed, and has values", scrape()));
        }
        let target = &self.targets[name];
        let mut deaths = self.deaths.iter();
        if is_up
            && deaths.any(|(dead, from_ms, until_ms)| {
                dead.contains(&target.member) && (from_ms + 1..*until_ms).contains(&at_ms)
            })
        {
            return Some(format!(
                "{}, which was up while its process was dead",
                scrape()
            ));
        }
        let is_explained = |(last_ms, _): &&(i64, &str)| self.explains(target, *last_ms, at_ms);
        let unexplained = went_back.iter().find(|back| !is_explained(back));
        unexplained
            .map(|(_, counter)| format!("in {} the counter {counter} runs backwards", scrape()))
    }

    /// Whether a step did something between two scrapes that sets a target's counters back.
    fn explains(&self, target: &Target, last_ms: i64, at_ms: i64) -> bool {
        let hits = |targets: &[String]| match target.shows {
            Shows::Process => targets.contains(&target.member),
            Shows::Redis => targets.is_empty(),
            Shows::Fleet => !targets.is_empty(),
        };
        let mut dying = self.dying.iter();
        let may_die = dying.any(|(targets, from_ms, until_ms)| {
            let is_hit = match target.shows {
                Shows::Process => targets.is_empty() || targets.contains(&target.member),
                Shows::Redis => false,
                Shows::Fleet => true,
            };
            let is_meanwhile =
                *from_ms <= at_ms && last_ms <= until_ms.saturating_add(self.takes_ms);
            is_hit && is_meanwhile
        });
        let mut spans = self.spans.iter();
        may_die
            || self.is_disturbed
            || spans.any(|(targets, planned_ms, done_ms)| {
                let begins_before = planned_ms - self.takes_ms <= at_ms;
                hits(targets) && begins_before && done_ms + self.takes_ms >= last_ms
            })
    }

    /// Targets of which there is no scrape, although there was time for it.
    fn never_scraped(&self) -> Vec<String> {
        let header = &self.record.header;
        let had_time = |target: &&Target| {
            target.first_ms + 2 * target.interval_ms + self.takes_ms < header.duration_ms
        };
        let missing: BTreeSet<&str> = self
            .targets
            .iter()
            .filter(|(_, target)| !target.was_scraped && had_time(target))
            .map(|(name, _)| name.as_str())
            .collect();
        let told = missing.into_iter().take(TOLD_MAX);
        told.map(|name| format!("the target {name} was never scraped"))
            .collect()
    }
}
