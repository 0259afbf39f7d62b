//! A team's own workers in the pods of a deployment, on Kubernetes' own API server and controllers: what the plan does to them, and
//! how the deployment is left.
//!
//! No scheduler and no kubelet is here. A thread of the test plays both: it binds pods, runs a real Go worker for each, under the pod's
//! name as its host's, tells the API server how that is, and ends it as a kubelet does. How fast a real node is, and what its container
//! runtime does, this cannot show.

use super::containers::folder;
use super::peer::need_peers;
use super::team::{all_was_seen, record, worker};
use crate::kube::ApiServer;
use crate::nodes::Node;
use crate::support::{firedrill, need, wait_until};
use redis::Commands;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

pub(super) const SCENARIO: &str = "\
version: firedrill/v1
name: pods
family: worker-crashed
summary: What is done to a team's pods.
seed: 7
duration: 84s
warmup: 4s
queues: { default: { wait_objective: 30s } }
workload:
  - { task: mail, queue: default, arrivals: { constant: 10/s, until: 78s }, service: { constant: 20ms } }
workers:
  - { name: w, processes: 2, concurrency: 4 }
scrape: { interval: 1s, timeout: 1s }
evaluation: { interval: 1s }
timeline:
  - { at: 6s, fault: worker.kill, select: all, until: { at: 14s, remedy: worker.restart } }
  - { at: 24s, fault: worker.terminate, select: [w-1], until: { at: 30s, remedy: worker.restart } }
  - { at: 38s, fault: worker.deploy-broken, select: all, until: { at: 48s, remedy: worker.rollback } }
  - { at: 58s, remedy: workers.scale, worker: w, to: 3 }
  - { at: 66s, remedy: worker.restart, select: all }
incidents:
  - { cause: worker-crashed, of: worker.kill, wanted: page, within: 8s }
  - { cause: worker-crashed, of: worker.deploy-broken, wanted: page, within: 8s }
";

/// The image that the node has.
pub(super) const IMAGE: &str = "worker:1";

/// A deployment of two workers on a Redis of the team's; gone with it.
pub(crate) struct Team {
    server: Arc<ApiServer>,
    pub(super) redis: Node,
    over: Arc<AtomicBool>,
    node: Option<JoinHandle<()>>,
}

impl Team {
    /// Starts it, and waits until its pods are ready; `None`: what it takes is not here.
    pub(crate) fn start(agrees: bool) -> Option<Self> {
        let redis = Node::start(&[]);
        let port = redis.port;
        Self::start_on(redis, port, agrees)
    }

    /// One whose workers find Redis on another port.
    pub(super) fn start_on(redis: Node, port: u16, agrees: bool) -> Option<Self> {
        let server = Arc::new(ApiServer::start()?);
        let labels = json!({ "app": "mail" });
        let annotations = match agrees {
            true => json!({ "firedrill.dev/consent": "true" }),
            false => json!({}),
        };
        let deployment = json!({
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": { "name": "mail", "annotations": annotations },
            "spec": {
                "replicas": 2,
                "strategy": { "type": "Recreate" },
                "selector": { "matchLabels": labels },
                "template": {
                    "metadata": { "labels": labels },
                    "spec": { "containers": [{ "name": "worker", "image": IMAGE }] },
                },
            },
        });
        server.kubectl(&["create", "-f", "-"], &deployment);
        let over = Arc::new(AtomicBool::new(false));
        let node = {
            let (server, over) = (server.clone(), over.clone());
            std::thread::spawn(move || PlayedNode::new(&server, port).work(&over))
        };
        let team = Self {
            server,
            redis,
            over,
            node: Some(node),
        };
        wait_until("the pods to be ready", || team.ready() == 2);
        Some(team)
    }

    /// What firedrill is told of it.
    pub(crate) fn target(&self) -> [String; 2] {
        [
            format!("--redis=127.0.0.1:{}", self.redis.port),
            "--worker-kube=default/mail".to_owned(),
        ]
    }

    /// Where its cluster is, as kubectl is told.
    pub(crate) fn environment(&self) -> (&'static str, String) {
        ("KUBECONFIG", self.server.config().display().to_string())
    }

