//! What a plan's steps do to Redis, and to what its clients ask of it.

use super::{PRODUCER, Plan, Step};
use crate::lever::{Lever, LinkLever, On, PointLever, PointVerdict, QueueLever, RedisLever, Ways};
use firedrill_asynq::call::CallKind;
use firedrill_asynq::rng;
use rand::RngExt;
use std::collections::BTreeSet;
use std::time::Duration;

impl Plan {
    /// Whether Redis has to keep its data over a SIGKILL.
    #[must_use]
    pub fn needs_persistence(&self) -> bool {
        let faults = self.timeline.iter();
        let mut faults = faults.map(|step| step.fault.needs().persistence);
        // A Redis that is started anew without a fault has lost nothing.
        faults.any(|needed| needed) || self.starts_redis()
    }

    /// How much of a round trip of this process to Redis at `at_ms` is the plan's doing, virtual microseconds. `None`: a step
    /// holds calls for as long as it is on, so that their length says nothing.
    pub(crate) fn planned_round_trip_us(&self, process: &str, at_ms: i64) -> Option<i64> {
        let mut planned_us = 0;
        for step in self.timeline.iter().filter(|step| step.is_on(at_ms)) {
            let is_hit = step.targets.iter().any(|target| target == process);
            match step.fault.begin() {
                Lever::Redis(_) => return None,
                Lever::Link(LinkLever::Delay {
                    ms,
                    jitter_ms,
                    ways,
                }) if is_hit => {
                    // There and back, and half the jitter each time.
                    let times = ways.hit().into_iter().map(i64::from).sum::<i64>();
                    planned_us += times * (2 * ms + jitter_ms) * 500;
                }
                Lever::Link(_) | Lever::Process(_) | Lever::Point(_) if is_hit => return None,
                _ => {}
            }
        }
        Some(planned_us)
    }

    /// The clients to whose links something is done, each once.
    pub(crate) fn linked_clients(&self) -> BTreeSet<&str> {
        let steps = self.timeline.iter();
        let links = steps.filter(|step| step.fault.needs_links());
        links
            .flat_map(|step| step.targets.iter().map(String::as_str))
            .collect()
    }

    /// Those of them whose calls a step has a rule about, each once.
    pub(crate) fn heard_clients(&self) -> BTreeSet<&str> {
        let steps = self.timeline.iter();
        let rules = steps.filter(|step| matches!(step.fault.begin(), Lever::Point(_)));
        rules
            .flat_map(|step| step.targets.iter().map(String::as_str))
            .collect()
    }

    /// Whether calls to Redis are held for as long as clients wait, or longer: by a link, or by a Redis that is stopped.
    #[must_use]
    pub fn holds_calls(&self) -> bool {
        let holds = |lever| {
            matches!(
                lever,
                Lever::Link(_) | Lever::Redis(RedisLever::Stop | RedisLever::RunScript)
            )
        };
        let mut faults = self.timeline.iter();
        faults.any(|step| holds(step.fault.begin()))
    }

    /// Whether a task may be in Redis although its producer was told otherwise: what was sent arrives late, or its answer never
    /// does.
    #[must_use]
    pub(crate) fn refused_may_come(&self) -> bool {
        let mut faults = self.timeline.iter();
        self.holds_calls() || faults.any(|step| step.fault.needs_links())
    }

    /// Least real time that calls and scrapes get before they count as failed: asynq's 3 s would be shorter than a hiccup of
    /// the machine at a high speed. A drill in which they fail by plan is about that very time, so it goes slower instead.
    #[must_use]
    pub fn timeout_floor(&self) -> Duration {
        match self.holds_calls() {
            true => Duration::from_millis(100),
            false => Duration::from_secs(1),
        }
    }

    /// Whether something is done to links, which lead to one server without TLS.
    #[must_use]
    pub fn has_links(&self) -> bool {
        !self.linked_clients().is_empty()
    }

    /// Whether it needs a Redis that may be stopped and changed.
    #[must_use]
    pub fn needs_own_redis(&self) -> bool {
        let mut faults = self.timeline.iter();
        let mut remedies = self.remedies.iter();
        faults.any(|step| step.fault.needs().own_redis)
            || remedies.any(|step| step.remedy.kind().on == On::Redis)
    }

    fn starts_redis(&self) -> bool {
        let starts = |lever| matches!(lever, Lever::Redis(RedisLever::Start { .. }));
        let mut remedies = self.remedies.iter();
        remedies.any(|step| starts(step.remedy.done(None)))
    }

    /// Whether the producer may send a task again whose answer it did not get: it is new to Redis if it was done meanwhile.
    pub(crate) fn may_enqueue_twice(&self) -> bool {
        let on_its_way = |step: &Step| step.targets.iter().any(|target| target == PRODUCER);
        let mut steps = self.timeline.iter();
        steps.any(|step| step.fault.needs_links() && on_its_way(step))
    }

    /// Whether Redis may have a task again that it had forgotten.
    pub(crate) fn tasks_may_return(&self) -> bool {
        let mut faults = self.timeline.iter();
        faults.any(|step| step.fault.prepare().is_some())
    }

    /// Whether Redis may hand out tasks, and count them as failed in the end, of which no worker hears.
    pub(crate) fn loses_tasks_on_their_way(&self) -> bool {
        let loses = |lever| match lever {
            Lever::Link(LinkLever::Drop { ways }) => ways == Ways::ToClient,
            Lever::Point(PointLever::Set(rule)) => {
                rule.call == CallKind::Dequeue && rule.then == PointVerdict::LoseReply
            }
            _ => false,
        };
        let mut faults = self.timeline.iter();
        faults.any(|step| loses(step.fault.begin()))
    }

    /// The step while which what is sent at `at_ms` is sent again where it is not taken, and how long after, virtual milliseconds.
    pub(crate) fn sends_again(&self, at_ms: i64) -> Option<(usize, i64)> {
        let mut steps = self.timeline.iter().enumerate();
        steps.find_map(|(index, step)| match step.fault.begin() {
            Lever::Again { every_ms } if step.is_on(at_ms) => Some((index, every_ms)),
            _ => None,
        })
    }

    /// Ids of the tasks that a step puts into a queue with a message that nobody can decode.
    pub(crate) fn garbled_ids(&self, step: usize) -> Vec<String> {
        let step = &self.timeline[step];
        let Lever::Queue {
            what: QueueLever::Garble { count },
            ..
        } = step.fault.begin()
        else {
            return Vec::new();
        };
        let id = |number| {
            let mut dice = rng::stream(self.seed, &format!("garbled/{}/{number}", step.id));
            uuid::Builder::from_random_bytes(dice.random())
                .into_uuid()
                .to_string()
        };
        (0..count).map(id).collect()
    }

    /// The same of all its steps.
    pub(crate) fn all_garbled_ids(&self) -> BTreeSet<String> {
        let steps = 0..self.timeline.len();
        steps.flat_map(|step| self.garbled_ids(step)).collect()
    }

    /// Whether its Redis has a replica.
    pub(crate) fn has_replica(&self) -> bool {
        let fails_over = |lever| lever == Lever::Redis(RedisLever::LosePrimary);
        let mut faults = self.timeline.iter();
        faults.any(|step| fails_over(step.fault.begin()))
    }
}
