//! Steps that get in each other's way: what one has broken another would break again, or mend too early, and the ground
//! truth of both would be wrong.
//!
//! | while this is on | this is refused |
//! | --- | --- |
//! | a fault of workers (`worker.kill`, `worker.stop`, `handler.deadlock`, ...) | another on one of the same processes: it would find nothing to break, and the first remedy would end both |
//! | a fault of Redis | another one |
//! | `redis.failover`, before or after | another one: there is one replica; before its end, `link.demoted` |
//! | `queue.pause` | another one of that queue |
//! | `producer.retry` | another one |
//! | `lock.leave` | another one of that task type |
//! | a fault of links, or of targets | another one on one of the same |
//! | a fault of Redis, or a link that is cut | `worker.restart` and whatever else starts workers: a worker does not start without Redis |
//! | `worker.rolling-restart` | faults and remedies that stop or start one of its processes, and the end of the drill |
//! | a fault with an end of its own | a remedy that would end it, or start one of its processes, before that |
//! | `worker.deploy-broken` | `workers.scale` of its processes: new ones would not boot either |
//!
//! Each is on from its `at` to its remedy, or to the end of the drill. One may begin at the very moment another ends. All
//! else goes together: factors of `handler.slow` are multiplied, and an execution fails when one `handler.fail` or the
//! other hits it.

use crate::fault::Harm;
use crate::lever::{Lever, LifeLever, LinkLever, On, ProcessLever, RedisLever};
use crate::plan::{PRODUCER, RemedyStep, Step, name_of};
use crate::remedy::Remedy;
use crate::scenario::resolve::Resolver;
use crate::units;

