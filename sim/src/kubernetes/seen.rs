//! What Kubernetes says of a deployment and its pods, as far as a drill needs it.

use super::{CONSENT, KubeError};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::BTreeMap;

/// A deployment and its pods at one moment.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// Its spec but for how many pods it wants and their images.
    pub(crate) rest: Value,
    /// How many pods it wants.
    pub(crate) replicas: u32,
    /// The image of each of its containers, by name.
    pub(crate) images: BTreeMap<String, String>,
    /// Its pods, by name.
    pub(crate) pods: Vec<Pod>,
}

/// A pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pod {
    pub(crate) name: String,
    /// The host name that its processes see; `None`: that of its node.
    pub(crate) host: Option<String>,
    pub(crate) is_ready: bool,
    /// Whether it was deleted, and is still there.
    pub(crate) leaves: bool,
    /// How often its containers were started again.
    pub(crate) restarts: u64,
    /// Why a container of it does not run, if it should by now.
    pub(crate) trouble: Option<String>,
}

#[derive(Debug, Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Meta {
    name: String,
    uid: String,
    annotations: BTreeMap<String, String>,
    deletion_timestamp: Option<String>,
}

/// What Kubernetes says of a deployment.
#[derive(Debug, Deserialize)]
#[serde(try_from = "Written")]
pub(super) struct Deployment {
    metadata: Meta,
    spec: Spec,
    rest: Value,
}

#[derive(Deserialize)]
struct Written {
    metadata: Meta,
    spec: Value,
}

impl TryFrom<Written> for Deployment {
    type Error = serde_json::Error;

    fn try_from(Written { metadata, spec }: Written) -> Result<Self, Self::Error> {
        Ok(Self {
            metadata,
            spec: Spec::deserialize(&spec)?,
            rest: without_what_drills_set(spec),
        })
    }
}

/// A spec but for how many pods it wants and their images.
fn without_what_drills_set(mut spec: Value) -> Value {
    if let Some(spec) = spec.as_object_mut() {
        spec.remove("replicas");
    }
    let containers = spec.pointer_mut("/template/spec/containers");
    let containers = containers.and_then(Value::as_array_mut).into_iter();
    for container in containers.flatten().filter_map(Value::as_object_mut) {
        container.remove("image");
    }
    spec
}

#[derive(Debug, Deserialize)]
struct Spec {
    replicas: u32,
    selector: Selector,
    #[serde(default)]
    strategy: Strategy,
    template: Template,
}

#[derive(Debug, Deserialize, Default)]
#[serde(default)]
struct Strategy {
    r#type: String,
}

#[derive(Debug, Deserialize)]
struct Template {
    spec: PodSpec,
}

#[derive(Debug, Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct PodSpec {
    hostname: Option<String>,
    host_network: bool,
    containers: Vec<Container>,
}

#[derive(Debug, Deserialize)]
struct Container {
    name: String,
    #[serde(default)]
    image: String,
}

#[derive(Debug, Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Selector {
    match_labels: BTreeMap<String, String>,
    match_expressions: Vec<Expression>,
}

#[derive(Debug, Deserialize)]
struct Expression {
    key: String,
    operator: String,
    #[serde(default)]
    values: Vec<String>,
}

impl Deployment {
    /// Reads what `kubectl get` printed; nothing: there is none.
    ///
    /// # Errors
    /// When it is no deployment.
    pub(super) fn parsed(text: &str) -> Result<Option<Self>, KubeError> {
        match text.trim() {
            "" => Ok(None),
            text => parsed(text).map(Some),
        }
    }

    pub(super) fn agrees(&self) -> bool {
        let value = self.metadata.annotations.get(CONSENT);
        value.is_some_and(|value| value == "true")
    }

    pub(super) fn uid(&self) -> &str {
        &self.metadata.uid
    }

    pub(super) fn replicas(&self) -> u32 {
        self.spec.replicas
    }

    pub(super) fn recreates(&self) -> bool {
        self.spec.strategy.r#type == "Recreate"
    }

