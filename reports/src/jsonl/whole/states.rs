//! Transitions of one alert instance follow from each other.

use crate::jsonl::Impossible;
use crate::record::{AlertState, Header, Transition};
use std::collections::BTreeMap;

/// The states of all instances, as the transitions so far have left them.
pub(super) struct States<'r> {
    header: &'r Header,
    now: BTreeMap<Instance<'r>, AlertState>,
    /// Asked for when something looks wrong: groups and alerts that there are twice. Their instances cannot be told apart.
    doubles: Option<Vec<(String, String)>>,
}

/// Group, alert and labels.
type Instance<'r> = (&'r str, &'r str, &'r BTreeMap<String, String>);

impl<'r> States<'r> {
    /// No alert is anything yet.
    pub(super) fn new(header: &'r Header) -> Self {
        Self {
            header,
            now: BTreeMap::new(),
            doubles: None,
        }
    }

    pub(super) fn take(&mut self, transition: &'r Transition) -> Result<(), Impossible> {
        let (group, alert) = (transition.group.as_str(), transition.alert.as_str());
        let instance = (group, alert, &transition.labels);
        let state = self.now.insert(instance, transition.to);
        let state = state.unwrap_or(AlertState::Inactive);
        let is_step = state == transition.from
            && !matches!(
                (transition.from, transition.to),
                (AlertState::Inactive, AlertState::Inactive)
                    | (AlertState::Pending, AlertState::Pending)
                    | (AlertState::Firing, AlertState::Firing | AlertState::Pending)
            );
        if is_step || self.is_double(group, alert) {
            return Ok(());
        }
        Err(Impossible::CannotFollow {
            alert: transition.alert.clone(),
            from: transition.from,
            to: transition.to,
            state,
        })
    }

    /// Whether a group has two alerts of that name. Where the rules cannot be read, by this release at least, nothing is
    /// known of them.
    fn is_double(&mut self, group: &str, alert: &str) -> bool {
        let header = self.header;
        let doubles = self.doubles.get_or_insert_with(|| doubles(header));
        doubles.iter().any(|(g, a)| g == group && a == alert)
    }
}

fn doubles(header: &Header) -> Vec<(String, String)> {
    let Ok(set) = header.reading.load(&header.rules) else {
        return Vec::new();
    };
    let mut names: Vec<(String, String)> = set
        .alerts()
        .map(|alert| (alert.group.to_owned(), alert.name.to_owned()))
        .collect();
    names.sort();
    let twice = names.windows(2).filter(|pair| pair[0] == pair[1]);
    twice.map(|pair| pair[0].clone()).collect()
}
