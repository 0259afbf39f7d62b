//! When a rehearsal begins: at once, at a time, or in a window of the week.

use crate::args;
use crate::failure::Failure;
use firedrill_asynq::rng;
use firedrill_sim::plan::Plan;
use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, Timestamp, ZonedDateTime};
use std::fmt;
use std::time::Duration;

/// What windows look like.
const FORM: &str = "write it as `Mon-Fri 10:00-16:00 Europe/Berlin`; days and zone may be left out";
/// Days that are looked at for a window: each weekday comes once in as many, and a change of clocks may take one away.
const DAYS: i64 = 15;

/// When it begins.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Start {
    Now,
    At(ZonedDateTime),
    In(Window),
}

/// A window of the week. One that ends no later in the day than it begins goes over midnight; its days are those it begins on.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Window {
    days: Vec<Weekday>,
    from: Time,
    until: Time,
    zone: TimeZone,
}

impl Start {
    /// As asked for.
    ///
    /// # Errors
    /// When it is no time and no window.
    pub(super) fn of(args: &args::Rehearse) -> Result<Self, Failure> {
        match (&args.at, &args.window) {
            (Some(text), _) => at(text, &ZonedDateTime::now())
                .map(Self::At)
                .map_err(|why| Failure::usage(format!("--at {text}: {why}"))),
            (_, Some(text)) => Window::parse(text)
                .map(Self::In)
                .ok_or_else(|| Failure::usage(format!("--window {text}: {FORM}"))),
            (None, None) => Ok(Self::Now),
        }
    }

    /// When that is, and how it is told; `None`: at once.
    ///
    /// # Errors
    /// When the rehearsal does not fit into the window.
    pub(super) fn begins(
        &self,
        plan: &Plan,
        speed: f64,
        (blind, seed): (bool, u64),
    ) -> Result<Option<(ZonedDateTime, String)>, Failure> {
        let lasts = Duration::from_millis(plan.duration_ms.unsigned_abs()).div_f64(speed);
        let at = match self {
            Self::Now => return Ok(None),
            Self::At(at) => at.clone(),
            Self::In(window) => {
                let now = ZonedDateTime::now();
                let (first, last) = window.next(&now, lasts).ok_or_else(|| {
                    Failure::usage(format!(
                        "--window: the rehearsal lasts for {} minutes, which does not fit into it",
                        lasts.as_secs().div_ceil(60)
                    ))
                })?;
                match blind {
                    true => between(&first, &last, seed),
                    false => first,
                }
            }
        };
        let told = match (self, blind) {
            (Self::In(_), true) => "it begins at some time in the window".to_owned(),
            _ => format!("it begins at {}", at.strftime("%a %Y-%m-%d %H:%M %Z")),
        };
        Ok(Some((at, told)))
    }
}

/// Waits by the machine's clock, which may be set meanwhile.
pub(super) async fn until(at: &ZonedDateTime) {
    loop {
        let left = at.timestamp().duration_since(Timestamp::now());
        let Ok(left) = Duration::try_from(left) else {
            return;
        };
        if left.is_zero() {
            return;
        }
        tokio::time::sleep(left.min(Duration::from_secs(30))).await;
    }
}

/// Why a text is no moment at which something can begin.
#[derive(Debug, PartialEq)]
enum NoTime {
    /// That moment is over.
    Over(ZonedDateTime),
    /// Nobody knows the zone.
    Zone(String),
    /// It is no time.
    Unread,
}

impl fmt::Display for NoTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Over(at) => write!(
                f,
                "that is over: it was {}; write a time that is to come",
                at.strftime("%a %Y-%m-%d %H:%M %Z")
            ),
            Self::Zone(name) => write!(
                f,
                "there is no time zone `{name}`; write one such as `Europe/Berlin`, or none for the one of this machine"
            ),
            Self::Unread => f.write_str(
                "write a time such as `14:30`, `23:30 Europe/Berlin`, `2026-12-01T14:30` or `2026-12-01T14:30+01:00`",
            ),
        }
    }
}

