//! A Deployment of somebody else's whose pods take part in a drill: asked and changed by the `kubectl` program, which knows the cluster
//! and who asks, and touched only if an annotation on it says that it may be.

mod seen;
mod undo;

pub(crate) use seen::{Pod, Seen};
pub(crate) use undo::{set_images_back, set_replicas_back};

use crate::program;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The annotation with which the owner of a deployment agrees, with the value `true`.
pub const CONSENT: &str = "firedrill.dev/consent";
/// The program that is asked.
pub const PROGRAM: &str = "kubectl";
/// The image of a release that does not start: nobody has a name under `.invalid` (RFC 2606).
pub const BROKEN_IMAGE: &str = "firedrill.invalid/does-not-start:1";
/// By which a replica set chooses whom it does without: the least first.
const COST: &str = "controller.kubernetes.io/pod-deletion-cost=-2147483648";
/// How long the API server may take to answer.
const ANSWERS_WITHIN: Duration = Duration::from_secs(30);

/// Which deployment, in which cluster. Unlike its name its uid is never another's later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written")]
pub struct DeploymentId {
    context: Option<String>,
    namespace: String,
    name: String,
    uid: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    context: Option<String>,
    namespace: String,
    name: String,
    uid: String,
}

impl TryFrom<Written> for DeploymentId {
    type Error = &'static str;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        let Written {
            context,
            namespace,
            name,
            uid,
        } = written;
        if ![&namespace, &name, &uid].into_iter().all(|it| is_name(it)) {
            return Err("no name of a deployment");
        }
        Ok(Self {
            context,
            namespace,
            name,
            uid,
        })
    }
}

impl fmt::Display for DeploymentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "deployment {}/{}", self.namespace, self.name)
    }
}

/// Whether it can be the name of something in Kubernetes, and no option.
fn is_name(text: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    !text.is_empty()
        && text.len() <= 253
        && text
            .bytes()
            .all(|byte| is_letter(byte) || b"-.".contains(&byte))
        && text.bytes().next().is_some_and(is_letter)
}

impl DeploymentId {
    /// Whether people call it so.
    pub(crate) fn is_named(&self, named: &Named) -> bool {
        self.namespace == named.namespace && self.name == named.name
    }

    /// What is said after `verb`: `what` where names stand, and where that is.
    fn words(&self, verb: &[&str], more: &[String]) -> Vec<String> {
        let place = format!("--namespace={}", self.namespace);
        let context = self.context.iter();
        let context = context.map(|context| format!("--context={context}"));
        let verb = verb.iter().map(|word| (*word).to_owned());
        verb.chain(more.iter().cloned())
            .chain([place])
            .chain(context)
            .collect()
    }

    fn resource(&self) -> String {
        format!("deployment/{}", self.name)
    }

    fn scale(&self, from: Option<u32>, to: u32) -> Vec<String> {
        let mut more = vec![self.resource(), format!("--replicas={to}")];
        more.extend(from.map(|from| format!("--current-replicas={from}")));
        self.words(&["scale"], &more)
    }

    fn set_images(&self, images: &BTreeMap<String, String>) -> Vec<String> {
        let images = images.iter().map(|(name, image)| format!("{name}={image}"));
        let more: Vec<String> = [self.resource()].into_iter().chain(images).collect();
        self.words(&["set", "image"], &more)
    }

    fn get(&self) -> Vec<String> {
        let resource = [self.resource()];
        self.words(&["get", "--output=json", "--ignore-not-found"], &resource)
    }
}

/// `NAMESPACE/DEPLOYMENT`, as it is typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    namespace: String,
    name: String,
}

impl std::str::FromStr for Named {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('/') {
            Some((namespace, name)) if is_name(namespace) && is_name(name) => Ok(Self {
                namespace: namespace.to_owned(),
                name: name.to_owned(),
            }),
            _ => Err("write NAMESPACE/DEPLOYMENT"),
        }
    }
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "deployment {}/{}", self.namespace, self.name)
    }
}

