//! When in the week a drill starts, so that what goes by the calendar means the same on both engines, whatever day it is.

use firedrill_asynq::clock::Time;
use firedrill_asynq::zone;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

const MINUTE_MS: i64 = 60_000;
const DAY_MINUTES: i64 = 24 * 60;
const WEEK_MINUTES: i64 = 7 * DAY_MINUTES;
const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
/// 1970-01-01 was a Thursday.
const EPOCH_MINUTE: i64 = 3 * DAY_MINUTES;
/// From here on plans look for their day: 2026-01-01T00:00:00Z, a Thursday, so that records do not depend on the day.
const CALENDAR: Time = Time::from_millis(1_767_225_600_000);

/// A minute of the week, in UTC or in a time zone: what the clocks there show at the beginning of 2026, so that it is the same
/// minute in UTC on whatever day a drill starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Start {
    /// Since Monday, 00:00, as it is written.
    minute: i64,
    /// Name of the zone, and how many minutes it is ahead of UTC.
    zone: Option<(String, i64)>,
}

/// A minute of the day, in the zone of the plan's start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct TimeOfDay {
    /// Since 00:00.
    pub minute: i64,
}

impl Default for Start {
    /// Thursday, 00:00.
    fn default() -> Self {
        Self {
            minute: EPOCH_MINUTE,
            zone: None,
        }
    }
}

impl Start {
    /// The first such minute from the beginning of 2026 on: when the plan's drills start, as far as its calendar goes
    /// (`cron`), and as far as anything goes on the virtual engine.
    #[must_use]
    pub fn on_the_calendar(&self) -> Time {
        self.next_from(CALENDAR)
    }

    /// The first such minute that is not before `now`.
    #[must_use]
    pub fn next_from(&self, now: Time) -> Time {
        let now_minute = (now.0 - 1).div_euclid(MINUTE_MS * 1_000_000) + 1;
        let of_week = (now_minute + EPOCH_MINUTE).rem_euclid(WEEK_MINUTES);
        let ahead = (self.utc_minute() - of_week).rem_euclid(WEEK_MINUTES);
        Time::from_millis((now_minute + ahead) * MINUTE_MS)
    }

    fn utc_minute(&self) -> i64 {
        let ahead = self.zone.as_ref().map_or(0, |(_, ahead)| *ahead);
        (self.minute - ahead).rem_euclid(WEEK_MINUTES)
    }

    /// How many minutes after the start it is such a time of day, in the same zone, for the first time.
    #[must_use]
    pub fn until_time_of_day(&self, minute: i64) -> i64 {
        (minute - self.minute).rem_euclid(DAY_MINUTES)
    }
}

/// The minute of the day of `09:00`.
fn minute_of_day(clock: &str) -> Option<i64> {
    let number = |text: &str, limit: i64| {
        let digits = text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
        let number = digits.then(|| text.parse().ok()).flatten();
        number.filter(|number: &i64| *number < limit)
    };
    let (hour, minute) = clock.split_once(':')?;
    Some(number(hour, 24)? * 60 + number(minute, 60)?)
}

impl FromStr for TimeOfDay {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let minute = minute_of_day(text);
        let minute = minute.ok_or("a time of day such as `14:00`")?;
        Ok(Self { minute })
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.minute / 60, self.minute % 60)
    }
}

impl From<TimeOfDay> for String {
    fn from(time: TimeOfDay) -> Self {
        time.to_string()
    }
}

impl TryFrom<String> for TimeOfDay {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl FromStr for Start {
    type Err = String;

