//! Workers that the machine kept from their work for minutes.
//!
//! A median over a whole drill says nothing of a few bad minutes, and no single delay of them need be long. What was not
//! worked off in them waits, and what waits raises alarms, then and while it is caught up with.

use super::{Alarms, SLOT_OVERHEAD_MAX};
use crate::record::Lag;
use std::collections::BTreeMap;

const MINUTE_MS: i64 = 60_000;
/// What counts of a single minute, whatever its neighbours were like.
const MINUTE_MAX: f64 = 0.5;
/// For how many times its own length a bad time goes on to have effects: as long as that takes a fleet that works at five
/// sixths to catch up with.
const AFTER: i64 = 5;

/// A time in which too much of the fleet's capacity was lost, `[from, to)`.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Starved {
    from_ms: i64,
    to_ms: i64,
    /// Work lost, milliseconds of the whole fleet.
    lost_ms: i64,
}

/// The bad times: two minutes on end that lost more than the limit together, or one that lost half.
fn starved(lag: &Lag) -> Vec<Starved> {
    let lost: BTreeMap<i64, i64> = lag.lost_ms.iter().copied().collect();
    let of = |at_ms: i64| lost.get(&at_ms).copied().unwrap_or(0);
    let share = |lost_ms: i64, minutes: i64| lost_ms as f64 / (minutes * MINUTE_MS) as f64;
    let mut found: Vec<Starved> = Vec::new();
    for (at_ms, lost_ms) in &lost {
        let with_neighbour = of(at_ms - MINUTE_MS).max(of(at_ms + MINUTE_MS)) + lost_ms;
        let is_bad = share(*lost_ms, 1) > MINUTE_MAX
            || (share(with_neighbour, 2) > SLOT_OVERHEAD_MAX
                && share(*lost_ms, 1) > SLOT_OVERHEAD_MAX / 2.0);
        if !is_bad {
            continue;
        }
        match found.last_mut() {
            Some(last) if last.to_ms == *at_ms => {
                last.to_ms += MINUTE_MS;
                last.lost_ms += lost_ms;
            }
            _ => found.push(Starved {
                from_ms: *at_ms,
                to_ms: at_ms + MINUTE_MS,
                lost_ms: *lost_ms,
            }),
        }
    }
    found
}

/// By how much what was lost shortly before a moment can move what alerts see after it, milliseconds. What is lost waits,
/// and the fleet catches up with it from the next minute on; a task of a backlog waits as many times longer as catching up
/// takes.
pub(super) fn owed(lag: &Lag, at_ms: i64) -> i64 {
    let mut owed_ms = 0;
    let mut last_ms = 0;
    for (from_ms, lost_ms) in lag.lost_ms.iter().filter(|(from_ms, _)| *from_ms < at_ms) {
        let caught_up_ms = (from_ms - last_ms) / AFTER;
        owed_ms = (owed_ms - caught_up_ms).max(0) + lost_ms;
        last_ms = *from_ms;
    }
    let caught_up_ms = (at_ms - last_ms - MINUTE_MS).max(0) / AFTER;
    (owed_ms - caught_up_ms).max(0) * (AFTER + 1)
}

/// Alarms that may be the machine's doing; each alert once.
pub(super) fn doubts(lag: &Lag, alarms: Alarms<'_>) -> Vec<String> {
    let bad = starved(lag);
    let mut why: BTreeMap<&str, String> = BTreeMap::new();
    for judged in alarms.judged.iter().filter(|judged| alarms.counts(judged)) {
        let episode = &judged.episode;
        let reaches = |time: &&Starved| {
            let reach_ms = time.to_ms + AFTER * (time.to_ms - time.from_ms);
            (time.from_ms..reach_ms).contains(&episode.start_ms)
        };
        if let Some(time) = bad.iter().find(reaches) {
            why.entry(&episode.alert).or_insert_with(|| {
                let share = time.lost_ms as f64 / (time.to_ms - time.from_ms) as f64;
                format!(
                    "the machine took {:.0} % of the workers' capacity from minute {} to {}, which may have made {} fire; \
                     try a lower --speed",
                    share * 100.0,
                    time.from_ms / MINUTE_MS,
                    time.to_ms / MINUTE_MS,
                    episode.alert
                )
            });
        }
    }
    why.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lag(lost: &[(i64, i64)]) -> Lag {
        let lost = lost.iter().map(|(minute, ms)| (minute * MINUTE_MS, *ms));
        Lag {
            lost_ms: lost.collect(),
            ..Lag::default()
        }
    }

    #[test]
    fn what_was_lost_before_a_fault_is_owed_until_it_was_caught_up_with() {
        let lost = lag(&[(4, 8_000), (5, 15_000)]);
        assert_eq!(owed(&lost, 6 * MINUTE_MS), 90_000);
        assert_eq!(owed(&lost, 7 * MINUTE_MS), 18_000);
        assert_eq!(owed(&lost, 8 * MINUTE_MS), 0);
        assert_eq!(owed(&lost, 3 * MINUTE_MS), 0, "it is yet to come");
        assert_eq!(
            owed(&lag(&[(1, 200), (2, 200), (3, 200)]), 4 * MINUTE_MS),
            1_200
        );
    }

    #[test]
    fn a_tenth_is_no_bad_time_and_a_quarter_of_two_minutes_is() {
        let usual: Vec<(i64, i64)> = (100..130).map(|minute| (minute, 6_000)).collect();
        assert_eq!(starved(&lag(&usual)), []);
        assert_eq!(starved(&lag(&[(3, 20_000)])), [], "a minute alone");
        let [bad] = starved(&lag(&[(3, 17_000), (4, 27_000), (5, 16_000), (6, 500)]))
            .try_into()
            .unwrap();
        let expected = Starved {
            from_ms: 180_000,
            to_ms: 360_000,
            lost_ms: 60_000,
        };
        assert_eq!(bad, expected);
        assert_eq!(starved(&lag(&[(3, 31_000)])).len(), 1, "half of a minute");
    }
}
