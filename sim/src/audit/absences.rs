//! When the plan itself had parts of the system away: what happened then needs no other explanation.

use firedrill_asynq::clock::Time;
use std::collections::BTreeMap;

/// The name under which the drill's Redis goes; processes have a number in theirs.
pub const REDIS: &str = "redis";

/// Who was away by plan, from when until when, and when Redis came back without its data.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Absences {
    /// Of each process, and of [`REDIS`]; without an end while it is away.
    spans: BTreeMap<String, Vec<(Time, Option<Time>)>>,
    /// The same of scrape targets that were well and could not be reached.
    unreached: BTreeMap<String, Vec<(Time, Option<Time>)>>,
    /// The same of queues that were paused.
    paused: BTreeMap<String, Vec<(Time, Option<Time>)>>,
    /// When Redis lost what it held, in order.
    losses: Vec<Time>,
}

/// Begins a span, or ends the one that is open.
fn turn(spans: &mut Vec<(Time, Option<Time>)>, on: bool, at: Time) {
    match spans.last_mut() {
        Some((_, until @ None)) if !on => *until = Some(at),
        Some((_, None)) => {}
        _ if on => spans.push((at, None)),
        _ => {}
    }
}

/// Whether one of these spans has a moment between `from` and `to`.
fn touch(spans: Option<&Vec<(Time, Option<Time>)>>, from: Time, to: Time) -> bool {
    let mut spans = spans.into_iter().flatten();
    spans.any(|(since, until)| *since <= to && until.is_none_or(|until| until >= from))
}

/// The name under which a client's way to Redis goes: the client itself is where it was.
#[must_use]
pub fn way_of(client: &str) -> String {
    format!("{client} to redis")
}

impl Absences {
    /// From `at` on a target can be reached, or not.
    pub fn reaches(&mut self, instance: &str, reachable: bool, at: Time) {
        let spans = self.unreached.entry(instance.to_owned()).or_default();
        turn(spans, !reachable, at);
    }

    /// From `at` on a queue is paused, or no longer.
    pub fn pauses(&mut self, queue: &str, paused: bool, at: Time) {
        let spans = self.paused.entry(queue.to_owned()).or_default();
        turn(spans, paused, at);
    }

    /// Whether a queue was paused at any moment between `from` and `to`.
    #[must_use]
    pub fn was_paused(&self, queue: &str, from: Time, to: Time) -> bool {
        touch(self.paused.get(queue), from, to)
    }

    /// Whether a target could not be reached at any moment between `from` and `to`.
    #[must_use]
    pub fn was_out_of_reach(&self, instance: &str, from: Time, to: Time) -> bool {
        touch(self.unreached.get(instance), from, to)
    }

    /// From `at` on, what happens to `who` is the plan's doing.
    pub fn leaves(&mut self, who: &str, at: Time) {
        let spans = self.spans.entry(who.to_owned()).or_default();
        if spans.last().is_none_or(|(_, until)| until.is_some()) {
            spans.push((at, None));
        }
    }

    /// Until `at` it was.
    pub fn returns(&mut self, who: &str, at: Time) {
        if let Some((_, until)) = self.spans.get_mut(who).and_then(|spans| spans.last_mut()) {
            until.get_or_insert(at);
        }
    }

    /// What Redis held until `at` may be gone.
    pub fn loses_data(&mut self, at: Time) {
        self.losses.push(at);
        self.losses.sort_unstable();
    }

    /// When Redis lost its data for the last time.
    #[must_use]
    pub fn data_lost(&self) -> Option<Time> {
        self.losses.last().copied()
    }

    /// When Redis first lost its data at `since` or later.
    #[must_use]
    pub fn data_lost_since(&self, since: Time) -> Option<Time> {
        self.losses.iter().copied().find(|at| *at >= since)
    }

    /// Whether `who` is away now, or ever was between `from` and `to`.
    #[must_use]
    pub fn was_away(&self, who: &str, from: Time, to: Time) -> bool {
        touch(self.spans.get(who), from, to)
    }

    /// Whether anybody was away between `from` and `to`.
    #[must_use]
    pub fn was_anybody_away(&self, from: Time, to: Time) -> bool {
        let mut names = self.spans.keys();
        names.any(|who| self.was_away(who, from, to))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restart_of_what_is_away_is_one_absence() {
        let mut absences = Absences::default();
        absences.leaves("w-0", Time(10));
        absences.leaves("w-0", Time(20));
        assert!(absences.was_away("w-0", Time(100), Time(200)));
        absences.returns("w-0", Time(30));
        absences.returns("w-0", Time(40));
        let away = |from, to| absences.was_away("w-0", Time(from), Time(to));
        assert_eq!(
            [away(0, 9), away(0, 10), away(30, 50), away(31, 50)],
            [false, true, true, false]
        );
        assert!(!absences.was_away(REDIS, Time(0), Time(50)));
        assert!(absences.was_anybody_away(Time(0), Time(15)));
    }
}
