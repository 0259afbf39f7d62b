//! What tasks are told apart by, and what they carry: ids, uniqueness locks, payloads.

use crate::form::{At, Brief, Means, Shape, count64, form, placed, positive, size, within};
use crate::lever::{Arriving, Lever};
use crate::plan::{Plan, Step, TaskPlan, Z95};
use firedrill_detector::yaml::{Position, Problems};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Longest id that is given.
const ID_MAX: usize = 200;
/// Most distinct ids or payloads that are told apart.
const DISTINCT_MAX: u64 = 1_000_000;
/// Largest payload, bytes.
pub(crate) const PAYLOAD_MAX: u64 = 64 << 20;
/// A mebibyte.
pub(crate) const MB: f64 = 1_048_576.0;

/// asynq's `TaskID`: a text in which `{n}` stands for the arrival's number, from 0, and `{n % 12}` for its remainder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct IdPattern {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Number,
    Remainder(u64),
}

impl IdPattern {
    /// The id of arrival `seq`.
    #[must_use]
    pub fn of(&self, seq: u64) -> String {
        let parts = self.parts.iter().map(|part| match part {
            Part::Text(text) => text.clone(),
            Part::Number => seq.to_string(),
            Part::Remainder(of) => (seq % of).to_string(),
        });
        parts.collect()
    }

    /// After how many arrivals the ids come again; `None`: never.
    #[must_use]
    pub fn distinct(&self) -> Option<u64> {
        let mut distinct = 1_u64;
        for part in &self.parts {
            match part {
                Part::Text(_) => {}
                Part::Number => return None,
                Part::Remainder(of) => {
                    let (mut a, mut b) = (distinct, *of);
                    while b > 0 {
                        (a, b) = (b, a % b);
                    }
                    distinct = distinct.saturating_mul(of / a);
                }
            }
        }
        Some(distinct)
    }

    /// What all of its ids begin with, and whether that is all there is.
    fn head(&self) -> (&str, bool) {
        match &self.parts[..] {
            [Part::Text(text)] => (text, true),
            [Part::Text(text), ..] => (text, false),
            _ => ("", false),
        }
    }

    /// Whether an id of one may be an id of the other.
    pub(crate) fn may_meet(&self, other: &Self) -> bool {
        let ((own, own_whole), (theirs, their_whole)) = (self.head(), other.head());
        match (own_whole, their_whole) {
            (true, true) => own == theirs,
            (true, false) => own.starts_with(theirs),
            (false, true) => theirs.starts_with(own),
            (false, false) => own.starts_with(theirs) || theirs.starts_with(own),
        }
    }
}

impl FromStr for IdPattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let form = || {
            "an id of letters, digits and `-_.:/`, in which `{n}` is the arrival's number and `{n % 12}` its remainder"
                .to_owned()
        };
        let fits = |c: char| c.is_ascii_alphanumeric() || "-_.:/".contains(c);
        let mut parts = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            if let Some(inside) = rest.strip_prefix('{') {
                let (inside, after) = inside.split_once('}').ok_or_else(form)?;
                let number = inside.trim().strip_prefix('n').ok_or_else(form)?.trim();
                parts.push(match number.strip_prefix('%') {
                    None if number.is_empty() => Part::Number,
                    None => return Err(form()),
                    Some(of) => {
                        let of = of.trim().parse().ok();
                        let of = of.filter(|of| (1..=DISTINCT_MAX).contains(of));
                        Part::Remainder(of.ok_or_else(form)?)
                    }
                });
                rest = after;
                continue;
            }
            let end = rest.find('{').unwrap_or(rest.len());
            let (word, after) = rest.split_at(end);
            if !word.chars().all(fits) {
                return Err(form());
            }
            parts.push(Part::Text(word.to_owned()));
            rest = after;
        }
        match parts.is_empty() || text.len() > ID_MAX {
            true => Err(form()),
            false => Ok(Self { parts }),
        }
    }
}

impl fmt::Display for IdPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.parts.iter().try_for_each(|part| match part {
            Part::Text(text) => f.write_str(text),
            Part::Number => f.write_str("{n}"),
            Part::Remainder(of) => write!(f, "{{n % {of}}}"),
        })
    }
}

impl From<IdPattern> for String {
    fn from(pattern: IdPattern) -> Self {
        pattern.to_string()
    }
}

impl TryFrom<String> for IdPattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

/// asynq's `Unique`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unique {
    /// How long the lock is held at most.
    pub ttl_ms: i64,
    /// How many distinct payloads arrivals cycle through; `None`: each has its own.
    pub keys: Option<u64>,
}

form! {
    /// asynq's `Unique`: no other task of the same queue, type and payload is accepted meanwhile.
    pub(crate) struct UniqueForm: "unique" {
        /// How long the lock is held at most.
        ttl_ms as "ttl": i64 = positive().at_least(1_000, "1s"), required;
        /// How many distinct payloads arrivals cycle through; each has its own where it is left out.
        keys: Option<u64> = count64(1..=DISTINCT_MAX), optional;
    }
}

