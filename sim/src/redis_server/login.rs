//! Who may do what in a Redis of ours: the drill everything, anybody else of the machine no more than look.
//!
//! A hand from outside that changes a task's fields leaves nothing to see it by, so it is kept out. Looking at a drill
//! under way, with redis-cli or asynq's own command line, harms nothing.

use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};

/// The drill's own user (ACL, Redis 6.0).
pub(crate) const USER: &str = "firedrill";
/// What whoever does not log in may do: read, by scripts too, as asynq's inspector does.
const LOOKS: &str = "on nopass ~* &* -@all +@read +ping +hello +auth +select +echo +quit +info +time +command \
                     +client|id +client|getname +client|setname +eval +evalsha";

/// The drill's user and its password. Printed without it.
#[derive(Clone)]
pub(super) struct Login {
    password: String,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Login(***)")
    }
}

impl Login {
    /// With a password nobody knows.
    pub(super) fn new() -> Self {
        Self { password: secret() }
    }

    /// Lines for Redis' configuration. `others_look`: whether whoever does not log in may look, or do nothing at all.
    pub(super) fn config(&self, others_look: bool) -> String {
        let others = if others_look { LOOKS } else { "off" };
        format!(
            "user default {others}\nuser {USER} on >{} ~* &* +@all\n",
            self.password
        )
    }

    /// As a command of Redis' protocol.
    pub(super) fn command(&self) -> String {
        format!("AUTH {USER} {}\r\n", self.password)
    }

    /// `user:password`, as in a URL.
    pub(super) fn in_url(&self) -> String {
        format!("{USER}:{}", self.password)
    }
}

/// 128 bits nobody can guess, from the system's randomness.
pub(super) fn secret() -> String {
    let bits = || RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", bits(), bits())
}
