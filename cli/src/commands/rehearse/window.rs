//! When a rehearsal begins: at once, at a time, or in a window of the week.

use crate::args;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::signals::Signals;
use crate::terminal::Terminal;
use firedrill_asynq::rng;
use firedrill_sim::plan::Plan;
use jiff::civil::{Date, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, Timestamp, ZonedDateTime};
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
                .ok_or_else(|| {
                    Failure::usage(format!(
                        "--at {text}: write a time that is not over, such as `14:30` or `2026-12-01T14:30+01:00`"
                    ))
                }),
            (_, Some(text)) => Window::parse(text)
                .map(Self::In)
                .ok_or_else(|| Failure::usage(format!("--window {text}: {FORM}"))),
            (None, None) => Ok(Self::Now),
        }
    }

    /// Waits until it is time; answers how to end where somebody did not want to wait.
    ///
    /// # Errors
    /// When the rehearsal does not fit into the window.
    pub(super) fn wait(
        &self,
        plan: &Plan,
        speed: f64,
        (blind, seed): (bool, u64),
        signals: &Signals,
        terminal: &Terminal,
    ) -> Result<Option<Exit>, Failure> {
        let lasts = Duration::from_millis(plan.duration_ms.unsigned_abs()).div_f64(speed);
        let now = ZonedDateTime::now();
        let at = match self {
            Self::Now => return Ok(None),
            Self::At(at) => at.clone(),
            Self::In(window) => {
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
        terminal.say(format_args!("{told}; Ctrl-C lets it be"));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(Failure::environment)?;
        let abort = signals.abort();
        let waited = runtime.block_on(abort.unless_asked(until(&at)));
        Ok(match waited {
            Some(()) => None,
            None => signals.exit(),
        })
    }
}

/// Waits by the machine's clock, which may be set meanwhile.
async fn until(at: &ZonedDateTime) {
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

/// A moment, if it is not over: with a date and a zone, or the next such time of day here.
fn at(text: &str, now: &ZonedDateTime) -> Option<ZonedDateTime> {
    if let Ok(moment) = text.parse::<Timestamp>() {
        let at = moment.to_zoned_datetime(now.time_zone().clone());
        return (at > *now).then_some(at);
    }
    let time = clock_time(text)?;
    let today = now
        .date()
        .to_datetime(time)
        .to_zoned_datetime(now.time_zone().clone())
        .ok()?;
    match today > *now {
        true => Some(today),
        false => {
            let tomorrow = now.date().tomorrow().ok()?;
            tomorrow
                .to_datetime(time)
                .to_zoned_datetime(now.time_zone().clone())
                .ok()
        }
    }
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
        let of = |text| at(text, &now).map(|at| at.to_string());
        assert_eq!(of("14:30").unwrap(), "2026-11-30T14:30:00+00:00[UTC]");
        assert_eq!(of("13:30").unwrap(), "2026-12-01T13:30:00+00:00[UTC]");
        assert_eq!(
            of("2026-12-01T14:30+01:00").unwrap(),
            "2026-12-01T13:30:00+00:00[UTC]"
        );
        for wrong in ["2026-11-29T14:30Z", "25:00", "noon", "1:2:3"] {
            assert_eq!(of(wrong), None, "{wrong}");
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
