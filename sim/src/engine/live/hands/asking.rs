//! What Redis is asked about people's doings: in a task of its own, one look at a time and each question with a limit, so that
//! whoever acts waits for none of it. What was seen is taken when it comes.

use super::users::Counted;
use crate::engine::live::lever::redis::{connects_anew, does, writes};
use crate::engine::live::stand::AtWork;
use crate::lever::Denied;
use firedrill_asynq::broker::redis::RedisBroker;
use firedrill_asynq::broker::redis::address::Address;
use firedrill_asynq::clock::Time;
use firedrill_asynq::inspector::Inspector;
use firedrill_asynq::keys;
use firedrill_asynq::message::ServerInfo;
use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::time::Duration;
use tokio::sync::oneshot;

/// How long an answer may take, real time; where none comes, nothing is said.
const ANSWERS_WITHIN: Duration = Duration::from_secs(1);
pub(super) const MAXMEMORY: &str = "maxmemory";
pub(super) const MAXCLIENTS: &str = "maxclients";
pub(super) const POLICY: &str = "maxmemory-policy";
pub(super) const ROLE: &str = "role";
pub(super) const PAUSED: &str = "paused_reason";
pub(super) const USERS: &str = "ACL";

/// What Redis is set to, by the names above.
pub(super) type Settings = BTreeMap<&'static str, String>;

/// The same, with what else it says of itself.
pub(super) struct SetTo {
    pub(super) settings: Settings,
    pub(super) used_bytes: u64,
    /// How often its users were changed, where it counts that.
    pub(super) users: Option<Counted>,
}

/// What is to be found out at one look.
#[derive(Default)]
pub(super) struct Question {
    /// Queues that a step has paused.
    pub(super) paused: BTreeSet<String>,
    /// What is tried, to see that what a step did is gone.
    pub(super) proofs: BTreeMap<usize, Proof>,
    /// The queues of which each step takes workers away, if it is asked who works and what Redis is set to.
    pub(super) at_large: Option<BTreeMap<usize, BTreeSet<String>>>,
}

impl Question {
    /// Whether nothing is asked.
    pub(super) fn is_empty(&self) -> bool {
        self.paused.is_empty() && self.proofs.is_empty() && self.at_large.is_none()
    }
}

/// What Redis does again when it is itself.
pub(super) enum Proof {
    /// It answers, by this.
    Answers(Pin<Box<dyn Future<Output = Option<String>> + Send>>),
    /// It takes a new client.
    Connects,
    /// It takes a write.
    Writes,
    /// It does what was denied.
    Does(Denied),
}

/// What was seen at one look. What Redis did not tell in time is absent.
#[derive(Default)]
pub(in crate::engine::live) struct Sight {
    /// Queues that are paused no longer.
    pub(super) unpaused: BTreeSet<String>,
    /// Of each step, what proves that it is over.
    pub(super) proven: BTreeMap<usize, String>,
    /// What Redis is set to.
    pub(super) set_to: Option<SetTo>,
    /// All who work.
    pub(super) servers: Option<Vec<ServerInfo>>,
    /// For how long the oldest task waits in the queues of a step, nanoseconds.
    pub(super) waits_ns: BTreeMap<usize, i64>,
    /// What shows that a proxy of the team's does nothing to links any more.
    pub(super) healed: Option<String>,
}

/// The look that is under way, if one is.
#[derive(Default)]
pub(super) struct Asking(Option<(AtWork, oneshot::Receiver<Sight>)>);

impl Asking {
    pub(super) fn is_idle(&self) -> bool {
        self.0.is_none()
    }

    /// Begins to look; what was under way is forgotten.
    pub(super) fn begin(
        &mut self,
        question: Question,
        (control, address): (RedisBroker, Address),
        now: Time,
    ) {
        let (say, said) = oneshot::channel();
        let looks = async move {
            let asked = Asked {
                control,
                address,
                now,
            };
            // Nobody listens any more when the plan has done something meanwhile.
            let _ = say.send(asked.look(question).await);
        };
        self.0 = Some((AtWork(tokio::spawn(looks)), said));
    }

    /// What is seen at the look that is under way; never, if none is.
    pub(super) async fn answer(&mut self) -> Sight {
        let Some((_, said)) = &mut self.0 else {
            return std::future::pending().await;
        };
        let sight = said.await.unwrap_or_default();
        self.0 = None;
        sight
    }

