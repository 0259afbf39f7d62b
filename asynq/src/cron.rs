//! Cron specifications as asynq's scheduler reads them (`github.com/robfig/cron/v3`, standard parser), in UTC
//! or in the time zone that stands before them.

use crate::clock::Time;
use crate::{duration, zone};
use croner::errors::CronError;
use croner::parser::{CronParser, Seconds, Year};
use croner::{CivilDate, CivilDateTime, CivilTime, Cron, CronDateTime, Resolution, Weekday};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use std::cmp::Ordering;

/// When a periodic task is due.
#[derive(Debug, Clone)]
pub struct Spec {
    text: String,
    when: When,
    /// Whose calendar the fields mean; `None`: UTC's.
    zone: Option<TimeZone>,
}

/// Further than clocks are ever set, seconds.
const SET_MAX_S: i64 = 3 * 3_600;

#[derive(Debug, Clone)]
enum When {
    /// `@every`: whole seconds.
    Every(i64),
    Fields(Box<Cron>),
}

/// What is wrong with a specification.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// Not five fields.
    #[error(
        "expected 5 fields (minute hour day-of-month month day-of-week) or @every, @hourly, @daily, @weekly, @monthly, @yearly; found {0}"
    )]
    Fields(usize),
    /// Not a descriptor.
    #[error("unknown descriptor `{0}`")]
    Descriptor(String),
    /// `@every` of less than a second or without a duration.
    #[error("@every needs a duration of at least 1s, such as `@every 30s`")]
    Every,
    /// There is none of this name.
    #[error("there is no time zone `{0}`: a name such as `UTC` or `Europe/Berlin` is expected")]
    TimeZone(String),
    /// What asynq's cron parser does not read.
    #[error("`{0}` is not understood by asynq's scheduler")]
    Token(String),
    /// Out of range, or never due.
    #[error("{0}")]
    Pattern(String),
}

impl Spec {
    /// Reads five fields or a descriptor, with an optional time zone before it, such as `CRON_TZ=Europe/Berlin`.
    ///
    /// # Errors
    /// What is wrong with it, for a person.
    pub fn parse(text: &str) -> Result<Self, SpecError> {
        let mut rest = text.trim();
        let mut zone = None;
        if let Some(prefixed) = ["TZ=", "CRON_TZ="]
            .iter()
            .find_map(|p| rest.strip_prefix(p))
        {
            let (name, after) = prefixed.split_once(' ').unwrap_or((prefixed, ""));
            let found = zone::named(name);
            let found = found.ok_or_else(|| SpecError::TimeZone(name.to_owned()))?;
            zone = (found != TimeZone::UTC).then_some(found);
            rest = after.trim();
        }
        let when = match rest.strip_prefix('@') {
            Some(descriptor) => descriptor_of(descriptor)?,
            None => fields_of(rest)?,
        };
        Ok(Self {
            text: text.to_owned(),
            when,
            zone,
        })
    }

    /// As it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The first time after `now` at which it is due, a whole second; `None` when there is none.
    #[must_use]
    pub fn next_after(&self, now: Time) -> Option<Time> {
        let secs = now.secs();
        let next = match &self.when {
            When::Every(every) => secs.checked_add(*every)?,
            When::Fields(cron) => match &self.zone {
                None => cron.find_next_occurrence(&Utc(secs), false).ok()?.0,
                Some(zone) => next_in(zone, cron, secs)?,
            },
        };
        Some(Time::from_millis(next.checked_mul(1_000)?))
    }
}

