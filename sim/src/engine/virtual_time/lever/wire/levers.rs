//! The levers that do something to links and to calls on them.

use super::Client;
use crate::agenda::{Turn, What};
use crate::audit::way_of;
use crate::engine::virtual_time::lever::Pulled;
use crate::engine::virtual_time::world::World;
use crate::lever::{Lever, LinkLever, PointLever, Ways};
use crate::plan::PRODUCER;

impl World<'_> {
    /// A rule about calls is on from now on, or no longer.
    pub(in crate::engine::virtual_time::lever) fn pull_point(
        &mut self,
        lever: PointLever,
        turn: Turn,
        targets: &[String],
    ) -> Pulled {
        let (PointLever::Set(rule), What::Begin(index)) = (lever, turn.what) else {
            // Withdrawn with the end of its step.
            return Pulled::Seen(true, "rule withdrawn".to_owned());
        };
        let step = &self.stage.plan.timeline[index];
        if !rule.then.kills() {
            let now = self.stage.now;
            for name in targets {
                self.stage.lives.absences().leaves(&way_of(name), now);
            }
        }
        if let Some(wire) = &mut self.stage.wire {
            let seed = self.stage.plan.seed;
            wire.points.set((index, &step.id), rule, targets, seed);
        }
        Pulled::Nothing
    }

    /// The rules of steps that end are withdrawn.
    pub(in crate::engine::virtual_time::lever) fn lift_points(&mut self, turn: Turn) {
        let now = self.stage.now;
        for step in turn.ends(self.stage.plan) {
            let Some(wire) = &mut self.stage.wire else {
                return;
            };
            if wire.points.lift(step) {
                for name in &self.stage.plan.timeline[step].targets {
                    self.stage.lives.absences().returns(&way_of(name), now);
                }
            }
        }
    }

    /// Clients that find Redis anew find the primary, and leases that come later are let be.
    pub(in crate::engine::virtual_time::lever) fn leads_home(&mut self, turn: Turn) {
        let now = self.stage.now;
        for step in turn.ends(self.stage.plan) {
            if matches!(self.stage.loses_leases, Some((_, of)) if of == step) {
                self.stage.loses_leases = None;
            }
            let step = &self.stage.plan.timeline[step];
            if step.fault.begin() != Lever::Link(LinkLever::Demote) {
                continue;
            }
            let processes = self.numbers(&step.targets).into_iter();
            let clients: Vec<Client> = processes.map(|n| u16::try_from(n).ok()).collect();
            let Some(wire) = &mut self.stage.wire else {
                return;
            };
            for client in clients {
                wire.link(client).demoted = false;
            }
            for name in &step.targets {
                self.stage.lives.absences().returns(&way_of(name), now);
            }
        }
    }

    pub(in crate::engine::virtual_time::lever) fn pull_link(
        &mut self,
        lever: LinkLever,
        targets: &[String],
    ) -> Pulled {
        let now = self.stage.now;
        for name in targets {
            let (way, absences) = (way_of(name), self.stage.lives.absences());
            match lever {
                LinkLever::Heal => absences.returns(&way, now),
                LinkLever::Delay { .. }
                | LinkLever::Drop { .. }
                | LinkLever::Throttle { .. }
                | LinkLever::Slice { .. }
                | LinkLever::Demote
                | LinkLever::Reset => absences.leaves(&way, now),
            }
        }
        let processes = self.numbers(targets).into_iter();
        let mut clients: Vec<Client> = processes.map(|n| u16::try_from(n).ok()).collect();
        if targets.iter().any(|name| name == PRODUCER) {
            clients.push(None);
        }
        let all = clients.len();
        let Some(wire) = &mut self.stage.wire else {
            return Pulled::Seen(false, "there are no links".to_owned());
        };
        for client in clients.iter().copied() {
            let link = wire.link(client);
            link.reset = lever == LinkLever::Reset;
            link.demoted = lever == LinkLever::Demote;
            (link.delay_ms, link.jitter_ms, link.cut) = Default::default();
            let hit = |ways: Ways, ms: i64| ways.hit().map(|hit| if hit { ms } else { 0 });
            match lever {
                LinkLever::Delay {
                    ms,
                    jitter_ms,
                    ways,
                } => (link.delay_ms, link.jitter_ms) = (hit(ways, ms), hit(ways, jitter_ms)),
                LinkLever::Drop { ways } => link.cut = ways.hit(),
                LinkLever::Throttle { .. }
                | LinkLever::Slice { .. }
                | LinkLever::Demote
                | LinkLever::Reset
                | LinkLever::Heal => {}
            }
        }
        let saw = match lever {
            LinkLever::Delay { .. } => format!("{all} of {all} links slow"),
            LinkLever::Drop { .. } => format!("{all} of {all} links cut"),
            LinkLever::Throttle { .. } | LinkLever::Slice { .. } => {
                return Pulled::Seen(false, "the model's calls have no bytes".to_owned());
            }
            LinkLever::Demote => {
                self.stage.redis.set_replicas(1);
                format!("{all} of {all} links lead to a replica; it refuses writes")
            }
            LinkLever::Reset => {
                self.stage.reset(&clients);
                format!("{all} of {all} links reset")
            }
            LinkLever::Heal => {
                self.stage.flow();
                format!("{all} of {all} links as before")
            }
        };
        Pulled::Seen(true, saw)
    }
}
