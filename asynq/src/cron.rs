//! Cron specifications as asynq's scheduler reads them (`github.com/robfig/cron/v3`, standard parser), in UTC
//! or in the time zone that stands before them.

mod fields;
mod walk;

use crate::clock::Time;
use crate::{duration, zone};
use fields::Fields;
use jiff::tz::TimeZone;

/// When a periodic task is due.
#[derive(Debug, Clone)]
pub struct Spec {
    text: String,
    when: When,
    /// Whose calendar the fields mean.
    zone: TimeZone,
}

#[derive(Debug, Clone)]
enum When {
    /// `@every`: whole seconds.
    Every(i64),
    Fields(Fields),
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
    /// Out of range.
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
        let mut zone = TimeZone::UTC;
        if let Some(prefixed) = ["TZ=", "CRON_TZ="]
            .iter()
            .find_map(|p| rest.strip_prefix(p))
        {
            let (name, after) = prefixed.split_once(' ').unwrap_or((prefixed, ""));
            let found = zone::named(name);
            zone = found.ok_or_else(|| SpecError::TimeZone(name.to_owned()))?;
            rest = after.trim();
        }
        let when = match rest.strip_prefix('@') {
            Some(descriptor) => descriptor_of(descriptor)?,
            None => When::Fields(Fields::parse(rest)?),
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
            When::Fields(fields) => walk::next(fields, &self.zone, secs)?,
        };
        Some(Time::from_millis(next.checked_mul(1_000)?))
    }
}

fn descriptor_of(descriptor: &str) -> Result<When, SpecError> {
    if let Some(span) = descriptor.strip_prefix("every") {
        let ms = duration::parse(span.trim());
        let secs = ms.map(|ms| ms / 1_000).filter(|secs| *secs >= 1);
        return secs.map(When::Every).ok_or(SpecError::Every);
    }
    let fields = match descriptor {
        "yearly" | "annually" => "0 0 1 1 *",
        "monthly" => "0 0 1 * *",
        "weekly" => "0 0 * * 0",
        "daily" | "midnight" => "0 0 * * *",
        "hourly" => "0 * * * *",
        other => return Err(SpecError::Descriptor(format!("@{other}"))),
    };
    Fields::parse(fields).map(When::Fields)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;

    /// 2023-11-14 22:13:20 UTC, a Tuesday.
    const NOW: Time = Time(1_700_000_000_500_000_000);

    /// The first times after `from`, in UTC.
    fn times(spec: &str, mut from: Time, count: usize) -> String {
        let spec = Spec::parse(spec).unwrap();
        let times = std::iter::repeat_with(|| {
            from = spec.next_after(from).unwrap();
            let at = Timestamp::from_second(from.secs()).unwrap();
            TimeZone::UTC.to_datetime(at).to_string()
        });
        times.take(count).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn specifications_mean_what_they_mean_to_asynq() {
        for (spec, next) in [
            ("@every 90s", "2023-11-14T22:14:50"),
            ("*/5 * * * *", "2023-11-14T22:15:00"),
            ("@hourly", "2023-11-14T23:00:00"),
            ("@weekly", "2023-11-19T00:00:00"),
            ("TZ=UTC 30 4 29 2 ?", "2024-02-29T04:30:00"),
            // Day of month or day of week, whichever comes first.
            ("0 12 20 * FRI", "2023-11-17T12:00:00"),
            ("5/20 * * * *", "2023-11-14T22:25:00"),
        ] {
            assert_eq!(times(spec, NOW, 1), next, "{spec}");
        }
        let never = Spec::parse("0 0 30 2 *").unwrap();
        assert_eq!(never.next_after(NOW), None);
    }

    #[test]
    fn clocks_of_a_zone_are_set_forward_and_back() {
        for (spec, from, next) in [
            // Nine o'clock in Berlin: winter, summer from the 29th of March on.
            (
                "CRON_TZ=Europe/Berlin 0 9 * * *",
                "2026-03-27T12:00:00Z",
                "2026-03-28T08:00:00 2026-03-29T07:00:00 2026-03-30T07:00:00",
            ),
            // Half past two is left out that night, and comes twice in October, as in robfig's own tests.
            (
                "TZ=Europe/Berlin 30 2 * * *",
                "2026-03-28T00:00:00Z",
                "2026-03-28T01:30:00 2026-03-30T00:30:00",
            ),
            (
                "TZ=Europe/Berlin 30 2 * * *",
                "2026-10-24T12:00:00Z",
                "2026-10-25T00:30:00 2026-10-25T01:30:00 2026-10-26T01:30:00",
            ),
            (
                "TZ=Europe/Berlin 0,30 * * * *",
                "2026-10-25T00:10:00Z",
                "2026-10-25T00:30:00 2026-10-25T01:00:00 2026-10-25T01:30:00 2026-10-25T02:00:00",
            ),
            (
                "CRON_TZ=Asia/Kolkata @daily",
                "2026-03-28T00:00:00Z",
                "2026-03-28T18:30:00 2026-03-29T18:30:00",
            ),
            (
                "TZ=America/New_York 0 2 * * *",
                "2026-03-07T08:00:00Z",
                "2026-03-09T06:00:00",
            ),
        ] {
            let start: Timestamp = from.parse().unwrap();
            let start = Time::from_millis(start.as_millisecond());
            let count = next.split(' ').count();
            assert_eq!(times(spec, start, count), next, "{spec}");
        }
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
            ("61 * * * *", "minute: `61` is not from 0 to 59"),
            ("0 0 * * 7", "day-of-week: `7` is not from 0 to 6"),
            ("0 9-5 * * *", "hour: `9-5` ends before it begins"),
            ("*/0 * * * *", "minute: `*/0` has a step of 0"),
            ("0 0 1,x * *", "`x`"),
            (", * * * *", "`,`"),
            ("0 0 1-2-3 * *", "`1-2-3`"),
        ] {
            let error = Spec::parse(text).unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
