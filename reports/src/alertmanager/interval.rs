//! Time intervals in which routes are muted or active, by `timeinterval/timeinterval.go`.

use firedrill_detector::yaml::{Fields, Node, Problems};
use jiff::Timestamp;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use std::sync::LazyLock;

/// Part of the program: a name means the same on every machine.
static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

const WEEKDAYS: [&str; 7] = [
    "sunday",
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
];
const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

/// From and to, both inclusive but for minutes, whose end is exclusive.
type Range = (i64, i64);

/// Times at which every part that is there holds. What a part leaves out is no condition.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct TimeInterval {
    /// Minutes of the day.
    times: Option<Vec<Range>>,
    /// From Sunday, 0.
    weekdays: Option<Vec<Range>>,
    /// From 1, or from the end, -1.
    days_of_month: Option<Vec<Range>>,
    /// From 1.
    months: Option<Vec<Range>>,
    years: Option<Vec<Range>>,
    /// UTC if there is none.
    zone: Option<TimeZone>,
}

impl TimeInterval {
    /// Whether a time is in it; Unix milliseconds.
    pub(super) fn contains(&self, unix_ms: i64) -> bool {
        let Ok(at) = Timestamp::from_millisecond(unix_ms) else {
            return false;
        };
        let at = match &self.zone {
            Some(zone) => zone.to_datetime(at),
            None => TimeZone::UTC.to_datetime(at),
        };
        let is_in = |ranges: &Option<Vec<Range>>, value: i64| {
            let within = |(from, to): &Range| (*from..=*to).contains(&value);
            ranges
                .as_ref()
                .is_none_or(|ranges| ranges.iter().any(within))
        };
        let minute = i64::from(at.hour()) * 60 + i64::from(at.minute());
        let in_times = |ranges: &Vec<Range>| {
            let mut ranges = ranges.iter();
            ranges.any(|(from, to)| (*from..*to).contains(&minute))
        };
        let days = i64::from(at.date().days_in_month());
        let in_days = |ranges: &Vec<Range>| {
            let from_start = |day: i64| if day < 0 { days + day + 1 } else { day };
            let mut ranges = ranges.iter();
            ranges.any(|(from, to)| {
                let (from, to) = (from_start(*from), from_start(*to));
                from <= days && (from..=to.min(days)).contains(&i64::from(at.day()))
            })
        };
        let weekday = i64::from(at.weekday().to_sunday_zero_offset());
        self.times.as_ref().is_none_or(in_times)
            && self.days_of_month.as_ref().is_none_or(in_days)
            && is_in(&self.months, i64::from(at.month()))
            && is_in(&self.weekdays, weekday)
            && is_in(&self.years, i64::from(at.year()))
    }

    pub(super) fn read(node: &Node, problems: &mut Problems) -> Option<Self> {
        let mut fields = Fields::new(node, "time interval", problems)?;
        let times = fields.take("times").map(|node| times(node, problems));
        let mut ranges = |name, read: &dyn Fn(&str) -> Result<Range, String>| {
            let node = fields.take(name)?;
            let mut found = Vec::new();
            for item in node.as_seq(name, problems).unwrap_or(&[]) {
                let Some(text) = item.as_str(name, problems) else {
                    continue;
                };
                match read(&text.to_lowercase()) {
                    Ok(range) => found.push(range),
                    Err(accepted) => item.expected(name, &accepted, problems),
                }
            }
            Some(found)
        };
        let weekdays = ranges("weekdays", &|text| {
            let accepted = "days such as `monday` or `monday:friday`, the first not after the last";
            let day = |name: &str| place(&WEEKDAYS, name, 0);
            in_order(text, &day).ok_or_else(|| accepted.to_owned())
        });
        let days_of_month = ranges("days_of_month", &|text| {
            let day = |text: &str| {
                let day: i64 = text.parse().ok()?;
                (day != 0 && (-31..=31).contains(&day)).then_some(day)
            };
            // As in Alertmanager: what is never in order in the shortest month.
            let at_least = |day: i64| if day < 0 { 28 + day } else { day };
            span(text, &day)
                .filter(|(from, to)| !(*from < 0 && *to > 0) && at_least(*from) <= at_least(*to))
                .ok_or_else(|| "days such as `1:5`, `-3:-1` or `15`, from 1 or from the end".into())
        });
        let months = ranges("months", &|text| {
            let month = |name: &str| place(&MONTHS, name, 1).or_else(|| name.parse().ok());
            in_order(text, &month)
                .ok_or_else(|| "months such as `may`, `1:3` or `june:august`, in order".into())
        });
        let years = ranges("years", &|text| {
            let year = |text: &str| text.parse().ok();
            in_order(text, &year).ok_or_else(|| "years such as `2026` or `2026:2028`".into())
        });
        let zone = fields.take("location").and_then(|node| {
            let name = node.as_str("location", problems)?;
            let zone = zone(name);
            if zone.is_none() {
                let accepted = "the name of a time zone such as `Europe/Berlin` or `UTC`";
                node.expected("location", accepted, problems);
            }
            zone
        });
        fields.finish(problems);
        Some(Self {
            times,
            weekdays,
            days_of_month,
            months,
            years,
            zone,
        })
    }

