//! Time zones by their IANA names, out of a data base that is part of the program: a name means the same on every machine.

use jiff::tz::{TimeZone, TimeZoneDatabase};
use std::sync::LazyLock;

static KNOWN: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// The zone of this name, such as `Europe/Berlin`, spelt as it stands in the data base; `None`: there is none.
#[must_use]
pub fn named(name: &str) -> Option<TimeZone> {
    if name == "UTC" {
        return Some(TimeZone::UTC);
    }
    let zone = KNOWN.get(name).ok()?;
    (zone.iana_name() == Some(name)).then_some(zone)
}