    /// What is under way is not to be waited for: it may have been seen before what the plan has done since.
    pub(super) fn forget(&mut self) {
        self.0 = None;
    }
}

/// Who is asked, and when.
struct Asked {
    control: RedisBroker,
    address: Address,
    now: Time,
}

/// An answer that comes in time.
async fn in_time<T>(asked: impl Future<Output = Option<T>>) -> Option<T> {
    let told = tokio::time::timeout(ANSWERS_WITHIN, asked).await;
    told.ok().flatten()
}

impl Asked {
    async fn look(&self, question: Question) -> Sight {
        let mut sight = Sight::default();
        for (step, proof) in question.proofs {
            let saw = in_time(self.prove(proof)).await;
            sight.proven.extend(saw.map(|saw| (step, saw)));
        }
        for queue in question.paused {
            if in_time(self.is_paused(&queue)).await == Some(false) {
                sight.unpaused.insert(queue);
            }
        }
        let Some(bereft) = question.at_large else {
            return sight;
        };
        sight.set_to = in_time(self.is_set_to()).await;
        sight.servers = in_time(self.who_works()).await;
        for (step, queues) in bereft {
            let waits_ns = in_time(self.longest_wait_ns(&queues)).await;
            sight.waits_ns.extend(waits_ns.map(|ns| (step, ns)));
        }
        sight
    }

    async fn prove(&self, proof: Proof) -> Option<String> {
        let (done, saw) = match proof {
            Proof::Answers(seen) => return seen.await,
            Proof::Connects => (
                connects_anew(&self.address).await,
                "accepts a new connection".to_owned(),
            ),
            Proof::Writes => (writes(&self.control).await, "takes writes".to_owned()),
            Proof::Does(denied) => (
                does(&self.control, denied).await,
                format!("{} is allowed", denied.category()),
            ),
        };
        done.ok().map(|()| saw)
    }

    async fn is_paused(&self, queue: &str) -> Option<bool> {
        let mut exists = redis::cmd("EXISTS");
        exists.arg(keys::Queue(queue).key("paused"));
        let found = self.control.command::<u64>(&exists, "EXISTS").await;
        found.ok().map(|found| found > 0)
    }

    async fn is_set_to(&self) -> Option<SetTo> {
        let mut get = redis::cmd("CONFIG");
        get.arg("GET").arg("max*");
        let asked = self
            .control
            .command::<BTreeMap<String, String>>(&get, "CONFIG GET");
        let mut settings = asked.await.ok()?;
        let mut acl = redis::cmd("ACL");
        let asked = self
            .control
            .command::<Vec<String>>(acl.arg("LIST"), "ACL LIST");
        let users = asked.await.ok()?.join("\n");
        let info = self.control.info().await.ok()?;
        let of_info = |name: &str| {
            let mut lines = info.lines().filter_map(|line| line.split_once(':'));
            lines.find_map(|(field, value)| (field == name).then(|| value.trim().to_owned()))
        };
        let mut found = BTreeMap::from([(USERS, users)]);
        for name in [MAXMEMORY, MAXCLIENTS, POLICY] {
            found.extend(settings.remove(name).map(|value| (name, value)));
        }
        for name in [ROLE, PAUSED] {
            found.extend(of_info(name).map(|value| (name, value)));
        }
        let used_bytes = of_info("used_memory").and_then(|bytes| bytes.parse().ok());
        Some(SetTo {
            settings: found,
            used_bytes: used_bytes.unwrap_or(0),
            users: Counted::by(&self.control, of_info("run_id")).await,
        })
    }

    async fn who_works(&self) -> Option<Vec<ServerInfo>> {
        let inspector = Inspector::new(self.control.clone());
        let list = inspector.servers(self.now).await.ok()?;
        Some(list.servers.into_iter().map(|server| server.info).collect())
    }

    async fn longest_wait_ns(&self, queues: &BTreeSet<String>) -> Option<i64> {
        let inspector = Inspector::new(self.control.clone());
        let mut longest_ns = 0;
        for queue in queues {
            let info = inspector.queue_info(queue, self.now).await.ok()?;
            longest_ns = longest_ns.max(info.latency_ns);
        }
        Some(longest_ns)
    }
}
