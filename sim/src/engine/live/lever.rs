//! Carries levers out for real, each with a look at its effect: asynchronous, and bounded.

mod process;
mod redis;

use super::stand::Stand;
use crate::lever::{LinkLever, QueueLever};
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
        match self.control.call(op).await {
            Ok(Reply::Changed(true)) => (true, format!("queue {name} is {done}")),
            Ok(_) => (false, format!("queue {name} was {done} already")),
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

    /// Not without links of our own.
    pub(super) fn pull_link(&self, lever: LinkLever, clients: &[String]) -> (bool, String) {
        let _ = (lever, clients);
        (false, "there are no links".to_owned())
    }
}
