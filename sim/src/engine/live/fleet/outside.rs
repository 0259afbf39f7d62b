//! What people do to the processes of a rehearsal from outside.

use super::{Fleet, WhyEnded};
use crate::owner::{self, Owner};
use crate::plan::Plan;
use crate::signals;
use firedrill_asynq::clock::Time;
use firedrill_asynq::message::ServerInfo;

/// When a process that was ended from outside is started again, virtual milliseconds.
pub(crate) const AGAIN_MS: i64 = 2_000;

impl Fleet {
    /// Processes that were ended from outside since this was asked last. In a rehearsal they are started again, as by whatever a
    /// team has to do that.
    pub(crate) fn ended_outside(&mut self, now: Time) -> Vec<String> {
        let Some(roster) = &self.roster else {
            return Vec::new();
        };
        let mut ended = Vec::new();
        for (name, child) in &mut self.running {
            let is_awaited = self.awaited.contains_key(name);
            if !is_awaited && child.has_ended() && roster.died_outside(name) {
                ended.push(name.clone());
            }
        }
        for name in &ended {
            let mut specs = self.specs.iter();
            if let Some(spec) = specs.find(|spec| spec.process == *name) {
                let due = (now.plus_millis(AGAIN_MS), spec.incarnation);
                self.awaited.insert(name.clone(), due);
            }
        }
        self.tell(&ended, |pods, name| pods.died(name, WhyEnded::Error));
        ended
    }

    /// Whether a server is of a worker of the drill's. Those that were there before are known by their hosts: what runs there is theirs
    /// also when others have started it again. What a worker that we have started starts itself is in its process group.
    pub(crate) fn knows(&mut self, server: &ServerInfo) -> bool {
        if self.servers.contains(&server.server_id) || self.hosts.contains(&server.host) {
            return true;
        }
        let is_started =
            !self.stays() && server.host == owner::host() && self.has_started(server.pid);
        if is_started {
            // It is listed for a while when it has ended.
            self.servers.insert(server.server_id.clone());
        }
        is_started
    }

    /// Whether a process is one of the drill's workers, or was started by one.
    fn has_started(&self, pid: i32) -> bool {
        let mut leaders = self.all_pids().into_iter();
        leaders.any(|leader| {
            let group = || Owner::of(leader).map_or_else(|_| Vec::new(), |leader| leader.group());
            let is_it = |process: u32| u32::try_from(pid) == Ok(process);
            is_it(leader) || group().iter().any(|process| is_it(process.pid()))
        })
    }

    /// From its next start on, a process goes by this plan.
    pub(crate) fn starts_with(&mut self, process: &str, plan: &Plan) {
        let mut specs = self.specs.iter_mut();
        if let Some(spec) = specs.find(|spec| spec.process == process) {
            spec.plan = plan.clone();
        }
    }

    /// Whether all of these processes run.
    pub(crate) fn are_up(&mut self, names: &[String]) -> bool {
        names.iter().all(|name| {
            let runs = self
                .running
                .get_mut(name)
                .is_some_and(|child| !child.has_ended());
            runs && !self.awaited.contains_key(name)
        })
    }

    /// Processes that the plan had stopped go on: they are looked after again, and that is known.
    pub(crate) fn go_on(&self, names: &[String]) {
        for name in names {
            if let (Some(roster), Some(child)) = (&self.roster, self.running.get(name)) {
                child.id().into_iter().for_each(signals::forget);
                roster.is_there(name, child.id(), child.ledger());
            }
        }
    }
}
