//! What sources of alerts told beside the built-in detector, and where the time went, in words.

use super::words::{self, Named};
use super::{Table, Told, Tone};
use crate::score::{DrillScore, HeardScore};

/// When each source told of each incident; nothing where there was none but ours.
pub(super) fn sources(drills: &[&Named<'_>]) -> Table {
    let mut rows = Vec::new();
    for (named, heard) in heard(drills) {
        for (index, incident) in named.drill.incidents.iter().enumerate() {
            for source in &heard.sources {
                let found = source.detections.get(index).and_then(Option::as_ref);
                let when = |ms: i64| words::since(ms, incident.truth.fault_ms);
                let untold = source.untold.get(index).and_then(Option::as_ref);
                let cells = match (found, untold) {
                    (Some(found), _) => [
                        found.alert.clone(),
                        when(found.fired_ms),
                        when(found.delivered_ms),
                    ],
                    (None, Some(untold)) => [
                        untold.alert.clone(),
                        when(untold.fired_ms),
                        "nobody was told".to_owned(),
                    ],
                    (None, None) => ["none", "-", "-"].map(str::to_owned),
                };
                let name = match source.source == heard.by {
                    true => format!("{} (scored)", source.source),
                    false => source.source.clone(),
                };
                let names = [named.incident(index), name];
                rows.push(names.into_iter().chain(cells).map(muted).collect());
            }
        }
    }
    Table::new(
        "Who told when",
        "Times run from the fault. Where a source only knows of alerts, the delivery is modelled.",
        ["incident", "source", "alert", "fired", "told"],
        rows,
    )
}

/// Where the time went until somebody was told.
pub(super) fn splits(drills: &[&Named<'_>]) -> Table {
    let mut rows = Vec::new();
    for (named, heard) in heard(drills) {
        for (index, split) in heard.splits.iter().enumerate() {
            let Some(split) = split else { continue };
            let part = |(_, ms): (&str, Option<i64>)| ms.map_or("unknown".to_owned(), seconds);
            let mut parts = split.parts().map(part);
            if let Some(ms) = split.together_ms {
                parts[0] = format!("{} with the next two", seconds(ms));
            }
            let total = match split.is_delivery_modelled {
                true => format!("{} (delivery modelled)", seconds(split.total_ms)),
                false => seconds(split.total_ms),
            };
            let cells = [named.incident(index)].into_iter().chain(parts);
            rows.push(cells.chain([total]).map(muted).collect());
        }
    }
    Table::new(
        "Where the time went",
        "From the fault until somebody was told, as far as each part is known; the scrape took that long at most.",
        [
            "incident",
            "signal",
            "scrape",
            "evaluation",
            "for",
            "delivery",
            "in all",
        ],
        rows,
    )
}

/// What else is to be said of the sources of a drill, a line each.
pub(super) fn notes(drill: &DrillScore) -> Vec<Told> {
    let sources = drill.heard.iter().flat_map(|heard| &heard.sources);
    let notes = sources.flat_map(|source| {
        let place = match source.place.is_empty() {
            true => String::new(),
            false => format!(" ({})", source.place),
        };
        let name = format!("{}{place}", source.source);
        source
            .notes
            .iter()
            .map(move |note| format!("{name}: {note}"))
    });
    notes.map(muted).collect()
}

fn heard<'n>(drills: &'n [&Named<'_>]) -> impl Iterator<Item = (&'n Named<'n>, &'n HeardScore)> {
    drills.iter().filter_map(|named| {
        let heard = named.drill.heard.as_ref()?;
        Some((*named, heard))
    })
}

fn seconds(ms: i64) -> String {
    format!("{:.1} s", ms as f64 / 1e3)
}

fn muted(text: String) -> Told {
    (text, Tone::Muted)
}
