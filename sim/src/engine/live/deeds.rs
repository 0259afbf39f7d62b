//! Carries deeds out for real: signals to processes, Redis killed and started; each with a look at its effect.

use crate::audit::REDIS;
use crate::engine::live::LiveError;
use crate::engine::live::fleet::{Fleet, Killed};
use crate::engine::live::scraper::Addresses;
use crate::engine::live::targets_file::{TARGETS_FILE, TargetsFile};
use crate::engine::live::uptime::Uptime;
use crate::engine::live::watch::Roster;
use crate::fault::{Agenda, Deed, Phase, Turn};
use crate::plan::Plan;
use crate::redis_server::private::PrivateRedis;
use firedrill_asynq::clock::ClockOrigin;
use firedrill_reports::record::Mark;

/// All that deeds act upon.
pub(crate) struct World<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) clock: ClockOrigin,
    pub(crate) redis: PrivateRedis,
    pub(crate) fleet: Fleet,
    pub(crate) addresses: Addresses,
    pub(crate) targets_file: TargetsFile,
    pub(crate) uptime: Uptime,
    /// Told before anything is done to anybody.
    pub(crate) roster: Roster,
}

impl World<'_> {
    /// Does everything that is due; tells what was done, and how late the latest of it began in virtual milliseconds.
    pub(crate) async fn run_due(
        &mut self,
        agenda: &mut Agenda,
    ) -> Result<(Vec<Mark>, i64), LiveError> {
        let mut marks = Vec::new();
        let mut late_ms = 0;
        loop {
            let now_ms = super::since_start(self.clock);
            let Some(turn) = agenda.take(now_ms) else {
                return Ok((marks, late_ms));
            };
            late_ms = late_ms.max(now_ms - turn.at_ms);
            marks.extend(self.carry_out(turn).await?);
        }
    }

    /// Carries out one deed and looks whether it had its effect. Handler faults need nothing here: the workers know the
    /// plan and the time, and report the first effect.
    async fn carry_out(&mut self, turn: Turn) -> Result<Option<Mark>, LiveError> {
        let step = &self.plan.timeline[turn.step];
        let clock = self.clock;
        let (verified, note) = match step.fault.deed(turn.phase) {
            Deed::KillWorkers => {
                let Killed { gone, before } = self.fleet.kill(&step.targets, clock).await;
                let all = step.targets.len();
                let mut note = format!("SIGKILL; {gone} of {all} processes gone");
                if !before.is_empty() {
                    note += &format!("; ended before: {}", before.join(", "));
                }
                (gone == all, note)
            }
            Deed::RestartWorkers => {
                let note = self.fleet.restart(&step.targets, clock).await?;
                self.targets_file
                    .write(&self.addresses)
                    .map_err(|error| LiveError::System(TARGETS_FILE, error))?;
                (true, note)
            }
            Deed::KillRedis { keep_data } => {
                self.roster.leaves(REDIS);
                if !keep_data {
                    self.roster.loses_data();
                }
                self.redis.kill().await?;
                let data = if keep_data { "kept" } else { "lost" };
                (!self.redis.is_listening(), format!("SIGKILL; data {data}"))
            }
            Deed::StartRedis { keep_data } => {
                self.redis.restart(keep_data).await?;
                self.uptime.restarted();
                if !keep_data {
                    self.roster.loses_data();
                }
                self.roster.is_there(REDIS, self.redis.pid(), None);
                match self.redis.seen() {
                    Some(seen) => (true, seen),
                    None => (false, "does not answer".to_owned()),
                }
            }
            Deed::LeaveToHandlers if turn.phase == Phase::Begin => return Ok(None),
            Deed::LeaveToHandlers => (true, "by itself".to_owned()),
        };
        let at_ms = super::since_start(clock);
        Ok(Some(turn.mark(step, at_ms, verified, note)))
    }
}
