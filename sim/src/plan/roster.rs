//! Who is there when, and who of them a step is done to. Members have names that stay their own; which of them are there
//! changes when their group is scaled. The one source of processes and targets for both engines.

use crate::lever::On;
use crate::plan::{PRODUCER, Plan, WorkerPlan};
use crate::remedy::Remedy;
use serde::{Deserialize, Serialize};

/// Who of those that are there a step is done to; as written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Select {
    /// All of them.
    All,
    /// So many, the first by name.
    Count(u32),
    /// Such a share of them, rounded up, the first by name.
    Share(f64),
    /// These.
    Names(Vec<String>),
    /// All of a group of workers.
    Role(String),
}

/// Who is there at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roster {
    /// Names of processes, by group.
    groups: Vec<(String, Vec<String>)>,
}

/// A group has so many processes from a moment on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scale {
    pub(crate) at_ms: i64,
    pub(crate) group: String,
    pub(crate) to: u32,
}

impl Scale {
    /// What a remedy at this time makes of a group, if it scales one.
    pub(crate) fn of(at_ms: i64, remedy: &Remedy) -> Option<Self> {
        let (group, to) = remedy.scale()?;
        Some(Self {
            at_ms,
            group: group.to_owned(),
            to,
        })
    }
}

/// The name of a group's process.
pub(crate) fn name_of(group: &str, number: u32) -> String {
    format!("{group}-{number}")
}

impl Roster {
    /// Who is there at `at_ms`, when what is to be done then to the size of groups has been done. `scales`: in order of their times.
    pub(crate) fn at(workers: &[WorkerPlan], scales: &[Scale], at_ms: i64) -> Self {
        let group = |worker: &WorkerPlan| {
            let mut done = scales
                .iter()
                .filter(|scale| scale.group == worker.name && scale.at_ms <= at_ms);
            let size = done.next_back().map_or(worker.processes, |scale| scale.to);
            let names = (0..size).map(|number| name_of(&worker.name, number));
            (worker.name.clone(), names.collect())
        };
        Self {
            groups: workers.iter().map(group).collect(),
        }
    }

    /// The processes that are there.
    #[must_use]
    pub fn members(&self) -> Vec<String> {
        let names = self.groups.iter().flat_map(|(_, names)| names.clone());
        names.collect()
    }

    /// Whether a process is there.
    #[must_use]
    pub fn has(&self, process: &str) -> bool {
        let mut names = self.groups.iter().flat_map(|(_, names)| names);
        names.any(|name| name == process)
    }

    /// The processes of a group; `None`: there is no such group.
    #[must_use]
    pub fn group(&self, name: &str) -> Option<&[String]> {
        let group = self.groups.iter().find(|(group, _)| group == name);
        group.map(|(_, names)| names.as_slice())
    }

    /// Names of those that a step on this is done to; empty where that is not a choice.
    #[must_use]
    pub fn selected(&self, on: On, select: Option<&Select>) -> Vec<String> {
        let everybody = || {
            let mut names = self.members();
            if on == On::Clients {
                names.push(PRODUCER.to_owned());
            }
            names
        };
        let Some(select) = select else {
            return match on {
                // Exporters have to be named.
                On::Targets | On::Clients => everybody(),
                On::Workers
                | On::Handlers
                | On::Resource
                | On::Producer
                | On::Scheduler
                | On::Redis
                | On::Queue
                | On::Locks => Vec::new(),
            };
        };
        let first = |count: usize| self.members().into_iter().take(count).collect();
        match select {
            Select::All => everybody(),
            Select::Count(count) => first(*count as usize),
            Select::Share(share) => first((self.members().len() as f64 * share).ceil() as usize),
            Select::Role(role) => self.group(role).unwrap_or_default().to_vec(),
            Select::Names(names) => names.clone(),
        }
    }
}

impl Plan {
    /// Who is there at a moment, virtual milliseconds since the start.
    #[must_use]
    pub fn roster(&self, at_ms: i64) -> Roster {
        let remedies = self.remedies.iter();
        let scales = remedies.filter_map(|step| Scale::of(step.at_ms, &step.remedy));
        Roster::at(&self.workers, &scales.collect::<Vec<Scale>>(), at_ms)
    }

    /// Finds anew who steps are done to, after the number of processes has changed: those that are named and are no longer there
    /// are left out.
    pub(crate) fn select_anew(&mut self) {
        let ever: Vec<String> = self.processes().into_iter().map(|(name, _)| name).collect();
        let before: Vec<Roster> = self
            .timeline
            .iter()
            .map(|step| self.roster(step.at_ms))
            .collect();
        for (step, roster) in self.timeline.iter_mut().zip(before) {
            step.targets = roster.selected(step.fault.kind().on, step.select.as_ref());
            if let On::Workers = step.fault.kind().on {
                step.targets.retain(|target| ever.contains(target));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::tests::plan_with_arrivals;

    fn roster(to: &[(i64, u32)], at_ms: i64) -> Roster {
        let plan = plan_with_arrivals("{ poisson: 10/s }");
        let group = plan.workers[0].name.clone();
        let scale = |(at_ms, to): &(i64, u32)| Scale {
            at_ms: *at_ms,
            group: group.clone(),
            to: *to,
        };
        let mut workers = plan.workers.clone();
        workers[0].processes = 2;
        Roster::at(&workers, &to.iter().map(scale).collect::<Vec<_>>(), at_ms)
    }

    #[test]
    fn who_is_there_follows_the_scales() {
        let scales = [(10, 4), (20, 1)];
        let count = |at_ms| roster(&scales, at_ms).members().len();
        assert_eq!((count(9), count(10), count(19), count(20)), (2, 4, 4, 1));
    }

    #[test]
    fn a_selection_is_of_those_who_are_there() {
        let late = roster(&[(10, 4)], 10);
        let count = |select| late.selected(On::Workers, Some(&select)).len();
        assert_eq!(count(Select::All), 4);
        assert_eq!(count(Select::Share(0.5)), 2);
        assert_eq!(count(Select::Share(0.3)), 2, "rounded up");
        assert_eq!(count(Select::Count(3)), 3);
        let clients = late.selected(On::Clients, None);
        assert_eq!(clients.len(), 5, "the producer, too: {clients:?}");
        assert!(late.selected(On::Redis, None).is_empty());
    }
}
