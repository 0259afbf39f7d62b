//! Scrapes every target at its interval, as Prometheus does, and hands the results on in order of their time.

use crate::http;
use crate::http::get::{Client, Url};
use crate::metrics::{Value, exposition};
use firedrill_asynq::clock::{ClockOrigin, Time};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc::UnboundedSender;

/// Where targets are now; a restarted process has a new address under its old name.
#[derive(Debug, Clone, Default)]
pub struct Addresses(Arc<Mutex<Places>>);

#[derive(Debug, Default)]
struct Places {
    by_target: BTreeMap<usize, Page>,
    /// Targets that cannot be reached.
    out_of_reach: BTreeSet<usize>,
    /// How late targets answer, virtual milliseconds.
    slow_ms: BTreeMap<usize, i64>,
    /// Targets that are not found: they are no members now.
    not_found: BTreeSet<usize>,
}

/// Where a target of ours is, on loopback.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Its address.
    pub address: SocketAddr,
    /// What its answers carry; whoever else answers there is not the target.
    pub token: String,
}

/// Where a target is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Page {
    /// Ours.
    Ours(Place),
    /// One that somebody named.
    Named(Url),
}

impl From<Place> for Page {
    fn from(place: Place) -> Self {
        Self::Ours(place)
    }
}

impl Page {
    /// Its page of metrics; `None` when it cannot be had in time, or is not one.
    async fn fetched(&self, path: &str, patience: Duration) -> Option<String> {
        match self {
            Self::Ours(Place { address, token }) => {
                let fetched = http::fetch_from(*address, path, Some(token));
                tokio::time::timeout(patience, fetched).await.ok().flatten()
            }
            // Nobody in particular asks, and a Prometheus would not hear more than that it failed either.
            Self::Named(url) => Client::default().get(url, patience).await.ok(),
        }
    }
}

impl Addresses {
    /// Sets the place of target number `target`.
    pub(crate) fn set(&self, target: usize, page: impl Into<Page>) {
        self.places().by_target.insert(target, page.into());
    }

    /// From now on target number `target` can be reached, or not.
    pub(crate) fn reach(&self, target: usize, reachable: bool) {
        let mut places = self.places();
        if reachable {
            places.out_of_reach.remove(&target);
        } else {
            places.out_of_reach.insert(target);
        }
    }

    /// From now on target number `target` answers so late, virtual milliseconds; 0: at once.
    pub(crate) fn slow(&self, target: usize, ms: i64) {
        let mut places = self.places();
        match ms {
            0 => places.slow_ms.remove(&target),
            _ => places.slow_ms.insert(target, ms),
        };
    }

    /// How late it answers, virtual milliseconds.
    fn slow_ms(&self, target: usize) -> i64 {
        self.places().slow_ms.get(&target).copied().unwrap_or(0)
    }

    /// From now on target number `target` is found, or no longer.
    pub(crate) fn find(&self, target: usize, found: bool) {
        let mut places = self.places();
        if found {
            places.not_found.remove(&target);
        } else {
            places.not_found.insert(target);
            places.by_target.remove(&target);
        }
    }

    /// Whether it is found.
    pub(crate) fn is_found(&self, target: usize) -> bool {
        !self.places().not_found.contains(&target)
    }

