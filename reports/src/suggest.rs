//! What a pack lacks: the fewest rules of another pack that catch the incidents it misses, without a new false page.
//!
//! Rules are taken one after the other, each time the one that catches most of what is left; of two that catch as many, the one
//! with the shorter text. That is the greedy cover of a set, which need not be the smallest there is; in the end those are
//! dropped again without which as much is caught.

mod candidate;
mod diff;

pub use candidate::{Candidate, Host, candidates};
pub use diff::appended;

use crate::record::{AlertState, Wanted};
use crate::score::judge::Outcome;
use crate::{DrillScore, Record, Replay, ScoreParams, Scorecard, pack::RulePack, score_drill};
use std::collections::BTreeSet;

/// An incident in a set of drills: the drill's place, and its own in the drill.
type Place = (usize, usize);

/// A drill, with what the two packs make of it.
#[derive(Debug)]
pub struct Drill {
    /// What was recorded.
    pub record: Record,
    /// What the pack makes of it.
    pub own: Replay,
    /// What the candidates make of it, all of them.
    pub others: Replay,
}

/// What a pack comes to on a set of drills.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Incidents, without those that could not be judged.
    pub incidents: u64,
    /// Of which somebody was told by the deadline.
    pub caught: u64,
    /// Of which somebody was told after it.
    pub late: u64,
    /// Of which nobody was told.
    pub missed: u64,
    /// Pages and tickets about nothing.
    pub false_pages: u64,
}

/// An incident, as it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incident {
    /// The scenario of its drill.
    pub scenario: String,
    /// What is wrong.
    pub cause: String,
    /// What it deserves.
    pub wanted: Wanted,
}

/// A rule that is proposed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    /// Its place among the candidates.
    pub candidate: usize,
    /// Each incident that it catches in time and that the pack and the rules chosen before do not.
    pub catches: Vec<Incident>,
}

/// An incident that nothing that is proposed catches in time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// Which one.
    pub incident: Incident,
    /// The candidate that would catch it, and for which reason it is not proposed; `None`: there is none.
    pub would: Option<(usize, Harms)>,
}

/// What speaks against a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Harms {
    /// So many more pages and tickets about nothing.
    False(u64),
    /// Other incidents are no longer caught in time: so many.
    Loses(usize),
}

/// What is proposed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suggestion {
    /// The rules, in the order in which they were taken.
    pub chosen: Vec<Chosen>,
    /// The pack as it is.
    pub before: Tally,
    /// With those rules.
    pub after: Tally,
    /// Each incident that is not caught in time even so.
    pub left: Vec<Left>,
}

/// Scores of all drills under some of the candidates.
struct Scored {
    drills: Vec<DrillScore>,
    in_time: BTreeSet<Place>,
    tally: Tally,
}

impl Scored {
    fn new(drills: Vec<DrillScore>) -> Self {
        let mut tally = Tally::default();
        let mut in_time = BTreeSet::new();
        for (drill, score) in drills.iter().enumerate() {
            for (place, incident) in score.incidents.iter().enumerate() {
                let count = match incident.outcome {
                    Outcome::Early | Outcome::OnTime => {
                        in_time.insert((drill, place));
                        &mut tally.caught
                    }
                    Outcome::Late => &mut tally.late,
                    Outcome::Missed | Outcome::Masked => &mut tally.missed,
                    Outcome::Censored => continue,
                };
                *count += 1;
                tally.incidents += 1;
            }
        }
        let card = Scorecard::new(drills.clone());
        let tickets = card.tickets.map_or(0, |tickets| tickets.false_pages);
        tally.false_pages = card.summary.false_pages + tickets;
        Self {
            drills,
            in_time,
            tally,
        }
    }

    /// The drills with an incident that is not caught in time.
    fn lacking(&self) -> BTreeSet<usize> {
        let all = self.drills.iter().enumerate();
        let lacking = all.filter(|(drill, score)| {
            (0..score.incidents.len()).any(|place| !self.in_time.contains(&(*drill, place)))
        });
        lacking.map(|(drill, _)| drill).collect()
    }

    fn named(&self, (drill, place): Place) -> Incident {
        let score = &self.drills[drill];
        let truth = &score.incidents[place].truth;
        Incident {
            scenario: score.scenario.clone(),
            cause: truth.cause.clone(),
            wanted: truth.wanted,
        }
    }

    /// What speaks against having this instead of `before`, if anything does.
    fn harms(&self, before: &Self) -> Option<Harms> {
        let more = self
            .tally
            .false_pages
            .saturating_sub(before.tally.false_pages);
        let lost = before.in_time.difference(&self.in_time).count();
        match (more, lost) {
            (0, 0) => None,
            (0, lost) => Some(Harms::Loses(lost)),
            (more, _) => Some(Harms::False(more)),
        }
    }
}

