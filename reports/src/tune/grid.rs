//! The grid: every combination of the axes' values.

use super::axis::Axis;
use firedrill_detector::tuning::SettingValue;
use std::time::Duration;
use thiserror::Error;

/// Most judgements, one per setting and drill, that a search accepts: a few minutes and some hundred megabytes.
pub const JUDGEMENTS_MAX: u128 = 50_000_000;
/// The same where an Alertmanager file says what is sent: then all alerts are judged together, under every setting.
pub const ROUTED_JUDGEMENTS_MAX: u128 = 250_000;
/// How long the most judgements take, seconds, by which an estimate goes. One core of a small machine is faster for a
/// threshold at the top of an expression, and slower where every set of thresholds takes an evaluation of its own.
const LONGEST_S: u128 = 250;

/// All combinations of some axes' values. Settings are numbered with the last axis running fastest.
#[derive(Debug, Clone, PartialEq)]
pub struct Grid {
    axes: Vec<Axis>,
}

/// A grid that would take too long.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "{settings} settings of {drills} drills are {judgements} judgements, about {}; the limit is {limit}; \
     give larger steps (LOW..HIGH/STEP), narrower ranges, or fewer drills", about(*.estimate)
)]
pub struct TooLarge {
    /// Settings of the grid.
    pub settings: u128,
    /// Drills to judge.
    pub drills: u128,
    /// Their product.
    pub judgements: u128,
    /// How long that would take, roughly.
    pub estimate: Duration,
    /// Most judgements accepted.
    pub limit: u128,
}

impl Grid {
    /// The grid of these axes.
    #[must_use]
    pub fn new(axes: Vec<Axis>) -> Self {
        Self { axes }
    }

    /// The axes.
    #[must_use]
    pub fn axes(&self) -> &[Axis] {
        &self.axes
    }

    /// How many settings there are, however many.
    #[must_use]
    pub fn settings(&self) -> u128 {
        let lengths = self.axes.iter().map(|axis| axis.values.len() as u128);
        lengths.fold(1, u128::saturating_mul)
    }

    /// Makes sure that judging so many drills under every setting is within `limit`, such as [`JUDGEMENTS_MAX`].
    ///
    /// # Errors
    /// With an estimate of what it would take.
    pub fn check(&self, drills: usize, limit: u128) -> Result<(), TooLarge> {
        let drills = drills.max(1) as u128;
        let judgements = self.settings().saturating_mul(drills);
        let seconds = judgements.saturating_mul(LONGEST_S) / limit.max(1) + 1;
        if judgements <= limit {
            return Ok(());
        }
        Err(TooLarge {
            settings: self.settings(),
            drills,
            judgements,
            estimate: Duration::from_secs(u64::try_from(seconds).unwrap_or(u64::MAX)),
            limit,
        })
    }

    /// The number of settings, once [`check`](Self::check) has found it small.
    pub(super) fn len(&self) -> usize {
        usize::try_from(self.settings()).unwrap_or(usize::MAX)
    }

    /// Which value of each axis a setting has.
    pub(crate) fn places(&self, setting: usize) -> Vec<usize> {
        let mut rest = setting;
        let mut places: Vec<usize> = Vec::with_capacity(self.axes.len());
        for axis in self.axes.iter().rev() {
            places.push(rest % axis.values.len());
            rest /= axis.values.len();
        }
        places.reverse();
        places
    }

    /// The number of a setting.
    pub(crate) fn number(&self, places: &[usize]) -> usize {
        let axes = self.axes.iter().zip(places);
        axes.fold(0, |number, (axis, place)| {
            number * axis.values.len() + place
        })
    }

    /// The values of a setting, one per axis.
    #[must_use]
    pub fn values(&self, setting: usize) -> Vec<SettingValue> {
        let places = self.places(setting);
        let axes = self.axes.iter().zip(places);
        axes.map(|(axis, place)| axis.values[place]).collect()
    }
}

/// A length of time in its largest unit.
fn about(time: Duration) -> String {
    let seconds = time.as_secs();
    let units = [
        (365 * 86_400, "years"),
        (86_400, "days"),
        (3_600, "hours"),
        (60, "minutes"),
    ];
    let unit = units.iter().find(|(length, _)| seconds >= 2 * length);
    unit.map_or(format!("{seconds} seconds"), |(length, name)| {
        format!("{} {name}", seconds / length)
    })
}
