//! Whether what a step did is gone, in all that it was done to: then people have ended it.

use super::asking::Sight;
use super::{Hands, server};
use crate::audit::REDIS;
use crate::engine::live::since_start;
use crate::engine::live::stand::Stand;
use crate::lever::{Lever, LinkLever, ProcessLever, QueueLever};
use crate::plan::{PRODUCER, Plan, Step};
use firedrill_reports::record::{Action, Deed};
use std::collections::BTreeSet;

impl Stand {
    /// Ends the steps that people have ended, now that it is seen.
    pub(super) fn ends_what_is_mended(
        &mut self,
        hands: &mut Hands,
        going: &BTreeSet<u32>,
        sight: &Sight,
    ) -> Vec<Action> {
        let (plan, now_ms) = (self.plan.clone(), since_start(self.clock));
        let mut actions = Vec::new();
        for (step, restarted) in std::mem::take(&mut hands.open) {
            let step_of_plan = &plan.timeline[step];
            let relieved = hands.strangers.relieved(step).cloned();
            let seen = (going, sight.proven.get(&step), sight);
            let saw =
                relieved.or_else(|| self.is_mended(step_of_plan, &restarted, seen, &hands.redis));
            let Some(saw) = saw else {
                hands.open.insert(step, restarted);
                continue;
            };
            self.roster.mends(step, now_ms);
            hands.mended.insert(step);
            actions.push(Action {
                at_ms: now_ms,
                what: Deed::Mended,
                subject: match step_of_plan.fault.begin() {
                    Lever::Redis(_) => REDIS.to_owned(),
                    _ => step_of_plan.targets.join(", "),
                },
                text: saw,
                step: Some(step_of_plan.id.clone()),
            });
        }
        actions
    }

    /// What is seen of a step that people have ended in all that it was done to; `None`: it is still on, or nobody can tell.
    fn is_mended(
        &mut self,
        step: &Step,
        restarted: &BTreeSet<String>,
        (going, proven, sight): (&BTreeSet<u32>, Option<&String>, &Sight),
        redis: &server::Watched,
    ) -> Option<String> {
        let all = step.targets.len();
        let again = step.targets.iter().filter(|name| restarted.contains(*name));
        let again: Vec<String> = again.cloned().collect();
        if all > 0 && again.len() == all {
            let up = self.fleet.are_up(&again);
            let what = match self.fleet.are() {
                "processes" => "processes were started again from outside".to_owned(),
                what => format!("{what} run again, by what was done from outside"),
            };
            return up.then(|| format!("{all} of {all} {what}"));
        }
        match step.fault.begin() {
            Lever::Process(ProcessLever::Stop) => {
                let go_on = |name: &&String| {
                    let pids = self.fleet.pids(std::slice::from_ref(*name));
                    !again.contains(*name) && pids.iter().any(|pid| going.contains(pid))
                };
                let go_on: Vec<String> = step.targets.iter().filter(go_on).cloned().collect();
                if again.len() + go_on.len() < all || !self.fleet.are_up(&again) {
                    return None;
                }
                self.fleet.go_on(&go_on);
                let more = match again.len() {
                    0 => String::new(),
                    count => format!("; {count} of {all} were started again from outside"),
                };
                Some(format!(
                    "{} of {all} processes go on (SIGCONT from outside){more}",
                    go_on.len()
                ))
            }
            Lever::Queue {
                queue,
                what: QueueLever::Pause,
            } => {
                if !sight.unpaused.contains(&queue) {
                    return None;
                }
                self.roster.pauses(&queue, false);
                Some(format!("{queue} is paused no longer"))
            }
            Lever::Link(lever) if lever != LinkLever::Demote => {
                // The producer's link is ours, and nobody else can end what is done to it: that goes with the rest.
                let saw = sight.healed.as_ref()?;
                let (own, through): (Vec<&String>, Vec<&String>) =
                    step.targets.iter().partition(|name| *name == PRODUCER);
                if through.is_empty() {
                    return None;
                }
                own.iter().for_each(|name| self.links.release(name));
                for name in &step.targets {
                    self.roster.has_way(name);
                }
                Some(format!("{saw}, by what was done from outside"))
            }
            Lever::Redis(lever) => {
                let (found, proof) = self.is_taken_back(lever, redis)?;
                let saw = match proof {
                    None => found,
                    Some(_) => format!("{found}; {}", proven?),
                };
                self.has_been_set_right(lever);
                Some(format!("{saw}, by what was done from outside"))
            }
            _ => None,
        }
    }
}