    /// As YAML in one line.
    pub(super) fn to_yaml(&self) -> String {
        let mut parts = Vec::new();
        if let Some(times) = &self.times {
            let clock = |minute: i64| format!("'{:02}:{:02}'", minute / 60, minute % 60);
            let each = times.iter().map(|(from, to)| {
                format!(
                    "{{ start_time: {}, end_time: {} }}",
                    clock(*from),
                    clock(*to)
                )
            });
            parts.push(format!("times: [{}]", each.collect::<Vec<_>>().join(", ")));
        }
        let mut tell = |name: &str, ranges: &Option<Vec<Range>>, say: &dyn Fn(i64) -> String| {
            if let Some(ranges) = ranges {
                let each = ranges
                    .iter()
                    .map(|(from, to)| format!("'{}:{}'", say(*from), say(*to)));
                parts.push(format!("{name}: [{}]", each.collect::<Vec<_>>().join(", ")));
            }
        };
        let named = |names: &'static [&str], first: i64| {
            move |at: i64| {
                let place = usize::try_from(at - first).ok();
                let name = place.and_then(|place| names.get(place));
                name.map_or_else(|| at.to_string(), |name| (*name).to_owned())
            }
        };
        tell("weekdays", &self.weekdays, &named(&WEEKDAYS, 0));
        tell("days_of_month", &self.days_of_month, &|day| day.to_string());
        tell("months", &self.months, &named(&MONTHS, 1));
        tell("years", &self.years, &|year| year.to_string());
        if let Some(name) = self.zone.as_ref().and_then(TimeZone::iana_name) {
            parts.push(format!("location: '{name}'"));
        }
        match parts.is_empty() {
            true => "{}".to_owned(),
            false => format!("{{ {} }}", parts.join(", ")),
        }
    }
}

fn zone(name: &str) -> Option<TimeZone> {
    if matches!(name, "" | "UTC") {
        return Some(TimeZone::UTC);
    }
    let zone = ZONES.get(name).ok()?;
    (zone.iana_name() == Some(name)).then_some(zone)
}

fn times(node: &Node, problems: &mut Problems) -> Vec<Range> {
    let mut found = Vec::new();
    for item in node.as_seq("times", problems).unwrap_or(&[]) {
        let Some(mut fields) = Fields::new(item, "time range", problems) else {
            continue;
        };
        let mut minute = |name| {
            let node = fields.required(name, problems)?;
            let minute = clock(node.as_str(name, problems)?);
            if minute.is_none() {
                node.expected(name, "a time of day from `00:00` to `24:00`", problems);
            }
            minute
        };
        let (from, to) = (minute("start_time"), minute("end_time"));
        fields.finish(problems);
        match (from, to) {
            (Some(from), Some(to)) if from < to => found.push((from, to)),
            (Some(_), Some(_)) => problems.push_with_hint(
                item.at,
                "time range: `start_time` is not before `end_time`",
                "a span over midnight is two ranges: one to `24:00`, one from `00:00`",
            ),
            _ => {}
        }
    }
    found
}

