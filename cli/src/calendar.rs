//! Moments as people read them.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use std::time::SystemTime;

/// The day it is, in UTC.
pub(crate) fn today() -> Date {
    TimeZone::UTC.to_datetime(Timestamp::now()).date()
}

/// A moment in UTC, in the format of `strftime`.
pub(crate) fn utc(at: SystemTime, format: &str) -> String {
    let at = Timestamp::try_from(at).unwrap_or(Timestamp::UNIX_EPOCH);
    TimeZone::UTC.to_datetime(at).strftime(format).to_string()
}

/// The moment that the name of a drill's directory begins with, such as `20261124T134501Z-42`, in Unix milliseconds.
pub(crate) fn stamped(name: &str) -> Option<i64> {
    const LENGTH: usize = "20261124T134501Z".len();
    let moment = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", name.get(..LENGTH)?).ok()?;
    let at = TimeZone::UTC.to_timestamp(moment).ok()?;
    Some(at.as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::stamped;

    #[test]
    fn names_of_directories_begin_with_a_moment() {
        assert_eq!(stamped("19700102T000001Z-42"), Some(86_401_000));
        assert_eq!(stamped("20261124T134501Z"), Some(1_795_527_901_000));
        for other in ["", "latest", "20261324T134501Z", "é0261124T134501Z", "2026"] {
            assert_eq!(stamped(other), None, "{other}");
        }
    }
}
