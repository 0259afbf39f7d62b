//! What the scenario's form says of itself: the table of its keys, and its JSON Schema.

use crate::form::{self, Form};
use crate::scenario::Scenario;
use serde_json::Value;

/// The JSON Schema of a scenario file, draft 2020-12.
#[must_use]
pub fn schema() -> Value {
    let mut schema = form::schema::<Scenario>();
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema".into();
    schema["title"] = "A firedrill scenario".into();
    schema
}

/// Every key of a scenario file, as a Markdown table.
#[must_use]
pub fn table() -> String {
    form::table(&Scenario::rows())
}

#[cfg(test)]
pub(crate) mod as_json;
#[cfg(test)]
mod tables;
#[cfg(test)]
pub(crate) mod tests;
