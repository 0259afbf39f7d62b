//! The cluster bootstrap: whole seeds are drawn again, with all that happened under them, since drills of one seed may have
//! more in common than others.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// Draws clusters. The dice are keyed with what is drawn from, so that the same outcomes give the same answer.
#[derive(Debug)]
pub(crate) struct Resample {
    clusters: usize,
    dice: ChaCha8Rng,
}

impl Resample {
    /// Of so many clusters, which hold these numbers: their 64-bit FNV-1a hash is the key.
    pub(crate) fn new(clusters: usize, held: impl IntoIterator<Item = u64>) -> Self {
        let hash = fnv1a(held.into_iter().flat_map(u64::to_le_bytes));
        let mut key = [0; 32];
        key[..8].copy_from_slice(&hash.to_le_bytes());
        Self {
            clusters,
            dice: ChaCha8Rng::from_seed(key),
        }
    }

    /// Draws as many as there are, with repetition: their indices.
    pub(crate) fn draw(&mut self) -> impl Iterator<Item = usize> {
        (0..self.clusters).map(|_| below(self.clusters, self.dice.next_u32()))
    }
}

/// The 64-bit FNV-1a hash.
pub(crate) fn fnv1a(bytes: impl IntoIterator<Item = u8>) -> u64 {
    let hash = |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.into_iter().fold(0xcbf2_9ce4_8422_2325, hash)
}

/// A number below `n`, from 32 random bits: there are far less seeds than would make that uneven.
fn below(n: usize, bits: u32) -> usize {
    ((u64::from(bits) * n as u64) >> 32) as usize
}

/// The 2.5th and the 97.5th percentile of what was drawn, in order.
pub(crate) fn percentiles<T: Copy>(sorted: &[T]) -> Option<(T, T)> {
    let last = sorted.len().checked_sub(1)?;
    let tail = sorted.len() / 40;
    let (low, high) = (tail.saturating_sub(1), last - tail);
    Some((sorted[low], sorted[high]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_many_and_of_all() {
        let mut of = Resample::new(10, [1, 2, 3]);
        let mut counts = [0_u32; 10];
        for _ in 0..1_000 {
            of.draw().for_each(|index| counts[index] += 1);
        }
        assert!(
            counts.iter().all(|count| (850..1_150).contains(count)),
            "{counts:?}"
        );
        let first = |held: u64| Resample::new(10, [held]).draw().collect::<Vec<_>>();
        assert_eq!(first(7), first(7));
        assert_ne!(first(7), first(8));
    }

    #[test]
    fn percentiles_leave_as_much_on_both_sides() {
        let all: Vec<usize> = (0..2_000).collect();
        assert_eq!(percentiles(&all), Some((49, 1_949)));
        assert_eq!(percentiles(&[5]), Some((5, 5)));
        assert_eq!(percentiles::<u8>(&[]), None);
    }
}
