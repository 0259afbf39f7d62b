//! What there is in a live drill, and what levers act upon: Redis, the worker processes, where targets are.

use super::LiveError;
use super::downstream::Downstream;
use super::fleet::Fleet;
use super::link::Links;
use super::scraper::Addresses;
use super::targets_file::TargetsFile;
use super::uptime::Uptime;
use super::watch::Roster;
use crate::plan::Plan;
use crate::plan::TARGETS_FILE;
use crate::redis_server::private::PrivateRedis;
use crate::undo::{Journal, Where};
use firedrill_asynq::broker::redis::RedisBroker;
use firedrill_asynq::clock::ClockOrigin;
use std::sync::Arc;

/// See the module. Dropping it ends all of it.
pub(super) struct Stand {
    pub(super) plan: Arc<Plan>,
    pub(super) clock: ClockOrigin,
    pub(super) redis: PrivateRedis,
    /// A connection of the director's own, for what operators do by hand.
    pub(super) control: RedisBroker,
    /// Between Redis and the clients that the plan does something to.
    pub(super) links: Links,
    pub(super) fleet: Fleet,
    /// What all of them share, if they share anything; it goes with the stand.
    #[expect(dead_code, reason = "held, so that it is there")]
    pub(super) downstream: Option<Downstream>,
    pub(super) addresses: Addresses,
    pub(super) targets_file: TargetsFile,
    pub(super) uptime: Uptime,
    /// Told before anything is done to anybody.
    pub(super) roster: Roster,
    /// What is to be undone is written here before it is done.
    pub(super) journal: Journal,
    /// What the journal calls the drill's Redis.
    pub(super) place: Where,
}

impl Stand {
    /// Tells whoever scrapes beside the drill where targets are now.
    pub(super) fn tell_addresses(&self) -> Result<(), LiveError> {
        let written = self.targets_file.write(&self.addresses);
        written.map_err(|error| LiveError::System(TARGETS_FILE, error))
    }
}
