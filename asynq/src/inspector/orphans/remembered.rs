//! A set of a fixed size for any number of texts.

use std::hash::{BuildHasher, RandomState};

/// Bits of the table: 16 MiB of it, of which the system gives what is touched.
const BITS: usize = 1 << 27;

/// Bits of a text.
const BITS_EACH: u64 = 8;

/// Texts up to which one that was never put in is taken for one that was in fewer than one of 100,000 cases.
const MOST: u64 = 4_000_000;

/// A Bloom filter. What was put in is always known; what was not is hardly ever, and never twice by the same chance, since each
/// filter has its own hashes.
pub(super) struct Remembered {
    table: Vec<u64>,
    hashes: RandomState,
    count: u64,
}

impl Default for Remembered {
    fn default() -> Self {
        Self {
            table: vec![0; BITS / 64],
            hashes: RandomState::new(),
            count: 0,
        }
    }
}

impl Remembered {
    /// Puts a text of a queue in; whether it is new.
    pub(super) fn insert(&mut self, queue: &str, text: &str) -> bool {
        let mut is_new = false;
        for bit in self.bits(queue, text) {
            let word = &mut self.table[bit / 64];
            let mask = 1 << (bit % 64);
            is_new |= *word & mask == 0;
            *word |= mask;
        }
        self.count += u64::from(is_new);
        is_new
    }

    /// Whether a text of a queue was put in.
    pub(super) fn contains(&self, queue: &str, text: &str) -> bool {
        let mut bits = self.bits(queue, text);
        bits.all(|bit| self.table[bit / 64] & (1 << (bit % 64)) != 0)
    }

    /// Whether there are so many that others may be taken for one of them.
    pub(super) const fn is_crowded(&self) -> bool {
        self.count > MOST
    }

    /// The bits of a text: steps of the second hash from the first.
    fn bits(&self, queue: &str, text: &str) -> impl Iterator<Item = usize> + use<> {
        let first = self.hashes.hash_one((queue, text));
        let step = self.hashes.hash_one((text, queue, 1)) | 1;
        (0..BITS_EACH).map(move |turn| {
            let hash = first.wrapping_add(turn.wrapping_mul(step));
            // The high bits, which depend on all of a sum.
            (hash >> (u64::BITS - BITS.trailing_zeros())) as usize
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_in_is_known_and_hardly_anything_else() {
        let mut remembered = Remembered::default();
        for number in 0..100_000 {
            assert!(remembered.insert("default", &number.to_string()));
        }
        assert!((0..100_000).all(|number| remembered.contains("default", &number.to_string())));
        assert!(!remembered.insert("default", "7"));
        let others = (0..100_000).filter(|number| remembered.contains("low", &number.to_string()));
        assert_eq!(others.count(), 0);
        assert!(!remembered.is_crowded());
    }

    /// Filled up to what is promised, which takes a second.
    #[test]
    fn it_keeps_its_promise_to_the_last() {
        let mut remembered = Remembered::default();
        let mut new = 0;
        for number in 0..MOST {
            new += u64::from(remembered.insert("q", &number.to_string()));
        }
        assert!(MOST - new < 20, "{new} of {MOST} were taken for new");
        assert!(!remembered.is_crowded());
        let strangers = (MOST..MOST + 200_000).filter(|n| remembered.contains("q", &n.to_string()));
        let mistaken = strangers.count();
        // Two are expected, and more than 20 come by chance once in 10^13 runs.
        assert!(mistaken <= 20, "{mistaken} of 200000");
        for number in MOST..MOST + 30 {
            remembered.insert("q", &number.to_string());
        }
        assert!(remembered.is_crowded());
    }
}
