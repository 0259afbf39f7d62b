//! Results for machines.

use crate::result::ResultFile;

/// A result as JSON, pretty-printed.
///
/// # Panics
///
/// Never: all keys are strings, and numbers that JSON cannot say are `null`.
#[must_use]
pub fn json(result: &ResultFile) -> String {
    let text =
        serde_json::to_string_pretty(result).expect("a result has nothing that JSON refuses");
    text + "\n"
}
