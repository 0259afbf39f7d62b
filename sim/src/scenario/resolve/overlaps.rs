//! Steps that get in each other's way: what one has broken another would break again, or mend too early, and the ground
//! truth of both would be wrong.
//!
//! | while this is on | this is refused |
//! | --- | --- |
//! | a fault of workers (`worker.kill`, `worker.stop`, `handler.deadlock`, ...) | another on one of the same processes: it would find nothing to break, and the first remedy would end both |
//! | a fault of Redis | another one |
//! | `redis.failover`, before or after | another one: there is one replica |
//! | `queue.pause` | another one of that queue |
//! | a fault of links, or of targets | another one on one of the same |
//! | a fault of Redis, or a link that is cut | `worker.restart` and `workers.scale`: a worker does not start without Redis |
//!
//! Each is on from its `at` to its remedy, or to the end of the drill. One may begin at the very moment another ends. All
//! else goes together: factors of `handler.slow` are multiplied, and an execution fails when one `handler.fail` or the
//! other hits it.

use crate::fault::Harm;
use crate::lever::{Lever, LinkLever, On, ProcessLever, RedisLever};
use crate::plan::{RemedyStep, Step};
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
        let fails_over = |step: &&Step| step.fault.begin() == Lever::Redis(RedisLever::LosePrimary);
        for step in timeline.iter().filter(fails_over).skip(1) {
            let (at, name) = (self.place(step), step.fault.name());
            let message = format!("{name}: there is one replica, and it is the primary by then");
            self.problems
                .push_with_hint(at, message, "accepted: one in a drill");
        }
        let starts = |lever: &Lever| {
            matches!(
                lever,
                Lever::Process(ProcessLever::Restart) | Lever::Members
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
        (one, other) if one == other => {
            let both = |name: &&String| earlier.targets.contains(name);
            later.targets.iter().find(both).cloned()
        }
        _ => None,
    }
}
