//! `resource.slow`: a lost index, a downstream under load.

use super::{Definition, Harm};
use crate::form::{form, number, text};
use crate::lever::{Class, Lever, On, ResourceLever};
use serde::{Deserialize, Serialize};

form! {
    /// A resource is held for longer: what is asked of it takes its time.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct ResourceSlow: "resource.slow" {
        /// Which resource.
        pub resource: String = text(), required;
        /// How many times longer.
        pub factor: f64 = number(1.0..=10_000.0)
            .saying("a number above 1, up to 10000")
            .but_not(1.0, "factor: 1 changes nothing, so there is no fault", "accepted: above 1, up to 10000"), required;
    }
}

impl Definition for ResourceSlow {
    const ON: On = On::Resource;
    const CLASS: Class = Class::Reversible;
    const CAUSES: &'static [&'static str] = &["slow-jobs", "resource-exhaustion", "other"];
    const EXAMPLES: &'static [&'static str] = &["resource: db, factor: 4", "resource: api, factor: 4"];
    const ENDS_BY_ITSELF: bool = true;

    fn begin(&self) -> Lever {
        Lever::Resource {
            resource: self.resource.clone(),
            what: ResourceLever::Slow {
                factor: self.factor,
            },
        }
    }

    fn harm(&self) -> Harm<'_> {
        Harm::Resource(&self.resource)
    }
}
