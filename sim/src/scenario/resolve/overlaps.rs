//! Steps that get in each other's way: what one has broken another would break again, or mend too early, and the ground
//! truth of both would be wrong.
//!
//! | while this is on | this is refused |
//! | --- | --- |
//! | a fault of workers (`worker.kill`, `worker.stop`, `handler.deadlock`, ...) | another on one of the same processes: it would find nothing to break, and the first remedy would end both |
//! | a fault of Redis | another one |
//! | `queue.pause` | another one of that queue |
//! | a fault of links, or of targets | another one on one of the same |
//! | a fault of Redis | `worker.restart`: a worker does not start without Redis |
//!
//! Each is on from its `at` to its remedy, or to the end of the drill. One may begin at the very moment another ends. All
//! else goes together: factors of `handler.slow` are multiplied, and an execution fails when one `handler.fail` or the
//! other hits it.

use crate::fault::Harm;
use crate::lever::{Lever, On, ProcessLever};
use crate::plan::Step;
use crate::scenario::duration;
use crate::scenario::resolve::Resolver;

impl Resolver<'_> {
    /// Refuses steps of a timeline, in order of their times, that get in each other's way.
    pub(super) fn in_each_others_way(&mut self, timeline: &[Step]) {
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
                        duration::format(later.at_ms),
                        self.names(&[earlier]).join("")
                    );
                    let hint = match &earlier.until {
                        Some(until) => format!("that ends at {}", duration::format(until.at_ms)),
                        None => "that ends with the drill".to_owned(),
                    };
                    self.problems.push_with_hint(at, message, hint);
                }
            }
        }
        for step in timeline {
            self.restarted_without_redis(step, timeline);
        }
    }

    fn restarted_without_redis(&mut self, step: &Step, timeline: &[Step]) {
        let Some(until) = &step.until else { return };
        if step.undo() != Some(Lever::Process(ProcessLever::Restart)) {
            return;
        }
        let outage = timeline.iter().find(|other| {
            other.fault.takes_redis() && other.at_ms < until.at_ms && ends_ms(other) > until.at_ms
        });
        if let Some(outage) = outage {
            let at = self.place(step);
            let message = format!(
                "{}: workers cannot be restarted at {}, Redis is down then, by {}",
                step.fault.name(),
                duration::format(until.at_ms),
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
