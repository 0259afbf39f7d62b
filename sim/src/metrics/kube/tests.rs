//! What kube-state-metrics and cAdvisor say of pods, from one thing that happens to them to the next.

use super::*;
use crate::scenario::tests::plan_of;

const FLEET: &str = "\
version: firedrill/v1
name: t
family: worker-crashed
summary: s
duration: 30m
queues: { default: }
workload:
  - { task: a, queue: default, arrivals: { poisson: 1/s }, service: { constant: 1s } }
workers: [{ name: w, processes: 2, concurrency: 4, restart: {} }]
world: kubernetes
timeline:
  - { at: 2m, fault: worker.memory-limit, select: [w-0], fills_in: 1m, limit: 32MB, until: { at: 5m } }
  - { at: 10m, remedy: workers.scale, worker: w, to: 3 }
incidents:
  - { cause: resource-exhaustion, of: worker.memory-limit, wanted: page, within: 3m }
";

const START: Time = Time(0);

fn at(minutes: i64) -> Time {
    START.plus_millis(minutes * 60_000)
}

fn fleet() -> Pods {
    Pods::new(&plan_of(FLEET).unwrap(), START)
}

/// What a metric says, without what names its target: by the labels with these names.
fn of(values: &[Value], name: &str, by: &[&str]) -> Vec<(String, f64)> {
    let of = values.iter().filter(|(labels, _)| labels.name() == name);
    let labels = |labels: &Labels| {
        let values = by.iter().map(|name| labels.get(name).unwrap_or("-"));
        values.collect::<Vec<&str>>().join(" ")
    };
    of.map(|(own, value)| (labels(own), *value)).collect()
}

fn deployment(pods: &mut Pods, now: Time) -> [f64; 6] {
    let values = pods.values(now);
    [
        "spec_replicas",
        "status_replicas",
        "status_replicas_ready",
        "status_replicas_available",
        "status_replicas_unavailable",
        "status_replicas_updated",
    ]
    .map(|name| of(&values, &format!("kube_deployment_{name}"), &[])[0].1)
}

/// Of each pod: the phase it is in, how often its container was restarted, and why it waits and ended.
fn pods_of(pods: &mut Pods, now: Time) -> Vec<String> {
    let values = pods.values(now);
    let phases = of(&values, "kube_pod_status_phase", &["pod", "phase"]);
    let phases = phases.into_iter().filter(|(_, value)| *value == 1.0);
    let told = |pod: &str, name: &str| {
        let name = format!("kube_pod_container_status_{name}");
        let all = of(&values, &name, &["pod", "reason"]);
        all.into_iter().find(|(own, _)| own.starts_with(pod))
    };
    let line = |phase: String| {
        let pod = phase.split(' ').next().unwrap();
        let reason =
            |name| told(pod, name).map_or_else(String::new, |(own, _)| own[4..].to_owned());
        let restarts = told(pod, "restarts_total").map(|(_, value)| value);
        let restarts = restarts.map_or_else(String::new, |value| value.to_string());
        let (waits, ended) = (reason("waiting_reason"), reason("last_terminated_reason"));
        format!("{phase} {restarts} {waits} {ended}")
            .trim_end()
            .to_owned()
    };
    phases.map(|(phase, _)| line(phase)).collect()
}

#[test]
fn labels_are_those_of_kube_state_metrics() {
    let mut pods = fleet();
    let values = pods.values(at(1));
    let names = |name: &str| {
        let (labels, _) = values
            .iter()
            .find(|(labels, _)| labels.name() == name)
            .unwrap();
        let names = labels
            .iter()
            .map(|(name, _)| name)
            .filter(|name| *name != "__name__");
        names.collect::<Vec<&str>>().join(" ")
    };
    assert_eq!(
        names("kube_deployment_spec_replicas"),
        "deployment namespace"
    );
    assert_eq!(names("kube_pod_status_phase"), "namespace phase pod uid");
    assert_eq!(
        names("kube_pod_container_status_restarts_total"),
        "container namespace pod uid"
    );
    let (owner, _) = values
        .iter()
        .find(|(labels, _)| labels.name() == "kube_pod_owner")
        .unwrap();
    let replica_set = owner.get("owner_name").unwrap();
    assert!(
        replica_set.starts_with("w-") && replica_set.len() == 12,
        "{replica_set}"
    );
    let uid = owner.get("uid").unwrap();
    assert_eq!(uid.len(), 36);
    assert_eq!(&uid[14..15], "4", "{uid}");
    assert_eq!(owner.get("namespace"), Some("prod"));
    // One metric after the other, so that each is announced once.
    let mut order: Vec<&str> = values.iter().map(|(labels, _)| labels.name()).collect();
    assert!(order.is_sorted());
    order.dedup();
    assert_eq!(order.len(), 14, "{order:?}");
}

