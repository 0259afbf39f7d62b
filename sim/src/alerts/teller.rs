//! What changes by what a source says: a state machine of its alerts, without I/O. Times are milliseconds since the drill's
//! start.

use firedrill_reports::record::{FOREIGN_MAX, Told, ToldState};
use std::collections::{BTreeMap, BTreeSet};

/// An instance of an alert as a source has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Instance {
    pub(super) labels: BTreeMap<String, String>,
    pub(super) state: ToldState,
    /// [`Told::since_ms`].
    pub(super) since_ms: Option<i64>,
    /// When one that is over had begun to fire.
    pub(super) began_ms: Option<i64>,
    /// [`Told::active_ms`].
    pub(super) active_ms: Option<i64>,
    /// [`Told::annotations`].
    pub(super) annotations: BTreeMap<String, String>,
    pub(super) receivers: Vec<String>,
    pub(super) kept_back: Vec<String>,
    /// [`Told::pages`].
    pub(super) pages: bool,
}

/// What is known of the alerts of one source.
#[derive(Debug)]
pub(super) struct Teller {
    source: String,
    /// Names of the alerts that matter.
    ours: BTreeSet<String>,
    pub(super) foreign: BTreeSet<String>,
    known: BTreeMap<Key, Known>,
}

/// Labels, and the receiver where one is told of at a time.
type Key = (Option<String>, BTreeMap<String, String>);

#[derive(Debug)]
struct Known {
    instance: Instance,
    /// When it was told of last.
    told_ms: i64,
}

/// What came of an answer or a message.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pub(super) told: Vec<Told>,
    pub(super) doubts: Vec<String>,
}

impl Teller {
    pub(super) fn new(source: &str, ours: BTreeSet<String>) -> Self {
        Self {
            source: source.to_owned(),
            ours,
            foreign: BTreeSet::new(),
            known: BTreeMap::new(),
        }
    }

    /// All alerts that the source has at a time; what it does not name any more is over. `unsaid_ms`: when it was asked
    /// before.
    pub(super) fn all(
        &mut self,
        at_ms: i64,
        unsaid_ms: Option<i64>,
        instances: Vec<Instance>,
    ) -> Changes {
        let mut changes = Changes::default();
        let mut named = BTreeSet::new();
        for mut instance in instances {
            if !self.is_about_ours(&instance) {
                continue;
            }
            let key = (None, instance.labels.clone());
            named.insert(key.clone());
            let known = self.known.get(&key);
            if let Some(known) = known {
                if known.instance.state == instance.state {
                    continue;
                }
                // It is the same alert, whomever it is sent to by now.
                if known.instance.state != ToldState::Inactive {
                    instance.receivers.clone_from(&known.instance.receivers);
                }
                let was_there = |at: i64| at < known.told_ms;
                if known.instance.state == ToldState::Inactive
                    && instance.active_ms.is_some_and(was_there)
                {
                    let alert = name(&instance.labels);
                    let source = &self.source;
                    changes.doubts.push(format!(
                        "{source} forgot {alert} for a while and has it again as if it had gone on: was it restarted?"
                    ));
                }
            } else if instance.state == ToldState::Inactive {
                continue;
            }
            changes.told.push(self.told(at_ms, unsaid_ms, &instance));
            self.know(key, instance, at_ms);
        }
        let gone = self.known.iter().filter(|(key, known)| {
            known.instance.state != ToldState::Inactive && !named.contains(*key)
        });
        let gone: Vec<(Key, Instance)> = gone
            .map(|(key, known)| (key.clone(), over(&known.instance, None)))
            .collect();
        for (key, instance) in gone {
            changes.told.push(self.told(at_ms, unsaid_ms, &instance));
            self.know(key, instance, at_ms);
        }
        changes
    }

    /// A message of a receiver's. What it repeats, or what another sender has told before, changes nothing, also when it
    /// comes after word that the same alarm is over.
    pub(super) fn message(&mut self, at_ms: i64, instances: Vec<Instance>) -> Changes {
        let mut changes = Changes::default();
        for instance in instances {
            if !self.is_about_ours(&instance) {
                continue;
            }
            let receiver = instance.receivers.first().cloned();
            let key = (receiver, instance.labels.clone());
            let known = self.known.get(&key);
            let state = known.map_or(ToldState::Inactive, |known| known.instance.state);
            match (instance.state, state) {
                (ToldState::Firing, ToldState::Firing) => {
                    // One that began after the last word of it is another alarm: nobody said that the first was over.
                    let is_new = known.is_some_and(|known| instance.since_ms > Some(known.told_ms));
                    if is_new {
                        let ended = over(&instance, instance.since_ms);
                        changes.told.push(self.told(at_ms, None, &ended));
                    } else {
                        if let Some(known) = self.known.get_mut(&key) {
                            known.told_ms = at_ms;
                        }
                        continue;
                    }
                }
                (ToldState::Firing, _) => {
                    let over_ms = known.and_then(|known| known.instance.since_ms);
                    let is_old = over_ms.is_some_and(|over_ms| {
                        instance.since_ms.is_some_and(|since_ms| since_ms < over_ms)
                    });
                    if is_old {
                        continue;
                    }
                }
                (ToldState::Inactive, ToldState::Inactive) => {
                    if known.is_some() {
                        continue;
                    }
                    // One that was on before anybody listened may well be over now.
                    if instance.began_ms.is_some_and(|began_ms| began_ms < 0) {
                        let before = Instance {
                            state: ToldState::Firing,
                            since_ms: instance.began_ms,
                            ..instance.clone()
                        };
                        changes.told.push(self.told(at_ms, None, &before));
                    } else {
                        changes.doubts.push(format!(
                            "the first word of {} was that it is over: what was posted before did not come here",
                            name(&instance.labels)
                        ));
                        self.know(key, instance, at_ms);
                        continue;
                    }
                }
                _ => {}
            }
            changes.told.push(self.told(at_ms, None, &instance));
            self.know(key, instance, at_ms);
        }
        changes
    }

    /// Whether an alert matters.
    pub(super) fn is_ours(&self, alert: &str) -> bool {
        self.ours.contains(alert)
    }

    /// Alerts of others are counted by name, no more.
    fn is_about_ours(&mut self, instance: &Instance) -> bool {
        let name = name(&instance.labels);
        let is_ours = self.is_ours(name);
        if !is_ours && instance.state == ToldState::Firing && self.foreign.len() < FOREIGN_MAX {
            self.foreign.insert(name.to_owned());
        }
        is_ours
    }

    fn know(&mut self, key: Key, instance: Instance, told_ms: i64) {
        self.known.insert(key, Known { instance, told_ms });
    }

    fn told(&self, at_ms: i64, unsaid_ms: Option<i64>, instance: &Instance) -> Told {
        let instance = instance.clone();
        Told {
            at_ms,
            unsaid_ms,
            source: self.source.clone(),
            labels: instance.labels,
            state: instance.state,
            since_ms: instance.since_ms,
            active_ms: instance.active_ms,
            annotations: instance.annotations,
            receivers: instance.receivers,
            kept_back: instance.kept_back,
            pages: instance.pages,
        }
    }
}

/// The same instance, over.
fn over(instance: &Instance, since_ms: Option<i64>) -> Instance {
    Instance {
        state: ToldState::Inactive,
        since_ms,
        active_ms: None,
        kept_back: Vec::new(),
        ..instance.clone()
    }
}

fn name(labels: &BTreeMap<String, String>) -> &str {
    labels.get("alertname").map_or("", String::as_str)
}

#[cfg(test)]
mod tests;
