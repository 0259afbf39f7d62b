//! What kube-state-metrics tells of a drill's worker processes: the same on both engines, which feed [`Pods`] with what they do.
//! Names, labels and when a series is there are those of its `internal/store`; what it tells and a drill does not is in
//! [`NOT_TOLD`].

pub(crate) mod cadvisor;
mod pods;

pub(crate) use pods::{Ended, Pods};

use crate::metrics::Value;
use firedrill_asynq::clock::Time;
use firedrill_asynq::rng;
use firedrill_detector::Labels;
use pods::{Deployment, Pod, Release, State};
use rand::RngExt;

/// Whom a series is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum About {
    /// A Deployment, by its number.
    Deployment(u16),
    /// A pod, by the number of its place, and which of those that have had it.
    Pod(u16, u32),
    /// The container of a pod.
    Container(u16, u32),
}

/// A series of kube-state-metrics, or of cAdvisor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct KubeSeries {
    name: &'static str,
    about: About,
    /// The label that is this metric's own.
    own: Option<(&'static str, &'static str)>,
}

/// Phases of pods, in the order in which they are exposed.
const PHASES: [&str; 5] = ["Pending", "Succeeded", "Failed", "Unknown", "Running"];
const CONDITIONS: [&str; 3] = ["true", "false", "unknown"];
/// What names of ReplicaSets end in: letters and digits that spell no words.
const HASH: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

fn flag(is_so: bool) -> f64 {
    f64::from(u8::from(is_so))
}

impl Pods {
    /// Everything kube-state-metrics exposes now.
    pub(crate) fn each(&mut self, now: Time, mut expose: impl FnMut(KubeSeries, f64)) {
        self.go_on(now);
        let at_ms = self.since_start_ms(now);
        for (number, deployment) in (0..).zip(&self.deployments) {
            let own = self.pods.iter().filter(|pod| {
                usize::from(number) == pod.deployment && pod.is_there(deployment, at_ms)
            });
            expose_deployment(number, (deployment, at_ms), own, &mut expose);
        }
        for (place, pod) in (0..).zip(&self.pods) {
            if pod.is_there(&self.deployments[pod.deployment], at_ms) {
                expose_pod(place, pod, &mut expose);
            }
        }
    }

    /// The labels of a series, without those of the target.
    pub(crate) fn labels(&self, series: KubeSeries) -> Labels {
        let mut labels = vec![("namespace", self.namespace.clone())];
        let with_pod = |place: u16, labels: &mut Vec<(&str, String)>| {
            let pod = self.pods.get(usize::from(place));
            if let Some(pod) = pod {
                labels.push(("pod", pod.name.clone()));
            }
            pod
        };
        match series.about {
            About::Deployment(number) => {
                if let Some(of) = self.deployments.get(usize::from(number)) {
                    labels.push(("deployment", of.name.clone()));
                }
            }
            About::Pod(place, number) => {
                if let Some(pod) = with_pod(place, &mut labels) {
                    labels.push(("uid", self.uid(pod, number)));
                    let (kind, name) = match series.name {
                        "kube_pod_info" => ("created_by_kind", "created_by_name"),
                        "kube_pod_owner" => ("owner_kind", "owner_name"),
                        _ => ("", ""),
                    };
                    if !kind.is_empty() {
                        labels.push((kind, "ReplicaSet".to_owned()));
                        labels.push((name, self.replica_set(pod)));
                    }
                }
            }
            About::Container(place, number) => {
                if let Some(pod) = with_pod(place, &mut labels) {
                    labels.push(("container", pod.container.clone()));
                    if !cadvisor::is_one(series.name) {
                        labels.push(("uid", self.uid(pod, number)));
                    }
                }
            }
        }
        let own = series.own.map(|(name, value)| (name, value.to_owned()));
        labels.extend(own);
        let labels = labels.iter().map(|(name, value)| (*name, value.as_str()));
        Labels::metric(series.name, labels)
    }

    /// Everything kube-state-metrics exposes now with its labels, metric by metric.
    pub(crate) fn values(&mut self, now: Time) -> Vec<Value> {
        let mut series = Vec::new();
        self.each(now, |of, value| series.push((of, value)));
        self.named(series)
    }

