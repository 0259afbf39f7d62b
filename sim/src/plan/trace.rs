//! Arrivals as they were: a recording, read from what people have and kept as small as it goes.

use firedrill_asynq::duration;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write};
use std::str::FromStr;

/// Most runs that a recording has.
const RUNS_MAX: usize = 500_000;
/// Most arrivals.
const COUNT_MAX: u64 = 50_000_000;

/// So many arrivals, evenly spread over a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// The first, milliseconds since the beginning of the recording.
    pub at_ms: i64,
    /// Over how many milliseconds; 0: all at once.
    pub over_ms: i64,
    /// How many.
    pub count: u64,
}

/// What arrived, in order of time. As a text: `GAP[+OVER][*COUNT]` of each run, milliseconds since the beginning of the one before.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Recording {
    runs: Vec<Run>,
}

impl Recording {
    /// Its runs, in order of time.
    #[must_use]
    pub fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// How many arrive in it.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.runs.iter().map(|run| run.count).sum()
    }

    /// The time of arrival `number` of a run, microseconds since the beginning.
    pub(super) fn at_us(run: Run, number: u64) -> i64 {
        let share = (number as f64 + 0.5) / run.count.max(1) as f64;
        let into_us = if run.over_ms == 0 {
            0.0
        } else {
            share * run.over_ms as f64 * 1e3
        };
        run.at_ms * 1_000 + into_us as i64
    }

    /// Adds a run; those at the same moment become one.
    fn push(&mut self, run: Run) -> Result<(), String> {
        if run.count == 0 {
            return Ok(());
        }
        match self.runs.last_mut() {
            Some(last) if (last.at_ms, last.over_ms, run.over_ms) == (run.at_ms, 0, 0) => {
                last.count += run.count;
            }
            _ => self.runs.push(run),
        }
        if self.runs.len() > RUNS_MAX {
            return Err(format!("more than {RUNS_MAX} different times"));
        }
        if self.count_so_far(run.count) > COUNT_MAX {
            return Err(format!("more than {COUNT_MAX} arrivals"));
        }
        Ok(())
    }

    fn count_so_far(&self, last: u64) -> u64 {
        // Only a run that is large by itself, or many of them, can be too much.
        match self.runs.len().is_multiple_of(1_024) || last > 1_024 {
            true => self.count(),
            false => 0,
        }
    }

    /// Reads a CSV file: a time in the first column, in seconds, in milliseconds since 1970 or as in RFC 3339, and a count in the second if there is one. The
    /// first line may be a header. `scale`: so many seconds of it are one.
    ///
    /// # Errors
    /// With the line, and what is wrong with it.
    pub fn of_csv(text: &str, scale: f64) -> Result<Self, (usize, String)> {
        let mut recording = Self::default();
        let (mut first, mut last) = (None, f64::NEG_INFINITY);
        let mut written = None;
        let mut is_first_line = true;
        // Spreadsheets begin a file with a mark of its encoding.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        for (line, row) in (1..).zip(text.lines()) {
            if row.trim().is_empty() || row.starts_with('#') {
                continue;
            }
            let is_header = std::mem::replace(&mut is_first_line, false);
            let mut columns = row.split([',', ';', '\t']).map(|column| {
                let column = column.trim();
                column
                    .strip_prefix('"')
                    .and_then(|c| c.strip_suffix('"'))
                    .unwrap_or(column)
            });
            let time = columns.next().unwrap_or_default();
            let Some((number, way)) = moment(time) else {
                // One that counts something is no header, but a time that cannot be read.
                let counts = columns.next().is_some_and(|of| of.parse::<f64>().is_ok());
                if is_header && !counts {
                    continue;
                }
                let expected = "a time in seconds, or such as 2026-01-05T09:00:00Z";
                return Err((line, format!("`{}` is not {expected}", time.escape_debug())));
            };
            let (first_line, first_way) = *written.get_or_insert((line, way));
            if (way == Way::Date) != (first_way == Way::Date) {
                let (is, was) = (way.words(), first_way.words());
                let what = format!("its time is {is}, and that of line {first_line} {was}");
                return Err((line, what));
            }
            // All are as the first one.
            let seconds = number / first_way.per_second();
            let count = match columns.next().filter(|count| !count.is_empty()) {
                None => 1,
                Some(count) => count.parse().map_err(|_| {
                    let count = count.escape_debug();
                    (line, format!("`{count}` is no whole number of arrivals"))
                })?,
            };
            if seconds < last {
                return Err((line, "its time is before that of the line above".to_owned()));
            }
            last = seconds;
            let since = seconds - *first.get_or_insert(seconds);
            let run = Run {
                at_ms: millis(since, scale).map_err(|why| (line, why))?,
                over_ms: 0,
                count,
            };
            recording.push(run).map_err(|why| (line, why))?;
        }
        Ok(recording)
    }

    /// Reads a dump of a counter in OpenMetrics' or Prometheus' text format, with timestamps: what it rises by from sample to
    /// sample has arrived evenly in between. Of several series of `metric` the sum counts. `scale`: so many seconds of it are one.
    ///
    /// # Errors
    /// With the line, and what is wrong with it.
    pub fn of_metrics(
        text: &str,
        metric: Option<&str>,
        scale: f64,
    ) -> Result<Self, (usize, String)> {
        // OpenMetrics ends with `# EOF` and counts in seconds, the older format in milliseconds.
        let per_second = match text.lines().rev().find(|line| !line.trim().is_empty()) {
            Some(end) if end.trim() == "# EOF" => 1.0,
            _ => 1e3,
        };
        let mut name: Option<String> = metric.map(str::to_owned);
        let mut series: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
        let mut rises: Vec<(f64, f64, f64)> = Vec::new();
        let mut gauges: BTreeSet<&str> = BTreeSet::new();
        for (line, row) in (1..).zip(text.lines()) {
            if let Some(typed) = row.strip_prefix("# TYPE ") {
                let typed = typed.trim().split_once(char::is_whitespace);
                gauges.extend(
                    typed
                        .filter(|(_, kind)| kind.trim() == "gauge")
                        .map(|(name, _)| name),
                );
            }
            if row.trim().is_empty() || row.starts_with('#') {
                continue;
            }
            let (of, value, time) = sample(row).ok_or_else(|| {
                let expected = "a sample with a timestamp, such as `jobs_total 42 1767225600`";
                (line, format!("expected {expected}"))
            })?;
            let called = of.split('{').next().unwrap_or_default();
            match &name {
                Some(name) if name == called => {}
                Some(_) if metric.is_some() => continue,
                Some(name) => {
                    let both = format!("there are samples of `{name}` and `{called}`");
                    return Err((line, format!("{both}: say with `metric` which is meant")));
                }
                None => name = Some(called.to_owned()),
            }
            if gauges.contains(called) {
                let what = "is a gauge, and only a counter tells what arrives";
                return Err((line, format!("`{called}` {what}: name one with `metric`")));
            }
            if !value.is_finite() {
                let what = "which no counter is: leave such lines out";
                return Err((line, format!("its value is {value}, {what}")));
            }
            let time = time / per_second;
            if let Some((then, before)) = series.insert(of, (time, value)) {
                if time < then {
                    let what = "its time is before that of the sample above";
                    return Err((line, what.to_owned()));
                }
                // A counter that is less than it was began anew.
                let rise = if value < before {
                    value
                } else {
                    value - before
                };
                rises.push((then, time, rise));
            }
        }
        let Some(begins) = rises.iter().map(|(then, ..)| *then).reduce(f64::min) else {
            let of = metric.map_or(String::new(), |metric| format!(" of `{metric}`"));
            return Err((1, format!("no series{of} has two samples")));
        };
        // Several series are sampled at different times: their rates are added up from edge to edge.
        let mut edges: Vec<(f64, f64)> = Vec::new();
        for (then, time, rise) in rises {
            let per_second = rise / (time - then).max(1e-3);
            edges.extend([(then, per_second), (time.max(then + 1e-3), -per_second)]);
        }
        edges.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut recording = Self::default();
        // Parts of an arrival are kept for the next.
        let (mut rate, mut part) = (0.0, 0.0);
        for (edge, next) in edges.iter().zip(edges.iter().skip(1)) {
            rate += edge.1;
            part += rate * (next.0 - edge.0);
            // What is whole but for rounding is whole.
            let count = (part + 1e-6).max(0.0).floor();
            part -= count;
            let at_ms = millis(edge.0 - begins, scale).map_err(|why| (1, why))?;
            let until_ms = millis(next.0 - begins, scale).map_err(|why| (1, why))?;
            let run = Run {
                at_ms,
                over_ms: until_ms - at_ms,
                count: count as u64,
            };
            recording.push(run).map_err(|why| (1, why))?;
        }
        Ok(recording)
    }
}

