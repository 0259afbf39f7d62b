//! What wrong remedies throw away, for real and on the model.

use crate::support::{firedrill, need};
use serde_json::Value;
use std::fs;

/// Exports of 3 min beside payments whose dependency fails from 1m to 4m, and what somebody does about it.
///
/// Long enough for the last restart to be done before the end on a slow machine.
const WRONG: &str = "\
version: firedrill/v1
name: wrong
family: retry-storm
summary: s
duration: 12m
warmup: 30s
queues: { default: { wait_objective: 60s } }
workload:
  - { task: export, queue: default, arrivals: { constant: 1/m }, service: { constant: 3m } }
  - { task: pay, queue: default, arrivals: { constant: 2/s }, service: { constant: 100ms } }
workers: [{ name: w, processes: 2, concurrency: 10, retry_delay: { constant: 2m } }]
timeline:
  - { id: storm, at: 1m, fault: handler.fail, task: pay, share: 100%, until: { at: 4m } }
  - { id: hurry, at: 100s, remedy: tasks.run, queue: default, state: retry }
  - { id: archive, at: 140s, remedy: tasks.archive, queue: default, state: retry }
  - { id: restart, at: 5m, remedy: worker.restart, select: all }
  - { id: paused, at: 370s, fault: queue.pause, queue: default, until: { at: 400s, remedy: queue.unpause } }
  - { id: delete, at: 390s, remedy: tasks.delete, queue: default, state: pending }
  - { id: frozen, at: 420s, fault: worker.stop, select: all, until: { at: 440s, remedy: worker.restart } }
incidents: [{ cause: retry-storm, of: storm, wanted: page, within: 2m }]
";

/// The remedies of the scorecard, and the text that people read.
fn remedies(engine: &str) -> (Vec<Value>, String) {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("s.yaml"), WRONG).unwrap();
    let run = |args: &[&str]| {
        let mut command = firedrill();
        command.current_dir(dir.path()).args(args);
        command.output().unwrap()
    };
    // Where others take the processors meanwhile nothing is proven, and the drill is had once more.
    let mut turns = (0..3).map(|_| run(&["run", "--engine", engine, "--no-gate", "s.yaml"]));
    let proven = turns.find(|output| output.status.code() != Some(3));
    let output = proven.expect("the drill proves nothing on this machine, three times");
    let talk = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{talk}");
    let output = run(&["score", "--json", "runs/wrong/latest"]);
    let card: Value = serde_json::from_slice(&output.stdout).unwrap();
    let remedies = card["drills"][0]["remedies"].as_array().unwrap().clone();
    let output = run(&["score", "runs/wrong/latest"]);
    (
        remedies,
        String::from_utf8_lossy(&output.stdout).into_owned(),
    )
}

#[test]
fn wrong_remedies_show_their_cost_and_right_ones_none_on_both_engines() {
    need!("redis-server");
    for engine in ["virtual", "live"] {
        let (remedies, text) = remedies(engine);
        let cost = |id: &str| {
            let mut found = remedies.iter();
            let found = found.find(|remedy| remedy["id"] == id);
            found.unwrap_or_else(|| panic!("{id}: {remedies:#?}"))["cost"].clone()
        };
        let count = |id: &str, what: &str| {
            let cost = cost(id);
            cost[what]
                .as_u64()
                .unwrap_or_else(|| panic!("{id} {what}: {cost}"))
        };
        let told = format!("{engine}: {remedies:#?}");
        // Payments of 40 s, two a second, fail again at once.
        assert!(
            (70..=90).contains(&count("hurry", "executions_failed_again")),
            "{told}"
        );
        // All that have failed until then, but those that the storm's end would have found without any attempt left: none.
        assert!(
            (140..=165).contains(&count("archive", "tasks_archived")),
            "{told}"
        );
        // Exports of the last three minutes.
        assert!(
            (2..=3).contains(&count("restart", "executions_cut_off")),
            "{told}"
        );
        let seconds = cost("restart")["work_lost_seconds"].as_f64().unwrap();
        assert!((120.0..420.0).contains(&seconds), "{told}");
        assert_eq!(count("restart", "tasks_archived"), 0, "{told}");
        // Payments of 20 s, and retries that came due.
        assert!(count("delete", "tasks_deleted") >= 30, "{told}");
        // Nothing was lost to these: the tasks are there, and who is frozen works on nothing.
        assert_eq!(cost("paused"), Value::Null, "{told}");
        assert_eq!(cost("frozen"), Value::Null, "{told}");
        for words in ["cut off", "failed again", "archived with", "deleted with"] {
            let words = words.split(' ').next().unwrap();
            assert!(text.contains(words), "{engine}: {text}");
        }
    }
}
