//! What the episodes of one alert come to on one drill, in a few numbers that can be put together with those of others.

use super::Scope;
use crate::pack::RulePack;
use crate::record::Header;
use crate::score::delivery::deliver;
use crate::score::episode::Episode;
use crate::score::judge::{Class, Judged, classify};
use crate::score::{Delivery, Ground, ScoreParams};

/// The digest of an alert's episodes.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Digest {
    /// The first right episode on each incident, if there is one.
    pub(super) first: Vec<Option<First>>,
    /// Out of the blue, or on a harmless event.
    pub(super) false_alarms: u32,
    /// On incidents it is not meant for.
    pub(super) misattributed: u32,
    /// Right episodes beyond the first on an incident.
    pub(super) repeats: u32,
}

/// The first right episode on an incident. What is less comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct First {
    pub(super) delivered_ms: i64,
    /// Of episodes that are told together, those come first that began first, ...
    start_ms: i64,
    /// ... hits come before repeats, ...
    class: Class,
    /// ... then alerts go by their names, ...
    rank: u32,
    /// ... and then by their order.
    place: u32,
}

/// What judging needs to know.
#[derive(Debug, Clone, Copy)]
pub(super) struct Judging<'j> {
    pub(super) ground: &'j Ground,
    pub(super) header: &'j Header,
    pub(super) pack: &'j RulePack,
    pub(super) params: &'j ScoreParams,
    pub(super) delivery: Delivery,
    pub(super) scope: Scope,
}

impl Judging<'_> {
    /// Judges the episodes of one alert, whose name has this rank among all names. Alerts can be judged one by one, since
    /// neither delivery nor classification looks at an episode of another alert.
    pub(super) fn digest(&self, mut episodes: Vec<Episode>, rank: u32) -> Digest {
        let truths = &self.ground.truths;
        deliver(&mut episodes, self.delivery);
        let judged = classify(episodes, truths, self.pack, self.params, self.header);
        self.digest_of(judged.iter(), rank)
    }

    /// The digest of an alert's judged episodes, in their order.
    pub(super) fn digest_of<'d>(
        &self,
        judged: impl Iterator<Item = &'d Judged>,
        rank: u32,
    ) -> Digest {
        let truths = &self.ground.truths;
        let mut digest = Digest {
            first: vec![None; truths.len()],
            ..Digest::default()
        };
        for (place, judged) in (0_u32..).zip(judged) {
            let counts = judged.page || self.scope == Scope::Varied;
            match judged.class {
                Class::False | Class::BenignFalse | Class::Standing if counts => {
                    digest.false_alarms += 1
                }
                Class::Misattributed if counts => digest.misattributed += 1,
                Class::Repeat => digest.repeats += 1,
                _ => {}
            }
            for (index, _) in truths
                .iter()
                .enumerate()
                .filter(|(_, truth)| judged.detects(truth))
            {
                let first = First {
                    delivered_ms: judged.episode.delivered_ms,
                    start_ms: judged.episode.start_ms,
                    class: judged.class,
                    rank,
                    place,
                };
                let known = &mut digest.first[index];
                *known = Some(known.map_or(first, |known| known.min(first)));
            }
        }
        digest
    }
}

impl Digest {
    /// An alert that stayed silent.
    pub(super) fn silent(incidents: usize) -> Self {
        Self {
            first: vec![None; incidents],
            ..Self::default()
        }
    }

    /// Adds what another alert did.
    pub(super) fn add(&mut self, other: &Self) {
        for (first, theirs) in self.first.iter_mut().zip(&other.first) {
            *first = match (*first, *theirs) {
                (Some(ours), Some(theirs)) => Some(ours.min(theirs)),
                (ours, theirs) => ours.or(theirs),
            };
        }
        self.false_alarms += other.false_alarms;
        self.misattributed += other.misattributed;
        self.repeats += other.repeats;
    }
}
