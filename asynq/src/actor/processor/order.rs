//! The order in which a server looks through its queues (asynq `processor.go`, `queues`).

use crate::actor::server::Served;
use crate::task::{Queues, Task};
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

/// The order in which queues are tried.
#[derive(Debug)]
pub(super) enum QueueOrder<T: Task> {
    /// One queue, or strict priorities: always the same.
    Fixed(Queues<T>),
    /// Each name as often as its priority (divided by the common divisor), to be shuffled; and room for that.
    Weighted(Vec<T::Queue>, Vec<T::Queue>),
}

impl<T: Task> QueueOrder<T> {
    pub(super) fn new(queues: &[Served<T::Queue>], strict: bool) -> Self {
        let mut queues: Vec<(T::Queue, u32)> = queues
            .iter()
            .filter(|served| served.priority > 0)
            .map(|served| (served.queue.clone(), served.priority))
            .collect();
        if strict || queues.len() < 2 {
            queues.sort_by_key(|(_, priority)| std::cmp::Reverse(*priority));
            return Self::Fixed(queues.into_iter().map(|(name, _)| name).collect());
        }
        let divisor = queues
            .iter()
            .fold(0, |acc, (_, priority)| gcd(acc, *priority))
            .max(1);
        let repeated = queues
            .into_iter()
            .flat_map(|(name, priority)| std::iter::repeat_n(name, (priority / divisor) as usize))
            .collect();
        Self::Weighted(repeated, Vec::new())
    }

    pub(super) fn next(&mut self, rng: &mut ChaCha8Rng) -> Queues<T> {
        match self {
            // Cloning a list goes a longer way than putting one name into it.
            Self::Fixed(names) if names.len() == 1 => std::iter::once(names[0].clone()).collect(),
            Self::Fixed(names) => names.clone(),
            Self::Weighted(names, shuffled) => {
                shuffled.clone_from(names);
                shuffled.shuffle(rng);
                let mut order = Queues::<T>::new();
                for name in shuffled.drain(..) {
                    if !order.contains(&name) {
                        order.push(name);
                    }
                }
                order
            }
        }
    }
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::TaskMessage;
    use crate::rng;
    use std::collections::BTreeMap;

    fn order(priorities: &[(&str, u32)], strict: bool) -> QueueOrder<TaskMessage> {
        let served: Vec<Served<String>> = priorities
            .iter()
            .map(|(name, priority)| Served {
                queue: (*name).to_owned(),
                name: (*name).to_owned(),
                priority: *priority,
            })
            .collect();
        QueueOrder::new(&served, strict)
    }

    #[test]
    fn strict_priorities_are_always_tried_from_the_highest_down() {
        let mut order = order(
            &[("low", 1), ("critical", 6), ("off", 0), ("default", 3)],
            true,
        );
        let mut rng = rng::stream(1, "test");
        for _ in 0..20 {
            assert_eq!(order.next(&mut rng)[..], ["critical", "default", "low"]);
        }
    }

    #[test]
    fn weighted_priorities_are_shares_of_first_tries_and_every_queue_is_tried() {
        let mut order = order(&[("critical", 6), ("default", 3), ("low", 1)], false);
        let mut rng = rng::stream(1, "test");
        let rounds = 20_000;
        let mut first: BTreeMap<String, u32> = BTreeMap::new();
        for _ in 0..rounds {
            let queues = order.next(&mut rng);
            assert_eq!(queues.len(), 3);
            *first.entry(queues[0].clone()).or_default() += 1;
        }
        for (queue, share) in [("critical", 0.6), ("default", 0.3), ("low", 0.1)] {
            let had = f64::from(first[queue]) / f64::from(rounds);
            // Six standard deviations.
            let slack = 6.0 * (share * (1.0 - share) / f64::from(rounds)).sqrt();
            assert!((had - share).abs() < slack, "{queue}: {had}");
        }
    }

    #[test]
    fn a_common_divisor_changes_nothing_but_the_length_of_the_list() {
        let QueueOrder::Weighted(names, _) = order(&[("a", 6), ("b", 3)], false) else {
            panic!("two queues are weighted");
        };
        assert_eq!(names, ["a", "a", "b"]);
    }
}
