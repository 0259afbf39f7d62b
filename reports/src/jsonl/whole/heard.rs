//! What sources of alerts told: each is introduced once, tells in order of time, and tells what changed.

use super::span;
use crate::jsonl::Impossible;
use crate::record::{Heard, Told, ToldState};
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
    /// Takes a line of a drill of that speed. When it was told, if the line tells something.
    pub(super) fn take(&mut self, heard: &'r Heard, speed: f64) -> Result<Option<i64>, Impossible> {
        let name = heard.source();
        let what = || format!("the source {name}");
        if let Heard::Began(_) = heard {
            // Nobody else goes by the time of a drill that is faster.
            if speed != 1.0 {
                return Err(Impossible::Speed(speed));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Hearing, Source, SourceKind};

    fn began() -> Heard {
        Heard::Began(Source {
            source: "s".into(),
            of: SourceKind::Webhook,
            place: String::new(),
            rules: Vec::new(),
        })
    }

    fn told(at_ms: i64, state: ToldState) -> Heard {
        Heard::Told(Told {
            at_ms,
            unsaid_ms: None,
            source: "s".into(),
            labels: BTreeMap::from([("alertname".into(), "A".into())]),
            state,
            since_ms: None,
            active_ms: None,
            receivers: Vec::new(),
            kept_back: Vec::new(),
            annotations: BTreeMap::new(),
            pages: false,
        })
    }

    fn ended() -> Heard {
        Heard::Ended(Hearing {
            source: "s".into(),
            ..Hearing::default()
        })
    }

    /// Whether a drill may have written these lines.
    fn is_possible(lines: &[Heard]) -> bool {
        let mut sources = Sources::default();
        lines.iter().all(|line| sources.take(line, 1.0).is_ok())
    }

    #[test]
    fn sources_tell_in_order_what_changed() {
        use ToldState::{Firing, Inactive};
        let whole = [
            began(),
            told(1, Firing),
            told(2, Firing),
            told(2, Inactive),
            ended(),
        ];
        assert!(is_possible(&whole));
        for wrong in [
            vec![told(1, Firing)],
            vec![began(), began()],
            vec![began(), told(2, Firing), told(1, Inactive)],
            vec![began(), told(1, Inactive)],
            vec![began(), ended(), told(1, Firing)],
            vec![began(), ended(), ended()],
        ] {
            assert!(!is_possible(&wrong), "{wrong:?}");
        }
        let mut sources = Sources::default();
        let line = began();
        assert_eq!(sources.take(&line, 60.0), Err(Impossible::Speed(60.0)));
        sources.take(&line, 1.0).unwrap();
        assert!(!sources.are_over());
    }
}