/// From here on a number is of milliseconds since 1970 and not of seconds: those would be of the year 5138, these are of 1973.
const MILLIS_FROM: f64 = 1e11;

/// How a time is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Seconds,
    Millis,
    Date,
}

impl Way {
    fn words(self) -> &'static str {
        match self {
            Self::Seconds => "a number of seconds",
            Self::Millis => "a number of milliseconds",
            Self::Date => "a date",
        }
    }

    fn per_second(self) -> f64 {
        match self {
            Self::Seconds | Self::Date => 1.0,
            Self::Millis => 1e3,
        }
    }
}

/// A time since some beginning, as it is written; a date in seconds since 1970.
fn moment(text: &str) -> Option<(f64, Way)> {
    if let Ok(number) = text.parse::<f64>() {
        let way = match number >= MILLIS_FROM {
            true => Way::Millis,
            false => Way::Seconds,
        };
        return number.is_finite().then_some((number, way));
    }
    let at: jiff::Timestamp = text.parse().ok()?;
    Some((at.as_nanosecond() as f64 / 1e9, Way::Date))
}

/// Milliseconds of a drill.
fn millis(seconds: f64, scale: f64) -> Result<i64, String> {
    let ms = (seconds * 1e3 / scale).round();
    let most = duration::parse("3650d").unwrap_or(i64::MAX);
    match ms >= 0.0 && ms <= most as f64 {
        true => Ok(ms as i64),
        false => Err("the recording is longer than ten years".to_owned()),
    }
}

