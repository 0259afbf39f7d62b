//! When the plan itself had parts of the system away: what happened then needs no other explanation.

use firedrill_asynq::clock::Time;
use std::collections::{BTreeMap, BTreeSet};

/// The name under which the drill's Redis goes; processes have a number in theirs.
pub const REDIS: &str = "redis";

/// Who was away by plan, from when until when, and when Redis came back without its data.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Absences {
    /// Of each process, and of [`REDIS`]; without an end while it is away.
    spans: BTreeMap<String, Vec<(Time, Option<Time>)>>,
    /// When those of Redis' began in which it answers, although with errors.
    answering: BTreeSet<Time>,
    /// The same of scrape targets that were well and could not be reached.
    unreached: BTreeMap<String, Vec<(Time, Option<Time>)>>,
    /// The same of queues that were paused.
    paused: BTreeMap<String, Vec<(Time, Option<Time>)>>,
    /// What of it Redis has lost, or may have, in order of time.
    losses: Vec<Loss>,
}

/// From when until when; without an end while it goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span(Time, Option<Time>);

impl Span {
    fn has(self, at: Time) -> bool {
        self.touches(at, at)
    }

    /// Whether it has a moment between `from` and `to`.
    fn touches(self, from: Time, to: Time) -> bool {
        self.0 <= to && self.1.is_none_or(|until| until >= from)
    }
}

/// Something that Redis lost by plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Loss {
    /// When what was lost had been sent.
    sent: Span,
    /// When it was lost.
    lost: Span,
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

/// Whether one of these spans, which are in order, has a moment between `from` and `to`.
fn touch(spans: Option<&Vec<(Time, Option<Time>)>>, from: Time, to: Time) -> bool {
    let spans = spans.map_or(&[][..], Vec::as_slice);
    let over = spans.partition_point(|(_, until)| until.is_some_and(|until| until < from));
    spans
        .get(over)
        .is_some_and(|(since, until)| Span(*since, *until).touches(from, to))
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
        match spans.last() {
            Some((since, None)) if who == REDIS => {
                self.answering.remove(since);
            }
            Some((_, None)) => {}
            _ => spans.push((at, None)),
        }
    }

    /// From `at` on Redis refuses by plan what it is asked, or some of it: it answers, and no answer is lost.
    pub fn refuses(&mut self, at: Time) {
        let spans = self.spans.entry(REDIS.to_owned()).or_default();
        if spans.last().is_none_or(|(_, until)| until.is_some()) {
            spans.push((at, None));
            self.answering.insert(at);
        }
    }

    /// Whether Redis may have carried something out between `from` and `to` of which nobody was told, by plan.
    #[must_use]
    pub fn may_lose_replies(&self, from: Time, to: Time) -> bool {
        let spans = self.spans.get(REDIS).into_iter().flatten();
        let mut silent = spans.filter(|(since, _)| !self.answering.contains(since));
        silent.any(|(since, until)| Span(*since, *until).touches(from, to))
    }

    /// Until `at` it was.
    pub fn returns(&mut self, who: &str, at: Time) {
        if let Some((_, until)) = self.spans.get_mut(who).and_then(|spans| spans.last_mut()) {
            until.get_or_insert(at);
        }
    }

    /// What Redis held until `at` may be gone.
    pub fn loses_data(&mut self, at: Time) {
        self.loses(Span(Time(i64::MIN), Some(at)), Span(at, Some(at)));
    }

    /// What was sent to Redis from `from` to `to` may be gone since `to`.
    pub fn loses_since(&mut self, from: Time, to: Time) {
        self.loses(Span(from, Some(to)), Span(to, Some(to)));
    }

    fn loses(&mut self, sent: Span, lost: Span) {
        self.losses.push(Loss { sent, lost });
        self.losses.sort_by_key(|loss| loss.lost.0);
    }

    /// Anything in Redis may go from now on, or no longer.
    pub fn evicts(&mut self, on: bool, at: Time) {
        match on {
            true => self.loses(Span(Time(i64::MIN), None), Span(at, None)),
            false => {
                for loss in &mut self.losses {
                    loss.sent.1.get_or_insert(at);
                    loss.lost.1.get_or_insert(at);
                }
            }
        }
    }

    /// Whether Redis may have lost anything by plan.
    #[must_use]
    pub fn has_losses(&self) -> bool {
        !self.losses.is_empty()
    }

    /// Whether Redis may have lost all that it held.
    #[must_use]
    pub fn may_lose_all(&self) -> bool {
        self.losses.iter().any(|loss| loss.sent.0 == Time(i64::MIN))
    }

    /// When Redis first lost what was sent to it at `sent`, at `since` or later, if it did by plan.
    #[must_use]
    pub fn lost_since(&self, sent: Time, since: Time) -> Option<Time> {
        let losses = self.losses.iter().filter(|loss| loss.sent.has(sent));
        let mut losses = losses.filter(|loss| loss.lost.1.is_none_or(|until| until >= since));
        losses
            .next()
            .map(|loss| loss.lost.0.max(since.min(loss.lost.1.unwrap_or(since))))
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
    fn what_may_be_lost_is_what_was_sent_in_time() {
        let mut absences = Absences::default();
        let lost = |absences: &Absences, sent, since| {
            let at = absences.lost_since(Time(sent), Time(since));
            at.map(|at| at.0)
        };
        assert_eq!(lost(&absences, 5, 5), None);
        absences.loses_since(Time(10), Time(20));
        assert_eq!(
            [9, 10, 20, 21].map(|sent| lost(&absences, sent, sent)),
            [None, Some(20), Some(20), None]
        );
        assert_eq!(lost(&absences, 15, 21), None);
        assert!(!absences.may_lose_all());
        absences.evicts(true, Time(30));
        assert!(absences.may_lose_all());
        assert_eq!(
            [lost(&absences, 1, 5), lost(&absences, 1, 99)],
            [Some(30), Some(99)]
        );
        absences.evicts(false, Time(40));
        assert_eq!(
            [lost(&absences, 1, 35), lost(&absences, 1, 99)],
            [Some(35), None]
        );
        absences.loses_data(Time(50));
        assert_eq!(
            [lost(&absences, 45, 45), lost(&absences, 51, 51)],
            [Some(50), None]
        );
    }

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
        // What Redis refuses it has not done; who is killed meanwhile answers no more.
        absences.refuses(Time(10));
        assert!(absences.was_away(REDIS, Time(10), Time(50)));
        assert!(!absences.may_lose_replies(Time(0), Time(50)));
        absences.returns(REDIS, Time(20));
        absences.refuses(Time(30));
        absences.leaves(REDIS, Time(40));
        absences.returns(REDIS, Time(50));
        assert!(!absences.may_lose_replies(Time(0), Time(29)));
        assert!(absences.may_lose_replies(Time(35), Time(60)));
        assert!(absences.was_anybody_away(Time(0), Time(15)));
    }
}
