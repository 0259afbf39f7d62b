//! Workers that people start beside the drill's own: told, and a remedy where they clear what has piled up.

use crate::engine::live::newcomers::{has_joined, name};
use crate::engine::live::stand::Stand;
use crate::lever::{Lever, ProcessLever};
use crate::plan::{Plan, Step};
use firedrill_asynq::message::ServerInfo;
use firedrill_reports::record::{Action, Deed};
use std::collections::{BTreeMap, BTreeSet};

/// Tasks that wait longer have piled up, nanoseconds.
const PILED_UP_NS: i64 = 1_000_000_000;

/// Workers that are not the drill's, and what they have come to.
#[derive(Default)]
pub(super) struct Strangers {
    /// Those that are there, by their server's id.
    there: BTreeMap<String, ServerInfo>,
    /// Steps since whose beginning tasks were seen to pile up.
    piled_up: BTreeSet<usize>,
    /// Steps that they have made up for, and what was seen of that.
    relieved: BTreeMap<usize, String>,
}

impl Strangers {
    /// Those that are there now; answers who has come, and who has gone, each with what is said of it.
    fn see(&mut self, now: Vec<ServerInfo>) -> Vec<(String, String)> {
        let now = now.into_iter().map(|info| (info.server_id.clone(), info));
        let before = std::mem::replace(&mut self.there, now.collect());
        let come = self
            .there
            .iter()
            .filter(|(id, _)| !before.contains_key(*id));
        let come = come.map(|(_, info)| (name(info), has_joined(info)));
        let gone = before
            .iter()
            .filter(|(id, _)| !self.there.contains_key(*id));
        let gone = gone.map(|(_, info)| {
            let said = "a worker that the drill did not start is gone".to_owned();
            (name(info), said)
        });
        come.chain(gone).collect()
    }

    /// Whether each of these queues is served by one of them.
    fn serve(&self, queues: &BTreeSet<String>) -> bool {
        let is_served = |queue: &String| {
            let mut there = self.there.values();
            there.any(|info| info.status == "active" && info.queues.contains_key(queue))
        };
        queues.iter().all(is_served)
    }

    /// What was seen of a step that they have made up for.
    pub(super) fn relieved(&self, step: usize) -> Option<&String> {
        self.relieved.get(&step)
    }

    /// For how long tasks wait in the queues of a step that has workers away: whether they pile up, and whether strangers have
    /// cleared that.
    pub(super) fn see_backlog(&mut self, step: usize, queues: &BTreeSet<String>, waits_ns: i64) {
        if waits_ns > PILED_UP_NS {
            self.piled_up.insert(step);
            self.relieved.remove(&step);
        } else if !queues.is_empty() && self.piled_up.contains(&step) && self.serve(queues) {
            let queues: Vec<&str> = queues.iter().map(String::as_str).collect();
            let saw = format!(
                "workers that the drill did not start serve {}; nothing waits there any longer",
                queues.join(", ")
            );
            self.relieved.insert(step, saw);
        }
    }
}

/// The queues of which a step takes workers away; empty: it does not.
pub(super) fn bereft(step: &Step, plan: &Plan) -> BTreeSet<String> {
    let takes_away = matches!(
        step.fault.begin(),
        Lever::Process(
            ProcessLever::Kill
                | ProcessLever::Stop
                | ProcessLever::Terminate { .. }
                | ProcessLever::Quiet
                | ProcessLever::Throttle { .. }
                | ProcessLever::Deploy { .. }
        )
    );
    let processes = plan.processes().into_iter();
    let hit = processes.filter(|(name, _)| takes_away && step.targets.contains(name));
    hit.flat_map(|(_, worker)| worker.serves().map(str::to_owned).collect::<Vec<_>>())
        .collect()
}

impl Stand {
    /// Who of those who work is none of the drill's; answers who of them has come or gone.
    pub(super) async fn look_for_strangers(
        &mut self,
        strangers: &mut Strangers,
        servers: Vec<ServerInfo>,
        now_ms: i64,
    ) -> Vec<Action> {
        self.fleet.learn_hosts().await;
        let mut there = servers;
        there.retain(|info| !self.fleet.knows(info));
        let actions = strangers
            .see(there)
            .into_iter()
            .map(|(subject, text)| Action {
                at_ms: now_ms,
                what: Deed::Seen,
                subject,
                text,
                step: None,
            });
        actions.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(id: &str, queue: &str) -> ServerInfo {
        ServerInfo {
            host: "desk".to_owned(),
            pid: 7,
            server_id: id.to_owned(),
            queues: BTreeMap::from([(queue.to_owned(), 1)]),
            status: "active".to_owned(),
            ..ServerInfo::default()
        }
    }

    #[test]
    fn who_comes_and_goes_is_told_once() {
        let mut strangers = Strangers::default();
        assert!(strangers.see(Vec::new()).is_empty());
        let told = strangers.see(vec![server("a", "low")]);
        let said = "a worker that the drill did not start has joined; it serves low";
        assert_eq!(told, [("desk:7".to_owned(), said.to_owned())]);
        assert!(strangers.see(vec![server("a", "low")]).is_empty());
        let queues = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        assert!(strangers.serve(&queues(&["low"])));
        assert!(!strangers.serve(&queues(&["low", "default"])));
        let told = strangers.see(vec![server("b", "default")]);
        let said: Vec<&str> = told.iter().map(|(_, said)| said.as_str()).collect();
        assert_eq!(
            said,
            [
                "a worker that the drill did not start has joined; it serves default",
                "a worker that the drill did not start is gone"
            ]
        );
        assert!(!strangers.serve(&queues(&["low"])));
    }
}
