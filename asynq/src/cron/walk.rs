//! The next time that fields mean, found in the way of robfig's `SpecSchedule.Next`: field by field from the month down, on the
//! clocks of a zone. On days on which clocks are set the way decides what is found, so it is the same.

use super::fields::Fields;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

const MINUTE_S: i64 = 60;
const HOUR_S: i64 = 3_600;
/// How far it is looked.
const YEARS: i16 = 5;

/// The first second after `now` (Unix) that is meant; `None`: there is none for years.
pub(super) fn next(fields: &Fields, zone: &TimeZone, now: i64) -> Option<i64> {
    let clock = Clock(zone);
    let mut at = now.checked_add(1)?;
    let last_year = clock.shows(at)?.year().checked_add(YEARS)?;
    // Whether what is below the field that did not fit has begun anew.
    let mut is_set = false;
    let mut begin = |at: &mut i64, anew: Option<i64>| -> Option<()> {
        if !std::mem::replace(&mut is_set, true) {
            *at = anew?;
        }
        Some(())
    };
    'again: loop {
        if clock.shows(at)?.year() > last_year {
            return None;
        }
        while !fields.months.has(part(clock.shows(at)?.month())) {
            let shown = clock.shows(at)?;
            begin(&mut at, clock.when(shown.date().first_of_month(), 0))?;
            let shown = clock.shows(at)?;
            // The day is the first: no month lacks it.
            let first = shown.date().first_of_month();
            let next = first.checked_add(jiff::Span::new().months(1)).ok()?;
            let next = next.checked_add(SignedDuration::from_hours(
                24 * (i64::from(shown.day()) - 1),
            ));
            at = clock.when(next.ok()?, second_of_day(shown))?;
            if clock.shows(at)?.month() == 1 {
                continue 'again;
            }
        }
        loop {
            let shown = clock.shows(at)?;
            let weekday = shown.weekday().to_sunday_zero_offset();
            if fields.has_day(part(shown.day()), part(weekday)) {
                break;
            }
            begin(&mut at, clock.when(shown.date(), 0))?;
            let shown = clock.shows(at)?;
            at = clock.when(shown.date().tomorrow().ok()?, second_of_day(shown))?;
            // Clocks that are set at midnight show another hour.
            match i64::from(clock.shows(at)?.hour()) {
                0 => {}
                hour @ 13.. => at += (24 - hour) * HOUR_S,
                hour => at -= hour * HOUR_S,
            }
            if clock.shows(at)?.day() == 1 {
                continue 'again;
            }
        }
        while !fields.hours.has(part(clock.shows(at)?.hour())) {
            let shown = clock.shows(at)?;
            let hour = i64::from(shown.hour()) * HOUR_S;
            begin(&mut at, clock.when(shown.date(), hour))?;
            at += HOUR_S;
            // Quirk: where midnight is left out, the day is not looked at again.
            if clock.shows(at)?.hour() == 0 {
                continue 'again;
            }
        }
        while !fields.minutes.has(part(clock.shows(at)?.minute())) {
            let whole = at - at.rem_euclid(MINUTE_S);
            begin(&mut at, Some(whole))?;
            at += MINUTE_S;
            if clock.shows(at)?.minute() == 0 {
                continue 'again;
            }
        }
        while clock.shows(at)?.second() != 0 {
            let whole = at;
            begin(&mut at, Some(whole))?;
            at += 1;
            if clock.shows(at)?.second() == 0 {
                continue 'again;
            }
        }
        return Some(at);
    }
}

fn part(value: i8) -> u32 {
    u32::from(value.unsigned_abs())
}

fn second_of_day(shown: DateTime) -> i64 {
    let (hour, minute) = (i64::from(shown.hour()), i64::from(shown.minute()));
    hour * HOUR_S + minute * MINUTE_S + i64::from(shown.second())
}

/// The clocks of a zone.
struct Clock<'z>(&'z TimeZone);

impl Clock<'_> {
    fn offset(&self, at: i64) -> Option<i64> {
        let at = Timestamp::from_second(at).ok()?;
        Some(i64::from(self.0.to_offset(at).seconds()))
    }

    fn shows(&self, at: i64) -> Option<DateTime> {
        let at = Timestamp::from_second(at).ok()?;
        Some(self.0.to_datetime(at))
    }

    /// When they show a second of a day. What they show twice or never is what Go's `time.Date` makes of it: it takes the
    /// offset that would be right if this were UTC's time, and looks once more where that is none of its own time.
    fn when(&self, date: Date, second: i64) -> Option<i64> {
        let midnight = TimeZone::UTC.to_timestamp(date.to_datetime(jiff::civil::Time::midnight()));
        let shown = midnight.ok()?.as_second() + second;
        match self.offset(shown)? {
            0 => Some(shown),
            offset => Some(shown - self.offset(shown - offset)?),
        }
    }
}
