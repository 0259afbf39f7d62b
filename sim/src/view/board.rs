//! What is shared by whoever tells and whoever shows.

use super::telling::keep;
use super::{About, Entry, Listed, Snapshot, Stage, View};
use crate::rehearsal::Runbook;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The views of a command, by number, and what people note. Clones are the same board.
#[derive(Debug, Clone)]
pub struct Board(Arc<Mutex<Shared>>);

#[derive(Debug)]
struct Shared {
    views: Vec<View>,
    notes: VecDeque<Entry>,
    /// What is exposed in the place of what was scraped.
    exposed: Option<String>,
}

impl Board {
    /// Of what has not begun.
    #[must_use]
    pub fn new(abouts: impl IntoIterator<Item = About>) -> Self {
        Self(Arc::new(Mutex::new(Shared {
            views: abouts.into_iter().map(View::new).collect(),
            notes: VecDeque::new(),
            exposed: None,
        })))
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        // A view that somebody broke off telling is still one.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many views there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.shared().views.len()
    }

    /// Tells view `number` something; a number that is none is told nothing.
    pub fn tell(&self, number: usize, tell: impl FnOnce(&mut View)) {
        if let Some(view) = self.shared().views.get_mut(number) {
            tell(view);
        }
    }

    /// Somebody notes something now.
    pub fn note(&self, text: &str) {
        let mut shared = self.shared();
        let now_ms = shared.view(None).map_or(0, |(_, view)| view.now_ms());
        keep(&mut shared.notes, now_ms, text);
    }

    /// What `/metrics` shows from now on, in the place of what was scraped.
    pub fn expose(&self, text: String) {
        self.shared().exposed = Some(text);
    }

    /// What is shown now of view `number`; `None`: of the first that runs, else of the last that did. A board of nothing shows nothing.
    #[must_use]
    pub fn snapshot(&self, number: Option<usize>) -> Option<Snapshot> {
        let shared = self.shared();
        let (number, view) = shared.view(number)?;
        let mut snapshot = view.snapshot();
        snapshot.notes = shared.notes.iter().rev().cloned().collect();
        snapshot.shown = number;
        if shared.views.len() > 1 {
            let all = shared.views.iter();
            let listed = all.map(|view| Listed {
                name: view.title().to_owned(),
                stage: view.stage(),
            });
            snapshot.drills = listed.collect();
        }
        Some(snapshot)
    }

    /// The runbook that people rehearse by, if there is one.
    #[must_use]
    pub fn runbook(&self) -> Option<Arc<Runbook>> {
        self.shared().view(None)?.1.runbook()
    }

    /// What was scraped of view `number` as text; `None`: nothing was.
    #[must_use]
    pub fn metrics(&self, number: Option<usize>) -> Option<String> {
        let shared = self.shared();
        let exposed = shared.exposed.clone();
        exposed.or_else(|| shared.view(number)?.1.exposed())
    }
}

impl Shared {
    fn view(&self, number: Option<usize>) -> Option<(usize, &View)> {
        let asked = number.filter(|number| *number < self.views.len());
        let stage_is = |stage| move |view: &View| view.stage() == stage;
        let number = asked
            .or_else(|| self.views.iter().position(stage_is(Stage::Running)))
            .or_else(|| self.views.iter().rposition(stage_is(Stage::Over)))
            .unwrap_or(0);
        Some((number, self.views.get(number)?))
    }
}
