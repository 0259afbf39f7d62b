//! SARIF 2.1.0, which code hosts show beside the lines it is about: what logs of findings have in common.

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde_json::{Value, json};

/// What a path has to be rid of to be a URI reference; a colon would make a scheme of what is before it.
const NOT_OF_PATHS: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b':')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// A kind of findings.
pub(crate) struct Rule<'r> {
    /// Its name, in lower case letters and dashes.
    pub(crate) id: &'r str,
    /// What it is.
    pub(crate) about: &'r str,
    /// What to do about it, or where to read more.
    pub(crate) help: String,
    /// `error`, `warning` or `note`.
    pub(crate) level: &'static str,
}

/// A log. `version`: that of firedrill.
pub(crate) fn log(version: &str, rules: &[Rule<'_>], results: &[Value]) -> String {
    let rules = rules.iter().map(|rule| {
        json!({
            "id": rule.id,
            "shortDescription": { "text": rule.about },
            "help": { "text": rule.help },
            "defaultConfiguration": { "level": rule.level },
        })
    });
    let log = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "firedrill",
                "semanticVersion": version,
                "rules": rules.collect::<Vec<_>>(),
            } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    });
    format!("{log:#}\n")
}

/// A file's name as a URI: relative to where firedrill was started, as it was named.
pub(crate) fn uri(file: &str) -> String {
    let path = utf8_percent_encode(file, NOT_OF_PATHS);
    match file.starts_with('/') {
        true => format!("file://{path}"),
        false => path.to_string(),
    }
}
