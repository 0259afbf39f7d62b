//! Who holds a resource and who waits for it: first come, first served, the same on every engine. Without a clock; how many
//! may hold it is asked each time.

use std::collections::VecDeque;

/// See the module. `T`: who waits.
#[derive(Debug)]
pub struct Slots<T> {
    held: u32,
    waiting: VecDeque<T>,
    /// How many ever had to wait.
    waits: u64,
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self {
            held: 0,
            waiting: VecDeque::new(),
            waits: 0,
        }
    }
}

impl<T> Slots<T> {
    /// Takes one, if one is free and nobody was there before.
    pub fn take(&mut self, capacity: u32) -> bool {
        let free = self.held < capacity && self.waiting.is_empty();
        self.held += u32::from(free);
        free
    }

    /// Waits for one.
    pub fn wait(&mut self, who: T) {
        self.waits += 1;
        self.waiting.push_back(who);
    }

    /// One is given back.
    pub fn give_back(&mut self) {
        self.held = self.held.saturating_sub(1);
    }

    /// Who has one now that waited: to be asked after each change until there is nobody more.
    pub fn next(&mut self, capacity: u32) -> Option<T> {
        if self.held >= capacity {
            return None;
        }
        let next = self.waiting.pop_front()?;
        self.held += 1;
        Some(next)
    }

    /// Those wait no longer.
    pub fn leave(&mut self, mut who: impl FnMut(&T) -> bool) {
        self.waiting.retain(|waiting| !who(waiting));
    }

    /// How many are held.
    #[must_use]
    pub fn held(&self) -> u32 {
        self.held
    }

    /// How many ever had to wait.
    #[must_use]
    pub fn waits(&self) -> u64 {
        self.waits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_come_first_served_and_no_more_than_there_are() {
        let mut slots = Slots::default();
        assert!(slots.take(2) && slots.take(2) && !slots.take(2));
        for who in ["a", "b", "c"] {
            slots.wait(who);
        }
        assert_eq!(slots.next(2), None);
        slots.give_back();
        // Shrunk meanwhile: whoever gives back gives to nobody.
        assert_eq!(slots.next(1), None);
        slots.leave(|who| *who == "a");
        assert_eq!(slots.next(3), Some("b"));
        assert!(!slots.take(3), "somebody was there before");
        assert_eq!((slots.next(3), slots.next(3)), (Some("c"), None));
        assert_eq!((slots.held(), slots.waits()), (3, 3));
    }
}