impl Means<Unique> for UniqueForm {
    fn means(self, _: Position, _: &mut Problems) -> Option<Unique> {
        let Self { ttl_ms, keys } = self;
        Some(Unique { ttl_ms, keys })
    }

    fn of(unique: &Unique) -> Self {
        let Unique { ttl_ms, keys } = *unique;
        Self { ttl_ms, keys }
    }

    fn brief() -> Option<Brief<Unique>> {
        let shape = || positive().at_least(1_000, "1s");
        Some(Brief {
            read: |node, what, problems| {
                let ttl_ms = positive()
                    .at_least(1_000, "1s")
                    .read(node, what, problems)?;
                Some(Unique { ttl_ms, keys: None })
            },
            write: |unique| {
                let shape = positive();
                unique.keys.is_none().then(|| shape.write(&unique.ttl_ms))
            },
            words: "duration",
            schema: shape().schema(),
        })
    }
}

/// How large payloads are, bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum PayloadSize {
    /// All the same.
    Constant {
        /// How large.
        bytes: u64,
    },
    /// Any size between two is as likely.
    Uniform {
        /// The smallest.
        min: u64,
        /// The largest.
        max: u64,
    },
    /// Most are small and a few are large.
    Lognormal {
        /// The mean.
        mean: u64,
        /// The 95th percentile.
        p95: u64,
    },
}

impl PayloadSize {
    /// The size at a point of the distribution: `uniform` from 0 to 1, `normal` standard normal.
    pub(crate) fn at(&self, uniform: impl FnOnce() -> f64, normal: impl FnOnce() -> f64) -> u64 {
        let bytes = match self {
            Self::Constant { bytes } => *bytes as f64,
            Self::Uniform { min, max } => *min as f64 + uniform() * (max - min) as f64,
            Self::Lognormal { mean, p95 } => match lognormal(*mean as f64, *p95 as f64) {
                Some((mu, sigma)) => libm::exp(mu + sigma * normal()),
                None => *mean as f64,
            },
        };
        (bytes as u64).min(PAYLOAD_MAX)
    }

    /// The largest; of a distribution without one, a size that some have.
    pub(crate) fn largest(&self) -> u64 {
        match self {
            Self::Constant { bytes } => *bytes,
            Self::Uniform { max, .. } => *max,
            Self::Lognormal { p95, .. } => *p95,
        }
    }

    /// Its mean.
    pub(crate) fn mean_bytes(&self) -> f64 {
        match self {
            Self::Constant { bytes } => *bytes as f64,
            Self::Uniform { min, max } => (min + max) as f64 / 2.0,
            Self::Lognormal { mean, .. } => *mean as f64,
        }
    }
}

/// Mean and standard deviation of the logarithm, by mean and 95th percentile; `None`: no such distribution has them.
pub(crate) fn lognormal(mean: f64, p95: f64) -> Option<(f64, f64)> {
    // mean = exp(mu + s^2/2) and p95 = exp(mu + z s), so s^2/2 - z s + ln(p95/mean) = 0: the smaller root.
    let discriminant = Z95 * Z95 - 2.0 * libm::log(p95 / mean);
    if p95 <= mean || discriminant < 0.0 {
        return None;
    }
    let sigma = Z95 - libm::sqrt(discriminant);
    Some((libm::log(mean) - sigma * sigma / 2.0, sigma))
}

form! {
    /// How large payloads are: a size such as `50KB`, or a distribution.
    pub(crate) struct PayloadForm: "payload" [one of constant, uniform, lognormal] {
        /// All the same.
        constant: Option<u64> = size(PAYLOAD_MAX), optional;
        /// Any size between two is as likely.
        uniform: Option<UniformForm> = within::<UniformForm>(), optional;
        /// Most are small and a few are large.
        lognormal: Option<SizesForm> = within::<SizesForm>(), optional;
    }
}

form! {
    /// Sizes between two.
    pub(crate) struct UniformForm: "uniform" {
        /// The smallest.
        min: u64 = size(PAYLOAD_MAX), required;
        /// The largest.
        max: At<u64> = placed(size(PAYLOAD_MAX)), required;
    }
}

form! {
    /// Lognormal sizes.
    pub(crate) struct SizesForm: "lognormal" {
        /// The mean.
        mean: u64 = size(PAYLOAD_MAX), required;
        /// The 95th percentile, more than the mean and less than 3.8 times it.
        p95: At<u64> = placed(size(PAYLOAD_MAX)), required;
    }
}

