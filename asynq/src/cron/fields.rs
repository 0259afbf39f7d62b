//! The five fields of a specification, as robfig's standard parser reads them: which minutes, hours, days, months and days of
//! the week are meant.

use super::SpecError;

/// What a field may say.
struct Bounds {
    name: &'static str,
    low: u32,
    high: u32,
    /// Names of the numbers from `low` on.
    names: &'static [&'static str],
}

const MINUTE: Bounds = Bounds {
    name: "minute",
    low: 0,
    high: 59,
    names: &[],
};
const HOUR: Bounds = Bounds {
    name: "hour",
    low: 0,
    high: 23,
    names: &[],
};
const DAY: Bounds = Bounds {
    name: "day-of-month",
    low: 1,
    high: 31,
    names: &[],
};
const MONTH: Bounds = Bounds {
    name: "month",
    low: 1,
    high: 12,
    names: &[
        "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
    ],
};
const WEEKDAY: Bounds = Bounds {
    name: "day-of-week",
    low: 0,
    high: 6,
    names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
};

/// The values that a field means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Set {
    bits: u64,
    /// Whether it says all by a star: such a day does not count beside one that is named.
    star: bool,
}

impl Set {
    pub(super) fn has(self, value: u32) -> bool {
        self.bits & (1 << value) != 0
    }
}

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fields {
    pub(super) minutes: Set,
    pub(super) hours: Set,
    days: Set,
    pub(super) months: Set,
    weekdays: Set,
}

impl Fields {
    /// Reads `minute hour day-of-month month day-of-week`.
    pub(super) fn parse(text: &str) -> Result<Self, SpecError> {
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minutes, hours, days, months, weekdays] = fields[..] else {
            return Err(SpecError::Fields(fields.len()));
        };
        Ok(Self {
            minutes: MINUTE.set(minutes)?,
            hours: HOUR.set(hours)?,
            days: DAY.set(days)?,
            months: MONTH.set(months)?,
            weekdays: WEEKDAY.set(weekdays)?,
        })
    }

    /// Whether a day is meant, of the month and of the week (0: Sunday). Where both fields name some, either will do.
    pub(super) fn has_day(&self, day: u32, weekday: u32) -> bool {
        let (by_month, by_week) = (self.days.has(day), self.weekdays.has(weekday));
        match self.days.star || self.weekdays.star {
            true => by_month && by_week,
            false => by_month || by_week,
        }
    }
}

impl Bounds {
    fn set(&self, field: &str) -> Result<Set, SpecError> {
        let mut set = Set::default();
        for part in field.split(',').filter(|part| !part.is_empty()) {
            self.add(part, &mut set)?;
        }
        if set.bits == 0 {
            return Err(SpecError::Token(field.to_owned()));
        }
        Ok(set)
    }

    /// Adds what one part of a list says: `*`, a value or a range, and perhaps a step.
    fn add(&self, part: &str, set: &mut Set) -> Result<(), SpecError> {
        let unknown = || SpecError::Token(part.to_owned());
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, Some(number(step).ok_or_else(unknown)?)),
            None => (part, None),
        };
        let value = |text: &str| self.value(text).ok_or_else(unknown);
        let (from, to) = match range.split_once('-') {
            _ if matches!(range, "*" | "?") => (self.low, self.high),
            Some((from, to)) => (value(from)?, value(to)?),
            // A value with a step goes on to the end.
            None if step.is_some() => (value(range)?, self.high),
            None => (value(range)?, value(range)?),
        };
        let (low, high) = (self.low, self.high);
        if from < low || to > high {
            let message = format!("{}: `{part}` is not from {low} to {high}", self.name);
            return Err(SpecError::Pattern(message));
        }
        if from > to {
            let message = format!("{}: `{part}` ends before it begins", self.name);
            return Err(SpecError::Pattern(message));
        }
        let step = step.unwrap_or(1);
        if step == 0 {
            let message = format!("{}: `{part}` has a step of 0", self.name);
            return Err(SpecError::Pattern(message));
        }
        set.star |= matches!(range, "*" | "?") && step == 1;
        let steps = (from..=to).step_by(step as usize);
        steps.for_each(|value| set.bits |= 1 << value);
        Ok(())
    }

    fn value(&self, text: &str) -> Option<u32> {
        let named = self
            .names
            .iter()
            .position(|name| name.eq_ignore_ascii_case(text));
        let named = named.and_then(|place| u32::try_from(place).ok());
        named.map(|place| self.low + place).or_else(|| number(text))
    }
}

/// A number of digits alone.
fn number(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}
