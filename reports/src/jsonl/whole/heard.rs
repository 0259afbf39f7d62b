//! What sources of alerts told: each is introduced once, tells in order of time, and tells what changed.

use super::span;
use crate::jsonl::Impossible;
use crate::record::{Header, Heard, Told, ToldState};
use std::collections::BTreeMap;

/// The sources so far.
#[derive(Default)]
pub(super) struct Sources<'r> {
    by_name: BTreeMap<&'r str, Known<'r>>,
}

#[derive(Default)]
struct Known<'r> {
    newest_ms: i64,
    is_over: bool,
    now: BTreeMap<Instance<'r>, ToldState>,
}

/// Receivers and labels.
type Instance<'r> = (&'r [String], &'r BTreeMap<String, String>);

impl<'r> Sources<'r> {
    /// The latest time at which something was told, if this line tells something.
    pub(super) fn take(
        &mut self,
        heard: &'r Heard,
        header: &Header,
    ) -> Result<Option<i64>, Impossible> {
        let name = heard.source();
        let what = || format!("the source {name}");
        if let Heard::Began(_) = heard {
            // Nobody else goes by the time of a drill that is faster.
            if header.speed != 1.0 {
                return Err(Impossible::Speed(header.speed));
            }
            return match self.by_name.insert(name, Known::default()) {
                Some(_) => Err(Impossible::Twice(what())),
                None => Ok(None),
            };
        }
        let known = self.by_name.get_mut(name).filter(|known| !known.is_over);
        let known = known.ok_or_else(|| Impossible::Unknown(what()))?;
        match heard {
            Heard::Told(told) => known.told(told).map(Some),
            Heard::Ended(hearing) => {
                known.is_over = true;
                if let Some((least_ms, most_ms)) = hearing.ahead_ms {
                    span("how far a clock is ahead", least_ms, most_ms)?;
                }
                let mut away = hearing.away.iter();
                away.try_for_each(|away| span(&what(), away.from_ms, away.until_ms))?;
                Ok(None)
            }
            Heard::Began(_) => Ok(None),
        }
    }

    /// Whether of each source it is said how well it was heard.
    pub(super) fn are_over(&self) -> bool {
        self.by_name.values().all(|known| known.is_over)
    }
}

impl<'r> Known<'r> {
    fn told(&mut self, told: &'r Told) -> Result<i64, Impossible> {
        let what = || format!("what {} told of {}", told.source, told.alert());
        if told.at_ms < self.newest_ms {
            return Err(Impossible::Order {
                what: what(),
                at_ms: told.at_ms,
                after_ms: self.newest_ms,
            });
        }
        self.newest_ms = told.at_ms;
        if let Some(unsaid_ms) = told.unsaid_ms {
            span(&what(), unsaid_ms, told.at_ms)?;
        }
        let instance = (told.receivers.as_slice(), &told.labels);
        let before = self.now.insert(instance, told.state);
        match before.unwrap_or(ToldState::Inactive) == told.state {
            // One that fires may have begun to anew.
            true if told.state != ToldState::Firing => Err(Impossible::Twice(what())),
            _ => Ok(told.at_ms),
        }
    }
}