/// Why a deployment cannot take part, or does not do what it is told.
#[derive(Debug, thiserror::Error)]
pub enum KubeError {
    /// It is not there.
    #[error("there is no {0}")]
    Unknown(Named),
    /// Nobody has agreed.
    #[error(
        "{named}: its owner has not agreed to drills on it; to agree, type: kubectl annotate --namespace={} deployment/{} {CONSENT}=true",
        .named.namespace, .named.name
    )]
    NoConsent {
        /// Which one.
        named: Named,
    },
    /// Pods of it cannot be told apart, or are not all there.
    #[error("{0}: {1}")]
    Unfit(Named, String),
    /// Kubernetes cannot be asked, or refuses.
    #[error("kubectl: {0}")]
    Kubectl(String),
    /// What is to be undone cannot be written down, so nothing was done.
    #[error("the undo journal: {0}")]
    Journal(String),
}

/// A deployment that takes part.
#[derive(Debug, Clone)]
pub struct Deployment {
    kubectl: PathBuf,
    id: DeploymentId,
    /// Its pods, as a selector.
    selector: String,
    /// How many pods it wants when nobody does anything to it.
    replicas: u32,
    /// The image of each of its containers, by name.
    images: BTreeMap<String, String>,
    /// Whether a new release takes all pods of the old one away first.
    recreates: bool,
}

impl Deployment {
    /// Finds it in the cluster of the current context: its owner has agreed, and all of its pods are there and ready.
    ///
    /// # Errors
    /// [`KubeError`].
    pub async fn find(kubectl: &Path, named: &Named) -> Result<Self, KubeError> {
        // In a pod there is no context, and none is needed.
        let context = ["config", "current-context"].map(str::to_owned);
        let context = asked(kubectl, &context).await.ok();
        let mut id = DeploymentId {
            context: context.map(|name| name.trim().to_owned()),
            namespace: named.namespace.clone(),
            name: named.name.clone(),
            uid: String::new(),
        };
        let text = asked(kubectl, &id.get()).await?;
        let found = seen::Deployment::parsed(&text)?;
        let found = found.ok_or_else(|| KubeError::Unknown(named.clone()))?;
        if !found.agrees() {
            let named = named.clone();
            return Err(KubeError::NoConsent { named });
        }
        let unfit = |why: String| KubeError::Unfit(named.clone(), why);
        id.uid = found.uid().to_owned();
        let deployment = Self {
            kubectl: kubectl.to_owned(),
            selector: found.selector().map_err(unfit)?,
            replicas: found.replicas(),
            images: found.images(),
            recreates: found.recreates(),
            id,
        };
        let seen = deployment.look().await?;
        let ready = seen.pods.iter().filter(|pod| pod.is_ready && !pod.leaves);
        let (ready, all) = (ready.count(), seen.pods.len());
        let wanted = usize::try_from(deployment.replicas).unwrap_or(usize::MAX);
        if (ready, all) != (wanted, wanted) {
            return Err(unfit(format!(
                "it wants {wanted} pods, and has {all}, of which {ready} are ready; wait until it has settled"
            )));
        }
        if seen.pods.iter().any(|pod| pod.host.is_none()) {
            return Err(unfit(
                "its pods have the network of their node, and its name: their workers cannot be told apart".to_owned(),
            ));
        }
        Ok(deployment)
    }

    /// Which one it is.
    #[must_use]
    pub fn id(&self) -> &DeploymentId {
        &self.id
    }

    /// How many pods it had when it was found.
    #[must_use]
    pub fn replicas(&self) -> u32 {
        self.replicas
    }

    /// Whether a new release takes all pods of the old one away first: `strategy: Recreate`.
    #[must_use]
    pub fn recreates(&self) -> bool {
        self.recreates
    }

    /// The image of each of its containers when it was found, by name.
    pub(crate) fn images(&self) -> &BTreeMap<String, String> {
        &self.images
    }

    /// How it is.
    ///
    /// # Errors
    /// When Kubernetes does not tell, or it is gone.
    pub(crate) async fn look(&self) -> Result<Seen, KubeError> {
        // Before it: who scales it is told before the pods that come of that.
        let pods = format!("--selector={}", self.selector);
        let pods = self.id.words(&["get", "pods", "--output=json"], &[pods]);
        let pods = seen::pods(&self.asked(&pods).await?)?;
        Ok(self.itself().await?.with(pods))
    }

    /// How many pods it wants.
    ///
    /// # Errors
    /// When Kubernetes does not tell, or it is gone.
    pub(crate) async fn wants(&self) -> Result<u32, KubeError> {
        Ok(self.itself().await?.replicas())
    }

    /// Whether its owner still agrees to drills on it.
    ///
    /// # Errors
    /// When Kubernetes does not tell, or it is gone.
    pub(crate) async fn agrees(&self) -> Result<bool, KubeError> {
        Ok(self.itself().await?.agrees())
    }

