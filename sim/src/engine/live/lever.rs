//! Carries levers out for real, each with a look at its effect: asynchronous, and bounded.

mod process;
mod redis;
mod tasks;

use super::director::Seen;
use super::stand::Stand;
use crate::agenda::{Turn, What, over};
use crate::lever::{Lever, LinkLever, PointLever, QueueLever};
use crate::undo::Undo;
use firedrill_asynq::op::{Op, Reply};

impl Stand {
    /// What an operator does to a queue by hand.
    pub(super) async fn pull_queue(&self, name: &str, what: QueueLever) -> (bool, String) {
        let queue = name.to_owned();
        let (op, done) = match what {
            QueueLever::Pause => (
                Op::Pause {
                    queue,
                    now: self.clock.now(),
                },
                "paused",
            ),
            QueueLever::Unpause => (Op::Unpause { queue }, "unpaused"),
        };
        if what == QueueLever::Pause {
            self.roster.pauses(name, true);
        }
        let answer = self.control.call(op).await;
        if what == QueueLever::Unpause {
            self.roster.pauses(name, false);
        }
        match answer {
            Ok(Reply::Changed(true)) => (true, format!("queue {name} is {done}")),
            Ok(_) => {
                // Somebody else has done it, and it is theirs to undo.
                let theirs = Undo::Unpause {
                    redis: self.place.clone(),
                    queue: name.to_owned(),
                };
                match self.journal.settle(&[theirs]) {
                    Ok(()) => (false, format!("queue {name} was {done} already")),
                    Err(error) => (false, error.to_string()),
                }
            }
            Err(error) => (false, error.to_string()),
        }
    }

    /// Targets are out of Prometheus' reach from now on, or no longer.
    pub(super) fn pull_scrape(&self, reachable: bool, instances: &[String]) -> (bool, String) {
        for instance in instances {
            self.roster.reaches(instance, reachable);
        }
        let hit = self.targets_file.numbers(instances);
        hit.iter()
            .for_each(|target| self.addresses.reach(*target, reachable));
        let what = if reachable {
            "reached again"
        } else {
            "out of reach"
        };
        let (hit, all) = (hit.len(), instances.len());
        (hit == all, format!("{hit} of {all} {what}"))
    }

    /// A rule about calls is on from now on: it is told when it hits one.
    pub(super) fn pull_point(&self, lever: PointLever, turn: Turn, clients: &[String]) -> Seen {
        let (PointLever::Set(rule), What::Begin(index)) = (lever, turn.what) else {
            // Withdrawn with the end of its step.
            return Some((true, "rule withdrawn".to_owned()));
        };
        if !rule.then.kills() {
            clients
                .iter()
                .for_each(|client| self.roster.leaves_way(client));
        }
        let id = &self.plan.timeline[index].id;
        self.links.set((index, id), rule, clients, self.plan.seed);
        None
    }

    /// The rules of steps that end are withdrawn.
    pub(super) fn lift_points(&self, turn: Turn) {
        for step in turn.ends(&self.plan) {
            if self.links.lift(step) {
                let clients = &self.plan.timeline[step].targets;
                clients
                    .iter()
                    .for_each(|client| self.roster.has_way(client));
            }
        }
    }

    /// What is over by itself; and whether processes have died of it that were to.
    pub(super) fn has_died_of(&self, turn: Turn) -> (bool, String) {
        let What::End(step) = turn.what else {
            return (true, "by itself".to_owned());
        };
        over(&self.plan, step, self.roster.deaths_of(step))
    }

    /// The clocks of steps that end are right again.
    pub(super) fn clocks_are_right(&self, turn: Turn) {
        for step in turn.ends(&self.plan) {
            let step = &self.plan.timeline[step];
            if let Lever::Clock(_) = step.fault.begin() {
                step.targets
                    .iter()
                    .for_each(|process| self.roster.has_way(process));
            }
        }
    }

    /// The links of clients, each looked at.
    pub(super) async fn pull_link(&self, lever: LinkLever, clients: &[String]) -> (bool, String) {
        for client in clients.iter().filter(|_| lever != LinkLever::Heal) {
            self.roster.leaves_way(client);
        }
        let seen = self.links.pull(lever, clients, self.clock).await;
        for client in clients.iter().filter(|_| lever == LinkLever::Heal) {
            self.roster.has_way(client);
        }
        let all = clients.len();
        let what = match lever {
            LinkLever::Delay { .. } => "slow",
            LinkLever::Drop => "cut",
            LinkLever::Reset => "reset",
            LinkLever::Heal => "as before",
        };
        (seen == all, format!("{seen} of {all} links {what}"))
    }
}
