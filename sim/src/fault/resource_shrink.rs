//! `resource.shrink`: connections that were never given back, a database with a lower limit.

use super::{Definition, Harm};
use crate::form::{count, form, text};
use crate::lever::{Class, Lever, On, ResourceLever};
use serde::{Deserialize, Serialize};

form! {
    /// Fewer may hold a resource at a time: who holds one keeps it, and the others wait.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct ResourceShrink: "resource.shrink" {
        /// Which resource.
        pub resource: String = text(), required;
        /// So many; 0: nobody.
        pub to: u32 = count(0..=100_000), required;
    }
}

impl Definition for ResourceShrink {
    const ON: On = On::Resource;
    const CLASS: Class = Class::Reversible;
    const CAUSES: &'static [&'static str] = &["resource-exhaustion", "slow-jobs", "other"];
    const EXAMPLES: &'static [&'static str] = &["resource: db, to: 1", "resource: api, to: 0"];
    const ENDS_BY_ITSELF: bool = true;

    fn begin(&self) -> Lever {
        Lever::Resource {
            resource: self.resource.clone(),
            what: ResourceLever::Shrink { to: self.to },
        }
    }

    fn harm(&self) -> Harm<'_> {
        Harm::Resource(&self.resource)
    }
}
