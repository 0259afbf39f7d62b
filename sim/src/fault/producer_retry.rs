//! `producer.retry`: a client that tries again at once, and for ever, whatever it is told: a loop around `Enqueue` without a
//! back-off.

use super::{Definition, Harm};
use crate::form::{form, positive};
use crate::lever::{Class, Lever, On};
use serde::{Deserialize, Serialize};

form! {
    /// What Redis does not take is enqueued again, without a back-off, until it does: calls pile up while it is away, and all
    /// comes at once when it is back. It takes another fault, by which Redis refuses something or does not answer.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct ProducerRetry: "producer.retry" {
        /// How long after a refusal, always.
        pub every_ms as "every": i64 = positive().at_least(100, "100ms"), default 1_000;
    }
}

impl Definition for ProducerRetry {
    const ON: On = On::Producer;
    const CLASS: Class = Class::Reversible;
    const CAUSES: &'static [&'static str] = &["redis-down", "resource-exhaustion", "other"];
    const ENDS_BY_ITSELF: bool = true;
    const EXAMPLES: &'static [&'static str] = &["", "every: 500ms"];
    const STATE: &'static str = "trying again";

    fn begin(&self) -> Lever {
        Lever::Again {
            every_ms: self.every_ms,
        }
    }

    fn harm(&self) -> Harm<'_> {
        Harm::All
    }
}
