//! What there is in a live drill, and what levers act upon: Redis, the worker processes, where targets are.

use super::LiveError;
use super::fleet::Fleet;
use super::scraper::Addresses;
use super::targets_file::{TARGETS_FILE, TargetsFile};
use super::uptime::Uptime;
use super::watch::Roster;
use crate::plan::Plan;
use crate::redis_server::private::PrivateRedis;
use firedrill_asynq::broker::redis::RedisBroker;
use firedrill_asynq::clock::ClockOrigin;
use std::sync::Arc;

/// See the module. Dropping it ends all of it.
pub(crate) struct Stand {
    pub(crate) plan: Arc<Plan>,
    pub(crate) clock: ClockOrigin,
    pub(crate) redis: PrivateRedis,
    /// A connection of the director's own, for what operators do by hand.
    pub(crate) control: RedisBroker,
    pub(crate) fleet: Fleet,
    pub(crate) addresses: Addresses,
    pub(crate) targets_file: TargetsFile,
    pub(crate) uptime: Uptime,
    /// Told before anything is done to anybody.
    pub(crate) roster: Roster,
}

impl Stand {
    /// Tells whoever scrapes beside the drill where targets are now.
    pub(crate) fn tell_addresses(&self) -> Result<(), LiveError> {
        let written = self.targets_file.write(&self.addresses);
        written.map_err(|error| LiveError::System(TARGETS_FILE, error))
    }
}
