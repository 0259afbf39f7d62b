//! The timeline: what each step hits, how it ends, and what it is called.

use crate::fault::{Fault, Harm};
use crate::lever::{Lever, On, RedisLever};
use crate::plan::{self, PRODUCER, RemedyStep, Roster, Scale, Step, Until, WorkerPlan, name_of};
use crate::remedy::Remedy;
use crate::scenario::resolve::Resolver;
use crate::scenario::timeline::Until as UntilWritten;
use crate::scenario::{At, Select, StepWritten};
use crate::units;
use firedrill_detector::yaml::Position;

/// What a step may be done to: the processes of the plan, and what else has a name.
struct Cast<'w> {
    workers: &'w [WorkerPlan],
    /// In order of their times.
    scales: Vec<Scale>,
    /// Every process there ever is.
    ever: Vec<String>,
    /// Whether the producer is a target.
    scrapes_producer: bool,
    exporters: Vec<&'static str>,
}

impl<'w> Cast<'w> {
    fn of(workers: &'w [WorkerPlan], mut scales: Vec<Scale>) -> Self {
        scales.sort_by_key(|scale| scale.at_ms);
        let ever = workers.iter().flat_map(|worker| {
            let of_group = scales.iter().filter(|scale| scale.group == worker.name);
            let most = of_group
                .map(|scale| scale.to)
                .fold(worker.processes, u32::max);
            (0..most).map(|number| name_of(&worker.name, number))
        });
        Self {
            workers,
            ever: ever.collect(),
            scrapes_producer: false,
            exporters: Vec::new(),
            scales,
        }
    }

    /// Who is there at a moment.
    fn at(&self, at_ms: i64) -> Roster {
        Roster::at(self.workers, &self.scales, at_ms)
    }

    /// All names that a step on this may choose from.
    fn names(&self, on: On) -> Vec<String> {
        let mut names = self.ever.clone();
        match on {
            On::Clients => names.push(PRODUCER.to_owned()),
            On::Targets => {
                names.extend(self.exporters.iter().map(|name| (*name).to_owned()));
                names.extend(self.scrapes_producer.then(|| PRODUCER.to_owned()));
            }
            _ => {}
        }
        names
    }
}

