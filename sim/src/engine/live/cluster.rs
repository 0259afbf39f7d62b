//! The pods of a live drill: who acts on its processes tells of it, the exporters of Kubernetes ask.

use crate::metrics::Value;
use crate::metrics::kube::Pods;
use crate::plan::Plan;
use crate::worker;
use firedrill_asynq::clock::Time;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// See the module. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Cluster(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    pods: Pods,
    /// The process ids of processes, by name.
    pids: BTreeMap<String, u32>,
}

impl Cluster {
    /// Of a fleet that starts at `start`.
    pub(crate) fn new(plan: &Plan, start: Time) -> Self {
        Self(Arc::new(Mutex::new(State {
            pods: Pods::new(plan, start),
            pids: BTreeMap::new(),
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something has happened to pods.
    pub(crate) fn tell(&self, what: impl FnOnce(&mut Pods)) {
        what(&mut self.state().pods);
    }

    /// The process id of a process.
    pub(crate) fn runs_as(&self, process: &str, pid: Option<u32>) {
        let pids = &mut self.state().pids;
        match pid {
            Some(pid) => pids.insert(process.to_owned(), pid),
            None => pids.remove(process),
        };
    }

    /// What kube-state-metrics exposes now.
    pub(crate) fn values(&self, now: Time) -> Vec<Value> {
        self.state().pods.values(now)
    }

    /// What cAdvisor exposes now. What a process has in memory says the kernel.
    pub(crate) fn container_values(&self, now: Time) -> Vec<Value> {
        let State { pods, pids } = &*self.state();
        let resident = |process: &str| worker::resident_bytes(*pids.get(process)?).ok();
        pods.container_values(now, resident)
    }
}