impl Resolver<'_> {
    /// Refuses steps of a timeline, in order of their times, that get in each other's way.
    pub(super) fn in_each_others_way(&mut self, timeline: &[Step], remedies: &[RemedyStep]) {
        for (place, later) in timeline.iter().enumerate() {
            for earlier in timeline[..place]
                .iter()
                .filter(|step| is_still_on(step, later))
            {
                if let Some(what) = held_by_both(earlier, later) {
                    let at = self.place(later);
                    let message = format!(
                        "{}: {what} is {} already at {}, by {}",
                        later.fault.name(),
                        earlier.fault.state(),
                        units::format(later.at_ms),
                        self.names(&[earlier]).join("")
                    );
                    let hint = match &earlier.until {
                        Some(until) => format!("that ends at {}", units::format(until.at_ms)),
                        None => "that ends with the drill".to_owned(),
                    };
                    self.problems.push_with_hint(at, message, hint);
                }
            }
        }
        self.nothing_to_try_again(timeline);
        self.over_before_it_is_felt(timeline);
        let fails_over = |step: &&Step| step.fault.begin() == Lever::Redis(RedisLever::LosePrimary);
        for step in timeline.iter().filter(fails_over).skip(1) {
            let (at, name) = (self.place(step), step.fault.name());
            let message = format!("{name}: there is one replica, and it is the primary by then");
            self.problems
                .push_with_hint(at, message, "accepted: one in a drill");
        }
        if let Some(failover) = timeline.iter().find(fails_over) {
            let leads = |step: &&Step| step.fault.begin() == Lever::Link(LinkLever::Demote);
            let early = |step: &&Step| leads(step) && step.at_ms < ends_ms(failover);
            for step in timeline.iter().filter(early) {
                let (at, name) = (self.place(step), step.fault.name());
                let message = format!(
                    "{name}: there is one replica, and {} needs it",
                    self.names(&[failover]).join("")
                );
                self.problems
                    .push_with_hint(at, message, "accepted: from its end on");
            }
        }
        let starts = |lever: &Lever| {
            matches!(
                lever,
                Lever::Process(ProcessLever::Restart | ProcessLever::Deploy { .. })
                    | Lever::Members { .. }
            )
        };
        for step in timeline {
            let own = step.until.as_ref().filter(|until| until.by.is_none());
            if let Some(until) = own.filter(|_| step.undo().as_ref().is_some_and(starts)) {
                let (id, name) = (&step.id, step.fault.name());
                self.started_without_redis((id, name), (until.at_ms, &step.targets), timeline);
            }
        }
        for step in remedies {
            if starts(&step.remedy.done(None)) {
                let (id, name) = (&step.id, step.remedy.name());
                self.started_without_redis((id, name), (step.at_ms, &step.targets), timeline);
            }
            self.scaled_while_broken(step, timeline);
            self.ended_too_early(step, timeline, starts(&step.remedy.done(None)));
            if step.remedy.takes_ms(step.targets.len()) > 0 {
                self.one_after_the_other(step, timeline, remedies);
            }
        }
    }

    /// What is always taken is never tried again.
    fn nothing_to_try_again(&mut self, timeline: &[Step]) {
        let tries = |step: &&Step| matches!(step.fault.begin(), Lever::Again { .. });
        for step in timeline.iter().filter(tries) {
            let is_meanwhile =
                |other: &Step| other.at_ms < ends_ms(step) && ends_ms(other) > step.at_ms;
            let mut others = timeline.iter();
            if others.any(|other| is_meanwhile(other) && keeps_from_enqueueing(other)) {
                continue;
            }
            let message = format!("{}: nothing keeps Redis from taking all", step.fault.name());
            let hint = "accepted: while a fault of Redis is on, or one of the way there, `select: [producer]`";
            let at = self.place(step);
            self.problems.push_with_hint(at, message, hint);
        }
    }

    /// Processes that are mended before they die, and targets that are out of reach between two scrapes, show nothing.
    fn over_before_it_is_felt(&mut self, timeline: &[Step]) {
        for step in timeline {
            let ends_ms = ends_ms(step).min(self.scenario.duration.value);
            let lasts_ms = ends_ms.saturating_sub(step.at_ms);
            let (needs_ms, why, hint) = match step.fault.begin() {
                // One that takes memory can be seen to before anybody dies of it.
                Lever::Life(LifeLever::Crash { after_ms }) => (
                    after_ms,
                    "a process dies of it after",
                    "let it last longer, or processes die sooner",
                ),
                Lever::Scrape { reachable: false } => (
                    self.scenario.scrape.interval_ms,
                    "a target is scraped every",
                    "let it last as long as that, at least",
                ),
                _ => continue,
            };
            if lasts_ms < needs_ms {
                let (name, lasts) = (step.fault.name(), units::format(lasts_ms));
                let message = format!(
                    "{name}: lasts {lasts}, and {why} {}",
                    units::format(needs_ms)
                );
                self.problems
                    .push_with_hint(self.place(step), message, hint);
            }
        }
    }

    /// What is to last until a moment is not ended before it: the truth would be another. `starts`: the remedy has workers run.
    fn ended_too_early(&mut self, remedy: &RemedyStep, timeline: &[Step], starts: bool) {
        let name = remedy.remedy.name();
        let hits = |step: &Step| {
            step.targets.is_empty()
                || step
                    .targets
                    .iter()
                    .any(|name| remedy.targets.contains(name))
        };
        let is_same_queue = |step: &Step| match step.fault.harm() {
            Harm::Queue(queue) => remedy.remedy.queue() == Some(queue),
            _ => true,
        };
        let ends = |step: &Step| step.fault.kind().remedies.contains(&name) && is_same_queue(step);
        // Who goes is not started.
        let comes = remedy.remedy.scale().is_none_or(|(group, to)| {
            let last = to.checked_sub(1).map(|last| name_of(group, last));
            last.is_some_and(|last| remedy.targets.contains(&last))
        });
        let begins_anew = |step: &Step| match step.fault.kind().on {
            _ if step.fault.state().is_empty() => false,
            // Whoever is started does not boot either.
            _ if step.fault.begin() == Lever::Process(ProcessLever::Deploy { boots: false }) => {
                false
            }
            On::Workers => starts && comes,
            // What was done to its settings goes with the process.
            On::Redis => matches!(
                remedy.remedy.done(None),
                Lever::Redis(RedisLever::Start { .. })
            ),
            _ => false,
        };
        let is_too_early = |step: &&Step| {
            let until = step.until.as_ref();
            let is_its_end = until.is_some_and(|until| until.by.as_ref() == Some(&remedy.id));
            let is_on = step.at_ms <= remedy.at_ms && remedy.at_ms < ends_ms(step);
            is_on && !is_its_end && hits(step) && (ends(step) || begins_anew(step))
        };
        let Some(step) = timeline.iter().find(is_too_early) else {
            return;
        };
        let at = units::format(remedy.at_ms);
        let last = match &step.until {
            Some(until) => format!("lasts until {}", units::format(until.at_ms)),
            None => "lasts until the end of the drill".to_owned(),
        };
        let named = self.names(&[step]).join("");
        let message = match ends(step) {
            true => format!("{name}: at {at} it would end {named}, which {last}"),
            false => {
                format!("{name}: at {at} it would start anew what {named} is done to, which {last}")
            }
        };
        let ends_all = step
            .targets
            .iter()
            .all(|name| remedy.targets.contains(name));
        // What has keys of its own is not written with the step that it ends.
        let is_plain = Remedy::of(name, &step.fault).is_some();
        let hint = match ends(step) && ends_all {
            true if !is_plain => "leave `until` out there: this remedy ends it then".to_owned(),
            true => format!("write `until: {{ at: {at}, remedy: {name} }}` there, or no `until`"),
            false => "do it to others, or when that is over; or write a step for each part that ends on its own".to_owned(),
        };
        let place = self.places.get(&remedy.id).copied();
        let place = place.unwrap_or(self.scenario.duration.at);
        self.problems.push_with_hint(place, message, hint);
    }

    /// A group cannot be scaled while a broken release of it is deployed.
    fn scaled_while_broken(&mut self, step: &RemedyStep, timeline: &[Step]) {
        let is_broken = |other: &&Step| {
            let deployed = Lever::Process(ProcessLever::Deploy { boots: false });
            let is_on = other.at_ms <= step.at_ms && ends_ms(other) > step.at_ms;
            is_on && other.fault.begin() == deployed
        };
        let Some((group, _)) = step.remedy.scale() else {
            return;
        };
        let of_group = |target: &String| target.rsplit_once('-').is_some_and(|(of, _)| of == group);
        let mut steps = timeline.iter().filter(is_broken);
        if let Some(broken) = steps.find(|other| other.targets.iter().any(of_group)) {
            let message = format!(
                "{}: {group} cannot be scaled at {}, its release does not boot then, by {}",
                step.remedy.name(),
                units::format(step.at_ms),
                self.names(&[broken]).join("")
            );
            let at = self.places.get(&step.id).copied();
            let at = at.unwrap_or(self.scenario.duration.at);
            let hint = "scale it before, or when the deploy was rolled back";
            self.problems.push_with_hint(at, message, hint);
        }
    }

    /// What is done to processes one after the other needs them, and Redis, to be left alone until it is through.
    fn one_after_the_other(
        &mut self,
        step: &RemedyStep,
        timeline: &[Step],
        remedies: &[RemedyStep],
    ) {
        let takes_ms = |step: &RemedyStep| step.remedy.takes_ms(step.targets.len());
        let over_ms = step.at_ms.saturating_add(takes_ms(step));
        let shares = |targets: &[String]| targets.iter().any(|name| step.targets.contains(name));
        let at = self.places.get(&step.id).copied();
        let at = at.unwrap_or(self.scenario.duration.at);
        let name = step.remedy.name();
        let (from, to) = (units::format(step.at_ms), units::format(over_ms));
        if over_ms >= self.scenario.duration.value {
            let message = format!("{name}: is through at {to}, and the drill is over by then");
            let hint = "do it earlier, or make the drill longer";
            self.problems.push_with_hint(at, message, hint);
        }
        let disturbs = |other: &&Step| {
            let is_on = other.at_ms <= over_ms && ends_ms(other) >= step.at_ms;
            let is_of_workers = other.fault.kind().on == On::Workers;
            let stops = is_of_workers && !other.fault.state().is_empty() && shares(&other.targets);
            let cuts = matches!(
                other.fault.begin(),
                Lever::Link(LinkLever::Drop { .. } | LinkLever::Reset)
            );
            is_on && (stops || other.fault.takes_redis() || cuts && shares(&other.targets))
        };
        if let Some(other) = timeline.iter().find(disturbs) {
            let message = format!(
                "{name}: lasts from {from} to {to}, and in that time {} is on",
                self.names(&[other]).join("")
            );
            let hint = match (&other.until, other.fault.kind().remedies.first()) {
                (None, Some(ends)) => format!("do it before, or end that first: `{ends}` does"),
                _ => "do it before, or when that is over".to_owned(),
            };
            self.problems.push_with_hint(at, message, hint);
        }
        let also = |other: &&RemedyStep| {
            let is_meanwhile = (step.at_ms..=over_ms).contains(&other.at_ms);
            let is_of_workers = other.remedy.kind().on == On::Workers;
            other.id != step.id && is_meanwhile && is_of_workers && shares(&other.targets)
        };
        if let Some(other) = remedies.iter().find(also) {
            let message = format!(
                "{name}: lasts from {from} to {to}, and {} is done to its processes at {}",
                other.remedy.name(),
                units::format(other.at_ms)
            );
            let hint = "leave one of them out, or do them one after the other";
            self.problems.push_with_hint(at, message, hint);
        }
    }

    /// A worker that finds no Redis does not start, as asynq's does not.
    fn started_without_redis(
        &mut self,
        (id, name): (&str, &str),
        (at_ms, targets): (i64, &[String]),
        timeline: &[Step],
    ) {
        let cuts = |other: &Step| match other.fault.begin() {
            Lever::Link(LinkLever::Drop { .. } | LinkLever::Reset) => {
                other.targets.iter().any(|target| targets.contains(target))
            }
            _ => other.fault.takes_redis(),
        };
        let mut outages = timeline.iter();
        let outage =
            outages.find(|other| cuts(other) && other.at_ms < at_ms && ends_ms(other) > at_ms);
        if let Some(outage) = outage {
            let place = self.places.get(id).copied();
            let at = place.unwrap_or(self.scenario.duration.at);
            let message = format!(
                "{name}: workers cannot be restarted at {}, Redis is down then, by {}",
                units::format(at_ms),
                self.names(&[outage]).join("")
            );
            self.problems
                .push_with_hint(at, message, "restart them when Redis is back");
        }
    }
}

