//! The team's containers among the workers of a drill, and what others do to them, and to pods.

use super::Fleet;
use crate::engine::live::LiveError;
use crate::engine::live::theirs::{Beyond, Workers};
use crate::kubernetes::CONSENT;
use crate::lever::Lever;
use crate::metrics::kube::Pods;
use crate::undo::Ran;
use firedrill_asynq::clock::ClockOrigin;
use firedrill_reports::record::Meddling;
use std::time::Duration;

/// How long Docker may take while nothing is due: whoever acts waits for it.
const ANSWERS_WITHIN: Duration = Duration::from_secs(2);

/// A container or a deployment that others have had a hand in.
#[derive(Debug)]
pub(crate) struct Touched {
    /// Its process in the plan, or the deployment.
    pub(crate) process: String,
    /// What Docker or Kubernetes say.
    pub(crate) saw: String,
    /// Whether it runs, and was started or let go on by them.
    pub(crate) runs_again: bool,
}

/// What others have done that was found when the drill was over.
#[derive(Debug)]
pub(crate) struct Meddled {
    /// To whom.
    pub(crate) subject: String,
    /// What it was.
    pub(crate) what: Meddling,
    /// In words.
    pub(crate) saw: String,
    /// When, Unix seconds, where that is known.
    pub(crate) at: Option<f64>,
}

impl Fleet {
    /// The containers of the team's among these processes, if a lever does something to such.
    pub(crate) async fn guests(&self, lever: &Lever, names: &[String]) -> Vec<Ran> {
        if !matches!(lever, Lever::Process(_) | Lever::Life(_)) {
            return Vec::new();
        }
        // All at once: the turn is due soon.
        let guests = names.iter().filter_map(|name| self.guest_of(name));
        let asked = guests.map(|guest| async move {
            Ran {
                container: guest.id.clone(),
                started: guest.started().await.ok(),
            }
        });
        futures_util::future::join_all(asked).await
    }

    /// What others have done to containers of the team's since the drill began, at `from`, Unix seconds, and was not told of yet.
    /// Where Docker does not say, nothing is: that is told in the end. One that runs again by it is one of the drill's as before.
    ///
    /// # Errors
    /// When a worker that was started again does not register.
    pub(crate) async fn touched(
        &mut self,
        from: f64,
        clock: ClockOrigin,
    ) -> Result<Vec<Touched>, LiveError> {
        let Workers::Theirs(theirs) = &self.workers else {
            return Ok(Vec::new());
        };
        let processes = self.specs.iter().enumerate();
        let guests = processes
            .filter_map(|(index, spec)| Some((spec.process.clone(), theirs.guest(index)?.clone())));
        let guests: Vec<_> = guests.collect();
        let mut touched = self.pods_touched(clock).await?;
        for (process, guest) in guests {
            let mut done = self.done.get(&process).copied().unwrap_or_default();
            done.ends += u32::from(self.awaited.contains_key(&process));
            let asked = tokio::time::timeout(ANSWERS_WITHIN, done.beyond(&guest, from)).await;
            let found = match asked {
                Ok(found) => found,
                // It would not tell of the others, either, and the plan is not to wait for it.
                Err(_) => break,
            };
            let Ok(Some(Beyond { saw, all: seen, .. })) = found else {
                continue;
            };
            let again = seen.starts > done.starts || seen.unpauses > done.unpauses;
            let runs_again = again && guest.runs().await.unwrap_or(false);
            if runs_again && !self.running.contains_key(&process) {
                self.begin_anew(std::slice::from_ref(&process), Pods::starts_again, clock)
                    .await?;
            }
            if runs_again {
                self.go_on(std::slice::from_ref(&process));
            }
            self.done.insert(process.clone(), seen);
            touched.push(Touched {
                process,
                saw,
                runs_again,
            });
        }
        Ok(touched)
    }

    /// What others have done to containers of the team's since `from`, Unix seconds, and was not told of.
    pub(crate) async fn meddled(&self, from: f64) -> Vec<Meddled> {
        let Workers::Theirs(theirs) = &self.workers else {
            return Vec::new();
        };
        let mut found: Vec<_> = self.pods_meddled().await.into_iter().collect();
        for (index, spec) in self.specs.iter().enumerate() {
            let Some(guest) = theirs.guest(index) else {
                continue;
            };
            let mut done = self.done.get(&spec.process).copied().unwrap_or_default();
            // One that has died of the plan, and was not started again yet.
            done.ends += u32::from(self.awaited.contains_key(&spec.process));
            let (what, saw, at) = match done.beyond(guest, from).await {
                Ok(None) => continue,
                Ok(Some(Beyond { saw, at, .. })) => (Meddling::Ended, saw, at),
                Err(error) => (
                    Meddling::Unreachable,
                    format!("what was done to it is not known: {error}"),
                    None,
                ),
            };
            let subject = spec.process.clone();
            found.push(Meddled {
                subject,
                what,
                saw,
                at,
            });
        }
        found
    }

    /// What is said of an error if it is the team's workers that do not do what is asked of them: a drill tells that and goes on.
    ///
    /// # Errors
    /// Any other.
    pub(crate) fn bears(&self, error: LiveError) -> Result<String, LiveError> {
        match error {
            LiveError::Team(_) | LiveError::Worker(_) if !self.workers.are_ours() => {
                Ok(error.to_string())
            }
            error => Err(error),
        }
    }

    /// Whether the owner of the deployment has taken back that drills may change it, and how that is said. Where Kubernetes does not
    /// say, it is not known: then nothing can be done to it, either. A label of a container stays as long as that does.
    pub(crate) async fn withdrawn(&self) -> Option<String> {
        let deployment = self.workers.crew()?.deployment();
        let agrees = deployment.agrees().await.unwrap_or(true);
        (!agrees).then(|| {
            format!(
                "the owner of {} no longer agrees to drills on it (annotation {CONSENT}), so nothing was done to it",
                deployment.id()
            )
        })
    }

    /// Whether its processes were there before the drill, and stay.
    pub(crate) fn stays(&self) -> bool {
        matches!(&self.workers, Workers::Theirs(theirs) if theirs.stay())
    }

    /// What its processes are.
    pub(crate) fn are(&self) -> &'static str {
        match &self.workers {
            Workers::Theirs(theirs) => theirs.are(),
            Workers::Ours => "processes",
        }
    }
}
