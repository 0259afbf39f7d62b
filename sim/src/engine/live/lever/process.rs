//! Levers on worker processes: signals, and members that come and go.

use crate::agenda::{Turn, What};
use crate::engine::live::LiveError;
use crate::engine::live::child::{Effect, Told};
use crate::engine::live::fleet::Killed;
use crate::engine::live::stand::Stand;
use crate::engine::live::throttle::{Quota, Throttled};
use crate::lever::{Lever, LifeLever, ProcessLever};
use firedrill_asynq::inspector::Inspector;
use firedrill_asynq::settings::HEARTBEAT_INTERVAL_MS;
use rustix::process::Signal;
use std::time::Duration;

/// Real time that servers get, beyond two heartbeats, to say that they are quiet.
const HEARD_WITHIN: Duration = Duration::from_secs(1);
const LOOK_AGAIN: Duration = Duration::from_millis(10);

impl Stand {
    pub(in crate::engine::live) async fn pull_process(
        &mut self,
        lever: ProcessLever,
        targets: &[String],
    ) -> Result<(bool, String), LiveError> {
        let all = targets.len();
        Ok(match lever {
            ProcessLever::Kill => {
                let Killed { gone, before } = self.fleet.kill(targets, self.clock).await;
                self.fleet.are_gone(targets);
                self.tell_addresses()?;
                let mut saw = format!("SIGKILL; {gone} of {all} processes gone");
                if !before.is_empty() {
                    saw += &format!("; ended before: {}", before.join(", "));
                }
                (gone == all, saw)
            }
            ProcessLever::Stop => {
                let stopped = self.fleet.signal(targets, Signal::STOP).await;
                let saw = format!("SIGSTOP; {stopped} of {all} processes stopped");
                (stopped == all, saw)
            }
            ProcessLever::Continue => {
                let go_on = self.fleet.signal(targets, Signal::CONT).await;
                (
                    go_on == all,
                    format!("SIGCONT; {go_on} of {all} processes go on"),
                )
            }
            ProcessLever::Terminate { grace_ms } => {
                let stopped = self.fleet.stop(targets, self.clock, grace_ms).await?;
                let (gone, graceful) = stopped;
                self.fleet.are_gone(targets);
                self.tell_addresses()?;
                let saw = format!("SIGTERM; {gone} of {all} processes gone, {graceful} gracefully");
                (gone == all, saw)
            }
            ProcessLever::Restart => {
                let saw = self.fleet.restart(targets, self.clock).await?;
                self.tell_addresses()?;
                (true, saw)
            }
            ProcessLever::Quiet => self.quieten(targets).await,
            ProcessLever::Throttle { run_ms, period_ms } => {
                let quota = Quota { run_ms, period_ms };
                let seen = self.fleet.throttle(targets, quota, self.clock).await?;
                let saw = format!("SIGSTOP again and again; {seen} of {all} processes stopped");
                (seen == all, saw)
            }
            ProcessLever::Unthrottle => {
                let (go_on, Throttled { periods, stops }) =
                    self.fleet.unthrottle(targets, self.clock.now()).await;
                // A period that was cut short, or in which nobody got to run, may go unseen.
                let bit = stops * 10 >= periods * 9;
                let saw = format!(
                    "{go_on} of {all} processes go on; they were seen to stop in {stops} of {periods} periods"
                );
                (go_on == all && bit, saw)
            }
            ProcessLever::Deploy { boots } => {
                let seen = self.fleet.deploy(targets, self.clock, boots).await?;
                self.tell_addresses()?;
                seen
            }
        })
    }