    pub(crate) fn kubectl(&self, words: &[&str]) -> String {
        self.server.kubectl(words, &Value::Null)
    }

    fn deployment(&self) -> Value {
        let text = self.kubectl(&["get", "deployment", "mail", "-o", "json"]);
        serde_json::from_str(&text).unwrap()
    }

    fn ready(&self) -> u64 {
        self.deployment()["status"]["readyReplicas"]
            .as_u64()
            .unwrap_or(0)
    }

    /// How many pods there are, those that go included.
    fn has(&self) -> usize {
        self.kubectl(&["get", "pods", "-o", "name"]).lines().count()
    }

    /// Whether it has two pods, and its status is that of what it wants now and not of what it wanted before.
    pub(super) fn has_settled(&self) -> bool {
        let deployment = self.deployment();
        let status = &deployment["status"];
        status["observedGeneration"] == deployment["metadata"]["generation"]
            && status["readyReplicas"] == 2
            && self.has() == 2
    }

    /// How many pods it wants, and what they run.
    pub(super) fn wants(&self) -> (u64, String) {
        let spec = &self.deployment()["spec"];
        let image = &spec["template"]["spec"]["containers"][0]["image"];
        (
            spec["replicas"].as_u64().unwrap(),
            image.as_str().unwrap().to_owned(),
        )
    }

    /// Runs a drill with it.
    fn run(&self, dir: &Path) -> (Option<i32>, String, String) {
        let output = self.command(dir).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        (
            output.status.code(),
            text(output.stdout),
            text(output.stderr),
        )
    }

    pub(super) fn command(&self, dir: &Path) -> Command {
        self.command_of(
            dir,
            &["run", "s.yaml", "--group-wait=0s", "--group-interval=1s"],
        )
    }

    pub(super) fn command_of(&self, dir: &Path, words: &[&str]) -> Command {
        let mut command = firedrill();
        let (name, value) = self.environment();
        command
            .current_dir(dir)
            .env(name, value)
            .env("XDG_STATE_HOME", dir)
            .args(words)
            .arg("--rules=r.yml")
            .args(self.target());
        command
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Release);
        let node = self.node.take().map(JoinHandle::join);
        if !std::thread::panicking() {
            node.unwrap().unwrap();
        }
    }
}

/// A node as the test plays it: a process for each pod that is bound to it.
struct PlayedNode<'s> {
    server: &'s ApiServer,
    redis: u16,
    /// By the name of the pod; when it has to have ended, once it was told to.
    runs: BTreeMap<String, (Child, Option<Instant>)>,
}

impl<'s> PlayedNode<'s> {
    fn new(server: &'s ApiServer, redis: u16) -> Self {
        Self {
            server,
            redis,
            runs: BTreeMap::new(),
        }
    }

