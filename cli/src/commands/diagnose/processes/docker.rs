//! What Docker says of containers.

use super::{Ended, How, Process, State, parsed, time_ms};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// How containers ended last, by their ids, as `docker events` of the kinds `die` and `oom` say, a line each. Docker forgets old ones.
pub(super) fn ends(text: &str) -> Result<BTreeMap<String, How>, String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Event {
        action: String,
        actor: Actor,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Actor {
        #[serde(rename = "ID")]
        id: String,
        attributes: BTreeMap<String, String>,
    }
    let mut ends = BTreeMap::new();
    let mut out_of_memory = BTreeSet::new();
    for line in text.lines() {
        let Event { action, actor } = parsed(line)?;
        if action == "oom" {
            out_of_memory.insert(actor.id);
            continue;
        }
        let code = actor.attributes.get("exitCode");
        if let Some(code) = code.and_then(|code| code.parse().ok()) {
            let is_out_of_memory = out_of_memory.remove(&actor.id);
            let how = How {
                code,
                is_out_of_memory,
            };
            ends.insert(actor.id, how);
        }
    }
    Ok(ends)
}

/// What `docker inspect` says, and how those ended that run.
pub(super) fn of_docker(text: &str, ends: &BTreeMap<String, How>) -> Result<Vec<Process>, String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Container {
        id: String,
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
        let how = match status == "running" {
            // The code and the reason are those of this run, which has none.
            true => ends.get(&container.id).copied(),
            false => Some(How {
                code: exit_code,
                is_out_of_memory: oom_killed,
            }),
        };
        Process {
            name: container.name.trim_start_matches('/').to_owned(),
            restarts: container.restart_count,
            made_ms: time_ms(container.created.as_deref()),
            ended: at_ms.is_some().then_some(Ended { at_ms, how }),
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

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// What `docker inspect` of Docker 20.10 said of a container that ends at once, one that stays, one whose memory is limited and
    /// one whose program is not there; keys that are not read left out.
    pub(in super::super) const INSPECTED: &str = r#"[
    {"Id": "w-loop-id", "Name": "/w-loop", "Created": "2026-11-29T23:29:19.499897321Z", "RestartCount": 7, "State": {"Status": "restarting", "Running": true, "OOMKilled": false, "ExitCode": 3, "Error": "", "StartedAt": "2026-11-29T23:29:31.580690608Z", "FinishedAt": "2026-11-29T23:29:31.677502308Z"}},
    {"Id": "w-stay-id", "Name": "/w-stay", "Created": "2026-11-29T23:29:20.530261575Z", "RestartCount": 0, "State": {"Status": "running", "Running": true, "OOMKilled": false, "ExitCode": 0, "Error": "", "StartedAt": "2026-11-29T23:29:21.438900481Z", "FinishedAt": "0001-01-01T00:00:00Z"}},
    {"Id": "w-leak-id", "Name": "/w-leak", "Created": "2026-11-29T23:29:21.533550739Z", "RestartCount": 7, "State": {"Status": "restarting", "Running": true, "OOMKilled": true, "ExitCode": 137, "Error": "", "StartedAt": "2026-11-29T23:29:34.906213052Z", "FinishedAt": "2026-11-29T23:29:35.137488656Z"}},
    {"Id": "w-bad-id", "Name": "/w-bad", "Created": "2026-11-29T23:29:22.799415546Z", "RestartCount": 0, "State": {"Status": "created", "Running": false, "OOMKilled": false, "ExitCode": 127, "Error": "exec: \"/nosuch\": no such file", "StartedAt": "0001-01-01T00:00:00Z", "FinishedAt": "0001-01-01T00:00:00Z"}}
    ]"#;

    /// What Docker 28 said by `events` of a container whose memory ran out, which was started again and then ended by itself; keys
    /// that are not read left out.
    pub(in super::super) const EVENTS: &str = r#"{"Type":"container","Action":"oom","Actor":{"ID":"w-leak-id","Attributes":{"name":"w-leak"}}}
{"Type":"container","Action":"die","Actor":{"ID":"w-leak-id","Attributes":{"execDuration":"3","exitCode":"137","name":"w-leak"}}}
{"Type":"container","Action":"die","Actor":{"ID":"w-loop-id","Attributes":{"execDuration":"0","exitCode":"3","name":"w-loop"}}}
"#;

    #[test]
    fn what_is_no_answer_is_told() {
        let none = BTreeMap::new();
        assert!(of_docker(r#"[{"Name": "a"}]"#, &none).is_err());
        assert_eq!(of_docker("[]", &none), Ok(Vec::new()));
        assert!(ends("{}").is_err() && ends("[\n").is_err());
    }

    #[test]
    fn memory_ran_out_the_last_time_or_not_at_all() {
        let again = [EVENTS, &EVENTS.replace("oom", "none")].concat();
        assert!(ends(EVENTS).unwrap()["w-leak-id"].is_out_of_memory);
        assert!(!ends(&again).unwrap()["w-leak-id"].is_out_of_memory);
    }
}
