//! What there is in a live drill, and what levers act upon: Redis, the worker processes, where targets are.

use super::LiveError;
use super::child::Told;
use super::downstream::Downstream;
use super::exporter::Exporters;
use super::fleet::Fleet;
use super::link::Links;
use super::newcomers::Newcomers;
use super::proxied::Proxied;
use super::replica::Replica;
use super::scraper::Addresses;
use super::targets_file::TargetsFile;
use super::uptime::Uptime;
use super::watch::Roster;
use crate::agenda::{Turn, What};
use crate::lever::Lever;
use crate::plan::Plan;
use crate::plan::TARGETS_FILE;
use crate::redis_server::private::PrivateRedis;
use crate::undo::{Journal, Where};
use firedrill_asynq::broker::redis::RedisBroker;
use firedrill_asynq::clock::{ClockOrigin, Time};
use firedrill_reports::record::{Mark, Meddling};
use std::collections::{BTreeMap, BTreeSet};
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
    /// Who looks at a proxy of the team's, where there is one.
    pub(super) proxied: Option<Proxied>,
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
    /// Steps that were left out because nobody may do them any more.
    pub(super) left_out: BTreeSet<usize>,
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
    /// Why a turn must not be taken: whoever owns what it is done to agrees no longer. What undoes is done all the same, unless there is
    /// nothing to undo.
    pub(super) async fn forbids(&self, turn: Turn) -> Option<String> {
        let lever = turn.lever(&self.plan)?;
        if !matches!(lever, Lever::Process(_) | Lever::Members { .. }) {
            return None;
        }
        let ends = turn.ends(&self.plan);
        let undoes = ends.iter().any(|step| !self.left_out.contains(step));
        match undoes {
            true => None,
            false => self.fleet.withdrawn().await,
        }
    }

    /// A turn is not taken; answers its marks.
    pub(super) fn leaves_out(&mut self, turn: Turn, why: String) -> Vec<Mark> {
        if let What::Begin(step) = turn.what {
            self.left_out.insert(step);
        }
        turn.marks(&self.plan, super::since_start(self.clock), false, why)
    }

    /// What the team's workers do not do while nothing is due ends no drill: it is told.
    ///
    /// # Errors
    /// Any other.
    pub(super) fn bears<T>(&self, done: Result<T, LiveError>) -> Result<Option<T>, LiveError> {
        match done {
            Ok(done) => Ok(Some(done)),
            Err(error) => {
                let saw = self.fleet.bears(error)?;
                let (what, whose) = (Meddling::Unreachable, "the team's workers");
                self.roster.tell(what, whose, self.clock.now(), None, saw);
                Ok(None)
            }
        }
    }

    /// Tells whoever scrapes beside the drill where targets are now.
    pub(super) fn tell_addresses(&self) -> Result<(), LiveError> {
        let written = self.targets_file.write(&self.addresses);
        written.map_err(|error| LiveError::System(TARGETS_FILE, error))
    }
}