/// Whether Redis may not take, while this is on, what the producer sends.
fn keeps_from_enqueueing(step: &Step) -> bool {
    let is_of_producer = || step.targets.iter().any(|target| target == PRODUCER);
    step.fault.may_reject() && (step.fault.kind().on == On::Redis || is_of_producer())
}

fn ends_ms(step: &Step) -> i64 {
    step.until.as_ref().map_or(i64::MAX, |until| until.at_ms)
}

/// `earlier` begins first, or at the same time.
fn is_still_on(earlier: &Step, later: &Step) -> bool {
    ends_ms(earlier) > later.at_ms
}

/// What both of them would be done to, where a second one would find nothing to break, or be ended with the first: Redis,
/// a queue, or one of those they name. What goes together with everything is not held.
fn held_by_both(earlier: &Step, later: &Step) -> Option<String> {
    if earlier.fault.state().is_empty() || later.fault.state().is_empty() {
        return None;
    }
    match (earlier.fault.kind().on, later.fault.kind().on) {
        (On::Redis, On::Redis) => Some("Redis".to_owned()),
        (On::Queue, On::Queue) => match (earlier.fault.harm(), later.fault.harm()) {
            (Harm::Queue(one), Harm::Queue(other)) if one == other => Some(one.to_owned()),
            _ => None,
        },
        (On::Producer, On::Producer) => Some("the producer".to_owned()),
        (On::Locks, On::Locks) => match (earlier.fault.harm(), later.fault.harm()) {
            (Harm::Task(one), Harm::Task(other)) if one == other => Some(one.to_owned()),
            _ => None,
        },
        (one, other) if one == other => {
            let both = |name: &&String| earlier.targets.contains(name);
            later.targets.iter().find(both).cloned()
        }
        _ => None,
    }
}
