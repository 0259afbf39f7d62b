//! What runs the workers' processes, asked how they are: Docker or Kubernetes, by their own programs, which know the context and
//! who asks. They are only asked.

use firedrill_detector::duration::format_ms;
use firedrill_detector::text::{counted, printable};
use firedrill_reports::cause::symptom::symptom;
use firedrill_reports::cause::{Seen, Sight};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// Processes that are shown, those in trouble first.
const SHOWN: usize = 20;

/// The window of `worker-restarts`, milliseconds.
const LATELY_MS: i64 = 30 * 60_000;

/// What runs the processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Runtime {
    Docker,
    Kubernetes,
}

/// A process of a worker: a container, or one of a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Process {
    name: String,
    state: State,
    restarts: u64,
    /// When it came to be, Unix milliseconds.
    made_ms: Option<i64>,
    /// Why it ended last, if it was started again since, or has not been.
    ended: Option<Ended>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    /// It runs; whether it says that it can work, if anybody asks it.
    Running { is_ready: Option<bool> },
    /// It waits to be started; why.
    Waiting(String),
    /// It has ended.
    Ended,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Ended {
    code: i64,
    is_out_of_memory: bool,
    at_ms: Option<i64>,
}

/// All that was found.
#[derive(Debug)]
pub(super) struct Processes {
    now_ms: i64,
    found: Vec<Process>,
}

impl Runtime {
    const fn program(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Kubernetes => "kubectl",
        }
    }

    /// The option that chooses.
    const fn chooses(self) -> &'static str {
        match self {
            Self::Docker => "--filter",
            Self::Kubernetes => "--selector",
        }
    }

    /// Asks for the containers or pods that `words` choose: a filter or selector, or options as they would be typed after `docker ps`
    /// or `kubectl get pods`.
    ///
    /// # Errors
    /// What the program says; that its answer cannot be read; that there is nothing.
    pub(super) async fn ask(self, words: &str, now_ms: i64) -> Result<Processes, String> {
        let words = shlex::split(words).ok_or("a quote is not closed")?;
        let words = words.iter().map(String::as_str);
        let words: Vec<&str> = match words.clone().next() {
            Some(first) if !first.starts_with('-') => {
                [self.chooses()].into_iter().chain(words).collect()
            }
            _ => words.collect(),
        };
        let found = match self {
            Self::Docker => {
                let listed = self
                    .run(&[&["ps", "-a", "-q", "--no-trunc"], &words[..]])
                    .await?;
                let ids: Vec<&str> = listed.split_whitespace().collect();
                match ids.is_empty() {
                    true => Vec::new(),
                    false => of_docker(&self.run(&[&["inspect"], &ids[..]]).await?)?,
                }
            }
            Self::Kubernetes => of_kubernetes(
                &self
                    .run(&[&["get", "pods", "-o", "json"], &words[..]])
                    .await?,
            )?,
        };
        match found.is_empty() {
            true => Err("nothing fits".into()),
            false => Ok(Processes { now_ms, found }),
        }
    }

    async fn run(self, words: &[&[&str]]) -> Result<String, String> {
        let program = self.program();
        let child = Command::new(program)
            .args(words.concat())
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let output = tokio::time::timeout(PATIENCE, child).await;
        let output = output
            .map_err(|_| format!("{program} did not answer within {} s", PATIENCE.as_secs()))?
            .map_err(|error| format!("{program}: {error}"))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        // The reason is what comes last, behind all that was tried.
        let said = String::from_utf8_lossy(&output.stderr);
        let reason = said
            .trim()
            .lines()
            .last()
            .unwrap_or("it failed without a word");
        Err(printable(reason).into_owned())
    }
}

fn parsed<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|error| format!("its answer cannot be read: {error}"))
}

/// An RFC 3339 time; Docker writes year 1 for none.
fn time_ms(text: Option<&str>) -> Option<i64> {
    let at: jiff::Timestamp = text?.parse().ok()?;
    Some(at.as_millisecond()).filter(|at_ms| *at_ms > 0)
}