    /// Whether it can be reached.
    fn is_reachable(&self, target: usize) -> bool {
        !self.places().out_of_reach.contains(&target)
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The place of target number `target`, if it ever had one. One whose process is gone keeps it.
    pub(crate) fn get(&self, target: usize) -> Option<Page> {
        self.places().by_target.get(&target).cloned()
    }
}

/// A target's schedule.
#[derive(Debug, Clone, Copy)]
pub struct Schedule {
    /// Number of the target.
    pub target: usize,
    /// Path of its metrics.
    pub path: &'static str,
    /// First scrape.
    pub first: Time,
    /// Pause between scrapes, virtual milliseconds.
    pub interval_ms: i64,
    /// Virtual time after which a scrape has failed, milliseconds.
    pub timeout_ms: i64,
    /// Least real time of that.
    pub timeout_floor: Duration,
}

/// What a scrape loop tells.
#[derive(Debug)]
pub enum Progress {
    /// A scrape has begun; its result will carry this time.
    Began {
        /// Number of the target.
        target: usize,
        /// Time of the scrape.
        at: Time,
        /// How late it began, virtual milliseconds.
        late_ms: i64,
    },
    /// It ended; `None` = failed.
    Ended {
        /// Number of the target.
        target: usize,
        /// Time it began.
        at: Time,
        /// When the answer was there, or was given up.
        ended: Time,
        /// What was exposed.
        values: Option<Vec<Value>>,
    },
    /// A target is no longer found.
    Gone {
        /// Number of the target.
        target: usize,
        /// When that is told.
        at: Time,
    },
}

/// What came of one scrape: `None` = failed.
#[derive(Debug, Clone, PartialEq)]
pub enum Scraped {
    /// It was tried.
    Tried(Option<Vec<Value>>),
    /// The target is no longer found.
    Gone,
}

/// Prometheus waits for two more intervals and a tenth before it lets a target go that it no longer finds: it may come back
/// (`endOfRunStaleness`).
const SLOTS_KEPT: u32 = 2;

/// Scrapes one target until nobody listens any more. A slot missed because a scrape took too long is skipped.
pub async fn scrape_loop(
    schedule: Schedule,
    clock: ClockOrigin,
    addresses: Addresses,
    progress: UnboundedSender<Progress>,
) {
    let mut slot = schedule.first;
    let patience = clock
        .real_millis(schedule.timeout_ms)
        .max(schedule.timeout_floor);
    let (mut known, mut slots_missed) = (false, 0);
    loop {
        tokio::time::sleep(clock.until(slot)).await;
        if !addresses.is_found(schedule.target) {
            slots_missed += u32::from(known);
            if known && slots_missed == SLOTS_KEPT {
                known = false;
                tokio::time::sleep(clock.real_millis(schedule.interval_ms / 10)).await;
                let target = schedule.target;
                let at = Time::from_millis(clock.now().millis());
                if progress.send(Progress::Gone { target, at }).is_err() {
                    return;
                }
            }
            while slot <= clock.now() {
                slot = slot.plus_millis(schedule.interval_ms);
            }
            continue;
        }
        (known, slots_missed) = (true, 0);
        let at = Time::from_millis(clock.now().millis());
        let late_ms = at.millis() - slot.millis();
        if progress
            .send(Progress::Began {
                target: schedule.target,
                at,
                late_ms,
            })
            .is_err()
        {
            return;
        }
        // An answer that comes when nobody waits for it any more is none.
        let late_ms = addresses.slow_ms(schedule.target);
        let reachable = addresses.is_reachable(schedule.target) && late_ms < schedule.timeout_ms;
        let values = match addresses.get(schedule.target).filter(|_| reachable) {
            Some(place) => place.fetched(schedule.path, patience).await,
            None if reachable => None,
            // Packets that nobody answers: Prometheus waits until it loses patience. No hiccup is to be told from that.
            None => {
                tokio::time::sleep(clock.real_millis(schedule.timeout_ms)).await;
                None
            }
        };
        let values = values.and_then(|text| exposition::decode(&text).ok());
        if progress
            .send(Progress::Ended {
                target: schedule.target,
                at,
                ended: clock.now(),
                values,
            })
            .is_err()
        {
            return;
        }
        while slot <= clock.now() {
            slot = slot.plus_millis(schedule.interval_ms);
        }
    }
}

/// Puts results back into the order in which their scrapes began.
#[derive(Debug, Default)]
pub struct InOrder {
    under_way: BTreeMap<(Time, usize), Option<Scraped>>,
}

impl InOrder {
    /// Takes one message; returns the results that nothing earlier holds up any more.
    pub fn take(&mut self, progress: Progress) -> Vec<(Time, usize, Scraped)> {
        match progress {
            Progress::Began { target, at, .. } => {
                self.under_way.insert((at, target), None);
            }
            Progress::Ended {
                target, at, values, ..
            } => {
                let tried = Some(Scraped::Tried(values));
                self.under_way.insert((at, target), tried);
            }
            Progress::Gone { target, at } => {
                self.under_way.insert((at, target), Some(Scraped::Gone));
            }
        }
        let mut done = Vec::new();
        while let Some(first) = self.under_way.first_entry() {
            if first.get().is_none() {
                break;
            }
            let ((at, target), scraped) = first.remove_entry();
            done.extend(scraped.map(|scraped| (at, target, scraped)));
        }
        done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_scrape_holds_up_later_ones() {
        let mut order = InOrder::default();
        let (early, late) = (Time(1), Time(2));
        assert!(
            order
                .take(Progress::Began {
                    target: 0,
                    at: early,
                    late_ms: 0
                })
                .is_empty()
        );
        assert!(
            order
                .take(Progress::Began {
                    target: 1,
                    at: late,
                    late_ms: 0
                })
                .is_empty()
        );
        assert!(
            order
                .take(Progress::Ended {
                    target: 1,
                    at: late,
                    ended: late,
                    values: Some(vec![])
                })
                .is_empty()
        );
        let done = order.take(Progress::Ended {
            target: 0,
            at: early,
            ended: late,
            values: None,
        });
        let (failed, empty) = (Scraped::Tried(None), Scraped::Tried(Some(vec![])));
        assert_eq!(done, vec![(early, 0, failed), (late, 1, empty)]);
    }
}
