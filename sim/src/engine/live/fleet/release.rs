//! Releases: those that start, and those that do not.

use super::{Fleet, Pods};
use crate::engine::live::LiveError;
use crate::engine::live::child::WorkerChild;
use firedrill_asynq::clock::ClockOrigin;

impl Fleet {
    /// Processes go gracefully, and those of another release come under their names, if that boots; answers whether all of that
    /// was seen, and what was.
    pub(crate) async fn deploy(
        &mut self,
        names: &[String],
        clock: ClockOrigin,
        boots: bool,
    ) -> Result<(bool, String), LiveError> {
        self.tell(names, |pods, name| pods.deploys(name, boots));
        for name in names {
            self.find(name, false);
            match boots {
                true => self.broken.remove(name),
                false => self.broken.insert(name.clone()),
            };
        }
        let (there, graceful) = match self.release_pods(names, clock, boots).await? {
            Some(replaced) => replaced,
            None => self.stop(names, clock, None).await?,
        };
        let all = names.len();
        if !boots {
            let (seen, ended) = self.fail_to_boot(names, clock).await?;
            let saw =
                format!("SIGTERM; {there} of {all} processes gone, {graceful} gracefully; {ended}");
            return Ok((there == all && seen, saw));
        }
        self.let_go(names);
        self.begin_anew(names, Pods::starts, clock).await?;
        for name in names {
            self.find(name, true);
        }
        let unseen = self.told_of_unseen();
        let saw = format!("{all} started, {graceful} stopped gracefully before{unseen}");
        Ok((true, saw))
    }

    /// Starts processes of a broken release, and waits until they have ended; answers whether all did, with an error, and what
    /// they said.
    pub(super) async fn fail_to_boot(
        &mut self,
        names: &[String],
        clock: ClockOrigin,
    ) -> Result<(bool, String), LiveError> {
        if let Some(failed) = self.pods_fail(names, clock).await? {
            return Ok(failed);
        }
        let (mut ended, mut last) = (0, String::new());
        for name in names {
            let Some(spec) = self.specs.iter().find(|spec| spec.process == *name) else {
                continue;
            };
            let failed = WorkerChild::start_broken(&self.exe, spec).await?;
            self.tell([name], |pods, name| pods.fails(name, clock.now()));
            ended += usize::from(failed.code.is_some_and(|code| code != 0));
            last = failed.said;
        }
        let all = names.len();
        Ok((
            ended == all,
            format!("{ended} of {all} new ones ended at boot: {last}"),
        ))
    }
}
