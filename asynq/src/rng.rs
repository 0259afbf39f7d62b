//! Named random streams from one seed, the same on every machine.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// The stream `name` of `seed`: ChaCha8 keyed with the seed and the FNV-1a hash of the name, both spread by SplitMix64.
///
/// Streams do not disturb each other: a new name moves nobody else's dice.
#[must_use]
pub fn stream(seed: u64, name: &str) -> ChaCha8Rng {
    let mut state = start(seed, name);
    let mut key = [0_u8; 32];
    for chunk in key.chunks_exact_mut(8) {
        chunk.copy_from_slice(&split_mix(&mut state).to_le_bytes());
    }
    ChaCha8Rng::from_seed(key)
}

/// A stream whose throws are numbered: each can be had without those before it, in a few nanoseconds, so that millions of
/// tasks have dice of their own.
#[derive(Debug, Clone, Copy)]
pub struct Numbered {
    key: u64,
}

impl Numbered {
    /// The stream `name` of `seed`.
    #[must_use]
    pub fn new(seed: u64, name: &str) -> Self {
        let mut state = start(seed, name);
        Self {
            key: split_mix(&mut state),
        }
    }

    /// The throw of number `seq`, attempt `attempt`.
    #[inline]
    #[must_use]
    pub fn throw(self, seq: u64, attempt: u32) -> Throw {
        let mut state = self.key ^ seq;
        let mut state = split_mix(&mut state) ^ u64::from(attempt).rotate_left(32);
        Throw {
            state: split_mix(&mut state),
        }
    }
}

/// The values of one throw.
#[derive(Debug, Clone)]
pub struct Throw {
    state: u64,
}

impl Throw {
    /// 64 random bits (SplitMix64).
    #[inline]
    pub fn bits(&mut self) -> u64 {
        split_mix(&mut self.state)
    }
}

/// Where the generator of stream `name` of `seed` begins.
fn start(seed: u64, name: &str) -> u64 {
    seed ^ fnv1a(name).rotate_left(32)
}

/// 64-bit FNV-1a (Fowler, Noll, Vo).
fn fnv1a(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// SplitMix64 (Steele, Lea, Flood 2014).
#[inline]
fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Uniform in [0, 1), 53 bits.
#[inline]
#[must_use]
pub fn unit(bits: u64) -> f64 {
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::RngExt;

    #[test]
    fn numbered_throws_are_uniform_and_independent() {
        let dice = Numbered::new(7, "service/0");
        let share = |draw: &dyn Fn(u64) -> u64, bit: u32| {
            let ones = (0..20_000).filter(|seq| draw(*seq) >> bit & 1 == 1).count();
            ones as f64 / 20_000.0
        };
        // Five standard deviations around a half, for single bits and for pairs of neighbouring throws.
        for bit in 0..64 {
            for draw in [
                &|seq| dice.throw(seq, 0).bits(),
                &|seq| dice.throw(seq, 0).bits() ^ dice.throw(seq + 1, 0).bits(),
                &|seq| dice.throw(seq, 0).bits() ^ dice.throw(seq, 1).bits(),
            ] as [&dyn Fn(u64) -> u64; 3]
            {
                let share = share(draw, bit);
                assert!((share - 0.5).abs() < 0.018, "bit {bit}: {share}");
            }
        }
    }

    #[test]
    fn streams_are_pinned() {
        let draw = |seed, name| stream(seed, name).random::<u64>();
        assert_eq!(fnv1a("a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(draw(42, "a"), 15_680_192_231_515_624_255);
        assert_eq!(
            Numbered::new(42, "a").throw(1, 0).bits(),
            7_999_585_331_587_545_810
        );
        assert_ne!(draw(42, "a"), draw(42, "b"));
        assert_ne!(draw(42, "a"), draw(43, "a"));
    }
}
