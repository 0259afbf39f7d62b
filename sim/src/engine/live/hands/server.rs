//! What people do to Redis itself: what it is set to is looked at now and then, and what has changed was their doing, as the
//! plan's turns are taken between two looks.

use crate::audit::REDIS;
use crate::engine::live::stand::Stand;
use crate::lever::RedisLever;
use firedrill_reports::record::{Action, Deed};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

/// Real time between looks.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long it may take to tell: whoever acts waits for it.
const ANSWERS_WITHIN: Duration = Duration::from_millis(500);
const MAXMEMORY: &str = "maxmemory";
const MAXCLIENTS: &str = "maxclients";
const POLICY: &str = "maxmemory-policy";
const ROLE: &str = "role";
const PAUSED: &str = "paused_reason";
const USERS: &str = "ACL";

/// What is known of what it is set to, since the plan did something to it last.
#[derive(Debug, Default)]
pub(super) struct Watched {
    looked: Option<Instant>,
    /// By the names above; empty: it was not looked yet.
    found: BTreeMap<&'static str, String>,
    used_bytes: u64,
    /// Whether people have changed what users may do.
    has_other_users: bool,
}

impl Watched {
    /// Takes in what is found; answers what has changed, in words.
    fn take(&mut self, found: BTreeMap<&'static str, String>) -> Vec<String> {
        let before = std::mem::replace(&mut self.found, found);
        let changed = self.found.iter().filter_map(|(name, now)| {
            let was = before.get(name).filter(|was| *was != now)?;
            Some((*name, was, now))
        });
        let mut told = Vec::new();
        for (name, was, now) in changed {
            told.push(match (name, now.as_str()) {
                (ROLE, "master") => "is a master again (REPLICAOF)".to_owned(),
                (ROLE, _) => "is a replica (REPLICAOF)".to_owned(),
                (PAUSED, "none") => {
                    "its clients go on (CLIENT UNPAUSE, or the pause is over)".to_owned()
                }
                (PAUSED, _) => "its clients are paused (CLIENT PAUSE)".to_owned(),
                // Passwords stand in it.
                (USERS, _) => {
                    self.has_other_users = true;
                    "what its users may do was changed (ACL)".to_owned()
                }
                _ => format!("{name} is {now}, and was {was} (CONFIG SET)"),
            });
        }
        told
    }

    fn number(&self, name: &str) -> Option<u64> {
        self.found.get(name)?.parse().ok()
    }
}

impl Stand {
    /// What people have changed in Redis since the last look.
    pub(super) async fn look_at_redis(&self, watched: &mut Watched, now_ms: i64) -> Vec<Action> {
        let is_early = watched.looked.is_some_and(|at| at.elapsed() < LOOK_EVERY);
        // One that is stopped, or busy, would be waited for.
        if is_early || self.roster.is_silent() {
            return Vec::new();
        }
        watched.looked = Some(Instant::now());
        // People may have it say nothing, too.
        let told = tokio::time::timeout(ANSWERS_WITHIN, self.redis_is_set_to()).await;
        let Ok(Some((found, used_bytes))) = told else {
            return Vec::new();
        };
        watched.used_bytes = used_bytes;
        let told = watched.take(found).into_iter();
        told.map(|text| Action {
            at_ms: now_ms,
            what: Deed::Seen,
            subject: REDIS.to_owned(),
            text: format!("{text}, from outside"),
            step: None,
        })
        .collect()
    }

    /// What it is set to, and how many bytes it uses; `None`: it does not tell.
    async fn redis_is_set_to(&self) -> Option<(BTreeMap<&'static str, String>, u64)> {
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
        Some((found, used_bytes.unwrap_or(0)))
    }

    /// What is seen of something that was done to Redis and that people have taken back; `None`: it is still on, or nobody can
    /// tell.
    pub(super) async fn is_set_right(
        &mut self,
        lever: RedisLever,
        watched: &Watched,
    ) -> Option<String> {
        let saw = match lever {
            RedisLever::Fill | RedisLever::Limit { .. } => {
                let now = watched.number(MAXMEMORY)?;
                let has_room = now == 0 || now > watched.used_bytes;
                if self.settings.maxmemory == Some(now) || !has_room {
                    return None;
                }
                self.settings.limit = None;
                format!("maxmemory is {now}")
            }
            RedisLever::LimitClients { to } => {
                let now = watched.number(MAXCLIENTS)?;
                if now == u64::from(to) || self.connects_anew().await.is_err() {
                    return None;
                }
                self.settings.max_clients = None;
                format!("maxclients is {now}; accepts a new connection")
            }
            RedisLever::Demote => {
                let is_master = watched.found.get(ROLE)? == "master";
                if !is_master || self.write().await.is_err() {
                    return None;
                }
                "is a master; takes writes".to_owned()
            }
            RedisLever::Deny(denied) => {
                if !watched.has_other_users || self.tries_what_is_denied(denied).await.is_err() {
                    return None;
                }
                self.settings.denies = false;
                format!("{} is allowed", denied.category())
            }
            RedisLever::RunScript => {
                let script = self.settings.script.as_ref()?;
                if !script.0.is_finished() || self.connects_anew().await.is_err() {
                    return None;
                }
                self.settings.script = None;
                "the script was ended; answers".to_owned()
            }
            _ => return None,
        };
        self.is_there();
        Some(format!("{saw}, by what was done from outside"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(maxmemory: &str, role: &str, users: &str) -> BTreeMap<&'static str, String> {
        let all = [(MAXMEMORY, maxmemory), (ROLE, role), (USERS, users)];
        all.map(|(name, value)| (name, value.to_owned())).into()
    }

    #[test]
    fn what_has_changed_is_told_once_and_no_password_is() {
        let mut watched = Watched::default();
        // Nothing is known of before.
        assert_eq!(watched.take(found("500", "slave", "user a >one")), [""; 0]);
        assert_eq!(
            watched.take(found("0", "master", "user a >two")),
            [
                "what its users may do was changed (ACL)",
                "maxmemory is 0, and was 500 (CONFIG SET)",
                "is a master again (REPLICAOF)",
            ]
        );
        assert!(watched.has_other_users);
        assert_eq!(watched.take(found("0", "master", "user a >two")), [""; 0]);
    }
}
