//! Carries levers out on the model: the same as for real, with the same marks.

mod process;
mod redis;
mod tasks;
mod wire;

pub(crate) use process::Restart;
pub(crate) use wire::{OnWire, Wire};

use crate::agenda::{Turn, What, over};
use crate::audit::way_of;
use crate::engine::locks_deleted;
use crate::engine::virtual_time::world::World;
use crate::lever::{Lever, LockLever, QueueLever};
use firedrill_asynq::op::{Op, Reply};

/// What a lever came to.
pub(super) enum Pulled {
    /// Whether its effect was seen, and what was.
    Seen(bool, String),
    /// It takes its time, and says so itself.
    UnderWay,
    /// Handlers are told by the time, and say so themselves.
    Nothing,
}

impl World<'_> {
    /// Does everything of the agenda that is due. As for real, one thing after the other: while processes are being
    /// restarted, the next one waits.
    pub(crate) fn take_turns(&mut self) {
        while self.restarts.is_empty()
            && let Some(turn) = self.agenda.take(self.stage.since_start_ms())
        {
            self.carry_out(turn);
        }
        if self.restarts.is_empty() {
            self.expect_turn();
        }
    }

    fn carry_out(&mut self, turn: Turn) {
        let plan = self.stage.plan;
        let targets = &turn.targets(plan)[..];
        self.lift_points(turn);
        self.leads_home(turn);
        self.lift_throttles(turn);
        let pulled = match turn.lever(plan) {
            None => {
                self.clocks(turn, false);
                let (seen, saw) = match turn.what {
                    What::End(step) => over(plan, step, self.deaths_of[step]),
                    _ => (true, "by itself".to_owned()),
                };
                Pulled::Seen(seen, saw)
            }
            Some(
                Lever::Handler(_)
                | Lever::Resource { .. }
                | Lever::Load(_)
                | Lever::Again { .. }
                | Lever::Life(_),
            ) => Pulled::Nothing,
            Some(Lever::Clock(_)) => {
                self.clocks(turn, true);
                Pulled::Nothing
            }
            Some(Lever::Process(lever)) => self.pull_process(lever, turn, targets),
            Some(Lever::Redis(lever)) => self.pull_redis(lever, turn),
            Some(Lever::Queue { queue, what }) => self.pull_queue(&queue, what, turn),
            Some(Lever::Tasks { queue, what }) => self.pull_tasks(&queue, &what, turn),
            Some(Lever::Locks { task, what }) => self.pull_locks(&task, what, turn),
            Some(Lever::Link(lever)) => self.pull_link(lever, targets),
            Some(Lever::Point(lever)) => self.pull_point(lever, turn, targets),
            Some(Lever::Scrape { reachable }) => {
                let hit = self.scrapes.reach(targets, reachable);
                let what = if reachable {
                    "reached again"
                } else {
                    "out of reach"
                };
                let all = targets.len();
                Pulled::Seen(hit == all, format!("{hit} of {all} {what}"))
            }
            Some(Lever::Exporters { there }) => {
                let hit = self.scrapes.reach(targets, there);
                let what = if there { "there again" } else { "gone" };
                let all = targets.len();
                Pulled::Seen(hit == all, format!("{hit} of {all} {what}"))
            }
            Some(Lever::SlowScrapes { ms }) => {
                // Less than the timeout changes nothing, and is refused.
                let hit = self.scrapes.reach(targets, ms == 0);
                let what = if ms == 0 { "at once again" } else { "late" };
                let all = targets.len();
                Pulled::Seen(hit == all, format!("{hit} of {all} answer {what}"))
            }
            Some(Lever::Members { targets_stay }) => self.scale(turn, targets, targets_stay),
        };
        match pulled {
            Pulled::Seen(verified, saw) => self.mark(turn, verified, saw),
            Pulled::Nothing => self.goes_on(turn),
            Pulled::UnderWay => {}
        }
    }

    /// Clocks are wrong from now on, or right again: what that makes of leases needs no other explanation.
    fn clocks(&mut self, turn: Turn, wrong: bool) {
        let (plan, now) = (self.stage.plan, self.stage.now);
        let mut steps = turn.ends(plan);
        if let What::Begin(step) = turn.what {
            steps.push(step);
        }
        for step in steps.into_iter().map(|step| &plan.timeline[step]) {
            if let Lever::Clock(_) = step.fault.begin() {
                for process in &step.targets {
                    let (way, absences) = (way_of(process), self.stage.lives.absences());
                    match wrong {
                        true => absences.leaves(&way, now),
                        false => absences.returns(&way, now),
                    }
                }
            }
        }
    }

    /// Tells what was done.
    pub(super) fn mark(&mut self, turn: Turn, verified: bool, saw: String) {
        let at_ms = self.stage.since_start_ms();
        let marks = turn.marks(self.stage.plan, at_ms, verified, saw);
        self.stage.marks.extend(marks);
        self.goes_on(turn);
    }

    /// A turn is done: what comes of it is put on the agenda.
    fn goes_on(&mut self, turn: Turn) {
        let now_ms = self.stage.since_start_ms();
        self.agenda.done(turn, self.stage.plan, now_ms);
    }

    /// Locks are taken for tasks that there are not, or deleted.
    fn pull_locks(&mut self, task: &str, what: LockLever, turn: Turn) -> Pulled {
        let (plan, now) = (self.stage.plan, self.stage.now);
        if !self.stage.redis.is_up() {
            return Pulled::Seen(false, "connection refused".to_owned());
        }
        let mut deleted = 0;
        for (entry, _) in plan.locked_entries(task) {
            for number in 0..what.count() {
                let (queue, lock) = self.producer.mint().lock(entry, u64::from(number), now);
                let data = self.stage.redis.data();
                match (what, turn.what) {
                    (LockLever::Leave { .. }, What::Begin(step)) => {
                        data.leave_lock(&queue, lock, super::token::Number::garbled(step, number));
                    }
                    _ => deleted += usize::from(data.delete_lock(&queue, &lock)),
                }
            }
        }
        match what {
            // Whoever is refused says so.
            LockLever::Leave { .. } => Pulled::Nothing,
            LockLever::Free { .. } => Pulled::Seen(true, locks_deleted(deleted)),
        }
    }

    fn pull_queue(&mut self, name: &str, what: QueueLever, turn: Turn) -> Pulled {
        let queue = super::token::queue_number(self.stage.plan, name);
        let now = self.stage.now;
        let (op, seen) = match what {
            QueueLever::LoseLeases => {
                self.stage.unleased(now);
                if let What::Begin(step) = turn.what {
                    self.stage.lose_leases(queue, step);
                }
                return Pulled::Nothing;
            }
            QueueLever::Garble { count } => {
                self.stage.unleased(now);
                let step = match turn.what {
                    What::Begin(step) => step,
                    _ => return Pulled::Seen(true, "by itself".to_owned()),
                };
                // Numbers that no producer comes to.
                for number in 0..count {
                    let id = super::token::Number::garbled(step, number);
                    self.stage.redis.data().garble(&queue, id);
                }
                let saw = format!("{count} of {count} messages put into {name}");
                return Pulled::Seen(true, saw);
            }
            QueueLever::Pause => (Op::Pause { queue, now }, "paused"),
            QueueLever::Unpause => (Op::Unpause { queue }, "unpaused"),
        };
        let answer = self.stage.redis.call(op);
        let seen_so = match answer {
            Ok(Reply::Changed(changed)) => changed || turn.ends_nothing(self.stage.plan),
            _ => false,
        };
        let saw = match answer {
            Ok(Reply::Changed(true)) => format!("queue {name} is {seen}"),
            Ok(_) => format!("queue {name} was {seen} already"),
            Err(error) => error.to_string(),
        };
        Pulled::Seen(seen_so, saw)
    }
}
