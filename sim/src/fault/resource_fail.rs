//! `resource.fail`: a service that answers 503, a database that refuses.

use super::{Definition, Harm};
use crate::form::{form, text};
use crate::lever::{Class, Lever, On, ResourceLever};
use serde::{Deserialize, Serialize};

form! {
    /// A resource answers with an error at once, and its handlers return that.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct ResourceFail: "resource.fail" {
        /// Which resource.
        pub resource: String = text(), required;
    }
}

impl Definition for ResourceFail {
    const ON: On = On::Resource;
    const CLASS: Class = Class::Reversible;
    const CAUSES: &'static [&'static str] = &["retry-storm", "resource-exhaustion", "other"];
    const EXAMPLES: &'static [&'static str] = &["resource: db", "resource: api"];
    const ENDS_BY_ITSELF: bool = true;

    fn begin(&self) -> Lever {
        Lever::Resource {
            resource: self.resource.clone(),
            what: ResourceLever::Fail,
        }
    }

    fn harm(&self) -> Harm<'_> {
        Harm::Resource(&self.resource)
    }
}
