//! `handler.deadlock`: two locks, taken in opposite order.

use super::{Definition, Harm};
use crate::form::form;
use crate::lever::{Class, HandlerLever, Lever, On};
use serde::{Deserialize, Serialize};

form! {
    /// Handlers lock each other out for good.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct HandlerDeadlock: "handler.deadlock" {}
}


impl Definition for HandlerDeadlock {
    const ON: On = On::Workers;
    const CLASS: Class = Class::Irreversible;
    const CAUSES: &'static [&'static str] = &["deadlock", "other"];
    const REMEDIES: &'static [&'static str] = &["worker.restart"];
    const STATE: &'static str = "deadlocked";

    fn begin(&self) -> Lever {
        Lever::Handler(HandlerLever::Deadlock)
    }

    fn harm(&self) -> Harm<'_> {
        Harm::Processes
    }

    fn slots_needed(&self) -> u32 {
        2
    }
}
