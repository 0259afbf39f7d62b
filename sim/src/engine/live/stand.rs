//! What there is in a live drill, and what levers act upon: Redis, the worker processes, where targets are.

use super::LiveError;
use super::child::Told;
use super::downstream::Downstream;
use super::exporter::Exporters;
use super::fleet::Fleet;
use super::link::Links;
use super::newcomers::Newcomers;
use super::replica::Replica;
use super::scraper::Addresses;
use super::targets_file::TargetsFile;
use super::uptime::Uptime;
use super::watch::Roster;
use crate::plan::Plan;
use crate::plan::TARGETS_FILE;
use crate::redis_server::private::PrivateRedis;
use crate::undo::{Journal, Where};
use firedrill_asynq::broker::redis::RedisBroker;
use firedrill_asynq::clock::{ClockOrigin, Time};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinHandle;

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
    /// Who else works on its Redis, where that makes it prove nothing.
    pub(super) newcomers: Option<Newcomers>,
    /// What all of them share, if they share anything; it goes with the stand.
    #[expect(dead_code, reason = "held, so that it is there")]
    pub(super) downstream: Option<Downstream>,
    pub(super) addresses: Addresses,
    pub(super) targets_file: TargetsFile,
    pub(super) uptime: Uptime,
    pub(super) exporters: Exporters,
    /// Told before anything is done to anybody.
    pub(super) roster: Roster,
    /// What is to be undone is written here before it is done.
    pub(super) journal: Journal,
    /// What the journal calls the drill's Redis.
    pub(super) place: Where,
    /// Where effects are told that are felt later.
    pub(super) told: UnboundedSender<Told>,
    /// What is done to Redis, as long as it is.
    pub(super) settings: Settings,
    /// A replica of its Redis, until it is promoted.
    pub(super) replica: Option<Replica>,
}

/// What levers have made of Redis.
#[derive(Default)]
pub(super) struct Settings {
    /// `maxmemory` as it was set last.
    pub(super) maxmemory: Option<u64>,
    /// Waits for the limit of its memory to be reached.
    pub(super) limit: Option<AtWork>,
    /// Waits for leases that it deletes.
    pub(super) leases: Option<AtWork>,
    /// A script of ours that keeps it busy.
    pub(super) script: Option<AtWork>,
    /// `maxclients` as it was.
    pub(super) max_clients: Option<String>,
    /// Whether commands are forbidden.
    pub(super) denies: bool,
    /// When what was kept of its data was kept, by step.
    pub(super) kept: BTreeMap<usize, Time>,
}

/// A task that ends when it is dropped.
pub(super) struct AtWork(pub(super) JoinHandle<()>);

impl Drop for AtWork {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Stand {
    /// Tells whoever scrapes beside the drill where targets are now.
    pub(super) fn tell_addresses(&self) -> Result<(), LiveError> {
        let written = self.targets_file.write(&self.addresses);
        written.map_err(|error| LiveError::System(TARGETS_FILE, error))
    }
}
