//! Which instances of an alert let go only because their data are gone.
//!
//! An instance that is not in a result any more may be over, or its series may have vanished with their process. The
//! expression's [`shadow`](crate::expr::shadow), which has an element where the data are, tells them apart. It is asked at
//! the evaluation that does not find an instance any more, and from then on until the data are back; an evaluation at
//! which nothing vanishes and nothing is away costs nothing.

use std::collections::HashMap;

use crate::intern::{Interner, LabelsId, Places};
use crate::transition::{AlertState, Emitted, Transition};

/// See the module.
#[derive(Debug, Clone, Default)]
pub(crate) struct Absence {
    states: HashMap<LabelsId, State>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The data vanished while it was pending or firing, and have not been back since.
    Away,
    /// They came back and it was pending at once, as it still is.
    Back,
}

impl Absence {
    /// Whether the shadow has to be asked, although nothing vanished.
    pub(crate) fn is_waiting(&self) -> bool {
        self.states.values().any(|state| *state == State::Away)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.states.is_empty()
    }

    pub(crate) fn clear(&mut self) {
        self.states.clear();
    }

    /// Takes in an evaluation, and marks what it reported of this alert. `vanished` are the instances that the evaluation
    /// before had found; `there`, in which the shadow has an element: none if that cannot be said, and then all is there.
    pub(crate) fn take(
        &mut self,
        vanished: &[LabelsId],
        there: Option<&Places>,
        reported: &mut [Emitted],
        interner: &mut Interner,
    ) {
        let is_there = |id: LabelsId| there.is_none_or(|there| there.get(id).is_some());
        let mut ended: Vec<(&mut Transition, LabelsId)> = Vec::new();
        for outcome in reported {
            let Emitted::Transition(transition) = outcome else {
                continue;
            };
            let id = interner.id(&transition.labels);
            match (transition.from, transition.to) {
                (_, AlertState::Inactive) => ended.push((transition, id)),
                (AlertState::Inactive, to) => {
                    if self.states.remove(&id) == Some(State::Away) {
                        transition.data_back = true;
                        if to == AlertState::Pending {
                            self.states.insert(id, State::Back);
                        }
                    }
                }
                _ => transition.data_back = self.states.remove(&id) == Some(State::Back),
            }
        }
        for id in vanished {
            if is_there(*id) {
                self.states.remove(id);
            } else {
                self.states.insert(*id, State::Away);
            }
        }
        self.states
            .retain(|id, state| *state == State::Back || !is_there(*id));
        for (transition, id) in ended {
            transition.data_gone = self.states.get(&id) == Some(&State::Away);
        }
    }
}
