//! What forms say of themselves: rows of a table for people, a JSON Schema for editors.

use crate::form::{Form, Shape};
use serde_json::{Map, Value, json};

/// Whether a key may be left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Presence {
    /// It may not.
    Required,
    /// It may, and then there is none.
    Optional,
    /// It may, and then it is this.
    Default(String),
}

/// A key, described.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The key.
    pub key: String,
    /// Its type in a word or two.
    pub words: String,
    /// What of the type is accepted, if not all of it.
    pub range: Option<String>,
    /// Whether it may be left out.
    pub presence: Presence,
    /// What it means.
    pub sentence: String,
    /// JSON Schema of its value.
    pub schema: Value,
    /// What goes between it and the keys within.
    joint: &'static str,
    /// The keys within.
    within: Vec<Self>,
}

impl Row {
    /// Describes a key. `sentence` is a doc comment as it is in the source.
    #[must_use]
    pub fn new(key: &str, sentence: &str, presence: Presence, shape: &impl Shape) -> Self {
        let sentence = sentence.split_whitespace().collect::<Vec<_>>().join(" ");
        let (joint, within) = shape.rows();
        Self {
            key: key.to_owned(),
            words: shape.words(),
            range: shape.range(),
            schema: described(shape.schema(), &sentence, &presence),
            presence,
            sentence,
            joint,
            within,
        }
    }

    /// The keys within it, in the order declared.
    #[must_use]
    pub fn within(&self) -> &[Self] {
        &self.within
    }
}

/// A schema with what it is for, and its default.
fn described(mut schema: Value, sentence: &str, presence: &Presence) -> Value {
    if let Value::Object(fields) = &mut schema {
        fields.insert("description".into(), sentence.into());
        if let Presence::Default(text) = presence {
            let text = text.trim_matches('"');
            let default = serde_json::from_str(text).unwrap_or_else(|_| text.into());
            fields.insert("default".into(), default);
        }
    }
    schema
}

/// The JSON Schema of a form: draft 2020-12, unknown keys refused.
#[must_use]
pub fn schema<F: Form>() -> Value {
    let rows = F::rows();
    let properties: Map<String, Value> = rows
        .iter()
        .map(|row| (row.key.clone(), row.schema.clone()))
        .collect();
    let required: Vec<&str> = rows
        .iter()
        .filter(|row| row.presence == Presence::Required)
        .map(|row| row.key.as_str())
        .collect();
    let mut schema = json!({
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
    });
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    if !F::ONE_OF.is_empty() {
        let one = |key: &&str| json!({ "required": [key] });
        schema["oneOf"] = F::ONE_OF.iter().map(one).collect();
    }
    schema
}

/// A Markdown table of keys, those within others after them: `workload[].arrivals.poisson`.
#[must_use]
pub fn table(rows: &[Row]) -> String {
    let mut text = String::from("| key | type | left out | meaning |\n| --- | --- | --- | --- |\n");
    put(rows, "", &mut text);
    text
}

fn put(rows: &[Row], before: &str, text: &mut String) {
    for row in rows {
        let key = format!("{before}{}", row.key);
        let range = row
            .range
            .as_ref()
            .map_or(String::new(), |range| format!(", {range}"));
        let without = match &row.presence {
            Presence::Required => "required".to_owned(),
            Presence::Optional => String::new(),
            Presence::Default(default) => format!("`{default}`"),
        };
        let cells = [
            format!("`{key}`"),
            format!("{}{range}", row.words),
            without,
            row.sentence.clone(),
        ];
        let cells = cells.map(|cell| cell.replace('|', "\\|"));
        text.push_str(&format!("| {} |\n", cells.join(" | ")));
        put(&row.within, &format!("{key}{}", row.joint), text);
    }
}
