//! What the exporters of Kubernetes tell, in worlds that have them.

use super::Told;
use super::told::LEAKS;
use crate::world::Exporter;

/// Whom a metric of kube-state-metrics is about, beside labels of its own.
const DEPLOYMENT: &[&str] = &["namespace", "deployment"];
const CONTAINER: &[&str] = &["namespace", "pod", "uid", "container"];
const REASON: &[&str] = &["namespace", "pod", "uid", "container", "reason"];
/// Of cAdvisor: what else it has is of the machine.
const OF_CADVISOR: &[&str] = &["namespace", "pod", "container"];

const THERE: &str = "once a node has taken the pod";
const THROTTLED: &str = "while the processor is limited";

/// What an exporter tells.
pub(super) fn told(exporter: Exporter) -> &'static [Told] {
    match exporter {
        Exporter::KubeStateMetrics => &KUBE_STATE_METRICS,
        Exporter::Cadvisor => &CADVISOR,
        Exporter::RedisExporter | Exporter::EnqueueDuration | Exporter::GoClient => &[],
    }
}

const KUBE_STATE_METRICS: [Told; 16] = [
    (
        "kube_deployment_spec_replicas",
        "gauge",
        DEPLOYMENT,
        "Pods that are wanted of a group of workers.",
        "",
    ),
    (
        "kube_deployment_status_replicas",
        "gauge",
        DEPLOYMENT,
        "Pods there are, without those that have been told to go.",
        "",
    ),
    (
        "kube_deployment_status_replicas_ready",
        "gauge",
        DEPLOYMENT,
        "Those that run.",
        "",
    ),
    (
        "kube_deployment_status_replicas_available",
        "gauge",
        DEPLOYMENT,
        "The same: workers have no probe that could tell them apart.",
        "",
    ),
    (
        "kube_deployment_status_replicas_unavailable",
        "gauge",
        DEPLOYMENT,
        "Those that do not run.",
        "",
    ),
    (
        "kube_deployment_status_replicas_updated",
        "gauge",
        DEPLOYMENT,
        "Those of the release that was deployed last.",
        "",
    ),
    (
        "kube_pod_info",
        "gauge",
        &[
            "namespace",
            "pod",
            "uid",
            "created_by_kind",
            "created_by_name",
        ],
        "1. A process that is replaced has a new `uid` under the old name.",
        "",
    ),
    (
        "kube_pod_owner",
        "gauge",
        &[
            "namespace",
            "pod",
            "uid",
            "owner_kind",
            "owner_name",
            "owner_is_controller",
        ],
        "1.",
        "",
    ),
    (
        "kube_pod_status_phase",
        "gauge",
        &["namespace", "pod", "uid", "phase"],
        "1 for the phase it is in: `Pending` while nobody fills its place, else `Running`.",
        "",
    ),
    (
        "kube_pod_status_ready",
        "gauge",
        &["namespace", "pod", "uid", "condition"],
        "1 for `true` while its container runs, else for `false`.",
        THERE,
    ),
    (
        "kube_pod_container_status_restarts_total",
        "counter",
        CONTAINER,
        "How often an orchestrator has started the container again (`workers[].restart`), or a broken release.",
        THERE,
    ),
    (
        "kube_pod_container_status_ready",
        "gauge",
        CONTAINER,
        "1 while it runs.",
        THERE,
    ),
    (
        "kube_pod_container_status_running",
        "gauge",
        CONTAINER,
        "1 while it runs.",
        THERE,
    ),
    (
        "kube_pod_container_status_waiting",
        "gauge",
        CONTAINER,
        "1 while it waits to be started again.",
        THERE,
    ),
    (
        "kube_pod_container_status_waiting_reason",
        "gauge",
        REASON,
        "1; `reason` is `CrashLoopBackOff`.",
        "while it waits",
    ),
    (
        "kube_pod_container_status_last_terminated_reason",
        "gauge",
        REASON,
        "1; `reason` is `OOMKilled` or `Error`.",
        "once it was started again or waits for that",
    ),
];

const CADVISOR: [Told; 7] = [
    (
        "container_start_time_seconds",
        "gauge",
        OF_CADVISOR,
        "When the container was started, Unix time.",
        "while it runs",
    ),
    (
        "container_memory_working_set_bytes",
        "gauge",
        OF_CADVISOR,
        "Memory that cannot be taken from it: what its process has, which reads no files.",
        LEAKS,
    ),
    (
        "container_memory_rss",
        "gauge",
        OF_CADVISOR,
        "Memory of its process.",
        LEAKS,
    ),
    (
        "container_spec_memory_limit_bytes",
        "gauge",
        OF_CADVISOR,
        "The limit of the step that is about it, and what a process has at rest.",
        LEAKS,
    ),
    (
        "container_cpu_cfs_periods_total",
        "counter",
        OF_CADVISOR,
        "Periods of its limit so far; a drill's take 5 s.",
        THROTTLED,
    ),
    (
        "container_cpu_cfs_throttled_periods_total",
        "counter",
        OF_CADVISOR,
        "Those in which it was stopped.",
        THROTTLED,
    ),
    (
        "container_cpu_cfs_throttled_seconds_total",
        "counter",
        OF_CADVISOR,
        "For how long.",
        THROTTLED,
    ),
];

/// What they tell and drills do not, with the reason.
pub(super) const NOT_TOLD: [(&str, &str); 6] = [
    (
        "kube_pod_container_status_terminated_reason, kube_pod_container_status_terminated",
        "a container that has ended waits to be started again a moment later, and was not seen in between: \
         `kube_pod_container_status_last_terminated_reason` tells why it ended",
    ),
    (
        "kube_pod_info: node, host_ip, pod_ip, host_network, priority_class",
        "a drill has no nodes",
    ),
    (
        "kube_node_*, kube_hpa_*, kube_job_*, kube_replicaset_*, kube_statefulset_* and all else of kube-state-metrics",
        "a drill knows of its workers' Deployments, their pods and containers, and of nothing else in a cluster",
    ),
    (
        "container_oom_events_total",
        "the container that is killed goes, and its counter with it; \
         `kube_pod_container_status_last_terminated_reason` is `OOMKilled`",
    ),
    (
        "container_cpu_usage_seconds_total, process_cpu_seconds_total",
        "handlers of a drill wait where those of a team compute, and the model's take no processor at all",
    ),
    (
        "container_*: id, image, name; the pod's own series and those of its pause container; container_fs_*, container_network_*",
        "of the machine, not of the drill",
    ),
];
