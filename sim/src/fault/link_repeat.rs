//! `link.repeat`: a call that arrives twice.

use super::{Definition, Harm, Needs};
use crate::form::{choice, count, form, share};
use crate::lever::{Class, Lever, On, PointLever, PointRule, PointVerdict, Which};
use firedrill_asynq::call::CallKind;
use serde::{Deserialize, Serialize};

form! {
    /// Redis gets a call twice; its client hears of the first alone.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct LinkRepeat: "link.repeat" [one of nth, share] {
        /// Calls that do this; of `dequeue`, those that are answered with a task.
        pub call: CallKind = choice(CallKind::ALL.map(|kind| (kind.name(), kind))), required;
        /// Which of each client's.
        pub nth: Option<u32> = count(1..=1_000_000), optional;
        /// Such a share of them, drawn for each.
        pub share: Option<f64> = share().but_not(0.0, "share: 0 changes nothing, so there is no fault", "accepted: above 0, up to 100%"), optional;
    }
}

impl Definition for LinkRepeat {
    const ON: On = On::Clients;
    const CLASS: Class = Class::Reversible;
    const CAUSES: &'static [&'static str] = &["redis-down", "other"];
    const ENDS_BY_ITSELF: bool = true;
    const EXAMPLES: &'static [&'static str] = &[
        "call: done, share: 20%",
        "call: dequeue, nth: 4",
        "call: enqueue, share: 10%, select: [producer]",
    ];
    const STATE: &'static str = "repeated";

    fn begin(&self) -> Lever {
        Lever::Point(PointLever::Set(PointRule {
            call: self.call,
            which: self.share.map_or(Which::Nth(self.nth.unwrap_or(1)), Which::Share),
            then: PointVerdict::Repeat,
        }))
    }

    fn end(&self) -> Option<Lever> {
        Some(Lever::Point(PointLever::Lift))
    }

    fn harm(&self) -> Harm<'_> {
        Harm::Processes
    }

    fn needs(&self) -> Needs {
        Needs { own_redis: true, persistence: false }
    }
}
