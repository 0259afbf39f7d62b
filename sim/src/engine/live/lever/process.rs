//! Levers on worker processes: signals, and members that come and go.

use crate::engine::live::LiveError;
use crate::engine::live::fleet::Killed;
use crate::engine::live::stand::Stand;
use crate::lever::ProcessLever;
use rustix::process::Signal;

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
                let saw = format!("SIGTERM; {gone} of {all} processes gone, {graceful} gracefully");
                (gone == all, saw)
            }
            ProcessLever::Restart => {
                let saw = self.fleet.restart(targets, self.clock).await?;
                self.tell_addresses()?;
                (true, saw)
            }
        })
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
    ) -> Result<(bool, String), LiveError> {
        let (came, went) = self.fleet.come_or_go(targets, self.clock).await?;
        self.tell_addresses()?;
        let saw = format!("{came} came, {went} went");
        Ok((came + went == targets.len(), saw))
    }
}