impl Resolver<'_> {
    pub(super) fn timeline(
        &mut self,
        workers: &[WorkerPlan],
        duration_ms: i64,
    ) -> (Vec<Step>, Vec<RemedyStep>) {
        let timeline = self.scenario.timeline.iter();
        let cast = Cast {
            scrapes_producer: self.scrapes_producer(),
            exporters: self.exporters.clone(),
            ..Cast::of(workers, timeline.filter_map(scale).collect())
        };
        let ids = self.ids();
        let (mut steps, mut remedies) = (Vec::new(), Vec::new());
        for (step, id) in self.scenario.timeline.iter().zip(ids) {
            self.within("at", &step.at, duration_ms);
            if step.at.value == duration_ms {
                let end = units::format(duration_ms);
                let message = format!("at: {end} is the end of the drill: nothing is done then");
                self.problems.push_with_hint(
                    step.at.at,
                    message,
                    format!("accepted: before {end}"),
                );
            }
            self.places.insert(id.clone(), step.place());
            match &step.what {
                StepWritten::Fault { fault, until } => {
                    let on = fault.value.kind().on;
                    let (select, targets) =
                        self.targets((on, step.at.value), step.select.as_ref(), &cast);
                    self.names_in((fault, step.at.value), &targets, workers);
                    let until =
                        self.until((&fault.value, step.at.value), until.as_ref(), duration_ms);
                    let ends_ms = until.as_ref().map_or(duration_ms, |until| until.at_ms);
                    self.locks_of(fault, ends_ms - step.at.value);
                    steps.push(Step {
                        id,
                        at_ms: step.at.value,
                        fault: fault.value.clone(),
                        select,
                        targets,
                        until,
                    });
                }
                StepWritten::Remedy(remedy) => {
                    self.names_of(remedy, workers);
                    let on = remedy.value.kind().on;
                    // Who comes and who goes is worked out when all of them are in order.
                    let on = remedy.value.scale().map_or(on, |_| On::Queue);
                    let (select, targets) =
                        self.targets((on, step.at.value), step.select.as_ref(), &cast);
                    remedies.push(RemedyStep {
                        id,
                        at_ms: step.at.value,
                        remedy: remedy.value.clone(),
                        select,
                        targets,
                    });
                }
            }
        }
        steps.sort_by_key(|step| step.at_ms);
        remedies.sort_by_key(|step| step.at_ms);
        for id in come_and_go(&mut remedies, workers) {
            if let Some(at) = self.places.get(&id).copied() {
                let message = "workers.scale: the group has as many processes then";
                let hint = "accepted: more or fewer than before";
                self.problems.push_with_hint(at, message, hint);
            }
        }
        for step in &mut steps {
            ended_by_one_of(step, &remedies, &cast);
        }
        self.raised_too_little(&steps, &remedies);
        self.in_each_others_way(&steps, &remedies);
        (steps, remedies)
    }

    /// Refuses remedies that leave a limit of Redis' memory where it is, or lower it; both in order of their times.
    fn raised_too_little(&mut self, steps: &[Step], remedies: &[RemedyStep]) {
        for step in remedies {
            let Lever::Redis(RedisLever::Raise { bytes }) = step.remedy.done(None) else {
                continue;
            };
            let is_before =
                |fault: &&Step| fault.fault.kind().on == On::Redis && fault.at_ms < step.at_ms;
            let Some(fault) = steps.iter().rfind(is_before) else {
                continue;
            };
            let until = fault.until.as_ref().filter(|until| until.by.is_none());
            let is_over = until.is_some_and(|until| until.at_ms <= step.at_ms);
            let Lever::Redis(RedisLever::Limit { bytes: limit, .. }) = fault.fault.begin() else {
                continue;
            };
            if is_over {
                continue;
            }
            let raised = remedies.iter();
            let raised =
                raised.filter(|other| (fault.at_ms + 1..step.at_ms).contains(&other.at_ms));
            let raised = raised.filter_map(|other| match other.remedy.done(None) {
                Lever::Redis(RedisLever::Raise { bytes }) => Some(bytes),
                _ => None,
            });
            let limit = raised.fold(limit, u64::max);
            if bytes <= limit
                && let Some(at) = self.places.get(&step.id).copied()
            {
                let message = format!(
                    "{}: {bytes} bytes is no more than what is set then, {limit}",
                    step.remedy.name()
                );
                self.problems.push_with_hint(
                    at,
                    message,
                    format!("accepted: `bytes` above {limit}"),
                );
            }
        }
    }

    /// The steps' names, as written or after their faults: `worker.kill`, `worker.kill-2`, ...
    fn ids(&mut self) -> Vec<String> {
        let timeline = &self.scenario.timeline;
        let mut taken: Vec<(String, Position)> = Vec::new();
        for id in timeline.iter().filter_map(|step| step.id.as_ref()) {
            let first = taken.iter().find(|(other, _)| *other == id.value);
            if let Some((_, first)) = first {
                let message = format!("id: line {} has a step `{}`, too", first.line, id.value);
                self.problems.push(id.at, message);
            }
            taken.push((id.value.clone(), id.at));
        }
        let mut ids = Vec::new();
        for step in timeline {
            let id = step.id.as_ref().map(|id| id.value.clone());
            let id = id.unwrap_or_else(|| {
                let fault = step.name();
                let numbered = (2..).map(|n| format!("{fault}-{n}"));
                let mut names = std::iter::once(fault.to_owned()).chain(numbered);
                let free = names.find(|name| taken.iter().all(|(other, _)| other != name));
                let name = free.unwrap_or_default();
                taken.push((name.clone(), step.place()));
                name
            });
            ids.push(id);
        }
        ids
    }

    /// Who a step is done to, as written and by name; no names where that is not a choice.
    fn targets(
        &mut self,
        (on, at_ms): (On, i64),
        select: Option<&At<Select>>,
        cast: &Cast<'_>,
    ) -> (Option<plan::Select>, Vec<String>) {
        let roster = cast.at(at_ms);
        let select = select.map(|select| self.select((on, at_ms), select, (&roster, cast)));
        let targets = roster.selected(on, select.as_ref());
        (select, targets)
    }

    /// Checks that there are those a step is done to.
    fn select(
        &mut self,
        (on, at_ms): (On, i64),
        select: &At<Select>,
        (roster, cast): (&Roster, &Cast<'_>),
    ) -> plan::Select {
        let there = roster.members().len();
        match &select.value {
            Select::All => plan::Select::All,
            Select::Count(count) => {
                if *count as usize > there {
                    let message = match cast.scales.is_empty() {
                        true => format!("select: {count} processes, but the scenario has {there}"),
                        false => {
                            let at = units::format(at_ms);
                            format!("select: {count} processes, but there are {there} at {at}")
                        }
                    };
                    self.problems.push_with_hint(
                        select.at,
                        message,
                        format!("accepted: 1 to {there}"),
                    );
                }
                plan::Select::Count(*count)
            }
            Select::Share(share) => {
                if *share <= 0.0 {
                    let message = "select: a share of 0 is nobody";
                    let accepted = "accepted: above 0, up to 100%";
                    self.problems.push_with_hint(select.at, message, accepted);
                }
                plan::Select::Share(*share)
            }
            Select::Role(role) => {
                if roster.group(&role.value).is_none() {
                    let groups = cast.workers.iter().map(|worker| worker.name.clone());
                    let groups: Vec<String> = groups.collect();
                    self.unknown(role.at, "group of workers", &role.value, &groups);
                }
                plan::Select::Role(role.value.clone())
            }
            Select::Names(chosen) => {
                let names = cast.names(on);
                let what = match on {
                    On::Clients => "client",
                    On::Targets => "target",
                    _ => "worker process",
                };
                for (index, name) in chosen.iter().enumerate() {
                    let is_late = cast.ever.contains(&name.value) && !roster.has(&name.value);
                    if !names.contains(&name.value) {
                        self.unknown(name.at, what, &name.value, &names);
                    } else if is_late && on == On::Workers {
                        let at = units::format(at_ms);
                        let message = format!("select: `{}` is not there at {at}", name.value);
                        let hint = "`workers.scale` has processes come and go";
                        self.problems.push_with_hint(name.at, message, hint);
                    }
                    let before = &chosen[..index];
                    if before.iter().any(|other| other.value == name.value) {
                        let message = format!("select: `{}` is named twice", name.value);
                        self.problems
                            .push_with_hint(name.at, message, "name each once");
                    }
                }
                if chosen.is_empty() {
                    let hint = "accepted: `all`, or one name or more, such as `[w-0]`";
                    self.problems
                        .push_with_hint(select.at, "select: nobody is named", hint);
                }
                plan::Select::Names(chosen.iter().map(|name| name.value.clone()).collect())
            }
        }
    }

    fn until(
        &mut self,
        (fault, begins_ms): (&Fault, i64),
        until: Option<&UntilWritten>,
        duration_ms: i64,
    ) -> Option<Until> {
        let kind = fault.kind();
        let name = kind.name;
        let until = until?;
        let at = until.at.as_ref()?;
        self.within("until", at, duration_ms);
        if at.value <= begins_ms {
            let hint = format!("accepted: after {}", units::format(begins_ms));
            let message = format!("{name}: ends at or before its start");
            self.problems.push_with_hint(at.at, message, hint);
        }
        let remedy = match &until.remedy {
            Some(remedy) if !kind.remedies.contains(&remedy.value.as_str()) => {
                let accepted = if kind.remedies.is_empty() {
                    "it ends by itself, leave `remedy` out".to_owned()
                } else {
                    format!("accepted: {}", kind.remedies.join(", "))
                };
                let message = format!("{} does not end {name}", remedy.value);
                self.problems.push_with_hint(remedy.at, message, accepted);
                None
            }
            None if !kind.ends_by_itself => {
                let hint = format!(
                    "write `until: {{ at: ..., remedy: {} }}`, or `until: end`",
                    kind.remedies.join(" or ")
                );
                let message = format!("{name} does not end by itself");
                self.problems.push_with_hint(until.here, message, hint);
                None
            }
            Some(written) => {
                let remedy = Remedy::of(&written.value, fault);
                if remedy.is_none() {
                    let message = format!("{} needs to be told more", written.value);
                    let hint = format!(
                        "leave `until` out, and write a step of its own: `- {{ at: {}, remedy: {}, ... }}`",
                        units::format(at.value),
                        written.value
                    );
                    self.problems.push_with_hint(written.at, message, hint);
                }
                remedy
            }
            None => None,
        };
        Some(Until {
            at_ms: at.value,
            remedy,
            by: None,
        })
    }
}