    /// Processes fetch nothing more: they say so themselves, with their next heartbeat.
    async fn quieten(&self, targets: &[String]) -> (bool, String) {
        let told = self.fleet.quieten(targets);
        let inspector = Inspector::new(self.control.clone());
        let until = self.clock.now().plus_millis(2 * HEARTBEAT_INTERVAL_MS);
        let (deadline, all) = (self.clock.until(until) + HEARD_WITHIN, targets.len());
        let quiet = async {
            loop {
                let servers = inspector.servers(self.clock.now()).await;
                let servers = servers.map(|list| list.servers).unwrap_or_default();
                let is_quiet = |pid: &&u32| {
                    let mut infos = servers.iter().map(|server| &server.info);
                    infos.any(|info| {
                        info.status == "stopped" && u32::try_from(info.pid) == Ok(**pid)
                    })
                };
                let quiet = told.iter().filter(is_quiet).count();
                if quiet == all {
                    return quiet;
                }
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        let quiet = tokio::time::timeout(deadline, quiet).await;
        let saw = match quiet {
            Ok(quiet) => format!("SIGTSTP; {quiet} of {all} servers call themselves stopped"),
            Err(_) => format!(
                "SIGTSTP to {} of {all} processes; not all of their servers call themselves stopped",
                told.len()
            ),
        };
        (quiet.is_ok(), saw)
    }

    /// The throttles of steps that end are taken off.
    pub(in crate::engine::live) async fn lift_throttles(&mut self, turn: Turn) {
        for step in turn.ends(&self.plan) {
            let step = &self.plan.clone().timeline[step];
            let is_throttled = matches!(
                step.fault.begin(),
                Lever::Process(ProcessLever::Throttle { .. })
            );
            // The turn's own lever looks at what came of it.
            let by_itself =
                turn.lever(&self.plan) == Some(Lever::Process(ProcessLever::Unthrottle));
            if is_throttled && !by_itself {
                self.fleet.unthrottle(&step.targets, self.clock.now()).await;
            }
        }
    }

    /// Containers of the team's get less memory, which is told as the step's first effect. Processes of ours know the plan and the time.
    pub(in crate::engine::live) async fn pull_life(
        &mut self,
        lever: LifeLever,
        turn: Turn,
        targets: &[String],
    ) -> Result<(), LiveError> {
        let (LifeLever::Leak { limit_bytes, .. }, What::Begin(step)) = (lever, turn.what) else {
            return Ok(());
        };
        let limits = self.fleet.limit_memory(targets, (step, limit_bytes));
        let (limited, undos) = limits.await?;
        let id = &self.plan.timeline[step].id;
        let id = (!self.roster.has_people()).then(|| id.clone());
        self.note(id, undos).await?;
        if limited.len() == targets.len() {
            let effects = limited.into_iter().map(|process| Effect {
                process,
                step,
                at: self.clock.now(),
            });
            for effect in effects {
                // Nobody listens only when the drill is over.
                let _ = self.told.send(Told::Effect(effect));
            }
        }
        Ok(())
    }

    /// Steps that end give containers back the memory that they might take.
    pub(in crate::engine::live) async fn lift_limits(
        &mut self,
        turn: Turn,
    ) -> Result<(), LiveError> {
        for step in turn.ends(&self.plan) {
            self.fleet.lift_limits(step).await?;
        }
        Ok(())
    }

    /// Looks for containers that have died for want of memory; an orchestrator starts them again.
    pub(in crate::engine::live) async fn look_at_limits(&mut self) -> Result<(), LiveError> {
        for (step, death) in self.fleet.look_at_limits(self.clock).await {
            self.roster.died_of(step);
            self.fleet.has_died(&death);
            self.tell_addresses()?;
        }
        Ok(())
    }

    /// Starts processes again that have died by themselves and are due; answers how many.
    pub(in crate::engine::live) async fn start_again(&mut self) -> Result<usize, LiveError> {
        let started = self.fleet.start_again(self.clock).await?;
        if started > 0 {
            self.tell_addresses()?;
            self.note_processes().await?;
        }
        Ok(started)
    }

    /// Members come, or go gracefully.
    pub(in crate::engine::live) async fn scale(
        &mut self,
        targets: &[String],
        targets_stay: bool,
    ) -> Result<(bool, String), LiveError> {
        let members = self
            .fleet
            .come_or_go(targets, self.clock, targets_stay)
            .await;
        let (came, went) = members?;
        self.tell_addresses()?;
        let saw = format!("{came} came, {went} went");
        Ok((came + went == targets.len(), saw))
    }
}
