//! Remedies that people name, for firedrill to do.

use super::{Hands, is_remedy, nearly};
use crate::agenda::{Agenda, Turn, What};
use crate::engine::live::since_start;
use crate::engine::live::stand::Stand;
use crate::lever::Lever;
use crate::plan::{Plan, Step};
use crate::rehearsal::OURS;
use firedrill_detector::text::printable;
use firedrill_reports::record::{Action, Deed};
use std::collections::BTreeMap;

impl Stand {
    /// Has a remedy done that people name: its turn in the plan is moved to now. Otherwise says that there is nothing for it to do.
    pub(in crate::engine::live) fn obey(
        &mut self,
        order: &str,
        hands: &mut Hands,
        agenda: &mut Agenda,
    ) {
        let now_ms = since_start(self.clock);
        let plan = self.plan.clone();
        let ways = hands
            .open
            .keys()
            .filter_map(|index| way(&plan, *index, order));
        let ways: Vec<Ordered> = ways.collect();
        let found = ways.iter().find_map(|way| match way {
            Ordered::Now(what) if agenda.hasten(*what, now_ms) => Some(*what),
            _ => None,
        });
        let Some(what) = found else {
            let why = match ways.first() {
                _ if !is_remedy(order) => match nearly(order) {
                    Some(name) => format!("no remedy is called so; did you mean `remedy {name}`?"),
                    None => "no remedy is called so; `firedrill faults` lists them".to_owned(),
                },
                // Why not would tell what is on, or that nothing is.
                _ if hands.blind => "firedrill does nothing by it now".to_owned(),
                Some(Ordered::Instead(name)) => {
                    format!(
                        "what is on is ended by `remedy {name}` here, if you have firedrill do it"
                    )
                }
                Some(Ordered::Now(_) | Ordered::InItsTime) => {
                    "firedrill cannot end what is on any earlier than the scenario does".to_owned()
                }
                None => "nothing is on that firedrill could end by it".to_owned(),
            };
            hands.tell(vec![Action {
                at_ms: now_ms,
                what: Deed::Noted,
                subject: OURS.to_owned(),
                text: format!("{}: {why}; it is noted", printable(order)),
                step: None,
            }]);
            return;
        };
        hands.ordered.push(what);
        let turn = Turn {
            at_ms: now_ms,
            what,
        };
        for step in turn.ends(&plan) {
            self.roster.mends(step, now_ms);
            let mended = plan.mended(&BTreeMap::from([(step, now_ms)]));
            for process in &plan.timeline[step].targets {
                self.fleet.starts_with(process, &mended);
            }
        }
    }
}

/// What comes of a remedy that people name, for a step that is on.
#[derive(Debug, PartialEq, Eq)]
enum Ordered {
    /// This turn is had now.
    Now(What),
    /// It would end the step, and the plan has another one for that.
    Instead(&'static str),
    /// Nobody can hurry its end.
    InItsTime,
}

/// See [`Ordered`]; `None`: the remedy is not one against this step.
fn way(plan: &Plan, index: usize, order: &str) -> Option<Ordered> {
    let step = &plan.timeline[index];
    let until = step.until.as_ref()?;
    let helps = step.fault.kind().remedies.contains(&order);
    let own = until
        .by
        .as_ref()
        .and_then(|by| plan.remedies.iter().position(|own| own.id == *by));
    let (planned, what) = match (&until.remedy, own) {
        (Some(remedy), _) => (Some(remedy.name()), What::End(index)),
        (None, Some(own)) => (Some(plan.remedies[own].remedy.name()), What::Remedy(own)),
        (None, None) => (None, What::End(index)),
    };
    match planned {
        Some(planned) if planned != order => helps.then_some(Ordered::Instead(planned)),
        // It ends by itself, which is had earlier.
        None if !helps => None,
        _ if can_be_hurried(step) => Some(Ordered::Now(what)),
        _ => Some(Ordered::InItsTime),
    }
}

/// Whether the end of this fault can be had earlier: that of what is done at a moment, or of what workers know from the plan
/// that they are started with. What the producer or a resource does by the plan's clock, nobody can hurry.
fn can_be_hurried(step: &Step) -> bool {
    !matches!(
        step.fault.begin(),
        Lever::Load(_)
            | Lever::Again { .. }
            | Lever::Resource { .. }
            | Lever::Locks { .. }
            | Lever::Members { .. }
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{PlanOptions, Scenario};

    fn plan(text: &str) -> Plan {
        let scenario = Scenario::parse("s.yaml", text).unwrap();
        Plan::resolve(&scenario, &PlanOptions::default()).unwrap()
    }

    const CRASH: &str =
        include_str!("../../../../../scenarios/worker-crashed/worker-crash-all.yaml");
    const POOLS: &str =
        include_str!("../../../../../scenarios/resource-exhaustion/db-pool-exhaustion.yaml");

    #[test]
    fn a_turn_that_people_ask_for_is_the_next_one_and_comes_once() {
        let plan = plan(CRASH);
        let mut agenda = Agenda::new(&plan);
        let begun = agenda.take(1_800_000).unwrap();
        assert_eq!(begun.what, What::Begin(0));
        assert!(agenda.hasten(What::End(0), 1_900_000));
        assert_eq!(agenda.take(1_899_999), None);
        let ended = agenda.take(1_900_000).unwrap();
        assert_eq!((ended.what, ended.at_ms), (What::End(0), 1_900_000));
        assert!(!agenda.hasten(What::End(0), 2_000_000));
    }

    #[test]
    fn a_remedy_that_people_name_is_had_now_or_they_are_told_why_not() {
        let one = |fault: &str, cause: &str| {
            let crash =
                "fault: worker.kill, select: all, until: { at: 55m, remedy: worker.restart }";
            assert!(CRASH.contains(crash));
            let restarted = CRASH.replace(
                "concurrency: 10 }",
                "concurrency: 10, restart: { backoff: 10s, factor: 1 } }",
            );
            let broken = restarted.replace(crash, fault);
            plan(&broken.replace("cause: worker-crashed", &format!("cause: {cause}")))
        };
        let asked = |fault: &str, order: &str| {
            let cause = match fault.contains("redis") {
                true => "resource-exhaustion",
                false => "worker-crashed",
            };
            way(&one(fault, cause), 0, order)
        };
        let full = "fault: redis.full, until: { at: 40m }";
        let raise = "redis.raise-maxmemory";
        assert_eq!(asked(full, raise), Some(Ordered::Now(What::End(0))));
        assert_eq!(asked(full, "worker.restart"), None);
        let limit = "fault: worker.memory-limit, select: all, fills_in: 20s, until: { at: 40m, remedy: worker.rollback }";
        assert_eq!(
            asked(limit, "worker.rollback"),
            Some(Ordered::Now(What::End(0)))
        );
        assert_eq!(
            asked(limit, "worker.restart"),
            Some(Ordered::Instead("worker.rollback"))
        );
    }

    #[test]
    fn only_what_is_done_at_a_moment_or_by_workers_can_be_hurried() {
        let crash = plan(CRASH);
        assert!(can_be_hurried(&crash.timeline[0]));
        let pools = plan(POOLS);
        assert_eq!(pools.timeline.len(), 2);
        assert!(!pools.timeline.iter().any(can_be_hurried));
    }
}