/// A moment that is to come: the next such time of day, or one with a date; here, unless a zone is named.
fn at(text: &str, now: &ZonedDateTime) -> Result<ZonedDateTime, NoTime> {
    let to_come = |at: ZonedDateTime| match at > *now {
        true => Ok(at),
        false => Err(NoTime::Over(at)),
    };
    if let Ok(moment) = text.parse::<Timestamp>() {
        return to_come(moment.to_zoned_datetime(now.time_zone().clone()));
    }
    let (time, zone) = text.split_once(' ').unwrap_or((text, ""));
    let zone = match zone.trim() {
        "" => now.time_zone().clone(),
        name => TimeZone::get(name).map_err(|_| NoTime::Zone(name.to_owned()))?,
    };
    let here = |at: DateTime| at.to_zoned_datetime(zone.clone()).ok();
    let Some(time_of_day) = clock_time(time) else {
        // A date alone would be midnight, which nobody means.
        let moment = time.parse::<DateTime>().ok().filter(|_| time.contains(':'));
        return to_come(moment.and_then(here).ok_or(NoTime::Unread)?);
    };
    let today = now.with_time_zone(zone.clone()).date();
    let on = |date: Date| here(date.to_datetime(time_of_day));
    let next = on(today).filter(|at| at > now);
    let tomorrow = || today.tomorrow().ok().and_then(on);
    next.or_else(tomorrow).ok_or(NoTime::Unread)
}

fn clock_time(text: &str) -> Option<Time> {
    let (hour, minute) = text.split_once(':')?;
    let number = |text: &str| (text.len() <= 2).then(|| text.parse::<i8>().ok()).flatten();
    Time::new(number(hour)?, number(minute)?, 0, 0).ok()
}

fn weekday(text: &str) -> Option<Weekday> {
    const NAMES: [(&str, Weekday); 7] = [
        ("mon", Weekday::Monday),
        ("tue", Weekday::Tuesday),
        ("wed", Weekday::Wednesday),
        ("thu", Weekday::Thursday),
        ("fri", Weekday::Friday),
        ("sat", Weekday::Saturday),
        ("sun", Weekday::Sunday),
    ];
    let text = text.to_ascii_lowercase();
    NAMES
        .iter()
        .find(|(name, _)| *name == text)
        .map(|(_, day)| *day)
}

/// `Mon-Fri`, `Tue,Thu`; a range may go over Sunday.
fn weekdays(text: &str) -> Option<Vec<Weekday>> {
    let mut days = Vec::new();
    for part in text.split(',') {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        let (mut day, last) = (weekday(from)?, weekday(to)?);
        loop {
            days.push(day);
            if day == last {
                break;
            }
            day = day.next();
        }
    }
    Some(days)
}

impl Window {
    fn parse(text: &str) -> Option<Self> {
        let mut words = text.split_whitespace().peekable();
        let first = words.peek()?;
        let days = match weekdays(first) {
            Some(days) => {
                words.next();
                days
            }
            None => weekdays("mon-sun")?,
        };
        let (from, until) = words.next()?.split_once('-')?;
        let (from, until) = (clock_time(from)?, clock_time(until)?);
        let zone = match words.next() {
            Some(name) => TimeZone::get(name).ok()?,
            None => TimeZone::system(),
        };
        (words.next().is_none() && from != until).then_some(Self {
            days,
            from,
            until,
            zone,
        })
    }

    /// The first and the last moment at which something may begin that lasts for so long and ends in the next window that it fits
    /// into.
    fn next(&self, now: &ZonedDateTime, lasts: Duration) -> Option<(ZonedDateTime, ZonedDateTime)> {
        let lasts = SignedDuration::try_from(lasts).ok()?;
        let now = now.with_time_zone(self.zone.clone());
        let is_overnight = self.until < self.from;
        // That of last night may still be open.
        (-1..DAYS).find_map(|days| {
            let date = now.date().checked_add(Span::new().days(days)).ok()?;
            if !self.days.contains(&date.weekday()) {
                return None;
            }
            let at = |date: Date, time| {
                date.to_datetime(time)
                    .to_zoned_datetime(self.zone.clone())
                    .ok()
            };
            let ends_on = match is_overnight {
                true => date.tomorrow().ok()?,
                false => date,
            };
            let first = at(date, self.from)?.max(now.clone());
            let last = at(ends_on, self.until)?.checked_sub(lasts).ok()?;
            (first <= last).then_some((first, last))
        })
    }
}

