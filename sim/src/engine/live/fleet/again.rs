//! Processes that have died by themselves, and are started again by an orchestrator.

use super::{AGAIN_MS, Fleet, Pods, WhyEnded};
use crate::engine::live::LiveError;
use crate::engine::live::child::WorkerChild;
use crate::engine::live::watch::{Death, Roster};
use crate::plan::Plan;
use firedrill_asynq::clock::{ClockOrigin, Time};

impl Fleet {
    /// A process has died by itself: an orchestrator, if it has one, starts it again after a while.
    pub(crate) fn has_died(&mut self, death: &Death) {
        self.expect_start(&death.process, death.at, death.why);
    }

    fn expect_start(&mut self, process: &str, died: Time, why: WhyEnded) {
        let own = process.to_owned();
        let spec = self.specs.iter().find(|spec| spec.process == process);
        if let (Some(backoff), Some(spec)) = (self.backoffs.get_mut(process), spec) {
            let due = (backoff.died(died), spec.incarnation);
            self.awaited.insert(own.clone(), due);
            self.tell([&own], |pods, name| pods.died(name, why));
        } else {
            self.tell([&own], Pods::gone);
            self.are_gone(&[own]);
        }
    }

    /// A process was started, and has ended of what the plan does: whoever starts it again waits.
    pub(super) fn awaits(&mut self, process: &str, died: Time) {
        let has_people = self.roster.as_ref().is_some_and(Roster::has_people);
        if self.backoffs.contains_key(process) || !has_people {
            return self.expect_start(process, died, WhyEnded::Error);
        }
        let own = process.to_owned();
        let mut specs = self.specs.iter();
        if let Some(spec) = specs.find(|spec| spec.process == process) {
            let due = (died.plus_millis(AGAIN_MS), spec.incarnation);
            self.awaited.insert(own.clone(), due);
        }
        self.tell([&own], |pods, name| pods.died(name, WhyEnded::Error));
    }

    /// What is said of those that were started while the plan had cut them off from Redis, once.
    pub(super) fn told_of_unseen(&mut self) -> String {
        let unseen = std::mem::take(&mut self.unseen);
        if unseen.is_empty() {
            return String::new();
        }
        let is_there = |name: &&String| {
            self.running
                .get_mut(*name)
                .is_some_and(|child| !child.has_ended())
        };
        let (there, ended): (Vec<&String>, Vec<&String>) = unseen.iter().partition(is_there);
        let named = |names: Vec<&String>, what: &str| match names.is_empty() {
            true => String::new(),
            false => {
                let names: Vec<&str> = names.into_iter().map(String::as_str).collect();
                format!("; {} {what}", names.join(", "))
            }
        };
        named(there, "cannot register in Redis, by plan")
            + &named(ended, "ended at once, without Redis by plan")
    }

    /// When the next process is to be started again.
    pub(crate) fn next_start(&self) -> Option<Time> {
        self.awaited.values().map(|(at, _)| *at).min()
    }

    /// Starts those again that are due; answers how many. One that somebody has started or taken away meanwhile is left alone.
    pub(crate) async fn start_again(&mut self, clock: ClockOrigin) -> Result<usize, LiveError> {
        let now = clock.now();
        let due = self.awaited.iter().filter(|(_, (at, _))| *at <= now);
        let due: Vec<(String, u32)> = due
            .map(|(name, (_, lives))| (name.clone(), *lives))
            .collect();
        let mut started = 0;
        for (name, lives) in due {
            self.awaited.remove(&name);
            let spec = self.specs.iter().find(|spec| spec.process == name);
            // What the team's does without Redis is seen when it is started.
            let comes_up = |plan: &Plan| {
                let at_ms = now.millis() - clock.virtual_start.millis();
                !self.workers.are_ours() || plan.comes_up(&name, at_ms)
            };
            let Some(comes_up) = spec
                .filter(|spec| spec.incarnation == lives)
                .map(|spec| comes_up(&spec.plan))
            else {
                continue;
            };
            if !self
                .running
                .get_mut(&name)
                .is_some_and(WorkerChild::has_ended)
            {
                continue;
            }
            if !comes_up {
                self.tell([&name], Pods::dies_again);
                self.awaits(&name, now);
                continue;
            }
            let ended = self.ended(&name, clock);
            if let Some(child) = self.running.remove(&name) {
                self.has_left(child, Some(ended));
            }
            self.begin_anew(&[name], Pods::starts_again, clock).await?;
            started += 1;
        }
        Ok(started)
    }
}
