//! Single delays, and what they can have changed.
//!
//! A delay keeps samples from being taken, tasks from coming or from being worked on, and then makes up for it at once. Up
//! to an evaluation interval (or a scrape interval, if that is longer) it moves what alerts see by no more than itself. A
//! longer one skips evaluations and can break the windows of `rate`; its *reach* is six times as long as itself (in a
//! longer window it is a small part), and ends when Prometheus has looked back far enough. A drill is inconclusive when a
//! delay
//!
//! * is longer than Prometheus looks back: all series may have been gone;
//! * took half the time from a fault to its deadline, and nobody saw the incident: it may have been seen in that half;
//! * touches an alarm that counts (a false page, or an incident's detection), which was over within the delay's reach: the
//!   delay may have made it. An alarm that outlasts the reach has other reasons;
//! * is a long one, and an alert that counts (it is expected and its incident was not seen in time, or it pages where it must
//!   be silent) was pending and let go as the delay ended: it may have fired otherwise.
//!
//! So a stall in a quiet drill, or one that is over long before an alarm, changes nothing.

use crate::jsonl::Record;
use crate::pack::Role;
use crate::record::{AlertState, Gap, GapKind, Lag, Wanted};
use crate::score::IncidentScore;
use crate::score::doubt::Alarms;
use crate::score::judge::Outcome;
use std::collections::BTreeMap;

/// How far Prometheus looks back for a sample, and the usual window of a `rate`.
const LOOKBACK_MS: i64 = 300_000;

/// For how many times its own length a long delay goes on to have effects.
///
/// This is a judgement, not a bound. The bound is the window of the rule, which may be an hour, or what a backlog takes to
/// drain; with it, any stall of a second would undo most of a drill. What is certain: in a window six times as long as
/// the delay, what was delayed is at most a sixth of what is counted, and as most of it is made up for within the window,
/// what is seen differs by less. A rule that sits closer to its threshold than that can still be decided by a delay beyond
/// this reach. [`LOOKBACK_MS`] bounds it for instant selectors and the usual `[5m]`.
const AFTER: i64 = 5;

/// A delay that counts.
#[derive(Debug, Clone, Copy)]
struct Delay<'g> {
    gap: &'g Gap,
    /// How long it was beyond what happens in any drill.
    ms: i64,
    /// Whether it skipped evaluations.
    long: bool,
}

impl<'g> Delay<'g> {
    fn of(record: &Record, gap: &'g Gap) -> Self {
        let header = &record.header;
        let free_ms = match gap.what {
            // One handler is late with one task, which nobody sees before the next scrape.
            GapKind::Handler => header.scrape_interval_ms,
            _ => 0,
        };
        let ms = (gap.ms - free_ms).max(0);
        let long = ms > header.evaluation_interval_ms.max(header.scrape_interval_ms);
        Self { gap, ms, long }
    }

    /// For how long from its beginning it has effects.
    fn reach_ms(&self) -> i64 {
        let after_ms = (AFTER * self.ms).min(LOOKBACK_MS);
        self.ms + if self.long { after_ms } else { 0 }
    }

    /// Whether it may have had an effect between these times.
    fn touches(&self, (from_ms, to_ms): (i64, i64)) -> bool {
        self.ms > 0 && self.gap.at_ms <= to_ms && self.gap.at_ms + self.reach_ms() >= from_ms
    }
}

/// The longest delay between two times, milliseconds.
pub(super) fn longest(record: &Record, lag: &Lag, (from_ms, to_ms): (i64, i64)) -> i64 {
    let delays = lag.gaps.iter().map(|gap| Delay::of(record, gap));
    delays
        .filter(|delay| delay.gap.at_ms <= to_ms && delay.gap.at_ms + delay.ms >= from_ms)
        .map(|delay| delay.ms)
        .max()
        .unwrap_or(0)
}

/// What single delays put in doubt; each alarm once, with the longest.
pub(super) fn doubts(record: &Record, lag: &Lag, alarms: Alarms<'_>) -> Vec<String> {
    let mut delays: Vec<Delay<'_>> = lag.gaps.iter().map(|gap| Delay::of(record, gap)).collect();
    delays.sort_by_key(|delay| std::cmp::Reverse(delay.ms));
    let mut why = Vec::new();
    if let Some(delay) = delays.first().filter(|delay| delay.ms > LOOKBACK_MS) {
        why.push(format!(
            "{}, longer than Prometheus looks back; try a lower --speed",
            told(delay.gap)
        ));
    }
    for incident in alarms.incidents {
        why.extend(hidden(incident, &delays));
    }
    why.extend(made(&delays, alarms));
    why.extend(let_go(record, &delays, alarms));
    why
}