/// A line of the text format: the series as it stands, its value, its timestamp.
fn sample(row: &str) -> Option<(&str, f64, f64)> {
    let row = row.trim();
    let end = match row.find(['{', ' ', '\t'])? {
        brace if row.as_bytes()[brace] == b'{' => {
            let (mut quoted, mut escaped) = (false, false);
            let closing = row[brace..].char_indices().find(|(_, c)| {
                let is_end = *c == '}' && !quoted;
                if *c == '"' && !escaped {
                    quoted = !quoted;
                }
                escaped = *c == '\\' && !escaped;
                is_end
            });
            brace + closing?.0 + 1
        }
        space => space,
    };
    let (series, rest) = row.split_at(end);
    // An exemplar may follow.
    let rest = rest.split(" # ").next().unwrap_or_default();
    let mut parts = rest.split_whitespace();
    let (value, time) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    let time: f64 = time;
    (parts.next().is_none() && time.is_finite()).then_some((series, value, time))
}

impl FromStr for Recording {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let form = || {
            "what `firedrill plan` prints of a trace: `GAP[+OVER][*COUNT]`, milliseconds".to_owned()
        };
        let mut recording = Self::default();
        let mut at_ms = 0_i64;
        for word in text.split_whitespace() {
            let (word, count) = match word.split_once('*') {
                Some((word, count)) => (word, count.parse().map_err(|_| form())?),
                None => (word, 1),
            };
            let (gap, over) = word.split_once('+').unwrap_or((word, "0"));
            let whole = |text: &str| {
                let ms = text.parse::<i64>().ok();
                ms.filter(|ms| (0..=i64::MAX / 4_000).contains(ms))
            };
            let (gap_ms, over_ms) = (whole(gap).ok_or_else(form)?, whole(over).ok_or_else(form)?);
            at_ms = at_ms
                .checked_add(gap_ms)
                .filter(|ms| *ms <= i64::MAX / 4_000)
                .ok_or_else(form)?;
            recording.push(Run {
                at_ms,
                over_ms,
                count,
            })?;
        }
        Ok(recording)
    }
}

impl fmt::Display for Recording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut last_ms = 0;
        for (number, run) in self.runs.iter().enumerate() {
            if number > 0 {
                f.write_char(' ')?;
            }
            write!(f, "{}", run.at_ms - last_ms)?;
            last_ms = run.at_ms;
            if run.over_ms > 0 {
                write!(f, "+{}", run.over_ms)?;
            }
            if run.count != 1 {
                write!(f, "*{}", run.count)?;
            }
        }
        Ok(())
    }
}

impl From<Recording> for String {
    fn from(recording: Recording) -> Self {
        recording.to_string()
    }
}

