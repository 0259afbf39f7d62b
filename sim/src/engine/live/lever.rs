//! Carries levers out for real, each with a look at its effect: asynchronous, and bounded.

mod locks;
mod process;
pub(super) mod redis;
mod tasks;

use super::LiveError;
use super::child::{Effect, Told};
use super::director::Seen;
use super::link::Pulled;
use super::replica::Replica;
use super::scraper::{Page, Place};
use super::stand::{AtWork, Stand};
use crate::agenda::{Turn, What, over};
use crate::audit::REDIS;
use crate::lever::{Lever, LinkLever, PointLever, QueueLever};
use crate::undo::Undo;
use firedrill_asynq::broker::redis::address::Way;
use firedrill_asynq::keys;
use firedrill_asynq::op::{Op, Reply};
use std::time::Duration;

/// Pause between looks, real time.
const LOOK_AGAIN: Duration = Duration::from_millis(5);
/// What no protobuf begins with.
const GARBLED: &str = "\u{ff}garbled";
/// Puts tasks with a message at the end of a list from which workers take; answers how many it put there.
const GARBLE: &str = "for i = 2, #ARGV do \
    redis.call('HSET', KEYS[2] .. ARGV[i], 'msg', ARGV[1], 'state', 'pending') \
    redis.call('RPUSH', KEYS[1], ARGV[i]) end return #ARGV - 1";

impl Stand {
    /// What an operator does to a queue by hand.
    pub(super) async fn pull_queue(&mut self, name: &str, what: QueueLever, turn: Turn) -> Seen {
        let queue = name.to_owned();
        let (op, done) = match what {
            QueueLever::Garble { count } => return Some(self.garble(name, count, turn).await),
            QueueLever::LoseLeases => return self.lose_leases(name, turn).await,
            QueueLever::Pause => (
                Op::Pause {
                    queue,
                    now: self.clock.now(),
                },
                "paused",
            ),
            QueueLever::Unpause => (Op::Unpause { queue }, "unpaused"),
        };
        if what == QueueLever::Pause {
            self.roster.pauses(name, true);
        }
        let answer = self.control.call(op).await;
        if what == QueueLever::Unpause {
            self.roster.pauses(name, false);
        }
        Some(match answer {
            Ok(Reply::Changed(true)) => (true, format!("queue {name} is {done}")),
            Ok(_) => {
                // Somebody else has done it, and it is theirs to undo.
                let theirs = Undo::Unpause {
                    redis: self.place.clone(),
                    queue: name.to_owned(),
                };
                match self.journal.settle(&[theirs]) {
                    Ok(()) => (
                        turn.ends_nothing(&self.plan),
                        format!("queue {name} was {done} already"),
                    ),
                    Err(error) => (false, error.to_string()),
                }
            }
            Err(error) => (false, error.to_string()),
        })
    }

