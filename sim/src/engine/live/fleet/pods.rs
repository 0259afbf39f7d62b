//! The pods of a team's deployment among the workers of a drill: what is done to all of them at once, and what others do to them.

use super::guests::{Meddled, Touched};
use super::{Fleet, Killed, Pods};
use crate::engine::live::LiveError;
use crate::engine::live::theirs::{Crew, Rollout};
use crate::lever::{Lever, ProcessLever};
use crate::undo::Replicated;
use firedrill_asynq::clock::ClockOrigin;
use firedrill_reports::record::Meddling;
use std::collections::BTreeSet;
use std::time::Duration;

impl Fleet {
    fn crew(&self) -> Option<Crew> {
        self.workers.crew().cloned()
    }

    /// Looks at the deployment before the drill.
    pub(super) async fn meet_pods(&self) -> Result<(), LiveError> {
        match self.crew() {
            Some(crew) => Ok(crew.meet(&self.journal).await?),
            None => Ok(()),
        }
    }

    /// The deployment is to have a pod for each of these processes beside those that it has.
    pub(super) async fn pods_come(&self, names: &[String]) -> Result<(), LiveError> {
        match self.crew() {
            Some(crew) => Ok(crew.come(names.len()).await?),
            None => Ok(()),
        }
    }

    /// Pods of the deployment's that have come meanwhile are no strangers. Where Kubernetes does not say, they may be taken for such.
    pub(crate) async fn learn_hosts(&mut self) {
        if let Some(crew) = self.crew() {
            self.hosts.extend(crew.hosts().await.unwrap_or_default());
        }
    }

    /// Deletes the pods of these processes by force, all at once, if they are any.
    pub(super) async fn kill_pods(
        &mut self,
        names: &[String],
        clock: ClockOrigin,
    ) -> Option<Killed> {
        let crew = self.crew()?;
        let mut killed = Killed::default();
        let specs = self.specs.iter().enumerate();
        let there = specs.filter(|(_, spec)| {
            names.contains(&spec.process) && self.running.contains_key(&spec.process)
        });
        let there: Vec<(usize, String)> = there
            .map(|(index, spec)| (index, spec.process.clone()))
            .collect();
        let (indices, gone): (Vec<usize>, Vec<String>) = there.into_iter().unzip();
        if let Ok((count, _)) = crew.leave(&indices, None).await {
            killed.gone = count;
        }
        for name in &gone {
            if let Some(child) = self.running.remove(name) {
                self.has_left(child, Some(clock.now()));
            }
        }
        let before = names.iter().filter(|name| !gone.contains(name));
        killed.before = before.cloned().collect();
        self.tell(names, Pods::gone);
        Some(killed)
    }

    /// Whether these processes are pods, and all that the deployment has.
    pub(super) fn are_all_pods(&self, names: &[String]) -> bool {
        let all: BTreeSet<&String> = self.running.keys().collect();
        self.crew().is_some() && !all.is_empty() && all == names.iter().collect()
    }

    /// Replaces all pods as they are, as `kubectl rollout restart` does.
    pub(super) async fn roll_pods(
        &mut self,
        names: &[String],
        clock: ClockOrigin,
    ) -> Result<String, LiveError> {
        self.replace_pods(names, clock, Rollout::Restart).await?;
        self.begin_anew(names, Pods::starts, clock).await?;
        let all = names.len();
        Ok(format!("rolled out again; {all} new pods work"))
    }

    /// Deploys another release to pods, if these processes are any: all that there were go. Answers how many there were, and how many
    /// went gracefully.
    pub(super) async fn release_pods(
        &mut self,
        names: &[String],
        clock: ClockOrigin,
        boots: bool,
    ) -> Result<Option<(usize, usize)>, LiveError> {
        if self.crew().is_none() {
            return Ok(None);
        }
        let how = if boots {
            Rollout::Back
        } else {
            Rollout::Broken
        };
        let gone = self.replace_pods(names, clock, how).await?;
        Ok(Some((gone, gone)))
    }

