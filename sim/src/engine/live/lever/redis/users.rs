//! What the users of Redis may do.

use super::scripts::run;
use super::writes;
use crate::engine::live::stand::Stand;
use crate::lever::Denied;
use firedrill_asynq::broker::redis::RedisBroker;

impl Stand {
    /// What the clients' user may do from now on.
    pub(super) async fn permit(&self, rule: &str) -> Result<(), String> {
        let mut who = redis::cmd("ACL");
        who.arg("WHOAMI");
        let user = self.control.command::<String>(&who, "ACL WHOAMI").await;
        let user = user.map_err(|error| error.to_string())?;
        let mut set = redis::cmd("ACL");
        set.arg("SETUSER").arg(user).arg(rule);
        self.roster.changes_users(1);
        let done = self
            .control
            .command::<redis::Value>(&set, "ACL SETUSER")
            .await;
        if done.is_err() {
            self.roster.changes_users(-1);
        }
        done.map(drop).map_err(|error| error.to_string())
    }

    pub(super) async fn tries_what_is_denied(&self, denied: Denied) -> Result<(), String> {
        does(&self.control, denied).await
    }
}

/// Tries what is denied.
pub(in crate::engine::live) async fn does(
    control: &RedisBroker,
    denied: Denied,
) -> Result<(), String> {
    match denied {
        Denied::Scripting => run(control, "return 1").await,
        Denied::Write => writes(control).await,
    }
}