    /// Deletes the set of a queue's leases as soon as there is one, beside all else.
    async fn lose_leases(&mut self, queue: &str, turn: Turn) -> Seen {
        let What::Begin(step) = turn.what else {
            return Some((true, "by itself".to_owned()));
        };
        self.roster.loses_leases(queue);
        let key = keys::Queue(queue).key("lease");
        let (control, clock, told) = (self.control.clone(), self.clock, self.told.clone());
        let watch = async move {
            let mut delete = ::redis::cmd("DEL");
            delete.arg(key);
            loop {
                // A set that is empty is not there.
                let deleted = control.command::<u64>(&delete, "DEL").await;
                if deleted == Ok(1) {
                    let _ = told.send(Told::Effect(Effect {
                        process: REDIS.to_owned(),
                        step,
                        at: clock.now(),
                    }));
                    return;
                }
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        self.settings.leases = Some(AtWork(tokio::spawn(watch)));
        None
    }

    /// Puts messages that nobody can decode where workers find them next.
    async fn garble(&self, queue: &str, count: u32, turn: Turn) -> (bool, String) {
        let What::Begin(step) = turn.what else {
            return (true, "by itself".to_owned());
        };
        self.roster.loses_leases(queue);
        let of = keys::Queue(queue);
        let ids = self.plan.garbled_ids(step);
        let mut put = ::redis::cmd("EVAL");
        put.arg(GARBLE)
            .arg(2)
            .arg(of.key("pending"))
            .arg(of.task_prefix())
            .arg(GARBLED);
        for id in &ids {
            put.arg(id);
        }
        match self.control.command::<u32>(&put, "EVAL").await {
            Ok(there) => (
                there == count,
                format!("{there} of {count} messages put into {queue}"),
            ),
            Err(error) => (false, error.to_string()),
        }
    }

    /// Exporters are gone from now on, or there again.
    pub(super) async fn pull_exporters(
        &mut self,
        there: bool,
        instances: &[String],
    ) -> Result<(bool, String), LiveError> {
        let mut seen = 0;
        for instance in instances {
            let Some((number, source)) = self.targets_file.exporter(instance) else {
                continue;
            };
            if !there {
                self.roster.reaches(instance, false);
                self.exporters.end(number);
            } else {
                let place = self.exporters.serve(number, source).await;
                let place = place.map_err(|error| LiveError::System("exporter port", error))?;
                self.addresses.set(number, place);
                self.roster.reaches(instance, true);
            }
            let answers = match self.addresses.get(number) {
                Some(Page::Ours(Place { address, .. })) => {
                    tokio::net::TcpStream::connect(address).await.is_ok()
                }
                // Exporters are ours.
                Some(Page::Named(_)) | None => false,
            };
            seen += usize::from(answers == there);
        }
        self.tell_addresses()?;
        let what = if there { "there again" } else { "gone" };
        let all = instances.len();
        Ok((seen == all, format!("{seen} of {all} {what}")))
    }

    /// Targets answer so much later from now on.
    pub(super) fn pull_slow_scrapes(&self, ms: i64, instances: &[String]) -> (bool, String) {
        for instance in instances {
            self.roster.reaches(instance, ms == 0);
        }
        let hit = self.targets_file.numbers(instances);
        hit.iter()
            .for_each(|target| self.addresses.slow(*target, ms));
        let what = if ms == 0 { "at once again" } else { "late" };
        let (hit, all) = (hit.len(), instances.len());
        (hit == all, format!("{hit} of {all} answer {what}"))
    }

    /// Links lead to a node that is a replica: the one there is, or a new one.
    async fn demote(&mut self, clients: &[String]) -> (bool, String) {
        if self.replica.is_none() {
            match Replica::of(&self.redis, self.plan.seed).await {
                Ok(replica) => self.replica = Some(replica),
                Err(error) => return (false, error.to_string()),
            }
        }
        let Some(replica) = &self.replica else {
            return (false, "there is no replica".to_owned());
        };
        let led = self
            .links
            .lead(clients, Some(&Way::Socket(replica.server.socket())));
        let all = clients.len();
        match replica.server.tell("SET firedrill:probe 1 PX 1") {
            Err(error) if error.to_string().contains("READ") && led == all => (
                true,
                format!("{led} of {all} links lead to a replica; it refuses writes"),
            ),
            Err(error) => (false, error.to_string()),
            Ok(()) => (false, "it takes writes".to_owned()),
        }
    }

    /// Targets are out of Prometheus' reach from now on, or no longer.
    pub(super) fn pull_scrape(&self, reachable: bool, instances: &[String]) -> (bool, String) {
        for instance in instances {
            self.roster.reaches(instance, reachable);
        }
        let hit = self.targets_file.numbers(instances);
        hit.iter()
            .for_each(|target| self.addresses.reach(*target, reachable));
        let what = if reachable {
            "reached again"
        } else {
            "out of reach"
        };
        let (hit, all) = (hit.len(), instances.len());
        (hit == all, format!("{hit} of {all} {what}"))
    }

    /// A rule about calls is on from now on: it is told when it hits one.
    pub(super) fn pull_point(&self, lever: PointLever, turn: Turn, clients: &[String]) -> Seen {
        let (PointLever::Set(rule), What::Begin(index)) = (lever, turn.what) else {
            // Withdrawn with the end of its step.
            return Some((true, "rule withdrawn".to_owned()));
        };
        if !rule.then.kills() {
            clients
                .iter()
                .for_each(|client| self.roster.leaves_way(client));
        }
        let id = &self.plan.timeline[index].id;
        self.links.set((index, id), rule, clients, self.plan.seed);
        None
    }

    /// The rules of steps that end are withdrawn.
    pub(super) fn lift_points(&self, turn: Turn) {
        for step in turn.ends(&self.plan) {
            if self.links.lift(step) {
                let clients = &self.plan.timeline[step].targets;
                clients
                    .iter()
                    .for_each(|client| self.roster.has_way(client));
            }
        }
    }

    /// Clients that find Redis anew find the primary, and leases that come later are let be.
    pub(super) fn leads_home(&mut self, turn: Turn) {
        for step in turn.ends(&self.plan) {
            let step = &self.plan.timeline[step];
            if let Lever::Queue {
                what: QueueLever::LoseLeases,
                ..
            } = step.fault.begin()
            {
                self.settings.leases = None;
            }
            if step.fault.begin() == Lever::Link(LinkLever::Demote) {
                self.links.lead(&step.targets, None);
                step.targets
                    .iter()
                    .for_each(|client| self.roster.has_way(client));
            }
        }
    }

    /// What is over by itself; and whether processes have died of it that were to.
    pub(super) fn has_died_of(&self, turn: Turn) -> (bool, String) {
        let What::End(step) = turn.what else {
            return (true, "by itself".to_owned());
        };
        over(&self.plan, step, self.roster.deaths_of(step))
    }

    /// The clocks of steps that end are right again.
    pub(super) fn clocks_are_right(&self, turn: Turn) {
        for step in turn.ends(&self.plan) {
            let step = &self.plan.timeline[step];
            if let Lever::Clock(_) = step.fault.begin() {
                step.targets
                    .iter()
                    .for_each(|process| self.roster.has_way(process));
            }
        }
    }

    /// The links of clients, each looked at.
    pub(super) async fn pull_link(
        &mut self,
        lever: LinkLever,
        clients: &[String],
    ) -> (bool, String) {
        for client in clients.iter().filter(|_| lever != LinkLever::Heal) {
            self.roster.leaves_way(client);
        }
        if lever == LinkLever::Demote {
            return self.demote(clients).await;
        }
        let Pulled {
            seen,
            trouble,
            others,
        } = self.links.pull(lever, clients, self.clock).await;
        self.tells_of_proxy(&others);
        for client in clients.iter().filter(|_| lever == LinkLever::Heal) {
            self.roster.has_way(client);
        }
        let all = clients.len();
        let what = match lever {
            LinkLever::Delay { .. } => "slow",
            LinkLever::Drop { .. } => "cut",
            LinkLever::Throttle { .. } => "thin",
            LinkLever::Slice { .. } => "sliced",
            LinkLever::Demote => "led to a replica",
            LinkLever::Reset => "reset",
            LinkLever::Heal => "as before",
        };
        let trouble = trouble.map_or(String::new(), |why| format!("; {why}"));
        (
            seen == all,
            format!("{seen} of {all} links {what}{trouble}"),
        )
    }
}
