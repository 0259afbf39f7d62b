//! What is going to happen, by time; first come first served among what happens at the same time.

use crate::engine::virtual_time::lever::OnWire;
use crate::engine::virtual_time::pools::OnResource;
use crate::engine::virtual_time::token::Token;
use firedrill_asynq::actor::{RunId, Ticket, Timer};
use firedrill_asynq::clock::Time;
use firedrill_asynq::op::Answer;
use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

/// An actor, in one of its lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    Producer,
    /// A worker process, by number, and how often it was started before.
    Process(u16, u32),
}

/// Something that is going to happen.
#[derive(Debug)]
pub(crate) enum Happening {
    /// An actor's timer.
    Timer(Who, Timer),
    /// A handler has worked as long as it is going to.
    HandlerEnds(Who, RunId),
    /// A call that Redis did not take has failed at last, or one that takes its time is answered.
    Answer(Box<(Who, Ticket<Token>, Answer<Token>)>),
    /// A target is scraped.
    Scrape(usize),
    /// A target that is no longer found is let go.
    Gone(usize),
    /// The agenda's next turn.
    Turn,
    /// The patience with a graceful shutdown is over.
    Kill(u16, u32),
    /// A process dies in the middle of a call.
    Dies(u16, u32),
    /// A process that is throttled stops or goes on, in the throttle of this number.
    Throttle(u16, u32),
    /// An orchestrator starts a process again that has died in this life.
    StartsAgain(u16, u32),
    /// Between a handler and what it needs.
    Resource(Who, RunId, OnResource),
    /// More may hold a resource from now on.
    Grows(usize),
    /// It is time for what becomes of a process in this life by plan: its number among those of the process.
    Ails(u16, u32, u16),
    /// An actor is asked to shut down.
    Shutdown(Who),
    /// Between actors and Redis.
    Wire(Box<OnWire>),
}

#[derive(Debug)]
struct Due {
    at: Time,
    seq: u64,
    what: Happening,
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at, self.seq).cmp(&(other.at, other.seq))
    }
}

/// The event heap, and one event beside it: what comes soonest of what was pushed lately. A stream of arrivals, each of
/// which pushes the next, mostly stays out of the heap.
#[derive(Debug, Default)]
pub(crate) struct EventQueue {
    soon: Option<Due>,
    heap: BinaryHeap<Reverse<Due>>,
    seq: u64,
}

impl EventQueue {
    #[inline]
    pub(crate) fn push(&mut self, at: Time, what: Happening) {
        self.seq += 1;
        let due = Due {
            at,
            seq: self.seq,
            what,
        };
        match &mut self.soon {
            Some(soon) if due < *soon => {
                let later = std::mem::replace(soon, due);
                self.heap.push(Reverse(later));
            }
            Some(_) => self.heap.push(Reverse(due)),
            None => self.soon = Some(due),
        }
    }

    /// The next thing to happen, if it does so before `end`.
    #[inline]
    pub(crate) fn pop(&mut self, end: Time) -> Option<(Time, Happening)> {
        let from_heap = match (&self.soon, self.heap.peek()) {
            (Some(soon), Some(Reverse(first))) => first < soon,
            (None, Some(_)) => true,
            (_, None) => false,
        };
        let due = if from_heap {
            if self.heap.peek()?.0.at >= end {
                return None;
            }
            self.heap.pop()?.0
        } else {
            self.soon.take_if(|soon| soon.at < end)?
        };
        Some((due.at, due.what))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn in_order_of_time_then_of_coming(times in prop::collection::vec(0_i64..20, 0..60)) {
            let mut events = EventQueue::default();
            for (number, at) in times.iter().enumerate() {
                events.push(Time(*at), Happening::Scrape(number));
            }
            let mut expected: Vec<(i64, usize)> = times.iter().copied().zip(0..).collect();
            expected.sort_unstable();
            let popped: Vec<(i64, usize)> = std::iter::from_fn(|| events.pop(Time(15)))
                .map(|(at, what)| match what {
                    Happening::Scrape(number) => (at.0, number),
                    other => panic!("{other:?}"),
                })
                .collect();
            expected.retain(|(at, _)| *at < 15);
            prop_assert_eq!(popped, expected);
        }
    }
}
