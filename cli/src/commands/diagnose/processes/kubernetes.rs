//! What Kubernetes says of pods.

use super::{Ended, How, Process, State, parsed, time_ms};
use serde::Deserialize;
use std::collections::BTreeMap;

/// What `kubectl get pods -o json` says.
pub(super) fn of_kubernetes(text: &str) -> Result<Vec<Process>, String> {
    #[derive(Deserialize)]
    struct Pods {
        items: Vec<Pod>,
    }
    #[derive(Deserialize)]
    struct Pod {
        metadata: Metadata,
        #[serde(default)]
        status: Status,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Metadata {
        name: String,
        creation_timestamp: Option<String>,
    }
    #[derive(Deserialize, Default)]
    #[serde(rename_all = "camelCase", default)]
    struct Status {
        phase: String,
        reason: String,
        container_statuses: Vec<Container>,
    }
    #[derive(Deserialize, Default)]
    #[serde(rename_all = "camelCase", default)]
    struct Container {
        name: String,
        ready: bool,
        restart_count: u64,
        state: BTreeMap<String, Detail>,
        last_state: BTreeMap<String, Detail>,
    }
    #[derive(Deserialize, Default)]
    #[serde(rename_all = "camelCase", default)]
    struct Detail {
        reason: String,
        message: String,
        exit_code: i64,
        finished_at: Option<String>,
    }
    let pods: Pods = parsed(text)?;
    let mut processes = Vec::new();
    for pod in pods.items {
        let made_ms = time_ms(pod.metadata.creation_timestamp.as_deref());
        let name = pod.metadata.name;
        // Such as one that no node has room for.
        if pod.status.container_statuses.is_empty() {
            let state = match pod.status.reason.is_empty() {
                true => State::Waiting(pod.status.phase),
                false => State::Waiting(format!("{}: {}", pod.status.phase, pod.status.reason)),
            };
            processes.push(Process {
                name,
                state,
                restarts: 0,
                made_ms,
                ended: None,
            });
            continue;
        }
        let is_alone = pod.status.container_statuses.len() == 1;
        for container in pod.status.container_statuses {
            let ended = [&container.state, &container.last_state];
            let ended = ended.into_iter().find_map(|state| state.get("terminated"));
            let waits = container.state.get("waiting");
            processes.push(Process {
                name: match is_alone {
                    true => name.clone(),
                    false => format!("{name}/{}", container.name),
                },
                restarts: container.restart_count,
                made_ms,
                ended: ended.map(|ended| Ended {
                    at_ms: time_ms(ended.finished_at.as_deref()),
                    how: Some(How {
                        code: ended.exit_code,
                        is_out_of_memory: ended.reason == "OOMKilled",
                    }),
                }),
                state: match waits {
                    Some(why) if why.message.is_empty() => State::Waiting(why.reason.clone()),
                    Some(why) => State::Waiting(format!("{}: {}", why.reason, why.message)),
                    None if container.state.contains_key("running") => State::Running {
                        is_ready: Some(container.ready),
                    },
                    None => State::Ended,
                },
            });
        }
    }
    Ok(processes)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Pods in the form of the Kubernetes API (`core/v1`, `PodList`).
    pub(in super::super) const PODS: &str = r#"{"apiVersion": "v1", "kind": "List", "items": [
    {"metadata": {"name": "w-1", "creationTimestamp": "2026-11-29T20:00:00Z"}, "status": {"phase": "Running", "containerStatuses": [
        {"name": "worker", "ready": false, "restartCount": 31, "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 5m0s"}}, "lastState": {"terminated": {"exitCode": 2, "reason": "Error", "finishedAt": "2026-11-29T23:28:00Z"}}},
        {"name": "sidecar", "ready": true, "restartCount": 0, "state": {"running": {"startedAt": "2026-11-29T20:00:00Z"}}, "lastState": {}}]}},
    {"metadata": {"name": "w-2", "creationTimestamp": "2026-11-29T20:00:00Z"}, "status": {"phase": "Running", "containerStatuses": [
        {"name": "worker", "ready": true, "restartCount": 1, "state": {"running": {}}, "lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled", "finishedAt": "2026-11-29T20:30:00Z"}}}]}},
    {"metadata": {"name": "w-3", "creationTimestamp": "2026-11-29T23:20:00Z"}, "status": {"phase": "Pending", "containerStatuses": [
        {"name": "worker", "ready": false, "restartCount": 0, "image": "i", "state": {"waiting": {"reason": "ImagePullBackOff"}}, "lastState": {}}]}},
    {"metadata": {"name": "w-4", "creationTimestamp": "2026-11-29T23:20:00Z"}, "status": {"phase": "Pending"}},
    {"metadata": {"name": "w-5", "creationTimestamp": "2026-11-29T20:00:00Z"}, "status": {"phase": "Running", "containerStatuses": [
        {"name": "worker", "ready": false, "restartCount": 0, "state": {"running": {}}, "lastState": {}}]}}
    ]}"#;

    #[test]
    fn what_is_no_answer_is_told() {
        for text in ["", "[]", "{}", r#"{"items": 3}"#, r#"[{"Name": 3}]"#] {
            assert!(of_kubernetes(text).is_err(), "{text}");
        }
    }
}