/// An incident that nobody saw, and a delay that took half the time there was to see it.
fn hidden(incident: &IncidentScore, delays: &[Delay<'_>]) -> Option<String> {
    let truth = &incident.truth;
    let enough_ms = (truth.deadline_ms - truth.fault_ms) / 2;
    let while_on = (truth.fault_ms, truth.end_ms);
    let overlaps = |delay: &&Delay<'_>| {
        delay.gap.at_ms <= while_on.1 && delay.gap.at_ms + delay.ms >= while_on.0
    };
    let mut delays = delays.iter().filter(overlaps);
    let delay = delays.find(|delay| delay.ms > 0 && delay.ms >= enough_ms)?;
    (incident.outcome == Outcome::Missed).then(|| {
        format!(
            "{} while the {} incident was on that nobody saw; try a lower --speed",
            told(delay.gap),
            truth.cause
        )
    })
}

/// Alarms that a delay may have made.
fn made(delays: &[Delay<'_>], alarms: Alarms<'_>) -> Vec<String> {
    let mut why: BTreeMap<&str, String> = BTreeMap::new();
    for judged in alarms.judged {
        let episode = &judged.episode;
        let counts = alarms.counts(judged);
        let fired_ms = episode.end_ms - episode.start_ms;
        let span = (episode.pending_ms, episode.end_ms);
        let delay = delays
            .iter()
            .find(|delay| delay.touches(span) && fired_ms <= delay.reach_ms());
        if let (true, Some(delay)) = (counts, delay) {
            why.entry(&episode.alert).or_insert_with(|| {
                format!(
                    "{}, which may have made {} fire; try a lower --speed",
                    told(delay.gap),
                    episode.alert
                )
            });
        }
    }
    why.into_values().collect()
}

/// Alerts that were pending and let go when a long delay ended.
fn let_go(record: &Record, delays: &[Delay<'_>], alarms: Alarms<'_>) -> Vec<String> {
    let header = &record.header;
    let beat_ms = header.evaluation_interval_ms + header.scrape_interval_ms;
    let mut why: BTreeMap<&str, String> = BTreeMap::new();
    let gone = alarms.transitions.iter().filter(|transition| {
        (transition.from, transition.to) == (AlertState::Pending, AlertState::Inactive)
    });
    for transition in gone {
        let at_ms = transition.at_ms;
        let delay = delays.iter().filter(|delay| delay.long).find(|delay| {
            (delay.gap.at_ms..=delay.gap.at_ms + delay.ms + beat_ms).contains(&at_ms)
        });
        let page = alarms.pack.is_page(&transition.labels);
        let alert = transition.alert.as_str();
        let (mut on, mut unseen) = (false, false);
        for incident in alarms.incidents {
            let truth = &incident.truth;
            if (truth.fault_ms..truth.end_ms).contains(&at_ms) {
                on = true;
                let right = (page || truth.wanted == Wanted::Ticket)
                    && alarms.pack.role_of(&truth.cause, alert, &transition.labels)
                        == Role::Expected;
                unseen |= right && !matches!(incident.outcome, Outcome::Early | Outcome::OnTime);
            }
        }
        let must_be_silent = !on && page && at_ms >= header.warmup_ms;
        if let (true, Some(delay)) = (unseen || must_be_silent, delay) {
            why.entry(alert).or_insert_with(|| {
                format!(
                    "{}, while {alert} was pending, and it cleared then; try a lower --speed",
                    told(delay.gap)
                )
            });
        }
    }
    why.into_values().collect()
}

/// A delay in words.
fn told(gap: &Gap) -> String {
    let Gap {
        what,
        subject,
        at_ms,
        ms,
    } = gap;
    let length = format!("{:.1} s of virtual time", *ms as f64 / 1e3);
    let what = match what {
        GapKind::Scrape => format!("{subject} was scraped {length} late"),
        GapKind::Enqueue => format!("a task was enqueued {length} late"),
        GapKind::RoundTrip => format!("{subject} waited {length} for Redis"),
        GapKind::Handler => format!("a handler of {subject} took {length} too long"),
        GapKind::Stall => format!("{subject} did not run for {length}"),
        GapKind::Other => format!("{subject} was {length} late"),
    };
    format!("{what} in minute {:.1}", *at_ms as f64 / 6e4)
}