impl Means<PayloadSize> for PayloadForm {
    fn means(self, _: Position, problems: &mut Problems) -> Option<PayloadSize> {
        if let Some(UniformForm { min, max }) = self.uniform {
            if max.value <= min {
                problems.push(max.at, "max: must be more than `min`");
                return None;
            }
            let max = max.value;
            return Some(PayloadSize::Uniform { min, max });
        }
        if let Some(SizesForm { mean, p95 }) = self.lognormal {
            if lognormal(mean as f64, p95.value as f64).is_none() {
                let message = "p95: expected more than the mean and less than 3.8 times it";
                problems.push(p95.at, message);
                return None;
            }
            let p95 = p95.value;
            return Some(PayloadSize::Lognormal { mean, p95 });
        }
        self.constant.map(|bytes| PayloadSize::Constant { bytes })
    }

    fn of(size: &PayloadSize) -> Self {
        let mut form = Self {
            constant: None,
            uniform: None,
            lognormal: None,
        };
        match *size {
            PayloadSize::Constant { bytes } => form.constant = Some(bytes),
            PayloadSize::Uniform { min, max } => {
                let max = At::nowhere(max);
                form.uniform = Some(UniformForm { min, max });
            }
            PayloadSize::Lognormal { mean, p95 } => {
                let p95 = At::nowhere(p95);
                form.lognormal = Some(SizesForm { mean, p95 });
            }
        }
        form
    }

    fn brief() -> Option<Brief<PayloadSize>> {
        Some(Brief {
            read: |node, what, problems| {
                let bytes = size(PAYLOAD_MAX).read(node, what, problems)?;
                Some(PayloadSize::Constant { bytes })
            },
            write: |size_of| match size_of {
                PayloadSize::Constant { bytes } => Some(size(PAYLOAD_MAX).write(bytes)),
                _ => None,
            },
            words: "size",
            schema: size(PAYLOAD_MAX).schema(),
        })
    }
}

impl Plan {
    /// Whether a task may be refused because there is such a one.
    pub(crate) fn may_have_duplicates(&self) -> bool {
        self.workload.iter().any(TaskPlan::may_be_duplicate)
    }
}

impl TaskPlan {
    /// Whether one of its tasks may be refused because there is such a one.
    #[must_use]
    pub fn may_be_duplicate(&self) -> bool {
        self.task_id.is_some() || self.unique.is_some()
    }

    /// Whether one of its tasks may be refused because another of `plan` has its id or its uniqueness lock.
    pub(crate) fn shares(&self, plan: &Plan) -> bool {
        let ids = self.task_id.as_ref().map(IdPattern::distinct);
        let locks = self.unique.map(|unique| unique.keys);
        let in_itself = ids.flatten().is_some() || locks.flatten().is_some();
        let doubles = |step: &Step| {
            let what = Arriving::Periodic;
            matches!(step.fault.begin(), Lever::Load(load) if load.what == what && load.factor > 1.0)
        };
        let is_alike = |other: &Self| {
            let ids = self.task_id.is_some() && other.task_id.is_some();
            let locks = self.unique.is_some() && other.unique.is_some() && other.task == self.task;
            other.queue == self.queue && (ids || locks)
        };
        let alike = plan.workload.iter().filter(|other| is_alike(other));
        in_itself || alike.count() > 1 || plan.timeline.iter().any(doubles)
    }

    /// The number that arrival `seq` has its payload from.
    #[must_use]
    pub fn payload_number(&self, seq: u64) -> u64 {
        let keys = self.unique.and_then(|unique| unique.keys);
        keys.map_or(seq, |keys| seq % keys)
    }

    /// Whether its tasks wait in a group: asynq schedules one that is not due yet like any other.
    #[must_use]
    pub fn is_grouped(&self) -> bool {
        self.group.is_some() && self.delay_ms == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_text_with_numbers_in_it() {
        let id = |text: &str| text.parse::<IdPattern>();
        let fixed = id("campaign:verify").unwrap();
        assert_eq!(
            (fixed.of(7), fixed.distinct()),
            ("campaign:verify".into(), Some(1))
        );
        let cycle = id("sync-{n % 12}/{n%8}").unwrap();
        assert_eq!(
            (cycle.of(25), cycle.distinct()),
            ("sync-1/1".into(), Some(24))
        );
        assert_eq!(cycle.to_string(), "sync-{n % 12}/{n % 8}");
        assert_eq!(id(&cycle.to_string()), Ok(cycle.clone()));
        let each = id("{n}").unwrap();
        assert_eq!((each.of(25), each.distinct()), ("25".into(), None));
        for text in [
            "", " ", "a b", "{m}", "{n", "{n % 0}", "{n % x}", "{n + 1}", "a}",
        ] {
            assert!(id(text).is_err(), "{text}");
        }
        let meet = |a: &str, b: &str| id(a).unwrap().may_meet(&id(b).unwrap());
        assert!(meet("a", "a") && meet("a1", "a{n}") && meet("a{n}", "a-{n}") && meet("{n}", "x"));
        assert!(!meet("a", "ab") && !meet("b1", "a{n}") && !meet("a{n}", "b{n}"));
    }
}