#[test]
fn a_container_that_dies_waits_and_is_started_again_in_its_pod() {
    let mut pods = fleet();
    assert_eq!(
        pods_of(&mut pods, at(1)),
        ["w-0 Running 0", "w-1 Running 0"]
    );
    pods.died("w-0", Ended::OutOfMemory);
    assert_eq!(
        pods_of(&mut pods, at(3))[0],
        "w-0 Running 0 CrashLoopBackOff OOMKilled"
    );
    assert_eq!(deployment(&mut pods, at(3)), [2.0, 2.0, 1.0, 1.0, 1.0, 2.0]);
    let ready = |pods: &mut Pods| {
        let values = pods.values(at(3));
        let all = of(&values, "kube_pod_status_ready", &["pod", "condition"]);
        all.into_iter()
            .filter(|(_, value)| *value == 1.0)
            .map(|(own, _)| own)
            .collect::<Vec<_>>()
    };
    assert_eq!(ready(&mut pods), ["w-0 false", "w-1 true"]);
    // There is no Redis when it comes up.
    pods.dies_again("w-0");
    assert_eq!(
        pods_of(&mut pods, at(3))[0],
        "w-0 Running 1 CrashLoopBackOff Error"
    );
    pods.starts_again("w-0", at(4));
    assert_eq!(pods_of(&mut pods, at(4))[0], "w-0 Running 2  Error");
    assert_eq!(deployment(&mut pods, at(4)), [2.0, 2.0, 2.0, 2.0, 0.0, 2.0]);
}

#[test]
fn a_place_that_nobody_fills_has_a_pod_that_no_node_has_taken() {
    let mut pods = fleet();
    let uid = |pods: &mut Pods| {
        of(&pods.values(at(2)), "kube_pod_info", &["uid"])[0]
            .0
            .clone()
    };
    let first = uid(&mut pods);
    pods.gone("w-0");
    assert_eq!(pods_of(&mut pods, at(2)), ["w-0 Pending", "w-1 Running 0"]);
    assert_eq!(deployment(&mut pods, at(2)), [2.0, 2.0, 1.0, 1.0, 1.0, 2.0]);
    let second = uid(&mut pods);
    assert_ne!(first, second, "it is another pod");
    pods.gone("w-0");
    pods.starts("w-0", at(3));
    assert_eq!(uid(&mut pods), second, "a node has taken it");
    pods.starts("w-0", at(4));
    assert_ne!(uid(&mut pods), second, "somebody has replaced it");
}

#[test]
fn what_is_wanted_follows_the_plan_and_one_that_leaves_counts_no_longer() {
    let mut pods = fleet();
    assert_eq!(
        deployment(&mut pods, at(10)),
        [3.0, 3.0, 2.0, 2.0, 1.0, 3.0]
    );
    assert_eq!(pods_of(&mut pods, at(10))[2], "w-2 Pending");
    pods.starts("w-2", at(10));
    pods.leaves("w-1");
    // It is still there, and as ready as before.
    assert_eq!(
        deployment(&mut pods, at(11)),
        [3.0, 2.0, 2.0, 2.0, 0.0, 2.0]
    );
    assert_eq!(pods_of(&mut pods, at(11))[1], "w-1 Running 0");
}

#[test]
fn a_broken_release_is_tried_again_as_kubelet_does_until_it_is_rolled_back() {
    let mut pods = fleet();
    pods.deploys("w-0", false);
    pods.leaves("w-0");
    pods.gone("w-0");
    pods.fails("w-0", at(1));
    let restarts = |pods: &mut Pods, now| pods_of(pods, now)[0].clone();
    assert_eq!(
        restarts(&mut pods, at(1)),
        "w-0 Running 0 CrashLoopBackOff Error"
    );
    // After 10 s, 20 s, 40 s, 80 s.
    assert_eq!(
        restarts(&mut pods, at(1).plus_millis(150_000)),
        "w-0 Running 4 CrashLoopBackOff Error"
    );
    assert_eq!(deployment(&mut pods, at(4)), [2.0, 2.0, 1.0, 1.0, 1.0, 1.0]);
    pods.deploys("w-0", true);
    pods.leaves("w-0");
    pods.starts("w-0", at(5));
    assert_eq!(restarts(&mut pods, at(9)), "w-0 Running 0");
    assert_eq!(deployment(&mut pods, at(9)), [2.0, 2.0, 2.0, 2.0, 0.0, 2.0]);
}

#[test]
fn cadvisor_tells_of_containers_that_run_and_of_their_limits() {
    let mut pods = fleet();
    let told = |pods: &Pods, now| {
        let values = pods.container_values(now, |_| Some(25 << 20));
        let of_first = values
            .into_iter()
            .filter(|(labels, _)| labels.get("pod") == Some("w-0"));
        of_first
            .map(|(labels, value)| format!("{} {value}", labels.name()))
            .collect::<Vec<String>>()
    };
    pods.starts_again("w-0", at(1));
    insta::assert_snapshot!(told(&pods, at(1)).join("\n"), @r"
    container_memory_rss 26214400
    container_memory_working_set_bytes 26214400
    container_spec_memory_limit_bytes 58720256
    container_start_time_seconds 60
    ");
    pods.limits("w-0", Some((1_000, 5_000)), at(2));
    let throttled = told(&pods, at(2).plus_millis(12_000));
    insta::assert_snapshot!(throttled[..3].join("\n"), @r"
    container_cpu_cfs_periods_total 2
    container_cpu_cfs_throttled_periods_total 2
    container_cpu_cfs_throttled_seconds_total 10
    ");
    pods.died("w-0", Ended::Error);
    assert!(told(&pods, at(3)).is_empty());
}
