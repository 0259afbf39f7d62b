//! Moments as people read them.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::time::SystemTime;

/// A moment in UTC, in the format of `strftime`.
pub(crate) fn utc(at: SystemTime, format: &str) -> String {
    let at = Timestamp::try_from(at).unwrap_or(Timestamp::UNIX_EPOCH);
    TimeZone::UTC.to_datetime(at).strftime(format).to_string()
}