/// What a step makes of a group of workers, if it scales one.
fn scale(step: &crate::scenario::Step) -> Option<Scale> {
    match &step.what {
        StepWritten::Remedy(remedy) => Scale::of(step.at.value, &remedy.value),
        StepWritten::Fault { .. } => None,
    }
}

/// Gives each step that scales a group the processes that come or go; answers which have none of either.
fn come_and_go(remedies: &mut [RemedyStep], workers: &[WorkerPlan]) -> Vec<String> {
    let mut idle = Vec::new();
    for worker in workers {
        let mut there = worker.processes;
        for step in remedies.iter_mut() {
            let Some((group, to)) = step.remedy.scale() else {
                continue;
            };
            if group == worker.name {
                let (few, many) = (there.min(to), there.max(to));
                step.targets = (few..many).map(|n| name_of(group, n)).collect();
                if there == to {
                    idle.push(step.id.clone());
                }
                there = to;
            }
        }
    }
    idle
}

/// A fault without an end of its own ends with the first remedy that ends such a fault and is done to all it was done to that
/// are still there.
fn ended_by_one_of(step: &mut Step, remedies: &[RemedyStep], cast: &Cast<'_>) {
    let mends = |remedy: &RemedyStep| {
        let roster = cast.at(remedy.at_ms);
        let has_left = |name: &String| cast.ever.contains(name) && !roster.has(name);
        let mut left = step
            .targets
            .iter()
            .filter(|name| !has_left(name))
            .peekable();
        left.peek().is_some() && left.all(|name| remedy.targets.contains(name))
    };
    let ends = |remedy: &&RemedyStep| {
        let same_queue = match step.fault.harm() {
            Harm::Queue(queue) => remedy.remedy.queue() == Some(queue),
            _ => true,
        };
        remedy.at_ms > step.at_ms
            && step.fault.kind().remedies.contains(&remedy.remedy.name())
            && (step.targets.is_empty() || mends(remedy))
            && same_queue
    };
    if step.until.is_none()
        && let Some(first) = remedies.iter().find(ends)
    {
        step.until = Some(Until {
            at_ms: first.at_ms,
            remedy: Some(first.remedy.clone()),
            by: Some(first.id.clone()),
        });
    }
}
