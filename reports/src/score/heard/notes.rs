//! What is to be said of a source besides what it told in time.

use super::Sourced;
use crate::record::{Hearing, ToldState};
use std::collections::BTreeSet;

impl Sourced<'_> {
    /// A line each.
    pub(crate) fn notes(&self) -> Vec<String> {
        let mut notes = self.source.rules_told();
        notes.extend(self.hearing.into_iter().flat_map(of_hearing));
        let mut kept_back = BTreeSet::new();
        for told in &self.told {
            if told.state == ToldState::KeptBack {
                let by = match told.kept_back.is_empty() {
                    true => "it does not say by what".to_owned(),
                    false => told.kept_back.join(", "),
                };
                kept_back.insert(format!("{} was kept back: {by}", told.alert()));
            }
        }
        notes.extend(kept_back);
        notes
    }
}

fn of_hearing(hearing: &Hearing) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some((least_ms, most_ms)) = hearing.ahead_ms {
        let seconds = |ms: i64| ms as f64 / 1e3;
        notes.push(format!(
            "its clock is from {:.1} to {:.1} s ahead of ours",
            seconds(least_ms),
            seconds(most_ms)
        ));
    }
    if let Some(found) = hearing.targets {
        let (found, of) = (found.found, found.of);
        notes.push(format!("of the drill's {of} targets it scraped {found}"));
    }
    if !hearing.foreign.is_empty() {
        let names = hearing.foreign.join(", ");
        notes.push(format!(
            "alerts of others fired, too, and count for nothing: {names}"
        ));
    }
    notes
}