    pub(super) fn images(&self) -> BTreeMap<String, String> {
        let containers = self.spec.template.spec.containers.iter();
        containers
            .map(|of| (of.name.clone(), of.image.clone()))
            .collect()
    }

    /// Its selector, as `kubectl` reads one.
    ///
    /// # Errors
    /// When it asks for what nobody knows.
    pub(super) fn selector(&self) -> Result<String, String> {
        let Selector {
            match_labels,
            match_expressions,
        } = &self.spec.selector;
        let labels = match_labels.iter();
        let labels = labels.map(|(key, value)| Ok(format!("{key}={value}")));
        let asked = match_expressions.iter().map(|of| {
            let (key, values) = (&of.key, of.values.join(","));
            match &*of.operator {
                "In" => Ok(format!("{key} in ({values})")),
                "NotIn" => Ok(format!("{key} notin ({values})")),
                "Exists" => Ok(key.clone()),
                "DoesNotExist" => Ok(format!("!{key}")),
                other => Err(format!("its selector has the operator {other}")),
            }
        });
        let all: Vec<String> = labels.chain(asked).collect::<Result<_, _>>()?;
        Ok(all.join(","))
    }

    pub(super) fn with(self, pods: Vec<Pod>) -> Seen {
        Seen {
            replicas: self.spec.replicas,
            images: self.images(),
            rest: self.rest,
            pods,
        }
    }
}