    /// Series with their labels, metric by metric, so that each is announced once.
    fn named(&self, series: Vec<(KubeSeries, f64)>) -> Vec<Value> {
        let named = series.into_iter();
        let mut values: Vec<Value> = named.map(|(of, value)| (self.labels(of), value)).collect();
        values.sort_by(|(labels, _), (other, _)| labels.name().cmp(other.name()));
        values
    }

    /// A version 4 UUID.
    fn uid(&self, pod: &Pod, number: u32) -> String {
        let mut dice = rng::stream(self.seed, &format!("pod/{}/{number}", pod.name));
        let [time, random]: [u64; 2] = [dice.random(), dice.random()];
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            time >> 32,
            time >> 16 & 0xffff,
            time & 0xfff,
            random >> 48 & 0x3fff | 0x8000,
            random & 0xffff_ffff_ffff
        )
    }

    /// The ReplicaSet of a pod: one for each release.
    fn replica_set(&self, pod: &Pod) -> String {
        let of = &self.deployments[pod.deployment].name;
        let release = match pod.release {
            Release::Working => "working",
            Release::Broken => "broken",
        };
        let mut dice = rng::stream(self.seed, &format!("replicaset/{of}/{release}"));
        let letters = (0..10).map(|_| char::from(HASH[dice.random_range(0..HASH.len())]));
        format!("{of}-{}", letters.collect::<String>())
    }
}

fn expose_deployment<'p>(
    number: u16,
    (deployment, at_ms): (&Deployment, i64),
    pods: impl Iterator<Item = &'p Pod>,
    expose: &mut impl FnMut(KubeSeries, f64),
) {
    let (mut replicas, mut ready, mut updated) = (0_u32, 0_u32, 0_u32);
    // One that has been told to go is counted no longer.
    for pod in pods.filter(|pod| !matches!(pod.state, State::Leaves)) {
        replicas += 1;
        ready += u32::from(matches!(pod.state, State::Runs));
        updated += u32::from(pod.release == deployment.release);
    }
    let values = [
        ("kube_deployment_spec_replicas", deployment.size(at_ms)),
        ("kube_deployment_status_replicas", replicas),
        ("kube_deployment_status_replicas_ready", ready),
        ("kube_deployment_status_replicas_available", ready),
        (
            "kube_deployment_status_replicas_unavailable",
            replicas - ready,
        ),
        ("kube_deployment_status_replicas_updated", updated),
    ];
    for (name, value) in values {
        let about = About::Deployment(number);
        let own = None;
        expose(KubeSeries { name, about, own }, f64::from(value));
    }
}

fn expose_pod(place: u16, pod: &Pod, expose: &mut impl FnMut(KubeSeries, f64)) {
    let is_away = matches!(pod.state, State::Away);
    let runs = matches!(pod.state, State::Runs | State::Leaves);
    let about = About::Pod(place, pod.number);
    let mut of_pod = |name, own, value| expose(KubeSeries { name, about, own }, value);
    of_pod("kube_pod_info", None, 1.0);
    let own = Some(("owner_is_controller", "true"));
    of_pod("kube_pod_owner", own, 1.0);
    for phase in PHASES {
        let is_it = phase == if is_away { "Pending" } else { "Running" };
        of_pod("kube_pod_status_phase", Some(("phase", phase)), flag(is_it));
    }
    // One that no node has taken has neither a condition nor a container.
    if is_away {
        return;
    }
    for condition in CONDITIONS {
        let is_it = condition == if runs { "true" } else { "false" };
        let own = Some(("condition", condition));
        of_pod("kube_pod_status_ready", own, flag(is_it));
    }
    let about = About::Container(place, pod.number);
    let mut of_container = |name, own, value| expose(KubeSeries { name, about, own }, value);
    let restarts = f64::from(pod.restarts);
    of_container("kube_pod_container_status_restarts_total", None, restarts);
    of_container("kube_pod_container_status_ready", None, flag(runs));
    of_container("kube_pod_container_status_running", None, flag(runs));
    of_container("kube_pod_container_status_waiting", None, flag(!runs));
    if !runs {
        let own = Some(("reason", "CrashLoopBackOff"));
        of_container("kube_pod_container_status_waiting_reason", own, 1.0);
    }
    if let Some(last) = pod.last {
        let own = Some(("reason", last.reason()));
        of_container("kube_pod_container_status_last_terminated_reason", own, 1.0);
    }
}

#[cfg(test)]
mod tests;