impl TryFrom<String> for Recording {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_csv_has_times_and_perhaps_counts() {
        let csv = "time,count\n10,2\n10.5,1\n10.5,3\n70,0\n70\n";
        let read = Recording::of_csv(csv, 1.0).unwrap();
        assert_eq!(read.to_string(), "0*2 500*4 59500");
        assert_eq!(read.to_string().parse(), Ok(read.clone()));
        assert_eq!(read.count(), 7);
        let fast = Recording::of_csv(csv, 60.0).unwrap();
        assert_eq!(fast.to_string(), "0*2 8*4 992");
        let dated = "2026-01-05T09:00:00Z\n2026-01-05T10:00:01.5+01:00\n";
        assert_eq!(Recording::of_csv(dated, 1.0).unwrap().to_string(), "0 1500");
        let marked = "\u{feff}0,40\n1,3\n";
        assert_eq!(
            Recording::of_csv(marked, 1.0).unwrap().to_string(),
            "0*40 1000*3"
        );
        let millis = "1767225600000,2\n1767225601500\n";
        let read = Recording::of_csv(millis, 1.0).unwrap();
        assert_eq!(read.to_string(), "0*2 1500");
        for (csv, line, why) in [
            (
                "0\n2026-03-29T01:59:59Z\n",
                2,
                "its time is a date, and that of line 1 a number of seconds",
            ),
            (
                "t\n2026-03-29T01:59:59Z\n\n1767225600000\n",
                4,
                "a number of milliseconds, and that of line 2 a date",
            ),
            ("0\nnan\n", 2, "`nan` is not a time"),
            // Whoever counts something is no header.
            ("O,40\n1,3\n", 1, "`O` is not a time"),
            ("2026-01-05 09:00:00,40\n", 1, "is not a time"),
            ("t\n1\nx\n", 3, "`x` is not a time"),
            ("2\n1\n", 2, "before that of the line above"),
            ("1,x\n", 1, "no whole number"),
            ("1,-2\n", 1, "no whole number"),
            ("0\n1e12\n", 2, "longer than ten years"),
            ("0,99999999999\n", 1, "arrivals"),
        ] {
            let (at, what) = Recording::of_csv(csv, 1.0).unwrap_err();
            assert_eq!(at, line, "{csv}: {what}");
            assert!(what.contains(why), "{csv}: {what}");
        }
    }

    #[test]
    fn a_counter_tells_what_came_between_its_samples() {
        let dump = "# TYPE jobs counter\njobs_total{q=\"a } b\"} 10 1767225600\njobs_total{q=\"c\"} 5 1767225600\n\
                    jobs_total{q=\"a } b\"} 40 1767225660\njobs_total{q=\"c\"} 5 1767225660\n\
                    jobs_total{q=\"a } b\"} 7 1767225720 # {id=\"x\"} 1\n# EOF\n";
        let read = Recording::of_metrics(dump, None, 1.0).unwrap();
        // 30 in the first minute; then the counter began anew, and has come to 7.
        assert_eq!(read.to_string(), "0+60000*30 60000+60000*7");
        let older = "other 1 2\njobs_total 0 1767225600000\njobs_total 3 1767225601000\n";
        let read = Recording::of_metrics(older, Some("jobs_total"), 1.0).unwrap();
        assert_eq!(read.to_string(), "0+1000*3");
        let times: Vec<i64> = (0..3)
            .map(|n| Recording::at_us(read.runs()[0], n))
            .collect();
        assert_eq!(times, [166_666, 500_000, 833_333]);
        for (dump, line, why) in [
            ("a 1 2\nb 1 2\n", 2, "say with `metric`"),
            ("a 1\n", 1, "a timestamp"),
            ("a 1 2000\na 2 1000\n", 2, "before that of the sample above"),
            ("a 1 2000\n", 1, "no series has two samples"),
            ("# TYPE a gauge\na 5 1000\na 1 2000\n", 2, "`a` is a gauge"),
            ("a 1 1000\na NaN 2000\n", 2, "its value is NaN"),
            ("a 1 1000\na +Inf 2000\n", 2, "its value is inf"),
        ] {
            let (at, what) = Recording::of_metrics(dump, None, 1.0).unwrap_err();
            assert_eq!(at, line, "{dump}: {what}");
            assert!(what.contains(why), "{dump}: {what}");
        }
    }

    #[test]
    fn what_is_no_recording_is_refused() {
        for text in [
            "x",
            "-1",
            "1+",
            "1*x",
            "1*-1",
            "99999999999999999999",
            "1+-3",
        ] {
            assert!(text.parse::<Recording>().is_err(), "{text}");
        }
        assert_eq!("".parse(), Ok(Recording::default()));
    }
}
