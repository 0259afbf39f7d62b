//! Workers that people start beside the drill's own: told, and a remedy where they clear what has piled up.

use super::Hands;
use crate::engine::live::newcomers::{has_joined, name};
use crate::engine::live::stand::Stand;
use crate::lever::{Lever, ProcessLever};
use crate::plan::{Plan, Step};
use firedrill_asynq::inspector::Inspector;
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
}

/// The queues of which a step takes workers away; empty: it does not.
fn bereft(step: &Step, plan: &Plan) -> BTreeSet<String> {
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
    /// Asks Redis who works, and tells of those who are not the drill's. Where Redis does not say, nothing is told.
    pub(super) async fn look_for_strangers(
        &mut self,
        hands: &mut Hands,
        now_ms: i64,
    ) -> Vec<Action> {
        let inspector = Inspector::new(self.control.clone());
        let Ok(list) = inspector.servers(self.clock.now()).await else {
            return Vec::new();
        };
        self.fleet.learn_hosts().await;
        let infos = list.servers.into_iter().map(|server| server.info);
        let strangers = infos.filter(|info| !self.fleet.knows(info)).collect();
        let told = hands.strangers.see(strangers);
        self.look_at_backlogs(hands, &inspector).await;
        let actions = told.into_iter().map(|(subject, text)| Action {
            at_ms: now_ms,
            what: Deed::Seen,
            subject,
            text,
            step: None,
        });
        actions.collect()
    }

    /// Looks whether tasks pile up while a step has workers away, and whether strangers have cleared that.
    async fn look_at_backlogs(&self, hands: &mut Hands, inspector: &Inspector) {
        for step in hands.open.keys() {
            let queues = bereft(&self.plan.timeline[*step], &self.plan);
            let mut longest_ns = 0;
            for queue in &queues {
                match inspector.queue_info(queue, self.clock.now()).await {
                    Ok(info) => longest_ns = longest_ns.max(info.latency_ns),
                    Err(_) => return,
                }
            }
            let strangers = &mut hands.strangers;
            if longest_ns > PILED_UP_NS {
                strangers.piled_up.insert(*step);
                strangers.relieved.remove(step);
            } else if !queues.is_empty()
                && strangers.piled_up.contains(step)
                && strangers.serve(&queues)
            {
                let queues: Vec<&str> = queues.iter().map(String::as_str).collect();
                let saw = format!(
                    "workers that the drill did not start serve {}; nothing waits there any longer",
                    queues.join(", ")
                );
                strangers.relieved.insert(*step, saw);
            }
        }
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