/// `HH:MM` as minutes of the day.
fn clock(text: &str) -> Option<i64> {
    let (hours, minutes) = text.split_once(':')?;
    let two = |text: &str| match text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit()) {
        true => text.parse::<i64>().ok(),
        false => None,
    };
    match (two(hours)?, two(minutes)?) {
        (24, 0) => Some(1440),
        (hours @ 0..24, minutes @ 0..60) => Some(hours * 60 + minutes),
        _ => None,
    }
}

fn place(names: &[&str], name: &str, first: i64) -> Option<i64> {
    let place = names.iter().position(|known| *known == name)?;
    Some(first + i64::try_from(place).ok()?)
}

/// `a` or `a:b`.
fn span(text: &str, one: &dyn Fn(&str) -> Option<i64>) -> Option<Range> {
    match text.split_once(':') {
        Some((from, to)) => Some((one(from)?, one(to)?)),
        None => one(text).map(|at| (at, at)),
    }
}

fn in_order(text: &str, one: &dyn Fn(&str) -> Option<i64>) -> Option<Range> {
    span(text, one).filter(|(from, to)| from <= to)
}

#[cfg(test)]
mod tests {
    use super::*;
    use firedrill_detector::yaml::parse;

    fn read(text: &str) -> Result<TimeInterval, String> {
        let mut problems = Problems::new("a.yml");
        let node = parse(text, &mut problems);
        let found = node.and_then(|node| TimeInterval::read(&node, &mut problems));
        match problems.into_vec().first() {
            Some(problem) => Err(problem.to_string()),
            None => Ok(found.unwrap()),
        }
    }

    fn at(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_millisecond()
    }

    #[test]
    fn a_time_is_in_an_interval_or_not() {
        let office = "{ weekdays: ['monday:friday'], times: [{start_time: '09:00', end_time: '17:00'}], location: Europe/Berlin }";
        let last_days = "{ days_of_month: ['-2:-1'], months: ['february', '4'] }";
        let may = "{ years: ['2026'], months: [may:june] }";
        let thirty = "{ days_of_month: ['30:31'] }";
        for (interval, time, is_in) in [
            // Monday, in winter and in summer.
            (office, "2026-01-05T08:00:00Z", true),
            (office, "2026-01-05T07:59:59Z", false),
            (office, "2026-07-06T07:00:00Z", true),
            (office, "2026-07-06T15:00:00Z", false),
            (office, "2026-01-04T10:00:00Z", false),
            (last_days, "2026-02-27T00:00:00Z", true),
            (last_days, "2026-02-26T23:59:59Z", false),
            (last_days, "2024-02-28T12:00:00Z", true),
            (last_days, "2026-04-29T12:00:00Z", true),
            (may, "2026-06-30T23:59:00Z", true),
            (may, "2027-06-30T23:59:00Z", false),
            (thirty, "2026-02-28T12:00:00Z", false),
            (thirty, "2026-04-30T12:00:00Z", true),
        ] {
            let read = read(interval).unwrap();
            assert_eq!(read.contains(at(time)), is_in, "{interval} at {time}");
            assert_eq!(super::tests::read(&read.to_yaml()), Ok(read));
        }
    }

    #[test]
    fn what_cannot_be_is_refused_where_it_stands() {
        for (text, told) in [
            (
                "{ weekdays: [friday:monday] }",
                "a.yml:1:14: weekdays: expected days such as",
            ),
            ("{ weekdays: [funday] }", "a.yml:1:14: weekdays"),
            ("{ days_of_month: ['0'] }", "a.yml:1:19: days_of_month"),
            ("{ days_of_month: ['-1:5'] }", "a.yml:1:19: days_of_month"),
            ("{ months: [may:april] }", "a.yml:1:12: months"),
            (
                "{ location: Mars/Olympus }",
                "a.yml:1:13: location: expected the name of a time zone",
            ),
            ("{ location: Local }", "a.yml:1:13: location"),
            (
                "{ times: [{ start_time: '10:00', end_time: '09:00' }] }",
                "a.yml:1:11: time range",
            ),
            (
                "{ times: [{ start_time: '9:00', end_time: '10:00' }] }",
                "a.yml:1:25: start_time",
            ),
            ("{ hours: [1] }", "a.yml:1:3: unknown key `hours`"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.starts_with(told), "{text}: {error}");
        }
    }
}