    async fn replace_pods(
        &mut self,
        names: &[String],
        clock: ClockOrigin,
        how: Rollout,
    ) -> Result<usize, LiveError> {
        let Some(crew) = self.crew() else {
            return Ok(0);
        };
        self.let_go(names);
        self.tell(names, Pods::leaves);
        let longest = names.iter().map(|name| self.shutdown_timeout_ms(name));
        let grace = Duration::from_millis(longest.max().unwrap_or(0).unsigned_abs());
        let gone = crew.roll(how, grace).await?;
        self.tell(names, Pods::gone);
        for name in names {
            if let Some(child) = self.running.remove(name) {
                self.has_left(child, Some(clock.now()));
            }
        }
        Ok(gone)
    }

    /// Waits until pods do not start, if these processes are any; answers whether all do not, and what they say.
    pub(super) async fn pods_fail(
        &self,
        names: &[String],
        clock: ClockOrigin,
    ) -> Result<Option<(bool, String)>, LiveError> {
        let Some(crew) = self.crew() else {
            return Ok(None);
        };
        let all = names.len();
        let (failed, last) = crew.fail_to_start(all).await?;
        self.tell(names, |pods, name| pods.fails(name, clock.now()));
        let saw = format!("{failed} of {all} new pods do not start: {last}");
        Ok(Some((failed >= all, saw)))
    }

    /// What there is to know of the deployment when a lever is about to be pulled on these processes.
    pub(crate) fn replicated(&self, lever: &Lever, targets: &[String]) -> Option<Replicated> {
        let crew = self.crew()?;
        let deployment = crew.deployment();
        let there: BTreeSet<&String> = self.running.keys().collect();
        let targets: BTreeSet<&String> = targets.iter().collect();
        let then = match lever {
            Lever::Process(ProcessLever::Restart | ProcessLever::Deploy { .. }) => {
                there.union(&targets).count()
            }
            Lever::Members { .. } => there.symmetric_difference(&targets).count(),
            _ => there.difference(&targets).count(),
        };
        Some(Replicated {
            deployment: deployment.id().clone(),
            replicas: deployment.replicas(),
            images: deployment.images().clone(),
            is_whole_then: u32::try_from(then) == Ok(deployment.replicas()),
        })
    }

    /// What others have done to the deployment since this was asked last. Processes whose pods they have replaced or brought back are
    /// the drill's as before. Where Kubernetes does not say, nothing is: that is told in the end.
    ///
    /// # Errors
    /// When a worker that came by it does not register.
    pub(super) async fn pods_touched(
        &mut self,
        clock: ClockOrigin,
    ) -> Result<Vec<Touched>, LiveError> {
        let Some(crew) = self.crew() else {
            return Ok(Vec::new());
        };
        let Ok((saw, mut free)) = crew.changed(true).await else {
            return Ok(Vec::new());
        };
        let mut touched = Vec::new();
        if !saw.is_empty() {
            touched.push(Touched {
                process: crew.deployment().id().to_string(),
                saw: saw.join(", "),
                runs_again: false,
            });
        }
        let specs = self.specs.iter().enumerate();
        let processes: Vec<(usize, String)> = specs
            .map(|(index, spec)| (index, spec.process.clone()))
            .collect();
        for (index, process) in processes {
            let is_away = !self.running.contains_key(&process);
            let has_none = crew.lacks(index).await && !self.left.contains(&process);
            if !has_none || free == 0 {
                continue;
            }
            free -= 1;
            self.running.remove(&process);
            let one = std::slice::from_ref(&process);
            self.begin_anew(one, Pods::starts_again, clock).await?;
            if is_away {
                self.broken.remove(&process);
                touched.push(Touched {
                    saw: format!("a pod works as {process} again"),
                    process,
                    runs_again: true,
                });
            }
        }
        Ok(touched)
    }

    /// What others have done to the deployment, and was not told of.
    pub(super) async fn pods_meddled(&self) -> Option<Meddled> {
        let crew = self.crew()?;
        let subject = crew.deployment().id().to_string();
        let (what, saw) = match crew.changed(false).await {
            Ok((saw, _)) if saw.is_empty() => return None,
            Ok((saw, _)) => (Meddling::Ended, saw.join(", ")),
            Err(error) => (
                Meddling::Unreachable,
                format!("what was done to it is not known: {error}"),
            ),
        };
        Some(Meddled {
            subject,
            what,
            saw,
            at: None,
        })
    }
}