    /// Reads `09:00` (of a Thursday) or `Mon 09:00`, and a time zone after that.
    fn from_str(text: &str) -> Result<Self, String> {
        let form = || {
            let forms = "`09:00`, `Mon 09:00` or `Mon 09:00 Europe/Berlin`";
            format!("a time of day in UTC or in a time zone, such as {forms}")
        };
        let words: Vec<&str> = text.split(' ').collect();
        let (day, clock, zone) = match words[..] {
            [clock] => (None, clock, None),
            [clock, zone] if clock.contains(':') => (None, clock, Some(zone)),
            [day, clock] => (Some(day), clock, None),
            [day, clock, zone] => (Some(day), clock, Some(zone)),
            _ => return Err(form()),
        };
        let is = |day: &str| {
            let mut days = DAYS.iter();
            days.position(|known| known.eq_ignore_ascii_case(day))
        };
        let day = match day {
            Some(day) => is(day).ok_or_else(form)? as i64,
            None => EPOCH_MINUTE / DAY_MINUTES,
        };
        let minute = minute_of_day(clock).ok_or_else(form)?;
        let zone = match zone {
            None | Some("UTC") => None,
            Some(name) => {
                let zone = zone::named(name).ok_or_else(form)?;
                let at = Timestamp::from_second(CALENDAR.secs()).map_err(|_| form())?;
                let ahead = i64::from(zone.to_offset(at).seconds()) / 60;
                Some((name.to_owned(), ahead))
            }
        };
        Ok(Self {
            minute: day * DAY_MINUTES + minute,
            zone,
        })
    }
}

impl fmt::Display for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let day = usize::try_from(self.minute / DAY_MINUTES).unwrap_or(0);
        let of_day = self.minute % DAY_MINUTES;
        let day = DAYS.get(day).copied().unwrap_or_default();
        write!(f, "{day} {:02}:{:02}", of_day / 60, of_day % 60)?;
        match &self.zone {
            Some((zone, _)) => write!(f, " {zone}"),
            None => Ok(()),
        }
    }
}

impl From<Start> for String {
    fn from(start: Start) -> Self {
        start.to_string()
    }
}

impl TryFrom<String> for Start {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::tz::TimeZone;

    fn shown(at: Time) -> String {
        let at = TimeZone::UTC.to_datetime(Timestamp::from_second(at.secs()).unwrap());
        at.strftime("%A %F %T").to_string()
    }

    #[test]
    fn a_minute_of_the_week_is_found_from_any_moment_on() {
        let start = |text: &str| text.parse::<Start>().unwrap();
        assert_eq!(Start::default().on_the_calendar(), CALENDAR);
        for (text, calendar, from_now) in [
            (
                "00:00",
                "Thursday 2026-01-01 00:00:00",
                "Thursday 2023-11-16 00:00:00",
            ),
            (
                "09:30",
                "Thursday 2026-01-01 09:30:00",
                "Thursday 2023-11-16 09:30:00",
            ),
            (
                "Mon 09:00",
                "Monday 2026-01-05 09:00:00",
                "Monday 2023-11-20 09:00:00",
            ),
            (
                "tue 22:13",
                "Tuesday 2026-01-06 22:13:00",
                "Tuesday 2023-11-21 22:13:00",
            ),
            (
                "Tue 22:14",
                "Tuesday 2026-01-06 22:14:00",
                "Tuesday 2023-11-14 22:14:00",
            ),
            // An hour ahead of UTC, in summer too: then their clocks show another time.
            (
                "Mon 00:30 Europe/Berlin",
                "Sunday 2026-01-04 23:30:00",
                "Sunday 2023-11-19 23:30:00",
            ),
            (
                "09:00 Asia/Kolkata",
                "Thursday 2026-01-01 03:30:00",
                "Thursday 2023-11-16 03:30:00",
            ),
            (
                "Sun 23:59",
                "Sunday 2026-01-04 23:59:00",
                "Sunday 2023-11-19 23:59:00",
            ),
        ] {
            let start = start(text);
            assert_eq!(shown(start.on_the_calendar()), calendar);
            // Tuesday 2023-11-14 22:13:20
            let now = Time::from_millis(1_700_000_000_000);
            assert_eq!(shown(start.next_from(now)), from_now);
            assert_eq!(start.to_string().parse::<Start>(), Ok(start));
        }
    }

    #[test]
    fn what_is_no_minute_of_the_week_is_refused() {
        for text in [
            "",
            "9:00",
            "24:00",
            "09:60",
            "Mo 09:00",
            "Mon",
            "Mon 09:00:00",
            "-1:00",
            "09:+1",
            "Mon  09:00",
            "Mon 09:00 Europe/Berln",
            "Europe/Berlin",
            "09:00 europe/berlin",
            "Mon 09:00 UTC UTC",
        ] {
            assert!(text.parse::<Start>().is_err(), "{text}");
        }
    }
}
