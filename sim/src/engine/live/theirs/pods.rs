//! Workers in the pods of a Deployment: which pod is which process of the plan, and what was done to them.
//!
//! A Deployment makes a new pod for each that goes. What the plan has away stays away, so it is made to want fewer meanwhile, and the
//! pod that goes is the one that it does without. What comes again has another name, and is whichever process has none.

use super::IsCutOff;
use super::container::registered;
use crate::engine::live::LiveError;
use crate::kubernetes::{BROKEN_IMAGE, Deployment, KubeError, Pod, Seen};
use crate::undo::{Journal, Undo};
use firedrill_asynq::broker::redis::RedisBroker;
use firedrill_asynq::message::ServerInfo;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// How long a pod may take to be ready, and how long one may take to be gone beyond its grace period.
const READY_WITHIN: Duration = Duration::from_secs(120);
const GONE_WITHIN: Duration = Duration::from_secs(60);
/// How often it is tried to scale while others do, too.
const SCALE_TRIES: u32 = 3;
/// Pause between looks, each of which takes a program or two.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// The pods of a deployment as processes of a drill. Clones are the same.
#[derive(Debug, Clone)]
pub struct Crew {
    deployment: Deployment,
    state: Arc<Mutex<State>>,
}

/// What we know of it, and have done to it.
#[derive(Debug, Default)]
struct State {
    /// How many pods it wants, what they run and the rest of its spec: as it was found, with what we did.
    replicas: u32,
    images: BTreeMap<String, String>,
    rest: Value,
    /// How many it is to want in the end, and how many it wanted when we scaled it last, or were about to; and where that is written down.
    due: u32,
    last: u32,
    journal: Option<Journal>,
    /// The pod of each process, by its number, and how often its containers had been started again.
    pods: BTreeMap<usize, (String, u64)>,
    /// Pods that are nobody's, and known: those that others have had come, and those of a release that does not start.
    others: BTreeSet<String>,
}

/// How all pods of a deployment are replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rollout {
    /// The same again.
    Restart,
    /// By a release that does not start.
    Broken,
    /// By the release that there was.
    Back,
}

impl From<KubeError> for LiveError {
    fn from(error: KubeError) -> Self {
        Self::Team(error.to_string())
    }
}

impl State {
    /// What is not as we know it, in words.
    fn differs(&self, seen: &Seen) -> Vec<String> {
        let mut saw = Vec::new();
        if seen.replicas != self.replicas {
            let (was, is) = (self.replicas, seen.replicas);
            saw.push(format!("was scaled from {was} to {is}"));
        }
        if seen.images != self.images {
            saw.push("its image was changed".to_owned());
        }
        if seen.rest != self.rest {
            saw.push("its spec was changed".to_owned());
        }
        let mut known: BTreeSet<&String> = self.others.iter().collect();
        for (name, restarts) in self.pods.values() {
            known.insert(name);
            match seen.pods.iter().find(|pod| pod.name == *name) {
                Some(pod) if pod.leaves => saw.push(format!("pod {name} was deleted")),
                None => saw.push(format!("pod {name} is gone")),
                Some(pod) if pod.restarts > *restarts => {
                    saw.push(format!("pod {name} was started again"));
                }
                Some(_) => {}
            }
        }
        let new = |pod: &&Pod| !pod.leaves && !known.contains(&pod.name);
        let come = seen.pods.iter().filter(new);
        saw.extend(come.map(|pod| format!("pod {} has come", pod.name)));
        saw
    }

    /// From now on that is how it should be. Processes whose pod is gone have none.
    fn is_now(&mut self, seen: &Seen) {
        self.replicas = seen.replicas;
        self.images.clone_from(&seen.images);
        self.rest.clone_from(&seen.rest);
        let pod = |name: &String| {
            let mut pods = seen.pods.iter();
            pods.find(|pod| pod.name == *name && !pod.leaves)
        };
        self.pods.retain(|_, (name, restarts)| {
            let pod = pod(name);
            *restarts = pod.map_or(0, |pod| pod.restarts);
            pod.is_some()
        });
        self.others = seen.pods.iter().map(|pod| pod.name.clone()).collect();
    }