/// Searches for rules that catch what a pack misses. `pack_with` makes the pack with some of the candidates, in their order.
///
/// # Errors
/// Those of `pack_with`.
pub fn suggest<E>(
    drills: &[Drill],
    candidates: &[Candidate],
    params: &ScoreParams,
    mut pack_with: impl FnMut(&[usize]) -> Result<RulePack, E>,
) -> Result<Suggestion, E> {
    let mut score = |some: &BTreeSet<usize>| -> Result<Scored, E> {
        let places: Vec<usize> = some.iter().copied().collect();
        let pack = pack_with(&places)?;
        let names: BTreeSet<&str> = places
            .iter()
            .map(|place| candidates[*place].alert.as_str())
            .collect();
        let scores = drills.iter().map(|drill| {
            let replay = with(drill, &names);
            score_drill(&drill.record, &replay, &pack, params)
        });
        Ok(Scored::new(scores.collect()))
    };
    let before = score(&BTreeSet::new())?;
    let mut chosen: Vec<Chosen> = Vec::new();
    let mut some = BTreeSet::new();
    let mut now = score(&some)?;
    loop {
        let lacking = now.lacking();
        let can_help = |place: &usize| {
            let alert = &candidates[*place].alert;
            lacking.iter().any(|drill| fires(&drills[*drill], alert))
        };
        let mut best: Option<(usize, Scored)> = None;
        let is_chosen = |place: &usize| chosen.iter().any(|one| one.candidate == *place);
        let places = (0..candidates.len()).filter(can_help);
        for place in places.filter(|place| !is_chosen(place)) {
            some.insert(place);
            let tried = score(&some)?;
            some.remove(&place);
            if tried.harms(&now).is_some() || tried.in_time.len() == now.in_time.len() {
                continue;
            }
            let rank = |scored: &Scored, place: usize| {
                let size = candidates[place].size;
                (scored.in_time.len(), std::cmp::Reverse((size, place)))
            };
            let is_better = best
                .as_ref()
                .is_none_or(|(other, scored)| rank(&tried, place) > rank(scored, *other));
            if is_better {
                best = Some((place, tried));
            }
        }
        let Some((candidate, scored)) = best else {
            break;
        };
        let new = scored.in_time.difference(&now.in_time);
        chosen.push(Chosen {
            candidate,
            catches: new.map(|place| scored.named(*place)).collect(),
        });
        some.insert(candidate);
        now = scored;
    }
    // One that was taken early may have become needless.
    for place in some.clone() {
        some.remove(&place);
        let without = score(&some)?;
        let is_needless = without.harms(&now).is_none();
        if is_needless {
            chosen.retain(|one| one.candidate != place);
            now = without;
        } else {
            some.insert(place);
        }
    }
    let is_left = |place: &Place| {
        let incident = &now.drills[place.0].incidents[place.1];
        incident.outcome != Outcome::Censored && !now.in_time.contains(place)
    };
    let all = now.drills.iter().enumerate();
    let all =
        all.flat_map(|(drill, score)| (0..score.incidents.len()).map(move |place| (drill, place)));
    let places: Vec<Place> = all.filter(is_left).collect();
    // What was refused one by one, each with what it would catch of that.
    let mut refused: Vec<(usize, Harms, Scored)> = Vec::new();
    for candidate in (0..candidates.len()).filter(|candidate| !some.contains(candidate)) {
        let alert = &candidates[candidate].alert;
        if places.iter().any(|place| fires(&drills[place.0], alert)) {
            let mut with = some.clone();
            with.insert(candidate);
            let tried = score(&with)?;
            if let Some(harms) = tried.harms(&now) {
                refused.push((candidate, harms, tried));
            }
        }
    }
    let left = places.into_iter().map(|place| {
        let would = refused
            .iter()
            .filter(|(.., tried)| tried.in_time.contains(&place));
        let least = would.min_by_key(|(candidate, harms, _)| (*harms, candidates[*candidate].size));
        Left {
            incident: now.named(place),
            would: least.map(|(candidate, harms, _)| (*candidate, *harms)),
        }
    });
    Ok(Suggestion {
        left: left.collect(),
        before: before.tally,
        after: now.tally,
        chosen,
    })
}

/// Whether a candidate ever fires in a drill: one that does not catches nothing there.
fn fires(drill: &Drill, alert: &str) -> bool {
    let mut transitions = drill.others.transitions.iter();
    transitions.any(|one| one.alert == alert && one.to == AlertState::Firing)
}

/// What the pack and the candidates of these names make of a drill.
fn with(drill: &Drill, names: &BTreeSet<&str>) -> Replay {
    let mut replay = drill.own.clone();
    let others = drill.others.transitions.iter();
    let others = others.filter(|transition| names.contains(transition.alert.as_str()));
    replay.transitions.extend(others.cloned());
    // Those of one moment stay in the order of the files.
    replay
        .transitions
        .sort_by_key(|transition| transition.at_ms);
    let silent = drill.others.never_had_data.iter();
    let silent = silent.filter(|name| names.contains(name.as_str()));
    replay.never_had_data.extend(silent.cloned());
    replay
}
