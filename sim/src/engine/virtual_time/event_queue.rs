//! What is going to happen, by time; first come first served among what happens at the same time.

use crate::engine::virtual_time::lever::OnWire;
use crate::engine::virtual_time::pools::OnResource;
use crate::engine::virtual_time::token::Token;
use firedrill_asynq::actor::{RunId, Ticket, Timer};
use firedrill_asynq::clock::Time;
use firedrill_asynq::op::Answer;
use std::cmp::{Ordering, Reverse};
use std::collections::{BinaryHeap, VecDeque};

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
    /// A client's patience with an attempt of a call over the wire is over: the call's number, and which attempt.
    TimesOut(u64, u32),
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
        self.key().cmp(&other.key())
    }
}

impl Due {
    /// Time and sequence as one number, which is compared without a branch.
    #[inline]
    fn key(&self) -> i128 {
        (i128::from(self.at.0) << 64) | i128::from(self.seq)
    }
}

/// The event heap, and beside it what needs no heap to be in order: the fewer there are in the heap, the faster it is.
#[derive(Debug, Default)]
pub(crate) struct EventQueue {
    /// What comes soonest of what was pushed lately: a stream of arrivals, each of which pushes the next, mostly stays here.
    soon: Option<Due>,
    /// What was pushed for the moment it was pushed at. All of it happens before time goes on.
    at_once: VecDeque<Due>,
    /// What was pushed in the order in which it happens.
    in_order: VecDeque<Due>,
    heap: BinaryHeap<Reverse<Due>>,
    /// When the last thing happened.
    now: Option<Time>,
    seq: u64,
}

impl EventQueue {
    #[inline]
    pub(crate) fn push(&mut self, at: Time, what: Happening) {
        let due = self.due(at, what);
        if self.now == Some(at) {
            return self.at_once.push_back(due);
        }
        match &mut self.soon {
            Some(soon) if due < *soon => {
                let later = std::mem::replace(soon, due);
                self.heap.push(Reverse(later));
            }
            Some(_) => self.heap.push(Reverse(due)),
            None => self.soon = Some(due),
        }
    }

    /// The same, for what mostly comes to nothing and is as far off as what was pushed like this before.
    pub(crate) fn push_in_order(&mut self, at: Time, what: Happening) {
        if self.in_order.back().is_some_and(|last| last.at > at) {
            return self.push(at, what);
        }
        let due = self.due(at, what);
        self.in_order.push_back(due);
    }

    fn due(&mut self, at: Time, what: Happening) -> Due {
        self.seq += 1;
        let seq = self.seq;
        Due { at, seq, what }
    }

    /// The next thing to happen, if it does so before `end`.
    #[inline]
    pub(crate) fn pop(&mut self, end: Time) -> Option<(Time, Happening)> {
        const NEVER: i128 = i128::MAX;
        let key = |due: Option<&Due>| due.map_or(NEVER, Due::key);
        let soon = key(self.soon.as_ref());
        let heap = key(self.heap.peek().map(|Reverse(due)| due));
        let at_once = key(self.at_once.front());
        let in_order = key(self.in_order.front());
        let first = soon.min(heap).min(at_once).min(in_order);
        if first >= i128::from(end.0) << 64 {
            return None;
        }
        let due = if first == heap {
            self.heap.pop()?.0
        } else if first == soon {
            self.soon.take()?
        } else if first == at_once {
            self.at_once.pop_front()?
        } else {
            self.in_order.pop_front()?
        };
        self.now = Some(due.at);
        Some((due.at, due.what))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What is pushed: when, and whether as in order; or nothing is, and the next thing happens.
    fn step() -> impl Strategy<Value = Option<(i64, bool)>> {
        prop::option::weighted(0.7, (0_i64..20, any::<bool>()))
    }

    proptest! {
        #[test]
        fn in_order_of_time_then_of_coming(steps in prop::collection::vec(step(), 0..120)) {
            const END: i64 = 15;
            let mut events = EventQueue::default();
            let mut expected: Vec<(i64, usize)> = Vec::new();
            let mut now = 0;
            let pops = std::iter::repeat_n(&None, steps.len() + 1);
            for (number, step) in steps.iter().chain(pops).enumerate() {
                if let Some((after, in_order)) = step {
                    let (at, what) = (now + after, Happening::Scrape(number));
                    match in_order {
                        true => events.push_in_order(Time(at), what),
                        false => events.push(Time(at), what),
                    }
                    expected.push((at, number));
                    continue;
                }
                let popped = events.pop(Time(END)).map(|(at, what)| match what {
                    Happening::Scrape(number) => (at.0, number),
                    other => panic!("{other:?}"),
                });
                let first = expected.iter().copied().min().filter(|(at, _)| *at < END);
                prop_assert_eq!(popped, first);
                if let Some((at, _)) = first {
                    expected.retain(|due| Some(*due) != first);
                    now = at;
                }
            }
            prop_assert!(expected.iter().all(|(at, _)| *at >= END));
        }
    }
}