    /// The pods that work and are nobody's.
    fn free<'s>(&self, seen: &'s Seen) -> impl Iterator<Item = &'s Pod> {
        let is_taken = |pod: &Pod| self.pods.values().any(|(name, _)| *name == pod.name);
        let pods = seen.pods.iter();
        pods.filter(move |pod| pod.is_ready && !pod.leaves && !is_taken(pod))
    }
}

impl Crew {
    /// Of a deployment as it was found.
    #[must_use]
    pub fn of(deployment: Deployment) -> Self {
        Self {
            deployment,
            state: Arc::default(),
        }
    }

    /// The same for another drill, which knows nothing yet.
    pub(crate) fn afresh(&self) -> Self {
        Self::of(self.deployment.clone())
    }

    /// Whose pods they are.
    #[must_use]
    pub fn deployment(&self) -> &Deployment {
        &self.deployment
    }

    /// Looks at it before the drill with this journal: that is how it should be.
    ///
    /// # Errors
    /// When Kubernetes does not tell.
    pub(crate) async fn meet(&self, journal: &Journal) -> Result<(), KubeError> {
        let seen = self.deployment.look().await?;
        let mut state = self.state.lock().await;
        state.is_now(&seen);
        (state.due, state.last) = (seen.replicas, seen.replicas);
        state.journal = Some(journal.clone());
        Ok(())
    }

    /// So many processes more are to come: the deployment wants pods for them, if it does not yet.
    ///
    /// # Errors
    /// When Kubernetes refuses.
    pub(crate) async fn come(&self, more: usize) -> Result<(), KubeError> {
        let mut state = self.state.lock().await;
        let wanted = i64::try_from(state.pods.len() + more).unwrap_or(i64::MAX);
        self.scale(&mut state, |replicas| wanted.max(replicas))
            .await
    }

    /// Scales it from what it wants now, also if that is others' doing, which is told later.
    async fn scale(&self, state: &mut State, to: impl Fn(i64) -> i64) -> Result<(), KubeError> {
        let mut tries = 0;
        loop {
            let from = self.deployment.wants().await?;
            let to = u32::try_from(to(i64::from(from))).unwrap_or(0);
            if to == from {
                return Ok(());
            }
            // Who has scaled it meanwhile wants as many.
            if from != state.last {
                state.due = from;
            }
            self.note_scaling(state, from, to).await?;
            match self.deployment.scale(from, to).await {
                // Somebody was faster.
                Err(_) if tries < SCALE_TRIES => tries += 1,
                Err(error) => return Err(error),
                Ok(()) => {
                    let wanted = i64::from(state.replicas) + i64::from(to) - i64::from(from);
                    state.replicas = u32::try_from(wanted).unwrap_or(0);
                    state.last = to;
                    return Ok(());
                }
            }
        }
    }

    /// Writes down how many it is to want again, before it wants another number.
    async fn note_scaling(&self, state: &State, from: u32, to: u32) -> Result<(), KubeError> {
        let Some(journal) = state.journal.clone() else {
            return Ok(());
        };
        let undo = Undo::Replicas {
            deployment: self.deployment.id().clone(),
            replicas: state.due,
            left: BTreeSet::from([from, to]),
        };
        // A slow disk holds up nobody else.
        let noted = tokio::task::spawn_blocking(move || journal.note(None, &[undo]));
        let noted = noted.await.map_err(io::Error::other).flatten();
        noted.map_err(|error| KubeError::Journal(error.to_string()))
    }