/// What `docker inspect` says.
fn of_docker(text: &str) -> Result<Vec<Process>, String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Container {
        name: String,
        created: Option<String>,
        #[serde(default)]
        restart_count: u64,
        state: Inspected,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Inspected {
        status: String,
        #[serde(rename = "OOMKilled", default)]
        oom_killed: bool,
        #[serde(default)]
        exit_code: i64,
        finished_at: Option<String>,
        health: Option<Health>,
        #[serde(default)]
        error: String,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Health {
        status: String,
    }
    let containers: Vec<Container> = parsed(text)?;
    let processes = containers.into_iter().map(|container| {
        let Inspected {
            status,
            oom_killed,
            exit_code,
            finished_at,
            health,
            error,
        } = container.state;
        let at_ms = time_ms(finished_at.as_deref());
        let is_ready = health.map(|health| health.status != "unhealthy");
        Process {
            name: container.name.trim_start_matches('/').to_owned(),
            restarts: container.restart_count,
            made_ms: time_ms(container.created.as_deref()),
            ended: at_ms.is_some().then_some(Ended {
                code: exit_code,
                is_out_of_memory: oom_killed,
                at_ms,
            }),
            state: match status.as_str() {
                "running" => State::Running { is_ready },
                "exited" | "dead" => State::Ended,
                _ if error.is_empty() => State::Waiting(status),
                _ => State::Waiting(format!("{status}: {error}")),
            },
        }
    });
    Ok(processes.collect())
}

/// What `kubectl get pods -o json` says.
fn of_kubernetes(text: &str) -> Result<Vec<Process>, String> {
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
                    code: ended.exit_code,
                    is_out_of_memory: ended.reason == "OOMKilled",
                    at_ms: time_ms(ended.finished_at.as_deref()),
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

impl Process {
    fn is_well(&self) -> bool {
        self.restarts == 0
            && matches!(self.state, State::Running { is_ready } if is_ready != Some(false))
    }

    fn line(&self, now_ms: i64) -> String {
        let mut line = match &self.state {
            State::Running {
                is_ready: Some(false),
            } => format!("{} runs and is not ready", self.name),
            State::Running { .. } => format!("{} runs", self.name),
            State::Waiting(why) => format!("{} does not run ({why})", self.name),
            State::Ended => format!("{} has ended", self.name),
        };
        if self.restarts > 0 {
            line.push_str(&format!(", restarted {}", counted(self.restarts, "time")));
        }
        if let Some(ended) = &self.ended {
            let how = match ended.is_out_of_memory {
                true => "killed for want of memory (OOMKilled)".to_owned(),
                false => format!("exit code {}", ended.code),
            };
            let ago = ended
                .at_ms
                .map(|at_ms| format_ms((now_ms - at_ms).max(0) / 1_000 * 1_000));
            let ago = ago.map_or_else(String::new, |ago| format!(", {ago} ago"));
            line.push_str(&format!("; ended last: {how}{ago}"));
        }
        printable(&line).into_owned()
    }

    /// How often it was started in half an hour at least, where that is more than once and nothing but its own end is known to
    /// be behind it: memory that ran out is another matter.
    fn loops(&self, now_ms: i64) -> Option<u64> {
        if self.restarts < 2
            || self
                .ended
                .as_ref()
                .is_none_or(|ended| ended.is_out_of_memory)
        {
            return None;
        }
        let is_young = self
            .made_ms
            .is_some_and(|made_ms| now_ms - made_ms <= LATELY_MS);
        // Both wait less than that between two starts, and forget their back-off once it has run for a while.
        let is_backing_off = matches!(&self.state, State::Waiting(why)
            if why.starts_with("CrashLoopBackOff") || why.starts_with("restarting"));
        match (is_young, is_backing_off) {
            (true, _) => Some(self.restarts),
            (false, true) => Some(2),
            (false, false) => None,
        }
    }
}

impl Processes {
    /// How many run, and those in trouble.
    pub(super) fn lines(&self) -> Vec<String> {
        let run = self
            .found
            .iter()
            .filter(|process| matches!(process.state, State::Running { .. }));
        let mut lines = vec![format!(
            "{} of {} run",
            run.count(),
            counted(self.found.len(), "container")
        )];
        let mut troubled: Vec<&Process> = self
            .found
            .iter()
            .filter(|process| !process.is_well())
            .collect();
        troubled.sort_by_key(|process| (std::cmp::Reverse(process.restarts), &process.name));
        lines.extend(
            troubled
                .iter()
                .take(SHOWN)
                .map(|process| process.line(self.now_ms)),
        );
        if troubled.len() > SHOWN {
            lines.push(format!("and {} more", troubled.len() - SHOWN));
        }
        lines
    }

    /// Adds what they show to what was seen.
    pub(super) fn show(&self, sight: &mut Sight) {
        let lately = |at_ms: i64| self.now_ms - at_ms <= LATELY_MS;
        let killed = |process: &Process| {
            let ended = process.ended.as_ref()?;
            let is_seen = ended.is_out_of_memory && ended.at_ms.is_some_and(lately);
            is_seen.then_some(1.0)
        };
        self.add("out-of-memory", killed, sight);
        sight
            .unknown
            .retain(|unknown| unknown.symptom.id != "out-of-memory");
        let loops = |process: &Process| process.loops(self.now_ms).map(|times| times as f64);
        // Where nobody is seen to, what metrics say of it stays to be known.
        if self.add("worker-restarts", loops, sight) {
            sight
                .unknown
                .retain(|unknown| unknown.symptom.id != "worker-restarts");
        }
    }

    /// Adds a symptom of those processes that show it; whether any does.
    fn add(&self, id: &str, value: impl Fn(&Process) -> Option<f64>, sight: &mut Sight) -> bool {
        let Some(symptom) = symptom(id) else {
            return false;
        };
        let shown = self.found.iter().filter_map(|process| {
            Some(Seen {
                symptom,
                labels: [("instance".to_owned(), process.name.clone())].into(),
                value: value(process)?,
                window: None,
            })
        });
        let before = sight.seen.len();
        sight.seen.extend(shown);
        sight.seen.len() > before
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use firedrill_reports::cause::{Confidence, Diagnosis, Unknown};

    /// What `docker inspect` of Docker 20.10 said of a container that ends at once, one that stays, one whose memory is limited and
    /// one whose program is not there; keys that are not read left out.
    const INSPECTED: &str = r#"[
    {"Name": "/w-loop", "Created": "2026-11-29T23:29:19.499897321Z", "RestartCount": 7, "State": {"Status": "restarting", "Running": true, "OOMKilled": false, "ExitCode": 3, "Error": "", "StartedAt": "2026-11-29T23:29:31.580690608Z", "FinishedAt": "2026-11-29T23:29:31.677502308Z"}},
    {"Name": "/w-stay", "Created": "2026-11-29T23:29:20.530261575Z", "RestartCount": 0, "State": {"Status": "running", "Running": true, "OOMKilled": false, "ExitCode": 0, "Error": "", "StartedAt": "2026-11-29T23:29:21.438900481Z", "FinishedAt": "0001-01-01T00:00:00Z"}},
    {"Name": "/w-leak", "Created": "2026-11-29T23:29:21.533550739Z", "RestartCount": 7, "State": {"Status": "restarting", "Running": true, "OOMKilled": true, "ExitCode": 137, "Error": "", "StartedAt": "2026-11-29T23:29:34.906213052Z", "FinishedAt": "2026-11-29T23:29:35.137488656Z"}},
    {"Name": "/w-bad", "Created": "2026-11-29T23:29:22.799415546Z", "RestartCount": 0, "State": {"Status": "created", "Running": false, "OOMKilled": false, "ExitCode": 127, "Error": "exec: \"/nosuch\": no such file", "StartedAt": "0001-01-01T00:00:00Z", "FinishedAt": "0001-01-01T00:00:00Z"}}
    ]"#;

    /// Pods in the form of the Kubernetes API (`core/v1`, `PodList`).
    const PODS: &str = r#"{"apiVersion": "v1", "kind": "List", "items": [
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

    fn processes(found: Result<Vec<Process>, String>) -> Processes {
        let now: jiff::Timestamp = "2026-11-29T23:29:40Z".parse().unwrap();
        Processes {
            now_ms: now.as_millisecond(),
            found: found.unwrap(),
        }
    }

    #[test]
    fn containers_are_told_those_in_trouble_first() {
        insta::assert_snapshot!(processes(of_docker(INSPECTED)).lines().join("\n"), @r#"
        1 of 4 containers run
        w-leak does not run (restarting), restarted 7 times; ended last: killed for want of memory (OOMKilled), 4s ago
        w-loop does not run (restarting), restarted 7 times; ended last: exit code 3, 8s ago
        w-bad does not run (created: exec: "/nosuch": no such file)
        "#);
        insta::assert_snapshot!(processes(of_kubernetes(PODS)).lines().join("\n"), @"
        3 of 6 containers run
        w-1/worker does not run (CrashLoopBackOff: back-off 5m0s), restarted 31 times; ended last: exit code 2, 1m40s ago
        w-2 runs, restarted 1 time; ended last: killed for want of memory (OOMKilled), 2h59m40s ago
        w-3 does not run (ImagePullBackOff)
        w-4 does not run (Pending)
        w-5 runs and is not ready
        ");
    }

    /// What a fleet shows of which nothing else is known.
    fn diagnosis(processes: &Processes) -> Diagnosis {
        let unknown = ["out-of-memory", "worker-restarts", "memory-grew"];
        let unknown = unknown.map(|id| Unknown {
            symptom: symptom(id).unwrap(),
            lacks: "what it reads".into(),
        });
        let mut sight = Sight {
            unknown: unknown.into(),
            ..Sight::default()
        };
        processes.show(&mut sight);
        Diagnosis::of(&sight)
    }

    #[test]
    fn they_are_evidence() {
        // Memory that ran out explains restarts, and another's crashes are no less there.
        let mut docker = processes(of_docker(INSPECTED));
        let causes = |found: &Diagnosis| -> Vec<&str> {
            found.findings.iter().map(|found| found.cause.id).collect()
        };
        assert_eq!(causes(&diagnosis(&docker)), ["out-of-memory"]);
        docker.found.retain(|process| process.name != "w-leak");
        let found = diagnosis(&docker);
        assert_eq!(causes(&found), ["crash-loop"]);
        assert_eq!(found.confidence(), Some(Confidence::Medium));
        assert_eq!(
            found.findings[0].evidence[0].sentence(),
            "w-loop was started 7 times in half an hour"
        );
        docker.found.retain(|process| process.name != "w-loop");
        assert_eq!(causes(&diagnosis(&docker)), [""; 0]);
        // A pod that is old has not been started so often lately, and memory that ran out hours ago is over.
        let found = diagnosis(&processes(of_kubernetes(PODS)));
        assert_eq!(causes(&found), ["crash-loop"]);
        let evidence = found.findings[0].evidence[0].sentence();
        assert_eq!(evidence, "w-1/worker was started 2 times in half an hour");
    }

    #[test]
    fn what_is_no_answer_is_told() {
        for text in ["", "[]", "{}", r#"{"items": 3}"#, r#"[{"Name": 3}]"#] {
            assert!(of_kubernetes(text).is_err(), "{text}");
        }
        assert!(of_docker(r#"[{"Name": "a"}]"#).is_err());
        assert_eq!(of_docker("[]"), Ok(Vec::new()));
    }
}
