//! What people do to Redis itself: what it is set to is looked at now and then, and what has changed was their doing, as the
//! plan's turns are taken between two looks.

use super::asking::{MAXCLIENTS, MAXMEMORY, PAUSED, Proof, ROLE, SetTo, Settings, USERS};
use super::mended::goes_on;
use crate::audit::REDIS;
use crate::engine::live::stand::Stand;
use crate::lever::RedisLever;
use crate::signals;
use firedrill_reports::record::{Action, Deed};

/// What is known of what it is set to, since the plan did something to it last.
#[derive(Debug, Default)]
pub(super) struct Watched {
    /// Empty: it was not looked yet.
    found: Settings,
    used_bytes: u64,
    /// Whether people have changed what users may do.
    has_other_users: bool,
}

impl Watched {
    /// Takes in what is found, and how often others have changed its users; answers what has changed, in words.
    fn take(&mut self, found: Settings, others: i64) -> Vec<String> {
        let before = std::mem::replace(&mut self.found, found);
        let is_first = before.is_empty();
        let changed = self.found.iter().filter_map(|(name, now)| {
            let was = before.get(name).filter(|was| *was != now)?;
            Some((*name, was, now))
        });
        let mut told = Vec::new();
        let mut has_other_users = false;
        for (name, was, now) in changed {
            has_other_users |= name == USERS;
            told.push(match (name, now.as_str()) {
                (ROLE, "master") => "is a master again (REPLICAOF)".to_owned(),
                (ROLE, _) => "is a replica (REPLICAOF)".to_owned(),
                (PAUSED, "none") => {
                    "its clients go on (CLIENT UNPAUSE, or the pause is over)".to_owned()
                }
                (PAUSED, _) => "its clients are paused (CLIENT PAUSE)".to_owned(),
                // Passwords stand in it.
                (USERS, _) => "what its users may do was changed (ACL)".to_owned(),
                _ => format!("{name} is {now}, and was {was} (CONFIG SET)"),
            });
        }
        if others > 0 && !has_other_users {
            told.push(match is_first {
                true => "what its users may do was changed (ACL)".to_owned(),
                false => "what its users may do was changed, and is as it was (ACL)".to_owned(),
            });
        }
        if others > 1 {
            told.push(format!("its users were changed {others} times (ACL)"));
        }
        self.has_other_users |= has_other_users || others > 0;
        told
    }

    fn number(&self, name: &str) -> Option<u64> {
        self.found.get(name)?.parse().ok()
    }

    /// Takes in what Redis is set to; answers what people have changed in it since the last look.
    pub(super) fn see(&mut self, set_to: SetTo, others: i64, now_ms: i64) -> Vec<Action> {
        self.used_bytes = set_to.used_bytes;
        let told = self.take(set_to.settings, others).into_iter();
        told.map(|text| Action {
            at_ms: now_ms,
            what: Deed::Seen,
            subject: REDIS.to_owned(),
            text: format!("{text}, from outside"),
            step: None,
        })
        .collect()
    }
}

impl Stand {
    /// What people seem to have taken back of what was done to Redis, and what has yet to prove it; `None`: it is still on, or
    /// nobody can tell.
    pub(super) fn is_taken_back(
        &self,
        lever: RedisLever,
        watched: &Watched,
    ) -> Option<(String, Option<Proof>)> {
        Some(match lever {
            RedisLever::Fill | RedisLever::Limit { .. } => {
                let now = watched.number(MAXMEMORY)?;
                let has_room = now == 0 || now > watched.used_bytes;
                if self.settings.maxmemory == Some(now) || !has_room {
                    return None;
                }
                (format!("maxmemory is {now}"), None)
            }
            RedisLever::LimitClients { to } => {
                let now = watched.number(MAXCLIENTS)?;
                if now == u64::from(to) {
                    return None;
                }
                (format!("maxclients is {now}"), Some(Proof::Connects))
            }
            RedisLever::Demote => {
                if watched.found.get(ROLE)? != "master" {
                    return None;
                }
                ("is a master".to_owned(), Some(Proof::Writes))
            }
            RedisLever::Deny(denied) => {
                if !watched.has_other_users {
                    return None;
                }
                let found = "its users may do something else".to_owned();
                (found, Some(Proof::Does(denied)))
            }
            RedisLever::RunScript => {
                let script = self.settings.script.as_ref()?;
                if !script.0.is_finished() {
                    return None;
                }
                ("the script was ended".to_owned(), Some(Proof::Connects))
            }
            RedisLever::Stop => {
                if !goes_on(self.redis.pid()?) {
                    return None;
                }
                let answers = Proof::Answers(Box::pin(self.redis.seen()));
                ("SIGCONT".to_owned(), Some(answers))
            }
            _ => return None,
        })
    }

    /// People have taken back what was done to Redis.
    pub(super) fn has_been_set_right(&mut self, lever: RedisLever) {
        let settings = &mut self.settings;
        match lever {
            RedisLever::Fill | RedisLever::Limit { .. } => settings.limit = None,
            RedisLever::LimitClients { .. } => settings.max_clients = None,
            RedisLever::Deny(_) => settings.denies = false,
            RedisLever::RunScript => settings.script = None,
            RedisLever::Stop => self.redis.pid().into_iter().for_each(signals::forget),
            _ => {}
        }
        self.is_there();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(maxmemory: &str, role: &str, users: &str) -> Settings {
        let all = [(MAXMEMORY, maxmemory), (ROLE, role), (USERS, users)];
        all.map(|(name, value)| (name, value.to_owned())).into()
    }

    #[test]
    fn what_has_changed_is_told_once_and_no_password_is() {
        let mut watched = Watched::default();
        // Nothing is known of before.
        assert_eq!(
            watched.take(found("500", "slave", "user a >one"), 0),
            [""; 0]
        );
        assert_eq!(
            watched.take(found("0", "master", "user a >two"), 1),
            [
                "what its users may do was changed (ACL)",
                "maxmemory is 0, and was 500 (CONFIG SET)",
                "is a master again (REPLICAOF)",
            ]
        );
        assert!(watched.has_other_users);
        assert_eq!(
            watched.take(found("0", "master", "user a >two"), 0),
            [""; 0]
        );
        assert_eq!(
            watched.take(found("0", "master", "user a >two"), 2),
            [
                "what its users may do was changed, and is as it was (ACL)",
                "its users were changed 2 times (ACL)",
            ]
        );
    }
}
