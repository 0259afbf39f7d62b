//! One of several equal parts of a piece of work that is spread over processes or machines: the third of four is `3/4`.
//!
//! What is numbered (drills of a sweep, arrivals of a load) goes round: number 0 to the first shard, 1 to the second, and so on. Each
//! has its share of every stretch, and all of them together have every number once.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// Most shards of one piece of work.
pub const SHARDS_MAX: u32 = 10_000;

/// One part of several.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(try_from = "Written", into = "Written")]
pub struct Shard {
    /// Which, from 1.
    number: u32,
    /// Of how many.
    of: u32,
}

/// One part of work that is spread over processes or machines: it passes and fails nothing by itself.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Shard")]
struct Written {
    /// Which, from 1.
    number: u32,
    /// Of how many.
    of: u32,
}

/// Why there is no such shard.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ShardError {
    /// It is not written as shards are.
    #[error("which shard of how many, such as `1/4` for the first of four")]
    Unreadable,
    /// There are not as many, or they are numbered from 1.
    #[error("{of} shards are numbered 1 to {of}: there is no shard {number}")]
    Outside {
        /// The number.
        number: u32,
        /// How many there are.
        of: u32,
    },
    /// Too many, or none.
    #[error("{0} shards: 1 to {SHARDS_MAX} are possible")]
    Count(
        /// How many were asked for.
        u32,
    ),
}

impl Shard {
    /// All of it.
    pub const WHOLE: Self = Self { number: 1, of: 1 };

    /// The one with this number, from 1, of so many.
    ///
    /// # Errors
    /// When there is none.
    pub fn new(number: u32, of: u32) -> Result<Self, ShardError> {
        match (number, of) {
            (_, of) if of == 0 || of > SHARDS_MAX => Err(ShardError::Count(of)),
            (number, of) if number == 0 || number > of => Err(ShardError::Outside { number, of }),
            (number, of) => Ok(Self { number, of }),
        }
    }

    /// Which, from 1.
    #[must_use]
    pub fn number(self) -> u32 {
        self.number
    }

    /// Of how many.
    #[must_use]
    pub fn of(self) -> u32 {
        self.of
    }

    /// Whether what has this number, from 0, is in it.
    #[must_use]
    pub fn holds(self, number: u64) -> bool {
        number % u64::from(self.of) == u64::from(self.number - 1)
    }

    /// The numbers below `count` that are in it, in order.
    #[must_use]
    pub fn numbers(self, count: usize) -> impl ExactSizeIterator<Item = usize> + Clone {
        (self.number as usize - 1..count.max(self.number as usize - 1)).step_by(self.of as usize)
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

impl FromStr for Shard {
    type Err = ShardError;

    fn from_str(text: &str) -> Result<Self, ShardError> {
        let number = |text: &str| {
            let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            let number = is_plain.then(|| text.parse().ok()).flatten();
            number.ok_or(ShardError::Unreadable)
        };
        let (which, of) = text.split_once('/').ok_or(ShardError::Unreadable)?;
        Self::new(number(which)?, number(of)?)
    }
}

impl TryFrom<Written> for Shard {
    type Error = ShardError;

    fn try_from(Written { number, of }: Written) -> Result<Self, ShardError> {
        Self::new(number, of)
    }
}

impl From<Shard> for Written {
    fn from(Shard { number, of }: Shard) -> Self {
        Self { number, of }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn is_written_as_test_runners_write_it() {
        assert_eq!("1/4".parse(), Shard::new(1, 4));
        assert_eq!(Shard::new(12, 12).unwrap().to_string(), "12/12");
        for text in [
            "",
            "1",
            "/",
            "1/",
            "/4",
            "+1/4",
            "1/4/4",
            " 1/4",
            "1/-4",
            "4294967296/4294967297",
        ] {
            assert_eq!(
                text.parse::<Shard>(),
                Err(ShardError::Unreadable),
                "{text:?}"
            );
        }
        for text in ["0/4", "5/4", "1/0", "1/10001"] {
            let error = text.parse::<Shard>().unwrap_err();
            assert_ne!(error, ShardError::Unreadable, "{text:?}");
        }
        assert!(serde_json::from_str::<Shard>(r#"{"number": 5, "of": 4}"#).is_err());
    }

    proptest! {
        #[test]
        fn together_they_have_every_number_once(of in 1_u32..40, count in 0_usize..300) {
            let all: Vec<Shard> = (1..=of).map(|number| Shard::new(number, of).unwrap()).collect();
            let mut found: Vec<usize> = all.iter().flat_map(|shard| shard.numbers(count)).collect();
            found.sort_unstable();
            prop_assert_eq!(found, (0..count).collect::<Vec<_>>());
            for shard in &all {
                let held = (0..count).filter(|number| shard.holds(*number as u64));
                prop_assert!(held.eq(shard.numbers(count)));
                // Shares differ by no more than one.
                prop_assert!(shard.numbers(count).len().abs_diff(count / of as usize) <= 1);
            }
        }
    }
}