/// Reads what `kubectl get pods` printed.
///
/// # Errors
/// When that is no list of pods.
pub(super) fn pods(text: &str) -> Result<Vec<Pod>, KubeError> {
    #[derive(Deserialize)]
    struct List {
        items: Vec<Item>,
    }
    #[derive(Deserialize)]
    struct Item {
        metadata: Meta,
        spec: PodSpec,
        #[serde(default)]
        status: Status,
    }
    #[derive(Deserialize, Default)]
    #[serde(rename_all = "camelCase", default)]
    struct Status {
        conditions: Vec<Condition>,
        container_statuses: Vec<ContainerStatus>,
    }
    #[derive(Deserialize)]
    struct Condition {
        r#type: String,
        status: String,
    }
    #[derive(Deserialize, Default)]
    #[serde(rename_all = "camelCase", default)]
    struct ContainerStatus {
        restart_count: u64,
        state: BTreeMap<String, Reason>,
    }
    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct Reason {
        reason: String,
    }
    let list: List = parsed(text)?;
    let mut pods: Vec<Pod> = list
        .items
        .into_iter()
        .map(|item| {
            let Status {
                conditions,
                container_statuses,
            } = item.status;
            let mut states = container_statuses.iter().flat_map(|of| &of.state);
            // These two are what every pod goes through.
            let is_on_its_way =
                |reason: &str| ["ContainerCreating", "PodInitializing"].contains(&reason);
            let trouble = states.find(|(state, why)| match state.as_str() {
                "waiting" => !is_on_its_way(&why.reason),
                state => state == "terminated",
            });
            let name = item.metadata.name;
            Pod {
                host: match item.spec.host_network {
                    true => None,
                    false => Some(item.spec.hostname.unwrap_or_else(|| name.clone())),
                },
                is_ready: conditions
                    .iter()
                    .any(|of| of.r#type == "Ready" && of.status == "True"),
                leaves: item.metadata.deletion_timestamp.is_some(),
                restarts: container_statuses.iter().map(|of| of.restart_count).sum(),
                trouble: trouble.map(|(_, why)| why.reason.clone()),
                name,
            }
        })
        .collect();
    pods.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(pods)
}

fn parsed<T: DeserializeOwned>(text: &str) -> Result<T, KubeError> {
    serde_json::from_str(text)
        .map_err(|error| KubeError::Kubectl(format!("its answer cannot be read: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In the form of the Kubernetes API (`apps/v1`, `Deployment`).
    const DEPLOYMENT: &str = r#"{"metadata": {"name": "mail", "uid": "0a", "generation": 3, "annotations": {"firedrill.dev/consent": "true"}},
        "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "mail"}, "matchExpressions": [
            {"key": "tier", "operator": "In", "values": ["a", "b"]}, {"key": "canary", "operator": "DoesNotExist"}]},
        "strategy": {"type": "Recreate"}, "template": {"spec": {"containers": [{"name": "worker", "image": "w:1"}, {"name": "log", "image": "l:2"}]}}}}"#;

    #[test]
    fn a_deployment_tells_how_its_pods_are_found_and_what_they_run() {
        let found = Deployment::parsed(DEPLOYMENT).unwrap().unwrap();
        assert!(found.agrees() && found.recreates());
        assert_eq!(found.selector().unwrap(), "app=mail,tier in (a,b),!canary");
        assert_eq!(found.images()["log"], "l:2");
        let refused = DEPLOYMENT.replace(r#"consent": "true""#, r#"consent": "yes""#);
        assert!(!Deployment::parsed(&refused).unwrap().unwrap().agrees());
        let odd = DEPLOYMENT.replace(r#""In""#, r#""Like""#);
        assert!(
            Deployment::parsed(&odd)
                .unwrap()
                .unwrap()
                .selector()
                .is_err()
        );
        assert!(Deployment::parsed("").unwrap().is_none());
        for wrong in ["{}", "[]", "no"] {
            assert!(
                Deployment::parsed(wrong).is_err() && pods(wrong).is_err(),
                "{wrong}"
            );
        }
    }

    #[test]
    fn a_spec_is_another_when_more_was_changed_than_drills_change() {
        let rest = |text: &str| {
            Deployment::parsed(text)
                .unwrap()
                .unwrap()
                .with(Vec::new())
                .rest
        };
        let found = rest(DEPLOYMENT);
        for (same, other) in [
            (r#""replicas": 2"#, r#""replicas": 3"#),
            ("w:1", "w:2"),
            (r#""generation": 3"#, r#""generation": 4"#),
            (r#"consent": "true""#, r#"consent": "no""#),
        ] {
            assert_eq!(rest(&DEPLOYMENT.replace(same, other)), found, "{other}");
        }
        for (same, other) in [
            ("Recreate", "RollingUpdate"),
            (r#""name": "log""#, r#""name": "tail""#),
        ] {
            assert_ne!(rest(&DEPLOYMENT.replace(same, other)), found, "{other}");
        }
    }

    #[test]
    fn a_pod_is_ready_or_leaves_or_has_trouble() {
        let read = pods(r#"{"items": [
            {"metadata": {"name": "b", "deletionTimestamp": "2026-11-30T00:00:00Z"}, "spec": {"hostNetwork": true}},
            {"metadata": {"name": "a"}, "spec": {"hostname": "h"}, "status": {"conditions": [{"type": "Ready", "status": "True"}],
                "containerStatuses": [{"restartCount": 2, "state": {"running": {}}}]}},
            {"metadata": {"name": "c"}, "spec": {}, "status": {"containerStatuses": [{"state": {"waiting": {"reason": "ErrImagePull"}}}]}},
            {"metadata": {"name": "d"}, "spec": {}, "status": {"containerStatuses": [{"state": {"waiting": {"reason": "ContainerCreating"}}}]}}]}"#)
        .unwrap();
        let told: Vec<_> = read
            .iter()
            .map(|pod| {
                (
                    &*pod.name,
                    pod.host.as_deref(),
                    pod.is_ready,
                    pod.leaves,
                    pod.restarts,
                    pod.trouble.as_deref(),
                )
            })
            .collect();
        assert_eq!(
            told,
            [
                ("a", Some("h"), true, false, 2, None),
                ("b", None, false, true, 0, None),
                ("c", Some("c"), false, false, 0, Some("ErrImagePull")),
                ("d", Some("d"), false, false, 0, None),
            ]
        );
    }
}