/// The first second after `now` at which a zone's clocks show a time that is meant. What they leave out when they are set
/// forward does not come, and what they show twice comes twice, as in robfig's.
fn next_in(zone: &TimeZone, cron: &Cron, now: i64) -> Option<i64> {
    let offset_at = |secs: i64| {
        let at = Timestamp::from_second(secs).ok()?;
        Some(i64::from(zone.to_offset(at).seconds()))
    };
    let offset = offset_at(now)?;
    // As seconds of a clock that is never set.
    let after = |shown: i64| Some(cron.find_next_occurrence(&Utc(shown), false).ok()?.0);
    let mut shown = after(now + offset)?;
    let next = shown - offset;
    let is_steady = offset_at(now - SET_MAX_S)? == offset && offset_at(next + SET_MAX_S)? == offset;
    if is_steady {
        return Some(next);
    }
    // Clocks are set near by: all that is shown around it is looked at.
    let mut first: Option<i64> = None;
    shown = after(now + offset - SET_MAX_S)?;
    loop {
        if let Some(first) = first
            && shown > first + offset_at(first)? + SET_MAX_S
        {
            return Some(first);
        }
        let instants = match zone.to_ambiguous_timestamp(Utc(shown).calendar()).offset() {
            AmbiguousOffset::Unambiguous { offset } => [Some(offset), None],
            AmbiguousOffset::Gap { .. } => [None, None],
            AmbiguousOffset::Fold { before, after } => [Some(before), Some(after)],
        };
        let instants = instants.into_iter().flatten();
        let instants = instants.map(|offset| shown - i64::from(offset.seconds()));
        let next = instants.filter(|at| *at > now).min();
        first = match (first, next) {
            (Some(first), Some(next)) => Some(first.min(next)),
            (first, next) => first.or(next),
        };
        shown = after(shown)?;
    }
}

fn descriptor_of(descriptor: &str) -> Result<When, SpecError> {
    if let Some(span) = descriptor.strip_prefix("every") {
        let ms = duration::parse(span.trim());
        let secs = ms.map(|ms| ms / 1_000).filter(|secs| *secs >= 1);
        return secs.map(When::Every).ok_or(SpecError::Every);
    }
    match descriptor {
        "yearly" | "annually" => fields_of("0 0 1 1 *"),
        "monthly" => fields_of("0 0 1 * *"),
        "weekly" => fields_of("0 0 * * 0"),
        "daily" | "midnight" => fields_of("0 0 * * *"),
        "hourly" => fields_of("0 * * * *"),
        other => Err(SpecError::Descriptor(format!("@{other}"))),
    }
}

fn fields_of(text: &str) -> Result<When, SpecError> {
    let fields: Vec<&str> = text.split_whitespace().collect();
    if fields.len() != 5 {
        return Err(SpecError::Fields(fields.len()));
    }
    // The parser below knows more than asynq's: `L`, `W`, `#` and the like.
    let known = |token: &str| {
        matches!(token, "" | "*" | "?")
            || token.bytes().all(|b| b.is_ascii_digit())
            || (token.len() == 3 && token.bytes().all(|b| b.is_ascii_alphabetic()))
    };
    for field in &fields {
        if !field.split([',', '-', '/']).all(known) {
            return Err(SpecError::Token((*field).to_owned()));
        }
    }
    let parser = CronParser::builder()
        .seconds(Seconds::Disallowed)
        .year(Year::Disallowed)
        .sloppy_ranges(true)
        .build();
    let cron = parser
        .parse(&fields.join(" ").replace('?', "*"))
        .map_err(|error| SpecError::Pattern(error.to_string()))?;
    Ok(When::Fields(Box::new(cron)))
}

/// Unix seconds as the cron crate's calendar. UTC has no gaps and nothing twice.
#[derive(Debug, Clone, Copy)]
struct Utc(i64);

impl Utc {
    fn calendar(self) -> DateTime {
        let at = Timestamp::from_second(self.0).unwrap_or(Timestamp::UNIX_EPOCH);
        TimeZone::UTC.to_datetime(at)
    }
}

impl CronDateTime for Utc {
    fn to_civil(&self) -> CivilDateTime {
        let at = self.calendar();
        let of = |part: i8| u32::from(part.unsigned_abs());
        CivilDateTime::new(
            CivilDate::from_parts_unchecked(at.year().into(), of(at.month()), of(at.day())),
            CivilTime::from_parts_unchecked(of(at.hour()), of(at.minute()), of(at.second())),
        )
    }

    fn civil_weekday(&self) -> Weekday {
        let days = self.calendar().weekday().to_sunday_zero_offset();
        Weekday::Sunday.shift(days.into())
    }

    fn resolve_civil(&self, civil: CivilDateTime) -> Result<Resolution<Self>, CronError> {
        let small = |value: u32| i8::try_from(value).unwrap_or(i8::MAX);
        let at = DateTime::new(
            i16::try_from(civil.year()).unwrap_or(i16::MAX),
            small(civil.month()),
            small(civil.day()),
            small(civil.hour()),
            small(civil.minute()),
            small(civil.second()),
            0,
        );
        let at = at.and_then(|at| TimeZone::UTC.to_timestamp(at));
        at.map(|at| Resolution::Single(Self(at.as_second())))
            .map_err(|_| CronError::InvalidDate)
    }