    /// Waits for a pod for process `index`, unless it has one, and until the asynq server in it has registered; `None`: the plan has cut it
    /// off from Redis.
    ///
    /// # Errors
    /// When no pod gets ready within two minutes, or no server registers within 20 s.
    pub(super) async fn start(
        &self,
        index: usize,
        asks: &RedisBroker,
        is_cut_off: IsCutOff<'_>,
    ) -> Result<Option<ServerInfo>, String> {
        let began = Instant::now();
        let pod = loop {
            let seen = self.deployment.look().await;
            let seen = seen.map_err(|error| error.to_string())?;
            let mut state = self.state.lock().await;
            let free = state.free(&seen).next().cloned();
            if let Some(pod) = free {
                state.pods.insert(index, (pod.name.clone(), pod.restarts));
                break pod;
            }
            drop(state);
            if began.elapsed() >= READY_WITHIN {
                let of = self.deployment.id();
                let why = seen.pods.iter().find_map(|pod| pod.trouble.as_deref());
                let why = why.map_or_else(String::new, |why| format!(": {why}"));
                return Err(format!(
                    "no pod of {of} is ready for it within {} s{why}",
                    READY_WITHIN.as_secs()
                ));
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        };
        let host = pod.host.as_deref().unwrap_or(&pod.name);
        let what = format!("pod {}", pod.name);
        registered(host, &BTreeSet::new(), (asks, is_cut_off), &what).await
    }

    /// The pods of these processes go, and none comes for them; they get so long to end, or no time at all. Answers how many there were,
    /// and whether they ended within that.
    ///
    /// # Errors
    /// When Kubernetes refuses, or one is still there long after.
    pub(crate) async fn leave(
        &self,
        processes: &[usize],
        grace: Option<Duration>,
    ) -> Result<(usize, bool), KubeError> {
        let names: BTreeSet<String> = {
            let mut state = self.state.lock().await;
            let pods = processes.iter().filter_map(|index| state.pods.get(index));
            let names: BTreeSet<String> = pods.map(|(name, _)| name.clone()).collect();
            if names.is_empty() {
                return Ok((0, false));
            }
            self.deployment.spare(&names).await?;
            let fewer = i64::try_from(names.len()).unwrap_or(i64::MAX);
            self.scale(&mut state, |replicas| replicas - fewer).await?;
            processes.iter().for_each(|index| {
                state.pods.remove(index);
            });
            names
        };
        let began = Instant::now();
        self.deployment.delete(&names, grace).await?;
        self.are_gone(&names, grace.unwrap_or_default()).await?;
        let in_time = grace.is_none_or(|grace| began.elapsed() < grace);
        Ok((names.len(), in_time))
    }

    /// All pods are replaced, and those that there were are gone; processes have none then. Answers how many there were.
    ///
    /// # Errors
    /// When Kubernetes refuses, or one is still there long after `grace`.
    pub(crate) async fn roll(&self, how: Rollout, grace: Duration) -> Result<usize, KubeError> {
        let old: BTreeSet<String> = {
            let mut state = self.state.lock().await;
            let mut images = self.deployment.images().clone();
            if how == Rollout::Broken {
                images
                    .values_mut()
                    .for_each(|image| BROKEN_IMAGE.clone_into(image));
            }
            match how {
                Rollout::Restart => {
                    self.deployment.restart().await?;
                    // When that was is written in the template of its pods.
                    state.rest = self.deployment.look().await?.rest;
                }
                Rollout::Broken | Rollout::Back => self.deployment.set_images(&images).await?,
            }
            if how != Rollout::Restart {
                state.images = images;
            }
            let old = std::mem::take(&mut state.pods);
            old.into_values().map(|(name, _)| name).collect()
        };
        // New ones may have to be ready before.
        self.are_gone(&old, grace + READY_WITHIN).await?;
        Ok(old.len())
    }

    async fn are_gone(&self, names: &BTreeSet<String>, grace: Duration) -> Result<(), KubeError> {
        let began = Instant::now();
        loop {
            let seen = self.deployment.look().await?;
            let mut left = seen.pods.iter().filter(|pod| names.contains(&pod.name));
            let Some(left) = left.next() else {
                return Ok(());
            };
            if began.elapsed() >= grace + GONE_WITHIN {
                return Err(KubeError::Kubectl(format!("pod {} does not go", left.name)));
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Waits until so many pods are there that do not start; answers how many of them said why, and what the last one said.
    ///
    /// # Errors
    /// When Kubernetes does not tell.
    pub(crate) async fn fail_to_start(&self, wanted: usize) -> Result<(usize, String), KubeError> {
        let began = Instant::now();
        loop {
            let seen = self.deployment.look().await?;
            let pods = seen.pods.iter().filter(|pod| !pod.leaves);
            let broken = pods.filter_map(|pod| Some((&pod.name, pod.trouble.as_ref()?)));
            let broken: Vec<(&String, &String)> = broken.collect();
            if broken.len() >= wanted || began.elapsed() >= READY_WITHIN {
                let mut state = self.state.lock().await;
                state.others = broken.iter().map(|(name, _)| (*name).clone()).collect();
                let last = broken.last().map_or("nothing", |(_, why)| why.as_str());
                return Ok((broken.len(), last.to_owned()));
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// What others have done to it since this was last forgotten, in words; `forgets`: from now on that is how it should be. And how
    /// many pods work then that are nobody's.
    ///
    /// # Errors
    /// When Kubernetes does not tell.
    pub(crate) async fn changed(&self, forgets: bool) -> Result<(Vec<String>, usize), KubeError> {
        let mut state = self.state.lock().await;
        let seen = self.deployment.look().await?;
        let saw = state.differs(&seen);
        if forgets && !saw.is_empty() {
            state.is_now(&seen);
        }
        let free = state.free(&seen).count();
        Ok((saw, free))
    }

    /// The hosts that its pods are.
    ///
    /// # Errors
    /// When Kubernetes does not tell.
    pub(crate) async fn hosts(&self) -> Result<Vec<String>, KubeError> {
        let pods = self.deployment.look().await?.pods.into_iter();
        Ok(pods.filter_map(|pod| pod.host).collect())
    }

    /// Whether process `index` has no pod.
    pub(crate) async fn lacks(&self, index: usize) -> bool {
        !self.state.lock().await.pods.contains_key(&index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(name: &str) -> Pod {
        Pod {
            name: name.to_owned(),
            host: Some(name.to_owned()),
            is_ready: true,
            leaves: false,
            restarts: 0,
            trouble: None,
        }
    }

    fn seen() -> Seen {
        Seen {
            replicas: 2,
            images: BTreeMap::from([("worker".to_owned(), "w:1".to_owned())]),
            rest: Value::Null,
            pods: vec![pod("a"), pod("b")],
        }
    }

    #[test]
    fn what_others_do_to_pods_is_seen_and_what_we_did_is_not() {
        let mut state = State {
            pods: BTreeMap::from([(0, ("a".to_owned(), 0)), (1, ("b".to_owned(), 0))]),
            ..State::default()
        };
        state.is_now(&seen());
        assert!(state.differs(&seen()).is_empty());
        let told = |change: &dyn Fn(&mut Seen)| {
            let mut now = seen();
            change(&mut now);
            state.differs(&now).join(", ")
        };
        let replaced = told(&|now| now.pods[1] = pod("c"));
        assert_eq!(replaced, "pod b is gone, pod c has come");
        let scaled = told(&|now| now.replicas = 3);
        assert_eq!(scaled, "was scaled from 2 to 3");
        let edited = told(&|now| now.rest = Value::Bool(true));
        assert_eq!(edited, "its spec was changed");
        let crashed = told(&|now| now.pods[0].restarts = 1);
        assert_eq!(crashed, "pod a was started again");
        let deleted = told(&|now| now.pods[0].leaves = true);
        assert_eq!(deleted, "pod a was deleted");
    }

    #[test]
    fn a_process_whose_pod_has_gone_has_whichever_works_and_is_nobodys() {
        let mut state = State {
            pods: BTreeMap::from([(0, ("a".to_owned(), 0)), (1, ("b".to_owned(), 0))]),
            ..State::default()
        };
        let mut now = seen();
        assert_eq!(state.free(&now).count(), 0);
        now.pods[1] = pod("c");
        state.is_now(&now);
        assert_eq!(state.free(&now).next().unwrap().name, "c");
        now.pods[1].is_ready = false;
        assert_eq!(state.free(&now).count(), 0);
    }
}