/// A moment between two, by the seed.
fn between(first: &ZonedDateTime, last: &ZonedDateTime, seed: u64) -> ZonedDateTime {
    let span = last.duration_since(first).as_secs().max(0);
    let bits = rng::Numbered::new(seed, "rehearsal/moment")
        .throw(0, 0)
        .bits();
    let share = rng::unit(bits);
    let after = SignedDuration::from_secs((share * span as f64) as i64);
    first.checked_add(after).unwrap_or_else(|_| first.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn moment(text: &str) -> ZonedDateTime {
        text.parse().unwrap()
    }

    #[test]
    fn a_window_is_a_span_of_days_of_the_week_somewhere() {
        let window = Window::parse("Mon-Fri 10:00-16:00 Europe/Berlin").unwrap();
        let hour = Duration::from_secs(3_600);
        let next = |now: &str| {
            window
                .next(&moment(now), hour)
                .map(|(first, last)| [first, last].map(|at| at.to_string()))
        };
        // A Friday, in the window and after the last moment that leaves an hour.
        assert_eq!(
            next("2026-11-27T12:00[Europe/Berlin]").unwrap(),
            [
                "2026-11-27T12:00:00+01:00[Europe/Berlin]",
                "2026-11-27T15:00:00+01:00[Europe/Berlin]"
            ]
        );
        assert_eq!(
            next("2026-11-27T14:30[UTC]").unwrap()[0],
            "2026-11-30T10:00:00+01:00[Europe/Berlin]"
        );
        assert_eq!(
            window.next(&moment("2026-11-27T12:00[UTC]"), 7 * hour),
            None
        );
        for wrong in [
            "",
            "Mon",
            "Fry 10:00-16:00",
            "10:00-10:00",
            "10:00-16:00 Nowhere/At",
            "10-16",
            "10:00-16:00 UTC x",
        ] {
            assert_eq!(Window::parse(wrong), None, "{wrong}");
        }
        assert_eq!(weekdays("Sat-Mon,Wed").unwrap().len(), 4);
    }

    #[test]
    fn a_window_may_go_over_midnight() {
        let next = |window: &str, now: &str, hours: u64| {
            let window = Window::parse(window).unwrap();
            let lasts = Duration::from_secs(hours * 3_600);
            window
                .next(&moment(now), lasts)
                .map(|(first, last)| [first, last].map(|at| at.strftime("%a %H:%M").to_string()))
        };
        let nights = "Fri 22:00-02:00 UTC";
        // A Friday noon; a Saturday night, in the window and after the last moment that leaves an hour.
        for (now, found) in [
            ("2026-11-27T12:00[UTC]", ["Fri 22:00", "Sat 01:00"]),
            ("2026-11-28T00:30[UTC]", ["Sat 00:30", "Sat 01:00"]),
            ("2026-11-28T01:30[UTC]", ["Fri 22:00", "Sat 01:00"]),
        ] {
            assert_eq!(next(nights, now, 1).unwrap(), found, "{now}");
        }
        assert_eq!(next(nights, "2026-11-27T12:00[UTC]", 5), None);
    }

    #[test]
    fn a_time_is_the_next_there_is_and_a_moment_must_not_be_over() {
        let now = moment("2026-11-30T14:00[UTC]");
        let of = |text: &str| at(text, &now).unwrap().to_string();
        assert_eq!(of("14:30"), "2026-11-30T14:30:00+00:00[UTC]");
        assert_eq!(of("13:30"), "2026-12-01T13:30:00+00:00[UTC]");
        assert_eq!(
            of("2026-12-01T14:30+01:00"),
            "2026-12-01T13:30:00+00:00[UTC]"
        );
        assert_eq!(of("2027-01-05T10:00"), "2027-01-05T10:00:00+00:00[UTC]");
        // It is a quarter of an hour past that in Berlin already, and not yet in New York.
        let zoned = "14:45 Europe/Berlin";
        assert_eq!(of(zoned), "2026-12-01T14:45:00+01:00[Europe/Berlin]");
        let zoned = "14:45 America/New_York";
        assert_eq!(of(zoned), "2026-11-30T14:45:00-05:00[America/New_York]");
        for (wrong, told) in [
            (
                "2026-11-29T14:30Z",
                "that is over: it was Sun 2026-11-29 14:30",
            ),
            ("2026-11-30T13:00", "that is over"),
            ("14:30 Nowhere/At", "no time zone `Nowhere/At`"),
            ("25:00", "such as `14:30`"),
            ("noon", "such as `14:30`"),
            ("1:2:3", "such as `14:30`"),
            ("2027-01-05", "such as `14:30`"),
        ] {
            let why = at(wrong, &now).unwrap_err().to_string();
            assert!(why.contains(told), "{wrong}: {why}");
        }
    }

    proptest! {
        #[test]
        fn whatever_the_seed_it_ends_in_the_window(seed: u64, minutes in 1u64..360, now in 0i64..1_000_000) {
            let window = Window::parse("Tue,Thu 10:00-16:00 Europe/Berlin").unwrap();
            let now = moment("2026-03-20T00:00[UTC]").checked_add(SignedDuration::from_secs(now)).unwrap();
            let lasts = Duration::from_secs(minutes * 60);
            let (first, last) = window.next(&now, lasts).unwrap();
            let at = between(&first, &last, seed);
            prop_assert!(at >= now && at >= first && at <= last);
            let ends = at.checked_add(SignedDuration::try_from(lasts).unwrap()).unwrap();
            prop_assert!(ends.time() <= window.until && at.time() >= window.from);
            prop_assert!(window.days.contains(&at.date().weekday()));
        }
    }
}