    async fn itself(&self) -> Result<seen::Deployment, KubeError> {
        let text = self.asked(&self.id.get()).await?;
        let found = seen::Deployment::parsed(&text)?;
        let found = found.filter(|found| found.uid() == self.id.uid);
        found.ok_or_else(|| KubeError::Kubectl(format!("{} is gone", self.id)))
    }

    /// Has so many pods, if it wants `from` until now.
    ///
    /// # Errors
    /// When Kubernetes refuses, or somebody else has scaled it.
    pub(crate) async fn scale(&self, from: u32, to: u32) -> Result<(), KubeError> {
        let words = self.id.scale(Some(from), to);
        self.asked(&words).await.map(drop)
    }

    /// Of its pods, these are the first that are done without.
    ///
    /// # Errors
    /// When Kubernetes refuses.
    pub(crate) async fn spare(&self, pods: &BTreeSet<String>) -> Result<(), KubeError> {
        let mut more: Vec<String> = pods.iter().cloned().collect();
        more.extend([COST, "--overwrite"].map(str::to_owned));
        let words = self.id.words(&["annotate", "pod"], &more);
        self.asked(&words).await.map(drop)
    }

    /// Deletes pods, which get so long to end, in whole seconds; `None`: none, and nobody waits for its node.
    ///
    /// # Errors
    /// When Kubernetes refuses.
    pub(crate) async fn delete(
        &self,
        pods: &BTreeSet<String>,
        grace: Option<Duration>,
    ) -> Result<(), KubeError> {
        let mut more: Vec<String> = pods.iter().cloned().collect();
        match grace {
            Some(grace) => more.push(format!("--grace-period={}", grace.as_secs().max(1))),
            None => more.extend(["--grace-period=0", "--force"].map(str::to_owned)),
        }
        let verb = ["delete", "pod", "--wait=false", "--ignore-not-found"];
        let words = self.id.words(&verb, &more);
        self.asked(&words).await.map(drop)
    }

    /// Replaces all of its pods, as its strategy says.
    ///
    /// # Errors
    /// When Kubernetes refuses.
    pub(crate) async fn restart(&self) -> Result<(), KubeError> {
        let words = self
            .id
            .words(&["rollout", "restart"], &[self.id.resource()]);
        self.asked(&words).await.map(drop)
    }

    /// Gives its containers these images, by name.
    ///
    /// # Errors
    /// When Kubernetes refuses.
    pub(crate) async fn set_images(
        &self,
        images: &BTreeMap<String, String>,
    ) -> Result<(), KubeError> {
        self.asked(&self.id.set_images(images)).await.map(drop)
    }

    async fn asked(&self, words: &[String]) -> Result<String, KubeError> {
        asked(&self.kubectl, words).await
    }
}

async fn asked(kubectl: &Path, words: &[String]) -> Result<String, KubeError> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let said = program::said(kubectl, &words, ANSWERS_WITHIN).await;
    let [printed, _] = said.map_err(|error| KubeError::Kubectl(error.reason()))?;
    Ok(printed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_names_a_namespace_and_a_deployment() {
        let named: Named = "shop/mail-worker.v2".parse().unwrap();
        assert_eq!(named.to_string(), "deployment shop/mail-worker.v2");
        for wrong in [
            "mail",
            "/mail",
            "shop/",
            "Shop/mail",
            "a/b/c",
            "-n/x",
            "a b/c",
            "",
        ] {
            assert!(wrong.parse::<Named>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_journal_has_no_words_for_options() {
        let id = |name: &str, uid: &str| {
            let text =
                serde_json::json!({ "context": "c", "namespace": "n", "name": name, "uid": uid });
            serde_json::from_value::<DeploymentId>(text)
        };
        let read = id("mail", "0a-1b").unwrap();
        assert_eq!(
            read.scale(Some(1), 2).join(" "),
            "scale deployment/mail --replicas=2 --current-replicas=1 --namespace=n --context=c"
        );
        let again = serde_json::to_value(&read).unwrap();
        assert_eq!(serde_json::from_value::<DeploymentId>(again).unwrap(), read);
        for wrong in ["", "--all", "a b", "a/b"] {
            assert!(
                id(wrong, "0a").is_err() && id("mail", wrong).is_err(),
                "{wrong}"
            );
        }
    }
}
