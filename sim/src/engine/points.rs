//! Rules about calls, at the points of asynq's protocol where each engine asks for a verdict. The first rule that has one
//! wins; a rule is withdrawn when its step ends.

use crate::lever::{PointRule, PointVerdict, Which};
use firedrill_asynq::call::CallKind;
use firedrill_asynq::rng;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;

/// The rules that are on.
#[derive(Debug, Default)]
pub(crate) struct Points {
    rules: Vec<Rule>,
}

#[derive(Debug)]
struct Rule {
    step: usize,
    rule: PointRule,
    /// Of each client whose calls it is about.
    clients: BTreeMap<String, Client>,
}

#[derive(Debug)]
struct Client {
    /// Calls so far.
    calls: u32,
    dice: ChaCha8Rng,
}

/// A verdict other than *pass*.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hit {
    /// Index of the step whose rule it is.
    pub(crate) step: usize,
    pub(crate) then: PointVerdict,
}

/// Where on its way a call is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum At {
    /// It has not gone out.
    Client,
    /// Redis has carried it out.
    Redis,
}

impl PointVerdict {
    fn at(self) -> At {
        match self {
            Self::DieBefore | Self::Lose => At::Client,
            Self::DieAfter | Self::LoseReply | Self::Repeat => At::Redis,
        }
    }
}

impl Points {
    /// A step's rule is on from now on. Its dice are those of the plan's seed, one for each client.
    pub(crate) fn set(
        &mut self,
        (step, id): (usize, &str),
        rule: PointRule,
        clients: &[String],
        seed: u64,
    ) {
        let client = |name: &String| {
            let dice = rng::stream(seed, &format!("point/{id}/{name}"));
            (name.clone(), Client { calls: 0, dice })
        };
        self.rules.push(Rule {
            step,
            rule,
            clients: clients.iter().map(client).collect(),
        });
    }

    /// It no longer is; answers whether it was.
    pub(crate) fn lift(&mut self, step: usize) -> bool {
        let before = self.rules.len();
        self.rules.retain(|rule| rule.step != step);
        self.rules.len() < before
    }

    /// What becomes of a call.
    pub(crate) fn verdict(&mut self, client: &str, call: CallKind, at: At) -> Option<Hit> {
        let mut hit = None;
        for rule in &mut self.rules {
            let asked = rule.rule.call == call && rule.rule.then.at() == at;
            let Some(client) = rule.clients.get_mut(client).filter(|_| asked) else {
                continue;
            };
            client.calls = client.calls.saturating_add(1);
            let is_hit = match rule.rule.which {
                Which::Nth(nth) => client.calls == nth,
                Which::Share(share) => client.dice.random::<f64>() < share,
            };
            // All of them count.
            if is_hit && hit.is_none() {
                hit = Some(Hit {
                    step: rule.step,
                    then: rule.rule.then,
                });
            }
        }
        hit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(which: Which, then: PointVerdict) -> PointRule {
        PointRule {
            call: CallKind::Done,
            which,
            then,
        }
    }

    #[test]
    fn the_nth_call_of_each_client_and_no_other() {
        let mut points = Points::default();
        let clients = ["a".to_owned(), "b".to_owned()];
        let nth = rule(Which::Nth(2), PointVerdict::LoseReply);
        points.set((4, "lost"), nth, &clients, 1);
        let mut ask = |client, call, at| points.verdict(client, call, at).is_some();
        assert!(!ask("a", CallKind::Done, At::Redis));
        assert!(!ask("a", CallKind::Dequeue, At::Redis), "another call");
        assert!(!ask("a", CallKind::Done, At::Client), "another point");
        assert!(!ask("c", CallKind::Done, At::Redis), "another client");
        assert!(ask("a", CallKind::Done, At::Redis));
        assert!(!ask("a", CallKind::Done, At::Redis));
        assert!(!ask("b", CallKind::Done, At::Redis), "it has its own count");
        assert!(points.lift(4) && !points.lift(4));
        assert_eq!(points.verdict("b", CallKind::Done, At::Redis), None);
    }

    #[test]
    fn a_share_is_drawn_and_the_first_rule_wins() {
        let mut points = Points::default();
        let clients = ["a".to_owned()];
        let share = rule(Which::Share(0.25), PointVerdict::Repeat);
        let all = rule(Which::Share(1.0), PointVerdict::LoseReply);
        points.set((0, "some"), share, &clients, 7);
        points.set((1, "all"), all, &clients, 7);
        let hits: Vec<usize> = (0..4_000)
            .filter_map(|_| points.verdict("a", CallKind::Done, At::Redis))
            .map(|hit| hit.step)
            .collect();
        assert_eq!(hits.len(), 4_000);
        let first = hits.iter().filter(|step| **step == 0).count();
        assert!((900..1_100).contains(&first), "{first}");
    }
}
