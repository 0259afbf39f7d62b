//! What matters most, in a few words each.

use super::history::{Figure, Values};
use super::{Level, Tile, clock};

/// Tasks, as counts.
const COUNTS: [(&str, Figure); 6] = [
    ("Pending", Figure::Pending),
    ("Active", Figure::Active),
    ("Pending or active", Figure::Backlog),
    ("Scheduled", Figure::Scheduled),
    ("In retry", Figure::Retry),
    ("Archived", Figure::Archived),
];

/// Tasks per second.
const RATES: [(&str, Figure); 5] = [
    ("Arrivals", Figure::Arrivals),
    ("Net arrivals", Figure::Net),
    ("Done", Figure::Done),
    ("Failed", Figure::Failed),
    ("Retried", Figure::Retried),
];

/// How long tasks waited.
const WAITS: [(&str, Figure); 2] = [("Wait p50", Figure::P50), ("Wait p99", Figure::P99)];

/// Who is there, and what is on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Standing {
    /// Whether it is over, and nobody is to be there any more.
    pub(super) is_over: bool,
    /// `None`: not known.
    pub(super) redis_is_up: Option<bool>,
    /// How many answer, and of how many; `None`: nobody asks them.
    pub(super) workers: Option<(usize, usize)>,
    /// Alerts that fire, and that are pending.
    pub(super) alerts: (usize, usize),
}

/// The tiles of what is known.
pub(super) fn tiles(standing: &Standing, now: Values) -> Vec<Tile> {
    let mut tiles = Vec::new();
    let mut tile = |name, value: Option<String>, level| {
        tiles.extend(value.map(|value| Tile { name, value, level }));
    };
    let good = |is_good| if is_good { Level::Good } else { Level::Bad };
    if !standing.is_over {
        let redis = standing.redis_is_up;
        let word = redis.map(|up| if up { "up" } else { "down" }.to_owned());
        tile("Redis", word, good(redis == Some(true)));
        let workers = standing.workers;
        let told = workers.map(|(up, of)| format!("{up} of {of}"));
        let all_up = workers.is_some_and(|(up, of)| up == of && of > 0);
        tile("Workers up", told, good(all_up));
    }
    let (firing, pending) = standing.alerts;
    tile("Alerts firing", Some(firing.to_string()), good(firing == 0));
    tile("Alerts pending", Some(pending.to_string()), Level::Plain);
    for (name, figure) in COUNTS {
        let count = now.get(figure).map(|count| format!("{count:.0}"));
        tile(name, count, Level::Plain);
    }
    for (name, figure) in RATES {
        let rate = now.get(figure).map(|rate| format!("{rate:.1}/s"));
        tile(name, rate, Level::Plain);
    }
    for (name, figure) in WAITS {
        let wait = now.get(figure).map(|wait| format!("{:.1} ms", wait * 1e3));
        tile(name, wait, Level::Plain);
    }
    let oldest = now.get(Figure::Oldest);
    let oldest = oldest.map(|seconds| clock((seconds * 1e3) as i64));
    tile("Oldest waits", oldest, Level::Plain);
    tiles
}
