//! What runs the workers' processes, asked how they are: Docker or Kubernetes, by their own programs, which know the context and
//! who asks. They are only asked.

mod docker;
mod kubernetes;

use docker::{ends, of_docker};
use firedrill_detector::duration::format_ms;
use firedrill_detector::text::{counted, printable};
use firedrill_reports::cause::symptom::symptom;
use firedrill_reports::cause::{Seen, Sight};
use firedrill_sim::program::{self, Trouble};
use kubernetes::of_kubernetes;
use serde::de::DeserializeOwned;
use std::path::Path;
use std::time::Duration;

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
    at_ms: Option<i64>,
    /// How, if that is known.
    how: Option<How>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct How {
    code: i64,
    is_out_of_memory: bool,
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
                    false => self.inspect(&ids, now_ms).await?,
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

    /// Asks Docker for containers, and how those ended that run again: of these `docker inspect` tells no more than when.
    async fn inspect(self, ids: &[&str], now_ms: i64) -> Result<Vec<Process>, String> {
        let inspected = self.run(&[&["inspect"], ids]).await?;
        let span = [now_ms - LATELY_MS, now_ms].map(|at_ms| (at_ms / 1_000).to_string());
        let words = ["events", "--since", &span[0], "--until", &span[1]];
        let format = ["--format", "{{json .}}"];
        let only = ["--filter", "event=die", "--filter", "event=oom"];
        let events = self.run(&[&words, &format, &only]).await?;
        of_docker(&inspected, &ends(&events)?)
    }

    async fn run(self, words: &[&[&str]]) -> Result<String, String> {
        let program = self.program();
        let said = program::said(Path::new(program), &words.concat(), PATIENCE).await;
        match said {
            Ok([printed, _]) => Ok(printed),
            Err(Trouble::Late(_)) => Err(format!(
                "{program} did not answer within {} s",
                PATIENCE.as_secs()
            )),
            Err(trouble) => Err(printable(&trouble.reason()).into_owned()),
        }
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
            let how = match ended.how {
                None => "nobody knows how".to_owned(),
                Some(how) if how.is_out_of_memory => {
                    "killed for want of memory (OOMKilled)".to_owned()
                }
                Some(how) => format!("exit code {}", how.code),
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
        let ended = self.ended.as_ref()?;
        if self.restarts < 2 || ended.how.is_none_or(|how| how.is_out_of_memory) {
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
            let is_seen = ended.how?.is_out_of_memory && ended.at_ms.is_some_and(lately);
            is_seen.then_some(1.0)
        };
        let is_any_killed = self.add("out-of-memory", killed, sight);
        let mut ends = self
            .found
            .iter()
            .filter_map(|process| process.ended.as_ref());
        let is_every_end_known = ends.all(|ended| ended.how.is_some());
        if is_any_killed || is_every_end_known {
            sight
                .unknown
                .retain(|unknown| unknown.symptom.id != "out-of-memory");
        }
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
    use super::docker::tests::{EVENTS, INSPECTED};
    use super::kubernetes::tests::PODS;
    use super::*;
    use firedrill_reports::cause::{Confidence, Diagnosis, Unknown};
    use std::collections::BTreeMap;

    fn processes(found: Result<Vec<Process>, String>) -> Processes {
        let now: jiff::Timestamp = "2026-11-29T23:29:40Z".parse().unwrap();
        Processes {
            now_ms: now.as_millisecond(),
            found: found.unwrap(),
        }
    }

    #[test]
    fn containers_are_told_those_in_trouble_first() {
        insta::assert_snapshot!(processes(of_docker(INSPECTED, &BTreeMap::new())).lines().join("\n"), @r#"
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
        let mut docker = processes(of_docker(INSPECTED, &BTreeMap::new()));
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
    fn how_a_container_ended_that_runs_again_is_what_was_seen_of_it() {
        let running = INSPECTED
            .replace("\"restarting\"", "\"running\"")
            .replace("\"OOMKilled\": true", "\"OOMKilled\": false")
            .replace("\"ExitCode\": 137", "\"ExitCode\": 0")
            .replace("\"ExitCode\": 3", "\"ExitCode\": 0");
        let seen = processes(of_docker(&running, &ends(EVENTS).unwrap()));
        insta::assert_snapshot!(seen.lines().join("\n"), @r#"
        3 of 4 containers run
        w-leak runs, restarted 7 times; ended last: killed for want of memory (OOMKilled), 4s ago
        w-loop runs, restarted 7 times; ended last: exit code 3, 8s ago
        w-bad does not run (created: exec: "/nosuch": no such file)
        "#);
        assert_eq!(diagnosis(&seen).findings[0].cause.id, "out-of-memory");
        // Docker has forgotten: nothing is made of it, and nothing ruled out.
        let unseen = processes(of_docker(&running, &BTreeMap::new()));
        let line = &unseen.lines()[1];
        assert!(
            line.ends_with("ended last: nobody knows how, 4s ago"),
            "{line}"
        );
        assert_eq!(diagnosis(&unseen).findings, []);
    }
}
