//! Who may do what in a Redis of ours: the drill everything, anybody else of the machine no more than look.
//!
//! A hand from outside that changes a task's fields leaves nothing to see it by, so it is kept out. Looking at a drill
//! under way, with redis-cli or asynq's own command line, harms nothing.

use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};

/// The drill's own user (ACL, Redis 6.0).
pub(crate) const USER: &str = "firedrill";
/// How long a replica and its primary bear it to hear nothing of each other, real seconds: longer than any drill.
pub(crate) const HEARS_NOTHING_S: u32 = 1_000_000;
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

    /// A line for Redis' configuration. What others may do is said later, by [`Self::restriction`]: a server that loads its
    /// append-only file does so as the default user, and what that one may not do is not loaded (`execCommand` in
    /// `multi.c`).
    pub(super) fn config(&self) -> String {
        format!("user {USER} on >{} ~* &* +@all\n", self.password)
    }

    /// Lines for the configuration of a replica whose primary is at a port of this machine. One that hears nothing does not
    /// hang up: it falls behind.
    pub(super) fn follows(&self, port: u16) -> String {
        format!(
            "masteruser {USER}\nmasterauth {}\nreplicaof 127.0.0.1 {port}\nrepl-timeout {HEARS_NOTHING_S}\n",
            self.password
        )
    }

    /// What a client says first.
    pub(super) fn command(&self) -> String {
        format!("AUTH {USER} {}", self.password)
    }

    /// What tells a server that has loaded its data what others may do; it answers `+OK` twice.
    pub(super) fn restriction(&self) -> String {
        format!(
            "AUTH {USER} {}\r\nACL SETUSER default reset {LOOKS}\r\n",
            self.password
        )
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
