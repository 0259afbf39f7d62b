//! What the users of Redis may do.

use crate::engine::live::stand::Stand;
use crate::lever::Denied;

impl Stand {
    /// What the clients' user may do from now on.
    pub(super) async fn permit(&self, rule: &str) -> Result<(), String> {
        let mut who = redis::cmd("ACL");
        who.arg("WHOAMI");
        let user = self.control.command::<String>(&who, "ACL WHOAMI").await;
        let user = user.map_err(|error| error.to_string())?;
        let mut set = redis::cmd("ACL");
        set.arg("SETUSER").arg(user).arg(rule);
        let done = self.control.command::<redis::Value>(&set, "ACL SETUSER");
        done.await.map(drop).map_err(|error| error.to_string())
    }

    /// Tries what is denied.
    pub(in crate::engine::live) async fn tries_what_is_denied(
        &self,
        denied: Denied,
    ) -> Result<(), String> {
        match denied {
            Denied::Scripting => self.run("return 1").await,
            Denied::Write => self.write().await,
        }
    }
}
