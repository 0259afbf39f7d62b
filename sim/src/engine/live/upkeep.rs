//! Whether the targets of a live drill are scraped when they should be, and answer when they should.

use super::scraper::Progress;
use super::watch::Roster;
use crate::audit::REDIS;
use crate::plan::Plan;
use firedrill_asynq::clock::Time;
use firedrill_reports::record::{GapKind, Meddling};

/// Whether targets that should be up are.
pub(super) struct Upkeep {
    roster: Roster,
    targets: Vec<Kept>,
}

/// A target.
struct Kept {
    name: String,
    /// What steps call it.
    member: String,
    interval_ms: i64,
    /// Whose absence explains that it is not up.
    who: String,
    /// When it was scraped last.
    last: Option<Time>,
    /// Whether it could be.
    up: bool,
}

impl Upkeep {
    pub(super) fn new(plan: &Plan, roster: Roster) -> Self {
        let targets = crate::engine::targets(plan).into_iter().map(|target| {
            // Exporters are the harness' own; one that waits for Redis is late with it.
            let who = match target.asks_redis() {
                true => REDIS.to_owned(),
                false => target.member.clone(),
            };
            Kept {
                name: target.name(),
                who,
                interval_ms: target.interval_ms,
                member: target.member,
                last: None,
                up: true,
            }
        });
        Self {
            roster,
            targets: targets.collect(),
        }
    }

    pub(super) fn see(&mut self, progress: &Progress) {
        match progress {
            Progress::Began { target, at, .. } => {
                let Kept {
                    name,
                    member,
                    interval_ms,
                    who,
                    last,
                    ..
                } = &mut self.targets[*target];
                // One that waits for somebody who is away by plan is late with the next.
                let is_told = |last: &Time| {
                    !self.roster.was_away(who, *last, *at)
                        && !self.roster.was_out_of_reach(member, *last, *at)
                };
                if let Some(last) = last.replace(*at).filter(is_told) {
                    let beyond_ms = at.millis() - last.millis() - *interval_ms;
                    self.roster.gap(GapKind::Scrape, name, last, beyond_ms);
                }
            }
            Progress::Ended {
                target,
                at,
                ended,
                values,
            } => {
                let Kept {
                    name,
                    member,
                    who,
                    up,
                    ..
                } = &mut self.targets[*target];
                let down = values.is_none()
                    && !self.roster.was_away(who, *at, *ended)
                    && !self.roster.was_out_of_reach(member, *at, *ended);
                if down && *up {
                    let saw = "could not be scraped".to_owned();
                    self.roster
                        .tell(Meddling::Unreachable, name, *at, None, saw);
                }
                *up = !down;
            }
            // It may come back, and is not late then.
            Progress::Gone { target, .. } => self.targets[*target].last = None,
        }
    }
}