    fn work(&mut self, over: &AtomicBool) {
        while !over.load(Ordering::Acquire) {
            let pods = self
                .server
                .kubectl(&["get", "pods", "-o", "json"], &Value::Null);
            let pods: Value = serde_json::from_str(&pods).unwrap();
            let pods = pods["items"].as_array().unwrap();
            for pod in pods {
                self.look_after(pod);
            }
            let names: Vec<&str> = pods.iter().map(name).collect();
            // Deleted by force: nobody waits for the node.
            let gone = self
                .runs
                .keys()
                .find(|name| !names.contains(&name.as_str()));
            if let Some(gone) = gone.cloned() {
                self.end(&gone);
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        while let Some(name) = self.runs.keys().next().cloned() {
            self.end(&name);
        }
    }

    /// SIGKILL.
    fn end(&mut self, name: &str) {
        let (mut child, _) = self.runs.remove(name).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    fn look_after(&mut self, pod: &Value) {
        let name = name(pod);
        if !pod["metadata"]["deletionTimestamp"].is_null() {
            return self.see_off(pod);
        }
        if self.runs.contains_key(name) || !pod["status"]["containerStatuses"].is_null() {
            return;
        }
        let binding = json!({
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": { "name": name },
            "target": { "apiVersion": "v1", "kind": "Node", "name": "node" },
        });
        let path = format!("/api/v1/namespaces/default/pods/{name}/binding");
        // It may have been deleted meanwhile, here and below.
        let bound = self
            .server
            .tried(&["create", "--raw", &path, "-f", "-"], &binding);
        if bound.is_err() {
            return;
        }
        let image = pod["spec"]["containers"][0]["image"].as_str().unwrap();
        if image == IMAGE {
            let child = run_as(name, self.redis);
            self.runs.insert(name.to_owned(), (child, None));
            let at = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ");
            self.tell(
                name,
                &json!({ "running": { "startedAt": at.to_string() } }),
                true,
            );
        } else {
            self.tell(
                name,
                &json!({ "waiting": { "reason": "ErrImagePull" } }),
                false,
            );
        }
    }

    fn tell(&self, name: &str, state: &Value, runs: bool) {
        let status = json!({ "status": {
            "phase": if runs { "Running" } else { "Pending" },
            "conditions": [{ "type": "Ready", "status": if runs { "True" } else { "False" } }],
            "containerStatuses": [{
                "name": "worker", "ready": runs, "restartCount": 0, "image": IMAGE, "imageID": "", "state": state,
            }],
        } });
        let patch = ["patch", "pod", name, "--subresource=status", "--type=merge"];
        let text = status.to_string();
        let words = [&patch[..], &["-p", &text]].concat();
        let _ = self.server.tried(&words, &Value::Null);
    }

    /// SIGTERM, SIGKILL when its time is up, and the API server is told that it is gone.
    fn see_off(&mut self, pod: &Value) {
        let name = name(pod);
        if let Some((child, until)) = self.runs.get_mut(name) {
            let grace = pod["metadata"]["deletionGracePeriodSeconds"].as_u64();
            let grace = Duration::from_secs(grace.unwrap_or(0));
            match until {
                None => {
                    *until = Some(Instant::now() + grace);
                    let pid = Pid::from_child(child);
                    // It may have ended.
                    let _ = kill_process(pid, Signal::TERM);
                    return;
                }
                Some(until) if Instant::now() >= *until => child.kill().unwrap(),
                Some(_) => {}
            }
            if child.try_wait().unwrap().is_none() {
                return;
            }
            self.runs.remove(name);
        }
        let delete = ["delete", "pod", name, "--force", "--grace-period=0"];
        let _ = self.server.tried(&delete, &Value::Null);
    }
}

fn name(pod: &Value) -> &str {
    pod["metadata"]["name"].as_str().unwrap()
}

/// A worker that sees this as the name of its host.
fn run_as(name: &str, redis: u16) -> Child {
    let own_users = !rustix::process::geteuid().is_root();
    Command::new("unshare")
        .args(own_users.then_some("--map-root-user"))
        .args(["--uts", "sh", "-c", "hostname \"$0\" && exec \"$1\"", name])
        .arg(worker())
        .env("REDIS_ADDR", format!("127.0.0.1:{redis}"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn a_teams_pods_take_part_and_the_deployment_is_left_as_it_was() {
    need_peers!();
    need!("unshare");
    let Some(team) = Team::start(true) else {
        return;
    };
    let dir = folder(SCENARIO);
    let (code, told, also) = team.run(dir.path());
    let recorded = record(dir.path(), "pods");
    all_was_seen(&recorded, 8, &also);
    assert_eq!(code, Some(0), "{told}{also}");
    assert_eq!(
        recorded.header.environment["workers"],
        "the team's own, in the pods of a deployment"
    );
    let audit = recorded.audit().unwrap();
    assert_eq!(
        (audit.intended, audit.lost, audit.untold),
        (780, 0, 0),
        "{audit:?}"
    );
    // Three were there in the end.
    assert_eq!(team.wants(), (2, IMAGE.to_owned()));

    // They are there for the next one, and what others do to them meanwhile is told.
    wait_until("two pods to be left", || team.has_settled());
    let quiet: Vec<&str> = SCENARIO
        .lines()
        .filter(|line| !line.contains("worker.") && !line.contains("workers.scale"))
        .collect();
    let quiet = quiet
        .join("\n")
        .replace("worker-crashed", "benign")
        .replace("incidents:", "")
        .replace("timeline:", "")
        .replace("84s", "16s")
        .replace("78s", "12s");
    fs::write(dir.path().join("s.yaml"), quiet).unwrap();
    let (code, told, also) = std::thread::scope(|scope| {
        let run = scope.spawn(|| team.run(dir.path()));
        let done = "asynq:{default}:processed";
        wait_until("tasks to be done", || {
            team.redis.connection().exists(done).unwrap()
        });
        team.kubectl(&["rollout", "restart", "deployment/mail"]);
        run.join().unwrap()
    });
    assert_eq!(code, Some(3), "{told}{also}");
    assert!(
        told.contains("deployment default/mail: its spec was changed, pod mail-"),
        "{told}"
    );
}

#[test]
fn a_deployment_whose_owner_agrees_no_longer_is_only_given_back() {
    need_peers!();
    need!("unshare");
    let Some(team) = Team::start(true) else {
        return;
    };
    let is_later = |line: &&str| {
        ["worker.deploy-broken", "workers.scale", "at: 66s"]
            .iter()
            .any(|step| line.contains(step))
    };
    let lines: Vec<&str> = SCENARIO.lines().filter(|line| !is_later(line)).collect();
    let dir = folder(&lines.join("\n").replace("84s", "36s").replace("78s", "32s"));
    let (code, told, also) = std::thread::scope(|scope| {
        let run = scope.spawn(|| team.run(dir.path()));
        wait_until("all to be killed", || team.wants().0 == 0);
        team.kubectl(&["annotate", "deployment/mail", "firedrill.dev/consent-"]);
        run.join().unwrap()
    });
    assert_eq!(code, Some(3), "{told}{also}");
    let recorded = record(dir.path(), "pods");
    // An annotation is no change of its spec.
    assert_eq!(recorded.interference().next(), None, "{told}");
    let marks: Vec<(bool, bool)> = recorded
        .marks()
        .map(|mark| {
            (
                mark.verified,
                mark.saw.contains("no longer agrees to drills on it"),
            )
        })
        .collect();
    let (done, left_out) = ((true, false), (false, true));
    assert_eq!(marks, [done, done, left_out, left_out], "{told}");
    assert_eq!(team.wants(), (2, IMAGE.to_owned()));
}

#[test]
fn a_deployment_is_not_touched_without_consent_or_when_it_does_not_fit() {
    need_peers!();
    need!("unshare");
    let Some(team) = Team::start(false) else {
        return;
    };
    let dir = folder(SCENARIO);
    let (code, _, told) = team.run(dir.path());
    assert_eq!(code, Some(4), "{told}");
    let consent = "kubectl annotate --namespace=default deployment/mail firedrill.dev/consent=true";
    let expected = format!(
        "deployment default/mail: its owner has not agreed to drills on it; to agree, type: {consent}"
    );
    assert!(told.contains(&expected), "{told}");
    // As it says.
    let words: Vec<&str> = consent.split(' ').skip(1).collect();
    team.kubectl(&words);
    let dry = team
        .command_of(dir.path(), &["rehearse", "s.yaml", "--dry-run"])
        .output()
        .unwrap();
    let dry = String::from_utf8_lossy(&dry.stdout).into_owned();
    let port = team.redis.port.to_string();
    insta::assert_snapshot!(dry.replace(&port, "6379"));
    let strategy = r#"{"spec": {"strategy": {"type": "RollingUpdate"}}}"#;
    team.kubectl(&["patch", "deployment", "mail", "-p", strategy]);
    let (code, _, told) = team.run(dir.path());
    assert_eq!(code, Some(2), "{told}");
    assert!(
        told.contains("s.yaml:18:23: faults: worker.deploy-broken (worker.deploy-broken): the deployment's strategy is RollingUpdate"),
        "{told}"
    );
    let four = SCENARIO.replace("processes: 2", "processes: 4");
    fs::write(dir.path().join("s.yaml"), four).unwrap();
    let (code, _, told) = team.run(dir.path());
    assert_eq!(code, Some(2), "{told}");
    assert!(
        told.contains(
            "pods begins with 4 worker processes, and deployment default/mail has 2 pods"
        ),
        "{told}"
    );
    assert_eq!(team.wants(), (2, IMAGE.to_owned()));
}