/// Whether a step stops processes.
pub(super) fn is_stop(step: &Step) -> bool {
    matches!(step.fault.begin(), Lever::Process(ProcessLever::Stop))
}

/// Whether what a step did to a container or a pod is over when that runs.
pub(super) fn is_over_when_it_runs(step: &Step, plan: &Plan) -> bool {
    let begin = step.fault.begin();
    let is_undone = matches!(
        begin,
        Lever::Process(ProcessLever::Stop | ProcessLever::Deploy { boots: false })
    );
    is_undone || ends_by_restart(step, plan)
}

/// Whether the plan ends a fault by starting its processes again.
pub(super) fn ends_by_restart(step: &Step, plan: &Plan) -> bool {
    let Some(until) = &step.until else {
        return false;
    };
    let own = until
        .by
        .as_ref()
        .and_then(|by| plan.remedies.iter().find(|own| own.id == *by));
    let remedy = until.remedy.as_ref().or(own.map(|own| &own.remedy));
    remedy
        .is_some_and(|remedy| matches!(remedy.name(), "worker.restart" | "worker.rolling-restart"))
}

/// Whether a process is there and neither stopped nor dead, by proc(5).
pub(super) fn goes_on(pid: u32) -> bool {
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else {
        return false;
    };
    // The command's name may hold spaces and brackets; the state follows it.
    let state = stat
        .rsplit_once(')')
        .and_then(|(_, after)| after.trim_start().chars().next());
    state.is_some_and(|state| !"TtZXx".contains(state))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{PlanOptions, Scenario};
    use std::collections::BTreeMap;

    fn plan(text: &str) -> Plan {
        let scenario = Scenario::parse("s.yaml", text).unwrap();
        Plan::resolve(&scenario, &PlanOptions::default()).unwrap()
    }

    const CRASH: &str =
        include_str!("../../../../../scenarios/worker-crashed/worker-crash-all.yaml");
    #[test]
    fn a_plan_that_people_mend_ends_its_step_and_the_incident_with_it() {
        let plan = plan(CRASH);
        let mended = plan.mended(&BTreeMap::from([(0, 2_000_000)]));
        let until = mended.timeline[0].until.as_ref().unwrap();
        assert_eq!(until.at_ms, 2_000_000);
        assert_eq!(mended.incidents[0].until_ms, 2_000_000);
        // Nobody mends what is over.
        let late = plan.mended(&BTreeMap::from([(0, 9_000_000)]));
        assert_eq!(late, plan);
    }

    #[test]
    fn a_crash_is_ended_by_starting_again() {
        let crash = plan(CRASH);
        assert!(ends_by_restart(&crash.timeline[0], &crash));
    }

    #[test]
    fn a_process_goes_on_or_is_stopped_or_dead_or_is_none() {
        assert!(goes_on(std::process::id()));
        let mut child = std::process::Command::new("sleep")
            .arg("600")
            .spawn()
            .unwrap();
        let pid = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(pid, rustix::process::Signal::STOP).unwrap();
        while goes_on(child.id()) {
            std::thread::yield_now();
        }
        // Nobody has waited for it yet: it is a zombie in the end.
        child.kill().unwrap();
        let stat = format!("/proc/{}/stat", child.id());
        while !std::fs::read_to_string(&stat).unwrap().contains(") Z ") {
            std::thread::yield_now();
        }
        assert!(!goes_on(child.id()));
        child.wait().unwrap();
        assert!(!goes_on(child.id()));
    }
}