    fn checked_add_seconds(&self, seconds: i64) -> Option<Self> {
        self.0.checked_add(seconds).map(Self)
    }

    fn cmp_instant(&self, other: &Self) -> Ordering {
        self.0.cmp(&other.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2023-11-14 22:13:20 UTC, a Tuesday.
    const NOW: Time = Time(1_700_000_000_500_000_000);

    fn next(text: &str) -> String {
        let spec = Spec::parse(text).unwrap();
        let at = spec.next_after(NOW).unwrap();
        Utc(at.secs()).calendar().to_string()
    }

    #[test]
    fn specifications_mean_what_they_mean_to_asynq() {
        assert_eq!(next("@every 90s"), "2023-11-14T22:14:50");
        assert_eq!(next("*/5 * * * *"), "2023-11-14T22:15:00");
        assert_eq!(next("@hourly"), "2023-11-14T23:00:00");
        assert_eq!(next("@weekly"), "2023-11-19T00:00:00");
        assert_eq!(next("TZ=UTC 30 4 29 2 ?"), "2024-02-29T04:30:00");
        // Day of month or day of week, whichever comes first.
        assert_eq!(next("0 12 20 * FRI"), "2023-11-17T12:00:00");
        assert_eq!(next("5/20 * * * *"), "2023-11-14T22:25:00");
    }

    #[test]
    fn clocks_of_a_zone_are_set_forward_and_back() {
        let days = |spec: &str, from: &str, count: usize| {
            let spec = Spec::parse(spec).unwrap();
            let from: Timestamp = from.parse().unwrap();
            let mut at = Time::from_millis(from.as_millisecond());
            let mut times = Vec::new();
            for _ in 0..count {
                at = spec.next_after(at).unwrap();
                times.push(Utc(at.secs()).calendar().to_string());
            }
            times.join(" ")
        };
        // Nine o'clock in Berlin: winter, summer from the 29th of March on.
        assert_eq!(
            days("CRON_TZ=Europe/Berlin 0 9 * * *", "2026-03-27T12:00:00Z", 3),
            "2026-03-28T08:00:00 2026-03-29T07:00:00 2026-03-30T07:00:00"
        );
        // Half past two is left out that night, and comes twice in October, as in robfig's own tests.
        assert_eq!(
            days("TZ=Europe/Berlin 30 2 * * *", "2026-03-28T00:00:00Z", 2),
            "2026-03-28T01:30:00 2026-03-30T00:30:00"
        );
        assert_eq!(
            days("TZ=Europe/Berlin 30 2 * * *", "2026-10-24T12:00:00Z", 3),
            "2026-10-25T00:30:00 2026-10-25T01:30:00 2026-10-26T01:30:00"
        );
        assert_eq!(
            days("TZ=Europe/Berlin 0,30 * * * *", "2026-10-25T00:10:00Z", 4),
            "2026-10-25T00:30:00 2026-10-25T01:00:00 2026-10-25T01:30:00 2026-10-25T02:00:00"
        );
        assert_eq!(
            days("CRON_TZ=Asia/Kolkata @daily", "2026-03-28T00:00:00Z", 2),
            "2026-03-28T18:30:00 2026-03-29T18:30:00"
        );
        assert_eq!(
            days("TZ=America/New_York 0 2 * * *", "2026-03-07T08:00:00Z", 1),
            "2026-03-09T06:00:00"
        );
    }

    #[test]
    fn what_asynq_would_not_read_is_refused() {
        for (text, why) in [
            ("* * * *", "found 4"),
            ("* * * * * *", "found 6"),
            ("@every 500ms", "at least 1s"),
            ("@every", "at least 1s"),
            ("@fortnightly", "@fortnightly"),
            ("TZ=Europe/Berln 0 9 * * *", "no time zone `Europe/Berln`"),
            (
                "CRON_TZ=europe/berlin 0 9 * * *",
                "no time zone `europe/berlin`",
            ),
            ("CRON_TZ=UTC", "found 0"),
            ("0 0 L * *", "`L`"),
            ("0 0 * * 5#2", "`5#2`"),
            ("61 * * * *", ""),
        ] {
            let error = Spec::parse(text).unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
